"""Huge pages: which memory is meant, and that what lies there stays as it is."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from engine.models.huge_pages import HUGE_PAGE, _private_memory, move_to_huge_pages

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
