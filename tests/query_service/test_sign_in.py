"""A browser at a service that asks for keys: the way in, what the cookie opens, and the way out."""

from __future__ import annotations

import html
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from query_service import key_ring
from query_service.cookie import NAME
from query_service.keys import Key, new_token
from scenesift.serve import create_app
from scenestore.errors import UnavailableError
from tests.cli.command_line import CommandLine
from tests.query_service.conftest import Client, running, settings_of

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SEARCH = {"text": "a red field"}


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory, served_home: Path) -> CommandLine:
    """The command line in a copy of the served home."""
    home = tmp_path_factory.mktemp("guarded") / "home"
    shutil.copytree(served_home, home)
    return CommandLine(home)


@pytest.fixture(scope="module")
def key(indexed: CommandLine) -> str:
    return str(indexed.json("key", "create", "anna")["key"])


@pytest.fixture
def browser(indexed: CommandLine, key: str, model: Path) -> Iterator[Client]:
    """A client, keeping cookies, of a service that asks for keys."""
    with running(create_app(settings_of(indexed.home, model, serve_keys="required"))) as client:
        yield client


def signed_in(browser: Client, key: str, **fields: str) -> httpx.Response:
    answer = browser("POST", "/sign-in", headers=BROWSER, data={"key": key, **fields})
    assert answer.status_code == 303, answer.text
    return answer


def test_who_has_no_key_is_asked_for_one_and_told_nothing_of_the_archive(browser: Client) -> None:
    page = browser("GET", "/", params=SEARCH, headers=BROWSER)
    assert page.status_code == 401
    assert page.headers["www-authenticate"] == "Bearer"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert 'type="password"' in page.text
    assert "images" not in page.text  # the name of the collection
    assert "alert" not in page.text
    assert browser("GET", "/page.css").status_code == 200
    assert browser("GET", "/page.js").status_code == 200


def test_programs_are_told_in_their_own_way(browser: Client) -> None:
    for path in ("/", "/?text=x", "/search?text=x"):
        assert "Authorization: Bearer" in browser.refused(401, "GET", path)
    assert browser.refused(401, "GET", "/search?text=x", headers=BROWSER)


def test_with_a_key_the_page_shows_hits_and_pictures(browser: Client, key: str) -> None:
    asked = browser("GET", "/", params=SEARCH, headers=BROWSER)
    hidden = re.search(r'name="asked" value="([^"]*)"', asked.text)
    assert hidden
    answer = signed_in(browser, key, asked=html.unescape(hidden[1]))
    assert answer.headers["location"] == "/?text=a+red+field"
    page = browser("GET", answer.headers["location"], headers=BROWSER)
    assert page.status_code == 200
    assert key not in page.text
    links = {html.unescape(link) for link in re.findall(r'(?:href|src)="(/[^"]*)"', page.text)}
    assert {link for link in links if link.endswith("/thumbnail")}
    for link in sorted(links)[::7]:
        assert browser("GET", link).status_code == 200, link


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(browser: Client, key: str) -> None:
    given = signed_in(browser, key).headers["set-cookie"]
    attributes = {part.strip().lower() for part in given.split(";")[1:]}
    assert attributes == {"httponly", "samesite=strict", "path=/"}
    answer = browser("POST", "https://service/sign-in", data={"key": key})
    assert "; Secure" in answer.headers["set-cookie"]


def test_the_cookie_opens_what_the_page_shows_and_nothing_else(browser: Client, key: str) -> None:
    signed_in(browser, key)
    for path in ("/search?text=x", "/metrics", "/stac", "/stac/collections", "/aggregate?by=year"):
        assert browser("GET", path).status_code == 401, path
    for path in ("/search", "/search/batch", "/stac/search", "/entries/x"):
        assert browser("POST", path, json=SEARCH).status_code == 401, path
    assert browser("GET", "/openapi.json").status_code == 200


def test_an_image_is_taken_from_the_form_of_the_page_alone(
    browser: Client, key: str, images: Path
) -> None:
    signed_in(browser, key)
    files = {"image": (images / "green/green3.png").read_bytes()}
    page = browser("GET", "/", headers=BROWSER)
    action = re.search(r'action="(/\?form=[0-9a-f]{64})"', page.text)
    assert action
    found = browser("POST", action[1], files=files, headers=BROWSER)
    assert found.status_code == 200
    assert "green/green3.png" in found.text
    for forged in ("/", "/?form=", "/?form=" + "0" * 64, "/?form=%C3%BC"):
        assert browser("POST", forged, files=files, headers=BROWSER).status_code == 401, forged


def test_a_header_counts_before_the_cookie(browser: Client, key: str) -> None:
    signed_in(browser, key)
    wrong = {**BROWSER, "Authorization": f"Bearer {new_token()}"}
    assert browser("GET", "/", headers=wrong).status_code == 401
    page = browser("GET", "/", headers={**BROWSER, "Authorization": f"Bearer {key}"})
    assert page.status_code == 200
    assert "Sign out" not in page.text


def test_who_signs_out_is_out(browser: Client, key: str) -> None:
    signed_in(browser, key)
    page = browser("GET", "/", headers=BROWSER)
    assert 'action="/sign-out" method="post"' in page.text
    answer = browser("POST", "/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert f'{NAME}=""' in answer.headers["set-cookie"]
    assert browser("GET", "/", headers=BROWSER).status_code == 401


@pytest.mark.parametrize("given", ["scenesift_" + "x" * 43, "", "  ", "ü\x00", "x" * 5_000])
def test_a_wrong_key_is_refused_on_the_page(browser: Client, given: str) -> None:
    answer = browser("POST", "/sign-in", headers=BROWSER, data={"key": given, "asked": "text=ship"})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert 'role="alert"' in answer.text
    assert 'value="text=ship"' in answer.text
    assert given.strip() not in answer.text or not given.strip()


def test_a_key_that_is_revoked_ends_what_was_signed_in(
    browser: Client, indexed: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in(browser, indexed.json("key", "create", "bob")["key"])
    assert browser("GET", "/", headers=BROWSER).status_code == 200
    monkeypatch.setattr(key_ring, "_EVERY_SECONDS", 0.05)
    indexed("key", "revoke", "bob")
    deadline = time.monotonic() + 30
    while (page := browser("GET", "/", headers=BROWSER)).status_code == 200:
        assert time.monotonic() < deadline
    assert page.status_code == 401
    assert "was revoked" in page.text


@pytest.mark.parametrize(
    ("asked", "location"),
    [
        ("", "/"),
        ("//evil.example", "/"),
        ("text=a&kind=caption", "/?text=a&kind=caption"),
        ("text=a%0d%0aX: y", "/?text=a%0D%0AX%3A+y"),
        ("x" * 30_000 + "=1", "/"),
    ],
)
def test_nobody_is_led_elsewhere(browser: Client, key: str, asked: str, location: str) -> None:
    assert signed_in(browser, key, asked=asked).headers["location"] == location


def test_pages_of_others_sign_nobody_in(browser: Client, key: str) -> None:
    for site in ("cross-site", "same-site"):
        headers = {**BROWSER, "Sec-Fetch-Site": site}
        answer = browser("POST", "/sign-in", headers=headers, data={"key": key})
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


def test_little_is_read_of_who_has_no_key(browser: Client) -> None:
    answer = browser("POST", "/sign-in", data={"key": "x" * 90_000})
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"


def test_keys_that_cannot_be_read_are_said_on_the_page(
    browser: Client, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> list[Key]:
        raise UnavailableError("the store is away")

    signed_in(browser, key)
    monkeypatch.setattr(browser.app.state.service.ring, "_load", away)
    monkeypatch.setattr(key_ring, "STALE_SECONDS", 0.0)
    monkeypatch.setattr(key_ring, "_PAUSE_SECONDS", 0.01)
    for answer in (
        browser("GET", "/", headers=BROWSER),
        browser("POST", "/sign-in", headers=BROWSER, data={"key": key}),
    ):
        assert answer.status_code == 503
        assert "try again later" in answer.text
        assert answer.headers["content-type"].startswith("text/html")


def test_where_no_key_is_asked_for_there_is_nowhere_to_give_one(client: Client) -> None:
    assert client("POST", "/sign-in", data={"key": "x"}).status_code == 404
    assert "Sign out" not in client("GET", "/", headers=BROWSER).text
