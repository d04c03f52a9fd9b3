"""A worker of SceneSift as a process of its own: `scenesift worker` of this checkout."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.service import Service

ROOT = Path(__file__).parents[2]


class LocalWorker(Service):
    """Takes the batches of `scenesift index --distributed`, with one child that has the model."""

    def __init__(
        self, directory: Path, settings: Mapping[str, str], *, token: str, outlive: bool
    ) -> None:
        """`settings` are the environment variables that point it at its archive."""
        super().__init__(directory.name, directory, token=token, outlive=outlive)
        self._settings = settings

    def environment(self) -> Mapping[str, str]:
        """Its settings, with a home of its own, as on a machine of its own, and one thread."""
        home = {"SCENESIFT_HOME": str(self.directory / "home"), "SCENESIFT_THREADS": "1"}
        return {**self._settings, **home, "PYTHONPATH": str(ROOT)}

    def command(self) -> Sequence[str]:
        """The command line's own worker."""
        return [sys.executable, "-m", "scenesift", "worker"]

    def answers(self) -> bool:
        """Whether a child has its model."""
        return "is ready" in self.log.read_text(errors="replace")
