"""Named errors of the engine → errors of the protocol. Knows nothing of what was asked."""

from __future__ import annotations

import logging

from pygls.exceptions import JsonRpcContentModified, JsonRpcException, JsonRpcInternalError

from engine.errors import Cancelled, UnmaskError


class RequestFailed(JsonRpcException):
    """Understood and cannot be met (``RequestFailed`` of LSP 3.17): editors show its text."""

    CODE = -32803
    MESSAGE = "Request Failed"


class AnswerUnreadable(JsonRpcInternalError):  # noqa: N818 - as ``RequestFailed``
    """The client answered a request of ours with what the protocol does not have there.

    Attributes:
        is_empty: whether it says nothing at all, not even that something failed.
    """

    def __init__(self, *, is_empty: bool) -> None:
        super().__init__("The client's answer does not fit.")
        self.is_empty = is_empty


def changed(name: str, offered_for: int | None, version: int | None) -> RequestFailed:
    """The refusal of a document that is another one by now."""
    return RequestFailed(
        f"Unmask: {name} has changed since this was offered (version {offered_for}, now {version}). "
        "Ask for it again."
    )


class Superseded(Exception):  # noqa: N818 - as ``Cancelled``
    """A newer request for the same document took this one's place; it is answered empty."""


def from_engine(error: UnmaskError) -> JsonRpcException:
    """The response error for a named error of the engine."""
    if isinstance(error, Cancelled):  # not by the client's request, which ends the task
        return JsonRpcContentModified("Unmask: the document was changed or closed.")
    return RequestFailed(f"Unmask: {error}")


def is_refusal(error: Exception) -> bool:
    """Whether an error is an ordinary answer to a client, and no fault of ours."""
    return isinstance(error, JsonRpcException) and not isinstance(error, JsonRpcInternalError)


def without_refusals(record: logging.LogRecord) -> bool:
    """A logging filter: an error that was answered needs no trace in the log."""
    return not (record.exc_info and isinstance(record.exc_info[1], JsonRpcException))
