"""An archive's life, command by command."""

import json
import sqlite3
from pathlib import Path
from shutil import copytree, rmtree

import pytest

from tests.cli.command_line import COLOURS, CommandLine, write_image

QUERY = ("search", "a red field", "-k", 5)


def test_the_first_index_of_a_fitted_home_indexes_images_and_captions(
    fitted: CommandLine, images: Path
) -> None:
    summary = fitted.json("index", images)
    assert (summary["indexed"], summary["chips"], summary["captions"]) == (24, 24, 48)
    info = fitted.json("info")
    assert info["entries"] == {"chip": 24, "caption": 48}
    assert info["scenes"] == {"indexed": 24, "skipped": 0, "failed": 0}
    assert info["engine"] == "embedded"


def test_a_second_run_changes_nothing(indexed: CommandLine, images: Path) -> None:
    before = indexed.json("info")
    summary = indexed.json("index", images)
    assert summary["unchanged"] == 24
    assert summary["indexed"] == summary["updated"] == summary["deleted"] == 0
    assert indexed.json("info") == before


def test_changed_and_deleted_images_are_followed(indexed: CommandLine, images: Path) -> None:
    folder = indexed.home.parent / "elsewhere"
    copytree(images, folder)
    (folder / "red/red0.png").unlink()
    write_image(folder / "red/red1.png", COLOURS["blue"], seed=99)
    refused = indexed.refused("index", folder)
    assert str(images) in refused
    assert "--moved" in refused
    summary = indexed.json("index", folder, "--moved")
    assert (summary["updated"], summary["deleted"]) == (1, 1)
    assert indexed.json("info")["entries"]["chip"] == 23


def test_a_dry_run_writes_nothing_and_makes_no_home(
    run: CommandLine, fitted_home: Path, images: Path
) -> None:
    copytree(fitted_home, run.home)
    before = sorted(path.name for path in run.home.rglob("*"))
    summary = run.json("index", images, "--dry-run")
    assert summary["dry_run"]
    assert summary["indexed"] == 24
    assert sorted(path.name for path in run.home.rglob("*")) == before


def test_an_image_is_found_by_itself(indexed: CommandLine, images: Path) -> None:
    answer = indexed.json("search", "--image", images / "red/red3.png", "-k", 3)
    best = answer["hits"][0]
    assert len(answer["hits"]) == 3
    assert (best["scene"], best["kind"]) == ("red/red3.png", "chip")
    assert best["score"] == pytest.approx(1, abs=1e-3)
    assert best["percentile"] > 90
    assert best["caption"] == "a red field"
    assert answer["strategy"] == "exhaustive"
    assert answer["scanned"] == answer["entries"] == 24
    assert answer["expected_recall"] == 1
    assert answer["milliseconds"]["total"] > 0


def test_more_like_an_entry_takes_an_id_or_a_scene_and_leaves_it_out(
    indexed: CommandLine,
) -> None:
    by_scene = indexed.json("search", "--like", "red/red3.png")
    assert "red/red3.png" not in {hit["scene"] for hit in by_scene["hits"]}
    id = indexed.json("search", "--like", "red/red4.png", "-k", 24)["hits"]
    (red3,) = [hit["id"] for hit in id if hit["scene"] == "red/red3.png"]
    by_id = indexed.json("search", "--like", red3)
    assert by_id["hits"] == by_scene["hits"]


def test_captions_are_found_by_kind(indexed: CommandLine) -> None:
    answer = indexed.json("search", "a green field", "--kind", "caption", "-k", 1)
    (hit,) = answer["hits"]
    assert hit["kind"] == "caption"
    assert hit["score"] == pytest.approx(1, abs=1e-3)
    assert hit["caption"] == "a green field"


def test_guided_and_exhaustive_searches_agree_on_a_small_archive(indexed: CommandLine) -> None:
    exhaustive = indexed.json(*QUERY, "--strategy", "exhaustive")
    guided = indexed.json(*QUERY, "--strategy", "guided")
    assert guided["strategy"] == "guided"
    assert guided["expected_recall"] is None
    assert guided["hits"] == exhaustive["hits"]


def test_k_larger_than_the_archive_gives_all_of_it(indexed: CommandLine) -> None:
    assert len(indexed.json("search", "a field", "-k", 1000)["hits"]) == 24


def test_info_says_how_terms_are_used_and_what_queries_read(indexed: CommandLine) -> None:
    for kind, entries in {"chip": 24, "caption": 48}.items():
        found = indexed.json("info")["postings"][kind]
        assert found["sparsifier"] == "prototypes"
        assert 1 / entries <= found["fullest"] <= 1
        assert 0 <= found["median"] <= found["fullest"]
        assert 0 <= found["unused"] < found["terms"]
        assert 0 < found["touched_by_images"] <= found["terms"]
        assert 0 < found["touched_by_texts"] <= found["terms"]
    assert "postings chip" in indexed("info").stdout


def test_a_collection_is_searched_alone(indexed: CommandLine, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write_image(other / "one.png", COLOURS["red"], seed=5)
    indexed("index", other, "--collection", "other")
    answer = indexed.json("search", "a field", "--collection", "other")
    assert [hit["scene"] for hit in answer["hits"]] == ["one.png"]
    assert len(indexed.json("search", "a field", "-k", 30)["hits"]) == 25


def test_an_explanation_names_terms_cells_and_times(indexed: CommandLine) -> None:
    answer = indexed.json(*QUERY, "--strategy", "guided", "--explain")
    assert sum(term["share"] for term in answer["terms"]) == pytest.approx(1)
    matched = [hit["terms"] for hit in answer["hits"] if hit["terms"]]
    assert matched
    assert all(sum(term["share"] for term in terms) == pytest.approx(1) for terms in matched)
    assert all(cell["vectors"] > 0 for cell in answer["cells"])
    assert {"embedding", "guide", "plan", "scan", "fetch"} <= answer["milliseconds"].keys()
    text = indexed(*QUERY, "--strategy", "guided", "--explain").stdout
    assert "query terms:" in text
    assert "cells opened:" in text


def test_the_table_shows_rank_score_percentile_scene_and_caption(indexed: CommandLine) -> None:
    text = indexed("search", "--like", "blue/blue0.png", "-k", 2).stdout
    hits = indexed.json("search", "--like", "blue/blue0.png", "-k", 2)["hits"]
    for hit in hits:
        (line,) = [line for line in text.splitlines() if hit["scene"] in line]
        assert hit["id"] in line
        assert f"{hit['score']:.3f}" in line
        assert hit["caption"] in line


def test_deleted_scenes_stay_out_until_they_are_restored(
    indexed: CommandLine, images: Path
) -> None:
    deleted = indexed.json("delete", "red/red3.png")
    assert deleted == {"deleted": [{"collection": "default", "scene": "red/red3.png"}]}
    indexed("index", images)
    found = {hit["scene"] for hit in indexed.json("search", "a field", "-k", 100)["hits"]}
    assert "red/red3.png" not in found
    assert indexed.json("info")["entries"] == {"chip": 23, "caption": 46}
    indexed("index", images, "--restore")
    assert indexed.json("info")["entries"] == {"chip": 24, "caption": 48}


def test_rebuild_makes_a_lost_index_again(indexed: CommandLine) -> None:
    before = indexed.json(*QUERY)["hits"]
    rmtree(indexed.home / "embedded")
    assert "scenesift rebuild" in indexed.refused(*QUERY)
    indexed("rebuild")
    assert indexed.json(*QUERY)["hits"] == before
    assert indexed.json("audit")["clean"]
    assert indexed.json("search", "--like", "red/red3.png", "-k", 1)["hits"]


def test_a_new_bundle_is_taken_over_by_rebuild_alone(indexed: CommandLine, images: Path) -> None:
    before = indexed.json(*QUERY)
    old = indexed.json("info")
    fitted = indexed.json("fit", images, "--prototypes", 6, "--cells", 2, "--seed", 1)
    assert indexed.json("info")["bundle"] == old["bundle"] != fitted["bundle"]
    indexed("rebuild")
    new = indexed.json("info")
    assert new["bundle"] == fitted["bundle"]
    assert new["generation"] == "g2"
    assert new["entries"] == old["entries"]
    assert [path.name for path in (indexed.home / "batches").iterdir()] == ["g2"]
    assert not list((indexed.home / "embedded").glob("g1*"))
    after = indexed.json(*QUERY)
    assert [hit["id"] for hit in after["hits"]] == [hit["id"] for hit in before["hits"]]
    assert indexed.json("index", images)["unchanged"] == 24
    assert indexed.json("audit")["clean"]


def test_what_was_deleted_while_a_rebuild_lay_stopped_stays_out(
    indexed: CommandLine, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*anything: object, **named: object) -> None:
        raise KeyboardInterrupt

    indexed("fit", images, "--prototypes", 6, "--cells", 2)
    with monkeypatch.context() as dying:
        dying.setattr(Path, "unlink", die)  # the mark of the generation being built stays
        assert "stopped" in indexed("rebuild", code=130).stderr
    assert indexed.json("info")["generation"] == "g1"
    indexed("delete", "red/red3.png")
    indexed("rebuild")
    info = indexed.json("info")
    assert info["generation"] == "g2"
    assert info["entries"] == {"chip": 23, "caption": 46}
    assert indexed.json("audit")["clean"]


def test_a_fit_is_the_same_for_the_same_seed(
    fitted: CommandLine, run: CommandLine, images: Path
) -> None:
    sizes = ("--prototypes", 6, "--cells", 2)
    first = run.json("fit", images, *sizes)
    assert run.json("fit", images, *sizes) == first
    assert run.json("fit", images, *sizes, "--seed", 1)["bundle"] != first["bundle"]


def test_audit_names_what_is_not_right_and_repairs_the_index(
    indexed: CommandLine, images: Path, tmp_path: Path
) -> None:
    assert "clean" in indexed("audit").stdout
    with sqlite3.connect(indexed.home / "embedded/g1.sqlite") as database:
        database.execute("DELETE FROM documents WHERE scene = 'red/red3.png'")
    report = indexed.json("audit", code=1)
    assert not report["clean"]
    assert {finding["fault"] for finding in report["findings"]} == {
        "chip documents missing",
        "caption documents missing",
    }
    assert indexed.json("audit", "--repair")["clean"]
    folder = tmp_path / "grown"
    copytree(images, folder)
    write_image(folder / "new.png", COLOURS["red"], seed=1)
    assert "new.png" in indexed("audit", "--source", folder, code=1).stdout


def test_json_is_the_only_thing_on_stdout(indexed: CommandLine, images: Path) -> None:
    for command in (["info"], ["index", images], ["audit"], ["rebuild"], [*QUERY]):
        json.loads(indexed(*command, "--json").stdout)
