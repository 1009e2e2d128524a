"""``unmask serve``: the language server, on the standard streams or one TCP connection.

Turns arguments into a running server and its end into an exit code.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from lsp_server.cli import files
from lsp_server.cli.options import add_model_options, said
from lsp_server.options import LogLevel

if TYPE_CHECKING:
    from argparse import _SubParsersAction

LOOPBACK = "127.0.0.1"


def register(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "serve",
        help="run the language server for an editor",
        description="Run the language server. Editors start this themselves and talk to it over its standard "
        "streams; messages for people go to stderr.",
    )
    parser.add_argument(
        "--stdio", action="store_true", help="the standard streams (what happens anyway; editors say it)"
    )
    parser.add_argument(
        "--tcp",
        type=_address,
        metavar="HOST:PORT",
        help=f"serve one client on a socket instead; {LOOPBACK} where only a port is given",
    )
    parser.add_argument("--log-level", choices=get_args(LogLevel), help="what goes to stderr (warning)")
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until the client leaves: 0 after ``shutdown``, else 1."""
    from lsp_server import transport
    from lsp_server.server import Server

    set_up_logging(args.log_level or "warning")
    server = Server(replace(said(args), log_level=args.log_level), environ=os.environ)
    if args.tcp is None:
        files.stdin()  # or else there is nobody to serve
        return transport.serve_stdio(server)
    return transport.serve_tcp(server, *args.tcp)


def set_up_logging(level: str) -> None:
    """Send the log to stderr: ours from ``level`` up, pygls's only errors, as it logs whole texts."""
    from lsp_server.errors import without_refusals

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(without_refusals)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("lsp_server").setLevel(level.upper())
    logging.getLogger("pygls").setLevel(logging.INFO if level == "debug" else logging.ERROR)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]") or LOOPBACK, int(port)
