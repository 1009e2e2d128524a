"""``workspace/executeCommand``: fill, edit, reload, status, and word of an accepted suggestion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lsprotocol import types

from lsp_server import edit_actions, fill_actions, from_lsp, to_lsp
from lsp_server.errors import AnswerUnreadable, RequestFailed

if TYPE_CHECKING:
    from lsp_server.server import Server

RELOAD = "unmask.reload"
STATUS = "unmask.status"


def register(server: Server) -> None:
    """Answer the commands."""
    server.command(to_lsp.FILL)(fill)
    server.command(to_lsp.EDIT)(edit)
    server.command(to_lsp.ACCEPTED)(accepted)
    server.command(RELOAD)(reload)
    server.command(STATUS)(status)


async def fill(ls: Server, params: types.ExecuteCommandParams) -> dict[str, Any]:
    """Fill what the one argument names, and have the editor apply it."""
    target = from_lsp.target(next(iter(params.arguments or []), None))
    _check_applies(ls)
    return await _apply(ls, await fill_actions.edit_for(ls, target, params.work_done_token), "Unmask: fill")


async def edit(ls: Server, params: types.ExecuteCommandParams) -> dict[str, Any]:
    """Do the task that the one argument names, and have the editor apply what comes of it."""
    target = from_lsp.edit_target(next(iter(params.arguments or []), None))
    _check_applies(ls)
    made = await edit_actions.edit_for(ls, target, params.work_done_token)
    return await _apply(ls, made, f"Unmask: {target.kind}")


def _check_applies(ls: Server) -> None:
    if not ls.client_supports("workspace.apply_edit"):
        raise RequestFailed("Unmask: this editor takes no edits from commands.")


async def _apply(ls: Server, made: types.WorkspaceEdit, label: str) -> dict[str, Any]:
    """Have the editor apply an edit, as one step to be undone; an answer that says nothing is a yes."""
    try:
        answer = await ls.workspace_apply_edit_async(types.ApplyWorkspaceEditParams(edit=made, label=label))
    except AnswerUnreadable as error:
        if not error.is_empty:
            raise
        return {"applied": True}
    if not answer.applied:
        raise RequestFailed(
            f"Unmask: the editor did not apply the edit: {answer.failure_reason or 'no reason'}."
        )
    return {"applied": True}


async def accepted(ls: Server, params: types.ExecuteCommandParams) -> None:
    """A suggestion was taken; its number is the one argument."""
    ident = next(iter(params.arguments or []), None)
    if isinstance(ident, int):
        ls.session.suggestions.accepted(ident)


async def reload(ls: Server, _params: types.ExecuteCommandParams) -> dict[str, Any]:
    """Read the settings again and open the engine anew."""
    ls.session.reload()
    return to_lsp.status(ls.session.host.status)


async def status(ls: Server, _params: types.ExecuteCommandParams) -> dict[str, Any]:
    """What the engine is doing, how the suggestions fared, and what they took."""
    told = to_lsp.status(ls.session.host.status)
    return {**told, "counts": dict(ls.session.suggestions.counts), "work": ls.session.effort.told()}
