"""A documentation comment to what of it a new one must not lose: sections to keep, reasons to leave it.

Knows the common forms of sections and tags; of their words nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TREASURES = (
    (re.compile(r"^\W*>>>", re.MULTILINE), "doctests"),
    (re.compile(r"^[ \t]*///[ \t]*```", re.MULTILINE), "code that is run as a test"),
    (
        re.compile(r"@licen[cs]e|@preserve|@copyright|\bcopyright\b|SPDX-|©|\(c\) \d{4}", re.IGNORECASE),
        "a licence",
    ),
)
"""What cannot be written anew, and what it is called."""

_REMADE = frozenset(
    (
        *("Args", "Arguments", "Parameters", "Params", "Returns", "Return"),
        *("param", "parameter", "arg", "return", "returns", "brief"),
    )
)
"""Sections and tags that a new comment has of its own where they are called for."""
_SECTION = re.compile(
    r"""^[ \t]*(?:
        (?P<google>Args|Arguments|Parameters|Params|Returns?|Raises|Yields|Examples?|Notes?|Warnings?|Warns
            |See\ Also|References|Attributes|Todo|Deprecated|Keyword\ Arg(?:ument)?s|Usage):[ \t]*$
        |(?P<numpy>[A-Z][A-Za-z ]+)\n[ \t]*-{3,}[ \t]*$
        |:(?P<field>param|arg|returns?|rtype|type|raises?|except(?:ion)?|yields?)\b[^:\n]*:
        |\.\.[ ](?P<directive>[\w-]+)::
    )""",
    re.MULTILINE | re.VERBOSE,
)
_QUOTED = re.compile(r"""[rRuU]?(?P<quotes>\"{3}|'{3})(?P<inner>.*)(?P=quotes)""", re.DOTALL)
_TAG = re.compile(r"[@\\](\w+)")
_MARGIN = re.compile(r"[ \t]*(?:/\*\*|\*(?!/)|///?)?[ \t]?")
_TAILS = {
    "rust": re.compile(r"#+ "),
    "go": re.compile(r"Deprecated:|BUG\(|# "),
    "cpp": re.compile(r"[@\\](?!brief)"),
}
"""How a line begins from which on comments of single lines are kept."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a docstring.

    Attributes:
        name: its heading, or the name of a field: ``Raises``, ``rtype``.
        text: all of it, from its indentation on, without a line end behind it.
    """

    name: str
    text: str


def treasure(comment: str) -> str | None:
    """What a comment holds that cannot be written anew; None where there is nothing of the kind."""
    return next((what for pattern, what in _TREASURES if pattern.search(comment)), None)


def kept_sections(docstring: str) -> list[Section]:
    """The sections of a docstring, quotes included, that a new one would not have, in order."""
    quoted = _QUOTED.fullmatch(docstring.replace("\r\n", "\n"))
    if quoted is None or '"""' in quoted["inner"]:
        return []
    text = quoted["inner"]
    found = list(_SECTION.finditer(text))
    starts = [*(match.start() for match in found), len(text)]
    sections = [
        Section(next(filter(None, match.groups())), text[match.start() : end].rstrip())
        for match, end in zip(found, starts[1:], strict=True)
    ]
    return [section for section in sections if section.name not in _REMADE]


def kept_tags(comment: str) -> list[str]:
    """The lines of the tags of a comment, such as ``@deprecated``, that a new one would not have."""
    kept: list[str] = []
    keeps = False
    for line in _lines(comment):
        tag = _TAG.match(line)
        keeps = keeps if tag is None else tag[1] not in _REMADE
        kept += [line] if keeps else []
    return _trimmed(kept)


def kept_tail(comment: str, language_id: str) -> list[str]:
    """The lines of a comment of single lines from its first heading or tag on."""
    lines = _lines(comment)
    first = next((at for at, line in enumerate(lines) if _TAILS[language_id].match(line)), len(lines))
    return _trimmed(lines[first:])


def _lines(comment: str) -> list[str]:
    """What a comment says, without what marks it as one."""
    inner = comment.strip().removesuffix("*/")
    return [line[_margin(line) :].rstrip() for line in inner.splitlines()]


def _margin(line: str) -> int:
    found = _MARGIN.match(line)
    return found.end() if found is not None else 0


def _trimmed(lines: list[str]) -> list[str]:
    while lines and not lines[-1]:
        lines = lines[:-1]
    return lines
