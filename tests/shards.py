"""Indices that have lost shards, as when the nodes that hold them are down."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from opensearchpy import OpenSearch

_SECONDS = 60


def lose_shards(client: OpenSearch, alias: str, shards: Sequence[int]) -> None:
    """Delete shards of an index from the disk of the one node, and serve the others."""
    ((index, settings),) = client.indices.get_settings(index=alias).items()
    (node,) = client.nodes.stats(metric="fs")["nodes"].values()
    client.indices.close(index=index)
    for shard in shards:
        for data in node["fs"]["data"]:
            uuid = settings["settings"]["index"]["uuid"]
            shutil.rmtree(Path(data["path"]) / "indices" / uuid / str(shard))
    client.indices.open(index=index, params={"wait_for_active_shards": "0"})
    deadline = time.monotonic() + _SECONDS
    wanted = {"format": "json", "h": "shard,state"}
    while any(
        (row["state"] == "STARTED") == (int(row["shard"]) in shards)
        for row in client.cat.shards(index=index, params=wanted)
    ):
        assert time.monotonic() < deadline, "the shards that are left were not served in time"
        time.sleep(0.05)
