"""STAC's schemas without a network: pystac brings the core's; what eo asks for is written here."""

from typing import Any

import pytest
from pystac.stac_io import DefaultStacIO
from pystac.validation import RegisteredValidator
from pystac.validation.stac_validator import JsonSchemaSTACValidator

from query_service.stac.items import EO

_EO_RULES = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "$id": EO,
    "type": "object",
    "properties": {
        "stac_extensions": {"contains": {"const": EO}},
        "properties": {
            "required": ["eo:cloud_cover"],
            "properties": {"eo:cloud_cover": {"type": "number", "minimum": 0, "maximum": 100}},
            "propertyNames": {"pattern": "^(?!eo:)|^eo:cloud_cover$"},
        },
    },
}
"""Version 2.0.0 of the extension, as far as an item with nothing but clouds goes."""


def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pystac validate with what is here, and ask nobody but this machine for anything."""
    validator = JsonSchemaSTACValidator()
    validator.schema_cache[EO] = _EO_RULES
    monkeypatch.setattr(RegisteredValidator, "_validator", validator)
    read = DefaultStacIO.read_text

    def read_here(self: DefaultStacIO, source: Any, *rest: Any, **more: Any) -> str:
        assert str(getattr(source, "href", source)).startswith("http://127.0.0.1:"), source
        return read(self, source, *rest, **more)

    monkeypatch.setattr(DefaultStacIO, "read_text", read_here)
