"""One hole: what is wrong with a fill is masked again, and a fill ends where its hole does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from engine.code.faults import Blame, Faults
from engine.denoising.canvas import Canvas
from engine.denoising.denoise import Denoised, Doubt
from engine.denoising.denoiser import Prediction
from engine.denoising.fake import FakeDenoiser
from engine.denoising.schedule import Decoding
from engine.engine import Engine
from engine.errors import Cancelled
from engine.filling.filler import _with_doubts_that_matter
from engine.types import CancelToken, CanvasFrame, FillRequest, FillResult


class TwoMinds(FakeDenoiser):
    """Finds one answer best, and at its first byte, or behind it, another nearly as good.

    Args:
        first: the answer it gives by itself.
        second: the answer it gives once its first byte stands.
        nats: how much less likely that byte is.
    """

    def __init__(self, first: str, second: str, nats: float = 1.0) -> None:
        super().__init__(first)
        self._first, self._second, self._nats = first, second, nats
        self.n_passes = 0

    def predict(self, canvas: Canvas, masks: Sequence[int], cancel: CancelToken) -> Prediction:
        self.n_passes += 1
        said = self.codec.decode(canvas.settled)
        start = self._second[:1]
        other = bool(said) and said.startswith(start) and not said.startswith(self._first[:1])
        self._answer = self._second if other else self._first
        prediction = super().predict(canvas, masks, cancel)
        if not canvas.n_settled:
            (byte,) = self.codec.encode(start)
            prediction.logits[0, byte] = prediction.logits[0].max() - self._nats
        return prediction


def fill(
    denoiser: FakeDenoiser,
    prefix: str,
    suffix: str,
    decoding: Decoding = "parallel",
    *,
    single_line: bool = True,
    max_tokens: int = 200,
    automatic: bool = False,
    frames: list[CanvasFrame] | None = None,
) -> FillResult:
    request = FillRequest(
        (prefix, None, suffix),
        "python",
        single_line=single_line,
        max_tokens=max_tokens,
        automatic=automatic,
        heal=False,
    )
    engine = Engine(denoiser, denoiser.codec, 4096, decoding)
    return engine.fill(request, on_frame=None if frames is None else frames.append)


HEADER = "def f(a):\n"


@pytest.mark.parametrize(
    ("prefix", "suffix", "first", "second"),
    [
        ("a = 1\nb = ", "\n", "(a", "a"),  # does not parse
        (HEADER, "\t\treturn 1\n", " a = 2", "\tif a:"),  # nothing opens the block behind it
        ("a = 1\nb = ", "\n", "q", "a"),  # a name that nothing defines
    ],
)
def test_a_fill_with_a_fault_is_masked_again(prefix: str, suffix: str, first: str, second: str) -> None:
    result = fill(TwoMinds(f"{first}\n", f"{second}\n"), prefix, suffix)
    assert result.fills[0].rstrip("\n") == second


@pytest.mark.parametrize(
    ("faults", "last"),
    [
        (Faults(0, 1, frozenset({"qux"})), 4),  # nothing behind the name makes it known
        (Faults(0, 2, frozenset({"qux", "zap"})), 14),
        (Faults(0, 2, frozenset({"qux", "elsewhere"})), 15),  # what the text behind the hole uses
        (Faults(1, 1, frozenset({"qux"})), 15),
        (Faults(0, 0), 15),
    ],
)
def test_tries_begin_where_a_fault_can_be_mended(faults: Faults, last: int) -> None:
    codec = FakeDenoiser("x").codec
    text = "a(qux, 'é', zap)"
    tokens = tuple(codec.encode(text))
    slots = [len(codec.encode(text[:at])) for at in range(len(text))]
    doubts = tuple(Doubt(slot, 1, 0.5, 0.3) for slot in slots)
    canvas = Denoised(text, tokens, (0.9,) * len(tokens), 0.9, 1, 1, "end", doubts)
    kept = _with_doubts_that_matter(canvas, faults, codec).doubts
    assert [doubt.slot for doubt in kept] == slots[: last + 1]


@pytest.mark.parametrize("decoding", ["lossless", "left_to_right"])
def test_the_base_left_alone_keeps_its_own_text(decoding: Decoding) -> None:
    assert fill(TwoMinds("(a\n", "a\n"), "a = 1\nb = ", "\n", decoding).fills == ("(a",)


def test_what_is_far_less_likely_is_not_tried() -> None:
    assert fill(TwoMinds("(a\n", "a\n", nats=6.0), "a = 1\nb = ", "\n").fills == ("(a",)


def test_a_fill_without_faults_costs_nothing_more() -> None:
    once, again = TwoMinds("a\n", "1\n"), TwoMinds("(a\n", "a\n")
    fill(once, "a = 1\nb = ", "\n")
    fill(again, "a = 1\nb = ", "\n")
    assert once.n_passes < again.n_passes


def test_nobody_is_blamed_when_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    request = FillRequest(("x = ", None, "\n"), "python", single_line=True)
    blamed: list[str] = []
    monkeypatch.setattr(Blame, "of", lambda _, fill: blamed.append(fill) or Faults(0, 0))
    fake = FakeDenoiser("call(1)")
    result = Engine(fake, fake.codec, 1024).fill(replace(request, deadline_ms=0))
    assert result.status == "ok" and not blamed
    with pytest.raises(Cancelled):
        Engine(Cancelling(), fake.codec, 1024).fill(request, cancel=CancelToken())
    assert not blamed


class Cancelling(FakeDenoiser):
    """Its requests are cancelled while it makes their last pass."""

    def predict(self, canvas: Canvas, masks: Sequence[int], cancel: CancelToken) -> Prediction:
        prediction = super().predict(canvas, masks, cancel)
        cancel.cancel()
        return prediction


def test_the_frames_count_all_tries_and_the_last_shows_the_answer() -> None:
    frames: list[CanvasFrame] = []
    fill(TwoMinds("(a\n", "a\n"), "a = 1\nb = ", "\n", frames=frames)
    assert [frame.step for frame in frames[:-1]] == sorted({frame.step for frame in frames[:-1]})
    assert frames[-1].done and frames[-1].pieces == ("a",)


def test_typing_does_not_wait_for_a_block_that_comes_next() -> None:
    denoiser = TwoMinds("if a > 1:\n", "return a\n")
    assert fill(denoiser, HEADER + "    ", "\n", automatic=True).fills == ("if a > 1:",)


@pytest.mark.parametrize(
    ("prefix", "answer", "suffix", "kept"),
    [
        ("a = 1\nif ", "a > 0:\n    pass", ":\n    pass\n", "a > 0"),
        ("a = 1\nprint(", "a)\n", ")\n", "a"),
        ("a = 1\nb = [", "a, a", "]\n", "a, a"),
        ("a = 1\nb = ", "a", " + 1\n", "a"),
    ],
)
def test_a_fill_in_a_line_ends_before_what_stands_there(
    prefix: str, answer: str, suffix: str, kept: str
) -> None:
    assert fill(FakeDenoiser(answer), prefix, suffix, "left_to_right").fills == (kept,)


def test_several_lines_end_where_the_rest_of_the_file_begins() -> None:
    suffix = "    return total / len(values)\n"
    answer = "    total = 0\n    for value in values:\n        total += value\n" + suffix + "\nprint(1)\n"
    result = fill(FakeDenoiser(answer), "def mean(values):\n", suffix, single_line=False)
    assert result.fills == ("    total = 0\n    for value in values:\n        total += value\n",)


def test_what_a_limit_cut_short_keeps_its_whole_lines() -> None:
    answer = "    total = 0\n    for value in values:\n        total += value\n    return total\n"
    result = fill(
        FakeDenoiser(answer), "def f(values):\n", "    return 1\n", single_line=False, max_tokens=70
    )
    assert result.fills == ("    total = 0\n    for value in values:\n        total += value\n",)
    assert result.reason == "stopped at max_tokens"


# A draft of the caller's, and other choices.


class Counting(FakeDenoiser):
    """Drafts nothing of its own, so that a pass is a token, unless a draft is given."""

    n_passes = 0

    def predict(self, canvas: Canvas, masks: Sequence[int], cancel: CancelToken) -> Prediction:
        self.n_passes += 1
        return super().predict(canvas, [0] * len(masks), cancel)


def drafted(denoiser: FakeDenoiser, draft: str) -> FillResult:
    request = FillRequest(("total = 1\nx = ", None, "\n"), "python", single_line=True, draft=draft)
    return Engine(denoiser, denoiser.codec, 4096).fill(request)


@pytest.mark.parametrize(
    ("draft", "most_passes"),
    [
        ("", 10),
        ("total + 2", 1),  # right: verified in one pass, with the end behind it
        ("total", 5),  # right as far as it goes
        ("total - 2", 4),  # right up to a place
        ("zzzzz", 10),  # wrong
    ],
)
def test_a_draft_saves_passes_and_changes_no_text(draft: str, most_passes: int) -> None:
    denoiser = Counting("total + 2")
    assert drafted(denoiser, draft).fills == ("total + 2",)
    assert denoiser.n_passes <= most_passes


def test_who_asks_gets_other_fills_that_are_no_worse() -> None:
    request = FillRequest(("a = 1\nb = ", None, "\n"), "python", single_line=True, n_alternatives=2)

    def alternatives(second: str, nats: float = 1.0) -> tuple[tuple[str, ...], tuple[str, ...]]:
        denoiser = TwoMinds("a + 1\n", f"{second}\n", nats)
        result = Engine(denoiser, denoiser.codec, 4096).fill(request)
        return result.fills, result.alternatives

    assert alternatives("2") == (("a + 1",), ("2",))
    assert alternatives("(") == (("a + 1",), ())  # would not parse
    assert alternatives("2", nats=8.0) == (("a + 1",), ())  # far less likely
    assert fill(TwoMinds("a + 1\n", "2\n"), "a = 1\nb = ", "\n").alternatives == ()


# A context that there is no time for.

LINES = "".join(f"row_{number} = {number}\n" for number in range(400))


def in_time(deadline_ms: float | None, token_ms: float) -> FillResult:
    denoiser = FakeDenoiser("1", token_ms=token_ms)
    request = FillRequest((f"{LINES}x = ", None, f"\n{LINES}"), "python", deadline_ms=deadline_ms)
    return Engine(denoiser, denoiser.codec, 1024).fill(request)


@pytest.mark.parametrize(
    ("deadline_ms", "token_ms", "most_tokens"),
    [
        (None, 0.01, 1024),
        (60_000.0, 0.01, 1024),
        (60_000.0, 20.0, 512),  # 12 s are the context's: the whole takes 14, with half the budget 7
        (1_000.0, 1.0, 256),  # no context fits: the shortest
    ],
)
def test_a_context_is_as_long_as_there_is_time_for(
    deadline_ms: float | None, token_ms: float, most_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CancelToken, "wait", lambda self, seconds: None)
    result = in_time(deadline_ms, token_ms)
    assert most_tokens / 2 < result.context_tokens <= most_tokens
    assert result.shortened == (most_tokens < 1024)
    assert result.fills == ("1",)


def test_what_is_cached_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CancelToken, "wait", lambda self, seconds: None)
    denoiser = FakeDenoiser("1", token_ms=100.0)
    engine = Engine(denoiser, denoiser.codec, 1024)
    whole = FillRequest((f"{LINES}x = ", None, "\n"), "python")
    assert not engine.fill(whole).shortened
    again = engine.fill(FillRequest((f"{LINES}x = a", None, "\n"), "python", deadline_ms=5_000.0))
    assert not again.shortened and again.cached_tokens > 500
