"""Neovim with our plugin, installed as the page on editors says, in a terminal."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from engine.code.languages import TARGETS, by_id
from engine.code.syntax import has_error
from tests.clients import home, neovim_editor
from tests.clients.conftest import Open
from tests.clients.home import ROOT
from tests.clients.neovim_editor import Neovim
from tests.clients.terminal import eventually

pytestmark = pytest.mark.editor("tmux", "neovim")

TOTAL = "total = compute(1)\nprint(total)\n"


Edit = Callable[..., Neovim]


@pytest.fixture
def edit(tmp_path: Path, in_terminal: Open) -> Edit:
    """Open a file in a Neovim set up by the page alone; ``more`` is Lua besides."""

    def start(text: str, name: str = "a.py", model: str = "fake", more: str = "") -> Neovim:
        user = neovim_editor.set_up(home.make(tmp_path / "home", model), more)
        file = user.file(name, text)
        socket = tmp_path / "nvim.socket"
        return neovim_editor.start(user, [file], socket, lambda *how: in_terminal(*how, {}))

    return start


def line_of(editor: Neovim) -> str:
    """The line with the cursor, to wait for what a key does.

    Keys come by the terminal and commands do not, so one to save may overtake one to take.
    """
    return editor.ask("vim.api.nvim_get_current_line()")


def saved(editor: Neovim, name: str = "a.py") -> str:
    editor.command("w")
    eventually(lambda: editor.ask("tostring(vim.bo.modified)"), "false".__eq__)
    return (editor.home.project / name).read_text()


def test_ghost_text_taken_by_word_and_whole(edit: Edit):
    editor = edit(TOTAL)
    editor.terminal.press("G", "o")
    editor.terminal.type("tot", each_s=0.05)
    editor.terminal.wait("print(total)\ntotal = compute(1)")
    editor.terminal.press("M-Right")
    eventually(lambda: line_of(editor), lambda line: line == "total")
    editor.terminal.wait("print(total)\ntotal = compute(1)")
    editor.terminal.press("Tab")
    eventually(lambda: line_of(editor), lambda line: line == "total = compute(1)")
    assert saved(editor) == TOTAL + "total = compute(1)\n"
    editor.command("Unmask status")
    editor.terminal.wait("partly accepted 1")
    assert re.search(r"^accepted 1$", editor.terminal.screen(), re.MULTILINE)


@pytest.mark.parametrize(("keys", "line"), [("al<Tab>", "total = compute(1)"), ("ter<Tab>", "totter")])
def test_keys_that_wait_to_be_read_are_part_of_what_is_taken(edit: Edit, keys: str, line: str):
    """Neovim still shows the suggestion of the text before them when it comes to the last one."""
    editor = edit(TOTAL)
    editor.terminal.press("G", "o")
    editor.terminal.type("tot", each_s=0.05)
    editor.terminal.wait("print(total)\ntotal = compute(1)")
    editor.ask(f'vim.api.nvim_input("{keys}")')
    eventually(lambda: line_of(editor), line.__eq__)


def test_a_line_of_several_and_a_key_without_suggestion(edit: Edit):
    editor = edit("def f():\n", model="fake:answer=a%20%3D%201%0A%20%20%20%20return%20a")
    editor.terminal.press("o")
    editor.terminal.wait("return a")
    editor.terminal.press("M-C-Right")
    eventually(lambda: line_of(editor), lambda line: line.strip() == "a = 1")
    editor.terminal.wait("return a")
    editor.terminal.press("C-]")
    editor.terminal.wait(lambda screen: "return a" not in screen)
    editor.terminal.press("Tab")
    eventually(lambda: line_of(editor), "    a = 1   ".__eq__)
    assert saved(editor) == "def f():\n    a = 1   \n"


def test_holes_are_filled_live_and_undone_at_once(edit: Edit):
    text = "x = <hole>\ny = <hole>\n"
    editor = edit(text, model="fake:step_ms=400&answer=compute(1)")
    editor.command("Unmask holes")
    eventually(lambda: editor.ask("require('unmask').status()"), lambda said: said == "unmask …")
    editor.terminal.wait(lambda screen: "compute(1)" in screen and "<hole>" in screen)
    done = "x = compute(1)\ny = compute(1)\n"
    eventually(
        lambda: "\n".join(editor.ask("vim.fn.join(vim.fn.getline(1,2), '|')").split("|")), done.strip().__eq__
    )
    editor.terminal.wait(lambda screen: screen.startswith(done))
    assert saved(editor) == done
    editor.terminal.type("u")
    assert saved(editor) == text


def test_cancelling_leaves_the_text(edit: Edit):
    editor = edit("x = <hole>\n", model="fake:step_ms=60000")
    editor.command("Unmask holes")
    eventually(lambda: editor.ask("require('unmask').status()"), lambda said: said == "unmask …")
    editor.command("Unmask cancel")
    eventually(lambda: editor.ask("require('unmask').status()"), lambda said: said == "unmask")
    assert saved(editor) == "x = <hole>\n"


def test_a_selection_is_rewritten_and_nothing_else(edit: Edit):
    editor = edit("a = 1\nb = 2\nc = 3\n", model="fake:answer=b%20%3D%204")
    editor.terminal.press("j", "V")
    editor.terminal.type(":Unmask rewrite make it four\r")
    eventually(lambda: editor.ask("vim.fn.getline(2)"), "b = 4".__eq__)
    assert saved(editor) == "a = 1\nb = 4\nc = 3\n"


def test_part_of_a_line_is_what_visual_mode_selects(edit: Edit):
    editor = edit("é = old + 1\n", model="fake:answer=new")
    editor.terminal.type("4lviw:Unmask fill\r")
    eventually(lambda: editor.ask("vim.fn.getline(1)"), "é = new + 1".__eq__)


@pytest.mark.parametrize(
    ("subcommand", "answer", "lines"),
    [
        ("types", "int", "def area(r: int) -> None:\n    pass"),
        ("docstring", "Say it.", 'def area(r):\n    """Say it."""\n    pass'),
        ("complete", "return r", "def area(r):\n    return r"),
        ("name", "surface", "def surface(r):\n    pass"),
    ],
)
def test_tasks_at_the_cursor(edit: Edit, subcommand: str, answer: str, lines: str):
    editor = edit("def area(r):\n    pass\n", model=f"fake:answer={quote(answer)}")
    editor.command("call cursor(1, 5)")
    editor.command(f"Unmask {subcommand}")
    eventually(lambda: editor.ask("tostring(vim.bo.modified)"), "true".__eq__)
    assert saved(editor) == f"{lines}\n"


def test_what_is_broken_is_repaired_and_what_parses_is_not(edit: Edit):
    editor = edit("def f(x)\n    return x\n")
    editor.command("Unmask repair")
    eventually(lambda: editor.ask("tostring(vim.bo.modified)"), "true".__eq__)
    mended = saved(editor)
    assert not has_error(mended, by_id("python"))
    editor.command("Unmask repair")
    editor.terminal.wait("Unmask: ")
    assert saved(editor) == mended


def test_code_actions_are_listed(edit: Edit):
    editor = edit("x = <hole>\n")
    editor.terminal.type("gra")
    screen = editor.terminal.wait("Unmask: fill 1 hole")
    assert "Unmask: rewrite file to Rust" in screen


def test_the_file_in_another_language_is_a_new_file(edit: Edit):
    editor = edit("a = 1\n", model="fake:answer=const%20a%20%3D%201%3B")
    editor.command("Unmask to javascript")
    eventually(lambda: editor.ask("vim.fn.bufnr('a.js')"), "2".__eq__)
    editor.command("wall")
    editor.terminal.wait("written")
    assert (editor.home.project / "a.js").read_text().rstrip("\n") == "const a = 1;"
    assert (editor.home.project / "a.py").read_text() == "a = 1\n"


def test_pausing(edit: Edit):
    editor = edit(TOTAL)
    editor.command("Unmask pause")
    eventually(lambda: editor.ask("require('unmask').status()"), "unmask paused".__eq__)
    editor.terminal.press("G", "o")
    editor.terminal.type("tot")
    with pytest.raises(AssertionError):
        editor.terminal.wait("print(total)\ntotal = compute(1)", 1.5)
    editor.terminal.press("M-]")
    editor.terminal.wait("print(total)\ntotal = compute(1)")
    editor.command("Unmask resume")
    eventually(lambda: editor.ask("require('unmask').status()"), "unmask".__eq__)
    editor.terminal.press("S")
    editor.terminal.type("tot")
    editor.terminal.wait("print(total)\ntotal = compute(1)")


def test_a_server_that_was_killed_comes_back(edit: Edit):
    editor = edit(TOTAL)
    (server,) = children(int(editor.ask("vim.uv.os_getpid()")))
    os.kill(server, signal.SIGKILL)
    editor.terminal.wait("signal 9")
    editor.terminal.press("Enter")
    editor.ready()
    assert children(int(editor.ask("vim.uv.os_getpid()"))) != [server]
    editor.terminal.press("G", "o")
    editor.terminal.type("tot")
    editor.terminal.wait("print(total)\ntotal = compute(1)")


def children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_the_completion_list_where_there_is_no_ghost_text(edit: Edit):
    editor = edit(
        TOTAL,
        more="vim.lsp.inline_completion = false\n"  # as in 0.11, which it would be nil in
        "require('unmask').setup({ settings = { completion = 'always' } })",
    )
    editor.terminal.press("G", "o")
    editor.terminal.type("tot")
    editor.terminal.wait("\ntot")
    editor.terminal.press("C-Space")
    editor.terminal.wait("Unmask")
    editor.terminal.press("C-n", "C-y")
    eventually(lambda: line_of(editor), "total = compute(1)".__eq__)
    assert saved(editor) == TOTAL + "total = compute(1)\n"


def test_health_help_and_the_command_line(edit: Edit):
    editor = edit(TOTAL)
    editor.command("checkhealth unmask")
    screen = editor.terminal.wait("The server is ready: fake on fake.")
    assert "ERROR" not in screen and "WARNING" not in screen
    editor.command("quit")
    commands = editor.ask("vim.fn.join(vim.fn.getcompletion('Unmask ', 'cmdline'), ' ')").split()
    assert {"fill", "holes", "rewrite", "to", "pause", "restart"} <= set(commands)
    help_text = (ROOT / "editor-clients/neovim/doc/unmask.txt").read_text()
    assert sorted(re.findall(r"^:Unmask (\w+)", help_text, re.MULTILINE)) == sorted(commands)
    languages = editor.ask("vim.fn.join(vim.fn.getcompletion('Unmask to ', 'cmdline'), ' ')").split()
    assert sorted(languages) == sorted(TARGETS)
    editor.command("help unmask-keys")
    editor.terminal.wait("takes its next word")


@pytest.mark.model
def test_a_journey_with_the_real_model(edit: Edit):
    text = 'def add(a: int, b: int) -> int:\n    """The sum of two numbers."""\n'
    editor = edit(text, model=home.REAL)
    editor.terminal.press("G", "o")
    editor.terminal.type("return ", each_s=0.05)  # Neovim has indented the line
    editor.terminal.wait("return a + b", 60)
    editor.terminal.press("Tab")
    eventually(lambda: line_of(editor), "    return a + b".__eq__)
    assert saved(editor) == text + "    return a + b\n"
