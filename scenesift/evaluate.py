"""Evaluation: dense, sparse and SGPD retrieval over the same stored vectors, both ways.

R@k is the percentage of queries with at least one positive in the top k: of a caption its own
image, of an image its own captions. mR is the mean of R@1, R@5 and R@10 of both directions.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from indexer.collection import DEFAULT
from indexer.index import index
from indexer.progress import Meter, Progress
from indexer.source import Source
from indexer.update import UpdateRequest
from query_service.request import Recall, SearchRequest, Strategy, recall_target
from query_service.search import Searcher
from scenesift.errors import EvaluationError
from scenesift.runs import write_qrels, write_run
from scenesift.selection import beside, select
from scenestore.entry import KINDS, Entry, Identity, Kind, Scene, scene_of
from scenestore.filters import ANY, Filter
from scenestore.generation import Generation
from scenestore.ports import LiveEntries
from sgpd.metrics import mean_recall, r_at_k, recall_at_k
from sgpd.plan import RECALL_SETTINGS

if TYPE_CHECKING:
    from scenesift.archive import Archive
    from sgpd.encoders import Encoder

DEPTH = 10
CUTS = (1, 5, 10)
_PAGE = 256
_DISTRACTORS = "distractors"

Arm = Literal["dense", "sparse", "sgpd"]
ARMS: tuple[Arm, ...] = ("dense", "sparse", "sgpd")

Direction = Literal["text_to_image", "image_to_text"]
SEARCHED: dict[Direction, Kind] = {"text_to_image": "chip", "image_to_text": "caption"}
ASKED: dict[Direction, Kind] = {"text_to_image": "caption", "image_to_text": "chip"}


def evaluate(
    home: Archive,
    source: Path,
    captions: Path | None = None,
    *,
    split: str | None = None,
    distractors: Path | None = None,
    recall: Recall = "0.99",
    strategy: Strategy = "auto",
    queries: Path | None = None,
    progress: Callable[[str], Progress] | None = None,
) -> Report:
    """Index the images of a split in a temporary archive, and compare there.

    Without captions, SOURCE/captions.jsonl is used.
    It is calibrated on the `queries` of a file first, if there is one. It has the bundle, model and
    engine of `home`, which stays as it is. `progress` is asked for one for each step, by its name.
    Raises SceneSiftError.
    """

    def say(step: str) -> Progress | None:
        return progress(step) if progress else None

    recall_target(recall)
    Source(source)
    if distractors:
        Source(distractors)  # a wrong path must not be found after an hour
    captions = captions or beside(source)
    if captions is None:
        raise EvaluationError(f"{source} holds no captions.jsonl; give --captions FILE")
    with tempfile.TemporaryDirectory(prefix="scenesift-") as folder, home.temporary() as archive:
        texts = select(source, captions, split, Path(folder))
        archive.index(Path(folder), captions=texts, progress=say("indexing images"))
        if distractors:
            index(  # not archive.index, which would take captions that lie beside them
                archive.generation,
                archive.engine.ledger,
                archive.encoder,
                UpdateRequest(distractors, _DISTRACTORS),
                settings=archive.pipeline_settings,
                progress=say("indexing distractors"),
            )
            archive.generations.tidy(archive.generation)
        if queries:
            archive.calibrate(queries=queries)
        asked = Evaluation(archive.generation, archive.encoder, DEFAULT, recall, strategy)
        return asked.run(lambda way: say(way.replace("_", " ")))


@dataclass(frozen=True)
class Ranking:
    """What one arm answers to one query, best first."""

    entries: Sequence[Entry]
    scores: NDArray[np.float32]
    scanned: float = 0.0
    """Share of the gallery's vectors that were scored."""


@dataclass
class Tally:
    """What is counted in one direction, query by query."""

    ranked: dict[Arm, list[list[int]]] = field(default_factory=lambda: {arm: [] for arm in ARMS})
    """Whether each hit belongs to the query's scene, as 1 or 0."""
    recalls: list[float] = field(default_factory=list)
    scanned: list[float] = field(default_factory=list)
    runs: dict[Arm, list[tuple[str, list[tuple[str, float]]]]] = field(
        default_factory=lambda: {arm: [] for arm in ARMS}
    )
    qrels: list[tuple[str, list[str]]] = field(default_factory=list)

    def add(self, query: Identity, answers: dict[Arm, Ranking]) -> None:
        """Count one query's answers."""
        for arm, ranking in answers.items():
            hits = [entry.identity for entry in ranking.entries]
            self.ranked[arm].append([int(scene_of(hit) == scene_of(query)) for hit in hits])
            named = zip(map(name, hits), ranking.scores.tolist(), strict=True)
            self.runs[arm].append((name(query), list(named)))
        self.recalls.append(recall_at_k(answers["sgpd"].scores, answers["dense"].scores))
        self.scanned.append(answers["sgpd"].scanned)

    def r_at(self, arm: Arm) -> dict[str, float]:
        """R@k in percent."""
        wanted = [(1,)] * len(self.recalls)
        return {f"r{k}": 100 * r_at_k(self.ranked[arm], wanted, k) for k in CUTS}


@dataclass(frozen=True)
class Report:
    """The figures of an evaluation."""

    images: int
    captions: int
    tallies: dict[Direction, Tally]

    def to_json(self) -> dict[str, Any]:
        """What `evaluate --json` prints; R@k in percent, recall and scanned as shares."""
        value: dict[str, Any] = {"gallery": {"images": self.images, "captions": self.captions}}
        for arm in ARMS:
            by_direction = {way: tally.r_at(arm) for way, tally in self.tallies.items()}
            every = [r for cuts in by_direction.values() for r in cuts.values()]
            value[arm] = {**by_direction, "mean_recall": mean_recall(every)}
        ways = self.tallies.items()
        value["sgpd"]["recall_at_10"] = {way: mean(tally.recalls) for way, tally in ways}
        value["sgpd"]["scanned"] = {way: mean(tally.scanned) for way, tally in ways}
        return value

    def write_runs(self, folder: Path) -> None:
        """TREC run files, one an arm and direction, and the qrels that they are judged by."""
        for way, tally in self.tallies.items():
            write_qrels(folder / f"{way}.qrels", tally.qrels)
            for arm in ARMS:
                write_run(folder / f"{arm}.{way}.run", arm, tally.runs[arm])


class Evaluation:
    """Asks every caption for its image and every image for its captions, in one collection."""

    def __init__(
        self,
        generation: Generation,
        encoder: Encoder,
        collection: str,
        recall: Recall = "0.99",
        strategy: Strategy = "auto",
    ) -> None:
        self._documents: LiveEntries = generation.documents
        self._reader = generation.reader
        self._bundle = generation.bundle
        self._encoder = encoder
        self._searcher = Searcher(generation, lambda: encoder)
        self._where = Filter(collections=(collection,))
        self._recall: Recall = recall
        self._strategy: Strategy = strategy

    def run(self, progress: Callable[[Direction], Progress | None]) -> Report:
        """Ask all queries of all arms; EvaluationError when no image has a caption."""
        names = {kind: self._names(kind) for kind in KINDS}
        paired = names["chip"].keys() & names["caption"].keys()
        if not paired:
            raise EvaluationError("no image that could be read has a caption: nothing to evaluate")
        tallies = {way: Tally() for way in SEARCHED}
        for way, searched in SEARCHED.items():
            asked = ASKED[way]
            count = sum(len(names[asked][scene]) for scene in paired)
            meter = Meter(count, progress(way))
            for entry, query in self._queries(asked, paired):
                who = entry.identity
                tallies[way].add(who, {arm: self._ask(arm, searched, query) for arm in ARMS})
                tallies[way].qrels.append((name(who), names[searched][scene_of(who)]))
                meter.add(1)
        images, captions = (self._documents.count(kind, ANY) for kind in KINDS)
        return Report(images, captions, tallies)

    def _names(self, kind: Kind) -> dict[Scene, list[str]]:
        """Names of the collection's entries by scene."""
        found: dict[Scene, list[str]] = {}
        for _, page in self._pages(kind):
            for entry in page:
                found.setdefault(scene_of(entry.identity), []).append(name(entry.identity))
        return found

    def _queries(
        self, kind: Kind, paired: Set[Scene]
    ) -> Iterator[tuple[Entry, NDArray[np.float32]]]:
        """Entries that are asked, with the query's vector: a caption encoded, an image stored."""
        for keys, page in self._pages(kind):
            if kind == "caption":
                vectors = self._encoder.encode_texts([entry.caption or "" for entry in page])
            else:
                vectors = self._reader.segments(kind, holding=keys).vectors(keys)
            for entry, vector in zip(page, vectors, strict=True):
                if scene_of(entry.identity) in paired:
                    yield entry, vector

    def _pages(self, kind: Kind) -> Iterator[tuple[NDArray[np.int64], list[Entry]]]:
        """The collection's entries and their keys, a page at a time."""
        keys = self._documents.keys(kind, self._where, sys.maxsize)
        for start in range(0, len(keys), _PAGE):
            page = keys[start : start + _PAGE]
            entries = self._documents.fetch(kind, page.tolist(), ANY)
            yield page, [entries[key] for key in page.tolist()]

    def _ask(self, arm: Arm, kind: Kind, query: NDArray[np.float32]) -> Ranking:
        if arm == "sparse":
            return self._sparse(kind, query)
        strategy: Strategy = "exhaustive" if arm == "dense" else self._strategy
        answer = self._searcher.search(
            SearchRequest(
                embedding=query,
                embedded="text" if kind == "chip" else "image",
                kind=kind,
                k=DEPTH,
                recall=self._recall,
                strategy=strategy,
            )
        )
        return Ranking(
            [hit.entry for hit in answer.hits],
            np.array([hit.score for hit in answer.hits], np.float32),
            answer.scanned / max(answer.entries, 1),
        )

    def _sparse(self, kind: Kind, query: NDArray[np.float32]) -> Ranking:
        """The order of the guide alone."""
        terms = RECALL_SETTINGS[0.99].query_terms
        sparsifier = self._bundle.space(kind).sparsifier
        code = sparsifier.encode_queries(query[None], terms).row(0)
        guide = self._documents.guide(kind, *code, DEPTH, ANY)
        entries = self._documents.fetch(kind, guide.keys.tolist(), ANY)
        return Ranking([entries[key] for key in guide.keys.tolist()], guide.scores)


def name(who: Identity) -> str:
    """What run files call an entry: its scene, and which part of it."""
    match who.part:
        case None:
            return who.scene
        case int() as number:
            return f"{who.scene}#{number}"
        case window:
            return f"{who.scene}#{','.join(map(str, window))}"


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean."""
    return sum(values) / len(values)
