"""Answers as GeoParquet: they open, and keep to the specification's rules."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from query_service.geoparquet import MEDIA_TYPE, geoparquet
from tests.query_service.conftest import Client

TYPES = {
    "Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon",
    "GeometryCollection",
}  # fmt: skip
HIT: dict[str, Any] = {
    "id": "x", "rank": 1, "score": 0.5, "percentile": 99.0, "kind": "chip", "collection": "c",
    "scene": "航拍/été 🛰.tif", "part": [0, 0, 64, 64], "source": "s", "caption": None, "words": [],
    "datetime": "2024-05-06T07:08:09.123456+02:00", "cloud_cover": 0, "gsd": None,
    "platform": None, "footprint": None, "properties": {"n": 1, "ключ": True}, "thumbnail": None,
}  # fmt: skip


def opened(content: bytes) -> tuple[pa.Table, dict[str, Any]]:
    """The table, and its metadata after a check of what GeoParquet 1.1 asks for."""
    table = pq.read_table(io.BytesIO(content))
    geo = json.loads(table.schema.metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    column = geo["columns"][geo["primary_column"]]
    assert set(column) <= {"encoding", "geometry_types", "crs", "edges", "orientation", "bbox"}
    assert column["encoding"] == "WKB"
    field = table.schema.field(geo["primary_column"])
    assert field.type == pa.binary()
    shapes = [
        None if wkb is None else shapely.from_wkb(wkb) for wkb in table["geometry"].to_pylist()
    ]
    known = [shape for shape in shapes if shape is not None]
    assert set(column["geometry_types"]) == {shape.geom_type for shape in known} <= TYPES
    assert not any(shape.has_z for shape in known)
    if known:
        west, south, east, north = column["bbox"]
        assert shapely.box(west, south, east, north).covers(shapely.union_all(known).envelope)
    return table, column


def test_an_answer_opens_as_a_table_with_the_hits_of_the_json_answer(client: Client) -> None:
    asked = {"text": "a red field", "k": 7}
    response = client("POST", "/search", json=asked, headers={"Accept": MEDIA_TYPE})
    assert response.status_code == 200
    assert response.headers["content-type"] == MEDIA_TYPE
    table, column = opened(response.content)
    told = client.post("/search", asked)
    for name in ("id", "rank", "score", "scene", "caption", "words", "platform", "thumbnail"):
        assert table[name].to_pylist() == [hit[name] for hit in told["hits"]]
    assert column["geometry_types"] == ["Polygon"]
    shapes = shapely.from_wkb(table["geometry"].to_pylist())
    assert [json.loads(shapely.to_geojson(shape)) for shape in shapes] == [
        hit["footprint"] for hit in told["hits"]
    ]
    manner = json.loads(table.schema.metadata[b"scenesift"])
    assert manner["next"] == told["next"]
    assert manner["expected_recall"] == told["expected_recall"]


def test_an_answer_without_hits_is_a_table_without_rows(client: Client) -> None:
    where = {"text": "a field", "datetime": "1999"}
    response = client("GET", "/search", params=where, headers={"Accept": MEDIA_TYPE})
    table, column = opened(response.content)
    assert table.num_rows == 0
    assert column["geometry_types"] == []
    assert table.schema.field("datetime").type == pa.timestamp("ms", "UTC")


@pytest.mark.parametrize(
    ("footprint", "kind"),
    [
        (None, None),
        ({"type": "Polygon", "coordinates": [[["x", "y"]]]}, None),
        ({"type": "Point", "coordinates": [8.5, 47, 400.0]}, "Point"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [9, 9], [9, 0], [0, 9], [0, 0]]]}, "Polygon"),
        (
            {
                "type": "GeometryCollection",
                "geometries": [{"type": "Point", "coordinates": [1, 2]}],
            },
            "GeometryCollection",
        ),
    ],
)
def test_whatever_is_known_of_a_scene_fits_in(footprint: Any, kind: str | None) -> None:
    table, column = opened(geoparquet([{**HIT, "footprint": footprint}, HIT], {"next": None}))
    assert column["geometry_types"] == ([] if kind is None else [kind])
    (first, _) = table.to_pylist()
    assert first["datetime"].isoformat() == "2024-05-06T05:08:09.123000+00:00"
    assert json.loads(first["properties"]) == HIT["properties"]
    assert json.loads(first["part"]) == HIT["part"]
    assert first["scene"] == HIT["scene"]
