"""The loop and the engine around a denoiser that is made for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.code.regions import join
from engine.denoising.ahead import Ahead
from engine.denoising.canvas import Canvas
from engine.denoising.denoise import Avoided, Denoised, Task, denoise
from engine.denoising.denoiser import Encoded, Prediction
from engine.denoising.draft import ROOT, Draft
from engine.denoising.fake import FakeDenoiser
from engine.denoising.schedule import LEFT_TO_RIGHT, DecodeRule
from engine.denoising.top import TopTokens
from engine.engine import Engine
from engine.errors import Cancelled, UsageError
from engine.types import CancelToken, CanvasFrame, Deadline, FillRequest

SURE = FakeDenoiser.rule
LOSSLESS = SURE.decoded("lossless")


class Scripted(FakeDenoiser):
    """The fake with drafts of its own making.

    Args:
        answer: what the base says.
        drafts: other bytes that the adapter drafts, by slot.
        plausible: other bytes that the base finds half as probable as its own choice, by slot.
        doubt: slots of which the adapter is not sure.
    """

    def __init__(
        self,
        answer: str,
        *,
        drafts: Mapping[int, str] | None = None,
        plausible: Mapping[int, str] | None = None,
        doubt: Sequence[int] = (),
    ) -> None:
        super().__init__(answer)
        self._drafts, self._plausible, self._doubt = drafts or {}, plausible or {}, set(doubt)
        self.masks: list[tuple[int, ...]] = []
        self.proposed: list[str] = []

    def predict(self, canvas: Canvas, masks: Sequence[int], cancel: CancelToken) -> Prediction:
        self.masks.append(tuple(masks))
        self.proposed.append(self.codec.decode(canvas.proposed))
        prediction = super().predict(canvas, masks, cancel)
        for slot, row in enumerate(prediction.logits, canvas.n_settled):
            if slot in self._plausible:
                row[self._byte(self._plausible[slot])] = row.max() - np.log(2)
        for n_agreed, logits in enumerate(prediction.drafts):
            for slot, row in enumerate(logits, canvas.n_settled + n_agreed + 1):
                if slot in self._drafts:
                    row[self._byte(self._drafts[slot])] = 24.0
                if slot in self._doubt:
                    row[:] *= 0.2
        return prediction

    def _byte(self, char: str) -> int:
        (token,) = self.codec.encode(char)
        return token


def run(denoiser: FakeDenoiser, max_tokens: int = 64, **changes: object) -> Denoised:
    special = denoiser.special
    denoiser.encode([special.fim_prefix, special.fim_suffix, special.fim_middle], CancelToken())
    task = {"heal": b"", "stop": lambda _: None, "avoid": ()}
    task |= {key: changes.pop(key) for key in list(changes) if key in task}
    arguments: dict[str, object] = {
        "rule": denoiser.rule,
        "cancel": CancelToken(),
        "deadline": Deadline(),
    }
    return denoise(
        denoiser,
        denoiser.codec,
        Task(max_tokens=max_tokens, **task),  # type: ignore[arg-type]
        **(arguments | changes),  # type: ignore[arg-type]
    )


def test_a_sure_canvas_takes_one_pass() -> None:
    done = run(FakeDenoiser("return 42"))
    assert (done.text, done.forwards, done.stopped) == ("return 42", 1, "end")


def test_a_draft_that_may_not_end_by_itself_is_verified() -> None:
    done = run(FakeDenoiser("return 42"), rule=LOSSLESS)
    assert (done.text, done.forwards, done.stopped) == ("return 42", 2, "end")


def test_a_doubtful_draft_is_verified_before_it_ends() -> None:
    done = run(Scripted("return 42", doubt=[9]))  # its end
    assert (done.text, done.forwards) == ("return 42", 2)


def test_left_to_right_takes_one_pass_a_token() -> None:
    denoiser = Scripted("return 42")
    done = run(denoiser, rule=LEFT_TO_RIGHT)
    assert (done.text, done.forwards) == ("return 42", len("return 42") + 1)  # and the end token
    assert done.rows == done.forwards
    assert set(denoiser.masks) == {(0,)}


def test_a_wrong_draft_is_overruled_and_what_follows_it_masked_again() -> None:
    shown: list[list[int]] = []
    denoiser = Scripted("return 42", drafts={3: "X"}, doubt=[3])
    done = run(
        denoiser,
        rule=LOSSLESS,
        on_step=lambda canvas, _, __: shown.append([canvas.n_settled, *canvas.proposed]),
    )
    assert done.text == "return 42"
    assert denoiser.proposed[1].startswith("etXrn 42")  # behind the base's "r"
    assert [n_settled for n_settled, *_ in shown] == [1, 4, 10]
    assert shown[1][1:7] == [*denoiser.codec.encode("rn 42"), denoiser.codec.id_of("<|endoftext|>")]


def test_a_wrong_draft_beyond_doubt_is_the_price_of_not_verifying() -> None:
    assert run(Scripted("return 42", drafts={3: "X"})).text == "retXrn 42"


def test_a_draft_is_only_verified_as_far_as_it_is_likely() -> None:
    denoiser = Scripted("return 42", doubt=[4])
    done = run(denoiser)
    assert (done.text, denoiser.proposed) == ("return 42", ["", "etu"])


class Distant(FakeDenoiser):
    """Tells the likeliest tokens alone, as a model on a GPU does, and whole rows when it is asked."""

    n_whole = 0
    """How often it was asked."""

    def predict(self, canvas: Canvas, masks: Sequence[int], cancel: CancelToken) -> Prediction:
        said = super().predict(canvas, masks, cancel)

        def whole() -> npt.NDArray[np.float32]:
            self.n_whole += 1
            return np.asarray(said.logits[0])

        logits, *drafts = (
            [replace(TopTokens.of(row), row=None) for row in rows] for rows in (said.logits, *said.drafts)
        )
        return Prediction(logits, tuple(drafts), said.forwards, said.rows, whole)


@pytest.mark.parametrize(
    ("heal", "n_whole"), [("", 0), ("ret", 0), ("x", 1), ("rex", 1), ("re!!", 2), ("return 42 ", 1)]
)
def test_the_likeliest_tokens_say_what_whole_rows_say(heal: str, n_whole: int) -> None:
    denoiser = Distant("return 42")
    for rule in (LOSSLESS, LEFT_TO_RIGHT):
        denoiser.n_whole = 0
        ours, theirs = (
            run(each, heal=heal.encode(), rule=rule) for each in (denoiser, FakeDenoiser("return 42"))
        )
        assert (ours.text, ours.stopped) == (theirs.text, theirs.stopped)
        assert ours.text.startswith(heal)
        assert denoiser.n_whole == n_whole


class Forking(FakeDenoiser):
    """Drafts a run that is wrong at once, and the right tokens as a branch beside it."""

    n_close = 0
    """From how many settled tokens on the base is hardly sure of its choice."""

    def draft(self, ahead: Ahead, settled: Sequence[int], worth: float) -> Draft:
        right = super().draft(ahead, settled, worth)
        n, wrong = len(right), [token + 1 for token in right.tokens]
        parents = [*range(-1, n - 1), ROOT, *range(n, 2 * n - 1)]
        return Draft((*wrong, *right.tokens), tuple(parents), (0.9,) * (2 * n))

    def predict(self, canvas: Canvas, masks: Sequence[int], cancel: CancelToken) -> Prediction:
        prediction = super().predict(canvas, masks, cancel)
        for place, depth in enumerate([0, *(depth + 1 for depth in canvas.draft.depths)]):
            if self.n_close and canvas.n_settled + depth >= self.n_close:
                row = prediction.logits[place]
                row[0 if row.argmax() else 1] = row.max() - 0.1
        return prediction


def test_a_branch_that_the_base_agrees_with_is_followed() -> None:
    done = run(Forking("return 42"), rule=LOSSLESS)
    assert (done.text, done.forwards) == ("return 42", 2)


class Beside(FakeDenoiser):
    """Drafts a token that is not worth verifying before the right run."""

    def draft(self, ahead: Ahead, settled: Sequence[int], worth: float) -> Draft:
        right = super().draft(ahead, settled, worth)
        n, first = len(right), [token + 1 for token in right.tokens[:1]]
        return Draft((*first, *right.tokens), (*[ROOT] * 2, *range(1, n))[: n + 1], (0.01, *[0.9] * n))


def test_no_more_is_proposed_than_there_is_room_for() -> None:
    proposed: list[int] = []
    done = run(
        Beside("abcdefgh"),
        max_tokens=4,
        rule=LOSSLESS,
        on_step=lambda canvas, _, last: proposed.append(0 if last else len(canvas.proposed)),
    )
    assert (done.text, proposed) == ("abcd", [2, 0])


def test_on_a_branch_a_close_call_is_left_to_the_next_pass() -> None:
    denoiser = Forking("return 42")
    denoiser.n_close = 4
    settled: list[int] = []
    done = run(denoiser, rule=LOSSLESS, on_step=lambda canvas, _, __: settled.append(canvas.n_settled))
    assert done.text == "return 42"
    assert settled[:3] == [1, 4, 5]  # the branch as far as it is clear, then one by itself
    assert done.forwards > 2


def test_a_plausible_draft_stands_and_has_the_bases_probability() -> None:
    denoiser = Scripted("abc", drafts={1: "X"}, plausible={1: "X"})
    unverified = replace(SURE, sure=2.0)
    done = run(denoiser, rule=replace(unverified, plausible=0.4))
    assert done.text == "aXc"
    n = denoiser.codec.n_vocab
    sure, half = 1 / (1 + (n - 1) * np.exp(-12)), 0.5 / (1.5 + (n - 2) * np.exp(-12))
    assert done.confidence == pytest.approx((sure * sure * half) ** (1 / 3), rel=1e-3)
    assert run(denoiser, rule=replace(unverified, plausible=0.6)).text == "abc"
    assert run(denoiser, rule=LOSSLESS).text == "abc"


def test_a_canvas_without_an_end_is_extended() -> None:
    text = "x" * 40
    done = run(FakeDenoiser(text))
    assert (done.text, done.forwards) == (text, 3)  # 1 and 15 drafted, then 16 a pass


@pytest.mark.parametrize("rule", [SURE, LOSSLESS, LEFT_TO_RIGHT])
def test_length_is_a_bound(rule: DecodeRule) -> None:
    denoiser = Scripted("x" * 100)
    done = run(denoiser, max_tokens=20, rule=rule)
    assert (done.text, done.stopped) == ("x" * 20, "length")
    assert max(map(len, denoiser.proposed)) < 20


@pytest.mark.parametrize("rule", [SURE, LOSSLESS, LEFT_TO_RIGHT])
def test_the_stop_rule_cuts(rule: DecodeRule) -> None:
    done = run(
        FakeDenoiser("one\ntwo"), rule=rule, stop=lambda text: text.find("\n") if "\n" in text else None
    )
    assert (done.text, done.stopped) == ("one", "rule")


def test_a_passed_deadline_gives_what_is_settled() -> None:
    done = run(Scripted("return 42"), rule=LEFT_TO_RIGHT, deadline=Deadline.after_ms(0))
    assert (done.text, done.stopped) == ("r", "deadline")


def test_a_passed_deadline_does_not_take_what_is_only_proposed() -> None:
    done = run(FakeDenoiser("return 42"), rule=LOSSLESS, deadline=Deadline.after_ms(0))
    assert (done.text, done.stopped) == ("r", "deadline")


def test_cancel_stops_before_the_next_pass() -> None:
    cancel = CancelToken()
    steps: list[int] = []

    def cancel_at_third(_: Canvas, step: int, __: bool) -> None:
        steps.append(step)
        if step == 3:
            cancel.cancel()

    with pytest.raises(Cancelled):
        run(Scripted("return 42"), rule=LEFT_TO_RIGHT, cancel=cancel, on_step=cancel_at_third)
    assert steps == [1, 2, 3]


@pytest.mark.parametrize("rule", [SURE, LOSSLESS, LEFT_TO_RIGHT])
def test_the_healed_piece_is_held_to(rule: DecodeRule) -> None:
    done = run(FakeDenoiser("xyz"), heal=b"ab", max_tokens=4, rule=rule)  # would say something else
    assert done.text == "abz"


@pytest.mark.parametrize("rule", [SURE, LOSSLESS, LEFT_TO_RIGHT])
def test_the_healed_piece_does_not_count_as_length(rule: DecodeRule) -> None:
    done = run(FakeDenoiser("abcdefgh"), heal=b"ab", max_tokens=4, rule=rule)
    assert (done.text, done.stopped) == ("abcdef", "length")


@pytest.mark.parametrize("rule", [SURE, LOSSLESS, LEFT_TO_RIGHT])
def test_a_beginning_to_avoid_is_avoided_behind_white_space_too(rule: DecodeRule) -> None:
    denoiser = Scripted(" \n", plausible={0: " ", 1: "x"})
    (newline,) = denoiser.codec.encode("\n")
    avoid = [Avoided(np.array([newline]), 0.05)]
    assert run(denoiser, rule=rule, avoid=avoid).text == " x"


def test_confidence_is_the_geometric_mean() -> None:
    denoiser = Scripted("ab", plausible={1: "c"})
    done = run(denoiser, rule=LEFT_TO_RIGHT)
    n = denoiser.codec.n_vocab
    sure, doubtful = 1 / (1 + (n - 1) * np.exp(-12)), 1 / (1.5 + (n - 2) * np.exp(-12))
    assert done.confidence == pytest.approx(float((sure * doubtful) ** 0.5), rel=1e-4)


class Drawn(FakeDenoiser):
    """A base whose next byte depends on all before it, and an adapter that is right now and then.

    Args:
        seed: of everything drawn.
        quality: share of drafted tokens that are what the base would say.
        alphabet: what it speaks.
    """

    def __init__(self, seed: int, quality: float, alphabet: str = "abc \n") -> None:
        super().__init__()
        self._seed, self._quality = seed, quality
        self._tokens = np.array([*self.codec.encode(alphabet), *self.special.end])

    def predict(self, canvas: Canvas, masks: Sequence[int], cancel: CancelToken) -> Prediction:
        settled, proposed = canvas.settled, canvas.proposed
        logits = np.stack([self._base([*settled, *proposed[:n]]) for n in range(len(proposed) + 1)])
        drafts = tuple(self._draft([*settled, *proposed[:n]], n_masks) for n, n_masks in enumerate(masks))
        return Prediction(logits, drafts, 1, len(logits) + sum(masks))

    def _base(self, before: Sequence[int]) -> npt.NDArray[np.float32]:
        rng = np.random.default_rng((self._seed, 0, *before))
        logits = np.full(self.codec.n_vocab, -20.0, dtype=np.float32)
        logits[self._tokens] = rng.integers(0, 6, len(self._tokens))  # equals among them
        logits[self._tokens[-1]] -= 3
        return logits

    def _draft(self, before: Sequence[int], n_slots: int) -> npt.NDArray[np.float32]:
        rng = np.random.default_rng((self._seed, 1, *before))
        text = [*before, int(self._base(before).argmax())]
        logits = np.zeros((n_slots, self.codec.n_vocab), dtype=np.float32)
        for row in logits:
            text.append(int(self._base(text).argmax()))
            drafted = text[-1] if rng.random() < self._quality else rng.choice(self._tokens)
            row[drafted] = rng.choice([2.0, 6.0, 8.0, 20.0])
        return logits


def line_end(text: str) -> int | None:
    return text.find("\n") if "\n" in text else None


StopRules: list[Callable[[str], int | None]] = [lambda _: None, line_end]


@given(
    seed=st.integers(0, 2**31),
    quality=st.floats(0, 1),
    row_worth=st.floats(0.001, 0.9),
    agreement=st.lists(st.floats(0, 1), max_size=8),
    heal=st.sampled_from([b"", b"a", b"ab", b"b c", b"xyz"]),
    avoids=st.booleans(),
    max_tokens=st.integers(1, 40),
    stop=st.sampled_from(StopRules),
)
def test_lossless_gives_what_left_to_right_gives_in_no_more_passes(
    seed: int,
    quality: float,
    row_worth: float,
    agreement: list[float],
    heal: bytes,
    avoids: bool,
    max_tokens: int,
    stop: Callable[[str], int | None],
) -> None:
    denoiser = Drawn(seed, quality)
    rule = DecodeRule(tuple(sorted(agreement, reverse=True)), row_worth, plausible=0.3, sure=0.5)
    blank = np.array([*denoiser.special.end, *denoiser.codec.line_ends])
    task = {"heal": heal, "stop": stop, "avoid": [Avoided(blank, 0.05)] if avoids else []}
    plain = run(denoiser, max_tokens, rule=LEFT_TO_RIGHT, **task)
    lossless = run(denoiser, max_tokens, rule=rule.decoded("lossless"), **task)
    assert (lossless.text, lossless.tokens, lossless.stopped) == (plain.text, plain.tokens, plain.stopped)
    assert lossless.confidence == pytest.approx(plain.confidence)
    assert lossless.forwards <= plain.forwards
    assert plain.text.encode().startswith(heal) or heal.startswith(plain.text.encode())


@given(
    seed=st.integers(0, 2**31),
    plausible=st.floats(0.01, 1),
    sure=st.floats(0.01, 2),
    heal=st.sampled_from([b"", b"a", b"ab", b"b c", b"xyz"]),
    max_tokens=st.integers(1, 40),
)
def test_parallel_keeps_to_the_task(
    seed: int, plausible: float, sure: float, heal: bytes, max_tokens: int
) -> None:
    rule = DecodeRule((0.9, 0.8, 0.7, 0.6), 0.01, plausible, sure)
    denoiser = Drawn(seed, 0.8)
    done = run(denoiser, max_tokens, rule=rule, heal=heal, stop=line_end)
    assert len(done.tokens) <= len(heal) + max_tokens
    assert "\n" not in done.text
    assert done.text.encode().startswith(heal) or done.stopped == "rule"
    assert done.stopped in ("end", "rule", "length")


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
