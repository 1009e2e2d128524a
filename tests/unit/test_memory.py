"""Memory: which is moved to huge pages, that what lies there stays as it is, and what goes back."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from engine.models.memory import HUGE_PAGE, _private_memory, give_back, move_to_huge_pages
from lsp_server.cli.machine import resident_bytes

MAPS = """\
00400000-00e00000 rw-p 00000000 fe:00 1234                       /usr/bin/python3.11
01000000-01500000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000400000 r-xp 00000000 00:00 0
7f00001ff000-7f0000601000 rw-p 00000000 00:00 0
7f0000700000-7f0000800000 rw-p 00000000 00:00 0
7ffd00000000-7ffd00400000 rw-p 00000000 00:00 0                  [stack]
"""


def test_whole_huge_pages_of_private_memory_alone() -> None:
    assert list(_private_memory(MAPS)) == [
        (0x1000000, 0x1400000),
        (0x7F0000200000, 0x7F0000600000),
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has them so")
def test_what_lies_in_memory_stays_as_it_is() -> None:
    values = np.arange(4 * HUGE_PAGE // 8)
    mover = move_to_huge_pages()
    assert mover is not None
    mover.join()
    assert (values == np.arange(len(values))).all()


@pytest.mark.skipif(sys.platform != "linux", reason="glibc keeps what is freed")
def test_what_is_freed_goes_back_to_the_system() -> None:
    give_back()
    before = resident_bytes()
    small = [bytes(60_000) for _ in range(2_000)]  # below what is mapped by itself
    kept = bytes(60_000)  # and behind them
    assert resident_bytes() - before > 90_000_000
    del small
    give_back()
    assert resident_bytes() - before < 30_000_000
    assert len(kept) == 60_000
