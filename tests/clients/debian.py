"""Names of Debian packages → a directory of programs that run from there, whatever system is around it.

apt resolves the packages against an empty machine, so that all they need comes along; they are unpacked,
never installed, and each program is told to use the loader and the libraries beside it. Nothing of the
machine's own packages is asked or changed, and nobody has to be root.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from engine.errors import SourceError
from export.corpus.debian import archive_root
from tests.clients.commands import run
from tests.clients.errors import NotInstalled

SUITE = "sid"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
TIMEOUT_S = 240

_COMPLETE = "packages.txt"
_APT = """\
Dir::State "{apt}/state";
Dir::State::status "{apt}/status";
Dir::Cache "{apt}/cache";
Dir::Etc::sourcelist "{apt}/sources.list";
Dir::Etc::sourceparts "-";
Acquire::Languages "none";
Acquire::http::Timeout "20";
Acquire::Retries "1";
APT::Install-Recommends "false";
APT::Sandbox::User "{user}";
"""


def install(directory: Path, packages: Sequence[str], programs: Sequence[str]) -> None:
    """Have a directory hold packages with all they need; done at once where it does already.

    Args:
        directory: made whole or not at all.
        packages: what to unpack.
        programs: paths in the directory of the programs that are to be run.

    Raises:
        NotInstalled: this is no machine with apt, or the packages could not be fetched.
    """
    wanted = "\n".join([*packages, *programs])
    complete = directory / _COMPLETE
    if complete.exists() and complete.read_text() == wanted:
        return
    if shutil.which("apt-get") is None or not KEYRING.exists():
        raise NotInstalled("it comes from Debian packages, and there is no apt-get with Debian's keys here")
    shutil.rmtree(directory, ignore_errors=True)
    partial = directory.with_name(f"{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    apt = partial / "apt"
    try:
        _fetch(apt, [*packages, "patchelf"])
        for archive in sorted((apt / "cache/archives").glob("*.deb")):
            _run("dpkg-deb", "-x", archive, partial)
        shutil.rmtree(apt)
        for program in programs:
            _settle(partial, directory, program)
        (partial / _COMPLETE).write_text(wanted)
        partial.rename(directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _fetch(apt: Path, packages: Sequence[str]) -> None:
    """Download packages and all they need into the cache of a private apt."""
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True)
    (apt / "status").touch()
    (apt / "sources.list").write_text(f"deb [signed-by={KEYRING}] {_archive()} {SUITE} main\n")
    config = apt / "apt.conf"
    user = "root" if os.geteuid() == 0 else ""
    config.write_text(_APT.format(apt=apt, user=user))
    _run("apt-get", "-qq", "update", APT_CONFIG=str(config))
    _run("apt-get", "-qq", "--download-only", "install", *packages, APT_CONFIG=str(config))


def _settle(root: Path, later: Path, program: str) -> None:
    """Have a program use the loader and the libraries of the directory that its root is going to be."""
    (loader,) = (path for path in root.glob("usr/lib*/ld-linux*") if path.exists())
    (libraries,) = root.glob("usr/lib/*-linux-gnu*/")
    _run(
        loader, "--library-path", libraries, root / "usr/bin/patchelf",
        "--set-interpreter", later / loader.relative_to(root),
        "--force-rpath", "--set-rpath", later / libraries.relative_to(root),
        (root / program).resolve(),
    )  # fmt: skip


def _archive() -> str:
    """The archive that apt is set up for, by its lists, which are fetched where there are none yet."""
    try:
        return archive_root()[0]
    except SourceError:
        _run("apt-get", "-qq", "update")
    try:
        return archive_root()[0]
    except SourceError as error:
        raise NotInstalled(f"{error}") from error


def _run(*command: str | Path, **environ: str) -> None:
    run(command, TIMEOUT_S, **environ)
