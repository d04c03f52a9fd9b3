"""The service on a small archive, without a server: requests go to the app itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from shutil import copytree
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from scenesift.archive import Archive
from scenesift.serve import create_app
from scenesift.settings import Settings
from tests.cli.command_line import COLOURS


class Client:
    """Sends requests to an app that runs; safe to use from one thread."""

    def __init__(self, app: FastAPI, runner: asyncio.Runner) -> None:
        self.app = app
        self._runner = runner
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._http = httpx.AsyncClient(transport=transport, base_url="http://service")

    def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request, as httpx takes it."""
        return self._runner.run(self._http.request(method, path, **options))

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Something else on the app's event loop."""
        self._runner.run(work)

    def at_once(self, *requests: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
        """Several requests (method, path, options) side by side."""

        async def send() -> list[httpx.Response]:
            sent = (self._http.request(method, path, **rest) for method, path, rest in requests)
            return list(await asyncio.gather(*sent))

        return self._runner.run(send())

    def post(self, path: str, body: Any) -> Any:
        """The answer to a JSON body that must be taken."""
        response = self("POST", path, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    def get(self, path: str, **parameters: Any) -> Any:
        """The answer to a GET that must be taken."""
        response = self("GET", path, params=parameters)
        assert response.status_code == 200, response.text
        return response.json()

    def refused(self, status: int, method: str, path: str, **options: Any) -> str:
        """What a problem of that status says."""
        response = self(method, path, **options)
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"
        problem = response.json()
        assert problem["status"] == status
        assert problem["title"]
        return str(problem["detail"])

    async def close(self) -> None:
        """Give back the client's connections."""
        await self._http.aclose()


@contextmanager
def running(app: FastAPI) -> Iterator[Client]:
    """A client of an app while its lifespan lasts."""
    with asyncio.Runner() as runner:
        client = Client(app, runner)
        lifespan = app.router.lifespan_context(app)
        runner.run(lifespan.__aenter__())
        try:
            yield client
        finally:
            runner.run(client.close())
            runner.run(lifespan.__aexit__(None, None, None))


def settings_of(home: Path, model: Path, **changes: Any) -> Settings:
    """Settings of an archive with the small model."""
    return Settings(
        **{"home": home, "model": str(model), "threads": 1, "serve_keys": "off", **changes}
    )


def serving(home: Path, model: Path, **changes: Any) -> AbstractContextManager[Client]:
    """A client of the service on a home."""
    return running(create_app(settings_of(home, model, **changes), is_local=True))


def square(west: float, south: float) -> dict[str, Any]:
    """A footprint of one degree."""
    east, north = west + 1, south + 1
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def known_of(colour: str, number: int) -> dict[str, Any]:
    """What is known of an image: each colour lies in a place of its own, blue ones far east."""
    return {
        "datetime": f"2024-0{number + 1}-15T12:00:00Z",
        "cloud_cover": 10 * number,
        "footprint": square({"red": 8, "green": 58, "blue": 178}[colour], 40 + number / 20),
        "platform": "landsat-8" if number % 2 else "sentinel-2a",
        "properties": {"colour": colour, "number": number},
    }


@pytest.fixture(scope="session")
def served_home(
    tmp_path_factory: pytest.TempPathFactory, model: Path, images: Path, fitted_home: Path
) -> Path:
    """A home with eight images of each of three colours, two captions each, and metadata."""
    folder = tmp_path_factory.mktemp("served")
    copytree(images, folder / "images")
    lines = [
        {
            "image": f"{colour}/{colour}{number}.png",
            "captions": [f"a {colour} field", f"a picture of a {colour} field"],
            **known_of(colour, number),
        }
        for colour in COLOURS
        for number in range(8)
    ]
    file = folder / "images" / "captions.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    copytree(fitted_home, folder / "home")
    with Archive(folder / "home", model=str(model), threads=1) as archive:
        archive.index(folder / "images")
    return folder / "home"


@pytest.fixture(scope="session")
def client(served_home: Path, model: Path) -> Iterator[Client]:
    """A client of the service on 24 images of three colours, with 48 captions."""
    with serving(served_home, model) as client:
        yield client
