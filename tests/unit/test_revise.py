"""The search for a fill without faults."""

from __future__ import annotations

from dataclasses import dataclass

from engine.code.faults import Faults
from engine.denoising.denoise import Denoised, Doubt
from engine.filling.revise import Start, revise

CLEAN = Faults(0, 0)


@dataclass(frozen=True)
class Tried:
    denoised: Denoised
    faults: Faults


def tried(tokens: tuple[int, ...], errors: int, *doubts: Doubt) -> Tried:
    chances = tuple(0.5 for _ in tokens)
    return Tried(Denoised("", tokens, chances, 0.5, 1, 1, "end", doubts), Faults(errors, 0))


def doubt(slot: int, token: int, nats: float) -> Doubt:
    return Doubt(slot, token, nats, 0.25)


class Retrying:
    """Every retry in order; what comes of a start is looked up, else a fault."""

    def __init__(self, outcomes: dict[tuple[int, ...], Tried]) -> None:
        self.outcomes, self.starts = outcomes, list[Start]()

    def __call__(self, start: Start) -> Tried:
        self.starts.append(start)
        tokens = tuple(token for token, _ in start)
        return self.outcomes.get(tokens, tried(tokens, 1))

    @property
    def asked(self) -> list[tuple[int, ...]]:
        return [tuple(token for token, _ in start) for start in self.starts]


def test_the_least_unlikely_alternative_is_tried_first_and_the_first_clean_one_ends_it() -> None:
    first = tried((1, 2, 3), 1, doubt(0, 9, 2.0), doubt(2, 8, 0.5), doubt(1, 7, 1.0))
    retry = Retrying({(1, 7): tried((1, 7, 4), 0)})
    best = revise(first, retry, tries=8, go_on=lambda: True)
    assert retry.asked == [(1, 2, 8), (1, 7)]
    assert best.denoised.tokens == (1, 7, 4)
    assert retry.starts[1] == ((1, 0.5), (7, 0.25))  # with the probability of each


def test_what_a_retry_is_in_doubt_of_joins_the_search_at_its_whole_price() -> None:
    first = tried((1, 2), 1, doubt(0, 9, 1.0), doubt(1, 8, 1.4))
    outcomes = {(9,): tried((9, 5), 1, doubt(1, 6, 0.3)), (9, 6): tried((9, 6), 0)}
    retry = Retrying(outcomes)
    revise(first, retry, tries=8, go_on=lambda: True)
    assert retry.asked == [(9,), (9, 6)]  # 1.0 + 0.3 before 1.4


def test_nothing_is_tried_without_a_fault_or_beyond_the_limits() -> None:
    clean = tried((1,), 0, doubt(0, 2, 0.1))
    assert revise(clean, Retrying({}), tries=8, go_on=lambda: True) is clean
    first = tried((1,), 2, *(doubt(0, token, token) for token in range(2, 9)))
    retry = Retrying({})
    assert revise(first, retry, tries=3, go_on=lambda: True).faults == Faults(1, 0)
    assert len(retry.starts) == 3
    assert revise(first, Retrying({}), tries=3, go_on=lambda: False) is first


def test_of_equal_ones_the_likelier_stays() -> None:
    first = tried((1, 2), 1, doubt(0, 3, 1.0))
    assert revise(first, Retrying({}), tries=2, go_on=lambda: True) is first
