"""``textDocument/codeAction`` and ``codeAction/resolve``: fills and edit tasks.

Listing offers; only resolving one asks the model, and its answer is one edit however much it changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from lsprotocol import types

from engine.types import EditKind
from lsp_server import edit_actions, fill_actions, from_lsp, to_lsp

if TYPE_CHECKING:
    from lsp_server.server import Server


def register(server: Server) -> None:
    """Answer both methods."""
    kinds = dict.fromkeys([to_lsp.FILL_KIND, *map(to_lsp.edit_kind, get_args(EditKind))])
    options = types.CodeActionOptions(code_action_kinds=[*kinds], resolve_provider=True)
    server.feature(types.TEXT_DOCUMENT_CODE_ACTION, options)(code_action)
    server.feature(types.CODE_ACTION_RESOLVE)(resolve)


async def code_action(ls: Server, params: types.CodeActionParams) -> list[types.CodeAction | types.Command]:
    """What could be done at the selection."""
    document = ls.documents.open_document(params.text_document.uri)
    if document is None:
        return []
    snapshot = ls.session.snapshot(document)
    if ls.session.silent_because(snapshot) is not None:
        return []
    only, fills, edits = params.context.only, [], []
    if _is_wanted(to_lsp.FILL_KIND, only):
        fills = await fill_actions.offers(document, snapshot, params)
    if any(_is_wanted(to_lsp.edit_kind(kind), only) for kind in get_args(EditKind)):
        found = await edit_actions.offers(ls.session, document, snapshot, params)
        edits = [
            offer
            for offer in found
            if _is_wanted(to_lsp.edit_kind(offer[1].kind), only) and edit_actions.is_possible(ls, offer[1])
        ]

    if not ls.client_supports("text_document.code_action.code_action_literal_support"):
        return [
            *(to_lsp.fill_command(title, target) for title, target in fills),
            *(to_lsp.edit_command(title, target) for title, target in edits),
        ]
    resolvable = _resolves(ls)
    diagnostics = params.context.diagnostics
    return [
        *(to_lsp.code_action(title, target, resolvable=resolvable) for title, target in fills),
        *(
            to_lsp.edit_action(
                title, target, diagnostics if target.kind == "repair" else (), resolvable=resolvable
            )
            for title, target in edits
        ),
    ]


async def resolve(ls: Server, action: types.CodeAction) -> types.CodeAction:
    """The action with its edit."""
    if from_lsp.is_edit(action.data):
        action.edit = await edit_actions.edit_for(ls, from_lsp.edit_target(action.data))
    else:
        action.edit = await fill_actions.edit_for(ls, from_lsp.target(action.data))
    return action


def _is_wanted(kind: str, only: object) -> bool:
    """Whether a list of wanted kinds, each standing for all below it, takes a kind in."""
    if not isinstance(only, list | tuple) or not only:
        return only is None
    kinds = [str(getattr(wanted, "value", wanted)) for wanted in only]
    return any(wanted == "" or f"{kind}.".startswith(f"{wanted}.") for wanted in kinds)


def _resolves(ls: Server) -> bool:
    """Whether the client fetches an action's edit when it is chosen, and brings its data along."""
    text_document = ls.client_capabilities.text_document
    support = text_document.code_action if text_document else None
    resolve_support = support.resolve_support if support else None
    return bool(
        support
        and support.data_support
        and resolve_support is not None
        and "edit" in resolve_support.properties
    )
