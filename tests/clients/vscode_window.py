"""A window of VS Code to type into and to look at: code-server, and Chromium showing it.

What is in a file is read from the disk, where VS Code saves it at once; what is on the screen is read from
the page. Nothing here knows what Unmask does.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from playwright.sync_api import Browser, Error, Page, ViewportSize, sync_playwright

from tests.clients import vscode
from tests.clients.home import Home

T = TypeVar("T")

TIMEOUT_S = 30.0
SIZE: ViewportSize = {"width": 1100, "height": 680}
SETTINGS: Mapping[str, Any] = {
    "chat.disableAIFeatures": True,
    "editor.acceptSuggestionOnEnter": "off",
    "editor.fontFamily": "DejaVu Sans Mono",
    "editor.fontSize": 15,
    "editor.minimap.enabled": False,
    "editor.wordBasedSuggestions": "off",
    "files.autoSave": "afterDelay",
    "files.autoSaveDelay": 50,
    "files.hotExit": "off",
    "security.workspace.trust.enabled": False,
    "telemetry.telemetryLevel": "off",
    "update.mode": "none",
    "window.commandCenter": False,
    "workbench.startupEditor": "none",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
}


_DRAWN = """lines => lines.map(line => {
  const made = (part, where) => {
    const { content } = getComputedStyle(part, where);
    return content.startsWith('"') ? JSON.parse(content) : "";
  };
  const text = part => part.nodeType === Node.TEXT_NODE ? part.data
    : getComputedStyle(part).display === "none" ? ""
    : made(part, "::before") + [...part.childNodes].map(text).join("") + made(part, "::after");
  return text(line);
})"""
"""What lines show, with what style sheets add to them and without what they hide."""


class Window:
    """A window with a project, in which the extension is installed. See ``opened``."""

    def __init__(self, page: Page, home: Home, data: Path) -> None:
        self.page = page
        self.keyboard = page.keyboard
        self.home = home
        self._data = data

    # What is done.

    def open(self, name: str) -> None:
        """Open a file of the project, its cursor at the start."""
        self.page.get_by_role("treeitem", name=name, exact=True).dblclick()
        tab = self.page.locator(".tab.active", has_text=name)
        tab.wait_for(timeout=TIMEOUT_S * 1000)
        self.page.locator(".editor-instance .view-line").first.wait_for(timeout=TIMEOUT_S * 1000)
        self.focus()

    def focus(self) -> None:
        """Have what is typed go into the editor, without moving its cursor."""
        self.command("View: Focus Active Editor Group")

    def command(self, title: str) -> None:
        """Run a command of the palette."""
        self.keyboard.press("F1")
        self.page.locator(".quick-input-widget input").first.fill(f">{title}")
        self.choose(title)

    def choose(self, label: str) -> None:
        """Choose an entry of the list that is open, by what it starts with."""
        entry = self.page.locator(".quick-input-list .monaco-list-row", has_text=label).first
        entry.click(timeout=TIMEOUT_S * 1000)

    def type(self, text: str, delay_ms: float = 20) -> None:
        """Type into what has the focus."""
        self.keyboard.type(text, delay=delay_ms)

    def go(self, line: int, column: int) -> None:
        """Move the cursor of the editor."""
        self.keyboard.press("Control+g")
        self.page.locator(".quick-input-widget input").first.fill(f":{line}:{column}")
        self.keyboard.press("Enter")

    # What is seen.

    def file(self, name: str) -> str:
        """What a file of the project holds."""
        return (self.home.project / name).read_text(encoding="utf-8")

    @property
    def ghost(self) -> str:
        """The ghost text of one line; empty where there is none."""
        return _plain("".join(self.page.locator('[class*="ghost-text"]').all_inner_texts()))

    @property
    def screen(self) -> str:
        """The lines of the active editor as they are drawn, decorations among them."""
        lines = self.page.locator(".editor-group-container.active .view-line")
        return _plain("\n".join(lines.evaluate_all(_DRAWN)))

    @property
    def status(self) -> str:
        """The extension's item in the status bar."""
        return _plain(self.page.locator('.statusbar-item[id^="unmask"]').first.inner_text())

    @property
    def messages(self) -> list[str]:
        """The notifications that are shown."""
        return self.page.locator(".notifications-toasts .notification-list-item-message").all_inner_texts()

    @property
    def log(self) -> str:
        """The extension's log, the server's among it."""
        logs = self._data.rglob("Unmask.log")
        return "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in logs)

    def until(self, see: Callable[[], T], what: str, timeout_s: float | None = None) -> T:
        """Wait for something that is true; what it is."""
        deadline = time.monotonic() + (timeout_s or TIMEOUT_S)
        while True:
            try:
                seen = see()
            except (Error, OSError):
                seen = None
            if seen:
                return seen
            if time.monotonic() > deadline:
                picture = self.home.path / "failed.png"
                self.page.screenshot(path=picture)
                raise AssertionError(f"waited for {what}; see {picture}; the log:\n{self.log[-3000:]}")
            self.page.wait_for_timeout(30)

    def until_ready(self, timeout_s: float = 60) -> None:
        """Wait until the server answers."""
        self.until(lambda: re.fullmatch(r"\W*Unmask\W*", self.status), "the server to be ready", timeout_s)


@contextmanager
def browsing() -> Iterator[Browser]:
    """A browser for any number of windows, one browser at a time."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, directory: Path, home: Home, vsix: Path, **settings: Any) -> Iterator[Window]:
    """A window on a home's project.

    Args:
        browser: what shows it.
        directory: where code-server lies.
        home: whose project, and whose environment.
        vsix: the extension.
        settings: what the user has set, ``__`` standing for the dot: ``unmask__model``.
    """
    data, extensions = home.path / "vscode", home.path / "extensions"
    (data / "User").mkdir(parents=True)
    said = {**SETTINGS, **{name.replace("__", "."): value for name, value in settings.items()}}
    (data / "User/settings.json").write_text(json.dumps(said), encoding="utf-8")
    node = vscode.environment(directory)["PATH"].partition(os.pathsep)[0]
    env = {**home.env, "PATH": os.pathsep.join([node, home.env["PATH"]])}
    # VS Code asks the user's login shell for the environment of its extensions.
    (home.path / ".profile").write_text(f"export PATH='{env['PATH']}'\n", encoding="utf-8")
    base = [str(vscode.program(directory)), "--user-data-dir", str(data), "--extensions-dir", str(extensions)]
    install = [*base, "--install-extension", str(vsix)]
    subprocess.run(install, env=env, check=True, capture_output=True, timeout=120)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [*base, "--auth", "none", "--bind-addr", f"127.0.0.1:{port}", "--disable-telemetry",
         "--disable-update-check", "--disable-getting-started-override", str(home.project)],
        env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for_port(port)
        page = browser.new_page(viewport=SIZE)
        page.goto(f"http://127.0.0.1:{port}/?folder={home.project}")
        page.locator(".explorer-folders-view .monaco-list-row").first.wait_for(timeout=60_000)
        yield Window(page, home, data)
        page.close()
    finally:
        server.terminate()
        server.wait(20)


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _plain(text: str) -> str:
    """Text with plain blanks: the page has others."""
    return text.replace("\xa0", " ").replace("\u200c", "")
