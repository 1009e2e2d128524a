"""The command ``unmask``: turns an argument list into an exit code.

Knows which subcommands there are and how every error leaves the program. What a subcommand does is
its own module's matter: it is imported to register its arguments, and imports what it needs when it
runs, so that ``--help`` stays instant.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from engine.errors import TextError, UnmaskError, UsageError

EXIT_NOTHING = 1
EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130

_OUTPUT = {errno.ENOSPC, errno.EIO, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
"""How writing fails to a stream, which has no file name; reading names what it reads."""

# In the order of the help. A module that is not there (an install without it) is left out.
COMMANDS = ("demo", "fill", "batch", "serve", "models", "doctor", "stats", "bench", "export", "train", "eval")

DESCRIPTION = """\
Unmask fills masked spans of code in place, on your own machine.

It puts masks where code is missing and denoises them in place, looking at the code on both
sides. Your editor talks to it through `unmask serve`; the other commands let you see it, script
it and measure it. The model (about 0.5 GB to fetch, 0.6 GB on disk once prepared) is fetched
once, on first use; after that nothing leaves this machine and no network is needed."""

EPILOG = """\
examples:
  unmask demo                                 watch it fill holes in five languages
  unmask fill app.py --at 12:9 --diff         fill at line 12, column 9; show the change
  echo 'def add(a, b): return <hole>' | unmask fill - --language python

exit codes:
  0    done
  1    ran, but there is nothing to give: refused, or the doctor found something broken
  2    wrong usage, setting or input file
  3    the model or its weights cannot be used
  4    ONNX Runtime cannot start or run
  70   a bug in Unmask
  130  interrupted

`unmask COMMAND --help` says more about each command."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are ours: one line, with the remedy. Options are written out."""

    def __init__(self, **said: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **said})

    def error(self, message: str) -> NoReturn:
        """Raise ``UsageError`` in place of printing the usage and leaving."""
        raise UsageError(message, f"Run `{self.prog} --help` to see what it takes.")


class _Version(argparse.Action):
    """``--version``: reads the installed version only when asked."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from lsp_server.cli.machine import version

        print(f"unmask {version()}")
        parser.exit(0)


def build_parser() -> Parser:
    """The parser of the whole command line, with every subcommand that is there."""
    parser = Parser(
        prog="unmask",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and leave")
    parser.add_argument("--debug", action="store_true", help="show the trace of an error")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name in COMMANDS:
        if find_spec(f"lsp_server.cli.{name}") is not None:
            module = importlib.import_module(f"lsp_server.cli.{name}")
            before = set(commands.choices)
            module.register(commands)
            for added in set(commands.choices) - before:
                commands.choices[added].set_defaults(run=module.run)
    for command in commands.choices.values():
        command.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="show the trace of an error"
        )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (default: the process's) and return its exit code.

    Never raises: every error becomes one line on stderr, ``unmask: <cause>. <remedy>``.
    """
    _open_closed_streams()
    _speak_utf8()
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
    except UnmaskError as error:
        return _fail(error, str(error), error.exit_code, debug=debug)
    except KeyboardInterrupt:
        return _fail(None, "interrupted", EXIT_INTERRUPTED, debug=False)
    except Exception as error:
        if _reader_left(error):
            _drop_stdout()
            return EXIT_NOTHING
        if isinstance(error, OSError) and (refused := _refused(error)):
            return _fail(error, str(refused), refused.exit_code, debug=debug)
        what = " ".join(f"{type(error).__name__}: {error}".split())
        hint = "" if debug else " Run it again as `unmask --debug …` to see the trace."
        return _fail(error, f"internal error: {what}.{hint}", EXIT_INTERNAL, debug=debug)
    else:
        return code


def _dispatch(arguments: list[str]) -> int:
    parser = build_parser()
    try:
        args = parser.parse_args(arguments)
    except SystemExit as leave:  # --help and --version have printed what they had to say
        return leave.code if isinstance(leave.code, int) else 0
    if args.command is None:
        parser.print_help(sys.stderr)
        return UsageError.exit_code
    code: int = args.run(args)
    return code


def _fail(error: BaseException | None, message: str, code: int, *, debug: bool) -> int:
    if debug and error is not None:
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    with contextlib.suppress(OSError, ValueError):  # stderr may be closed: nobody is listening
        print(f"unmask: {message}", file=sys.stderr, flush=True)
    return code


def _reader_left(error: Exception) -> bool:
    """Whether the other end of a pipe closed it; Windows reports that as an invalid argument."""
    windows = os.name == "nt" and isinstance(error, OSError) and error.errno == errno.EINVAL
    return isinstance(error, BrokenPipeError) or windows


def _refused(error: OSError) -> UnmaskError | None:
    """What the operating system refuses, as the user's error; None where that names nothing of theirs."""
    reason = error.strerror or str(error)
    if isinstance(error.filename, str | bytes):
        cause = f"{os.fsdecode(error.filename)} cannot be used ({reason})"
        return TextError(cause, "Check the name, its permissions and the space on its disk.")
    if error.errno in _OUTPUT:
        _drop_stdout()
        return TextError(f"cannot write the output ({reason})", "Free some space, or send it elsewhere.")
    return None


def _open_closed_streams() -> None:
    """What is printed goes nowhere where the output streams are closed."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  (for good)


def _drop_stdout() -> None:
    """Send what is still buffered nowhere, so that the interpreter's last flush cannot fail."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _speak_utf8() -> None:
    """Make the standard streams UTF-8 whatever the console's code page is."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(io.UnsupportedOperation, ValueError):
                stream.reconfigure(
                    encoding="utf-8", errors="backslashreplace" if stream is not sys.stdin else "strict"
                )


if __name__ == "__main__":
    sys.exit(main())
