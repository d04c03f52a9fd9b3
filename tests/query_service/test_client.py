"""`scenesift.Client` against the real service over a real socket."""

from __future__ import annotations

import io
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import trustme

import scenesift
from scenesift import Client
from scenesift.client import GEOJSON, GEOPARQUET
from scenesift.errors import ProblemError, SettingsError, UnreachableError
from scenesift.serve import create_app
from scenesift.told import RemoteAnswer
from tests.cli.command_line import CommandLine
from tests.query_service.conftest import settings_of
from tests.query_service.serving import serving


class Moody:
    """An app in front of another: answers the first requests itself."""

    def __init__(self, app: Any, *answers: tuple[int, dict[str, str], bytes]) -> None:
        self._app = app
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.asked += 1
            if self._answers:
                status, headers, body = self._answers.pop(0)
                told = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
                await send({"type": "http.response.start", "status": status, "headers": told})
                await send({"type": "http.response.body", "body": body})
                return
        await self._app(scope, receive, send)


@pytest.fixture(scope="module")
def app(served_home: Path, model: Path) -> Any:
    return create_app(settings_of(served_home, model))


@pytest.fixture(scope="module")
def url(app: Any) -> Iterator[str]:
    with serving(app) as (host, port):
        yield f"http://{host}:{port}"


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as client:
        yield client


def test_a_search_gives_hits_with_all_that_is_known_of_them(client: Client) -> None:
    answer = client.search("a red field", k=5, bbox=(7, 30, 10, 50), max_cloud=50)
    assert [hit.rank for hit in answer.hits] == [1, 2, 3, 4, 5]
    best = answer.hits[0]
    assert best.score >= answer.hits[-1].score
    assert best.properties["colour"] == "red"
    assert best.footprint is not None
    assert (best.caption, best.platform) != (None, None)
    assert answer.strategy == "matches"
    assert answer.explained is None
    assert client.search("a red field", k=1, explain=True).explained is not None


def test_images_and_examples_are_asked_by(client: Client, images: Path) -> None:
    file = images / "green/green3.png"
    for image in (file, file.read_bytes()):
        (hit,) = client.search(image=image, k=1).hits
        assert hit.scene == "green/green3.png"
    assert hit.score > 0.999
    near = client.search(like=hit.id, k=1000).hits
    assert len(near) == 23
    mixed = client.search("a field -blue", like=[near[0].id], unlike=hit.id, k=3)
    assert mixed.expected_recall is None


def test_pages_go_through_all_hits_once(client: Client, images: Path) -> None:
    whole = client.search("a field", k=1000, max_cloud=60).hits
    pages = list(client.pages("a field", k=5, max_cloud=60))
    assert [hit for page in pages for hit in page.hits] == whole
    assert [len(page.hits) for page in pages] == [5, 5, 5, 5, 1]
    image = images / "red/red1.png"
    like = [hit for page in client.pages(image=image, like=whole[0].id, k=7) for hit in page.hits]
    assert len({hit.id for hit in like}) == len(like) == 23


def test_a_batch_is_answered_one_by_one(client: Client) -> None:
    first, second, third = client.batch(
        [{"text": "a red field", "k": 2}, {"text": "x", "bbox": [1, 9, 2, 3]}, {"text": "a field"}]
    )
    assert isinstance(first, RemoteAnswer)
    assert isinstance(third, RemoteAnswer)
    assert first.hits == client.search("a red field", k=2).hits
    assert isinstance(second, ProblemError)
    assert second.status == 400
    assert "upside down" in second.detail


def test_entries_scenes_and_pictures_are_got_by_name(client: Client) -> None:
    (hit,) = client.search("a red field", k=1).hits
    entry = client.entry(hit.id)
    assert (entry.id, entry.scene, entry.caption) == (hit.id, hit.scene, hit.caption)
    scene = client.scene(hit.collection, hit.scene)
    assert scene.status == "indexed"
    assert sorted(one.kind for one in scene.entries) == ["caption", "caption", "chip"]
    for picture in (client.thumbnail(hit.id), client.chip(hit.id)):
        assert picture.startswith(b"\xff\xd8")
    for missing in (lambda: client.entry("../health"), lambda: client.scene("c", "none of it")):
        with pytest.raises(ProblemError) as refused:
            missing()
        assert refused.value.status == 404


def test_scenes_are_counted(client: Client) -> None:
    counts = client.aggregate("tile", zoom=3, collections=(), max_cloud=20)
    assert {group.value: group.count for group in counts.groups} == {
        "3/4/3": 3, "3/5/3": 3, "3/7/3": 3,
    }  # fmt: skip
    assert counts.groups[0].bbox is not None
    area = {"type": "Point", "coordinates": [8.5, 40.5]}
    assert client.aggregate("year", intersects=area, bbox=[8, 40, 9, 41]).total == 8
    like = client.search("a red field", k=2).hits
    assert client.aggregate("year", like=[hit.id for hit in like], best=9).best == 9


def test_answers_are_had_as_files(client: Client) -> None:
    table = pq.read_table(io.BytesIO(client.download(GEOPARQUET, "a red field", k=3)))
    assert table["score"].to_pylist() == [h.score for h in client.search("a red field", k=3).hits]
    assert b"FeatureCollection" in client.download(GEOJSON, "a red field", k=3)


def test_a_refusal_says_what_is_wrong_and_how_to_find_it_in_the_logs(client: Client) -> None:
    with pytest.raises(ProblemError, match="upside down") as refused:
        client.search("a field", bbox=[1, 9, 2, 3])
    assert (refused.value.status, refused.value.title) == (400, "Bad Request")
    assert refused.value.request_id
    assert refused.value.request_id in str(refused.value)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again_when_it_says_so(app: Any, url: str, status: int) -> None:
    busy = (status, {"Retry-After": "0"}, b"")
    moody = Moody(app, busy, busy)
    with asking(moody) as client:
        assert len(client.search("a field", k=1).hits) == 1
    assert moody.asked == 3


def test_patience_has_an_end(app: Any, url: str) -> None:
    for after in ("3600", "Fri, 01 Jan 2100 00:00:00 GMT", "soon"):
        moody = Moody(app, *[(503, {"Retry-After": after}, b"<html>")] * 9)
        with serving(moody, lifespan="off") as (host, port):
            client = Client(f"http://{host}:{port}", patience=0.5)
            with client, pytest.raises(ProblemError) as refused:
                client.search("a field")
        assert (refused.value.status, moody.asked) == (503, 1)


def unreachable(says: str) -> pytest.RaisesExc[UnreachableError]:
    return pytest.raises(UnreachableError, match=says)


JSON = {"Content-Type": "application/json"}
PROBLEM = {"Content-Type": "application/problem+json"}


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b""),
        ({"Content-Type": "text/html"}, b"<html>"),
        (JSON, b"<html>"),
        (JSON, b"[]"),
        (JSON, b"{}"),
        (JSON, b"null"),
        (JSON, b'{"hits": 3}'),
        (JSON, b"[" * 100_000),
    ],
)
def test_what_is_no_service_of_ours_is_said_to_be_none(
    app: Any, url: str, headers: dict[str, str], body: bytes
) -> None:
    moody = Moody(app, (200, headers, body))
    with asking(moody) as client, unreachable("no service of SceneSift") as said:
        client.search("a field")
    assert "\n" not in str(said.value)


def test_a_file_is_of_the_form_that_was_asked_for(app: Any, url: str) -> None:
    moody = Moody(app, (200, {"Content-Type": "text/html"}, b"<html>sign in"))
    with asking(moody) as client, unreachable(r"gives 'text/html' for application/vnd\.apache"):
        client.download(GEOPARQUET, "a field")


@pytest.mark.parametrize(
    ("status", "headers", "body", "says"),
    [
        (307, {"Location": "https://b.example/search"}, b"", "leads to 'https://b.example/search'"),
        (304, {}, b"", "no answer of a service of SceneSift"),
        (401, {}, b"<html>", "give the `key`"),
        (403, {}, b"<html>", "what stands before the service"),
        (404, JSON, b'{"detail": "Not Found"}', "no service of SceneSift at this address"),
        (408, {}, b"", "did not come in time"),
        (410, PROBLEM, b'{"title": "Gone", "detail": "begin anew"}', "410 Gone: begin anew$"),
        (413, {}, b"", "send less"),
        (422, PROBLEM, b'{"title": null, "detail": null}', "no answer of a service of SceneSift"),
        (422, PROBLEM, b"[1]", "no answer of a service of SceneSift"),
        (429, {"Retry-After": "9" * 400}, b"", "try again later"),
        (500, {}, b"boom", "its log says more"),
        (502, {}, b"<html>", "does not reach it"),
        (503, {"Retry-After": "60"}, b"<html>", "try again later"),
        (504, {}, b"", "ask for less"),
    ],
)
def test_a_refusal_that_explains_nothing_is_explained(
    app: Any, url: str, status: int, headers: dict[str, str], body: bytes, says: str
) -> None:
    moody = Moody(app, (status, headers, body))
    with asking(moody) as client, pytest.raises(ProblemError, match=says) as refused:
        client.search("a field")
    assert (refused.value.status, moody.asked) == (status, 1)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["127.0.0.1:1", "nonsense", "", "http://", "http://[", "ftp://a", "http://a:99999",
            "http://a/?b=c", "//a", None, 3, b"http://a"]
)  # fmt: skip
def test_what_is_no_address_is_refused_before_anything_is_sent(url: Any) -> None:
    with pytest.raises(
        UnreachableError, match=r"is no address of a service; give http://HOST:PORT"
    ):
        Client(url)


@pytest.mark.parametrize("key", ["", " ", "a b", "a\nb", "ü", 3, b"a"])
def test_what_is_no_key_is_refused_and_not_repeated(key: Any) -> None:
    with pytest.raises(SettingsError, match="give what `scenesift key create` printed") as refused:
        Client("http://127.0.0.1:1", key)
    assert "ü" not in str(refused.value)


@pytest.mark.parametrize("value", [None, -1, float("nan"), float("inf"), "60", True])
@pytest.mark.parametrize("name", ["timeout", "patience"])
def test_times_are_numbers_of_seconds(name: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=f"{name} is .*; give seconds"):
        Client("http://127.0.0.1:1", **{name: value})


@pytest.mark.parametrize("query", [{"filter": {1j}}, {"bbox": b"1"}, {"min_cloud": float("nan")}])
def test_a_query_that_json_cannot_hold_is_refused(client: Client, query: Any) -> None:
    with pytest.raises(SettingsError, match="nothing that JSON can hold"):
        client.search("a field", **query)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (Path("nowhere.png"), "image: 'nowhere.png' cannot be read: No such file or directory"),
        (Path(), "cannot be read: Is a directory"),
        ("a\0b", "cannot be read: embedded null byte"),
        (3, "image is of type int; give bytes or a Path"),
    ],
)
def test_an_image_that_cannot_be_read_is_said(client: Client, image: Any, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        client.search(image=image)


def test_a_query_of_a_batch_is_a_dict(client: Client) -> None:
    with pytest.raises(SettingsError, match="is a dict, such as"):
        client.batch(["a river"])  # type: ignore[list-item]


def test_nobody_answering_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    secret = f"http://me:hush@127.0.0.1:{port}/"
    with Client(secret) as client, pytest.raises(UnreachableError) as said:
        client.search("a field")
    assert str(said.value) == (
        f"no answer from http://127.0.0.1:{port}: Connection refused; is `scenesift serve` running "
        "there, and is the address right?"
    )
    with Client("http://nobody.invalid") as client, pytest.raises(UnreachableError) as said:
        client.search("a field")
    assert "[" not in str(said.value)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Client(address, timeout=0.2) as client, unreachable(r"within 0\.2 s"):
            client.entry("x")


def test_a_certificate_that_nobody_vouches_for_is_said() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    def shake(connection: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(connection, server_side=True):
            pass

    with answering(shake) as address:
        client = Client(address.replace("http:", "https:"))
        with client, unreachable("certificate verify failed") as said:
            client.search("a field")
    assert "_ssl.c" not in str(said.value)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n"


@pytest.mark.parametrize("sent", [b"", b"SSH-2.0\r\n", HEAD[:20], HEAD + b'{"hits": ['])
def test_half_an_answer_is_none(sent: bytes) -> None:
    asked = []

    def answer(connection: socket.socket) -> None:
        with connection:
            asked.append(connection.recv(65_536))
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass

    with (
        answering(answer) as address,
        Client(address) as client,
        unreachable("no answer from") as said,
    ):
        client.search("a field")
    assert "\n" not in str(said.value)
    assert len(asked) == 2  # it only reads: once more can do no harm


def test_an_answer_that_trickles_is_given_up() -> None:
    given_up = threading.Event()

    def trickle(connection: socket.socket) -> None:
        with connection:
            connection.sendall(HEAD)
            try:
                while not given_up.wait(0.05):
                    connection.sendall(b" ")
            except OSError:
                pass

    with (
        answering(trickle) as address,
        Client(address, timeout=0.3) as client,
        unreachable("within 0.3 s"),
    ):
        client.search("a field")
    given_up.set()


@contextmanager
def asking(app: Any) -> Iterator[Client]:
    """A client of an app that is served as it is."""
    with serving(app, lifespan="off") as (host, port), Client(f"http://{host}:{port}") as client:
        yield client


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Address of a server that answers each connection, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take() -> None:
            with suppress(OSError):  # closed, at the end
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=answer, args=(connection,), daemon=True).start()

        threading.Thread(target=take, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def test_a_key_opens_a_service_that_asks_for_one(
    tmp_path: Path, indexed_home: Path, model: Path
) -> None:
    shutil.copytree(indexed_home, tmp_path / "home")
    key = CommandLine(tmp_path / "home").json("key", "create", "ci")["key"]
    guarded = create_app(settings_of(tmp_path / "home", model, serve_keys="auto"))
    with serving(guarded) as (host, port):
        with Client(f"http://{host}:{port}", key) as client:
            assert client.search("a field", k=1).hits
        with Client(f"http://{host}:{port}") as client, pytest.raises(ProblemError) as refused:
            client.search("a field")
    assert refused.value.status == 401
    assert key not in str(refused.value)


def test_threads_share_a_client(client: Client) -> None:
    barrier = threading.Barrier(4)

    def one(number: int) -> int:
        barrier.wait(30)
        return len(client.search("a field", k=number).hits)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(1, 5))) == [1, 2, 3, 4]


def test_importing_the_package_brings_no_client_and_a_client_no_service() -> None:
    heavy = "numpy faiss torch fastapi pydantic pyarrow scenestore"
    code = (
        "import sys, scenesift; assert 'httpx' not in sys.modules; scenesift.Client; "
        f"print([name for name in '{heavy}'.split() if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout == "[]\n", ran.stderr
    assert "Client" in scenesift.__all__
