"""The API's OpenAPI document: stac-fastapi's, with the problems that paths really answer with."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from query_service.problem import MEDIA_TYPE, Problem

_PROBLEM = {
    "description": "A problem: 400 for what cannot be asked, 404 for what is not there, and so on.",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


class DocumentedApp(FastAPI):
    """An app whose document says what is answered where something is wrong."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        is_made = self.openapi_schema is not None
        document = super().openapi()
        if not is_made:
            document["components"]["schemas"]["Problem"] = Problem.model_json_schema()
            for path in document["paths"].values():
                for operation in path.values():
                    operation["responses"].pop("422", None)
                    operation["responses"]["default"] = _PROBLEM
        return document
