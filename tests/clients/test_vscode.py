"""The extension in VS Code itself: with the fake model, and the whole journey with the real one."""

from __future__ import annotations

import os
import signal
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from engine.config import DEFAULT_MODEL
from tests.clients import home, install, vscode_extension, vscode_journey, vscode_window
from tests.clients.vscode_journey import canvas_is_drawn, servers
from tests.clients.vscode_window import Window

pytestmark = [pytest.mark.editor("vscode"), pytest.mark.timeout(280)]

AREAS = "def area(width, height):\n    return width * height\n\n\ndef area_again(width, height):\n    \n"
HOLES = "def mean(values):\n    total = <hole>\n    count = <hole>\n    return <hole>\n"
UNTYPED = "def scale(name, factor):\n    return name * factor\n"

Open = Callable[..., Window]


@pytest.fixture(scope="module")
def vsix() -> Path:
    """The extension, built as its page says."""
    return vscode_extension.build()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """What shows the windows."""
    with vscode_window.browsing() as browser:
        yield browser


def open_windows(browser: Browser, vsix: Path, path: Path, stack: ExitStack) -> Open:
    """Opens windows on projects: ``window({"a.py": text}, "fake", unmask__preview=True)``."""

    def window(files: dict[str, str], model: str = "fake", *, bare: bool = False, **settings: Any) -> Window:
        made = home.make(path / f"home{len(list(path.iterdir()))}", model)
        if bare:  # no `unmask` on the PATH, but the Python that our own environment was made with
            made.env["PATH"] = os.pathsep.join([str(Path(sys.base_prefix) / "bin"), "/usr/bin", "/bin"])
        for name, text in files.items():
            made.file(name, text)
        opened = vscode_window.opened(browser, install.directory("vscode"), made, vsix, **settings)
        return stack.enter_context(opened)

    return window


@pytest.fixture(scope="module")
def shared(browser: Browser, vsix: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Window]:
    """One window for what needs no other: a fake that takes its time and copies what stands there."""
    with ExitStack() as stack:
        window = open_windows(browser, vsix, tmp_path_factory.mktemp("shared"), stack)
        seen = window({"a.py": AREAS, "holes.py": HOLES, "more.py": HOLES}, "fake:step_ms=150")
        seen.open("a.py")
        seen.until_ready()
        yield seen


@pytest.fixture
def window(browser: Browser, vsix: Path, tmp_path: Path) -> Iterator[Open]:
    """Windows of a test's own."""
    with ExitStack() as stack:
        yield open_windows(browser, vsix, tmp_path, stack)


def test_the_parts_that_need_no_editor(vsix: Path) -> None:
    assert vsix.exists()
    vscode_extension.test()


def test_ghost_text_is_taken_by_the_word_and_whole(shared: Window) -> None:
    shared.open("a.py")
    shared.go(6, 5)
    shared.type("ret")
    shared.until(lambda: shared.ghost == "urn width * height", "ghost text")
    shared.keyboard.press("Control+ArrowRight")
    shared.until(lambda: shared.file("a.py").endswith("    return\n"), "a word to be taken")
    shared.until(lambda: shared.ghost == " width * height", "the rest to be offered")
    shared.keyboard.press("Tab")
    shared.until(lambda: shared.file("a.py").endswith("    return width * height\n"), "the rest to be taken")


def test_holes_fill_where_they_are_and_as_one_step(shared: Window) -> None:
    shared.open("holes.py")
    shared.command("Unmask: Fill holes")
    shared.until(lambda: canvas_is_drawn(shared), "the canvas")
    assert shared.file("holes.py") == HOLES
    shared.until(lambda: "<hole>" not in shared.file("holes.py"), "the holes to be filled")
    shared.until_ready()
    assert shared.screen.rstrip() == shared.file("holes.py").rstrip()
    shared.keyboard.press("Control+z")
    shared.until(lambda: shared.file("holes.py") == HOLES, "one step to undo")


def test_escape_stops_a_fill_and_changes_nothing(shared: Window) -> None:
    shared.open("more.py")
    shared.command("Unmask: Fill holes")
    shared.until(lambda: canvas_is_drawn(shared), "the canvas")
    shared.keyboard.press("Escape")
    shared.until_ready()
    shared.until(lambda: shared.screen.count("<hole>") == 3, "the canvas to go")
    shared.page.wait_for_timeout(500)
    assert shared.file("more.py") == HOLES
    assert not [message for message in shared.messages if "cancel" in message.lower()]


def test_a_killed_server_comes_back_and_nothing_is_lost(shared: Window) -> None:
    shared.open("a.py")
    (before,) = servers(shared)
    os.kill(before, signal.SIGKILL)
    shared.go(1, 1)
    shared.type("# typed meanwhile\n")
    shared.until(lambda: "ended by SIGKILL" in shared.log, "word of it in the log")
    shared.until_ready()
    (after,) = servers(shared)
    assert after != before
    shared.until(lambda: shared.file("a.py").startswith("# typed meanwhile\n"), "what was typed")
    shared.keyboard.press("Control+End")
    shared.type("\n\ndef area_too(width, height):\nret")
    shared.until(lambda: shared.ghost.startswith("urn width"), "ghost text from the new server")


def test_an_edit_is_previewed_and_taken_in_part(window: Open) -> None:
    seen = window({"a.py": UNTYPED}, "fake:answer=int")
    seen.open("a.py")
    seen.until_ready()
    seen.go(1, 6)
    seen.command("Unmask: Edit with a preview")
    seen.choose("Add types")
    boxes = seen.page.locator(".bulk-edit-panel .monaco-list-row .edit-checkbox")
    seen.until(lambda: boxes.count() >= 4, "the preview")  # the file, and its three places
    assert seen.file("a.py") == UNTYPED
    boxes.nth(0).click()  # VS Code has nothing ticked that is to be confirmed
    boxes.nth(1).click()
    seen.page.get_by_role("button", name="Apply", exact=True).click()
    typed = "def scale(name, factor: int) -> int:\n"
    seen.until(lambda: seen.file("a.py").startswith(typed), "the rest of the edit")


def test_a_server_that_cannot_start_says_why(window: Open, tmp_path: Path) -> None:
    broken = tmp_path / "unmask"
    broken.write_text("#!/bin/sh\necho 'unmask: the disk is full' >&2\nexit 3\n")
    broken.chmod(0o755)
    seen = window({"a.py": ""}, unmask__path=str(broken))
    seen.open("a.py")
    seen.until(lambda: "failed" in seen.status, "the server to be given up", 60)
    why = "it ended with exit code 3: unmask: the disk is full"
    seen.until(lambda: any(why in message for message in seen.messages), "the reason")


INSTALL_S = 180.0
"""How long a virtual environment may take on a busy machine."""


@pytest.mark.skipif(
    not os.environ.get("UNMASK_TEST_INSTALL"),
    reason="makes a virtual environment, not always in time on a busy machine: set UNMASK_TEST_INSTALL=1",
)
def test_the_server_is_installed_on_consent(window: Open, tmp_path: Path) -> None:
    wheel = stub_wheel(tmp_path)
    seen = window({"a.py": AREAS}, bare=True)
    seen.open("a.py")
    seen.page.get_by_role("button", name="Install…").click(timeout=30_000)
    seen.until(lambda: "not found" in seen.status, "word of it in the status bar")
    seen.choose("A wheel on this machine")
    seen.page.locator(".quick-input-widget input").first.fill(str(wheel))
    seen.page.get_by_role("button", name="Install", exact=True).click()
    seen.until_ready(INSTALL_S)
    (process,) = servers(seen)
    line = Path(f"/proc/{process}/cmdline").read_text(encoding="utf-8")
    assert str(seen.home.path) in line


def test_nothing_happens_in_a_workspace_that_is_not_trusted(window: Open) -> None:
    restricted = {
        "security__workspace__trust__enabled": True,
        "security__workspace__trust__startupPrompt": "never",
    }
    seen = window({"a.py": AREAS}, **restricted)
    seen.open("a.py")
    seen.page.get_by_text("Restricted Mode").first.wait_for(timeout=30_000)
    seen.page.wait_for_timeout(3_000)
    assert not servers(seen)
    assert not seen.log


@pytest.mark.model
def test_the_journey(window: Open) -> None:
    vscode_journey.travel(window(dict(vscode_journey.FILES), DEFAULT_MODEL))


def stub_wheel(folder: Path) -> Path:
    """A wheel whose command `unmask` runs this checkout with this environment's packages."""
    info = "unmask-0.1.0.dist-info"
    packages = [str(home.ROOT), *filter(None, map(str, sys.path))]
    files = {
        "unmask_stub.py": f"import sys\nsys.path[:0] = {packages!r}\nfrom lsp_server.cli.main import main\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: unmask\nVersion: 0.1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nunmask = unmask_stub:main\n",
    }
    path = folder / "unmask-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
        record = [f"{name},," for name in [*files, f"{info}/RECORD"]]
        wheel.writestr(f"{info}/RECORD", "\n".join(record) + "\n")
    return path
