"""An archive with times, places and clouds, on either engine, served at a real address."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree

import pytest
from opensearchpy import OpenSearch

from scenesift.archive import Archive
from scenesift.serve import create_app
from scenesift.settings import Settings
from tests.cli.command_line import COLOURS, write_image
from tests.query_service.serving import serving
from tests.query_service.stac.schemas import offline

ORIGIN = "https://browser.example.org"
"""Whose pages may ask."""
PLACES = 60
"""Scenes of collection `places`: each degree of a row has one, of every colour in turn."""
PLAIN = 5
"""Scenes of collection `plain`, of which nothing is known."""


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is validated is validated with the schemas that are here."""
    offline(monkeypatch)


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images; every seventh has no time, every fifth no place."""
    folder = tmp_path_factory.mktemp("places")
    lines = []
    for number in range(PLACES):
        colour = list(COLOURS)[number % len(COLOURS)]
        name = f"{colour}/scene {number:02d}.png"
        write_image(folder / name, COLOURS[colour], seed=number)
        when = datetime(2024, 1, 1, 12, tzinfo=UTC) + timedelta(days=number // 2)
        line = {
            "image": name,
            "captions": [f"a {colour} field"],
            "cloud_cover": number % 10 * 10,
            "gsd": 10.0,
            "platform": "sentinel-2a" if number % 2 else "sentinel-2b",
            "properties": {"orbit": number, "title": f"Number {number}", "licence": "CC0"},
        }
        if number % 7:
            line["datetime"] = when.isoformat()
        if number % 5:
            corners = [[number, 0], [number + 0.5, 0], [number + 0.5, 0.5], [number, 0]]
            line["footprint"] = {"type": "Polygon", "coordinates": [corners]}
        lines.append(json.dumps(line))
    (folder / "captions.jsonl").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images without anything beside them."""
    folder = tmp_path_factory.mktemp("plain")
    for number in range(PLAIN):
        write_image(folder / f"{number}.png", COLOURS["blue"], seed=100 + number)
    return folder


@pytest.fixture(scope="session", params=["embedded", "opensearch"])
def settings(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    model: Path,
    fitted_home: Path,
    places: Path,
    plain: Path,
) -> Iterator[Settings]:
    """Of a service on both collections."""
    home = tmp_path_factory.mktemp("served") / "home"
    copytree(fitted_home, home)
    engine = {}
    if request.param == "opensearch":
        url = request.getfixturevalue("opensearch")
        engine = {"opensearch_url": url, "opensearch_prefix": f"stac-{secrets.token_hex(4)}"}
    with Archive(home, model=str(model), threads=1, **engine) as archive:
        archive.index(places, collection="places")
        archive.index(plain, collection="plain")
    yield Settings(
        home=home,
        model=str(model),
        threads=1,
        serve_keys="off",
        serve_origins=(ORIGIN,),
        **engine,
    )
    if engine:
        client = OpenSearch(engine["opensearch_url"])
        for index in client.indices.get(index=f"{engine['opensearch_prefix']}-*"):
            client.indices.delete(index=index)
        client.close()


@pytest.fixture(scope="session")
def service(settings: Settings) -> Iterator[str]:
    """Where the service answers."""
    with serving(create_app(settings)) as (host, port):
        yield f"http://{host}:{port}"


@pytest.fixture(scope="session")
def twin(settings: Settings) -> Iterator[str]:
    """Where another one answers, on the same archive."""
    with serving(create_app(settings)) as (host, port):
        yield f"http://{host}:{port}"
