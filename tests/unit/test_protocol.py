"""What pygls would keep for ever is let go of."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

from lsp_server.server import Server


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
