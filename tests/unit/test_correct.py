"""Self-correction: what is wrong is put right, what is right stays, and never more than the rule allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.denoising.correct import CorrectionRule, correct
from engine.denoising.denoiser import TOP, Reading
from engine.denoising.fake import FakeDenoiser
from engine.engine import Engine
from engine.errors import Cancelled
from engine.types import CancelToken

ALPHABET = "abcdefgh"
Table = npt.NDArray[np.float32]
"""Log-probability of each letter ``[.., n_letters]``: by slot, or by the letter before it."""


class Speller(FakeDenoiser):
    """A model of eight letters, every pass of which is recorded.

    Args:
        by_slot: what it says of each slot, whatever stands before it.
        by_letter: what it says after each letter; added to ``by_slot``.
        cancel_at: the pass at which somebody asks it to stop.
    """

    def __init__(
        self, by_slot: Table | None = None, by_letter: Table | None = None, cancel_at: int | None = None
    ) -> None:
        super().__init__()
        n_letters = len(ALPHABET)
        self.letters = [self.codec.encode(letter)[0] for letter in ALPHABET]
        self._by_slot = np.zeros((0, n_letters)) if by_slot is None else by_slot
        self._by_letter = np.zeros((n_letters, n_letters)) if by_letter is None else by_letter
        self._cancel_at = cancel_at
        self.read_texts: list[str] = []
        self.compared: list[tuple[int, list[str]]] = []

    def spell(self, text: str) -> list[int]:
        return self.codec.encode(text)

    def scores(self, tokens: Sequence[int]) -> Table:
        """Of every letter in every slot ``[n, n_letters]``."""
        known = [self.letters.index(token) for token in tokens]
        rows = np.zeros((len(known), len(ALPHABET)), dtype=np.float32)
        for slot in range(len(known)):
            rows[slot] += self._by_slot[slot] if slot < len(self._by_slot) else 0.0
            rows[slot] += self._by_letter[known[slot - 1]] if slot else 0.0
        return rows

    def log_probs(self, tokens: Sequence[int]) -> Table:
        rows = self.scores(tokens)
        return rows[np.arange(len(rows)), [self.letters.index(token) for token in tokens]]

    def read(self, canvas: Sequence[int], cancel: CancelToken) -> Reading:
        self.read_texts.append(self.codec.decode(canvas))
        self._recorded(cancel)
        rows = self.scores(canvas)
        top = np.argsort(-rows, axis=-1, kind="stable")[:, :TOP]
        ids = np.array(self.letters, dtype=np.int64)[top]
        return Reading(self.log_probs(canvas), ids, np.take_along_axis(rows, top, -1), 1, len(canvas))

    def compare(
        self, before: Sequence[int], branches: Sequence[Sequence[int]], cancel: CancelToken
    ) -> list[npt.NDArray[np.float32]]:
        self.compared.append((len(before), [self.codec.decode(branch) for branch in branches]))
        self._recorded(cancel)
        return [self.log_probs([*before, *branch])[len(before) :] for branch in branches]

    def _recorded(self, cancel: CancelToken) -> None:
        if self._cancel_at == len(self.read_texts) + len(self.compared):
            cancel.cancel()
        self._pass(cancel)


def slots(*said: Mapping[str, float]) -> Table:
    """What is said of each slot: letters it knows, all others at -20."""
    rows = np.full((len(said), len(ALPHABET)), -20.0, dtype=np.float32)
    for row, letters in zip(rows, said, strict=True):
        for letter, value in letters.items():
            row[ALPHABET.index(letter)] = value
    return rows


def corrected(speller: Speller, text: str, tail: str = "", **rule: float) -> str:
    tokens = correct(
        speller,
        speller.spell(text),
        speller.spell(tail),
        CorrectionRule(**rule),  # type: ignore[arg-type]
        CancelToken(),
    )
    return speller.codec.decode(tokens)


def fake(answer: str) -> FakeDenoiser:
    denoiser = FakeDenoiser(answer)
    special = denoiser.special
    denoiser.encode([special.fim_prefix, special.fim_suffix, special.fim_middle], CancelToken())
    return denoiser


@pytest.mark.parametrize("spoilt", ["return x + 1", "xeturn x + 1", "return x - 2", "rrrrrr x + 1"])
def test_wrong_tokens_are_found_and_put_right(spoilt: str) -> None:
    denoiser = fake("return x + 1")
    tokens = correct(denoiser, denoiser.codec.encode(spoilt), [], CorrectionRule(), CancelToken())
    assert denoiser.codec.decode(tokens) == "return x + 1"


def test_a_right_canvas_is_read_once_and_returned() -> None:
    speller = Speller(slots({"a": 0.0}, {"b": 0.0}, {"c": 0.0}))
    assert corrected(speller, "abc") == "abc"
    assert (speller.read_texts, speller.compared) == (["abc"], [])


def test_the_most_doubtful_slots_come_first_and_no_more_than_the_rule_says() -> None:
    speller = Speller(slots({"a": 0.0, "h": -16.0}, {"b": 0.0, "h": -18.0}, {"c": 0.0, "h": -17.0}))
    assert corrected(speller, "hhh", most=2) == "hbc"
    assert [slot for slot, _ in speller.compared] == [1, 2]
    assert corrected(speller, "hhh", most=0) == "hhh"
    assert corrected(speller, "hhh") == "abc"


def test_a_slot_that_stays_is_tried_once() -> None:
    speller = Speller(slots({"a": 0.0, "h": -3.0}, {"b": 0.0}))
    assert corrected(speller, "hb", doubt=2.0, gain=4.0) == "hb"
    assert [slot for slot, _ in speller.compared] == [0]


@pytest.mark.parametrize(("gap", "after"), [(1.9, "h"), (2.1, "h"), (3.9, "h"), (4.0, "a"), (9.0, "a")])
def test_a_change_must_gain_enough(gap: float, after: str) -> None:
    speller = Speller(slots({"a": 0.0, "h": -gap}))
    assert corrected(speller, "h", doubt=2.0, gain=4.0) == after
    assert bool(speller.compared) == (gap >= 2.0)


def test_what_follows_decides() -> None:
    """The slot alone speaks for one letter, the text behind it for another."""
    by_letter = np.full((8, 8), -1.0, dtype=np.float32)
    by_letter[ALPHABET.index("a"), ALPHABET.index("d")] = -12.0
    said = slots({"a": 0.0, "h": -5.0, "b": -1.0}, {"d": 0.0})
    assert corrected(Speller(said, by_letter), "hd", gain=4.0) == "bd"
    assert corrected(Speller(said, by_letter), "hd", gain=4.5) == "hd"
    assert corrected(Speller(said, by_letter), "hd", gain=4.5, ahead=0) == "ad"
    assert corrected(Speller(said, by_letter), "h", "d", gain=4.5) == "h"  # known text counts as well
    assert corrected(Speller(said, by_letter), "h", gain=4.5) == "a"


def test_a_correction_makes_what_follows_it_worth_another_look() -> None:
    """The second slot is tried first, in vain; behind the corrected first one it is worth the change."""
    by_letter = np.zeros((8, 8), dtype=np.float32)
    first, wrong, right = (ALPHABET.index(letter) for letter in "ahb")
    by_letter[wrong, [wrong, right]] = -19.0, -13.0
    by_letter[first, [wrong, right]] = -10.0, 0.0
    speller = Speller(slots({"a": 0.0, "h": -5.0}, {"b": 0.0, "h": 0.0}), by_letter)
    assert corrected(speller, "hh", gain=8.0) == "ab"
    assert [slot for slot, _ in speller.compared] == [1, 0, 1]


def test_the_tail_is_looked_at_and_never_changed() -> None:
    speller = Speller(slots({"a": 0.0, "h": -9.0}, {"b": 0.0, "h": -9.0}, {"c": 0.0}, {"d": 0.0}))
    assert corrected(speller, "hh", "hhhh", ahead=2) == "ab"
    assert speller.read_texts == ["hhhh", "ahhh", "abhh"]
    assert all(branch.endswith("hh") for _, branches in speller.compared for branch in branches)


@pytest.mark.parametrize("cancel_at", [1, 2, 3])
def test_it_can_be_cancelled_at_every_pass(cancel_at: int) -> None:
    speller = Speller(slots({"a": 0.0, "h": -9.0}), cancel_at=cancel_at)
    with pytest.raises(Cancelled):
        corrected(speller, "h")
    assert len(speller.read_texts) + len(speller.compared) == cancel_at


TABLES = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@given(TABLES, st.text(ALPHABET, min_size=1, max_size=12), st.integers(1, 8))
def test_only_slots_that_gain_enough_change_and_to_the_best(
    rng: np.random.Generator, text: str, gain: int
) -> None:
    """Of a model that looks at no other slot, the outcome is known."""
    table = rng.normal(-5, 4, (len(text), len(ALPHABET))).astype(np.float32)
    speller = Speller(table)
    after = corrected(speller, text, doubt=1.0, gain=float(gain), most=len(text))
    assert len(after) == len(text)
    for row, was, now in zip(table, text, after, strict=True):
        gained = row.max() - row[ALPHABET.index(was)]
        assert now == (ALPHABET[row.argmax()] if gained >= gain else was)


@given(TABLES, st.text(ALPHABET, min_size=1, max_size=10), st.text(ALPHABET, max_size=4), st.integers(0, 6))
def test_every_change_makes_the_whole_likelier(
    rng: np.random.Generator, text: str, tail: str, most: int
) -> None:
    speller = Speller(by_letter=rng.normal(-5, 4, (8, 8)).astype(np.float32))
    after = corrected(speller, text, tail, doubt=0.5, gain=3.0, ahead=14, most=most)
    n_changed = sum(was != now for was, now in zip(text, after, strict=True))
    was, now = (float(speller.log_probs(speller.spell(part + tail)).sum()) for part in (text, after))
    assert n_changed <= len(speller.compared) <= most
    assert now - was >= 3.0 * n_changed - 1e-3


def test_the_engine_reads_the_text_between_its_surroundings() -> None:
    denoiser = FakeDenoiser("a + b")
    engine = Engine(denoiser, denoiser.codec, 512)
    spoilt = denoiser.codec.encode("a * c")
    tokens = engine.correct("def add(a, b):\n    return ", spoilt, "\n", "python")
    assert denoiser.codec.decode(tokens) == "a + b"
    assert denoiser.codec.decode(spoilt) == "a * c"
    context = denoiser.codec.decode(denoiser._context)
    assert context.index("\n") < context.index("def add(a, b):\n    return ")  # suffix first
    strict = CorrectionRule(gain=50.0)
    assert engine.correct("x = ", spoilt, "", "python", rule=strict) == spoilt


def test_the_engine_can_be_cancelled_while_it_corrects() -> None:
    denoiser = FakeDenoiser("a")
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        Engine(denoiser, denoiser.codec, 512).correct("", [97], "", "python", cancel=cancel)
