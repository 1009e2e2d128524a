"""Two editors on one project for a while: ``python -m tests.clients.soak [--minutes 10] [--model fake]``.

Each of the two has a server process of its own and twenty files open. They type lines that begin like
others, a key at a time and faster than the server answers; they take suggestions, in part or whole, or type
on; they change the lines that suggestions are copied from, fill holes, save, and change the project's
settings. Exit code 1 where a log has an error, a request fails, memory grows, or a suggestion is not of the
text it was asked for.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.e2e.conftest import command, environment
from tests.e2e.rpc import Client, RpcError, inline, position

N_FILES = 20
KEY_S = 0.06
"""Seconds between two keys: about 16 a second, faster than people type."""
END = "done()\n"
"""Stands between the line that is copied and the one that is typed: the line above is never suggested."""
CAPABILITIES = {
    "textDocument": {
        "inlineCompletion": {},
        "codeAction": {
            "codeActionLiteralSupport": {"codeActionKind": {"valueSet": []}},
            "dataSupport": True,
            "resolveSupport": {"properties": ["edit"]},
        },
    },
    "workspace": {"workspaceEdit": {"documentChanges": True}},
}
CANCELLED, REFUSED = -32800, -32803
_TROUBLE = re.compile(r"\b(WARNING|ERROR|CRITICAL)\b|Traceback")


@dataclass(slots=True)
class Buffer:
    """A file that an editor has open.

    Attributes:
        uri: its URI.
        text: as the editor has it.
        version: of the text.
        answered: the newest version a suggestion was answered for.
    """

    uri: str
    path: Path
    text: str
    version: int = 1
    answered: int = 0


@dataclass(slots=True)
class Editor:
    """One of the two: a server process and what a person does with it.

    Attributes:
        client: the connection.
        buffers: what is open.
        random: what is done next.
        exact: the model copies lines, so what a suggestion has to be is known.
        counts: what has happened.
        wrong: what should not have happened.
    """

    client: Client
    buffers: list[Buffer]
    random: random.Random
    exact: bool
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, until: float) -> None:
        """Work until a moment of the monotonic clock."""
        acts = [self.type_a_line] * 12 + [self.fill_holes, self.save, self.change_settings]
        while time.monotonic() < until and self.client.process.poll() is None:
            self.random.choice(acts)(self.random.choice(self.buffers))

    def type_a_line(self, buffer: Buffer) -> None:
        """Type a line that begins like another, with what is suggested or without, and remove it again."""
        number = self.random.randrange(10**6)
        name = f"value_{buffer.version}"
        last = buffer.text.rindex("value_")
        self.replace(buffer, last, len(buffer.text), f"{name} = compute({number})\n{END}")
        start, asked = len(buffer.text), None
        for key in name:
            self.replace(buffer, len(buffer.text), len(buffer.text), key)
            if asked is not None and self.random.random() < 0.5:
                self.client.notify("$/cancelRequest", {"id": asked[0]})
            asked = self.ask(buffer)
            time.sleep(self.random.uniform(0, 2 * KEY_S))
        if asked is not None and self.random.random() < 0.7:
            self.take(buffer, asked[1])
        self.replace(buffer, start, len(buffer.text), "")

    def ask(self, buffer: Buffer) -> tuple[int, Future[Any]]:
        """Ask for a suggestion at the end, and look at the answer when it comes."""
        version, text = buffer.version, buffer.text
        line = text.count("\n")
        at = len(text) - text.rfind("\n") - 1
        ident, answer = self.client.request("textDocument/inlineCompletion", inline(buffer.uri, line, at))
        self.counts["asked"] += 1
        answer.add_done_callback(lambda told: self.look(buffer, version, text, told))
        return ident, answer

    def look(self, buffer: Buffer, version: int, text: str, told: Future[Any]) -> None:
        """Hold an answer to the text that it was asked for. On the thread that reads."""
        try:
            items = told.result()["items"]
        except RpcError as error:
            self.failed("a suggestion", error)
            return
        except (EOFError, CancelledError):
            return
        with self._lock:
            newer, buffer.answered = buffer.answered, max(buffer.answered, version)
        if not items:
            self.counts["empty"] += 1
            return
        self.counts["suggested"] += 1
        (item,) = items
        if version < newer:
            self.wrong.append(f"a suggestion for version {version} came after one for {newer}")
        line = text[text.rfind("\n") + 1 :] + item["insertText"].partition("\n")[0]
        if self.exact and line not in text.splitlines():
            self.wrong.append(f"suggested {line!r}, which is no line of the text it was asked for")

    def take(self, buffer: Buffer, answer: Future[Any]) -> None:
        """Take what is suggested, whole or its first half, as an editor does."""
        try:
            items = answer.result(30)["items"]
        except RpcError:
            return
        except TimeoutError:
            self.wrong.append("no answer within 30 s")
            return
        if not items:
            return
        whole = items[0]["insertText"]
        if self.random.random() < 0.5:
            self.replace(buffer, len(buffer.text), len(buffer.text), whole)
            self.client.call("workspace/executeCommand", items[0]["command"])
            self.counts["taken"] += 1
        else:
            part = whole[: max(1, len(whole) // 2)]
            self.replace(buffer, len(buffer.text), len(buffer.text), part)
            self.client.notify("textDocument/didPartiallyAcceptCompletion", {"item": items[0]})
            self.take_rest(buffer, whole[len(part) :])

    def take_rest(self, buffer: Buffer, rest: str) -> None:
        """The rest of what was taken in part has to be suggested at once."""
        self.counts["taken in part"] += 1
        answer = self.ask(buffer)[1].result(30)["items"]
        if [item["insertText"] for item in answer] != ([rest] if rest else []) and self.exact:
            self.wrong.append(f"the rest is {rest!r}, suggested was {answer}")

    def fill_holes(self, buffer: Buffer) -> None:
        """Fill two holes through a code action, and take them out again."""
        start = len(buffer.text)
        self.replace(buffer, start, start, "\na = <hole>\nb = <hole>\n")
        line = buffer.text.count("\n") - 1
        where = {"start": position(line, 0), "end": position(line, 0)}
        context = {"diagnostics": [], "triggerKind": 1}
        params = {"textDocument": {"uri": buffer.uri}, "range": where, "context": context}
        try:
            offers = self.client.call("textDocument/codeAction", params, 60)
            (fill,) = (offer for offer in offers if offer["title"] == "Unmask: fill 2 holes")
            edit = self.client.call("codeAction/resolve", fill, 60)["edit"]
            (change,) = edit["documentChanges"]
            if change["textDocument"]["version"] != buffer.version or len(change["edits"]) != 2:
                self.wrong.append(f"the edit of two holes is {edit}")
            self.counts["holes filled"] += 2
        except RpcError as error:
            self.failed("filling holes", error)
        self.replace(buffer, start, len(buffer.text), "")

    def save(self, buffer: Buffer) -> None:
        """Write the file, which the other editor has open as well."""
        buffer.path.write_text(buffer.text)
        self.client.notify("textDocument/didSave", {"textDocument": {"uri": buffer.uri}})
        self.counts["saved"] += 1

    def change_settings(self, buffer: Buffer) -> None:
        """Write the project's settings, which both servers watch."""
        settings = buffer.path.parent / "unmask.toml"
        fresh = settings.with_name(f"{self.client.process.pid}.new")
        fresh.write_text(f"max_tokens = {self.random.randrange(48, 96)}\n")
        fresh.replace(settings)
        self.counts["settings changed"] += 1
        time.sleep(KEY_S)

    def replace(self, buffer: Buffer, start: int, end: int, text: str) -> None:
        """Change the text between two offsets, in the buffer and in the server."""

        def place(at: int) -> dict[str, int]:
            return position(buffer.text.count("\n", 0, at), at - buffer.text.rfind("\n", 0, at) - 1)

        change = {"range": {"start": place(start), "end": place(end)}, "text": text}
        buffer.text = buffer.text[:start] + text + buffer.text[end:]
        buffer.version += 1
        self.client.change(buffer.uri, buffer.version, change)
        self.counts["changes"] += 1

    def failed(self, what: str, error: RpcError) -> None:
        """Take note of an error answer, unless it is what cancelling gives, or a refusal."""
        if error.code in (CANCELLED, REFUSED):
            self.counts["cancelled" if error.code == CANCELLED else f"refused ({what})"] += 1
        else:
            self.wrong.append(f"{what}: {error.code} {error}")


def start(project: Path, model: str, seed: int) -> Editor:
    """An editor that has every file of a project open, and its server ready."""
    environ = environment(UNMASK_LOG_LEVEL="warning")
    client = Client(command("--model", model), environ, project)
    client.initialize(CAPABILITIES, folders=[project])
    buffers = [Buffer(path.as_uri(), path, path.read_text()) for path in sorted(project.glob("*.py"))]
    for buffer in buffers:
        client.open(buffer.uri, buffer.text)
    return Editor(client, buffers, random.Random(seed), exact=model.startswith("fake"))


def memory_growth(megabytes: list[float]) -> float:
    """How much more there was in the last third than in the middle one, in MB, by their medians."""
    third = len(megabytes) // 3
    return statistics.median(megabytes[-third:]) - statistics.median(megabytes[third : 2 * third])


def watch(editors: list[Editor], seconds: float) -> list[list[float]]:
    """Let editors work; returns the memory of each one's server, in MB, twice a second."""
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=editor.run, args=(until,)) for editor in editors]
    for thread in threads:
        thread.start()
    used: list[list[float]] = [[] for _ in editors]
    while time.monotonic() < until and all(thread.is_alive() for thread in threads):
        for editor, megabytes in zip(editors, used, strict=True):
            if editor.client.process.poll() is None:
                megabytes.append(psutil.Process(editor.client.process.pid).memory_info().rss / 1e6)
        time.sleep(0.5)
    for thread in threads:
        thread.join()
    return used


def soak(minutes: float, model: str, most_growth_mb: float) -> list[str]:
    """Let two editors work; prints what happened and returns what should not have."""
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as directory:
        project = Path(directory)
        for number in range(N_FILES):
            body = "".join(f"def f_{number}_{i}(argument):\n    return argument + {i}\n" for i in range(40))
            (project / f"module_{number}.py").write_text(f"{body}value_0 = compute({number})\n{END}")
        editors = [start(project, model, seed) for seed in (1, 2)]
        try:
            used = watch(editors, 60 * minutes)
            for number, (editor, megabytes) in enumerate(zip(editors, used, strict=True), 1):
                growth = memory_growth(megabytes)
                code = editor.client.leave() if editor.client.process.poll() is None else None
                print(f"editor {number}: {dict(sorted(editor.counts.items()))}")
                print(
                    f"  memory {megabytes[0]:.0f} MB at first, {megabytes[-1]:.0f} at last, {growth:+.1f} MB"
                )
                if code != 0:
                    wrong.append(f"server {number} ended with {code}")
                if growth > most_growth_mb:
                    wrong.append(f"server {number} grew by {growth:.1f} MB")
        finally:
            for editor in editors:
                editor.client.close()
    for number, editor in enumerate(editors, 1):
        said = [line for line in editor.client.stderr.decode().splitlines() if _TROUBLE.search(line)]
        told = [params for name, params in editor.client.notifications if name == "window/showMessage"]
        wrong += [f"editor {number}: {what}" for what in (*editor.wrong, *said, *told)]
    return wrong


def tell(wrong: list[str]) -> int:
    """Print what was wrong; the exit code for it."""
    for what in wrong[:20]:
        print(f"WRONG {what}")
    print(f"{len(wrong)} things were wrong" if wrong else "nothing was wrong")
    return 1 if wrong else 0


def main() -> int:
    """Run it; exit code 1 where something was wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--model", default="fake:step_ms=20", help="a model's name, or the fake")
    parser.add_argument("--most-growth-mb", type=float, default=3.0)
    asked = parser.parse_args()
    return tell(soak(asked.minutes, asked.model, asked.most_growth_mb))


if __name__ == "__main__":
    sys.exit(main())
