"""The counts of suggestions: on disk, between servers, and as `unmask stats` tells them."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from lsp_server import ledger
from lsp_server.ledger import MOST_LANGUAGES, OTHERS, Ledger
from tests.unit.conftest import Unmask

INFINITE = '{"schema": 1, "since": "2026-01-01", "languages": {"go": {"shown": 1e999}}}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "suggestions.json"


def test_servers_add_to_one_another(path: Path) -> None:
    def serve() -> None:
        mine = Ledger(path)
        for _ in range(20):
            mine.note("python", "shown")
            mine.note("go", "accepted chars", 3)
            mine.write()
        while mine._new:  # the file was held by another one
            mine.write()

    servers = [threading.Thread(target=serve) for _ in range(4)]
    for server in servers:
        server.start()
    for server in servers:
        server.join()
    counts = ledger.read(path).counts
    assert (counts["python"]["shown"], counts["go"]["accepted chars"]) == (80, 240)
    assert [file.name for file in path.parent.iterdir() if not file.name.endswith(".lock")] == [path.name]


def test_a_file_that_is_held_is_written_later(path: Path) -> None:
    mine = Ledger(path)
    mine.note("python", "shown")
    path.parent.mkdir()
    with FileLock(f"{path}.lock"):
        mine.write()
        assert not path.exists()
    mine.write()
    mine.write()
    assert ledger.read(path).counts["python"]["shown"] == 1


@pytest.mark.parametrize(
    "junk", ["", "[]", '{"schema": 9}', '{"schema": 1, "since": "x", "languages": 3}', INFINITE]
)
def test_a_file_that_cannot_be_read_is_begun_anew(path: Path, junk: str) -> None:
    path.parent.mkdir()
    path.write_text(junk)
    assert ledger.read(path).counts == {}
    mine = Ledger(path)
    mine.note("python", "rejected")
    mine.write()
    assert ledger.read(path).counts["python"]["rejected"] == 1


def test_the_file_stays_small(path: Path) -> None:
    mine = Ledger(path)
    for number in range(2000):
        mine.note(f"language-{number}", "shown", 1_000_000)
    mine.write()
    counts = ledger.read(path).counts
    assert len(counts) == MOST_LANGUAGES + 1
    assert counts[OTHERS]["shown"] == (2000 - MOST_LANGUAGES) * 1_000_000
    assert path.stat().st_size < 10_000


def test_stats_as_a_table_as_json_and_begun_anew(
    unmask: Unmask, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNMASK_STATS_FILE", str(path))
    assert "Nothing was counted" in unmask("stats").out.decode()
    mine = Ledger(path)
    for column, count in {"shown": 8, "accepted": 3, "partly accepted": 1, "rejected": 2}.items():
        mine.note("python", column, count)
    mine.note("go", "shown", 2)
    mine.write()
    table = unmask("stats").out.decode()
    assert all(word in table for word in ("python", "go", "all", "50%", "40%", "since"))
    told = json.loads(unmask("stats", "--json").out)
    assert told["languages"]["python"] == {
        "shown": 8, "accepted": 3, "partly_accepted": 1, "rejected": 2, "accepted_chars": 0,
        "accepted_share": 0.5,
    }  # fmt: skip
    assert told["total"]["shown"] == 10
    assert json.loads(unmask("stats", "--reset", "--json").out)["languages"] == {}
    assert not path.exists()
