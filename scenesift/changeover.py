"""Changeover: a generation is made beside the live one, takes its place, gives it back, is dropped.

See docs/decisions/0015-generations.md for what happens to writes and searches meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer.pipeline import PipelineSettings
from indexer.progress import Progress
from indexer.recode import Recoding
from indexer.reencode import Reencoding
from indexer.resume import resume
from indexer.runs import Runs
from indexer.succession import Bring, Succession
from scenesift.engine import Engine
from scenesift.errors import GenerationError
from scenesift.generations import Generations, number
from scenesift.home import Home
from scenestore.generation import Generation
from scenestore.log import Log
from scenestore.ports import Record
from sgpd.bundle import Bundle

if TYPE_CHECKING:
    from sgpd.encoders import Encoder

FEW = 2
"""Batches so few that a switch may bring them over while writers wait."""
ROUNDS = 20
"""How often a switch brings over what came in, until it is so few; afterwards writers wait."""


@dataclass(frozen=True)
class Models:
    """What the encoders of two generations are loaded from; None: the bundled model."""

    live: str | None
    new: str | None


class Changeover:
    """Changes which generation is live, one change at a time."""

    def __init__(
        self,
        home: Home,
        engine: Engine,
        encoder: Callable[[str], Encoder],
        settings: PipelineSettings,
    ) -> None:
        """`encoder` loads the model of a generation, by its name."""
        self._home = home
        self._engine = engine
        self._generations = Generations(home, engine)
        self._encoder = encoder
        self._settings = settings

    def create(
        self, bundle: Bundle, progress: Progress | None = None, models: Models | None = None
    ) -> str:
        """Make a generation with a bundle beside the live one; returns its name.

        Stopped and run again it goes on. `models` are written down: whoever searches a generation
        loads its own. Raises GenerationError when there is nothing to do, or another is in the way.
        """
        with self._generations.changing() as known:
            live = self._live()
            name = self._begun(live, bundle, known)
            if models is not None:
                self._generations.describe(live.log.generation, model=models.live)
                self._generations.describe(name, model=models.new)
            self._bring_all(live, name, bundle, progress)
        return name

    def _begun(self, live: Generation, bundle: Bundle, known: Record | None) -> str:
        """The name of the generation to go on with, or of a new one."""
        generations = self._generations
        if bundle.digest == live.bundle.digest:
            raise GenerationError(
                f"the live generation {live.log.generation} has that bundle already "
                f"({bundle.digest[:16]}); fit another with `scenesift fit`, or give --bundle"
            )
        kept = (live.log.generation, generations.previous_name())
        for name in (name for name in generations.names() if name not in kept):
            log = Log(self._engine.ledger, name)
            if log.exists() and log.head().bundle == bundle.digest:
                return name
            if not generations.is_whole(name) and bundle.encoder == live.bundle.encoder:
                known = generations.keep_hold(known)
                generations.discard(name)  # no image was encoded for it
                continue
            raise GenerationError(
                f"generation {name} is there already, with another bundle; switch to it, or run "
                f"`scenesift generation drop {name}` first"
            )
        name = f"g{max(map(number, generations.names())) + 1}"
        self._home.save_bundle(bundle)
        generations.mark(name, is_whole=False)
        generations.describe(name, encoder=bundle.encoder)
        return name

    def _bring_all(
        self, live: Generation, name: str, bundle: Bundle, progress: Progress | None
    ) -> None:
        new = self._generations.opened(name, bundle)
        try:
            with Succession(live, new, self._bring(live, new)) as succession:
                succession.carry(progress)
                if live.bundle.encoder != bundle.encoder:
                    succession.retry()  # images that were out of reach the last time
            self._generations.mark(name, is_whole=True)
        finally:
            new.documents.close()
            live.documents.close()

    def switch(self, name: str, progress: Progress | None = None) -> str | None:
        """Make a generation live, with all that the live one has; returns which was live before.

        Searches and writes go on meanwhile: writes wait for a moment, and go to the new one.
        Raises GenerationError, or DifferenceError where the scenes differ; then nothing changed.
        """
        generations = self._generations
        with generations.changing() as known:
            self._check_there(name)
            live = self._live()
            before = live.log.generation
            if name == before:
                live.documents.lead()
                live.documents.close()
                return None
            if not generations.is_whole(name):
                raise GenerationError(
                    f"generation {name} is not whole; run the `scenesift generation create` that "
                    f"began it again, or `scenesift generation drop {name}`"
                )
            new = generations.open(name)
            dropped = generations.previous_name()
            try:
                moved = self._take_over(live, new, known, progress)
            finally:
                live.documents.close()
                new.documents.close()
            if dropped not in (None, name):
                generations.keep_hold(moved)
                generations.discard(dropped)
        return before

    def _take_over(
        self, live: Generation, new: Generation, known: Record | None, progress: Progress | None
    ) -> Record | None:
        """Returns what the ledger says of the live one from now on."""
        self._finish(live)
        with Succession(live, new, self._bring(live, new)) as succession:
            for _ in range(ROUNDS):
                if succession.carry(progress) <= FEW:
                    break
            succession.check()
            try:
                live.log.close(new.log.generation)
                if succession.carry():
                    succession.check()
                self._generations.move(new, known)
            finally:
                moved = self._generations.reopen()
        self._finish(new)  # what it refused while it was closed, and nobody wrote again
        self._home.remember(bundle=new.bundle.digest)
        return moved

    def _finish(self, generation: Generation) -> None:
        """Complete what writers that died left behind; a living one completes it as well."""
        resume(generation, Runs(self._engine.ledger).open().values())

    def rollback(self, progress: Progress | None = None) -> str:
        """Make the previous generation live again; returns its name."""
        previous = self._generations.previous_name()
        if previous is None:
            raise GenerationError(
                "there is no previous generation to go back to; `scenesift generation list` shows "
                "what there is"
            )
        self.switch(previous, progress)
        return previous

    def drop(self, name: str) -> None:
        """Remove a generation that is not live."""
        generations = self._generations
        with generations.changing() as known:
            self._check_there(name)
            if name == generations.live_name():
                raise GenerationError(
                    f"generation {name} is live and stays; switch to another one first"
                )
            is_previous = name == generations.previous_name()
            generations.keep_hold(known, keep_previous=not is_previous)
            generations.discard(name)

    def follow(self, live: Generation, bundle: Bundle, progress: Progress | None) -> str:
        """Code the live generation anew with another bundle of its encoder, and keep only that.

        What `rebuild` does: create, switch and drop in one; returns the name of the new one.
        """
        bundle.check_encoder(live.bundle.encoder)
        name = self.create(bundle, progress)
        before = self.switch(name)
        if before is not None:
            self.drop(before)
        return name

    def _live(self) -> Generation:
        live = self._generations.live()
        if live is None:
            raise GenerationError(
                f"nothing is indexed in {self._home.store}; run `scenesift index SOURCE --home "
                f"{self._home.path}`"
            )
        return live

    def _check_there(self, name: str) -> None:
        names = self._generations.names()
        if name not in names:
            known = ", ".join(names) or "none"
            raise GenerationError(
                f"there is no generation {name}; there are: {known}; `scenesift generation create` "
                "makes one"
            )

    def _bring(self, old: Generation, new: Generation) -> Bring:
        """By the stored vectors where they will do, else by the images."""
        if old.bundle.encoder == new.bundle.encoder:
            return Recoding(old, new)
        name = new.log.generation
        ledger = self._engine.ledger
        return Reencoding(new, ledger, lambda: self._encoder(name), self._settings)
