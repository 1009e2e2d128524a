"""The loop and the engine around a denoiser that is made for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.canvas import Canvas
from engine.denoise import Denoised, denoise
from engine.denoiser import Encoded, Prediction
from engine.engine import Engine
from engine.errors import Cancelled, UsageError
from engine.fake import FakeDenoiser
from engine.regions import join
from engine.schedule import LEFT_TO_RIGHT, CommitRule
from engine.types import CancelToken, CanvasFrame, Deadline, FillRequest


class Scripted(FakeDenoiser):
    """The fake with a rule of its own and a say in how sure it is of each slot."""

    def __init__(self, answer: str, *, rule: CommitRule, doubt: Sequence[int] = ()) -> None:
        super().__init__(answer)
        self.commit_rule = rule
        self._doubt = set(doubt)

    def predict(self, canvas: Canvas, cancel: CancelToken) -> Prediction:
        prediction = super().predict(canvas, cancel)
        for row, slot in enumerate(prediction.slots):
            if int(slot) in self._doubt:
                prediction.logits[row] *= 0.2
        return prediction


def run(denoiser: FakeDenoiser, max_tokens: int = 64, **changes: object) -> Denoised:
    special = denoiser.special
    denoiser.encode([special.fim_prefix, special.fim_suffix, special.fim_middle], CancelToken())
    arguments: dict[str, object] = {
        "heal": b"",
        "max_tokens": max_tokens,
        "stop": lambda _: None,
        "cancel": CancelToken(),
        "deadline": Deadline(),
    }
    return denoise(denoiser, denoiser.codec, **(arguments | changes))  # type: ignore[arg-type]


def test_a_sure_canvas_takes_one_pass() -> None:
    done = run(FakeDenoiser("return 42"))
    assert (done.text, done.forwards, done.stopped) == ("return 42", 1, "end")


def test_left_to_right_takes_one_pass_a_token() -> None:
    done = run(Scripted("return 42", rule=LEFT_TO_RIGHT))
    assert (done.text, done.forwards) == ("return 42", len("return 42") + 1)  # and the end token


def test_doubtful_slots_wait_and_the_rest_is_kept() -> None:
    shown: list[list[int]] = []
    done = run(
        Scripted("return 42", rule=CommitRule(0.9), doubt=[2, 5]),
        on_step=lambda canvas, _, __: shown.append(canvas.open_slots.tolist()),
    )
    assert done.text == "return 42"
    assert shown == [[2, 5], [5], []]


def test_a_canvas_without_an_end_is_extended() -> None:
    text = "x" * 40
    done = run(FakeDenoiser(text))
    assert (done.text, done.forwards) == (text, 3)  # 16 slots each


def test_length_is_a_bound() -> None:
    done = run(FakeDenoiser("x" * 100), max_tokens=20)
    assert (done.text, done.stopped) == ("x" * 20, "length")


def test_the_stop_rule_cuts() -> None:
    done = run(FakeDenoiser("one\ntwo"), stop=lambda text: text.find("\n") if "\n" in text else None)
    assert (done.text, done.stopped) == ("one", "rule")


def test_a_passed_deadline_gives_what_is_settled() -> None:
    done = run(Scripted("return 42", rule=LEFT_TO_RIGHT), deadline=Deadline.after_ms(0))
    assert (done.text, done.stopped) == ("r", "deadline")


def test_cancel_stops_before_the_next_pass() -> None:
    cancel = CancelToken()
    steps: list[int] = []

    def cancel_at_third(_: Canvas, step: int, __: bool) -> None:
        steps.append(step)
        if step == 3:
            cancel.cancel()

    with pytest.raises(Cancelled):
        run(Scripted("return 42", rule=LEFT_TO_RIGHT), cancel=cancel, on_step=cancel_at_third)
    assert steps == [1, 2, 3]


def test_the_healed_piece_is_held_to() -> None:
    denoiser = FakeDenoiser("xyz")  # would say something else
    done = run(denoiser, heal=b"ab", max_tokens=4)
    assert done.text.startswith("ab")


def test_confidence_is_the_geometric_mean() -> None:
    done = run(Scripted("ab", rule=LEFT_TO_RIGHT, doubt=[1]))
    n = FakeDenoiser().codec.n_vocab - 1
    sure, doubtful = 1 / (1 + n * np.exp(-12)), 1 / (1 + n * np.exp(-2.4))
    assert done.confidence == pytest.approx(float((sure * doubtful) ** 0.5), rel=1e-4)


def engine(answer: str = "value") -> Engine:
    fake = FakeDenoiser(answer)
    return Engine(fake, fake.codec, 512)


def test_holes_are_filled_in_order_and_later_ones_see_earlier_fills() -> None:
    seen: list[str] = []

    class Watching(FakeDenoiser):
        def encode(self, context: Sequence[int], cancel: CancelToken) -> Encoded:
            seen.append(self.codec.decode(list(context)))
            return super().encode(context, cancel)

    fake = Watching("7")
    result = Engine(fake, fake.codec, 512).fill(
        FillRequest(("a = ", None, "\nb = ", None, "\n"), single_line=True)
    )
    assert result.fills == ("7", "7")
    assert len(result.confidence) == 2
    assert seen[1].endswith("a = 7\nb = ")


def test_frames_show_masks_turning_into_text() -> None:
    frames: list[CanvasFrame] = []
    engine("ok").fill(FillRequest(("x = ", None, "\n")), on_frame=frames.append)
    assert [frame.step for frame in frames] == list(range(1, len(frames) + 1))
    assert [frame.done for frame in frames] == [False] * (len(frames) - 1) + [True]
    assert frames[-1].pieces == ("ok",)


def test_nothing_to_say_is_refused() -> None:
    result = engine("").fill(FillRequest(("x = 1", None, "\n")))
    assert result.status == "refused"
    assert result.fills == ("",)
    assert result.reason


@pytest.mark.parametrize("segments", [("text",), (), ("a", *[None] * 65)])
def test_a_request_needs_holes_and_not_too_many(segments: tuple[str | None, ...]) -> None:
    with pytest.raises(UsageError, match="holes"):
        engine().fill(FillRequest(segments))


@given(
    st.lists(st.text(max_size=30), min_size=2, max_size=5),
    st.text(max_size=20),
    st.sampled_from(["python", "javascript", "go", "plaintext", "nonsense"]),
    st.booleans(),
)
def test_only_holes_change(texts: list[str], answer: str, language: str, automatic: bool) -> None:
    segments: list[str | None] = [texts[0]]
    for text in texts[1:]:
        segments += [None, text]
    request = FillRequest(tuple(segments), language=language, automatic=automatic)
    result = engine(answer).fill(request)
    filled = join(request.segments, result.fills)
    position = 0
    for index, text in enumerate(texts):
        assert filled.startswith(text, position)
        position += len(text) + (len(result.fills[index]) if index < len(result.fills) else 0)
    assert position == len(filled)
    if result.status == "refused":
        assert not any(result.fills)
