"""The journey through VS Code with the real model → the pictures of the documentation.

    python -m tests.clients.record_vscode

writes ``editor-clients/media/vscode.webp``, which moves, and stills beside it. Times are those of the
machine, but what stays longer than a second and a half is shown for that long.
"""

from __future__ import annotations

import base64
import io
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

from engine.config import DEFAULT_MODEL
from tests.clients import home, install, vscode_extension, vscode_journey, vscode_window
from tests.clients.vscode_window import Window

MEDIA = home.ROOT / "editor-clients" / "media"
MOVING = MEDIA / "vscode.webp"
STILLS = ("canvas", "preview")
LONGEST_MS = 1_500
SHORTEST_MS = 60
LAST_MS = 2_500
WIDTH = 880
BYTES = 2_000_000


class Camera:
    """Keeps what a window shows, each picture with the moment it came."""

    def __init__(self, window: Window) -> None:
        self.seen: list[tuple[float, bytes]] = []
        self._window = window
        self._session = window.page.context.new_cdp_session(window.page)
        self._session.on("Page.screencastFrame", self._take)
        self._session.send("Page.startScreencast", {"format": "jpeg", "quality": 92, "everyNthFrame": 2})

    def still(self, name: str) -> None:
        """Keep a picture of its own, for those that are shown alone."""
        if name in STILLS:
            image = Image.open(io.BytesIO(self._window.page.screenshot()))
            image.convert("RGB").quantize(128).save(MEDIA / f"vscode-{name}.png", optimize=True)
        self._window.page.wait_for_timeout(600)

    def stop(self) -> None:
        """Take no more."""
        self._session.send("Page.stopScreencast")

    def _take(self, event: dict[str, Any]) -> None:
        self.seen.append((time.monotonic(), base64.b64decode(event["data"])))
        self._session.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})


def film(seen: list[tuple[float, bytes]]) -> tuple[list[Image.Image], list[int]]:
    """Pictures in the size that is shown, and how long each of them stays, in milliseconds."""
    frames: list[Image.Image] = []
    stays: list[int] = []
    for at, (moment, picture) in enumerate(seen):
        until = seen[at + 1][0] if at + 1 < len(seen) else moment + LAST_MS / 1000
        stay = min(LONGEST_MS, round((until - moment) * 1000))
        image = Image.open(io.BytesIO(picture)).convert("RGB")
        image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
        if frames and (image.tobytes() == frames[-1].tobytes() or stay < SHORTEST_MS):
            stays[-1] += stay
        else:
            frames.append(image)
            stays.append(stay)
    stays[-1] = LAST_MS
    return frames, stays


def main() -> int:
    """Travel, and write the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        made = home.make(Path(folder) / "home", DEFAULT_MODEL)
        for name, text in vscode_journey.FILES.items():
            made.file(name, text)
        settings = {"workbench__colorTheme": "Default Dark Modern", "editor__fontSize": 17}
        place = install.directory("vscode")
        vsix = vscode_extension.build()
        with (
            vscode_window.browsing() as browser,
            vscode_window.opened(browser, place, made, vsix, **settings) as window,
        ):
            window.open("shapes.py")
            window.until_ready(vscode_journey.PATIENCE_S)
            window.command("Notifications: Clear All Notifications")
            camera = Camera(window)
            vscode_journey.travel(window, camera.still)
            camera.stop()
    frames, stays = film(camera.seen)
    for quality in (70, 55, 40):
        frames[0].save(
            MOVING, save_all=True, append_images=frames[1:], duration=stays, loop=0, quality=quality, method=4
        )
        if MOVING.stat().st_size < BYTES:
            break
    print(
        f"{MOVING.name}: {len(frames)} frames, {sum(stays) / 1000:.0f} s, {MOVING.stat().st_size // 1024} KiB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
