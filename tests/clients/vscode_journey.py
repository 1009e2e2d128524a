"""A day with the extension in one go: type, take, add types, fill holes live, rewrite, lose the server.

Done by a test with the real model, and by ``record_vscode`` for the pictures of the documentation.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Mapping

import psutil

from tests.clients.vscode_window import Window

FILES: Mapping[str, str] = {
    "shapes.py": '''\
def area(width, height):
    """The area of a rectangle."""
    return width * height


''',
    "stats.py": '''\
def mean(values):
    """The arithmetic mean of some numbers."""
    total = <hole>
    count = <hole>
    return <hole>
''',
}

PATIENCE_S = 60.0
ASK_AFTER_S = 12.0

Picture = Callable[[str], None]
"""Takes a picture of what is on the screen, under a name."""


def travel(window: Window, picture: Picture = lambda _: None) -> None:
    """Do all of it; the window is open, and nothing in it.

    Raises:
        AssertionError: something did not come as it should.
    """
    window.open("shapes.py")
    window.until_ready(PATIENCE_S)
    type_and_take(window, picture)
    add_types(window, picture)
    fill_live(window, picture)
    rewrite(window, picture)
    lose_the_server(window)


def type_and_take(window: Window, picture: Picture) -> None:
    """Ghost text: a word of it, then the rest."""
    window.go(6, 1)
    window.type("def perimeter(width, height):\n", delay_ms=60)
    window.type("return ", delay_ms=60)
    ask_where_none_came(window)
    window.until(lambda: window.ghost.strip() != "", "ghost text", PATIENCE_S)
    picture("ghost")
    before = window.file("shapes.py")
    offered = window.ghost
    window.keyboard.press("Control+ArrowRight")
    window.until(lambda: len(window.file("shapes.py")) > len(before), "a word to be taken")
    taken = window.file("shapes.py").removeprefix(before)
    assert offered.startswith(taken.rstrip("\n")), (offered, taken)
    window.until(lambda: window.ghost, "the rest to be offered")
    window.keyboard.press("Tab")
    window.until(lambda: offered.strip() in window.file("shapes.py"), "the rest to be taken")


def ask_where_none_came(window: Window) -> None:
    """Ask for ghost text where typing brought none: a busy machine misses the deadline that typing sets."""
    try:
        window.until(lambda: window.ghost.strip() != "", "ghost text", ASK_AFTER_S)
    except AssertionError:
        window.keyboard.press("Alt+Backslash")


def add_types(window: Window, picture: Picture) -> None:
    """A function, typed: looked at first, then taken."""
    before = window.file("shapes.py")
    window.go(1, 6)
    window.command("Unmask: Edit with a preview")
    window.choose("Add types")
    apply = window.page.get_by_role("button", name="Apply", exact=True)
    window.until(apply.is_visible, "the preview", PATIENCE_S)
    window.page.wait_for_timeout(1_000)
    picture("preview")
    assert window.file("shapes.py") == before
    window.page.locator(".bulk-edit-panel .monaco-list-row .edit-checkbox").first.click()
    window.page.wait_for_timeout(500)
    apply.click()
    typed = r"def area\(width: \w+, height: \w+\)"
    window.until(lambda: re.search(typed, window.file("shapes.py")), "types in the file")


def fill_live(window: Window, picture: Picture) -> None:
    """Three holes: seen to fill where they are, in the file when all are done."""
    window.open("stats.py")
    window.command("Unmask: Fill holes")
    window.until(lambda: canvas_is_drawn(window), "the canvas", PATIENCE_S)
    picture("canvas")
    assert window.file("stats.py") == FILES["stats.py"]
    window.until(lambda: "<hole>" not in window.file("stats.py"), "the holes to be filled", PATIENCE_S)
    compile(window.file("stats.py"), "stats.py", "exec")


def rewrite(window: Window, picture: Picture) -> None:
    """The file in another language, as a new one that is shown."""
    window.command("Unmask: Rewrite to")
    window.choose("JavaScript")
    window.until(lambda: "function" in window.file("stats.js"), "the new file", PATIENCE_S)
    window.until(lambda: "function" in window.screen, "the new file to be shown")
    picture("javascript")
    compile(window.file("stats.py"), "stats.py", "exec")


def lose_the_server(window: Window) -> None:
    """The server ends: it comes back, and what was typed meanwhile is there."""
    window.open("shapes.py")
    window.keyboard.press("Control+End")
    for process in servers(window):
        os.kill(process, signal.SIGKILL)
    window.type("\n# still here\n")
    window.until(lambda: "ended by SIGKILL" in window.log, "word of it in the log")
    window.until_ready(PATIENCE_S)
    window.until(lambda: "# still here" in window.file("shapes.py"), "what was typed meanwhile")


def canvas_is_drawn(window: Window) -> bool:
    """Whether something stands where a hole is in the file."""
    return 0 < window.screen.count("<hole>") < 3


def servers(window: Window) -> list[int]:
    """The processes of this window's server."""
    found: list[int] = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        told = process.info
        ours = (told["environ"] or {}).get("HOME") == str(window.home.path)
        if ours and (told["cmdline"] or [""])[-1] == "serve":
            found.append(process.pid)
    return found
