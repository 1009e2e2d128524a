"""What tells one family of diffusion models from another: values, as they stand in a manifest.

Pure data. The engine looks at these and never at a family's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.denoising.commit import CommitRule

Attention = Literal["full", "block_causal", "causal_context"]
Noise = Literal["mask", "uniform"]
Placing = Literal["in_place", "suffix_prefix", "prefix"]

FAMILIES = (
    "llada",
    "dream",
    "dreamon",
    "open-dcoder",
    "a2d",
    "a2d-block",
    "fast-dllm",
    "sdar",
    "diffusion-gemma",
)
"""Published families of diffusion models, by the names manifests give them."""


@dataclass(frozen=True, slots=True)
class Diffusion:
    """One family's values.

    Attributes:
        attention: ``full``: every token sees every other. ``block_causal``: a token sees its own block and
            the ones before it. ``causal_context``: the context sees what is before it, the canvas all of it
            and itself.
        shift: 1 where the output at a token speaks for the next, 0 where it speaks for the token itself.
        noise: what stands in an open slot: the mask token, or any token at all.
        placing: where the canvas stands. ``in_place``: between prefix and suffix. ``suffix_prefix``: behind
            both, set off by infilling markers. ``prefix``: behind the prefix; the suffix is not seen.
        mask: id of the mask token; None with uniform noise.
        expand: id of the token that asks for two masks in its place; None where there is none.
        delete: id of the token that asks for its slot to go; None where there is none.
        opening, closing: ids around the text.
        block: length of a block; 0 where attention is full.
        window: slots that are denoised together where the suffix does not end the canvas.
        rule: how slots are filled by default.
    """

    attention: Attention
    shift: int
    noise: Noise
    placing: Placing
    mask: int | None
    expand: int | None
    delete: int | None
    opening: tuple[int, ...]
    closing: tuple[int, ...]
    block: int
    window: int
    rule: CommitRule
