"""The accept gate: a raw fill to the text worth showing, or the reason to stay silent.

``tidy`` only ever takes away (and gives line breaks the file's style); ``judge`` only says yes or no. Where
taking something away could harm a right fill, it is done only if the text parses better for it. Knows nothing
of models: a confidence is just a number here.
"""

from __future__ import annotations

import re

from engine.code.brackets import pieces, unmatched
from engine.code.languages import BlockStyle, Language
from engine.code.syntax import error_count, parses_worse
from engine.code.text import newline_of, split_lines

MIN_CONFIDENCE = 0.35
"""The least geometric mean of its tokens' probabilities with which a fill is shown unasked."""

NOTHING_TO_ADD = "nothing to add"
UNSURE = "not sure enough"
REPEATS_NEXT_LINE = "repeats the next line"
REPEATS_LINE_ABOVE = "repeats the line above"
MIN_REPEATED_CHARS = 3
"""Shorter texts repeat what stands behind them by chance."""

REPEATS_REST = "repeats what follows on the line"
COMMENTS_OUT = "would make a comment of what follows on the line"
PARSES_WORSE = "would not parse"

MIN_LINE_CHARS = 3
"""A line with fewer characters that are not white space (``}``, ``);``) may stand twice for good reasons."""

MAX_TRUSTED_ERRORS = 8
"""A text with more errors than someone typing makes is full of what its grammar cannot read, such as macros;
there a right line may well add another."""

_N_REPEATS = 3
_N_BLOCK_REPEATS = 4
_MAX_BLOCK_LINES = 4
_MAX_OVERLAP_LINES = 32
_WINDOW_CHARS = 20_000

_NEWLINE = re.compile(r"\r\n|\r|\n")
_BLANK_LINES = re.compile(r"(?:[ \t]*(?:\r\n|\r|\n))+(?=.*\S)")
_CLOSERS_AHEAD = re.compile(r"\s*((?:[)\]}][;,]?\s*)+)")
_CLOSERS_BEHIND = re.compile(r"(?:[)\]}][;,]?\s*)+$")
_CLOSERS = ("", ")", "]", "}")
_NOT_BRACKET = re.compile(r"[^)\]}]")
_WORD = re.compile(r"[^\W\d_]{3}")


def tidy(prefix: str, fill: str, suffix: str, language: Language, *, single_line: bool) -> str:
    """``fill`` without what repeats its surroundings or itself.

    Args:
        prefix: all text before the hole.
        fill: what the model wrote.
        suffix: all text behind the hole.
        language: the language of the text.
        single_line: keep the first line only; with its newline where the hole is a whole line.
    """
    fill = _with_newlines_of(prefix, fill, suffix)
    if single_line:
        fill = _first_line(prefix, fill, suffix, language)
    fill = _without_loop(prefix, fill)
    fill = _without_next_lines(prefix, fill, suffix)
    fill = _without_rest_of_line(prefix, fill, suffix, language)
    fill = _without_closers(prefix, fill, suffix, language)
    return _without_trailing_space(prefix, fill, suffix)


def judge(
    prefix: str, fill: str, suffix: str, language: Language, *, confidence: float, automatic: bool
) -> str | None:
    """Why a tidied fill should not be shown; None where it should.

    Args:
        prefix: all text before the hole.
        fill: the fill as it would be inserted.
        suffix: all text behind the hole.
        language: the language of the text.
        confidence: geometric mean of the tokens' probabilities, 0 to 1.
        automatic: nobody asked for it: it must be sure, new, and parse no worse than the text without it.
    """
    if not fill.strip() and (automatic or not _parts_code(prefix, fill, suffix, language)):
        return NOTHING_TO_ADD
    if not automatic:
        return None
    if not confidence >= MIN_CONFIDENCE:  # a NaN is not sure either
        return UNSURE
    if reason := _repetition(prefix, fill, suffix) or _spoils_rest(prefix, fill, suffix, language):
        return reason
    return PARSES_WORSE if _parses_worse(prefix, fill, suffix, language) else None


def _with_newlines_of(prefix: str, fill: str, suffix: str) -> str:
    file_newline = newline_of(prefix + suffix)
    if file_newline == "\r\n":
        split = prefix.endswith("\r") and fill.startswith("\n")
        return fill[:split] + re.sub(r"(?<!\r)\n", "\r\n", fill[split:])
    if file_newline == "\n" and "\r" in fill and "\r" not in prefix and "\r" not in suffix:
        return fill.replace("\r\n", "\n")
    return fill


def _first_line(prefix: str, fill: str, suffix: str, language: Language) -> str:
    whole_line = _at_line_start(prefix)
    if whole_line and (blank := _BLANK_LINES.match(fill)):
        fill = fill[blank.end() :]
    newline = _NEWLINE.search(fill)
    if newline is None:
        return fill
    line, with_newline = fill[: newline.start()], fill[: newline.end()]
    if whole_line or not suffix:
        return with_newline
    if suffix[0] in "\r\n" or not line.strip():
        return line
    worse = _errors(prefix, with_newline, suffix, language) > _errors(prefix, line, suffix, language)
    return line if worse else with_newline


def _without_loop(prefix: str, fill: str) -> str:
    """Cut behind the first of several identical lines, or blocks of lines, that go on to the end.

    Where something else follows, they are meant: rows of a table, say.
    """
    lines = split_lines(fill)
    above = [line for line in split_lines(prefix[-_WINDOW_CHARS:])[-1:] if _at_line_start(prefix)]
    keys = [line.rstrip() for line in above + lines]
    for size in range(1, _MAX_BLOCK_LINES + 1):
        n_repeats = _N_REPEATS if size == 1 else _N_BLOCK_REPEATS
        for start in range(len(keys) - size * n_repeats + 1):
            block = keys[start : start + size]
            if _trivial("".join(block)) or (size > 1 and "" in (block[0], block[-1])):
                continue
            if keys[start : start + size * n_repeats] != block * n_repeats:
                continue
            rest = keys[start:]
            more = (block * (len(rest) // size + 1))[: len(rest)]
            if rest[:-1] == more[:-1] and more[-1].startswith(rest[-1]):  # the last line may be unfinished
                return "".join(lines[: max(start - len(above), 0) + size])
    return fill


def _without_next_lines(prefix: str, fill: str, suffix: str) -> str:
    """Drop last lines that are the suffix's next ones; a fill that is nothing else stays for ``judge``."""
    lines = split_lines(fill)
    first_whole = 0 if _at_line_start(prefix) else 1
    rows = [row for row in range(first_whole, len(lines)) if lines[row].strip()]
    ahead, rest = _lines_ahead(prefix, fill, suffix)
    for n_lines in range(min(len(rows), len(ahead), _MAX_OVERLAP_LINES), 0, -1):
        if [lines[row].rstrip() for row in rows[-n_lines:]] != ahead[:n_lines]:
            continue
        if all(map(_trivial, ahead[:n_lines])):
            continue
        kept = "".join(lines[: rows[-n_lines]])
        if not kept.strip() or (rest and not kept.rstrip().endswith(rest)):
            continue
        if rest:
            return kept.rstrip()
        return kept.rstrip() + (kept[len(kept.rstrip()) :] if _keeps_newlines(prefix, suffix) else "")
    return fill


def _without_rest_of_line(prefix: str, fill: str, suffix: str, language: Language) -> str:
    """Drop the rest of the current line where the fill ends in it."""
    rest = _rest_of_line(suffix).rstrip()
    if rest.strip() in _CLOSERS or _at_line_start(prefix):
        return fill
    written = fill.rstrip()
    for tail in dict.fromkeys((rest, rest.lstrip())):
        kept = written[: len(written) - len(tail)]
        if not written.endswith(tail) or not kept.strip():
            continue
        gain = _errors(prefix, fill, suffix, language) - _errors(prefix, kept, suffix, language)
        if gain > 0 or (gain == 0 and _WORD.search(tail)):
            return kept
    return fill


def _without_closers(prefix: str, fill: str, suffix: str, language: Language) -> str:
    """Drop closing brackets the fill has too many of and the suffix begins with."""
    ahead, behind = _CLOSERS_AHEAD.match(suffix), _CLOSERS_BEHIND.search(fill)
    if ahead is None or behind is None:
        return fill
    n_surplus = len(unmatched(fill, language).closers)
    theirs = _NOT_BRACKET.sub("", ahead[1])
    positions = [behind.start() + at for at, char in enumerate(behind[0]) if char in ")]}"]
    best = fill
    lowest: tuple[int, int] | None = None
    for n_dropped in range(1, min(n_surplus, len(theirs), len(positions)) + 1):
        if _NOT_BRACKET.sub("", behind[0])[-n_dropped:] != theirs[:n_dropped]:
            continue
        if lowest is None:
            lowest = _score(prefix, fill, suffix, language)
        kept = _rejoined(fill[: positions[-n_dropped]], suffix)
        score = _score(prefix, kept, suffix, language)
        if score < lowest:
            best, lowest = kept, score
    return best


def _without_trailing_space(prefix: str, fill: str, suffix: str) -> str:
    if suffix[:1] not in ("\n", "\r") or not fill.strip():
        return fill
    if not _at_line_start(prefix):
        fill = re.sub(r"(?:\r\n|\r|\n)[ \t]*$", "", fill)
    return fill.rstrip(" \t")


def _repetition(prefix: str, fill: str, suffix: str) -> str | None:
    """Which neighbour the lines the fill makes repeat, as a reason; None where they are new."""
    written = _whole_lines(prefix, fill)
    ahead, rest = _lines_ahead(prefix, fill, suffix)
    if rest or all(map(_trivial, written)):
        return None
    if written == ahead[: len(written)]:
        return REPEATS_NEXT_LINE
    above = [line.rstrip() for line in split_lines(_before_line(prefix)[-_WINDOW_CHARS:]) if line.strip()]
    return REPEATS_LINE_ABOVE if written == above[-len(written) :] else None


def _spoils_rest(prefix: str, fill: str, suffix: str, language: Language) -> str | None:
    """What a fill does to the rest of its last line that it should not, as a reason; None for nothing."""
    rest, said = _rest_of_line(suffix).strip(), fill.strip()
    if not rest or fill.endswith(("\n", "\r")):
        return None
    if len(said) >= MIN_REPEATED_CHARS and rest.startswith(said):
        return REPEATS_REST
    if not unmatched(rest, language).closers:  # it may be meant as the rest of a comment
        return None
    line = _whole_lines(prefix, fill)[-1]
    mark, n_before = language.line_comment, 0 if _NEWLINE.search(fill) else len(line) - len(fill.rstrip())
    comments = [
        line[start:end] for kind, start, end in pieces(line, language) if kind == "#" and start >= n_before
    ]
    return COMMENTS_OUT if mark and comments and comments[-1].startswith(mark) else None


def _whole_lines(prefix: str, fill: str) -> list[str]:
    """The lines the fill makes, what stands before it on its first line included; blank ones left out."""
    lines = split_lines(prefix[len(_before_line(prefix)) :] + fill)
    return [line.rstrip() for line in lines if line.strip()]


def _lines_ahead(prefix: str, fill: str, suffix: str) -> tuple[list[str], str]:
    """The suffix's next lines that are not blank, and what stands before them on the fill's last line."""
    window = suffix[:_WINDOW_CHARS]
    rest = ""
    if not _at_line_start(prefix) and not fill.endswith(("\n", "\r")):
        line = _rest_of_line(window)
        rest, window = line.strip(), window[len(line) :]
    lines = [line.rstrip() for line in split_lines(window) if line.strip()]
    return lines[: _MAX_OVERLAP_LINES + 1], rest


def _trivial(line: str) -> bool:
    return len("".join(line.split())) < MIN_LINE_CHARS


def _at_line_start(prefix: str) -> bool:
    return prefix[-1:] in ("", "\n", "\r")


def _before_line(prefix: str) -> str:
    """``prefix`` without its last, unfinished line."""
    return prefix[: max(prefix.rfind("\n"), prefix.rfind("\r")) + 1]


def _rest_of_line(suffix: str) -> str:
    newline = _NEWLINE.search(suffix)
    return suffix[: newline.start()] if newline else suffix


def _keeps_newlines(prefix: str, suffix: str) -> bool:
    """Whether a newline at the fill's end is the end of its own line and not of one the suffix has."""
    return _at_line_start(prefix) or suffix[:1] not in ("", "\n", "\r")


def _rejoined(kept: str, suffix: str) -> str:
    """A fill cut before a closer, without the white space that stood before the closer and comes again."""
    if suffix[:1] in ("\n", "\r"):
        return kept.rstrip()
    if suffix[:1] in (" ", "\t"):
        return kept.rstrip(" \t")
    return kept


def _parts_code(prefix: str, fill: str, suffix: str, language: Language) -> bool:
    """Whether white space says something: it parts two words or two lines of code, or indents one."""
    if not fill or not _rest_of_line(suffix).strip():
        return False
    if prefix[len(_before_line(prefix)) :].strip():
        return bool(_NEWLINE.search(fill)) or bool(re.search(r"\w\Z", prefix) and re.match(r"\w", suffix))
    return language.block is BlockStyle.COLON and fill[-1] not in "\r\n"


def _parses_worse(prefix: str, fill: str, suffix: str, language: Language) -> bool:
    without = prefix + suffix
    if error_count(without, language) > MAX_TRUSTED_ERRORS:
        return False
    if not parses_worse(prefix + fill + suffix, without, language):
        return False
    # The first line of something longer is no mistake: look again with what it leaves open closed.
    code = fill.rstrip()
    closed = (code + closing + fill[len(code) :] for closing in _closings(prefix, fill, language))
    return all(parses_worse(prefix + whole + suffix, without, language) for whole in closed)


def _closings(prefix: str, fill: str, language: Language) -> list[str]:
    """What may close the brackets and the block a fill leaves open."""
    pairs = {"(": ")", "[": "]", "{": "}"}
    brackets = "".join(pairs[bracket] for bracket, _ in reversed(unmatched(fill, language).openers))
    last_line = (prefix[-_WINDOW_CHARS:] + fill.rstrip()).splitlines()[-1]
    ends = language.block_ends if re.search(language.opener, last_line) else ()
    return ([brackets] if brackets else []) + [f"{brackets}\n{end}" for end in ends]


def _errors(prefix: str, fill: str, suffix: str, language: Language) -> int:
    return error_count(prefix + fill + suffix, language)


def _score(prefix: str, fill: str, suffix: str, language: Language) -> tuple[int, int]:
    """How broken the text is, less being better: parse errors, then unmatched brackets near the hole."""
    near = prefix[-_WINDOW_CHARS:] + fill + suffix[:_WINDOW_CHARS]
    return _errors(prefix, fill, suffix, language), unmatched(near, language).count
