"""`/search` as a client meets it."""

from __future__ import annotations

from tests.query_service.conftest import Client


def test_a_text_finds_entries(client: Client) -> None:
    answer = client.post("/search", {"text": "a red field", "k": 5})
    assert len(answer["hits"]) == 5


def test_what_is_not_known_is_refused_as_a_problem(client: Client) -> None:
    said = client.refused(422, "POST", "/search", json={"text": "a red field", "kk": 5})
    assert said.startswith("kk: ")
    assert client.refused(404, "GET", "/nowhere") == "Not Found"
