"""The memory of models: huge pages for one that is loaded, and back to the system with one that is closed.

Every pass reads all weights, and looks up far fewer pages where they are huge. Linux has them for memory that
asks (``madvise``, the usual setting of transparent huge pages), and since 6.1 moves what lies in small pages
already. What is freed is kept by glibc for later: of a model of 1.7 GB, 1.2 GB. Elsewhere, and where the
system has no huge pages to give, nothing happens.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

HUGE_PAGE = 2 << 20
"""Bytes; of x86-64, and of arm64 with pages of 4 KB."""

AT_ONCE = 16 * HUGE_PAGE
"""Bytes moved by one call: the process cannot map memory meanwhile."""

ADVISE, MOVE = 14, 25
"""MADV_HUGEPAGE and MADV_COLLAPSE; source: asm-generic/mman-common.h."""

_ANONYMOUS = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ 0 *(?:\[heap\])?$")


def move_to_huge_pages() -> threading.Thread | None:
    """Move the memory that this process has by now, beside whatever else it does.

    Returns:
        the thread that does it; None where it is not Linux.
    """
    if sys.platform != "linux":
        return None
    mover = threading.Thread(target=_move, name="huge-pages", daemon=True)
    mover.start()
    return mover


def give_back() -> None:
    """Have what no object uses any more given back to the system, where the C library can."""
    gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # a C library without malloc_trim
            ctypes.CDLL(None).malloc_trim(0)


def _move() -> None:
    with contextlib.suppress(OSError, AttributeError):  # no /proc, or a C library without madvise
        madvise = ctypes.CDLL(None).madvise
        madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        for start, end in list(_private_memory(Path("/proc/self/maps").read_text(encoding="ascii"))):
            for at in range(start, end, AT_ONCE):
                size = min(AT_ONCE, end - at)
                if madvise(at, size, ADVISE) == 0:
                    madvise(at, size, MOVE)


def _private_memory(maps: str) -> Iterator[tuple[int, int]]:
    """Address ranges of whole huge pages that are the process's own and not of a file.

    Args:
        maps: as in ``/proc/PID/maps``.
    """
    for line in maps.splitlines():
        if found := _ANONYMOUS.match(line):
            first, last = (int(address, 16) for address in found.groups())
            start, end = -(-first // HUGE_PAGE) * HUGE_PAGE, last // HUGE_PAGE * HUGE_PAGE
            if start < end:
                yield start, end
