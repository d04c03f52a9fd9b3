"""Made-up requests by the API's own OpenAPI document: whatever is asked, nothing breaks."""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis.core.result import Ok

EXAMPLES = 40
"""A path: some ten seconds in all."""


@pytest.mark.parametrize("settings", ["embedded"], indirect=True)
@pytest.mark.usefixtures("settings")
def test_no_request_breaks_the_api(service: str) -> None:
    document = schemathesis.openapi.from_url(f"{service}/stac/api")
    operations = [found.ok() for found in document.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) == 12  # all that there are
    for operation in operations:

        @hypothesis.settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy())
        def check(case: schemathesis.Case[Any]) -> None:
            response = case.call(timeout=30)
            assert response.status_code < 500, (case.as_curl_command(), response.text)
            if response.status_code >= 400:
                assert response.headers["content-type"] == ["application/problem+json"]

        check()
