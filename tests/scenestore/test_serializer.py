"""Requests and answers of OpenSearch as JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from opensearchpy.exceptions import SerializationError

from scenestore.opensearch.serializer import Orjson


def test_what_is_sent_reads_as_it_was_meant() -> None:
    body = {
        "whole": np.int64(1 << 40),
        "half": np.float32(0.5),
        "row": np.arange(3),
        "text": "Zürich \u2028 😀",
        "least": -(1 << 63),
        "tenth": 0.1,
    }
    told = json.loads(Orjson().dumps(body))
    expected = {**body, "whole": 1 << 40, "half": 0.5, "row": [0, 1, 2]}
    assert told == expected
    assert Orjson().loads(Orjson().dumps(body)) == expected


def test_what_is_json_already_is_sent_as_it_is() -> None:
    lines = b'{"index":{}}\n{"a":1}\n'
    assert Orjson().dumps(lines) is lines
    assert Orjson().dumps("{}") == "{}"


def test_what_json_has_no_word_for_is_null() -> None:
    assert json.loads(Orjson().dumps([math.nan, math.inf])) == [None, None]


@pytest.mark.parametrize("answer", ["", "{", "<html>", "nan"])
def test_an_answer_that_is_no_json_is_an_error_of_the_client(answer: str) -> None:
    with pytest.raises(SerializationError):
        Orjson().loads(answer)


def test_numbers_of_more_than_64_bits_are_sent_whole() -> None:
    assert json.loads(Orjson().dumps({"a": 1 << 70})) == {"a": 1 << 70}


def test_what_has_no_spelling_is_an_error_of_the_client() -> None:
    with pytest.raises(SerializationError):
        Orjson().dumps({"a": object()})
