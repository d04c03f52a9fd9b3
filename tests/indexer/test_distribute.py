"""A run with workers does what one process does, whatever becomes of workers and planners."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from indexer.audit import audit
from indexer.delete import delete, take_out
from indexer.ending import cancel
from indexer.errors import CollectionError, FailuresError, RunError, UnfitError
from indexer.planner import ended_workers
from indexer.run import Hint, Run
from indexer.runs import Runs, check_no_run
from indexer.work import work
from scenestore.batch import Batch, BatchContent
from scenestore.entry import SceneOutcome
from scenestore.errors import ConflictError, UnavailableError
from scenestore.generation import Generation
from scenestore.local_store import LocalStore
from scenestore.log import Log, LoggedBatch
from sgpd.errors import EncoderError
from tests.indexer.archive import SMALL, TestArchive, fitted, save_captions, save_picture
from tests.indexer.colours import ColourEncoder
from tests.indexer.crew import PLANNER, Crew, MemoryQueue, plans
from workers.station import Station


@pytest.fixture
def crew(tmp_path: Path, pictures: Path) -> Crew:
    return Crew(lambda: TestArchive.embedded(tmp_path / "home", pictures), pictures)


@pytest.fixture
def expected(tmp_path: Path, pictures: Path) -> Any:
    """What one process makes of the pictures as they are now."""

    def contents(captions: Path | None = None) -> dict[str, Any]:
        archive = TestArchive.embedded(tmp_path / "faultless", pictures)
        archive.index(captions=captions)
        return archive.contents()

    return contents


def check(crew: Crew, contents: dict[str, Any]) -> None:
    """The run is over, nothing is left of it, and the archive is as it should be."""
    archive = crew.open_archive()
    assert archive.contents() == contents
    assert audit(archive.generation).findings == ()
    assert Runs(archive.ledger).open() == {}
    assert [name for name in archive.ledger.names("run-") if name.count("-") > 1] == []
    assert LocalStore(archive.batches.parent.parent / "plans").blobs() == []


def test_a_run_does_what_one_process_does_and_says_the_same(
    crew: Crew, expected: Any, tmp_path: Path
) -> None:
    (crew.source / "text.jpg").write_text("hello")
    captions = save_captions(tmp_path / "c.jsonl", {"00.jpg": ["a", "b"], "03.png": ["c"]})
    local = TestArchive.embedded(tmp_path / "local", crew.source)
    seen: list[int] = []
    with crew.working():
        first = crew.plan(captions=captions, progress=lambda done, total, rate: seen.append(done))
        assert same(first) == same(local.index(captions=captions))
        check(crew, expected(captions))
        save_picture(crew.source / "new.png", 77)
        save_picture(crew.source / "00.jpg", 78)
        (crew.source / "coast" / "01.png").unlink()
        save_captions(captions, {"00.jpg": ["b"]})
        assert same(crew.plan()) == same(local.index())
        assert same(crew.plan()) == same(local.index())
    assert not crew.faults
    check(crew, local.contents())
    assert seen == sorted(seen)
    assert seen[-1] == 21


def same(summary: Any) -> Any:
    """What two summaries of the same update agree on."""
    failures = tuple(sorted(summary.failures, key=lambda failure: failure.scene))
    return replace(summary, seconds=0, images_per_second=0, failures=failures)


def test_no_more_is_handed_out_than_may_be_in_flight(crew: Crew, expected: Any) -> None:
    planner = threading.Thread(target=crew.plan)
    planner.start()
    wait_for(lambda: len(crew.queue.sent) >= 3)
    time.sleep(0.2)
    assert {hint.batch for hint in crew.queue.sent} == {"0", "1", "2"}
    with crew.working():
        planner.join(60)
    check(crew, expected())


def test_messages_that_come_twice_or_never_do_no_harm(crew: Crew, expected: Any) -> None:
    crew.queue = MemoryQueue(copies=2)
    planner = threading.Thread(target=crew.plan)
    planner.start()
    wait_for(lambda: crew.queue.length() >= 6)
    for _ in range(4):
        crew.queue.hints.get()  # two batches' messages are lost
    with crew.working():
        planner.join(60)
    check(crew, expected())
    assert len(list(crew.open_archive().generation.log.batches())) == 5


@pytest.mark.parametrize("error", [ConflictError, UnavailableError])
def test_a_claim_whose_answer_is_lost_is_no_death(
    crew: Crew, expected: Any, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    write = Runs.write
    lost: list[Any] = []

    def answer_lost(runs: Runs, value: Any, version: Any) -> Any:
        written = write(runs, value, version)
        if not lost and getattr(value, "attempt", None):
            lost.append(value)
            raise error("the answer was lost")
        return written

    planner = threading.Thread(target=crew.plan)
    planner.start()
    hint = crew.queue.hints.get(timeout=60)
    with monkeypatch.context() as patched:
        patched.setattr(Runs, "write", answer_lost)
        ended = work(crew.place(settings=replace(SMALL, patience=10.0)), hint)
    assert ended is not None
    assert lost[0].state == "claimed"
    assert (ended.batch.state, ended.batch.attempt, ended.batch.deaths) == ("done", 1, 0)
    with crew.working():
        planner.join(60)
    check(crew, expected())


class Hanging(ColourEncoder):
    """Encodes its first images, and then stands still until it is let go."""

    def __init__(self) -> None:
        self.reached, self.go = threading.Event(), threading.Event()

    def encode_images(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        self.reached.set()
        assert self.go.wait(60)
        return super().encode_images(images)


def test_a_late_worker_that_wakes_after_its_batch_was_redone_writes_nothing(
    crew: Crew, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Hanging()
    late = crew.place(encoder=encoder)
    planner = threading.Thread(target=crew.plan)
    planner.start()
    hint = crew.queue.hints.get(timeout=60)
    woken: list[Any] = []
    # The late worker's heart stands still with it: it is the process that was paused.
    monkeypatch.setattr("indexer.work.RAISES", 0.001)
    worker = threading.Thread(target=lambda: woken.append(work(late, hint)))
    worker.start()
    assert encoder.reached.wait(60)
    monkeypatch.undo()
    with crew.working():
        planner.join(60)
    before = list(crew.open_archive().generation.log.batches())
    encoder.go.set()
    worker.join(60)
    assert "another attempt" in woken[0].what
    assert list(crew.open_archive().generation.log.batches()) == before
    check(crew, expected())


class Deadly(ColourEncoder):
    """Fails, as no program should, at pictures whose first pixel is red."""

    def encode_images(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        if any(image[0, 0].tolist() == [255, 0, 0] for image in images):
            raise SystemError("poisoned")
        return super().encode_images(images)

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if image[0, 0].tolist() == [255, 0, 0]:
            raise SystemError("poisoned")
        return super().prepare(image)


def test_one_poisoned_scene_is_found_by_halving_and_takes_none_along(
    crew: Crew, expected: Any
) -> None:
    (crew.source / "07.png").unlink(missing_ok=True)
    Image.new("RGB", (20, 20), (255, 0, 0)).save(crew.source / "02red.png")
    with crew.working(encoder=Deadly()):
        summary = crew.plan()
    assert (summary.failed, summary.indexed) == (1, 20)
    (failure,) = summary.failures
    assert failure.scene == "02red.png"
    assert failure.reason.startswith("2 workers ended at it, alone in its batch: SystemError")
    archive = crew.open_archive()
    assert [o.scene for o in archive.generation.documents.outcomes(None) if ended_workers(o)] == [
        "02red.png"
    ]
    contents = archive.contents()
    assert contents["02red.png"][0] == "failed"
    (crew.source / "02red.png").unlink()
    del contents["02red.png"]
    assert contents == expected()
    with crew.working():
        assert crew.plan().deleted == 1
    check(crew, expected())


def test_a_planner_that_stood_still_while_another_split_a_batch_takes_none_of_it_away(
    crew: Crew, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, reason = Runs.write, "two workers died"

    def late(runs: Runs, value: Any, version: Any) -> Any:
        if getattr(value, "state", None) != "split" or value.reason != reason:
            return write(runs, value, version)
        monkeypatch.undo()
        write(runs, value, version)  # by the other one, or by us and the answer was lost
        raise ConflictError("changed by another writer")

    planner = threading.Thread(target=crew.plan)
    planner.start()
    hint = crew.queue.hints.get(timeout=60)
    runs = Runs(crew.open_archive().ledger)
    monkeypatch.setattr(Runs, "write", late)
    kept = runs.batches(hint.run, [hint.batch])[hint.batch]
    write(runs, replace(kept.value, deaths=2, reason=reason), kept.version)
    with crew.working():
        planner.join(60)
    assert Runs.write is write
    check(crew, expected())


def test_what_a_writer_that_died_left_is_completed_before_a_run_begins(
    crew: Crew, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dying_before_the_log(monkeypatch):
        crew.open_archive().index()
    with crew.working():
        summary = crew.plan()
    assert summary.unchanged > 0
    check(crew, expected())


def test_a_second_planner_follows_the_first_and_takes_over_when_that_one_ends(
    crew: Crew, expected: Any
) -> None:
    ended: list[Any] = []

    def stopped_planner() -> None:
        try:
            crew.plan(progress=stop)
        except KeyboardInterrupt as error:
            ended.append(error)

    def stop(done: int, total: int, rate: float) -> None:
        if done >= 8:
            raise KeyboardInterrupt

    first = threading.Thread(target=stopped_planner)
    first.start()
    wait_for(lambda: bool(crew.queue.sent))
    second = threading.Thread(target=lambda: ended.append(crew.plan()))
    second.start()
    with crew.working():
        first.join(60)
        second.join(60)
    assert isinstance(ended[0], KeyboardInterrupt)
    assert ended[1].indexed == 20
    check(crew, expected())


def test_a_run_that_was_left_is_gone_on_with_and_no_scene_is_done_twice(
    crew: Crew, expected: Any
) -> None:
    def stop(done: int, total: int, rate: float) -> None:
        if done:
            raise KeyboardInterrupt

    with crew.working():
        with pytest.raises(KeyboardInterrupt):
            crew.plan(progress=stop)
        archive = crew.open_archive()
        with pytest.raises(RunError, match=r"indexing in this process cannot be done while run"):
            archive.index()
        with pytest.raises(CollectionError, match="has the open run"):
            crew.plan(source=crew.source / "coast")
        assert crew.plan().indexed == 20
    check(crew, expected())
    assert sum(batch.rows["chip"] for batch in archive.generation.log.batches()) == 20


def test_a_run_is_not_begun_over_one_that_another_planner_began_meanwhile(
    crew: Crew, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Runs.begin
    first: list[str] = []

    def late(runs: Runs, run: Run) -> Any:
        if not first:
            first.append(begin(runs, replace(run, id="first")).value.id)
        return begin(runs, run)

    monkeypatch.setattr(Runs, "begin", late)
    with crew.working():
        assert crew.plan().indexed == 20
    assert {hint.run for hint in crew.queue.sent} == {"first"}
    check(crew, expected())


def test_a_run_is_cancelled_and_what_is_done_is_kept(crew: Crew, expected: Any) -> None:
    ended: list[Any] = []

    def plan() -> None:
        try:
            crew.plan()
        except RunError as error:
            ended.append(error)

    planner = threading.Thread(target=plan)
    planner.start()
    wait_for(lambda: len(crew.queue.sent) >= 3)
    hints = [crew.queue.hints.get() for _ in range(3)]
    assert work(crew.place(), hints[0]) is not None
    archive = crew.open_archive()
    run = cancel(archive.generation, archive.ledger, plans(archive), "default")
    planner.join(60)
    assert "was stopped: it was cancelled" in str(ended[0])
    assert work(crew.place(), hints[1]) is None
    check_no_run(archive.ledger, "this")
    with pytest.raises(RunError, match="no open run"):
        cancel(archive.generation, archive.ledger, plans(archive), run.collection)
    assert archive.index().unchanged == 4
    check(crew, expected())


def test_nothing_is_left_of_a_batch_that_was_planned_as_its_run_was_cancelled(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Runs.write
    planned: list[str] = []

    def cancelled_meanwhile(runs: Runs, value: Any, version: Any) -> Any:
        if getattr(value, "batches", 0) == 2 and not planned:
            planned.append(f"run-{value.id}-1")
            assert crew.open_archive().ledger.read(planned[0]) is not None
            runs.stop(value.id, "it was cancelled")
        return write(runs, value, version)

    monkeypatch.setattr(Runs, "write", cancelled_meanwhile)
    with pytest.raises(RunError, match="was stopped: it was cancelled"):
        crew.plan()
    archive = crew.open_archive()
    assert archive.ledger.read(planned[0]) is None
    assert LocalStore(archive.batches.parent.parent / "plans").blobs() == []


def test_too_many_failures_stop_the_run_and_keep_what_was_indexed(crew: Crew) -> None:
    for number in range(110):
        (crew.source / f"00bad{number:03d}.png").write_text("hello")
    planner = replace(PLANNER, scenes_per_batch=20, max_failures=0.5)
    with crew.working(), pytest.raises(FailuresError, match=r"more than --max-failures 0\.5"):
        crew.plan(planner)
    archive = crew.open_archive()
    assert Runs(archive.ledger).open() == {}
    assert archive.generation.documents.outcome_counts()["failed"] >= 80
    with crew.working():
        assert crew.plan(replace(planner, max_failures=1.0)).settled >= 80
    assert archive.generation.documents.outcome_counts() == {
        "indexed": 20,
        "skipped": 0,
        "failed": 110,
    }


class Broken(ColourEncoder):
    """A model on a device that is gone."""

    def encode_images(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        raise EncoderError("device lost")


def test_a_fault_around_the_scenes_stops_the_run_and_blames_none(
    crew: Crew, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.planner.FAULTS", 2)
    with (
        crew.working(encoder=Broken()),
        pytest.raises(RunError, match=r"came back 2 times, .* the model can encode nothing"),
    ):
        crew.plan()
    with crew.working():
        assert crew.plan().indexed == 20
    check(crew, expected())


def test_that_no_worker_runs_is_said_and_waited_for(crew: Crew, expected: Any) -> None:
    said: list[str] = []
    hasty = replace(PLANNER, notice_seconds=0.2)
    planner = threading.Thread(target=lambda: crew.plan(hasty, say=said.append))
    planner.start()
    wait_for(lambda: said)
    with crew.working():
        planner.join(60)
    (line,) = said
    assert line.startswith("waiting: no worker has taken anything from queue encode of ")
    assert "where 3 messages wait; start `scenesift worker` with the same settings" in line
    check(crew, expected())


def test_that_workers_take_messages_and_do_nothing_is_said(crew: Crew, expected: Any) -> None:
    said: list[str] = []
    hasty = replace(PLANNER, notice_seconds=0.2)
    planner = threading.Thread(target=lambda: crew.plan(hasty, say=said.append))
    planner.start()
    wait_for(lambda: len(crew.queue.sent) >= 3)
    for _ in range(3):
        crew.queue.hints.get()
    wait_for(lambda: said)
    with crew.working():
        planner.join(60)
    assert said[0].startswith("waiting: no message waits in queue encode of this process, but")
    check(crew, expected())


def test_why_workers_refuse_a_run_is_said_where_it_waits(crew: Crew, expected: Any) -> None:
    said: list[str] = []
    hasty = replace(PLANNER, notice_seconds=0.5)
    planner = threading.Thread(target=lambda: crew.plan(hasty, say=said.append))
    planner.start()
    station = Station(crew.place(encoder=Other()), crew.queue, lambda: False)
    with pytest.raises(UnfitError):
        station.work(crew.queue.hints.get(timeout=60).to_json())
    wait_for(lambda: said)
    with crew.working():
        planner.join(60)
    assert "cannot do it: run " in said[0]
    assert "colours:1, not colours:2" in said[0]
    assert crew.open_archive().ledger.names("refusal-") == []
    check(crew, expected())


def test_a_worker_of_another_version_leaves_word_of_it(crew: Crew, expected: Any) -> None:
    planner = threading.Thread(target=crew.plan)
    planner.start()
    message = crew.queue.hints.get(timeout=60).to_json()
    station = Station(crew.place(), crew.queue, lambda: False)
    with pytest.raises(RunError, match="format 99, this version works with 1"):
        station.work({**message, "format": 99})
    runs = Runs(crew.open_archive().ledger)
    kept = runs.read(message["run"])
    assert kept is not None
    assert "cannot do it: a message has format 99" in str(runs.refusal(kept.value))
    crew.queue.hints.put(Hint.from_json(message))
    with crew.working():
        planner.join(60)
    check(crew, expected())


def test_what_a_writer_that_died_left_is_completed_though_another_collection_has_a_run(
    crew: Crew, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dying_before_the_log(monkeypatch):
        crew.open_archive().index()
    elsewhere = tmp_path / "elsewhere"
    save_picture(elsewhere / "there.png", 5)
    other = threading.Thread(
        target=lambda: crew.plan(source=elsewhere, collection="other", stall_seconds=60.0)
    )
    other.start()
    theirs = crew.queue.hints.get(timeout=60)
    dead_after_its_documents(crew, theirs, monkeypatch, deaths=1)
    with crew.working():
        assert crew.plan().unchanged > 0
        other.join(60)
    archive = crew.open_archive()
    assert audit(archive.generation).findings == ()
    assert archive.generation.documents.outcome_counts()["indexed"] == 21


class Other(ColourEncoder):
    """Another model."""

    identity = "colours:2"


def test_a_worker_that_is_not_for_the_run_claims_nothing(crew: Crew, expected: Any) -> None:
    planner = threading.Thread(target=crew.plan)
    planner.start()
    hint = crew.queue.hints.get(timeout=60)
    with pytest.raises(UnfitError, match="colours:1, not colours:2"):
        work(crew.place(encoder=Other()), hint)
    home = crew.open_archive().batches.parent.parent
    refitted = TestArchive.embedded(home, crew.source, bundle=fitted(seed=1))
    with pytest.raises(UnfitError, match=r"is for bundle .*, this worker has"):
        work(replace(crew.place(), archive=refitted), hint)
    with pytest.raises(RunError, match="format 0, this version works with 1"):
        Hint.from_json({**hint.to_json(), "format": 0})
    crew.queue.hints.put(hint)
    with crew.working():
        planner.join(60)
    check(crew, expected())


def test_a_worker_that_is_to_end_gives_its_batch_back_and_that_is_no_death(
    crew: Crew, expected: Any
) -> None:
    planner = threading.Thread(target=crew.plan)
    planner.start()
    hint = crew.queue.hints.get(timeout=60)
    ended = work(crew.place(), hint, stop=lambda: True)
    assert ended is not None
    assert (ended.batch.state, ended.batch.deaths, ended.batch.attempt) == ("planned", 0, 1)
    with crew.working():
        planner.join(60)
    check(crew, expected())


def test_a_queue_that_is_away_for_a_moment_ends_nothing(
    crew: Crew, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away(MemoryQueue):
        """Fails every third time."""

        def enqueue(self, hint: Hint) -> None:
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls % 3 == 0:
                raise UnavailableError("Redis is away")
            super().enqueue(hint)

    monkeypatch.setattr("indexer.planner._OUTAGE_PAUSE", 0.02)
    crew.queue = Away()
    with crew.working():
        assert crew.plan().indexed == 20
    check(crew, expected())


def test_a_scene_that_is_deleted_while_its_batch_waits_stays_out(crew: Crew) -> None:
    with crew.working():
        crew.plan()
    save_picture(crew.source / "00.jpg", 99)
    planner = threading.Thread(target=crew.plan)
    planner.start()
    wait_for(lambda: crew.queue.length() > 0)
    archive = crew.open_archive()
    delete(archive.generation, archive.ledger, ["00.jpg"])
    with crew.working():
        planner.join(60)
    assert archive.generation.documents.identities([("default", "00.jpg")]) == {}
    assert audit(archive.generation).clean


@contextmanager
def dying_before_the_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is done here dies as it adds its batch to the log."""

    def die(log: Log, batch: LoggedBatch) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Log, "append", die)
        with pytest.raises(KeyboardInterrupt):
            yield


def dead_after_its_documents(
    crew: Crew, hint: Hint, monkeypatch: pytest.MonkeyPatch, deaths: int
) -> None:
    """An attempt writes its documents and dies before the log; the planner is told of it."""
    with dying_before_the_log(monkeypatch):
        work(crew.place(), hint)
    runs = Runs(crew.open_archive().ledger)
    kept = runs.batches(hint.run, [hint.batch])[hint.batch]
    assert kept.value.state == "claimed"
    dead = replace(kept.value, state="planned", deaths=deaths, reason="it was killed")
    runs.write(dead, kept.version)


def test_a_scene_that_fails_after_a_dead_attempt_wrote_it_is_not_found(
    crew: Crew, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    planner = threading.Thread(target=crew.plan)
    planner.start()
    hint = crew.queue.hints.get(timeout=60)
    dead_after_its_documents(crew, hint, monkeypatch, deaths=1)
    documents = crew.open_archive().generation.documents
    assert documents.identities([("default", "00.jpg")]) != {}
    (crew.source / "00.jpg").write_text("no image any more")
    with crew.working():
        planner.join(60)
    assert documents.identities([("default", "00.jpg")]) == {}
    check(crew, expected())


def test_a_scene_that_is_given_up_after_a_dead_attempt_wrote_it_is_not_found(
    crew: Crew, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = replace(PLANNER, scenes_per_batch=1)
    monkeypatch.setattr("indexer.parts._SMALLEST_BATCH", 1)
    planner = threading.Thread(target=crew.plan, args=(alone,))
    planner.start()
    hint = crew.queue.hints.get(timeout=60)
    dead_after_its_documents(crew, hint, monkeypatch, deaths=2)
    with crew.working():
        planner.join(60)
    archive = crew.open_archive()
    assert archive.generation.documents.identities([("default", "00.jpg")]) == {}
    contents = archive.contents()
    assert contents["00.jpg"][0] == "failed"
    (crew.source / "00.jpg").unlink()
    del contents["00.jpg"]
    assert contents == expected()


def test_a_deleted_scene_is_not_found_though_an_attempt_that_died_wrote_it_later(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    planner = threading.Thread(target=crew.plan)
    planner.start()
    hint = crew.queue.hints.get(timeout=60)
    archive = crew.open_archive()
    seal = Generation.seal

    def deleted_meanwhile(generation: Generation, content: BatchContent) -> Batch:
        if content.parts:
            take_out(archive.generation, [("default", "00.jpg")])
        return seal(generation, content)

    def die(generation: Generation, batch: Batch, overtaken: Sequence[SceneOutcome]) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Generation, "seal", deleted_meanwhile)
        patched.setattr(Generation, "_left_behind", die)
        with pytest.raises(KeyboardInterrupt):
            work(crew.place(), hint)
    documents = archive.generation.documents
    assert documents.identities([("default", "00.jpg")]) != {}
    with crew.working():
        planner.join(60)
    assert documents.identities([("default", "00.jpg")]) == {}
    assert audit(archive.generation).findings == ()


def wait_for(happened: Any) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)
