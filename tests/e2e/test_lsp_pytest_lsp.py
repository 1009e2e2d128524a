"""The same server driven by pytest-lsp: a typed client that checks what it gets against the protocol."""

from collections.abc import AsyncIterator

import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient

from tests.e2e.conftest import command, environment

URI = "file:///w/a.py"
CONFIG = ClientServerConfig(server_command=command("--model", "fake:answer=f(1)"), server_env=environment())


@pytest_lsp.fixture(config=CONFIG)
async def editor(lsp_client: LanguageClient) -> AsyncIterator[None]:
    capabilities = types.ClientCapabilities(
        text_document=types.TextDocumentClientCapabilities(
            inline_completion=types.InlineCompletionClientCapabilities(),
            code_action=types.CodeActionClientCapabilities(
                code_action_literal_support=types.ClientCodeActionLiteralOptions(
                    code_action_kind=types.ClientCodeActionKindOptions(
                        value_set=[types.CodeActionKind.Refactor]
                    )
                ),
                data_support=True,
                resolve_support=types.ClientCodeActionResolveOptions(properties=["edit"]),
            ),
        ),
        workspace=types.WorkspaceClientCapabilities(
            workspace_edit=types.WorkspaceEditClientCapabilities(document_changes=True), configuration=True
        ),
        window=types.WindowClientCapabilities(work_done_progress=True),
    )
    await lsp_client.initialize_session(types.InitializeParams(capabilities=capabilities))
    while (await status(lsp_client))["state"] != "ready":
        pass
    yield
    await lsp_client.shutdown_session()


async def status(editor: LanguageClient) -> dict:
    answer = await editor.workspace_execute_command_async(types.ExecuteCommandParams("unmask.status"))
    return answer if isinstance(answer, dict) else answer._asdict()


def opened(editor: LanguageClient, text: str) -> types.TextDocumentIdentifier:
    item = types.TextDocumentItem(uri=URI, language_id=types.LanguageKind.Python, version=1, text=text)
    editor.text_document_did_open(types.DidOpenTextDocumentParams(text_document=item))
    return types.TextDocumentIdentifier(URI)


async def test_ghost_text(editor: LanguageClient):
    document = opened(editor, "s = '😀'\r\nx = \r\n")
    answer = await editor.text_document_inline_completion_async(
        types.InlineCompletionParams(
            types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic),
            document,
            types.Position(1, 4),
        )
    )
    assert isinstance(answer, types.InlineCompletionList)
    assert [item.insert_text for item in answer.items] == ["f(1)"]
    assert answer.items[0].range == types.Range(types.Position(1, 4), types.Position(1, 4))


async def test_two_holes_are_one_edit(editor: LanguageClient):
    document = opened(editor, "x = <hole>\r\ny = <hole>\r\n")
    place = types.Position(0, 0)
    actions = await editor.text_document_code_action_async(
        types.CodeActionParams(document, types.Range(place, place), types.CodeActionContext(diagnostics=[]))
    )
    assert actions is not None
    action = next(action for action in actions if action.title == "Unmask: fill 2 holes")
    assert isinstance(action, types.CodeAction)
    resolved = await editor.code_action_resolve_async(action)
    assert resolved.edit is not None
    assert resolved.edit.document_changes is not None
    (change,) = resolved.edit.document_changes
    assert isinstance(change, types.TextDocumentEdit)
    assert [edit.new_text for edit in change.edits] == ["f(1)", "f(1)"]
