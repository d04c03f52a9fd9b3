"""The first page as a browser gets it."""

import html
import re
from pathlib import Path

import httpx
import pytest

from scenesift.serve import create_app
from tests.query_service.conftest import Client, running, serving, settings_of


def scenes(page: httpx.Response) -> list[str]:
    return re.findall(r'<p class="scene">\w+: ([^<]+)</p>', page.text)


def refusal(page: httpx.Response) -> str:
    found = re.search(r'role="alert">([^<]+)<', page.text)
    assert found, page.text
    return html.unescape(found[1])


def test_it_asks_what_to_search_for(client: Client) -> None:
    page = client("GET", "/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert 'type="search"' in page.text
    assert "<ol" not in page.text


def test_it_shows_what_a_search_finds_in_the_same_order(client: Client) -> None:
    page = client("GET", "/", params={"text": "a red field"})
    answer = client.get("/search", text="a red field", k=24)
    assert scenes(page) == [hit["scene"] for hit in answer["hits"]]
    assert len(scenes(page)) == 24
    pictures = re.findall(r'<img src="([^"]+)"', page.text)
    assert pictures == [hit["thumbnail"] for hit in answer["hits"]]


def test_every_link_of_it_leads_somewhere_in_the_service(client: Client) -> None:
    page = client("GET", "/", params={"text": "a red field"})
    links = {html.unescape(link) for link in re.findall(r'(?:href|src)="([^"]+)"', page.text)}
    assert len(links) > 50
    links.remove("data:,")  # no icon
    assert all(link.startswith("/") for link in links)
    for link in sorted(links)[::7]:
        assert client("GET", link).status_code == 200, link


@pytest.mark.parametrize("text", ["a red field", "a red field -green"])
def test_where_everything_is_scored_nothing_was_missed(client: Client, text: str) -> None:
    said = client("GET", "/", params={"text": text}).text
    assert "24 of 24 vectors scored" in said
    assert "(exhaustive); nothing was missed" in said


def test_more_like_a_hit_leaves_that_hit_out(client: Client) -> None:
    page = client("GET", "/", params={"text": "a red field"})
    link = re.search(r'href="(/\?like=[^"]+)"', page.text)
    assert link
    like = client("GET", html.unescape(link[1]))
    assert set(scenes(page)) - set(scenes(like)) == {scenes(page)[0]}


def test_captions_go_on_to_the_next_page(client: Client) -> None:
    asked = {"text": "a red field", "kind": "caption"}
    page = client("GET", "/", params=asked)
    link = re.search(r'rel="next" href="([^"]+)"', page.text)
    assert link
    following = client("GET", html.unescape(link[1]))
    assert 'value="a red field"' in following.text
    numbers = [int(n) for n in re.findall(r'class="rank">(\d+)<', page.text + following.text)]
    assert numbers == list(range(1, 49))


def test_an_image_finds_itself(client: Client, images: Path) -> None:
    content = (images / "green/green3.png").read_bytes()
    page = client("POST", "/", files={"image": ("green3.png", content)})
    assert scenes(page)[0] == "green/green3.png"


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><i x>', "{{ 7 * 7 }}"])
def test_what_was_asked_is_shown_as_text(client: Client, text: str) -> None:
    page = client("GET", "/", params={"text": text})
    assert html.escape(text, quote=False) in page.text.replace("&#34;", '"')
    assert text not in page.text or text == "{{ 7 * 7 }}"


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({"text": " "}, 400, "nothing to look for"),
        ({"text": "x", "kind": "cloud"}, 422, "kind"),
        ({"like": "nobody"}, 400, "nobody"),
        ({"token": "forged"}, 400, "token"),
        ({"text": "x", "bbox": "1,2,3,4"}, 400, "bbox: no condition that this page takes"),
    ],
)
def test_a_search_that_cannot_be_is_refused_on_the_page(
    client: Client, asked: dict[str, str], status: int, said: str
) -> None:
    page = client("GET", "/", params=asked)
    assert page.status_code == status
    assert said in refusal(page)


def test_a_file_that_is_no_image_is_refused_on_the_page(client: Client) -> None:
    page = client("POST", "/", files={"image": ("x.png", b"no image")})
    assert page.status_code == 400
    assert "image" in refusal(page)


def test_an_image_that_is_too_large_is_refused_on_the_page(served_home: Path, model: Path) -> None:
    with serving(served_home, model, serve_image_bytes=1 << 19) as client:
        assert "at most 0.5 MiB" in client("GET", "/").text
        page = client("POST", "/", files={"image": ("x.png", bytes(1 + (1 << 19)))})
        assert page.status_code == 413
        assert refusal(page) == "image: more than the 524,288 bytes allowed; make it smaller"


def test_a_long_text_does_not_fill_the_page(client: Client) -> None:
    text = "harbour" * 280
    page = client("GET", "/", params={"text": text})
    heading = re.search(r"<h1>([^<]+)</h1>", page.text)
    assert heading
    assert len(heading[1]) <= 120
    assert f'value="{text}"' in page.text


def test_hits_say_how_few_are_as_good_and_never_that_none_are_better(client: Client) -> None:
    page = client("GET", "/", params={"text": "a red field"})
    shares = [float(share) for share in re.findall(r">top ([\d.]+)&nbsp;%<", page.text)]
    assert len(shares) == 24
    assert shares == sorted(shares)
    assert shares[0] == 4.2  # one of 24


@pytest.mark.parametrize("asked", [{}, {"text": "a red field"}])
def test_a_fault_of_ours_tells_no_folder_to_people_elsewhere(
    tmp_path: Path, model: Path, asked: dict[str, str]
) -> None:
    settings = settings_of(tmp_path / "nothing", model)
    with running(create_app(settings, is_local=False)) as client:
        page = client("GET", "/", params=asked)
    assert page.status_code == 503
    assert "try again later" in refusal(page)
    assert str(tmp_path) not in page.text
    with running(create_app(settings, is_local=True)) as client:
        assert str(tmp_path) in refusal(client("GET", "/", params=asked))
