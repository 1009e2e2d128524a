r"""Two texts to the smallest edits between them: by lines, then by tokens within the changed lines.

Knows nothing of syntax. An edit never starts or ends inside a ``\r\n`` or between the halves of a surrogate
pair.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from engine.code.text import split_lines
from engine.types import Span

# Comparing is quadratic at worst: past these sizes a changed stretch is replaced whole.
_MAX_LINES = 4_000
_MAX_TOKENS = 1_500

_TOKEN = re.compile(r"\r\n|[\ud800-\udbff][\udc00-\udfff]|\w+|[^\S\r\n]+|[\s\S]")


@dataclass(frozen=True, slots=True)
class TextEdit:
    """Replace ``span`` of the old text (in characters) by ``new_text``."""

    span: Span
    new_text: str


def smallest_edits(old: str, new: str) -> tuple[TextEdit, ...]:
    """Edits that make ``new`` of ``old``: in order, disjoint, none of them empty."""
    head = common_head(old, new)
    tail = common_tail(old[head:], new[head:])
    return tuple(_line_edits(old[head : len(old) - tail], new[head : len(new) - tail], head))


def apply(text: str, edits: Iterable[TextEdit]) -> str:
    """``text`` with every edit made; the edits are in order and disjoint, and count in the old text."""
    parts: list[str] = []
    at_char = 0
    for edit in edits:
        assert at_char <= edit.span.start_char and edit.span.end_char <= len(text), edit
        parts += [text[at_char : edit.span.start_char], edit.new_text]
        at_char = edit.span.end_char
    return "".join([*parts, text[at_char:]])


def _line_edits(old: str, new: str, at_char: int) -> Iterator[TextEdit]:
    old_lines, new_lines = split_lines(old), split_lines(new)
    if max(len(old_lines), len(new_lines)) > _MAX_LINES:
        yield from _replacement(old, new, at_char)
        return
    for old_part, new_part, start_char in _changes(old_lines, new_lines, at_char, autojunk=True):
        yield from _token_edits(old_part, new_part, start_char)


def _token_edits(old: str, new: str, at_char: int) -> Iterator[TextEdit]:
    old_tokens, new_tokens = _TOKEN.findall(old), _TOKEN.findall(new)
    if max(len(old_tokens), len(new_tokens)) > _MAX_TOKENS:
        yield from _replacement(old, new, at_char)
        return
    for old_part, new_part, start_char in _changes(old_tokens, new_tokens, at_char, autojunk=False):
        yield from _replacement(old_part, new_part, start_char)


def _changes(
    old: Sequence[str], new: Sequence[str], at_char: int, *, autojunk: bool
) -> Iterator[tuple[str, str, int]]:
    """The stretches that differ: their old text, their new text and the offset of the old."""
    at_item = 0
    for tag, old_start, old_end, new_start, new_end in SequenceMatcher(
        None, old, new, autojunk=autojunk
    ).get_opcodes():
        at_char += sum(map(len, old[at_item:old_start]))
        at_item = old_start
        if tag != "equal":
            yield "".join(old[old_start:old_end]), "".join(new[new_start:new_end]), at_char


def _replacement(old: str, new: str, at_char: int) -> Iterator[TextEdit]:
    if old != new:
        yield TextEdit(Span(at_char, at_char + len(old)), new)


def common_head(old: str, new: str) -> int:
    """Length of the common beginning, ending where both texts may be cut."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old.startswith(new[low:middle], low):
            low = middle
        else:
            high = middle - 1
    while low and (_joined(old, low) or _joined(new, low)):
        low -= 1
    return low


def common_tail(old: str, new: str) -> int:
    """Length of the common end, beginning where both texts may be cut."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old.endswith(new[len(new) - middle : len(new) - low], 0, len(old) - low):
            low = middle
        else:
            high = middle - 1
    while low and (_joined(old, len(old) - low) or _joined(new, len(new) - low)):
        low -= 1
    return low


def _joined(text: str, at_char: int) -> bool:
    r"""Whether a cut at an offset would part a ``\r\n`` or a surrogate pair."""
    pair = text[at_char - 1 : at_char + 1] if at_char else ""
    return pair == "\r\n" or (
        len(pair) == 2 and "\ud800" <= pair[0] <= "\udbff" and "\udc00" <= pair[1] <= "\udfff"
    )
