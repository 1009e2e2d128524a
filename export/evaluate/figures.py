"""Answers to figures: shares, passes, times, and a comparison with the base decoded left to right.

Knows nothing of the sets; what a share means is said by its name.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from export.evaluate.answers import Answer

RESAMPLES = 4000
CONFIDENCE = 0.95

WITHIN_MS = (125, 250, 500, 1000, 2000, 4000, 8000)
"""How long an answer may take, in milliseconds, where it is said how many are right by then."""

LEAST_CONFIDENCES = (0.0, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9)
"""What the engine's confidence is compared with, to say how much of what is over it is right."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One mode beside the base, case by case.

    Attributes:
        agreement: share of texts that are the base's, character for character.
        better, worse: cases that are right here and wrong there, and the other way round.
        difference: share of right answers, this mode's minus the base's.
        interval: 95 % interval of the difference: a bootstrap over sources, since cases of one source
            are not independent.
    """

    agreement: float
    better: int
    worse: int
    difference: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Shown:
    """What would be shown if a confidence were asked for, and how much of that is right.

    Attributes:
        confidence: the least that is shown.
        shown: share of all answers.
        right: share of those shown; 0 where none is.
    """

    confidence: float
    shown: float
    right: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures over the answers of one mode.

    Attributes:
        problems: how many.
        shares: the set's verdict first (such as ``pass_at_1``), then what else it counts.
        empty: share of empty texts.
        tokens_per_forward: committed tokens over all passes, those of the context included.
        tokens_per_canvas_forward: the same without passes that only encoded context.
        rows_per_token: rows computed per committed token, context rows left out. These three are None
            where nobody counted.
        median_ms, p95_ms: time of an answer.
        right_within: by milliseconds, the share of all cases that are right and answered by then. What a
            deadline would cut short counts as wrong.
        groups: problems and shares by kind of case.
        calibration: by the least confidence, lowest first; empty where nobody recorded confidences.
        against_base: None for the base itself.
    """

    problems: int
    shares: Mapping[str, float]
    empty: float
    tokens_per_forward: float | None
    tokens_per_canvas_forward: float | None
    rows_per_token: float | None
    median_ms: float
    p95_ms: float
    right_within: Mapping[int, float]
    groups: Mapping[str, Mapping[str, float]]
    calibration: Sequence[Shown]
    against_base: Comparison | None

    def as_json(self) -> dict[str, Any]:
        """A JSON object: the shares stand among the other figures."""
        compared = self.against_base
        return {
            "problems": self.problems,
            **self.shares,
            "empty": self.empty,
            "tokens_per_forward": self.tokens_per_forward,
            "tokens_per_canvas_forward": self.tokens_per_canvas_forward,
            "rows_per_token": self.rows_per_token,
            "median_ms": self.median_ms,
            "p95_ms": self.p95_ms,
            "right_within_ms": {str(ms): share for ms, share in self.right_within.items()},
            **({} if not self.groups else {"groups": {name: dict(of) for name, of in self.groups.items()}}),
            **({"calibration": [asdict(shown) for shown in self.calibration]} if self.calibration else {}),
            "agreement": 1.0 if compared is None else compared.agreement,
            "better": 0 if compared is None else compared.better,
            "worse": 0 if compared is None else compared.worse,
            "difference": 0.0 if compared is None else compared.difference,
            "difference_interval": [0.0, 0.0] if compared is None else list(compared.interval),
        }


def summarise(answers: Sequence[Answer], verdict: str, base: Sequence[Answer] | None = None) -> Figures:
    """Figures over judged answers.

    Args:
        answers: of one mode, at least one.
        verdict: what the share of right answers is called.
        base: the base's answers to the same cases in the same order.
    """
    texts = [text for answer in answers for text in answer.reply.texts]
    replies = [answer.reply for answer in answers]
    tokens = sum(reply.tokens for reply in replies)
    forwards = sum(reply.forwards for reply in replies)
    canvas_forwards = forwards - sum(reply.context_forwards for reply in replies)
    rows = sum(reply.rows for reply in replies)
    times = sorted(reply.ms for reply in replies)
    groups = sorted({answer.group for answer in answers} - {""})
    return Figures(
        problems=len(answers),
        shares=_shares(answers, verdict),
        empty=_share(sum(not text.strip() for text in texts), len(texts)),
        tokens_per_forward=_rate(tokens, forwards),
        tokens_per_canvas_forward=_rate(tokens, canvas_forwards),
        rows_per_token=_rate(rows, tokens) if rows else None,
        median_ms=round(statistics.median(times), 1),
        p95_ms=times[min(len(times) - 1, int(0.95 * len(times)))],
        right_within={
            ms: _share(sum(a.right and a.reply.ms <= ms for a in answers), len(answers)) for ms in WITHIN_MS
        },
        groups={name: _group([a for a in answers if a.group == name], verdict) for name in groups},
        calibration=_calibration(answers),
        against_base=None if base is None else compare(answers, base),
    )


def compare(answers: Sequence[Answer], base: Sequence[Answer]) -> Comparison:
    """Answers beside the base's to the same cases, in the same order."""
    pairs = list(zip(answers, base, strict=True))
    assert all(ours.case == theirs.case for ours, theirs in pairs), "other cases"
    texts = [
        mine == other
        for ours, theirs in pairs
        for mine, other in zip(ours.reply.texts, theirs.reply.texts, strict=True)
    ]
    gains = [int(ours.right) - int(theirs.right) for ours, theirs in pairs]
    return Comparison(
        agreement=_share(sum(texts), len(texts)),
        better=gains.count(1),
        worse=gains.count(-1),
        difference=round(sum(gains) / len(gains), 4),
        interval=_interval(gains, [ours.source for ours, _ in pairs]),
    )


def table_rows(modes: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The figures of every mode as rows of text: a figure's name, then its value in each mode.

    Args:
        modes: ``Figures.as_json`` by mode; all of one set.
    """
    flat = {mode: dict(_flat(figures)) for mode, figures in modes.items()}
    names = list(dict.fromkeys(name for values in flat.values() for name in values))
    return [(name, *(values.get(name, "") for values in flat.values())) for name in names]


def _flat(figures: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name, value in figures.items():
        title = name.replace("_", " ")
        if name == "groups":
            for group, of in value.items():
                for part, number in of.items():
                    yield f"{group}: {part.replace('_', ' ')}", str(number)
        elif name == "right_within_ms":
            for ms, share in value.items():
                yield f"right within {ms} ms", str(share)
        elif name == "calibration":
            for of in value:
                yield f"shown from confidence {of['confidence']}", f"{of['shown']}, {of['right']} right"
        elif isinstance(value, list):
            yield title, " to ".join(f"{number:+}" for number in value)
        else:
            yield title, "—" if value is None else str(value)


def _group(answers: Sequence[Answer], verdict: str) -> dict[str, float]:
    return {"problems": len(answers), **_shares(answers, verdict)}


def _shares(answers: Sequence[Answer], verdict: str) -> dict[str, float]:
    names = list(dict.fromkeys(name for answer in answers for name in answer.shares))
    return {
        verdict: _share(sum(answer.right for answer in answers), len(answers)),
        **{
            name: _share(
                sum(answer.shares[name].hits for answer in answers if name in answer.shares),
                sum(answer.shares[name].of for answer in answers if name in answer.shares),
            )
            for name in names
        },
    }


def _calibration(answers: Sequence[Answer]) -> list[Shown]:
    """Of the answers that say something, how many are over each confidence, and how much of them is right."""
    said = [
        (answer.reply.confidence, answer.right)
        for answer in answers
        if answer.reply.confidence is not None and answer.reply.status == "ok"
    ]
    found = []
    for least in LEAST_CONFIDENCES if said else ():
        verdicts = [right for confidence, right in said if confidence >= least]
        shown, right = _share(len(verdicts), len(answers)), _share(sum(verdicts), len(verdicts))
        found.append(Shown(least, shown, right))
    return found


def _rate(amount: int, of: int) -> float | None:
    return round(amount / of, 3) if of else None


def _share(hits: float, of: float) -> float:
    return round(hits / of, 4) if of else 0.0


def _interval(gains: Sequence[int], sources: Sequence[str]) -> tuple[float, float]:
    """The interval of the mean gain when whole sources are drawn again; the same for the same answers."""
    names = {source: at for at, source in enumerate(dict.fromkeys(sources))}
    sums, counts = np.zeros(len(names)), np.zeros(len(names))
    for gain, source in zip(gains, sources, strict=True):
        sums[names[source]] += gain
        counts[names[source]] += 1
    draws = np.random.default_rng(0).multinomial(len(names), [1 / len(names)] * len(names), size=RESAMPLES)
    means = (draws @ sums) / (draws @ counts)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return round(float(low), 4), round(float(high), 4)
