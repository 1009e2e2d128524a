"""What can be said in JSON, TOML and the environment, and what is reported of the rest."""

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server import options
from lsp_server.options import Options


def read(obj: object) -> tuple[Options, list[str]]:
    reports: list[str] = []
    return options.from_json(obj, reports.append), reports


def test_takes_both_spellings_of_a_key():
    said, reports = read({"contextTokens": 512, "manual_only": True, "multiLine": "never"})
    assert said == Options(context_tokens=512, manual_only=True, multi_line="never")
    assert reports == []


def test_null_and_nothing_are_not_said():
    assert read({"model": None, "exclude": None}) == (Options(), [])
    assert read(None) == (Options(), [])


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("device", "gpu", "one of auto, cpu, cuda"),
        ("threads", -1, "a whole number from 0 to 1024"),
        ("threads", True, "a whole number"),
        ("threads", "4", "a whole number"),
        ("model", "  ", "a non-empty string"),
        ("offline", "yes", "true or false"),
        ("sources", ["hub", "ftp"], "a list of sources, each one of file, "),
        ("exclude", "*.py", "a list of globs"),
        ("languages", {"python": "off"}, "an object of language identifiers"),
        ("baseFile", 3, "a path"),
        ("baseFile", "~nosuchuser/x", "somebody unknown"),
        ("cacheDir", "a\0b", "a path"),
    ],
)
def test_a_wrong_value_is_named_and_dropped(key, value, wanted):
    said, reports = read({key: value, "maxTokens": 32})
    assert said == Options(max_tokens=32)
    assert len(reports) == 1
    assert repr(key) in reports[0]
    assert wanted in reports[0]


def test_an_unknown_key_is_named_and_dropped():
    said, reports = read({"modle": "fake"})
    assert said == Options()
    assert "'modle'" in reports[0]


def test_what_is_no_object_is_reported():
    assert read(["model"]) == (Options(), ["settings: must be an object, not ['model']; ignored."])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from([f.name for f in fields(Options)]) | st.text(), inner)
        ),
    )
)
def test_no_json_raises(obj):
    said, _ = read(obj)
    assert isinstance(said, Options)


def test_toml(tmp_path: Path):
    file = tmp_path / "unmask.toml"
    file.write_text(
        'model = "./weights"\ncache_dir = "cache"\nexclude = ["*.gen.py"]\n[languages]\nmarkdown = false\n'
    )
    reports: list[str] = []
    assert options.from_toml(file, reports.append) == Options(
        model=str(tmp_path / "weights"),
        cache_dir=tmp_path / "cache",
        exclude=("*.gen.py",),
        languages={"markdown": False},
    )
    assert reports == []


def test_a_models_name_is_no_path(tmp_path: Path):
    file = tmp_path / "unmask.toml"
    file.write_text('model = "qwen2.5-coder-1.5b"\n')
    assert options.from_toml(file, pytest.fail).model == "qwen2.5-coder-1.5b"


@pytest.mark.parametrize(
    "data",
    [
        b"model = \xff",
        b"threads = " + b"9" * 5000,
        b"threads = 0x" + b"9" * 5000,
        b"x = " + b"[" * 5000,
        b'base_file = "~nosuchuser/x"',
    ],
    ids=["bytes", "number", "hexadecimal", "nesting", "home"],
)
def test_broken_toml_is_reported_by_its_path(tmp_path: Path, data: bytes):
    file = tmp_path / "unmask.toml"
    file.write_bytes(data)
    reports: list[str] = []
    assert options.from_toml(file, reports.append) == Options()
    assert str(file) in reports[0]


def test_a_missing_file_says_nothing(tmp_path: Path):
    assert options.from_toml(tmp_path / "unmask.toml", pytest.fail) == Options()


def test_environment():
    environ = {
        "UNMASK_MODEL": "fake",
        "UNMASK_THREADS": "4",
        "UNMASK_OFFLINE": "1",
        "UNMASK_SOURCES": "hub, wheels",
        "UNMASK_DEVICE": "",
        "UNMASK_SOMETHING_ELSE": "x",
        "PATH": "/bin",
    }
    said = options.from_environment(environ, pytest.fail)
    assert said == Options(model="fake", threads=4, offline=True, sources=("hub", "wheels"))


def test_a_wrong_variable_is_named():
    reports: list[str] = []
    assert options.from_environment({"UNMASK_THREADS": "many"}, reports.append) == Options()
    assert reports == ["UNMASK_THREADS must be a whole number from 0 to 1024, not 'many'; ignored."]
