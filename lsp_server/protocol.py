"""Messages → handlers: pygls's protocol, with an answer to every request.

pygls drops a request whose parameters do not fit, one before ``initialize`` meets an internal error, one
after ``shutdown`` silence, and a cancelled command runs on. A client waits for each of these, so here each
is answered. Nor does it forget a notification it has handled; here it is forgotten. Knows nothing of what
the handlers do.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Generator
from typing import Any

from lsprotocol import types
from pygls.exceptions import (
    JsonRpcException,
    JsonRpcInvalidParams,
    JsonRpcInvalidRequest,
    JsonRpcMethodNotFound,
    JsonRpcParseError,
    JsonRpcServerNotInitialized,
)
from pygls.protocol import LanguageServerProtocol, lsp_method

from lsp_server.documents import Workspace
from lsp_server.errors import AnswerUnreadable

log = logging.getLogger(__name__)

_TELLS_TEXT = (types.TEXT_DOCUMENT_DID_OPEN, types.TEXT_DOCUMENT_DID_CHANGE)


class Protocol(LanguageServerProtocol):
    """The protocol of one connection."""

    @property
    def exit_code(self) -> int:
        """0 after ``shutdown``, 1 without, as the protocol wants the process to end."""
        return 0 if self._shutdown else 1

    def documents(self) -> Workspace:
        """The open documents; there are none before ``initialize``."""
        assert isinstance(self._workspace, Workspace), "before initialize"
        return self._workspace

    def refuse(self, msg_id: Any, error: JsonRpcException) -> None:
        """Answer a request with an error; ``None`` where its id could not be read."""
        # As a plain object: the converter leaves out an id of null, which the protocol wants to see.
        told = {"code": error.code, "message": error.message}
        self._send_data({"jsonrpc": self.VERSION, "id": msg_id, "error": told})

    def refuse_unreadable(self, error: Exception) -> None:
        """Answer bytes that were no message, if that is what an error is about."""
        if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | RecursionError):
            self.refuse(None, JsonRpcParseError(f"Unmask cannot read the message: {error}"))

    def structure_message(self, data: dict[str, Any]) -> Any:
        """An object of JSON as it is: pygls asks for those inside a message too, which are the user's."""
        return data

    def handle_message(self, message: Any) -> None:
        """Route a message of JSON; what is none is refused, and after ``shutdown`` so are requests."""
        if not isinstance(message, dict) or message.get("jsonrpc") != self.VERSION:
            self._refuse_other(message)
            return
        structured = self._structured(message)
        if self._shutdown and hasattr(structured, "method") and hasattr(structured, "id"):
            self.refuse(structured.id, JsonRpcInvalidRequest("Unmask was shut down."))
        else:
            super().handle_message(structured)

    def _structured(self, data: dict[str, Any]) -> Any:
        """A message of JSON as one of the protocol; a request that does not fit is answered here."""
        try:
            return super().structure_message(data)
        except JsonRpcException:
            if "id" in data and "method" in data:
                self.refuse(data["id"], self._misfit(data["method"]))
            elif waiting := self._request_futures.pop(data.get("id", ""), None):
                # Whoever waits for the answer is told that it cannot be read.
                is_empty = "error" not in data and data.get("result") in (None, {}, [])
                waiting.set_exception(AnswerUnreadable(is_empty=is_empty))
            else:
                self._refuse_other(data)
                self._lose_text(data)
            raise

    def _lose_text(self, data: dict[str, Any]) -> None:
        """Close a document whose text is unknown, its change being unreadable, until it is opened again."""
        params = data.get("params")
        named = params.get("textDocument") if isinstance(params, dict) else None
        uri = named.get("uri") if isinstance(named, dict) else None
        if data.get("method") not in _TELLS_TEXT or self._workspace is None or not isinstance(uri, str):
            return
        if self.documents().open_document(uri) is not None:
            log.warning("%s has changed in a way that cannot be read: closed until it is opened again", uri)
            closed = types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri))
            self._handle_notification(types.TEXT_DOCUMENT_DID_CLOSE, closed)

    def _refuse_other(self, data: Any) -> None:
        """Answer what is no message of the protocol, where it has an id and is itself no answer."""
        if isinstance(data, dict) and "id" in data and not _is_answer(data):
            self.refuse(data["id"], JsonRpcInvalidRequest("This is no request of JSON-RPC 2.0."))
        else:
            log.warning("what the client sent is no message")

    def _misfit(self, method: Any) -> JsonRpcException:
        """Why a request that could not be read is refused."""
        if not isinstance(method, str):
            return JsonRpcInvalidRequest("A method is named by a string.")
        if method in self.fm.features or method in self.fm.builtin_features:
            return JsonRpcInvalidParams(f"The parameters of {method} do not fit.")
        return JsonRpcMethodNotFound(f"There is no method {method}.")

    def _handle_request(self, msg_id: Any, method_name: str, params: Any) -> None:
        if (self._workspace is None) == (method_name == types.INITIALIZE):
            super()._handle_request(msg_id, method_name, params)
        elif self._workspace is None:
            self.refuse(msg_id, JsonRpcServerNotInitialized("Unmask was not initialized."))
        else:
            self.refuse(msg_id, JsonRpcInvalidRequest("Unmask was initialized already."))

    def _handle_notification(self, method_name: str, params: Any) -> None:
        if self._workspace is not None or method_name == types.EXIT:
            super()._handle_notification(method_name, params)

    def _execute_handler(
        self,
        msg_id: Any,
        handler: Callable[..., Any],
        callback: Callable[..., Any],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> None:
        """Run a handler, and let go of its future when it is done: of a notification's, pygls never does."""
        super()._execute_handler(msg_id, handler, callback, args, kwargs)
        future = self._request_futures.get(msg_id)
        if future is not None:
            future.add_done_callback(lambda done: self._let_go(msg_id, done))

    def _let_go(self, msg_id: Any, future: Any) -> None:
        if self._request_futures.get(msg_id) is future:
            del self._request_futures[msg_id]

    def use_own_workspace(self) -> None:
        """Take the place of the workspace pygls has made. To be called while ``initialize`` is handled."""
        made = self.workspace
        self._workspace = Workspace(
            made.root_uri,
            self._server._text_document_sync_kind,
            list(made.folders.values()),
            made.position_encoding,
        )

    @lsp_method(types.SHUTDOWN)
    def lsp_shutdown(self, *args: Any) -> Generator[Any, Any, None]:
        """Give up all that is running before pygls does: it goes through a list that each one leaves."""
        for msg_id, future in list(self._request_futures.items()):
            if msg_id != self.msg_id:
                future.cancel()
        yield from super().lsp_shutdown(*args)

    @lsp_method(types.WORKSPACE_EXECUTE_COMMAND)
    async def lsp_workspace__execute_command(  # type: ignore[override]  # pygls takes coroutines as well as generators
        self, params: types.ExecuteCommandParams
    ) -> Any:
        """Run a command as a task of its own request, so that cancelling the request ends the command."""
        handler = self.fm.commands.get(params.command)
        if handler is None:
            raise JsonRpcInvalidParams(f"There is no command {params.command!r}.")
        return await handler(params)

    @lsp_method(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    def lsp_workspace__did_change_workspace_folders(
        self, params: types.DidChangeWorkspaceFoldersParams
    ) -> Generator[Any, Any, None]:
        """Take folders away before others come: a renamed one is in both lists, and stays."""
        for folder in params.event.removed:
            self.workspace.remove_folder(folder.uri)
        kept = types.WorkspaceFoldersChangeEvent(added=params.event.added, removed=[])
        yield from super().lsp_workspace__did_change_workspace_folders(
            types.DidChangeWorkspaceFoldersParams(event=kept)
        )

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(
        self, params: types.DidChangeTextDocumentParams
    ) -> Generator[Any, Any, None]:
        """Apply a change to an open document; one of a document that is not open is ignored."""
        if self.documents().open_document(params.text_document.uri) is not None:
            yield from super().lsp_text_document__did_change(params)


def _is_answer(data: dict[str, Any]) -> bool:
    return "method" not in data and ("result" in data or "error" in data)
