"""What is known of each generation, for people and scripts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from scenesift.generations import Generations
from scenestore.entry import KINDS, Kind
from scenestore.filters import ANY

State = Literal["live", "previous", "ready", "building"]
"""previous: live before, kept to go back to; ready: whole; building: being made or dropped."""


@dataclass(frozen=True)
class GenerationFacts:
    """What is known of a generation, for people and scripts."""

    name: str
    state: State
    bundle: str
    """Its digest; empty where nothing of the generation is left but its folder."""
    encoder: str
    model: str | None
    """What the encoder is loaded from, where it was made with a model of its own."""
    entries: dict[Kind, int]
    batches: int
    bytes: int
    """Of its batches and segments."""
    made: str | None
    """When it was begun, ISO 8601; None for one that was begun before that was written down."""


def generation_facts(generations: Generations) -> Iterator[GenerationFacts]:
    """The facts of every generation, oldest first."""
    live, previous = generations.live_name(), generations.previous_name()
    for name in generations.names():
        states: dict[str | None, State] = {previous: "previous", live: "live"}
        whole: State = "ready" if generations.is_whole(name) else "building"
        yield _facts_of(generations, name, states.get(name, whole))


def _facts_of(generations: Generations, name: str, state: State) -> GenerationFacts:
    known = generations.noted(name)
    made, model = known.get("made"), known.get("model")
    log = generations.log(name)
    nothing: dict[Kind, int] = dict.fromkeys(KINDS, 0)
    if not log.exists():
        encoder = known.get("encoder", "")
        return GenerationFacts(name, state, "", encoder, model, nothing, 0, 0, made)
    generation = generations.unchecked(name)
    try:
        head, batches = log.head(), list(log.batches())
        entries = {kind: generation.documents.count(kind, ANY) for kind in KINDS}
    finally:
        generation.documents.close()
    size = sum(batch.size for batch in batches) + sum(one.size for one in head.segments)
    encoder = generation.bundle.encoder
    return GenerationFacts(
        name, state, head.bundle, encoder, model, entries, len(batches), size, made
    )
