"""A generation that cannot be made says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenestore.errors import StoreError
from tests.builders import embedded_generation


def test_a_root_that_cannot_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "g1").write_text("")
    with pytest.raises(StoreError, match="g1 cannot be written"):
        embedded_generation(tmp_path)
