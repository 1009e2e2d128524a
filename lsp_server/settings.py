"""Layers of ``Options`` → ``Settings``: every value decided, and where the layers are found.

Later layers win; a ``languages`` table is merged key by key, every other value is replaced whole.
Knows nothing of LSP and loads no model.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

import platformdirs

from engine.config import FAKE_MODEL, EngineConfig
from engine.errors import ConfigError
from engine.weights.home import home
from engine.weights.named import directory_of
from lsp_server import options as options_
from lsp_server.options import Completion, LogLevel, MultiLine, Options, Report

FILE_NAME = "unmask.toml"
USER_FILE_VARIABLE = "UNMASK_CONFIG"
"""Names another user file, for tests and for people who keep theirs elsewhere."""

EXPLICIT_TOKENS = 256
"""The least an explicit fill may use: a selected function is longer than a suggestion."""

_USER_ONLY = ("base_file", "cache_dir", "sources")
"""What names files and origins on the user's machine."""

_UNLESS = dict.fromkeys(("model", "edit_model"), " but by a name of `unmask models list`")
"""What of these a project may set all the same."""

_ENGINE_FIELDS = tuple(entry.name for entry in fields(EngineConfig))


@dataclass(frozen=True, slots=True)
class Settings:
    """What the server goes by; see ``Options`` for the meaning of each value.

    Attributes:
        engine: the part the engine is opened with; where it changes, the engine is opened anew.
        deadline_ms: milliseconds; holds for automatic requests, an explicit one runs to its end.
    """

    engine: EngineConfig = field(default_factory=EngineConfig)
    context_files: int = 0
    enabled: bool = True
    languages: Mapping[str, bool] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    manual_only: bool = False
    in_comments: bool = True
    in_strings: bool = True
    max_tokens: int = 64
    multi_line: MultiLine = "auto"
    deadline_ms: int = 5_000
    debounce_ms: int | None = None
    completion: Completion = "auto"
    check_types: bool = True
    canvas: bool = False
    stats: bool = True
    log_level: LogLevel = "warning"

    @property
    def explicit_tokens(self) -> int:
        """The most tokens of a hole that a person asks to have filled."""
        return max(self.max_tokens, EXPLICIT_TOKENS)

    def allows_language(self, language: str) -> bool:
        """Whether the switch of an LSP language identifier is on; it is unless turned off."""
        return self.languages.get(language, self.languages.get("*", True))

    def allows_scope(self, *, in_comment: bool, in_string: bool) -> bool:
        """Whether anything is suggested unasked at a place of this kind."""
        return not (in_comment and not self.in_comments) and not (in_string and not self.in_strings)

    def excludes(self, path: PurePosixPath) -> bool:
        """Whether a path, relative to its folder, is matched by one of the ``exclude`` globs.

        A glob without a slash matches any one name on the way, one with a slash the whole path; ``**/``
        at the start and ``/**`` at the end reach any depth.
        """
        return any(_matches(path, glob) for glob in self.exclude)


def resolve(*layers: Options) -> Settings:
    """Settings from layers of options, the last one that says something winning."""
    said: dict[str, Any] = {}
    for layer in layers:
        for entry in fields(layer):
            value = getattr(layer, entry.name)
            if value is None:
                continue
            if entry.name == "languages":
                value = {**said.get("languages", {}), **value}
            said[entry.name] = value
    engine = EngineConfig(**{name: said.pop(name) for name in _ENGINE_FIELDS if name in said})
    return Settings(engine=engine, **said)


def load(project_dir: Path | None, environ: Mapping[str, str], report: Report, *extra: Options) -> Settings:
    """Settings of a project: user file < project file < environment < ``extra``, in that order.

    Args:
        project_dir: where the project's ``unmask.toml`` is looked for, upwards; None for no project.
        environ: the environment variables.
        report: called with one line for each thing that cannot be used.
        extra: command line or client, in rising precedence.
    """
    layers = [_of_user(environ, report)]
    project = None if project_dir is None else project_file(project_dir)
    if project is not None:
        layers.append(_of_project(project, report))
    layers.append(options_.from_environment(environ, report))
    return resolve(*layers, *extra)


def _of_user(environ: Mapping[str, str], report: Report) -> Options:
    """What the user's own file says; one that is named must be there."""
    file = user_file(environ)
    if file is None:
        return Options()
    if environ.get(USER_FILE_VARIABLE, "").strip() not in ("", os.devnull):
        try:
            file.stat()
        except (FileNotFoundError, NotADirectoryError):
            report(f"{USER_FILE_VARIABLE} names {file}, which is not there; ignored.")
        except (OSError, ValueError):
            pass  # reading it tells what is wrong
    return options_.from_toml(file, report)


def _of_project(path: Path, report: Report) -> Options:
    """What a project says, less what only its user may: a cloned repository must not choose files to load."""
    said = options_.from_toml(path, report)
    refused = {name for name in _USER_ONLY if getattr(said, name) is not None}
    refused |= {name for name in _UNLESS if _may_be_a_folder(getattr(said, name))}
    for name in sorted(refused):
        report(
            f"{path}: {name} is not for a project to set{_UNLESS.get(name, '')}. "
            f"Set it in {FILE_NAME} of your user configuration."
        )
    return replace(said, **dict.fromkeys(refused))


def _may_be_a_folder(model: str | None) -> bool:
    """Whether a model is not named by a name that is known: a folder of that name may lie anywhere."""
    if model is None or model.partition(":")[0] == FAKE_MODEL:
        return False
    try:
        return directory_of(model) is not None
    except ConfigError:  # of a user who has no home
        return True


def user_file(environ: Mapping[str, str]) -> Path | None:
    """Where the user's own ``unmask.toml`` is, whether or not it exists; None where the user has no home."""
    named = environ.get(USER_FILE_VARIABLE, "").strip()
    if named:
        return Path(named)
    if home() is None and not environ.get("XDG_CONFIG_HOME"):
        return None
    return platformdirs.user_config_path("unmask", appauthor=False) / FILE_NAME


def project_file(project_dir: Path) -> Path | None:
    """The nearest ``unmask.toml`` from a directory upwards, or None.

    The search ends at the root of the repository or at the user's home: a file above them is somebody else's.
    """
    try:
        return next((file for file in project_files(project_dir) if file.is_file()), None)
    except OSError:
        return None


def project_files(project_dir: Path) -> Iterator[Path]:
    """Where the ``unmask.toml`` of a directory may lie, nearest first, whether or not it does."""
    top = home()
    for directory in (project_dir, *project_dir.parents):
        yield directory / FILE_NAME
        try:
            if directory == top or (directory / ".git").exists():
                return
        except OSError:  # a folder that may not be looked into
            return


def _matches(path: PurePosixPath, glob: str) -> bool:
    """Whether a path, as ``from_lsp.path_key`` makes it, matches a glob as a user writes it."""
    glob = os.path.normcase(glob).replace("\\", "/")
    if "/" not in glob:
        return any(fnmatch.fnmatchcase(name, glob) for name in path.parts)
    # fnmatch's `*` also crosses slashes, so `/**` needs no care; a leading slash makes `**/x` match `x` too.
    text = "/" + str(path)
    return fnmatch.fnmatchcase(text, glob if glob.startswith(("/", "**/")) else "/" + glob)
