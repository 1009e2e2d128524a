"""Frames of a running fill → progress, and ``unmask/canvas`` for clients that draw it.

Crosses from the worker thread to the event loop's; knows nothing of how a frame comes about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.types import CanvasFrame, FrameListener, Span
from lsp_server import to_lsp
from lsp_server.documents import Document
from lsp_server.session import Snapshot
from lsp_server.status import WorkDone

if TYPE_CHECKING:
    from lsp_server.server import Server

CANVAS = "unmask/canvas"


def listener(
    server: Server,
    document: Document,
    snapshot: Snapshot,
    spans: Sequence[Span],
    work: WorkDone | None = None,
) -> FrameListener | None:
    """Who is told each step of a fill; None where nobody wants to know.

    Args:
        server: the connection.
        document: the document being filled, in the snapshot's version.
        snapshot: the same, with its settings.
        spans: the holes.
        work: progress that shows the count of steps.
    """
    drawn = snapshot.settings.canvas
    if not drawn and work is None:
        return None
    request = asyncio.current_task()
    ranges = [to_lsp.range_(document, span) for span in spans]

    def tell(frame: CanvasFrame) -> None:
        if request is not None and request.done():  # cancelled: the step under way was its last
            return
        if work is not None:
            work.report(f"hole {frame.hole + 1} of {len(spans)}, step {frame.step}")
        if drawn:
            told = to_lsp.canvas(document.uri, snapshot.version, ranges, frame)
            server.protocol.notify(CANVAS, told)

    return lambda frame: server.announcer.on_loop(lambda: tell(frame))
