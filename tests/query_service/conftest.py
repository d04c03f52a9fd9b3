"""The service on a small archive, without a server: requests go to the app itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from shutil import copytree
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from scenesift.serve import create_app
from scenesift.settings import Settings


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
    return running(create_app(settings_of(home, model, **changes)))


@pytest.fixture(scope="session")
def client(
    tmp_path_factory: pytest.TempPathFactory, indexed_home: Path, model: Path
) -> Iterator[Client]:
    """A client of the service on 24 images of three colours, with 48 captions."""
    home = tmp_path_factory.mktemp("served") / "home"
    copytree(indexed_home, home)  # what is open is no good to copy from
    with serving(home, model) as client:
        yield client
