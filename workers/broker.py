"""The broker: one Redis that may lose and repeat messages, but must not drop them for room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import AuthenticationError, ConnectionError, RedisError, TimeoutError

from scenestore.errors import UnavailableError
from workers.errors import BrokerError

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
_KEEPS = "noeviction"


def check_broker(url: str) -> None:
    """Raise BrokerError unless Redis answers and keeps what it is given."""
    with translated(url), _connected(url) as redis:
        policy = str(redis.info("memory").get("maxmemory_policy", _KEEPS))
    if policy != _KEEPS:
        raise BrokerError(
            f"Redis at {shown(url)} may drop messages when memory is short (maxmemory-policy "
            f"{policy}); run `redis-cli config set maxmemory-policy {_KEEPS}` and put the same in "
            "redis.conf"
        )


def lengths(url: str, archive: str, queues: Sequence[str]) -> dict[str, int]:
    """Messages of an archive that no worker has taken yet, by queue; changes nothing in Redis."""
    with translated(url), _connected(url) as redis:
        return {queue: int(redis.llen(f"{archive}:{queue}")) for queue in queues}


@contextmanager
def _connected(url: str) -> Iterator[Redis]:
    try:
        client = Redis.from_url(
            url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=ANSWER_SECONDS
        )
    except ValueError as error:
        raise BrokerError(f"{shown(url)} is no address of a Redis: {error}") from error
    with client:
        yield client


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Raise the clients' errors as ours: what, where, what to do."""
    try:
        yield
    except AuthenticationError as error:
        raise BrokerError(
            f"Redis at {shown(url)} refuses the credentials; correct SCENESIFT_REDIS_URL"
        ) from error
    except (ConnectionError, TimeoutError, OperationalError, OSError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UnavailableError(
            f"Redis at {shown(url)} cannot be reached ({reason}); start it, or correct "
            "SCENESIFT_REDIS_URL"
        ) from error
    except RedisError as error:
        raise BrokerError(f"Redis at {shown(url)}: {' '.join(str(error).split())}") from error


def shown(url: str) -> str:
    """The address without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{parts.username or ''}:***@{host}").geturl()
