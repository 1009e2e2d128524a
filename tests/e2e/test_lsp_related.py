"""Signatures of other files on their way to the engine: of imports and of recent files, fresh, no others."""

import time
from pathlib import Path

import pytest

from tests.e2e.conftest import Start
from tests.e2e.rpc import Client, span

# A server whose engine fills in what it was told of other files.
ECHO = """
import sys
from engine.denoising.fake import FakeDenoiser
from engine.engine import Engine
from engine.types import FillResult
from lsp_server import server
from lsp_server.cli.main import main

class Echo(Engine):
    def fill(self, request, *, cancel=None, on_frame=None):
        told = ";".join(f"{file.path}={'|'.join(file.signatures)}" for file in request.related)
        return FillResult("ok", (f"{request.related_tokens} {told}",) * request.n_holes, (1.0,))

def opener(config, *, progress, cancel):
    fake = FakeDenoiser()
    return Echo(fake, fake.codec, 1000)

server.Server.__init__.__kwdefaults__["opener"] = opener
sys.argv = ["unmask", "serve"]
sys.exit(main())
"""
MAIN = "from a import f\nimport b\nx = \n"
NOTHING = "256 "
ON = {"contextFiles": 256}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "work space"
    (folder / ".git").mkdir(parents=True)
    (folder / "a.py").write_text("def f(x): ...\ndef g(): ...\n")
    (folder / "b.py").write_text("def h(y): ...\n")
    (folder / "c.py").write_text("def k(z): ...\n")
    return folder


def told(client: Client, uri: str) -> str:
    # Asked for by hand: what typing asks for is silent after a suggestion that was typed past.
    item, *_ = client.ghost(uri, 2, 4, automatic=False)
    return str(item["insertText"])


def test_what_is_imported_and_what_was_edited_lately(start: Start, folder: Path):
    client = start(code=ECHO)
    client.initialize(options=ON, folders=[folder])
    main, other = (folder / "m.py").as_uri(), (folder / "c.py").as_uri()
    client.open(main, MAIN)
    assert told(client, main) == "256 a.py=def f(x):;b.py=def h(y):"
    client.open(other, "def k(z): ...\n")
    client.change(main, 2, {"range": span(2, 4, 2, 4), "text": " "})
    assert told(client, main) == "256 a.py=def f(x):;b.py=def h(y):"
    client.change(other, 2, {"range": span(0, 6, 0, 7), "text": "new"})
    client.change(main, 3, {"range": span(2, 4, 2, 5), "text": ""})
    assert told(client, main) == "256 a.py=def f(x):;b.py=def h(y):;c.py=def k(new):"


def test_a_file_that_changes_on_disk_is_read_again(start: Start, folder: Path):
    client = start(code=ECHO)
    client.initialize(options=ON, folders=[folder])
    main = (folder / "m.py").as_uri()
    client.open(main, MAIN)
    assert "a.py=def f(x):" in told(client, main)
    deadline, version = time.monotonic() + 20, 1
    while "a.py=def f(other):" not in told(client, main):
        assert time.monotonic() < deadline, client.stderr
        (folder / "a.py").write_text("def f(other): ...\n")
        version += 1  # what was shown would be shown again
        client.change(main, version, {"range": span(2, 0, 2, 1), "text": "xy"[version % 2]})
        time.sleep(0.05)


def test_what_is_ignored_excluded_secret_or_turned_off_is_never_read(start: Start, folder: Path):
    (folder / ".gitignore").write_text("a.py\n")
    main = (folder / "m.py").as_uri()
    client = start(code=ECHO)
    client.initialize(options={"exclude": ["b.py"], **ON}, folders=[folder])
    client.open(main, MAIN)
    assert told(client, main) == NOTHING
    client.leave()
    client = start(code=ECHO)
    client.initialize(folders=[folder])  # off unless asked for
    client.open(main, MAIN)
    assert told(client, main) == "0 "
    client.leave()
    client = start(code=ECHO)
    client.initialize(options=ON)  # no folder: nothing says what may be read
    client.open(main, MAIN)
    assert told(client, main) == NOTHING
