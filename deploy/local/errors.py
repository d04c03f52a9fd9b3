"""Errors of the local cluster; each message is one line: what, where, what to do."""

from sgpd.errors import SceneSiftError


class LocalClusterError(SceneSiftError):
    """The local OpenSearch node cannot be started or stopped."""


class JarsError(LocalClusterError):
    """The OpenSearch jars are not in the cache and cannot be fetched."""


class JavaError(LocalClusterError):
    """No Java is installed that runs this release."""
