"""Whatever its OpenAPI document lets be asked, and more, the service answers as it says there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.python import asgi
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from scenesift.serve import create_app
from tests.query_service.conftest import settings_of

EXAMPLES = 25
"""Of each operation and mode: requests that the document allows, and such that it does not."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def api_schema(
    served_home: Path, model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BaseSchema]:
    """The document of a service that runs on an archive of its own."""
    home = tmp_path_factory.mktemp("fuzzed") / "home"
    copytree(served_home, home)
    yield schemathesis.openapi.from_asgi("/openapi.json", create_app(settings_of(home, model)))
    asgi.shutdown_lifespans()


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_request_meets_a_fault_or_an_answer_that_is_not_declared(
    api_schema: BaseSchema, mode: GenerationMode
) -> None:
    found = list(api_schema.get_all_operations())
    operations = [result.ok() for result in found if isinstance(result, Ok)]
    assert len(operations) == len(found)
    assert {"/search", "/search/batch", "/entries/{id}"} <= {each.path for each in operations}
    checked = set()
    for operation in operations:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],  # to make a failing example smaller would take long
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode))
        def check(case: Case[Any]) -> None:
            response = case.call(timeout=30)
            case.validate_response(response, checks=CHECKS)

        with suppress(Unsatisfiable):  # no request to it can be wrong
            check()
            checked.add(operation.label)
    assert {"GET /search", "POST /search", "POST /search/batch"} <= checked
