"""The loop for models that fill slots in any order, with a scripted model: ends, lengths, healing, limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.denoising.canvas import MASKED, Canvas
from engine.denoising.commit import CommitRule
from engine.denoising.denoise import Avoided, Denoised, Task
from engine.denoising.denoise_slots import EXPANSIONS, denoise_slots
from engine.denoising.denoiser import Encoded, PlainTokens, Reading, Scores
from engine.denoising.diffusion import Diffusion
from engine.denoising.tokens import TokenCodec
from engine.errors import Cancelled
from engine.types import CancelToken, Deadline, ModelInfo

CODEC = TokenCodec.of_bytes(["<end>", "<mask>", "<expand>", "<delete>"])
END, MASK, EXPAND, DELETE = (CODEC.id_of(f"<{name}>") or 0 for name in ("end", "mask", "expand", "delete"))

KIND = Diffusion(
    "full", 0, "mask", "in_place", MASK, None, None, (), (), block=0, window=8, rule=CommitRule()
)


@dataclass
class Scripted:
    """Wants one text, whatever the length of its canvas, later slots more surely; counts its passes.

    Attributes:
        text: ids it wants from the start of the canvas on; its last one is repeated.
        kind: of model.
        in_place: whether text follows the canvas.
        best: the length it is surest with when all is masked; 0 for any.
    """

    text: Sequence[int]
    kind: Diffusion = KIND
    in_place: bool = True
    best: int = 0
    length: int | None = None
    seen: list[list[int]] = field(default_factory=list)
    fresh: list[bool] = field(default_factory=list)
    info: ModelInfo = field(default_factory=lambda: ModelInfo("s", "f32", "x", "x", None, CODEC.n_vocab))
    special: PlainTokens = field(
        default_factory=lambda: PlainTokens((), (), frozenset({END}), sees_suffix=True)
    )

    @property
    def diffusion(self) -> Diffusion:
        return self.kind

    @property
    def rule(self) -> CommitRule:
        return self.kind.rule

    def encode(self, context: Sequence[int], cancel: CancelToken) -> Encoded:
        return Encoded(len(context), 0, 0)

    def offset(self, n_settled: int) -> int:
        return n_settled

    def ends_with_window(self) -> bool:
        return self.in_place

    def foregone(self, settled: Sequence[int], cancel: CancelToken) -> Scores | None:
        return None

    def windows(self, n_settled: int, room: int) -> tuple[int, ...]:
        if self.length is not None:
            return (max(self.length - n_settled, 1),)
        return tuple(n for n in (2, 4, 8) if n <= room) if self.best else (min(self.kind.window, room),)

    def wanted(self, settled: Sequence[int], slots: np.ndarray) -> list[int]:
        start = len(settled)
        return [self.text[min(start + i, len(self.text) - 1)] for i in range(len(slots))]

    def score(
        self,
        settled: Sequence[int],
        slots: np.ndarray,
        cancel: CancelToken,
        *,
        fresh: bool = True,
        previous: np.ndarray | None = None,
    ) -> Scores:
        cancel.check()
        self.seen.append(slots.tolist())
        self.fresh.append(fresh)
        logits = np.zeros((len(slots), CODEC.n_vocab), dtype=np.float32)
        sure = 9.0 if not self.best or len(slots) == self.best or (slots != MASKED).any() else 4.0
        for slot, token in enumerate(self.wanted(settled, slots)):
            logits[slot, token] = sure + 0.1 * slot
        return Scores(logits, 1, len(slots))

    def read(self, canvas: Sequence[int], cancel: CancelToken) -> Reading:
        raise NotImplementedError

    def compare(self, *_: object) -> list[np.ndarray]:
        raise NotImplementedError

    def forget(self) -> None: ...

    def close(self) -> None: ...


def run(
    model: Scripted,
    max_tokens: int = 40,
    *,
    heal: bytes = b"",
    stop: str | None = None,
    rule: CommitRule | None = None,
    frames: list[Canvas] | None = None,
    **task: object,
) -> Denoised:
    def stops(text: str) -> int | None:
        return text.index(stop) if stop is not None and stop in text else None

    made = Task(heal=heal, max_tokens=max_tokens, stop=stops, **task)  # type: ignore[arg-type]
    note = None if frames is None else lambda canvas, step, last: frames.append(canvas)
    return denoise_slots(
        model,
        CODEC,
        made,
        rule or model.rule,
        cancel=CancelToken(),
        deadline=Deadline(),
        on_step=note,
    )


def ids(text: str) -> list[int]:
    return CODEC.encode(text)


def test_a_window_before_a_suffix_is_the_answer() -> None:
    done = run(Scripted(ids("abcdefgh")))
    assert (done.text, done.stopped, done.forwards) == ("abcdefgh", "end", 8)
    assert len(done.probabilities) == 8 and 0.9 < done.confidence <= 1


def test_slots_are_filled_in_any_order_and_shown() -> None:
    frames: list[Canvas] = []
    run(Scripted(ids("abcdefgh")), frames=frames)
    assert [frame.tokens.tolist().count(MASKED) for frame in frames] == [7, 6, 5, 4, 3, 2, 1, 0]
    assert frames[0].tokens[7] == ids("h")[0]  # the surest first
    assert [frame.n_settled for frame in frames] == [0] * 7 + [8]


def test_from_left_to_right_if_the_rule_says_so() -> None:
    frames: list[Canvas] = []
    run(Scripted(ids("abcd")), rule=CommitRule(order="left_to_right"), frames=frames)
    assert [frame.n_settled for frame in frames] == list(range(1, 9))


@pytest.mark.parametrize("best", [2, 4, 8])
def test_the_length_is_searched_once_a_context(best: int) -> None:
    model = Scripted(ids("abcdefgh"), best=best)
    done = run(model)
    assert (done.text, model.length) == ("abcdefgh"[:best], best)
    assert done.forwards == 3 + best
    again = run(model, start=((ids("x")[0], 0.5),))  # the first token given: so much shorter a window
    assert (again.text, again.forwards) == ("x" + "bcdefgh"[: best - 1], best - 1)


def test_an_end_token_closes_the_slots_behind_it() -> None:
    done = run(Scripted([*ids("ab"), END]))
    assert (done.text, done.stopped) == ("ab", "end")
    assert done.forwards <= 8


def test_windows_follow_one_another_until_an_end() -> None:
    text = "abcdefghijklmnopqrs"
    model = Scripted([*ids(text), END], in_place=False)
    done = run(model)
    assert (done.text, done.stopped) == (text, "end")
    assert max(map(len, model.seen)) == 8


def test_the_stop_rule_looks_at_the_settled_text() -> None:
    done = run(Scripted(ids("ab\ncdefg")), stop="\n")
    assert (done.text, done.stopped) == ("ab", "rule")


@pytest.mark.parametrize("most", [1, 5, 11])
def test_no_more_tokens_than_there_may_be(most: int) -> None:
    done = run(Scripted(ids("a"), in_place=False), max_tokens=most)
    assert (done.text, done.stopped) == ("a" * most, "length")


def test_a_half_typed_piece_comes_first_and_does_not_count() -> None:
    done = run(Scripted(ids("xxxxabc"), in_place=False), max_tokens=3, heal=b"retu")
    assert done.text == "retuabc"


def test_what_is_to_be_avoided_does_not_begin_the_text() -> None:
    avoid = (Avoided(np.array(ids("a")), 0.0),)
    done = run(Scripted(ids("aaaa")), avoid=avoid)
    assert not done.text.startswith("a") and done.text.endswith("aaaaaaa")


def test_alternatives_are_noted_where_they_stand() -> None:
    class Torn(Scripted):
        def score(
            self, settled: Sequence[int], slots: np.ndarray, cancel: CancelToken, **said: object
        ) -> Scores:
            scores = super().score(settled, slots, cancel)
            scores.logits[2, ids("z")[0]] = 8.5
            return scores

    done = run(Torn(ids("abcdefgh")))
    assert [(doubt.slot, doubt.token) for doubt in done.doubts] == [(2, ids("z")[0])]
    given = run(Torn(ids("abcdefgh")), start=tuple((token, 1.0) for token in ids("abc")))
    assert all(doubt.slot >= 3 for doubt in given.doubts)


def test_more_slots_and_fewer() -> None:
    kind = replace(KIND, expand=EXPAND, delete=DELETE, window=2)

    class Growing(Scripted):
        def wanted(self, settled: Sequence[int], slots: np.ndarray) -> list[int]:
            room = len(self.text) - len(slots)
            filled = [*self.text, *[MASK] * len(slots)][: len(slots)]
            if room > 0:
                filled[-1] = EXPAND
            if room < 0:
                filled[len(self.text) :] = [DELETE] * -room
            return filled

    assert run(Growing(ids("abcdefg"), kind=kind)).text == "abcdefg"
    assert run(Growing(ids("a"), kind=replace(kind, window=6))).text == "a"
    assert run(Growing([], kind=kind)).text == ""


def test_a_model_that_only_grows_has_to_fill_what_it_has() -> None:
    kind = replace(KIND, expand=EXPAND, window=2)
    done = run(Scripted([EXPAND], kind=kind), max_tokens=6)
    assert len(done.tokens) <= 6 and EXPAND not in done.tokens
    assert done.forwards <= 6 * (EXPANSIONS + 2)


def test_masking_again_ends_with_no_masks() -> None:
    frames: list[Canvas] = []
    done = run(Scripted(ids("abcdefgh")), rule=CommitRule(remask=True), frames=frames)
    assert (done.text, done.forwards) == ("abcdefgh", 8)
    assert [frame.tokens.tolist().count(MASKED) for frame in frames] == [7, 6, 5, 4, 3, 2, 1, 0]


def test_approximate_passes_lie_between_fresh_ones() -> None:
    model = Scripted(ids("abcdefgh"))
    run(model, rule=CommitRule(refresh=3))
    assert model.fresh == [True, False, False, True, False, False, True, False]


def test_noise_is_denoised_until_nothing_changes() -> None:
    kind = replace(
        KIND,
        attention="causal_context",
        noise="uniform",
        mask=None,
        rule=CommitRule(passes=9, settled_entropy=0.5),
    )
    model = Scripted([*ids("abc"), END], kind=kind, in_place=False)
    done = run(model)
    assert (done.text, done.stopped, done.forwards) == ("abc", "end", 2)
    assert MASKED not in model.seen[0] and model.seen[0] != model.seen[1]
    healed = run(Scripted([*ids("xxabc"), END], kind=kind, in_place=False), heal=b"re")
    assert healed.text == "reabc"


def test_cancelling_and_deadlines() -> None:
    asked = CancelToken()
    asked.cancel()
    task = Task(heal=b"", max_tokens=8, stop=lambda text: None)
    with pytest.raises(Cancelled):
        denoise_slots(Scripted(ids("ab")), CODEC, task, CommitRule(), cancel=asked, deadline=Deadline())
    late = denoise_slots(
        Scripted(ids("ab")), CODEC, task, CommitRule(), cancel=CancelToken(), deadline=Deadline(0.0)
    )
    assert (late.stopped, late.forwards) == ("deadline", 1)


@given(
    st.lists(st.integers(0, 255), min_size=1, max_size=12),
    st.integers(1, 20),
    st.sampled_from(["confidence", "margin", "entropy", "left_to_right"]),
    st.integers(1, 5),
    st.booleans(),
)
def test_whatever_the_rule_a_sure_model_gets_its_text(
    text: list[int], most: int, order: str, per_pass: int, in_place: bool
) -> None:
    rule = CommitRule(order=order, per_pass=per_pass)  # type: ignore[arg-type]
    model = Scripted([*text, END], in_place=in_place, kind=replace(KIND, window=16))
    done = run(model, max_tokens=most, rule=rule)
    assert list(done.tokens) == text[:most]
    assert MASKED not in done.tokens
