"""The planner's side of the broker."""

from __future__ import annotations

from celery import Celery

from indexer.chore import ChoreHint
from indexer.run import Hint
from workers.app import CHORE_TASK, COMPACT_TASK, ENCODE, MAINTENANCE, WORK_TASK
from workers.broker import shown, translated

_RETRIES = {"max_retries": 3, "interval_start": 0.1, "interval_step": 0.5, "interval_max": 1.0}
"""Of one message, before the planner itself waits."""


class CeleryQueue:
    """Implements `indexer.planner.Queue` and `indexer.commission.ChoreQueue`."""

    def __init__(self, app: Celery, url: str) -> None:
        self._app = app
        self._url = url

    def enqueue(self, hint: Hint) -> None:
        """Let some worker have a hint."""
        self._send(WORK_TASK, hint.to_json(), ENCODE)

    def compact(self, generation: str) -> None:
        """Ask for the compaction of a generation."""
        self._send(COMPACT_TASK, {"generation": generation}, MAINTENANCE)

    def ask(self, hint: ChoreHint) -> None:
        """Let some worker have the hint of a chore."""
        self._send(CHORE_TASK, hint.to_json(), MAINTENANCE)

    def length(self) -> int:
        """How many hints no worker has taken yet."""
        return self._length(ENCODE)

    def asked(self) -> int:
        """How many messages for maintenance no worker has taken yet."""
        return self._length(MAINTENANCE)

    @property
    def work(self) -> str:
        """What people call the queue of hints, and where it is."""
        return f"queue {ENCODE} of Redis at {shown(self._url)}"

    @property
    def maintenance(self) -> str:
        """What people call the queue of maintenance, and where it is."""
        return f"queue {MAINTENANCE} of Redis at {shown(self._url)}"

    def _length(self, queue: str) -> int:
        with translated(self._url), self._app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=2, interval_start=0.1)
            with connection.channel() as channel:
                declared = channel.queue_declare(queue=queue, durable=True)
        return int(declared.message_count)

    def close(self) -> None:
        """Give back the connections."""
        self._app.close()

    def _send(self, task: str, message: object, queue: str) -> None:
        with translated(self._url):
            self._app.send_task(
                task,
                args=[message],
                queue=queue,
                ignore_result=True,
                retry=True,
                retry_policy=_RETRIES,
            )
