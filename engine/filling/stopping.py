"""Where a fill ends, beyond the model's own end tokens. Pure functions of text."""

from __future__ import annotations

from engine.code.languages import Language
from engine.code.regions import DefinitionAround, end_of_statement
from engine.denoising.denoise import StopRule
from engine.filling.ending import begins_anew
from engine.types import FillRequest


def stop_rule(request: FillRequest, language: Language, prefix: str, piece: str, suffix: str) -> StopRule:
    """The rule for one hole.

    Args:
        request: what was asked for.
        language: the language of the text.
        prefix: the text before the hole, healed piece included.
        piece: the healed piece; the settled text begins with it.
        suffix: the text after the hole.
    """
    whole_line = prefix[-1:] in ("", "\n", "\r") and suffix[:1] not in ("", "\n", "\r")
    if request.single_line:
        return lambda text: _line_end(text, len(piece), skip_blank=whole_line, keep_newline=whole_line)
    prose = language.grammar is None
    around = DefinitionAround(prefix, suffix, language)

    def stop(text: str) -> int | None:
        fill = text[len(piece) :]
        if begins_anew(fill, suffix) is not None:
            return len(text)  # what of it goes is cut with the rest in sight
        if "\n" not in fill:
            return None
        fence = -1 if prose else fill.find("\n```")
        if fence >= 0:  # the model has begun to talk about the code
            return len(piece) + fence + 1
        kept = around.kept(fill)
        if request.within_block:
            kept = min(kept, end_of_statement(prefix, fill, language), key=len)
        if len(kept.rstrip()) < len(fill.rstrip()):  # without the blank lines after the block
            return len(piece) + fill.find("\n", len(kept.rstrip())) + 1
        return None

    return stop


def _line_end(text: str, start_char: int, *, skip_blank: bool, keep_newline: bool) -> int | None:
    """Where the first line of ``text[start_char:]`` ends, None while it has not."""
    if skip_blank:
        start_char += len(text[start_char:]) - len(text[start_char:].lstrip("\r\n"))
    newline = text.find("\n", start_char)
    if newline < 0:
        return None
    if keep_newline:
        return newline + 1
    return newline - 1 if newline > start_char and text[newline - 1] == "\r" else newline
