"""Newest wins, explicit work is kept, cancelling frees the worker."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from engine.errors import Cancelled
from engine.types import CancelToken
from lsp_server.errors import Superseded
from lsp_server.scheduler import Scheduler

TIMEOUT_S = 10


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    scheduler = Scheduler()
    yield scheduler
    assert scheduler.close(TIMEOUT_S)


class Step:
    """Work that says when it has begun and goes on until it is let go or cancelled."""

    def __init__(self, answer: str = "done") -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.answer = answer

    def __call__(self, token: CancelToken) -> str:
        self.begun.set()
        while not self.go.is_set():
            token.wait(0.005)
            token.check()
        return self.answer


def test_newer_typing_replaces_running_and_waiting(scheduler: Scheduler):
    first, second = Step(), Step()
    running = scheduler.submit(first, key="a", typing=True)
    assert first.begun.wait(TIMEOUT_S)
    waiting = scheduler.submit(second, key="a", typing=True)
    newest = scheduler.submit(lambda _: "newest", key="a", typing=True)
    assert newest.future.result(TIMEOUT_S) == "newest"
    for job in (running, waiting):
        with pytest.raises(Superseded):
            job.future.result(TIMEOUT_S)
    assert not second.begun.is_set()


def test_spare_work_is_done_when_nothing_else_is(scheduler: Scheduler):
    step = Step("typing")
    typing = scheduler.submit(step, key="a", typing=True)
    assert step.begun.wait(TIMEOUT_S)
    spare = scheduler.submit(lambda _: "spare", key="a", typing=True, spare=True)
    step.go.set()
    assert (typing.future.result(TIMEOUT_S), spare.future.result(TIMEOUT_S)) == ("typing", "spare")


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize(("key", "typing"), [("a", True), ("b", True), ("b", False), (None, False)])
def test_anything_else_takes_the_place_of_spare_work(scheduler: Scheduler, running, key, typing):
    before, spare = Step(), Step()
    if not running:
        scheduler.submit(before, key="c", typing=False)
        assert before.begun.wait(TIMEOUT_S)
    waits = scheduler.submit(spare, key="a", typing=True, spare=True)
    if running:
        assert spare.begun.wait(TIMEOUT_S)
    other = scheduler.submit(lambda _: "other", key=key, typing=typing)
    before.go.set()
    assert other.future.result(TIMEOUT_S) == "other"
    with pytest.raises(Superseded):
        waits.future.result(TIMEOUT_S)


def test_documents_do_not_displace_each_other(scheduler: Scheduler):
    step = Step("a")
    first = scheduler.submit(step, key="a", typing=True)
    second = scheduler.submit(lambda _: "b", key="b", typing=True)
    step.go.set()
    assert (first.future.result(TIMEOUT_S), second.future.result(TIMEOUT_S)) == ("a", "b")


def test_typing_waits_for_explicit_work_and_never_displaces_it(scheduler: Scheduler):
    order: list[str] = []
    step = Step("explicit")
    running = scheduler.submit(step, key="a", typing=False)
    assert step.begun.wait(TIMEOUT_S)
    typing = scheduler.submit(lambda _: order.append("typing"), key="a", typing=True)
    other = scheduler.submit(lambda _: order.append("explicit"), key="b", typing=False)
    step.go.set()
    assert running.future.result(TIMEOUT_S) == "explicit"
    typing.future.result(TIMEOUT_S)
    other.future.result(TIMEOUT_S)
    assert order == ["explicit", "typing"]


def test_closing_a_document_ends_all_its_work(scheduler: Scheduler):
    step = Step()
    running = scheduler.submit(step, key="a", typing=False)
    assert step.begun.wait(TIMEOUT_S)
    waiting = scheduler.submit(lambda _: "never", key="a", typing=False)
    kept = scheduler.submit(lambda _: "kept", key="b", typing=False)
    scheduler.cancel("a")
    for job in (running, waiting):
        with pytest.raises(Cancelled):
            job.future.result(TIMEOUT_S)
    assert kept.future.result(TIMEOUT_S) == "kept"


async def test_cancelling_the_task_frees_the_worker(scheduler: Scheduler):
    step = Step()
    task = asyncio.create_task(scheduler.run(step, key="a", typing=False))
    assert await asyncio.to_thread(step.begun.wait, TIMEOUT_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await scheduler.run(lambda _: "free", key="b", typing=False) == "free"


async def test_what_was_asked_of_a_document_that_has_changed_is_cancelled(scheduler: Scheduler):
    step, never = Step(), Step()
    running = asyncio.create_task(scheduler.run(step, key="a", typing=False))
    waiting = asyncio.create_task(scheduler.run(never, key="a", typing=False))
    other = asyncio.create_task(scheduler.run(lambda _: "other", key="b", typing=False))
    assert await asyncio.to_thread(step.begun.wait, TIMEOUT_S)
    scheduler.outdate("a")
    for task in (running, waiting):
        with pytest.raises(Cancelled):
            await task
    assert await other == "other" and not never.begun.is_set()


async def test_a_task_cancelled_while_waiting_never_runs(scheduler: Scheduler):
    step, never = Step(), Step()
    running = asyncio.create_task(scheduler.run(step, key="a", typing=False))
    waiting = asyncio.create_task(scheduler.run(never, key="b", typing=False))
    assert await asyncio.to_thread(step.begun.wait, TIMEOUT_S)
    waiting.cancel()
    step.go.set()
    assert await running == "done"
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not never.begun.is_set()


def test_an_error_is_the_jobs_own(scheduler: Scheduler):
    def fail(_: CancelToken) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        scheduler.submit(fail, key=None, typing=False).future.result(TIMEOUT_S)
    assert scheduler.submit(lambda _: 1, key=None, typing=False).future.result(TIMEOUT_S) == 1


def test_after_the_end_nothing_runs():
    scheduler = Scheduler()
    step = Step()
    job = scheduler.submit(step, key="a", typing=True)
    assert step.begun.wait(TIMEOUT_S)
    assert scheduler.close(TIMEOUT_S)
    for late in (job, scheduler.submit(lambda _: 1, key="a", typing=True)):
        with pytest.raises(Cancelled):
            late.future.result(0)
