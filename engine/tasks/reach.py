"""An excerpt to the rule that ends its rewriting: where the answer, going on in the file, reaches the rest.

The model writes on from what stands before the selection, so it also writes what stands behind it. It has
come to the end where it reaches the lines behind, leaves the block of the selection, or begins an example
of its own. Pure functions of text.
"""

from __future__ import annotations

import re

from engine.code.brackets import unmatched
from engine.code.languages import Language
from engine.denoising.denoise import StopRule
from engine.tasks.excerpt import Excerpt, indent_width

MAX_LANDMARK_LINES = 3
"""How many lines behind the selection may be needed to tell that an answer has come to its end."""

MIN_LANDMARK_CHARS = 8
"""A line of this length that is contained in another one is taken for the same (``async def f():``)."""

_EXAMPLE = re.compile(
    r"^(?:#|//|--)+\s*(?:example|usage|test(?:ing)? the|test cases?|driver code)\b", re.IGNORECASE
)
_HEADER = re.compile(r"(?:\w+\s+)+\w+(?=\s*[(<:{])")
_CLOSER = re.compile(r"^[)\]}]+[;,)]*$|^(?:end|fi|done|esac)\b")


def end_rule(excerpt: Excerpt, language: Language) -> StopRule:
    """Where an answer in the place of an excerpt ends, in characters; see ``engine.denoising.denoise``."""
    tail, _, rest = excerpt.after.partition("\n")
    inside = [line.rstrip() for line in excerpt.inside.split("\n") if line.strip()]
    if tail.strip():
        return lambda text: _before_tail(text, tail)
    if not excerpt.starts_line and len(inside) == 1:
        return lambda text: _statement_end(text, language)
    following = [line.rstrip() for line in rest.split("\n") if line.strip()]
    landmark = _landmark(inside, following)
    least = min((indent_width(line) for line in inside if not _CLOSER.match(line.strip())), default=0)
    shows_examples = any(_EXAMPLE.match(line.strip()) for line in inside)

    def ends(text: str) -> int | None:
        lines = text.split("\n")
        filled = [
            (at, line.rstrip()) for at, line in enumerate(lines[:-1]) if line.strip()
        ]  # the last is open
        if not filled:
            return None
        at, newest = filled[-1]
        run = filled[-len(landmark) :] if landmark else []
        if len(run) == len(landmark) > 0 and all(
            _same(line, mark) for (_, line), mark in zip(run, landmark, strict=True)
        ):
            at = run[0][0]
        elif not (
            (indent_width(newest) < least and (at > 0 or excerpt.starts_line))
            or (not shows_examples and language.line_comment and _EXAMPLE.match(newest))
        ):
            return None
        return len("\n".join(lines[:at]))

    return ends


def _before_tail(text: str, tail: str) -> int | None:
    """Where what stands behind the selection on its line begins."""
    at = text.find(f"{tail}\n")
    return at if at >= 0 else None


def _statement_end(text: str, language: Language) -> int | None:
    """The end of the first line at which no bracket is open."""
    at = text.find("\n")
    while at >= 0:
        if not unmatched(text[:at], language).openers:
            return at
        at = text.find("\n", at + 1)
    return None


def _landmark(inside: list[str], following: list[str]) -> list[str]:
    """The first lines behind the selection that do not also stand in it; none if there are no such lines."""
    for n in range(1, min(MAX_LANDMARK_LINES, len(following)) + 1):
        run = following[:n]
        if not any(
            all(_same(line, mark) for line, mark in zip(inside[at : at + n], run, strict=True))
            for at in range(len(inside) - n + 1)
        ):
            return run
    return []


def _same(line: str, mark: str) -> bool:
    """Whether a line of an answer is one of the file, perhaps with other parameters or a modifier more."""
    if line == mark:
        return True
    if indent_width(line) != indent_width(mark):
        return False
    bare, header = mark.strip(), _HEADER.match(mark.strip())
    if header is not None:
        return re.search(rf"(?:^|\s){re.escape(header[0])}(?!\w)", line) is not None
    return len(bare) >= MIN_LANDMARK_CHARS and bare in line
