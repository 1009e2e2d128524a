"""``python -m lsp_server`` is ``unmask serve``, if the ``engine`` it would import is the one beside it.

Started with ``-m``, Python looks for modules in the working directory first: in a workspace that has a
package ``engine`` of its own, that one would be run in place of ours.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path


def foreign_engine() -> str | None:
    """Where the package ``engine`` would come from, if that is not beside this one; runs none of it."""
    spec = find_spec("engine")
    if spec is None:
        return "nowhere"
    places = [Path(place).resolve() for place in spec.submodule_search_locations or [spec.origin or "?"]]
    ours = Path(__file__).resolve().parent.parent / "engine"
    return None if places and places[0] == ours else str(places[0])


def main() -> int:
    """Run ``unmask serve`` with this process's arguments; returns the exit code."""
    found = foreign_engine()
    if found is not None:
        print(
            f"unmask: the package `engine` would be imported from {found}, which is not Unmask's. "
            "Start the server with `unmask serve` or `python -I -m lsp_server`.",
            file=sys.stderr,
        )
        return 2
    from lsp_server.cli.main import main as run  # noqa: PLC0415 - imports `engine`, so not before the check

    return run(["serve", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
