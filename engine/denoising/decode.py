"""A canvas to text, by the loop that suits the model: one verifies drafts, one fills slots in any order."""

from __future__ import annotations

from typing import cast

from engine.denoising.commit import CommitRule
from engine.denoising.denoise import Denoised, StepListener, Task, denoise
from engine.denoising.denoise_slots import denoise_slots
from engine.denoising.denoiser import AnyDenoiser, Denoiser, SlotDenoiser
from engine.denoising.schedule import DecodeRule
from engine.denoising.tokens import TokenCodec
from engine.errors import UsageError
from engine.types import CancelToken, Deadline

AnyRule = DecodeRule | CommitRule


def decode(
    denoiser: AnyDenoiser,
    codec: TokenCodec,
    task: Task,
    rule: AnyRule,
    *,
    cancel: CancelToken,
    deadline: Deadline,
    on_step: StepListener | None = None,
) -> Denoised:
    """Fill one canvas in the denoiser's current context; the rule is of the denoiser's own kind.

    See ``engine.denoising.denoise.denoise`` and ``engine.denoising.denoise_slots.denoise_slots``.

    Raises:
        Cancelled: asked to stop.
    """
    if isinstance(rule, CommitRule):
        slots = cast(SlotDenoiser, denoiser)
        return denoise_slots(slots, codec, task, rule, cancel=cancel, deadline=deadline, on_step=on_step)
    drafts = cast(Denoiser, denoiser)
    return denoise(drafts, codec, task, rule, cancel=cancel, deadline=deadline, on_step=on_step)


def verifying(denoiser: AnyDenoiser, what: str) -> Denoiser:
    """A denoiser that verifies drafts.

    Args:
        denoiser: any.
        what: is asked of it, for people.

    Raises:
        UsageError: it fills slots in any order.
    """
    if isinstance(denoiser.rule, CommitRule):
        raise UsageError(
            f"{what} is for models that verify drafts; {denoiser.info.name} fills slots in any order",
            "Choose another with `--model`.",
        )
    return denoiser
