"""The keys of the query service, in the archive's store: every replica of the service sees them.

One blob a key, `keys/NAME.DIGEST`: to read all keys is one listing, to make one or to revoke one
is one call that others see whole or not at all, and whoever reads the store can do nothing with a
digest.
"""

from __future__ import annotations

import datetime
import json
import re
from dataclasses import dataclass

from query_service.keys import Key, digest_of, new_token
from scenesift.errors import KeysError
from scenesift.home import Home
from scenestore.errors import DamagedError

FORMAT = 1
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_BLOB = re.compile(rf"({_NAME.pattern})\.([0-9a-f]{{64}})")


@dataclass(frozen=True)
class KeyFacts:
    """What people are shown of a key."""

    name: str
    made: str
    """When it was made, in UTC."""


class Keys:
    """The keys of an archive."""

    def __init__(self, home: Home) -> None:
        """Raises KeysError where there is no archive yet."""
        if not home.exists:
            raise KeysError(
                f"no archive in {home.store}; mount or give the --home that has one, or run "
                f"`scenesift index SOURCE --home {home.path}`"
            )
        self._store = home.keys

    def load(self) -> list[Key]:
        """The keys in force."""
        return [Key(name, digest) for name, digest in self._found()]

    def create(self, name: str) -> str:
        """Make a key; it is returned this once, and nobody can ever read it again."""
        if not _NAME.fullmatch(name):
            raise KeysError(
                f"{name!r} names no key; give small letters, digits and hyphens, at most 64"
            )
        if any(name == known for known, _ in self._found()):
            raise KeysError(f"there is a key {name} already; revoke it first, or give another name")
        token = new_token()
        made = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        content = json.dumps({"format": FORMAT, "made": made}).encode()
        self._store.put(f"{name}.{digest_of(token)}", content)
        return token

    def facts(self) -> list[KeyFacts]:
        """All keys by name."""
        return [KeyFacts(name, self._made(name, digest)) for name, digest in self._found()]

    def revoke(self, name: str) -> None:
        """Let a key work no more; KeysError where there is none of that name."""
        digests = [digest for known, digest in self._found() if known == name]
        if not digests:
            raise KeysError(f"there is no key {name!r}; see `scenesift key list`")
        for digest in digests:
            self._store.remove(f"{name}.{digest}")

    def _found(self) -> list[tuple[str, str]]:
        """Names and digests, sorted; blobs of others are passed by."""
        found = map(_BLOB.fullmatch, self._store.blobs())
        return [(match[1], match[2]) for match in found if match]

    def _made(self, name: str, digest: str) -> str:
        content = self._store.get(f"{name}.{digest}")
        try:
            return str(json.loads(content or b"")["made"])
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedError(
                f"the key {name} in {self._store} cannot be read; revoke it, and make another"
            ) from error
