"""The home: one folder with an archive's settings, bundles and batches, and when embedded all else.

home.json           format of the folder, and where it is its own store, what SharedFacts holds
settings.toml       optional, written by people
bundles/DIGEST/     sealed bundles
batches/            one folder a generation, with its sealed batches and segments
searches.jsonl      a sample of live searches, and searches.old.jsonl before it
calibrations/       one folder a generation, with its latest calibrations, sealed
keys/               a blob a key of the query service, named by its digest
embedded/           SQLite files of the embedded engine
lock                held by the one process that writes
generations.lock    held by the one process that makes, switches or drops generations

Where the settings name a store, bundles, batches, calibrations and keys lie there, with what all
its users must agree on; homes then keep only what is of their own machine.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenesift.errors import HomeBusyError, HomeError
from scenesift.facts import SharedFacts
from scenesift.settings import FILE
from scenestore.local_store import LocalStore
from scenestore.store import Store

if TYPE_CHECKING:
    from sgpd.bundle import Bundle

FORMAT = 1
_STATE = "home.json"
_OURS = {_STATE, FILE, "bundles", "batches", "calibrations", "embedded", "lock"}
_OURS |= {
    "cache",
    "plans",
    "facts",
    "keys",
    "searches.jsonl",
    "searches.old.jsonl",
    "generations.lock",
}


class Home:
    """A home directory; nothing is created before `writing`."""

    def __init__(self, path: Path, store: Store | None = None) -> None:
        """`store` holds what several machines share; without it the home holds that too."""
        self.path = path
        self.store: Store = store or LocalStore(path)
        self._shared = SharedFacts(store.under("facts")) if store else None
        if path.exists() and not path.is_dir():
            raise HomeError(f"{path} is a file, not a home directory; give another --home")
        self._read_state()

    @property
    def searches(self) -> Path:
        """The file of sampled searches."""
        return self.path / "searches.jsonl"

    @property
    def calibrations(self) -> Store:
        """The calibrations, a part a generation."""
        return self.store.under("calibrations")

    @property
    def keys(self) -> Store:
        """The keys of the query service."""
        return self.store.under("keys")

    @property
    def batches(self) -> Store:
        """The batches and segments, a part a generation."""
        return self.store.under("batches")

    @property
    def _bundles(self) -> Store:
        return self.store.under("bundles")

    @property
    def embedded(self) -> Path:
        """Where the embedded engine keeps its files."""
        return self.path / "embedded"

    @property
    def exists(self) -> bool:
        """Whether anything was ever written here, or to its store."""
        if self._shared is not None:
            return bool(self.store.parts())
        return self._is_home

    @property
    def _is_home(self) -> bool:
        return any((self.path / name).exists() for name in (_STATE, "batches", "bundles"))

    @property
    def bundle_digest(self) -> str | None:
        """The bundle that new generations begin with; None before the first."""
        return self._facts().get("bundle")

    @property
    def engine(self) -> str | None:
        """Name of the engine that serves the archive; None before the first."""
        return self._facts().get("engine")

    @property
    def generation(self) -> str | None:
        """The generation that was live last, should the ledger be lost; None where not noted."""
        return self._facts().get("generation")

    def bundle(self, digest: str) -> Bundle:
        """A bundle of this home, checked; BundleError when it is damaged or not there."""
        from sgpd.bundle import Bundle

        return Bundle.load(self._bundles.open(digest).whole())

    def keep_bundle(self, bundle: Bundle) -> None:
        """Save a bundle and let new generations begin with it."""
        self.save_bundle(bundle)
        self.remember(bundle=bundle.digest)

    def save_bundle(self, bundle: Bundle) -> None:
        """Save a bundle for a generation that is made with it."""
        with self._bundles.draft() as draft:
            bundle.save(draft / bundle.digest)
            self._bundles.publish(draft / bundle.digest, bundle.digest)

    def _facts(self) -> dict[str, Any]:
        return self._read_state() if self._shared is None else self._shared.read()

    def remember(self, **facts: str) -> None:
        """Write down facts of the archive beside those that are known."""
        if self._shared is not None:
            self._shared.remember(**facts)
            return
        known = self._read_state()
        if {**known, **facts} != known:
            self._write_state({"format": FORMAT, **known, **facts})

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the writer's lock, in a new home if need be; HomeBusyError names who has it.

        The lock is the operating system's: it ends with the process, however that ends.
        """
        with self._locked("lock", "writing to it"):
            yield

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the lock of who makes, switches or drops generations: others write meanwhile."""
        with self._locked("generations.lock", "changing its generations"):
            yield

    @contextmanager
    def _locked(self, file: str, doing: str) -> Iterator[None]:
        self._create()
        try:
            descriptor = os.open(self.path / file, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
                raise HomeBusyError(
                    f"{self.path}: process {holder} is {doing}; wait until it ends, "
                    "searches go on meanwhile"
                ) from None
            self._sign(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _sign(self, descriptor: int) -> None:
        """Leave our process id for whoever finds the lock taken; a full disk must not stop us."""
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())

    def _create(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            foreign = sorted(path.name for path in self.path.iterdir() if path.name not in _OURS)
        except OSError as error:
            raise self._unwritable(error) from error
        if self._is_home:
            return
        if foreign:
            raise HomeError(
                f"{self.path} holds other files ({foreign[0]}); give an empty or new --home"
            )
        self._write_state({"format": FORMAT})

    def _read_state(self) -> dict[str, Any]:
        try:
            state = json.loads((self.path / _STATE).read_text())
            found = state["format"]
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise HomeError(
                f"{self.path / _STATE} cannot be read ({error}); restore it from a backup"
            ) from error
        if found != FORMAT:
            raise HomeError(
                f"{self.path} has format {found}, this version of SceneSift reads {FORMAT}; "
                "use the version that wrote it"
            )
        return dict(state)

    def _write_state(self, state: dict[str, Any]) -> None:
        """Replace the state in one step."""
        try:
            with tempfile.TemporaryDirectory(prefix=".writing-", dir=self.path) as scratch:
                draft = Path(scratch) / _STATE
                with draft.open("w") as file:
                    json.dump(state, file)
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(self.path / _STATE)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> HomeError:
        return HomeError(
            f"{self.path} cannot be written: {error.strerror}; make room or permit writing, "
            "or give another --home"
        )


def bytes_under(folder: Path) -> int:
    """Size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
