"""A user's home for one test: empty, with ``unmask`` on its PATH, and a project with a file to work on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "editor-clients" / "README.md"


@dataclass(frozen=True, slots=True)
class Home:
    """Where an editor runs.

    Attributes:
        path: the home directory.
        project: a directory in it, the working directory.
        env: the environment: the server is as in ``model``, and nothing of this user's is seen.
    """

    path: Path
    project: Path
    env: dict[str, str]

    def file(self, name: str, text: str) -> Path:
        """A file of the project."""
        path = self.project / name
        path.write_text(text)
        return path

    def run(self, script: str) -> None:
        """Run what the documentation says to run in a clone of the repository."""
        done = subprocess.run(
            ["bash", "-euc", script], cwd=ROOT, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


REAL = "qwen2.5-coder-0.5b"
"""The default model."""


def make(path: Path, model: str, **environ: str) -> Home:
    """A new home whose server runs a model: the fake that ships, or ``REAL``, pulled beforehand."""
    if model == REAL:
        pull = [sys.executable, "-I", "-m", "lsp_server.cli.main", "models", "pull", model]
        subprocess.run(pull, check=True, capture_output=True)
    project = path / "project"
    project.mkdir(parents=True)
    (project / "unmask.toml").touch()  # marks the root
    kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
    env = {
        **kept,
        "HOME": str(path),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "SHELL": "/bin/sh",
        "UNMASK_MODEL": model,
        "UNMASK_CONFIG": os.devnull,
        "UNMASK_OFFLINE": "1",
        "UNMASK_CACHE_DIR": str(user_cache_path("unmask")),
        **environ,
    }
    return Home(path, project, env)


def section(title: str) -> str:
    """A section of the page on editors, those below it included."""
    text = README.read_text(encoding="utf-8")
    start = re.search(rf"^(#+) {re.escape(title)}$", text, re.MULTILINE)
    assert start, f"the page on editors has no section {title!r}"
    end = re.compile(rf"^#{{1,{len(start[1])}}} ", re.MULTILINE).search(text, start.end())
    return text[start.end() : end.start() if end else len(text)]


def blocks(title: str, language: str) -> list[str]:
    """The blocks of a language in a section of the page on editors: what a reader would paste."""
    return re.findall(rf"^```{language}\n(.*?)^```", section(title), re.DOTALL | re.MULTILINE)
