"""Several holes: each is filled anew once the others are known, and the new text stays if the whole gains."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from engine.denoising.canvas import Canvas
from engine.denoising.denoiser import Encoded, Prediction, Reading
from engine.denoising.fake import FakeDenoiser
from engine.denoising.schedule import LEFT_TO_RIGHT, Decoding
from engine.engine import Engine
from engine.errors import Cancelled
from engine.filling.filler import STAND_IN
from engine.filling.joint import CLEARLY_LIKELIER, MAX_SWEEPS
from engine.types import CancelToken, CanvasFrame, Deadline, FillRequest, FillResult

Filling = Callable[[str, str], str]
"""The text before a hole and the text after it, to what the hole is filled with."""

Likelihood = Callable[[str], float]


class Seeing(FakeDenoiser):
    """A fake that looks at both sides of a hole, and has an opinion of finished text.

    Args:
        filling: see ``Filling``.
        likelihood: of the text from the first hole to the last.
        cancel_at: the filling, from 1, during which somebody asks it to stop.
    """

    def __init__(
        self, filling: Filling, likelihood: Likelihood = lambda _: -1.0, cancel_at: int | None = None
    ) -> None:
        super().__init__()
        self._filling, self._likelihood, self._cancel_at = filling, likelihood, cancel_at
        self.sides: list[tuple[str, str]] = []
        self.judged: list[str] = []
        self.n_passes = self.n_rows = 0

    def encode(self, context: Sequence[int], cancel: CancelToken) -> Encoded:
        encoded = super().encode(context, cancel)
        middle = self._context.index(self.special.fim_middle)
        self._sides = (
            self.codec.decode(self._context[middle + 1 :]),
            self.codec.decode([i for i in self._context[:middle] if i not in self.special_ids]),
        )
        return encoded

    @property
    def special_ids(self) -> set[int]:
        return {self.special.fim_prefix, self.special.fim_suffix, self.special.fim_middle}

    def predict(self, canvas: Canvas, masks: Sequence[int], cancel: CancelToken) -> Prediction:
        if not canvas.n_settled:
            self.sides.append(self._sides)
            if len(self.sides) == self._cancel_at:
                cancel.cancel()
        prediction = super().predict(canvas, masks, cancel)
        self.n_passes += prediction.forwards
        self.n_rows += prediction.rows
        return prediction

    def read(self, canvas: Sequence[int], cancel: CancelToken) -> Reading:
        self._pass(cancel)
        *tokens, end = canvas
        assert end in self.special.end
        text, n = self.codec.decode(tokens), len(canvas)
        self.judged.append(text)
        of_each = np.zeros(n, dtype=np.float32)
        of_each[0] = self._likelihood(text)  # in one place: a sum of parts would be rounded
        return Reading(of_each, np.zeros((n, 6), np.int64), np.zeros((n, 6), np.float32), 1, n)

    def _fill(self) -> str:
        return self._filling(*self._sides)


TWO_HOLES = FillRequest(("one = ", None, "\ntwo = ", None, "\n"), language="python", heal=False)


def in_the_light_of_both(prefix: str, suffix: str) -> str:
    """The first hole is `blind` as long as the second is unknown."""
    if prefix.endswith("two = "):
        return "second"
    return "blind" if STAND_IN in suffix else "seeing"


def likes(*words: str) -> Likelihood:
    return lambda text: 2.0 * CLEARLY_LIKELIER * sum(word in text for word in words)


def fill(
    denoiser: Seeing,
    request: FillRequest = TWO_HOLES,
    decoding: Decoding = "parallel",
    shown: list[CanvasFrame] | None = None,
) -> FillResult:
    engine = Engine(denoiser, denoiser.codec, 4096, decoding)
    return engine.fill(request, on_frame=None if shown is None else shown.append)


@pytest.mark.parametrize(("liked", "first"), [("seeing", "seeing"), ("blind", "blind"), ("second", "blind")])
def test_a_new_fill_stays_only_if_the_whole_is_likelier(liked: str, first: str) -> None:
    denoiser = Seeing(in_the_light_of_both, likes(liked))
    result = fill(denoiser)
    assert (result.status, result.fills) == ("ok", (first, "second"))
    assert denoiser.judged[:2] == ["blind\ntwo = second", "seeing\ntwo = second"]


def test_each_hole_sees_what_the_request_says_and_the_fills_of_the_others() -> None:
    denoiser = Seeing(in_the_light_of_both, likes("seeing"))
    fill(denoiser)
    assert denoiser.sides == [
        ("one = ", f"\ntwo = {STAND_IN}\n"),
        ("one = blind\ntwo = ", "\n"),
        ("one = ", "\ntwo = second\n"),
        ("one = seeing\ntwo = ", "\n"),
    ]


def test_a_hole_is_not_filled_again_where_nothing_changed_for_it() -> None:
    denoiser = Seeing(in_the_light_of_both, likes("blind"))
    fill(denoiser)
    assert [prefix for prefix, _ in denoiser.sides] == ["one = ", "one = blind\ntwo = ", "one = "]


def test_a_new_fill_must_beat_the_text_as_it_stands_now() -> None:
    """Hole two anew is better than at first, and worse than with hole one alone anew."""

    def both_anew(prefix: str, suffix: str) -> str:
        return "third" if "seeing\n" in prefix else in_the_light_of_both(prefix, suffix)

    worth = {"blind\ntwo = second": -90.0, "seeing\ntwo = second": -30.0, "seeing\ntwo = third": -60.0}
    denoiser = Seeing(both_anew, worth.__getitem__)
    assert fill(denoiser).fills == ("seeing", "second")
    assert denoiser.judged == list(worth)


@pytest.mark.parametrize("decoding", ["lossless", "left_to_right"])
def test_the_bases_own_modes_fill_once(decoding: Decoding) -> None:
    denoiser = Seeing(in_the_light_of_both, likes("seeing"))
    assert fill(denoiser, decoding=decoding).fills == ("blind", "second")
    assert (len(denoiser.sides), denoiser.judged) == (2, [])


def test_a_single_hole_is_filled_once() -> None:
    denoiser = Seeing(in_the_light_of_both, likes("seeing"))
    assert fill(denoiser, FillRequest(("one = ", None, "\n"), heal=False)).fills == ("seeing",)
    assert (len(denoiser.sides), denoiser.judged) == (1, [])


def test_a_refill_is_passed_on_to_later_holes() -> None:
    def echo(prefix: str, suffix: str) -> str:
        return "after_" + prefix.split()[2] if "two" in prefix else in_the_light_of_both(prefix, suffix)

    result = fill(Seeing(echo, likes("seeing", "after_seeing")))
    assert result.fills == ("seeing", "after_seeing")


def test_it_comes_to_an_end() -> None:
    """Even where every fill is new and each makes the whole likelier."""
    count = iter(range(100))
    denoiser = Seeing(
        lambda prefix, suffix: f"value_{next(count):02}", lambda _: 2.0 * CLEARLY_LIKELIER * next(count)
    )
    fill(denoiser)
    assert len(denoiser.sides) == 2 * (1 + MAX_SWEEPS)


def test_a_fill_that_is_refused_takes_no_ones_place() -> None:
    denoiser = Seeing(
        lambda prefix, suffix: "" if "second" in suffix else in_the_light_of_both(prefix, suffix)
    )
    result = fill(denoiser)
    assert (result.status, result.fills, denoiser.judged) == ("ok", ("blind", "second"), [])


def test_a_hole_that_was_refused_can_be_filled_later() -> None:
    def shy(prefix: str, suffix: str) -> str:
        return in_the_light_of_both(prefix, suffix).replace("blind", "")

    result = fill(Seeing(shy, likes("seeing")))
    assert (result.status, result.fills, result.reason) == ("ok", ("seeing", "second"), None)


@pytest.mark.parametrize(("gap", "first"), [(0, "seeing"), (200, "blind")])
def test_holes_far_apart_stay_as_they_were_first_filled(
    gap: int, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.filling.joint.MAX_JOINT_CHARS", 100)
    between = "\n" + "# \n" * (gap // 2) + "two = "
    denoiser = Seeing(in_the_light_of_both, likes("seeing"))
    request = FillRequest(("one = ", None, between, None, "\n"), language="python", heal=False)
    assert fill(denoiser, request).fills == (first, "second")
    assert bool(denoiser.judged) == (not gap)


def test_after_the_deadline_first_fills_stay() -> None:
    denoiser = Seeing(in_the_light_of_both, likes("seeing"))
    late = FillRequest(TWO_HOLES.segments, language="python", heal=False, deadline_ms=0)
    assert fill(denoiser, late).fills == ("blind", "second")
    assert (len(denoiser.sides), denoiser.judged) == (2, [])


def test_a_fill_that_the_deadline_cuts_short_takes_no_ones_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though a part of a text is likelier than all of it."""

    class Slow(Seeing):
        rule = LEFT_TO_RIGHT  # one token a pass

        def predict(self, canvas: Canvas, masks: Sequence[int], cancel: CancelToken) -> Prediction:
            if len(self.sides) == 3 and canvas.n_settled == 2:
                monkeypatch.setattr(Deadline, "passed", property(lambda _: True))
            return super().predict(canvas, masks, cancel)

    denoiser = Slow(in_the_light_of_both, lambda text: -float(len(text)))
    result = fill(denoiser)
    assert (result.fills, result.reason, len(denoiser.sides)) == (("blind", "second"), None, 3)


def test_it_can_be_cancelled_while_filling_again() -> None:
    with pytest.raises(Cancelled):
        fill(Seeing(in_the_light_of_both, cancel_at=3))


@pytest.mark.parametrize("liked", ["seeing", "blind"])
def test_the_work_of_every_filling_is_counted(liked: str) -> None:
    denoiser = Seeing(in_the_light_of_both, likes(liked))
    result = fill(denoiser)
    assert len(denoiser.sides) > 2
    assert result.context_forwards >= len(denoiser.sides)
    assert result.forwards >= denoiser.n_passes + len(denoiser.sides)
    assert result.rows >= denoiser.n_rows
    assert result.tokens == len("".join(result.fills))


@pytest.mark.parametrize("liked", ["seeing", "blind"])
def test_what_is_shown_last_is_what_is_given(liked: str) -> None:
    shown: list[CanvasFrame] = []
    result = fill(Seeing(in_the_light_of_both, likes(liked)), shown=shown)
    done = [(frame.hole, frame.pieces) for frame in shown if frame.done]
    assert [dict(done)[hole] for hole in (0, 1)] == [(text,) for text in result.fills]
    kept = [(0, ("seeing",))] if liked == "seeing" else []
    assert done == [(0, ("blind",)), (1, ("second",)), *kept]  # what was not kept was never shown
    for hole in (0, 1):
        steps = [frame.step for frame in shown if frame.hole == hole]
        assert steps == sorted(steps) and steps[0] >= 1


def test_a_little_likelier_is_not_enough() -> None:
    for gain, first in ((CLEARLY_LIKELIER - 1, "blind"), (CLEARLY_LIKELIER + 1, "seeing")):
        denoiser = Seeing(in_the_light_of_both, lambda text, gain=gain: gain * ("seeing" in text))
        assert fill(denoiser).fills == (first, "second")


def test_what_parses_better_stays_however_unlikely() -> None:
    def half_a_line(prefix: str, suffix: str) -> str:
        return in_the_light_of_both(prefix, suffix).replace("blind", "(blind")

    assert fill(Seeing(half_a_line, likes("blind"))).fills == ("seeing", "second")


def test_what_is_not_in_doubt_is_not_filled_again() -> None:
    """In prose no name can be unknown, and the fake is sure of every byte."""
    denoiser = Seeing(in_the_light_of_both, likes("seeing"))
    request = FillRequest(TWO_HOLES.segments, language="plaintext", heal=False)
    assert fill(denoiser, request).fills == ("blind", "second")
    assert (len(denoiser.sides), denoiser.judged) == (2, [])
