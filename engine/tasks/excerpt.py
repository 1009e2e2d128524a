r"""A selection to the text that a model is shown, and its answer back to what stands in the file.

The model sees whole lines without their common indentation and with ``\n`` alone; white space around the
selection, indentation and line endings are the file's again when the answer is put back. Knows no model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from engine.code.text import newline_of
from engine.types import Span

_LINE_END = re.compile(r"\r\n|\r|\n")
_INDENT = re.compile(r"[ \t]*")
_BLANK = " \t\r\n\f"


@dataclass(frozen=True, slots=True)
class Style:
    """How a text is laid out: the end of its lines, and one step of its indentation."""

    newline: str
    step: str


@dataclass(frozen=True)
class Excerpt:
    """What is selected in a text, the white space at its ends left out.

    Attributes:
        text: the whole text.
        span: the selection without white space at its ends; empty where nothing else is selected.
    """

    text: str
    span: Span

    @classmethod
    def of(cls, text: str, selection: Span) -> Excerpt:
        """The excerpt of a selection."""
        selected = text[selection.start_char : selection.end_char]
        if not selected.strip(_BLANK):
            return cls(text, Span(selection.start_char, selection.start_char))
        start_char = selection.start_char + len(selected) - len(selected.lstrip(_BLANK))
        return cls(text, Span(start_char, start_char + len(selected.strip(_BLANK))))

    @property
    def before(self) -> str:
        r"""The text before, lines ended by ``\n``, without white space that begins the selection's line."""
        return _LINE_END.sub(
            "\n", self.text[: self._line_start if self.starts_line else self.span.start_char]
        )

    @property
    def inside(self) -> str:
        r"""The selection as it stands, lines ended by ``\n``, with white space that begins its line."""
        return "\n".join(self._lines)

    @property
    def after(self) -> str:
        r"""The text after, lines ended by ``\n``."""
        return _LINE_END.sub("\n", self.text[self.span.end_char :])

    @cached_property
    def shown(self) -> str:
        """The selection as the model sees it."""
        return "\n".join(line[len(self.margin) :] if line.strip() else "" for line in self._lines)

    @cached_property
    def margin(self) -> str:
        """The indentation that all its lines have."""
        lines = self._lines if self.starts_line else self._lines[1:]
        return _common([_indent(line) for line in lines if line.strip()])

    def put_back(self, answer: str, *, in_place: bool = False) -> str:
        """The whole text with an answer in the place of the selection.

        Args:
            answer: what was made of ``shown``, with any common indentation.
            in_place: whether it is indented as it will stand, having been made of ``inside``.
        """
        style = style_of(self.text)
        lines = indented_like(_dedented(answer, keep=in_place), style, self.shown)
        put = lines if in_place else [self.margin + line if line else "" for line in lines]
        if not self.starts_line:
            put[0] = lines[0].lstrip()
        elif put[0].startswith(self._head):
            put[0] = put[0][len(self._head) :]
        else:
            put[0] = put[0].lstrip()
        new = style.newline.join(put)
        return self.text[: self.span.start_char] + new + self.text[self.span.end_char :]

    @cached_property
    def _lines(self) -> list[str]:
        """The lines of the selection, the first with what stands before it if that is white space."""
        core = self.text[self.span.start_char : self.span.end_char]
        return _LINE_END.split((self._head if self.starts_line else "") + core)

    @property
    def _head(self) -> str:
        return self.text[self._line_start : self.span.start_char]

    @property
    def starts_line(self) -> bool:
        """Whether only white space stands before the selection on its line."""
        return not self._head.strip(" \t")

    @property
    def _line_start(self) -> int:
        before = self.text[: self.span.start_char]
        return max(before.rfind("\n"), before.rfind("\r")) + 1


def style_of(text: str) -> Style:
    """How a text is laid out; four spaces where it has no indentation."""
    indents = [indent for line in _LINE_END.split(text) if line.strip() and (indent := _indent(line))]
    if sum("\t" in indent for indent in indents) * 2 > len(indents):
        return Style(newline_of(text), "\t")
    widths = [len(indent) for indent in indents if "\t" not in indent and len(indent) > 1]
    step = next((n for n in (2, 3, 4, 8) if _share(widths, n) > 0.9 and n in widths), 4)
    return Style(newline_of(text), " " * step)


def indented_like(lines: list[str], style: Style, old: str) -> list[str]:
    """Lines with the file's kind of indentation, if the old text had none of the other kind.

    Args:
        lines: lines of an answer.
        style: the file's.
        old: the text the answer is about.
    """
    answered = style_of("\n".join(lines))
    tabs, old_has_spaces = style.step == "\t", re.search(r"^ +\S", old, re.MULTILINE)
    old_has_tabs = re.search(r"^ *\t", old, re.MULTILINE)
    if tabs == (answered.step == "\t") or (old_has_spaces if tabs else old_has_tabs):
        return lines
    changed = []
    for line in lines:
        indent = _indent(line)
        depth, rest = divmod(len(indent.replace("\t", answered.step) if tabs else indent), len(answered.step))
        changed.append(style.step * depth + " " * rest + line[len(indent) :])
    return changed


def _dedented(answer: str, *, keep: bool) -> list[str]:
    """The lines of an answer without blank ones at its ends, without common indentation unless it is kept."""
    lines = _LINE_END.split(answer)
    while lines and not lines[0].strip():
        del lines[0]
    while lines and not lines[-1].strip():
        del lines[-1]
    if not lines:
        return [""]
    lines[-1] = lines[-1].rstrip()
    if keep:
        return lines
    margin = _common([_indent(line) for line in lines if line.strip()])
    return [line[len(margin) :] if line.strip() else "" for line in lines]


def _common(indents: list[str]) -> str:
    """The longest start that all have; white space of different kinds is not the same."""
    common = min(indents, key=len, default="")
    while not all(indent.startswith(common) for indent in indents):
        common = common[:-1]
    return common


def indent_width(line: str) -> int:
    """Characters of white space before a line."""
    return len(_indent(line))


def _indent(line: str) -> str:
    match = _INDENT.match(line)
    assert match is not None
    return match[0]


def _share(widths: list[int], step: int) -> float:
    return sum(width % step == 0 for width in widths) / len(widths) if widths else 0.0
