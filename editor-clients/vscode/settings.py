"""The table of settings in ``editor-clients/README.md`` → those that the manifest ``package.json`` declares.

    python editor-clients/vscode/settings.py

writes them. The table is held to the server's own options by ``tests/test_docs.py``, and the manifest to the
table by ``tests/test_vscode_extension.py``.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

MANIFEST = Path(__file__).with_name("package.json")
TABLE = Path(__file__).parent.parent / "README.md"

SECTION = "unmask."
CLIENT_ONLY = ("path", "preview")
"""Settings of the extension itself, which stand in the manifest as they are."""

_USER_ONLY = {"model", "edit_model", "cache_dir", "sources", "base_file"}
"""What chooses files to load, and so is not for a workspace to say."""

_WHOLE_WINDOW = {
    "device",
    "threads",
    "context_tokens",
    "offline",
    "cache_mb",
    "decoding",
    "completion",
    "stats",
    "log_level",
}
"""What holds for the one server of a window; everything else may differ from folder to folder."""

_DRAWN = {"canvas": True}
"""Defaults that are other ones here: this client draws the canvas."""


def rows() -> list[tuple[str, str, str, str]]:
    """Name, type, default and meaning of each setting."""
    _, _, after = TABLE.read_text(encoding="utf-8").partition("| Setting | Type | Default | Meaning |\n")
    lines = after.partition("\n\n")[0].splitlines()[1:]
    cells = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in lines)
    return [(name.strip("`"), type_, default, meaning) for name, type_, default, meaning in cells]


def camel_case(name: str) -> str:
    """The setting's name as VS Code's are written; the server reads either."""
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def properties() -> dict[str, Any]:
    """What the manifest declares for the server's settings."""
    return {SECTION + camel_case(row[0]): _property(*row) for row in rows()}


def _property(name: str, type_: str, default: str, meaning: str) -> dict[str, Any]:
    scope = "machine" if name in _USER_ONLY else "window" if name in _WHOLE_WINDOW else "resource"
    unsaid = None if default == "none" else tomllib.loads(f"value = {default.strip('`')}")["value"]
    return {
        **_schema(type_, may_be_unsaid=unsaid is None),
        "default": _DRAWN.get(name, unsaid),
        "scope": scope,
        "markdownDescription": f"{meaning[0].upper()}{meaning[1:]}.",
    }


def _schema(type_: str, *, may_be_unsaid: bool) -> dict[str, Any]:
    """The JSON schema that a cell of the column «Type» stands for; unsaid is null."""
    schema = _of_value(type_)
    return {**schema, "type": [schema["type"], "null"]} if may_be_unsaid else schema


def _of_value(type_: str) -> dict[str, Any]:
    choices = re.findall(r'`"(\w+)"`', type_)
    bounds = re.fullmatch(r"(\d+) to (\d+)", type_)
    if bounds:
        return {"type": "integer", "minimum": int(bounds[1]), "maximum": int(bounds[2])}
    if type_.startswith("list of"):
        return {"type": "array", "items": {"type": "string", **({"enum": choices} if choices else {})}}
    if choices:
        return {"type": "string", "enum": choices}
    simple: dict[str, dict[str, Any]] = {
        "switch": {"type": "boolean"},
        "string": {"type": "string"},
        "path": {"type": "string"},
        "table of switches": {"type": "object", "additionalProperties": {"type": "boolean"}},
    }
    return simple[type_]


def main() -> int:
    """Write the settings into the manifest."""
    manifest = json.loads(MANIFEST.read_text(encoding="utf-8"))
    declared = manifest["contributes"]["configuration"]["properties"]
    own = {SECTION + name: declared[SECTION + name] for name in CLIENT_ONLY}
    manifest["contributes"]["configuration"]["properties"] = {**own, **properties()}
    MANIFEST.write_text(
        json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
