"""The sites and processes of the workers' tests, in the modules of faults."""

from tests.workers.conftest import hasty_disk, redis, site, start

__all__ = ["hasty_disk", "redis", "site", "start"]
