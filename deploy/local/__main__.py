"""The local cluster for a person: `python -m deploy.local fetch | up | down`."""

import argparse
import sys
from pathlib import Path

from deploy.local import cluster, jars
from deploy.local.errors import LocalClusterError


def main(arguments: list[str] | None = None) -> int:
    """Run one action and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("action", choices=["fetch", "up", "down"])
    parser.add_argument("--directory", type=Path, default=Path(".cluster"))
    parser.add_argument("--quick", action="store_true", help="start sooner and serve slower")
    options = parser.parse_args(arguments)
    try:
        if options.action == "fetch":
            jars.fetch()
        elif options.action == "up":
            started = cluster.up(options.directory, quick=options.quick)
            print(f"Running: {', '.join(service.name for service in started.services)}.")
            print(f"Use them: set -a; . {options.directory}/env; set +a")
        else:
            stopped = cluster.down(options.directory)
            print(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing of ours is running.")
    except LocalClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
