"""What a bucket's service refuses, in our words: what, where, what to do."""

from __future__ import annotations

import re

from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

from scenestore.errors import DamagedError, StoreError, UnavailableError

_GONE = ("NoSuchBucket", "ContainerNotFound", "bucket does not exist")
_PAST_THE_END = 416
_DENIED, _LATER = {401, 403}, {408, 429, 500, 502, 503, 504}
"""Statuses of a refusal, and of a service that may answer when it is asked again."""


def translated(error: Exception, where: str, writing: bool) -> StoreError:
    """A foreign error as ours, in a line; `where` is the address of the store."""
    status, cause = _status(error), _cause(error)
    if is_gone(error):
        return StoreError(f"{where}: there is no such bucket; make it, or correct SCENESIFT_STORE")
    if isinstance(error, FileNotFoundError) or status == _PAST_THE_END:
        return DamagedError(f"{where}: {cause}; restore it from a backup")
    if status in _DENIED or isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return StoreError(
            f"{where} cannot be {'written' if writing else 'read'}: {cause}; check the "
            "credentials of this machine and what the bucket permits them"
        )
    if status is None or status in _LATER:
        return UnavailableError(
            f"{where} does not answer: {cause}; check its address and the network, then run "
            "again: what was written is kept"
        )
    return StoreError(f"{where}: {cause}; check the settings of the store")


def _status(error: Exception) -> int | None:
    """The status that the service answered with; None where it did not."""
    found = re.search(r"status code: (\d{3})", str(error))
    return int(found[1]) if found else None


def is_gone(error: Exception) -> bool:
    """Whether it is the bucket that there is not."""
    return any(word in str(error) for word in _GONE)


def _cause(error: Exception) -> str:
    """The cause of a foreign error in a few words: what the service says, or what went wrong."""
    text = str(error)
    said = re.search(r"<Code>(\w+)</Code>.*?<Message>([^<]*)", text, re.DOTALL)
    if said:
        return f"{said[2].strip().rstrip('.') or said[1]} ({said[1]})"
    for words in ("Connection refused", "timed out", "dns error", "Connection reset"):
        if words.lower() in text.lower():
            return words.lower()
    return first_line(error)


def first_line(error: Exception) -> str:
    """The first line of what an error says, shortened."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
