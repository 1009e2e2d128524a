"""What the VS Code extension's manifest declares is what the server takes and the extension does."""

from __future__ import annotations

import importlib.util
import json
import re
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from engine.code.languages import TARGETS
from engine.types import EditKind, Strength
from lsp_server import options, to_lsp
from lsp_server.features import execute_command
from lsp_server.options import Options
from lsp_server.settings import Settings

EXTENSION = Path(__file__).parent.parent / "editor-clients" / "vscode"
MANIFEST: dict[str, Any] = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
DECLARED: dict[str, Any] = MANIFEST["contributes"]["configuration"]["properties"]
COMMANDS = {command["command"] for command in MANIFEST["contributes"]["commands"]}
SOURCE = "".join(path.read_text(encoding="utf-8") for path in sorted((EXTENSION / "src").glob("*.ts")))


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vscode_settings", EXTENSION / "settings.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def of_the_server() -> dict[str, Any]:
    """The declared settings that go to the server, by the server's name."""
    own = {f"unmask.{name}" for name in generator().CLIENT_ONLY}
    assert own <= set(DECLARED)
    return {
        re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name.removeprefix("unmask.")).lower(): declared
        for name, declared in DECLARED.items()
        if name not in own
    }


def test_the_settings_are_the_servers_one_to_one() -> None:
    assert list(of_the_server()) == [entry.name for entry in fields(Options)]


def test_the_settings_are_those_of_the_page() -> None:
    wanted = generator().properties()
    found = {name: declared for name, declared in DECLARED.items() if name in wanted}
    assert found == wanted, "run: python editor-clients/vscode/settings.py"


def test_the_server_takes_every_default_and_has_it_itself() -> None:
    settings = Settings()
    for name, declared in of_the_server().items():
        default = declared["default"]
        complaints: list[str] = []
        options.from_json({name: default}, complaints.append)
        assert not complaints
        own = getattr(settings if hasattr(settings, name) else settings.engine, name)
        if name != "canvas":  # which this client draws
            assert default == (list(own) if isinstance(own, tuple) else own), name


def test_a_workspace_cannot_choose_what_is_run_or_loaded() -> None:
    for name in ("path", "model", "cacheDir", "baseFile", "sources"):
        assert DECLARED[f"unmask.{name}"]["scope"] == "machine"
    assert MANIFEST["capabilities"]["untrustedWorkspaces"]["supported"] is False


def test_the_extension_knows_which_settings_are_its_own() -> None:
    (listed,) = re.findall(r"CLIENT_ONLY: .* = new Set\(\[(.*?)\]", SOURCE)
    assert {name.strip(' "') for name in listed.split(",")} == set(generator().CLIENT_ONLY)


def test_every_command_is_declared_and_none_is_the_servers() -> None:
    registered = set(re.findall(r'^ +"(unmask\.\w+)": ', SOURCE, re.MULTILINE))
    assert registered == COMMANDS
    servers = {
        to_lsp.FILL,
        to_lsp.EDIT,
        to_lsp.ACCEPTED,
        execute_command.RELOAD,
        execute_command.STATUS,
    }
    assert not COMMANDS & servers


def test_the_menu_offers_the_tasks_that_there_are() -> None:
    assert set(re.findall(r'kind: "(\w+)"', SOURCE)) >= set(get_args(EditKind))
    (strengths,) = re.findall(r"export type Strength = (.*?);", SOURCE)
    assert tuple(re.findall(r'"(\w+)"', strengths)) == get_args(Strength)
    (languages,) = re.findall(r"const LANGUAGES.*?\{(.*?)\}", SOURCE, re.DOTALL)
    assert tuple(re.findall(r"(\w+): ", languages)) == TARGETS


def test_the_lock_file_names_no_place_to_fetch_from() -> None:
    locked = json.loads((EXTENSION / "package-lock.json").read_text(encoding="utf-8"))
    assert not [name for name, package in locked["packages"].items() if "resolved" in package]
    assert all("integrity" in package for name, package in locked["packages"].items() if name)
