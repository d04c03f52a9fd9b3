"""`Client`: a service of SceneSift from Python, with nothing of the service imported."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypedDict, TypeVar, Unpack
from urllib.parse import quote

from scenesift.connection import Connection, problem_of
from scenesift.errors import ProblemError, SettingsError, UnreachableError
from scenesift.told import RemoteAnswer, RemoteCounts, RemoteEntry, RemoteScene

Told = TypeVar("Told")

JSON = "application/json"
JPEG = "image/jpeg"
GEOJSON = "application/geo+json"
GEOPARQUET = "application/vnd.apache.parquet"


class Conditions(TypedDict, total=False):
    """What hits must meet; see docs/service.md."""

    kind: str
    """`chip` or `caption`."""
    collections: Sequence[str]
    datetime: str
    """An instant, day, month or year, or START/END."""
    bbox: Sequence[float]
    """West, south, east, north in degrees."""
    intersects: Mapping[str, Any]
    """GeoJSON."""
    min_cloud: float
    max_cloud: float
    filter: str | Mapping[str, Any]
    """CQL2, as text or JSON."""
    min_score: float
    recall: str
    strategy: str
    partial: bool


class Examples(Conditions, total=False):
    """What is looked for beside a text, and how much of it."""

    image: bytes | Path
    """Content of an image file, or where it lies here."""
    like: str | Sequence[str]
    """Ids of entries."""
    unlike: str | Sequence[str]
    """Ids of entries."""
    k: int
    group_by: str
    """`scene` or `place`."""
    explain: bool
    token: str


class Query(Examples, total=False):
    """A search: a text, an image, entries as examples, or any mixture of them."""

    text: str


class Counted(Conditions, total=False):
    """What is counted: all that meets the conditions or, with these, the best hits."""

    text: str
    like: str | Sequence[str]
    unlike: str | Sequence[str]
    best: int
    unit: str
    """`scene` or `entry`."""
    zoom: int
    most: int


class Client:
    """A service at a URL; use it as a context manager, from as many threads as you like.

    >>> with scenesift.Client("http://127.0.0.1:8000") as client:
    ...     for hit in client.search(text="two runways beside water", k=5).hits:
    ...         print(hit.score, hit.scene)

    Where the service is busy or its archive away (429, 503), a request waits as long as it says and
    comes again, for `patience` seconds in all; a connection that broke is made anew once, since all
    requests only read. Raises ProblemError for what the service refuses, UnreachableError where
    none answers, and SettingsError for a key, a time or a query that cannot be.
    """

    def __init__(
        self, url: str, key: str | None = None, *, timeout: float = 60.0, patience: float = 30.0
    ) -> None:
        """`key` is a bearer key of the service; `timeout` the seconds to connect, and to answer."""
        self._connection = Connection(url, key, timeout, patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back the connections."""
        self._connection.close()

    def search(self, text: str | None = None, **query: Unpack[Examples]) -> RemoteAnswer:
        """The hits of one page, best first."""
        return _read(RemoteAnswer.of, self.download(JSON, text, **query))

    def download(self, media: str, text: str | None = None, **query: Unpack[Examples]) -> bytes:
        """The same as a file: `GEOJSON`, or `GEOPARQUET` for GeoPandas, DuckDB and QGIS."""
        return self._connection.post("/search", _body(text, query), media)

    def pages(self, text: str | None = None, **query: Unpack[Examples]) -> Iterator[RemoteAnswer]:
        """Page after page, `k` hits each, of one generation, until there are no more."""
        page = self.search(text, **query)
        yield page
        conditions: Any = {
            name: value
            for name, value in query.items()
            if name not in ("image", "like", "unlike", "token")  # the token stands for these
        }
        while page.next is not None:
            page = self.search(**conditions, token=page.next)
            yield page

    def batch(self, queries: Sequence[Query]) -> list[RemoteAnswer | ProblemError]:
        """Answers in the order of the queries; what one of them is refused for is in its place."""
        if not all(isinstance(query, Mapping) for query in queries):
            raise SettingsError("a query of a batch is a dict, such as {'text': 'a river', 'k': 5}")
        body = {"searches": [_body(query.get("text"), query) for query in queries]}
        return _read(_answers, self._connection.post("/search/batch", body, JSON))

    def entry(self, id: str) -> RemoteEntry:
        """An entry by its id."""
        return _read(RemoteEntry.of, self._connection.get(_entry(id), JSON))

    def scene(self, collection: str, scene: str) -> RemoteScene:
        """What became of a scene, and its entries."""
        path = f"/scenes/{quote(collection, safe='')}/{quote(scene, safe='/')}"
        return _read(RemoteScene.of, self._connection.get(path, JSON))

    def thumbnail(self, id: str) -> bytes:
        """The thumbnail of an entry, a JPEG."""
        return self._connection.get(f"{_entry(id)}/thumbnail", JPEG)

    def chip(self, id: str) -> bytes:
        """The pixels of an entry, a JPEG; its thumbnail where the service has no more."""
        return self._connection.get(f"{_entry(id)}/chip", JPEG)

    def aggregate(self, by: str, **counted: Unpack[Counted]) -> RemoteCounts:
        """Counts by year, month, day, collection, term or tile."""
        asked = {name: _spelt(value) for name, value in counted.items() if value is not None}
        found = self._connection.get("/aggregate", JSON, {"by": by, **asked})
        return _read(RemoteCounts.of, found)


def _entry(id: str) -> str:
    return f"/entries/{quote(str(id), safe='')}"


def _read(told: Callable[[Any], Told], content: bytes) -> Told:
    """What an answer tells; UnreachableError where it is not from a service of ours."""
    try:
        return told(json.loads(content))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise UnreachableError(
            "what answers is no service of SceneSift, or one of another version; is the address "
            "right?"
        ) from error


def _answers(told: Mapping[str, Any]) -> list[RemoteAnswer | ProblemError]:
    return [
        RemoteAnswer.of(each["answer"]) if each.get("answer") else problem_of(each["problem"])
        for each in told["answers"]
    ]


def _body(text: str | None, query: Examples) -> dict[str, Any]:
    """A query as JSON has it."""
    body: dict[str, Any] = {name: value for name, value in query.items() if value is not None}
    if text is not None:
        body["text"] = text
    for name in ("like", "unlike"):
        if isinstance(body.get(name), str):
            body[name] = [body[name]]
    if "image" in body:
        body["image"] = base64.b64encode(_content(body["image"])).decode()
    return body


def _content(image: object) -> bytes:
    """What is in an image file, or was; SettingsError where there is none."""
    if isinstance(image, bytes):
        return image
    if not isinstance(image, str | Path):
        raise SettingsError(f"image is of type {type(image).__name__}; give bytes or a Path")
    try:
        return Path(image).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"image: {str(image)[:200]!a} cannot be read: {reason}") from error


def _spelt(value: Any) -> Any:
    """A value as a URL has it: lists with commas between, what is nested as JSON."""
    if isinstance(value, Mapping):
        return json.dumps(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(str, value))
    return value
