"""Sample files with their keystrokes written in them → what a person does in an editor, key by key.

In a sample, ``⟦…⟧`` encloses what is typed while all the rest stands there already; ``⏸`` is a pause to
read, ``⇥`` takes the suggestion on show where it agrees with what comes next, and ``⟨…⟩`` is typed and
deleted again.
The same samples give the same keys at the same intervals every time. Knows nothing of servers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import zip_longest
from random import Random
from typing import Literal

PAUSE_SECONDS = 0.8
REACTION_SECONDS = 0.25
"""From seeing that a suggestion is right to taking it."""

MEDIAN_SECONDS, SPREAD = 0.13, 0.4
"""Intervals of typing: log-normal, of a fluent typist (some 90 words a minute)."""

SHORTEST_SECONDS, LONGEST_SECONDS = 0.05, 0.5
PARTS_A_VISIT = 2
"""How many places of a file are worked on before the next file's turn."""

_LANGUAGES = {"py": "python", "ts": "typescript", "go": "go", "js": "javascript"}
_PART = re.compile("⟦(.*?)⟧", re.DOTALL)
_STROKE = re.compile("⏸|⇥|⟨(.*?)⟩|\n[ \t]*|.", re.DOTALL)

Kind = Literal["type", "delete", "pause", "accept"]


@dataclass(frozen=True, slots=True)
class Stroke:
    """One thing a person does.

    Attributes:
        kind: ``type``, ``delete`` (one character to the left), ``pause`` or ``accept``.
        after_seconds: how long after the stroke before.
        text: what is typed; a line end brings the next line's indentation, as editors have it.
        slip: what is typed here is deleted again.
    """

    kind: Kind
    after_seconds: float
    text: str = ""
    slip: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One place that is worked on.

    Attributes:
        at_char: offset in the text as it stands when all parts before it are written.
        strokes: what is done there.
    """

    at_char: int
    strokes: tuple[Stroke, ...]

    @property
    def text(self) -> str:
        """What stands there in the end."""
        return "".join(stroke.text for stroke in self.strokes if stroke.kind == "type" and not stroke.slip)


@dataclass(frozen=True, slots=True)
class Sample:
    """A file and what is done in it.

    Attributes:
        name: of the file.
        language: LSP language identifier.
        text: what stands in it at first.
        parts: the places that are worked on, in their order.
    """

    name: str
    language: str
    text: str
    parts: tuple[Part, ...]


def shipped() -> list[Sample]:
    """The samples that come with Unmask."""
    files = (resources.files("lsp_server.cli") / "replays").iterdir()
    found = {file.name.removesuffix(".txt"): file for file in files if file.name.endswith(".txt")}
    return [read(name, found[name].read_text(encoding="utf-8")) for name in sorted(found)]


def read(name: str, marked: str) -> Sample:
    """A sample from a file with its keystrokes written in it."""
    random = Random(name)
    pieces = _PART.split(marked)  # what stands, what is typed, what stands, …
    parts: list[Part] = []
    at_char = 0
    for standing, typed in zip(pieces[0::2], pieces[1::2], strict=False):
        at_char += len(standing)
        parts.append(Part(at_char, tuple(_strokes(typed, random))))
        at_char += len(parts[-1].text)
    return Sample(name, _LANGUAGES[name.rpartition(".")[2]], "".join(pieces[0::2]), tuple(parts))


def visits(samples: Sequence[Sample]) -> Iterator[tuple[Sample, Part]]:
    """The order of work: some places of each file in turn, until all are done."""
    queues = [
        [sample.parts[at : at + PARTS_A_VISIT] for at in range(0, len(sample.parts), PARTS_A_VISIT)]
        for sample in samples
    ]
    for round_ in zip_longest(*queues, fillvalue=()):
        for sample, parts in zip(samples, round_, strict=True):
            yield from ((sample, part) for part in parts)


def _strokes(typed: str, random: Random) -> Iterator[Stroke]:
    for match in _STROKE.finditer(typed):
        slip = match[1]
        if slip:
            yield from (Stroke("type", _interval(random), char, slip=True) for char in slip)
            yield Stroke("pause", LONGEST_SECONDS)
            yield from (Stroke("delete", SHORTEST_SECONDS * 2) for _ in slip)
        elif match[0] == "⏸":
            yield Stroke("pause", PAUSE_SECONDS)
        elif match[0] == "⇥":
            yield Stroke("accept", REACTION_SECONDS)
        else:
            yield Stroke("type", _interval(random), match[0])


def _interval(random: Random) -> float:
    drawn = MEDIAN_SECONDS * random.lognormvariate(0.0, SPREAD)
    return min(max(drawn, SHORTEST_SECONDS), LONGEST_SECONDS)
