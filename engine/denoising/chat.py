"""Turns of a conversation to the context of an instruct model: the ChatML template as token ids.

Knows the template's two markers and no model; whether a model has them is asked of its vocabulary.
Source of the template: the chat template of Qwen2.5's tokenizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from engine.denoising.tokens import TokenCodec
from engine.errors import ArtifactError

Role = Literal["system", "user", "assistant"]

TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said."""

    role: Role
    text: str


def chat_context(codec: TokenCodec, turns: Sequence[Turn], answer_start: str = "") -> list[int]:
    """Token ids of a conversation that it is the assistant's turn to go on with.

    Markers written in a turn's text are text: nothing in it can end the turn.

    Args:
        codec: the model's tokenizer.
        turns: what was said, in order.
        answer_start: what the assistant's answer begins with.

    Raises:
        ArtifactError: the vocabulary does not have the template's markers.
    """
    start, end = codec.id_of(TURN_START), codec.id_of(TURN_END)
    if start is None or end is None:
        raise ArtifactError(
            f"this model cannot follow instructions: its vocabulary has no {TURN_START} and {TURN_END}",
            "Choose an instruct model with `--model`.",
        )
    between = codec.encode("\n")
    context: list[int] = []
    for turn in turns:
        context += [start, *codec.encode(f"{turn.role}\n{turn.text}"), end, *between]
    return [*context, start, *codec.encode(f"assistant\n{answer_start}")]
