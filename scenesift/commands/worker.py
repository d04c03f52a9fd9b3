"""`scenesift worker`: take batches of distributed runs, and do them."""

from __future__ import annotations

from typing import Annotated

import typer

from scenesift.options import (
    BatchSizeOption,
    DeviceOption,
    HomeOption,
    ModelOption,
    OpenSearchOption,
    RedisOption,
    ThreadsOption,
    examples,
)

EXAMPLES = examples(
    "scenesift worker --opensearch-url http://search:9200 --redis-url redis://queue:6379/0",
    "scenesift worker --processes 4 --threads 1",
    "scenesift worker --queues maintenance",
)


def command(
    processes: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=256, help="Child processes, each with a model of its own."
        ),
    ] = 1,
    queues: Annotated[
        str,
        typer.Option(
            metavar="NAMES", help="What to take: encode, maintenance, or both, a comma between."
        ),
    ] = "encode,maintenance",
    drain: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0.0,
            help="After SIGTERM, how long a batch may go on before it is given back.",
        ),
    ] = 60.0,
    home: HomeOption = None,
    opensearch_url: OpenSearchOption = None,
    redis_url: RedisOption = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    batch_size: BatchSizeOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Take batches of `scenesift index --distributed`, on this machine, until SIGTERM or Ctrl-C.

    Start as many as you like, anywhere that the images, the home or store, OpenSearch and Redis are
    to be reached. An image that kills a child process does not end the worker; a worker that dies
    loses nothing.
    """
    import logging
    import sys

    from scenesift.distributed import run_worker
    from scenesift.settings import load_settings
    from workers.app import QUEUES

    wanted = [name.strip() for name in queues.split(",") if name.strip()]
    if not wanted or not set(wanted) <= set(QUEUES):
        raise typer.BadParameter(f"--queues: give {' or '.join(QUEUES)}, or both")
    settings = load_settings(
        home=home,
        opensearch_url=opensearch_url,
        redis_url=redis_url,
        model=model,
        device=device,
        batch_size=batch_size,
        threads=threads,
    )
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    logging.getLogger("workers").setLevel(logging.INFO)
    run_worker(settings, processes=processes, queues=wanted, drain_seconds=drain)
