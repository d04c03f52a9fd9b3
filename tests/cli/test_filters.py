"""`scenesift search` with filters on time, clouds, place and properties."""

import json
from collections.abc import Sequence
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from scenesift.archive import Archive
from tests.cli.command_line import COLOURS, CommandLine, write_image


def square(west: float, south: float) -> dict[str, Any]:
    """A footprint of one degree."""
    east, north = west + 1, south + 1
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


KNOWN: dict[str, dict[str, Any]] = {
    "alps.png": {
        "datetime": "2024-05-31T22:30:00Z",
        "cloud_cover": 5,
        "gsd": 10,
        "platform": "landsat-8",
        "footprint": square(8, 47),
        "properties": {"orbit": 51, "pass": "ascending"},
    },
    "andes.png": {
        "datetime": "2024-06-01T00:00:00Z",
        "cloud_cover": 60,
        "footprint": square(-70, -33),
        "properties": {"orbit": "51", "pass": "descending", "night": True},
    },
    "fiji.png": {"footprint": square(179, -18), "properties": {"pass": "a b=c"}},
    "nowhere.png": {},
}


@pytest.fixture(scope="session")
def known_home(tmp_path_factory: pytest.TempPathFactory, model: Path, fitted_home: Path) -> Path:
    """A home with the four images."""
    folder = tmp_path_factory.mktemp("known")
    lines = []
    for seed, (name, known) in enumerate(KNOWN.items()):
        write_image(folder / "images" / name, COLOURS["red"], seed=seed)
        lines.append(json.dumps({"image": name, "captions": [], **known}))
    (folder / "images/captions.jsonl").write_text("\n".join(lines))
    copytree(fitted_home, folder / "home")
    with Archive(folder / "home", model=str(model), threads=1) as archive:
        archive.index(folder / "images")
    return folder / "home"


@pytest.fixture
def known(run: CommandLine, known_home: Path) -> CommandLine:
    """The command line in a copy of it."""
    copytree(known_home, run.home)
    return run


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        (["--since", "2024-06"], ["andes.png"]),
        (["--until", "2024-05-31"], ["alps.png"]),
        (["--since", "2024", "--until", "2024"], ["alps.png", "andes.png"]),
        (["--until", "2024-05-31T22:29:59Z"], []),
        (["--max-cloud", "5"], ["alps.png"]),
        (["--bbox", "-71,-34,9,48"], ["alps.png", "andes.png"]),
        (["--bbox", "179.5,-20,-179,0"], ["fiji.png"]),
        (["--property", "orbit=51"], ["alps.png", "andes.png"]),
        (["--property", "orbit=51.0"], ["alps.png"]),
        (["--property", "night=true"], ["andes.png"]),
        (["--property", "pass=a b=c"], ["fiji.png"]),
        (["--property", "orbit=51", "--property", "pass=ascending"], ["alps.png"]),
        (["--max-cloud", "70", "--bbox", "-180,-90,180,0"], ["andes.png"]),
        (["--filter", "cloud_cover < 10 AND platform LIKE 'landsat-%'"], ["alps.png"]),
        (["--filter", "gsd IS NULL AND datetime IS NOT NULL"], ["andes.png"]),
        (["--filter", "NOT (pass = 'ascending')"], ["andes.png", "fiji.png"]),
        (["--filter", "T_AFTER(datetime, DATE('2024-05-31'))"], ["andes.png"]),
        (["--filter", '{"op": ">=", "args": [{"property": "orbit"}, 51]}'], ["alps.png"]),
        (["--filter", "S_INTERSECTS(geometry, BBOX(170, -20, -170, 0))"], ["fiji.png"]),
        (["--filter", "cloud_cover < 90", "--until", "2024-05"], ["alps.png"]),
        (["--filter", "cloud_cover < 90", "--max-cloud", "50"], ["alps.png"]),
        (["--filter", "cloud_cover < 90", "--property", "pass=descending"], ["andes.png"]),
        (["--filter", "cloud_cover < 90", "--bbox", "0,0,90,90"], ["alps.png"]),
        (["--filter", "cloud_cover < 90", "--collection", "default"], ["alps.png", "andes.png"]),
    ],
)
def test_only_what_passes_the_filter_is_found(
    known: CommandLine, conditions: Sequence[str], found: list[str]
) -> None:
    answer = known.json("search", "a red field", *conditions)
    assert sorted(hit["scene"] for hit in answer["hits"]) == found


@pytest.mark.parametrize("wrapped", ["Polygon", "Feature", "FeatureCollection"])
def test_only_what_meets_the_shape_in_a_file_is_found(known: CommandLine, wrapped: str) -> None:
    corners = [[-75, -60], [20, 50], [-20, 60], [-75, -60]]  # its box holds the Andes too
    shape: dict[str, Any] = {"type": "Polygon", "coordinates": [corners]}
    if wrapped != "Polygon":
        shape = {"type": "Feature", "properties": {}, "geometry": shape}
    if wrapped == "FeatureCollection":
        shape = {"type": "FeatureCollection", "features": [shape, shape]}
    file = known.home / "shape.geojson"
    file.write_text(json.dumps(shape))
    answer = known.json("search", "a red field", "--intersects", file)
    assert [hit["scene"] for hit in answer["hits"]] == ["alps.png"]
    both = ["--intersects", file, "--filter", "cloud_cover > 10"]
    assert known.json("search", "a red field", *both)["hits"] == []


def test_a_script_filters_as_the_command_line_does(known_home: Path, model: Path) -> None:
    alps = {"type": "Point", "coordinates": (8.5, 47.5)}
    with Archive(known_home, model=str(model), threads=1) as archive:
        for answer in (
            archive.search("a red field", filter="platform = 'landsat-8'"),
            archive.search("a red field", filter={"op": "<", "args": [{"property": "gsd"}, 11]}),
            archive.search("a red field", intersects=alps),
            archive.search("a red field", intersects=alps, filter="gsd = 10", max_cloud=5),
        ):
            assert [hit.entry.identity.scene for hit in answer.hits] == ["alps.png"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON"),
        ("[1, 2]", "no object"),
        ('{"type": "Point", "coordinates": [8.5, 97]}', "on Earth"),
        ('{"type": "FeatureCollection", "features": []}', "empty"),
        ("[" * 100_000, "deep"),
        ("1" * 600_000, "500,000"),
    ],
)
def test_a_file_that_shows_no_area_is_refused(known: CommandLine, text: str, said: str) -> None:
    file = known.home / "shape.geojson"
    file.write_text(text)
    line = known.refused("search", "a red field", "--intersects", file, code=2)
    assert said in line
    assert "cannot read" in known.refused("search", "x", "--intersects", "nowhere.json", code=2)


def test_a_filter_that_nothing_passes_says_so(known: CommandLine) -> None:
    shown = known("search", "a red field", "--since", "2090")
    assert shown.stdout.startswith("no hits: nothing passes the filter\n")
    answer = known.json("search", "a red field", "--property", "unheard=of")
    assert (answer["hits"], answer["expected_recall"]) == ([], 1.0)


def test_more_hits_than_pass_the_filter_are_all_that_do(known: CommandLine) -> None:
    answer = known.json("search", "a red field", "--property", "orbit=51", "-k", 5000)
    assert len(answer["hits"]) == 2


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        (["--since", "2024-06", "--until", "2024-05"], "after until"),
        (["--since", "yesterday"], "'yesterday' is not a date"),
        (["--until", "2024-02-30"], "'2024-02-30' is not a date"),
        (["--bbox", "8,48,9,47"], "upside down"),
        (["--bbox", "8,47,9"], "3 numbers"),
        (["--bbox", "nan,0,1,1"], "longitude"),
        (["--bbox", "Zürich"], "west,south,east,north"),
        (["--max-cloud", "120"], "0 to 100"),
        (["--max-cloud", "nan"], "0 to 100"),
        (["--property", "orbit"], "NAME=VALUE"),
        (["--property", "=51"], "no name"),
        (["--property", "a=1", "--property", "a=2"], "twice"),
        (["--filter", "cloud_cover < "], "at its end"),
        (["--filter", "cloud_cover = 'x'"], "give a number"),
        (["--filter", '{"op": "t_meets", "args": []}'], "'T_MEETS' is not supported"),
    ],
)
def test_a_filter_that_cannot_be_is_refused(
    known: CommandLine, conditions: Sequence[str], said: str
) -> None:
    assert said in known.refused("search", "a red field", *conditions, code=2)
