"""What every ledger must do, whichever engine keeps it; an engine's test class inherits this."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from scenestore.errors import ConflictError
from scenestore.ports import Ledger

OpenLedger = Callable[[], Ledger]


class LedgerContract:
    """Inherit it and give the fixture `open_ledger`: each call connects anew to the same ledger."""

    @pytest.fixture
    def open_ledger(self) -> OpenLedger:
        raise NotImplementedError

    @pytest.fixture
    def ledger(self, open_ledger: OpenLedger) -> Ledger:
        return open_ledger()

    def test_an_unknown_name_has_no_document(self, ledger: Ledger) -> None:
        assert ledger.read("log-g1") is None
        assert ledger.names("") == []
        assert ledger.read_many(["log-g1", "ordinals"]) == {}
        ledger.delete("log-g1")

    def test_a_document_is_read_back_at_once_by_anyone(
        self, ledger: Ledger, open_ledger: OpenLedger
    ) -> None:
        value = {"text": "Zürich 🛰", "number": 2**53, "share": 0.1, "none": None, "in": [{"a": 1}]}
        version = ledger.write("log-g1", value, None)
        record = open_ledger().read("log-g1")
        assert record is not None
        assert record.value == value
        assert record.version == version

    def test_many_documents_are_read_at_once_by_name(
        self, ledger: Ledger, open_ledger: OpenLedger
    ) -> None:
        assert ledger.read_many([]) == {}
        names = [f"run-1-{number}" for number in range(1_001)]
        for name in names[::125]:
            ledger.write(name, {"of": name}, None)
        found = open_ledger().read_many(names)
        assert list(found) == names[::125]
        assert found == {name: ledger.read(name) for name in names[::125]}
        version = ledger.write(names[0], {"of": "another"}, found[names[0]].version)
        again = ledger.read_many(names[:2])[names[0]]
        assert (again.value, again.version) == ({"of": "another"}, version)

    def test_a_large_document_is_kept_whole(self, ledger: Ledger) -> None:
        value = {"batches": [{"ordinal": i, "folder": "f" * 600} for i in range(512)]}
        ledger.write("log-g1", value, None)
        record = ledger.read("log-g1")
        assert record is not None
        assert record.value == value

    def test_a_write_with_the_last_version_replaces_the_whole_document(
        self, ledger: Ledger
    ) -> None:
        first = ledger.write("n", {"a": 1}, None)
        second = ledger.write("n", {"b": 2}, first)
        record = ledger.read("n")
        assert record is not None
        assert (record.value, record.version) == ({"b": 2}, second)
        assert second != first

    def test_a_write_with_an_older_version_loses(self, ledger: Ledger) -> None:
        first = ledger.write("n", {"a": 1}, None)
        ledger.write("n", {"a": 2}, first)
        with pytest.raises(ConflictError, match="changed by another"):
            ledger.write("n", {"a": 3}, first)
        record = ledger.read("n")
        assert record is not None
        assert record.value == {"a": 2}

    def test_a_document_is_created_once(self, ledger: Ledger, open_ledger: OpenLedger) -> None:
        ledger.write("n", {"a": 1}, None)
        with pytest.raises(ConflictError):
            open_ledger().write("n", {"a": 2}, None)

    def test_a_deleted_document_is_gone_and_can_be_created_again(self, ledger: Ledger) -> None:
        version = ledger.write("n", {"a": 1}, None)
        ledger.delete("n")
        assert ledger.read("n") is None
        with pytest.raises(ConflictError):
            ledger.write("n", {"a": 2}, version)
        ledger.write("n", {"a": 3}, None)
        record = ledger.read("n")
        assert record is not None
        assert record.value == {"a": 3}

    def test_names_are_found_at_once_by_their_literal_prefix(self, ledger: Ledger) -> None:
        for name in ("log-g_1-000001", "log-g_1", "log-gx1", "ordinals", "log-g*"):
            ledger.write(name, {}, None)
        assert ledger.names("log-g_1") == ["log-g_1", "log-g_1-000001"]
        assert ledger.names("log-g*") == ["log-g*"]
        assert ledger.names("") == ["log-g*", "log-g_1", "log-g_1-000001", "log-gx1", "ordinals"]

    def test_no_increment_of_racing_writers_is_lost(self, open_ledger: OpenLedger) -> None:
        open_ledger().write("counter", {"n": 0}, None)

        def count(_: int) -> int:
            ledger, lost = open_ledger(), 0
            for _ in range(10):
                while True:
                    record = ledger.read("counter")
                    assert record is not None
                    try:
                        ledger.write("counter", {"n": record.value["n"] + 1}, record.version)
                    except ConflictError:
                        lost += 1
                        continue
                    break
            return lost

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(count, range(4)))
        record = open_ledger().read("counter")
        assert record is not None
        assert record.value == {"n": 40}
