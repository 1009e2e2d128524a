"""Text around a hole to the context a model sees, within a budget: suffix first, then prefix.

The canvas follows the prefix directly, so typing only ever appends to the context and everything
before it stays cached. Models without infilling markers have the text as it stands, with the canvas in its
place, or the prefix alone. Where the file does not fit, the window starts at a place that stays the same
while the user types, preceded by the landmarks (imports, enclosing signatures) that stand before it.
Knows nothing of models; which lines are landmarks is asked of the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.denoising.canvas import MASKED
from engine.denoising.denoiser import PlainTokens, SpecialTokens
from engine.denoising.tokens import TokenCodec
from engine.types import Related, Span

SUFFIX_SHARE = 0.25
LANDMARK_SHARE = 0.25
MAX_RELATED_SHARE = 0.5
TOKENS_PER_ANCHOR_LINE = 64
"""A window starts at a line whose number is a multiple of the budget divided by this (16 for 1,024 tokens);
if it could start at any line, each new line would move it, and the cache would be lost."""
COLUMNS = 8
"""Where that would leave less than half of the window, it starts at a character whose number is a multiple of
the budget divided by this."""
MAX_CHARS_PER_TOKEN = 12
"""No more characters than this per token of budget are looked at, however long the file."""

Landmarks = Callable[[], Sequence[Span]]


@dataclass(frozen=True, slots=True)
class Layout:
    """What to encode for one hole.

    Attributes:
        context: token ids, markers included; ``MASKED`` where the canvas stands, else it follows.
        heal: bytes of the unfinished piece before the hole; the canvas must begin with them.
        truncated: whether parts of the text were left out.
    """

    context: list[int]
    heal: bytes
    truncated: bool


def lay_out(
    prefix: str,
    suffix: str,
    codec: TokenCodec,
    special: SpecialTokens | PlainTokens,
    *,
    budget_tokens: int,
    heal: bool,
    landmarks: Landmarks,
    related: Sequence[Related] = (),
    related_tokens: int = 0,
) -> Layout:
    """Build the context for the hole between two texts.

    Args:
        prefix: everything before the hole.
        suffix: everything after it.
        codec: the model's tokenizer.
        special: the model's infilling markers, or what it has in their place.
        budget_tokens: the most tokens the context may have.
        heal: whether the unfinished piece at the end of the prefix moves into the canvas.
        landmarks: spans of ``prefix`` worth keeping, in order; asked only if the prefix does not fit.
        related: what other files offer; stands before everything else, so that no keystroke moves it.
        related_tokens: the most tokens of the budget that this may take.
    """
    budget = max(budget_tokens - 3, 8)
    related_ids = _related_ids(related, codec, min(related_tokens, int(budget * MAX_RELATED_SHARE)))
    budget -= len(related_ids)
    seen = isinstance(special, SpecialTokens) or special.sees_suffix
    suffix_budget = int(budget * SUFFIX_SHARE) if seen else 0
    suffix_head = suffix[: suffix_budget * MAX_CHARS_PER_TOKEN]
    suffix_ids = codec.encode(suffix_head)
    suffix_cut = len(suffix_ids) > suffix_budget or len(suffix_head) < len(suffix)
    suffix_ids = suffix_ids[:suffix_budget]

    kept, piece = codec.split_for_healing(prefix) if heal else (prefix, "")
    anchor_lines = max(budget_tokens // TOKENS_PER_ANCHOR_LINE, 1)
    prefix_ids, prefix_cut = _prefix_ids(kept, codec, budget - len(suffix_ids), anchor_lines, landmarks)
    truncated = suffix_cut or prefix_cut
    if isinstance(special, SpecialTokens):
        context = [
            *related_ids,
            special.fim_prefix,
            special.fim_suffix,
            *suffix_ids,
            special.fim_middle,
            *prefix_ids,
        ]
    elif special.sees_suffix:
        context = [*special.opening, *related_ids, *prefix_ids, MASKED, *suffix_ids, *special.closing]
    else:
        context = [*special.opening, *related_ids, *prefix_ids]
    return Layout(context or codec.encode("\n"), piece.encode("utf-8"), truncated)


def _related_ids(related: Sequence[Related], codec: TokenCodec, budget: int) -> list[int]:
    """Token ids of the signatures of other files that fit, file by file, each under its path."""
    ids: list[int] = []
    for file in related:
        head = codec.encode(f"{file.path}\n")
        left = budget - len(ids) - len(head)
        chosen: list[int] = []
        for signature in file.signatures:
            more = codec.encode(f"{signature}\n") if len(signature) <= left * MAX_CHARS_PER_TOKEN else []
            if more and len(chosen) + len(more) <= left:
                chosen += more
        ids += [*head, *chosen] if chosen else []
    return ids


def _prefix_ids(
    prefix: str, codec: TokenCodec, budget: int, anchor_lines: int, landmarks: Landmarks
) -> tuple[list[int], bool]:
    """Token ids of as much of a prefix as fits, and whether anything was left out."""
    if len(prefix) <= budget * MAX_CHARS_PER_TOKEN:
        ids = codec.encode(prefix)
        if len(ids) <= budget:
            return ids, False
    kept_lines = _landmark_text(prefix, codec, int(budget * LANDMARK_SHARE), landmarks)
    near_budget = budget - int(budget * LANDMARK_SHARE)
    anchor = _anchor_char(prefix, codec, near_budget, anchor_lines)
    near_ids = codec.encode(prefix[anchor:])[-near_budget:]
    head_ids = codec.encode("".join(text for start, text in kept_lines if start < anchor))
    return [*head_ids, *near_ids], True


def _anchor_char(prefix: str, codec: TokenCodec, budget: int, anchor_lines: int) -> int:
    """Where the window near the hole starts: a steady line, or a steady column where lines are too long."""
    floor = max(0, len(prefix) - budget * MAX_CHARS_PER_TOKEN)
    offsets = codec.start_chars(prefix[floor:])
    n_fit = min(len(offsets), budget)
    earliest, latest = floor + offsets[-n_fit], floor + offsets[-(n_fit // 2)]
    line_number = prefix.count("\n", 0, earliest)
    start = prefix.find("\n", earliest) + 1
    while 0 < start <= latest:
        line_number += 1
        if line_number % anchor_lines == 0:
            return start
        start = prefix.find("\n", start) + 1
    step = max(budget // COLUMNS, 1)  # no steady line within reach: a multiple of this many characters
    return min(-(-earliest // step) * step, len(prefix))


def _landmark_text(
    prefix: str, codec: TokenCodec, budget: int, landmarks: Landmarks
) -> list[tuple[int, str]]:
    """Landmarks that fit the budget, the nearest ones first to be chosen, in file order."""
    chosen: list[tuple[int, str]] = []
    for span in reversed(landmarks()):
        text = prefix[span.start_char : span.end_char]
        text = text if text.endswith("\n") else text + "\n"
        if len(text) <= budget * MAX_CHARS_PER_TOKEN and (cost := len(codec.encode(text))) <= budget:
            budget -= cost
            chosen.append((span.start_char, text))
    return sorted(chosen)
