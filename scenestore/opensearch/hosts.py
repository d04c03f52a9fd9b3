"""Hosts: what one does not answer in time is asked of the next, where asking again does no harm."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

from opensearchpy import Transport
from urllib3 import Timeout

_READS = ("_search", "_msearch", "_mget")


class Hosts(Transport):
    """The client's transport, which waits for a search less long than for a write.

    A host that is silent (its machine hangs, or a firewall swallows its answers) costs a search so
    many seconds, once: then it is left alone for a minute, as one that is down.
    """

    def __init__(
        self, hosts: Any, *, search_timeout: float, timeout: Timeout, **options: Any
    ) -> None:
        """`timeout` holds for all other requests, in seconds as `search_timeout` is."""
        super().__init__(hosts, timeout=timeout, **options)
        self._patience = Timeout(connect=timeout.connect_timeout, read=search_timeout)
        self._reading = copy.copy(self)  # the same connections
        self._reading.retry_on_timeout = True
        self._reading.max_retries = max(len(self.seed_connections) - 1, 1)

    def perform_request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        timeout: Any = None,
        ignore: Collection[int] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Perform a request; reads that name no time-out of their own are asked of every host."""
        asked = self
        if timeout is None and "request_timeout" not in (params or {}) and is_read(method, url):
            asked, timeout = self._reading, self._patience
        return super(Hosts, asked).perform_request(
            method, url, params=params, body=body, timeout=timeout, ignore=ignore, headers=headers
        )


def is_read(method: str, url: str) -> bool:
    """Whether a request is a search, or reads a document or the greeting."""
    return url == "/" or url.endswith(_READS) or (method == "GET" and "/_doc/" in url)
