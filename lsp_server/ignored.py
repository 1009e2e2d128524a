"""A path to whether git ignores it, read from the ignore files themselves.

No git is run for it: there need not be one, it would be a process for each file, and what a repository
configures could run with it. The patterns are `pathspec`'s matter; which file's patterns win is git's rule:
the nearest one's, the last line first, and nothing inside an ignored folder.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from engine.weights.home import home

if TYPE_CHECKING:
    import pathspec

FILE_NAME = ".gitignore"


class Ignored:
    """What git ignores in a folder and the repository around it; each ignore file is read once.

    Args:
        root: the folder that paths are relative to.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._specs: dict[Path, pathspec.GitIgnoreSpec | None] = {}
        around = (one for one in (root, *root.parents) if os.path.exists(one / ".git"))  # noqa: PTH110
        self._repository = next(around, root)

    def __call__(self, path: PurePosixPath) -> bool:
        """Whether a file, relative to the root, or a folder on its way is ignored."""
        if ".git" in path.parts:
            return True
        whole = self._root / path
        way = [one for one in reversed(whole.parents) if one.is_relative_to(self._repository)][1:]
        return any(self._is_ignored(one, is_folder=True) for one in way) or self._is_ignored(whole)

    def files(self) -> frozenset[Path]:
        """The ignore files that decided so far; they need not exist."""
        return frozenset(self._specs)

    def _is_ignored(self, path: Path, *, is_folder: bool = False) -> bool:
        folders = [one for one in path.parents if one.is_relative_to(self._repository)]
        for file, folder in [*((one / FILE_NAME, one) for one in folders), *self._elsewhere()]:
            spec = self._spec(file)
            if spec is None:
                continue
            name = path.relative_to(folder).as_posix() + ("/" if is_folder else "")
            said = spec.check_file(name).include
            if said is not None:
                return said
        return False

    def _elsewhere(self) -> list[tuple[Path, Path]]:
        """The ignore files of the repository and the user that are not in the tree."""
        files = [self._repository / ".git" / "info" / "exclude"]
        if named := os.environ.get("XDG_CONFIG_HOME"):
            files.append(Path(named) / "git" / "ignore")
        elif own := home():
            files.append(own / ".config" / "git" / "ignore")
        return [(file, self._repository) for file in files]

    def _spec(self, file: Path) -> pathspec.GitIgnoreSpec | None:
        if file not in self._specs:
            import pathspec  # noqa: PLC0415 - `initialize` is answered before it is loaded

            try:
                lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            except OSError:
                lines = []
            self._specs[file] = pathspec.GitIgnoreSpec.from_lines(lines) if lines else None
        return self._specs[file]
