"""Opening a store in a bucket.

Credentials are found as obstore finds them: in the cloud's own variables, or from the machine that
runs there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from obstore.exceptions import BaseError
from obstore.store import from_url

from scenestore.cache import Cache
from scenestore.errors import StoreError
from scenestore.object_errors import first_line
from scenestore.object_store import ObjectStore

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig


@dataclass(frozen=True)
class Bounds:
    """How long is waited for a store."""

    connect_seconds: float = 5
    request_seconds: float = 30
    """One request with its whole answer, at most 8 MiB: a slower network is no use."""
    retry_seconds: float = 60
    """After which a failing request is not repeated."""
    retries: int = 6


BOUNDS = Bounds()


def connect(
    url: str,
    cache: Cache,
    endpoint: str | None,
    region: str | None,
    bounds: Bounds | None = None,
) -> ObjectStore:
    """The store at s3://BUCKET/PREFIX, gs://... or az://...; nothing is asked of it yet.

    `endpoint` is the address of a service that speaks the protocol elsewhere. StoreError when the
    settings do not go together.
    """
    bounds = bounds or BOUNDS
    config: dict[str, Any] = {}
    if endpoint:
        config["base_url" if url.startswith("gs:") else "endpoint"] = endpoint.rstrip("/")
    if region:
        config["region"] = region
    options: ClientConfig = {
        "connect_timeout": timedelta(seconds=bounds.connect_seconds),
        "timeout": timedelta(seconds=bounds.request_seconds),
    }
    if endpoint and endpoint.startswith("http:"):
        options["allow_http"] = True
    retry: RetryConfig = {
        "max_retries": bounds.retries,
        "retry_timeout": timedelta(seconds=bounds.retry_seconds),
    }
    open_client: Callable[..., Any] = from_url  # its overloads want to know which cloud it is
    try:
        client = open_client(url, config=config, client_options=options, retry_config=retry)
    except (BaseError, ValueError) as error:
        raise StoreError(f"{url}: {first_line(error)}; check its address and settings") from error
    return ObjectStore(client, url.rstrip("/"), "", cache)
