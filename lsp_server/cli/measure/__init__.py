"""What ``unmask bench`` measures beyond one machine's latency: peers side by side, growth, ceilings.

`workloads` says what is asked, `peers` and `llama` who answers, `compare` asks them in turn; `tables` and
`plot` show it. `growth` and `roofline` measure the model alone. Importing this imports nothing else.
"""

from __future__ import annotations

from typing import Literal, get_args

Kind = Literal["unmask", "llama", "uncached", "transformers"]
"""Kinds of peers; our own are always asked."""

KINDS: tuple[Kind, ...] = get_args(Kind)

Occasion = Literal["line", "body", "holes", "rewrite"]
"""What peers are asked: see ``workloads``."""

OCCASIONS: tuple[Occasion, ...] = get_args(Occasion)

COMPARED_LINES = 12
"""Lines that every peer writes in a comparison by default."""
