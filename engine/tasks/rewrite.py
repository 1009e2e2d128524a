"""The task ``rewrite``: a selection and an instruction to the selection rewritten."""

from __future__ import annotations

from engine import languages
from engine.chat import Turn
from engine.errors import UsageError
from engine.tasks import Edited, refused
from engine.types import EditRequest
from engine.workbench import Workbench

_SYSTEM = "You are a careful programmer. You answer with code only."


def run(bench: Workbench, request: EditRequest) -> Edited:
    """Rewrite what is selected as the instruction says.

    Raises:
        UsageError: there is no instruction.
        Cancelled: asked to stop.
    """
    if not (request.instruction or "").strip():
        raise UsageError("a rewrite without an instruction", "Say what to change.")
    language = languages.by_id(request.language)
    question = f"{request.instruction}\n\n```{language.id}\n{request.selected}\n```"
    answer = bench.write(
        [Turn("system", _SYSTEM), Turn("user", question)],
        opening=f"```{language.id}\n",
        stop=_fence,
        max_tokens=request.max_tokens,
    )
    if not answer.ended:
        return refused("the answer did not come to its end")
    span = request.span
    new = answer.text.rstrip("\n") + ("\n" if request.selected.endswith("\n") else "")
    text = request.text[: span.start_char] + new + request.text[span.end_char :]
    return Edited(text, (span,), confidence=answer.confidence)


def _fence(text: str) -> int | None:
    end = text.find("\n```")
    return None if end < 0 else end
