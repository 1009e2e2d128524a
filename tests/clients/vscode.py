"""VS Code: code-server, built from the npm registry, and Debian's Chromium to look at it with.

The first install takes some five minutes and 700 MB; nothing of it is part of the extension.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.clients.commands import run
from tests.clients.errors import NotInstalled

CODE_SERVER = "code-server@4.139.1"
NODE = "node@24"
TIMEOUT_S = 900

_PACKAGES = {
    "chromium": "chromium",
    "g++": "build-essential",
    "krb5-config": "libkrb5-dev",
    "pkg-config": "pkg-config",
    "fc-list": "fontconfig",
}
"""Programs that are needed, and the Debian packages they are in."""

_FONT = "fonts-dejavu-core"


def install(directory: Path) -> None:
    """Have a directory hold code-server, and the machine a browser.

    Raises:
        NotInstalled: something it needs is not here and cannot be installed.
    """
    if is_installed(directory):
        return
    if shutil.which("npm") is None:
        raise NotInstalled("code-server comes from npm, and there is no npm here")
    _install_packages()
    shutil.rmtree(directory, ignore_errors=True)
    _npm("--prefix", str(directory / "node"), NODE)
    parts = (directory / "node/node_modules/node/node_modules").glob("node-*-*")
    (headers,) = (part for part in parts if (part / "include").is_dir())
    environ = {**environment(directory), "npm_config_nodedir": str(headers)}
    _npm("--global", "--prefix", str(directory), CODE_SERVER, environ=environ)


def is_installed(directory: Path) -> bool:
    """Whether ``install`` has been here, and there is a browser."""
    return program(directory).exists() and shutil.which("chromium") is not None


def program(directory: Path) -> Path:
    """The program code-server; with ``environment``."""
    return directory / "bin/code-server"


def environment(directory: Path) -> dict[str, str]:
    """Has code-server find the Node it was built for."""
    return {"PATH": os.pathsep.join([str(directory / "node/node_modules/node/bin"), os.environ["PATH"]])}


def _install_packages() -> None:
    missing = [package for name, package in _PACKAGES.items() if shutil.which(name) is None]
    if not missing:
        return
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *missing, _FONT]
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise NotInstalled(f"it needs packages of the system; as root: {' '.join(command)}")
    for each in (["apt-get", "update"], command):
        run(each, TIMEOUT_S)


def _npm(*arguments: str, environ: Mapping[str, str] | None = None) -> None:
    run(["npm", "install", "--no-audit", "--no-fund", *arguments], TIMEOUT_S, **(environ or {}))
