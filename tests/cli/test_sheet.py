"""The contact sheet: one file that needs nothing else and runs nothing."""

import base64
import hashlib
import html
import re
from pathlib import Path

from tests.cli.command_line import COLOURS, CommandLine, write_image


def test_a_sheet_shows_every_hit_with_its_picture(indexed: CommandLine, tmp_path: Path) -> None:
    indexed("search", "a red field", "-k", 4, "--explain", "--html", "hits.html")
    page = (tmp_path / "hits.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 4
    for hit in indexed.json("search", "a red field", "-k", 4)["hits"]:
        assert hit["scene"] in page
        assert hit["caption"] in page
        assert f"{hit['score']:.3f}" in page


def test_a_sheet_asks_nothing_of_any_host_and_runs_nothing(
    indexed: CommandLine, images: Path, tmp_path: Path
) -> None:
    indexed("search", "--image", images / "red/red0.png", "--html", "hits.html")
    page = (tmp_path / "hits.html").read_text()
    assert "default-src 'none'; img-src data:; style-src 'sha256-" in page
    (style,) = re.findall(r"<style>(.*)</style>", page, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in html.unescape(page)
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert not re.search(r"url\(|@import", page)


def test_what_people_wrote_is_shown_and_not_run(fitted: CommandLine, tmp_path: Path) -> None:
    hostile = '<img src=x onerror="alert(1)">'
    write_image(tmp_path / "odd" / "a<b>&.png", COLOURS["red"], seed=1)
    (tmp_path / "odd/captions.jsonl").write_text(
        '{"image": "a<b>&.png", "captions": ["<img src=x onerror=\\"alert(1)\\">"]}\n'
    )
    fitted("index", "odd")
    fitted("search", hostile, "--html", "hits.html")
    page = (tmp_path / "hits.html").read_text()
    assert "<img src=x" not in page
    assert page.count("&lt;img src=x onerror=&#34;alert(1)&#34;&gt;") >= 2
    assert "a&lt;b&gt;&amp;.png" in page


def test_the_table_shows_brackets_as_they_are(fitted: CommandLine, tmp_path: Path) -> None:
    write_image(tmp_path / "odd" / "[red]one[/red].png", COLOURS["red"], seed=1)
    fitted("index", "odd")
    assert "[red]one[/red].png" in fitted("search", "a field").stdout


def test_an_empty_answer_makes_a_sheet_too(indexed: CommandLine, tmp_path: Path) -> None:
    indexed("search", "a field", "--max-cloud", 5, "--html", "hits.html")
    assert "Nothing in the archive" in (tmp_path / "hits.html").read_text()
