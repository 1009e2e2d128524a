"""The settings of a training run. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, field

from export.data import Shape
from export.noise import NoiseRule


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of a run.

    Attributes:
        rank: of the adapter.
        shape, noise: of the samples.
        batch: samples a step.
        steps: of the whole run; the last ``cooldown`` of them bring the rate down to zero.
        warmup: steps that bring it up.
        learning_rate: of AdamW, in between.
        weight_decay: of AdamW.
        distillation: weight of the base's distribution in the targets, the text's token having the rest.
        slot_decay: weight of a slot in the loss, relative to the slot before it.
        visible_weight: weight of slots whose answer is visible, relative to masked ones.
        gated: whether context stays on the base. Otherwise it runs through the adapter, too, which is for
            comparison alone: the base could not verify behind such a cache.
        own_answers: share of samples that are answers of the base itself, where the corpus has some.
        vocabulary: how many tokens are scored.
        seed: of everything drawn.
    """

    rank: int = 32
    shape: Shape = field(default_factory=Shape)
    noise: NoiseRule = field(default_factory=NoiseRule)
    batch: int = 2
    steps: int = 2000
    warmup: int = 40
    cooldown: int = 400
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    distillation: float = 0.7
    slot_decay: float = 0.9
    visible_weight: float = 0.3
    gated: bool = True
    own_answers: float = 0.5
    vocabulary: int = 24_576
    seed: int = 1

    def rate(self, step: int) -> float:
        """Learning rate of a step, from 0: up, level, down."""
        up = min(1.0, (step + 1) / max(self.warmup, 1))
        down = min(1.0, (self.steps - step) / max(self.cooldown, 1))
        return self.learning_rate * max(0.0, min(up, down))
