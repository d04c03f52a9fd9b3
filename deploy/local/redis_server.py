"""A real Redis: the system's own program, on a free port, in a private directory."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from deploy.local.errors import LocalClusterError
from deploy.local.ports import free_ports
from deploy.local.service import Service


class LocalRedis(Service):
    """A Redis that forgets nothing: every write is in its append-only file, nothing is evicted."""

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        token: str | None = None,
        outlive: bool = False,
    ) -> None:
        super().__init__("redis", directory, token=token, outlive=outlive)
        self.port = port or free_ports(1)[0]

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> Sequence[str]:
        """redis-server, which keeps its mark in the process table (set-proc-title wipes it)."""
        program = shutil.which("redis-server")
        if program is None:
            raise LocalClusterError(
                "Redis is not installed: run `apt-get install redis-server` as root, then again"
            )
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.directory),
            "appendonly": "yes",
            "save": "",
            "maxmemory-policy": "noeviction",
            "set-proc-title": "no",
        }
        return [program, *(word for name in options for word in (f"--{name}", options[name]))]

    def answers(self) -> bool:
        """Whether it has read its file and takes commands; another may sit on the port."""
        try:
            with Redis.from_url(self.url, socket_timeout=5) as client:
                return bool(client.info("server")["process_id"] == self.pid)
        except RedisError:
            return False
