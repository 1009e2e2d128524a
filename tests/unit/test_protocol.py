"""What pygls would keep for ever is let go of."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest
from lsprotocol import types
from pygls.exceptions import FeatureRequestError, JsonRpcInternalError

from lsp_server.errors import RequestFailed
from lsp_server.server import Server
from lsp_server.status import WorkDone


async def slow(params: str) -> str:
    await asyncio.sleep(0)
    return params


def in_steps(params: str) -> Generator[Any, Any, None]:
    yield slow, (params,), None


async def test_handled_notifications_are_forgotten() -> None:
    protocol = Server(environ={}).protocol
    done: list[str] = []
    for number in range(5):
        for handler in (slow, in_steps):
            protocol._execute_handler(
                f"{number}", handler, lambda future: done.append(future.result()), ("x",)
            )
            await asyncio.sleep(0.01)
    assert done == ["x", None] * 5
    assert protocol._request_futures == {}


@pytest.mark.parametrize("ends_first", [True, False])
def test_the_token_of_work_that_is_over_is_forgotten(ends_first: bool) -> None:
    server = Server(environ={})
    server.protocol.client_capabilities = types.ClientCapabilities(
        window=types.WindowClientCapabilities(work_done_progress=True)
    )
    work = WorkDone(server, "Unmask")
    (created,) = server.protocol._request_futures.values()
    steps = [work.end, lambda: created.set_result(None)]
    for step in steps if ends_first else reversed(steps):
        step()
    assert server.work_done_progress.tokens == {}


def test_a_refusal_is_no_error_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    server = Server(environ={})
    caplog.set_level("INFO", "lsp_server")
    for error in (RequestFailed("refused"), JsonRpcInternalError("broken"), ValueError("broken")):
        server.report_server_error(error, FeatureRequestError)
    assert [record.levelname for record in caplog.records] == ["INFO", "ERROR", "ERROR"]
