"""Entries and queries in words, and the lexicon to look at."""

import re
from pathlib import Path

import pytest

from tests.cli.command_line import CommandLine


def test_an_entry_is_explained_by_its_code_its_cell_and_its_neighbours(
    indexed: CommandLine,
) -> None:
    about = indexed.json("explain", "red/red3.png", "-k", 4)
    assert (about["scene"], about["kind"], about["caption"]) == ("red/red3.png", "chip", None)
    assert about["words"] == ["field"]  # of all concepts the small model knows this one
    assert sum(term["share"] for term in about["terms"]) == pytest.approx(1)
    assert all(term["weight"] > 0 for term in about["terms"])
    assert about["cell"]["vectors"] >= 1
    assert about["cell"]["words"] == ["field"]
    near = indexed.json("search", "--like", "red/red3.png", "-k", 4, "--explain")["hits"]
    assert about["neighbours"] == near
    assert indexed.json("explain", about["id"], "-k", 4) == about


def test_an_explanation_reads_as_text(indexed: CommandLine) -> None:
    about = indexed.json("explain", "red/red3.png")
    text = indexed("explain", "red/red3.png").stdout
    for shown in (about["id"], "field", about["terms"][0]["term"], "neighbour", "percentile"):
        assert shown in text
    assert "neighbour" not in indexed("explain", "red/red3.png", "-k", 0).stdout


def test_a_caption_is_explained_among_captions(indexed: CommandLine) -> None:
    (hit,) = indexed.json("search", "a green field", "--kind", "caption", "-k", 1)["hits"]
    about = indexed.json("explain", hit["id"])
    assert about["caption"] == "a green field"
    assert {near["kind"] for near in about["neighbours"]} == {"caption"}


def test_a_query_is_explained_by_the_terms_that_it_becomes(
    indexed: CommandLine, images: Path
) -> None:
    searched = indexed.json("search", "a red field", "--explain")["terms"]
    about = indexed.json("explain", "--text", "a red field")
    assert about["query"] == "a red field"
    assert about["terms"] == searched
    assert about["words"] == []
    assert "neighbours" not in about
    pictured = indexed.json("explain", "--image", images / "red/red3.png")
    assert pictured["words"] == ["field"]
    assert pictured["cell"] == indexed.json("explain", "red/red3.png")["cell"]
    text = indexed("explain", "--text", "a red field").stdout
    assert about["terms"][0]["term"] in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give one of"),
        (["red/red3.png", "--text", "a field"], "give one of"),
        (["red/red3.png", "-k", "-1"], "-k is -1"),
        (["no/such.png"], "no entry has the id or scene 'no/such.png'"),
        (["--text", " "], "empty"),
    ],
)
def test_what_cannot_be_explained_is_refused(
    indexed: CommandLine, arguments: list[str], says: str
) -> None:
    assert says in indexed.refused("explain", *arguments, code=2)


def test_the_lexicon_counts_the_entries_that_hold_each_term(indexed: CommandLine) -> None:
    found = indexed.json("terms")
    assert (found["terms"], found["entries"]) == (12, 24)
    counts = [term["entries"] for term in found["lexicon"]]
    assert counts == sorted(counts, reverse=True)
    assert found["used"] == sum(count > 0 for count in counts)
    scenes = [f"{colour}/{colour}{n}.png" for colour in ("red", "green", "blue") for n in range(8)]
    codes = [
        {term["term"] for term in indexed.json("explain", scene, "-k", 0)["terms"]}
        for scene in scenes[::6]
    ]
    listed = {term["term"]: term for term in indexed.json("terms", "--examples", 24)["lexicon"]}
    for scene, code in zip(scenes[::6], codes, strict=True):
        holding = {
            name
            for name, term in listed.items()
            if scene in {example["scene"] for example in term["examples"]}
        }
        assert holding == code
    for term in listed.values():
        assert len(term["examples"]) == term["entries"]
        weights = [example["weight"] for example in term["examples"]]
        assert weights == sorted(weights, reverse=True)


def test_what_is_deleted_or_replaced_is_not_counted(indexed: CommandLine, images: Path) -> None:
    indexed("delete", "red/red3.png")
    found = indexed.json("terms", "--examples", 24)
    assert found["entries"] == 23
    for term in found["lexicon"]:
        scenes = [example["scene"] for example in term["examples"]]
        assert len(scenes) == len(set(scenes)) == term["entries"]
        assert "red/red3.png" not in scenes


def test_terms_are_picked_by_name_and_number(indexed: CommandLine) -> None:
    every = indexed.json("terms", "--kind", "caption")["lexicon"]
    word = next(term["word"] for term in every if term["word"])
    some = indexed.json("terms", "--kind", "caption", "--grep", word.upper())["lexicon"]
    assert some == [term for term in every if word in term["term"]]
    assert indexed.json("terms", "--kind", "caption", "--limit", 2)["lexicon"] == every[:2]
    assert indexed.json("terms", "--grep", "zeppelin")["lexicon"] == []
    assert "no term has that" in indexed("terms", "--grep", "zeppelin").stdout
    text = indexed("terms").stdout
    assert "12 terms" in text
    assert "in use by 24 entries" in text
    assert "--limit is 0" in indexed.refused("terms", "--limit", 0, code=2)


def test_a_sheet_shows_each_term_with_its_chips(indexed: CommandLine, tmp_path: Path) -> None:
    indexed("terms", "--limit", 3, "--examples", 2, "--html", "terms.html")
    page = (tmp_path / "terms.html").read_text()
    found = indexed.json("terms", "--limit", 3, "--examples", 2)["lexicon"]
    assert page.count("data:image/jpeg;base64,") == sum(len(term["examples"]) for term in found)
    for term in found:
        assert term["term"] in page
        for example in term["examples"]:
            assert example["scene"] in page
    assert "default-src 'none'; img-src data:" in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "cannot be written" in indexed.refused("terms", "--html", "no/such/folder.html")
