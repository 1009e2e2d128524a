"""What the documentation says of settings and commands is what the code does."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from engine.config import EngineConfig
from lsp_server import options
from lsp_server.cli.main import COMMANDS
from lsp_server.options import Options
from lsp_server.settings import Settings

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
EDITORS = ROOT / "editor-clients" / "README.md"

ENGINE_FIELDS = {entry.name for entry in fields(EngineConfig)}
HINTS: Mapping[str, Any] = get_type_hints(Options)


def table() -> dict[str, tuple[str, str]]:
    """Type and default of each row of the table of settings."""
    _, _, after = EDITORS.read_text(encoding="utf-8").partition("| Setting | Type | Default | Meaning |\n")
    lines = after.partition("\n\n")[0].splitlines()[1:]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    assert all(len(row) == 4 and row[3] for row in rows), rows
    assert len({row[0] for row in rows}) == len(rows)
    return {row[0].strip("`"): (row[1], row[2]) for row in rows}


def blocks(language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", EDITORS.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def plain(value: object) -> object:
    """A default as TOML would have it."""
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


def choices(hint: Any) -> tuple[str, ...]:
    """The strings a type is made of, wherever in it."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(choice for part in get_args(hint) for choice in choices(part))


def complaints(name: str, value: object) -> list[str]:
    said: list[str] = []
    options.from_json({name: value}, said.append)
    return said


def test_the_table_has_every_setting_in_order() -> None:
    assert list(table()) == [entry.name for entry in fields(Options)]


@pytest.mark.parametrize("name", HINTS)
def test_defaults_in_the_table(name: str) -> None:
    settings = Settings()
    default = plain(getattr(settings.engine if name in ENGINE_FIELDS else settings, name))
    _, written = table()[name]
    if default is None:
        assert written == "none"
    else:
        assert tomllib.loads(f"value = {written.strip('`')}")["value"] == default


@pytest.mark.parametrize("name", HINTS)
def test_types_in_the_table(name: str) -> None:
    hint = HINTS[name]
    (bare,) = set(get_args(hint)) - {NoneType} if get_origin(hint) is not Literal else (hint,)
    written, _ = table()[name]
    if choices(bare):
        assert set(re.findall(r'`"(\w+)"`', written)) == set(choices(bare))
    elif bare is int:
        low, high = (int(bound) for bound in written.split(" to "))
        assert [complaints(name, low), complaints(name, high)] == [[], []]
        assert complaints(name, low - 1)
        assert complaints(name, high + 1)
    else:
        words = {bool: "switch", Path: "path", str: "string", dict[str, bool]: "table of switches"}
        assert written == words.get(bare, "list of globs")


def test_the_settings_file_shown_is_one(tmp_path: Path) -> None:
    (shown,) = [block for block in blocks("toml") if block.startswith("# unmask.toml")]
    path = tmp_path / "unmask.toml"
    path.write_text(shown, encoding="utf-8")
    said: list[str] = []
    read = options.from_toml(path, said.append)
    assert not said
    assert (read.max_tokens, read.multi_line, read.languages) == (96, "never", {"markdown": False})


@pytest.mark.parametrize(("language", "parse"), [("toml", tomllib.loads), ("json", json.loads)])
def test_configuration_shown_can_be_parsed(language: str, parse: Callable[[str], Any]) -> None:
    shown = blocks(language)
    assert shown
    for block in shown:
        assert parse(block)


def test_settings_in_the_examples_exist() -> None:
    clients = EDITORS.parent
    shown = [
        EDITORS,
        clients / "neovim/doc/unmask.txt",
        clients / "emacs/unmask.el",
        clients / "helix/languages.toml",
    ]
    text = "".join(path.read_text(encoding="utf-8") for path in shown)
    lua = r"(?:settings = |such as )\{ (\w+) ="
    elisp = r"such as \(:(\w+)"
    examples = re.findall(f"{lua}|{elisp}", text)
    named = {name for groups in examples for name in groups if name}
    assert len(examples) >= 5
    assert named <= set(HINTS), named - set(HINTS)


def test_the_commands_in_the_readme_exist() -> None:
    rows = [line for line in README.read_text(encoding="utf-8").splitlines() if line.startswith("| `unmask ")]
    named = {word for row in rows for word in re.findall(r"`unmask ([a-z]+)", row.split(" | ")[0])}
    assert named <= set(COMMANDS), named - set(COMMANDS)
