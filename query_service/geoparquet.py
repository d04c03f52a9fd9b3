"""Answers as GeoParquet 1.1: a table that GeoPandas, QGIS and DuckDB open, footprints as WKB."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from scenestore.footprint import Footprint
from scenestore.instants import known_milliseconds

MEDIA_TYPE = "application/vnd.apache.parquet"
VERSION = "1.1.0"
_GEOMETRY = "geometry"
_OURS = b"scenesift"
"""The file's metadata of this name is what an answer says beside its hits, as JSON."""

_COLUMNS: dict[str, pa.DataType] = {
    "id": pa.string(),
    "rank": pa.int32(),
    "score": pa.float64(),
    "percentile": pa.float64(),
    "kind": pa.string(),
    "collection": pa.string(),
    "scene": pa.string(),
    "part": pa.string(),
    "source": pa.string(),
    "caption": pa.string(),
    "words": pa.list_(pa.string()),
    "datetime": pa.timestamp("ms", "UTC"),
    "cloud_cover": pa.float64(),
    "gsd": pa.float64(),
    "platform": pa.string(),
    "properties": pa.string(),
    "thumbnail": pa.string(),
    "terms": pa.string(),
}
_AS_JSON = ("part", "properties", "terms")
"""What may hold anything is text: JSON."""


def geoparquet(hits: Sequence[Mapping[str, Any]], manner: Mapping[str, Any]) -> bytes:
    """Hits as the JSON answer has them, a row each, and what it says beside them."""
    columns = {
        name: pa.array([_cell(hit, name) for hit in hits], _COLUMNS[name]) for name in _COLUMNS
    }
    shapes = [_shape(hit["footprint"]) for hit in hits]
    columns[_GEOMETRY] = pa.array(
        [None if shape is None else shapely.to_wkb(shape, flavor="iso") for shape in shapes],
        pa.binary(),
    )
    told = {b"geo": json.dumps(_geo(shapes)).encode(), _OURS: json.dumps(manner).encode()}
    table = pa.table(columns).replace_schema_metadata(told)
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()


def _cell(hit: Mapping[str, Any], name: str) -> Any:
    value = hit.get(name)
    if name == "datetime":
        return known_milliseconds(value)
    if name in _AS_JSON and value is not None:
        return json.dumps(value, ensure_ascii=False)
    return value


def _shape(footprint: Mapping[str, Any] | None) -> shapely.Geometry | None:
    """The geometry as it was given, without heights; None where it is none."""
    if footprint is None or Footprint.of(footprint) is None:
        return None
    return shapely.force_2d(shapely.from_geojson(json.dumps(footprint)))


def _geo(shapes: Sequence[shapely.Geometry | None]) -> dict[str, Any]:
    """The metadata that makes it GeoParquet; longitude and latitude need no CRS there."""
    known = [shape for shape in shapes if shape is not None]
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": sorted({shape.geom_type for shape in known}),
    }
    if known:
        column["bbox"] = shapely.total_bounds(known).tolist()
    return {"version": VERSION, "primary_column": _GEOMETRY, "columns": {_GEOMETRY: column}}
