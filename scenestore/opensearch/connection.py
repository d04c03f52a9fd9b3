"""The connection to OpenSearch."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from opensearchpy import OpenSearch, Urllib3AWSV4SignerAuth
from opensearchpy.exceptions import ImproperlyConfigured
from urllib3 import Timeout

from scenestore.errors import StoreError
from scenestore.opensearch.hosts import Hosts
from scenestore.opensearch.refusals import address, translated
from scenestore.opensearch.serializer import Orjson

OLDEST_VERSION = (2, 19)
_CONNECTIONS = 8
"""Kept open to each host: searches of a service's threads and parallel bulk requests."""

# What fails is raised to the caller, in our words; the client's own warnings would repeat it.
logging.getLogger("opensearch").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Options:
    """How to reach OpenSearch."""

    hosts: tuple[str, ...] = ("http://localhost:9200",)
    """URLs of nodes of one cluster: where one does not answer, the next is asked."""
    user: str | None = None
    password: str = field(default="", repr=False)
    authorization: str | None = field(default=None, repr=False)
    """A whole Authorization header, in place of user and password."""
    aws_region: str | None = None
    """Sign every request for a domain of AWS in this region, with the credentials that botocore
    finds, in place of user and password."""
    ca_certs: str | None = None
    """Path of the certificates to trust; None: those that Python trusts."""
    verify_certs: bool = True
    client_cert: str | None = None
    """Path of the certificate that we show, and unless it is in the same file of its key."""
    client_key: str | None = None
    timeout: float = 30.0
    """Seconds that one request may take."""
    search_timeout: float = 10.0
    """Seconds that one host is given to answer a search, before the next one is asked."""
    connect_timeout: float = 5.0
    """Seconds after which a node that takes no connection is left for the next."""
    retries: int = 3
    """How often a request that reached no node is sent again; at least once to every node."""


def connect(options: Options) -> OpenSearch:
    """A client that answered once and is of a version we know; else StoreError."""
    encrypted = any(host.startswith("https:") for host in options.hosts)
    tls: dict[str, Any] = {}
    if encrypted:
        tls = {"verify_certs": options.verify_certs, "ssl_show_warn": False}
        tls["ca_certs"] = options.ca_certs
        tls |= {"client_cert": options.client_cert, "client_key": options.client_key}
    _refuse_secrets_in(options.hosts)
    try:
        client = OpenSearch(
            list(options.hosts),
            http_auth=_credentials(options),
            headers={"authorization": options.authorization} if options.authorization else None,
            timeout=Timeout(connect=options.connect_timeout, read=options.timeout),
            max_retries=max(options.retries, len(options.hosts) - 1),
            pool_maxsize=_CONNECTIONS,
            serializer=Orjson(),
            transport_class=Hosts,
            search_timeout=min(options.search_timeout, options.timeout),
            **tls,
        )
    except (ImproperlyConfigured, OSError, ValueError) as error:
        raise StoreError(f"OpenSearch at {', '.join(options.hosts)}: {error}") from error
    with translated(client):
        _check_version(client, client.info())
    return client


def _refuse_secrets_in(hosts: tuple[str, ...]) -> None:
    """An address is shown in errors."""
    for host in hosts:
        parts = urlsplit(host)
        if parts.username or parts.password:
            raise StoreError(
                f"OpenSearch at {parts.hostname}: the address has a user or password in it; give "
                "them as user and password (settings opensearch_user, opensearch_password)"
            )


def _credentials(options: Options) -> tuple[str, str] | Callable[..., dict[str, str]] | None:
    """What authenticates each request, if it is not a header that is given whole."""
    given = [options.user, options.authorization, options.aws_region]
    if sum(bool(way) for way in given) > 1:
        raise StoreError(
            f"OpenSearch at {', '.join(options.hosts)}: give one of a user with a password, "
            "an Authorization header, or a region of AWS"
        )
    if options.aws_region:
        return _signer(options.aws_region)
    return (options.user, options.password) if options.user else None


def _signer(region: str) -> Callable[..., dict[str, str]]:
    """Signs requests to OpenSearch domains of AWS (Signature Version 4)."""
    try:
        from botocore.session import Session  # type: ignore[import-untyped]
    except ImportError as error:
        raise StoreError(
            "requests for AWS are signed by botocore, which is not installed: run "
            "`pip install 'scenesift[aws]'`"
        ) from error
    credentials = Session().get_credentials()
    if credentials is None:
        raise StoreError(
            "no credentials of AWS are found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "name a profile in AWS_PROFILE, or give this machine a role"
        )
    signer: Callable[..., dict[str, str]] = Urllib3AWSV4SignerAuth(credentials, region)
    return signer


def _check_version(client: OpenSearch, info: dict[str, Any]) -> None:
    version = info.get("version", {})
    number = str(version.get("number", "unknown"))
    found = re.match(r"(\d+)\.(\d+)", number)
    if version.get("distribution") != "opensearch" or found is None:
        raise StoreError(f"{address(client)} answers, but is not OpenSearch; correct the address")
    if (int(found[1]), int(found[2])) < OLDEST_VERSION:
        raise StoreError(
            f"OpenSearch at {address(client)} is of version {number}; upgrade it to 2.19 or later"
        )
