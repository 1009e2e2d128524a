"""The doctor: what it finds, what it calls broken, and that it fetches nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import BackendError
from engine.models import runtime
from engine.weights import store
from lsp_server.cli import machine
from tests.unit.conftest import Unmask

FIELDS = [
    "ok",
    "unmask",
    "machine",
    "packages",
    "providers",
    "provider",
    "provider_reason",
    "cache_dir",
    "cache_free_bytes",
    "cache_writable",
    "model",
    "model_state",
    "edit_model",
    "edit_model_state",
    "models",
    "config_files",
    "load",
    "notes",
    "problems",
]


def findings(unmask: Unmask, *arguments: str) -> tuple[int, dict[str, Any]]:
    outcome = unmask("doctor", "--json", *arguments)
    return outcome.code, json.loads(outcome.out)


def causes(found: dict[str, Any]) -> str:
    assert found["ok"] == (not found["problems"])
    assert all(problem["remedy"] for problem in found["problems"])
    return "; ".join(problem["cause"] for problem in found["problems"])


def test_a_machine_that_is_well(unmask: Unmask, tmp_path: Path) -> None:
    code, found = findings(unmask, "--model", "fake", "--device", "cpu")
    assert (code, causes(found), list(found)) == (0, "", FIELDS)
    assert found["provider"] == "CPUExecutionProvider" and "device=cpu" in found["provider_reason"]
    assert found["provider"] in found["providers"]
    assert found["cache_dir"] == str(tmp_path / "cache") and found["cache_writable"]
    assert found["machine"]["usable_cpus"] >= 1 and found["machine"]["cpu"]
    assert 0 < found["machine"]["available_bytes"] <= found["machine"]["memory_bytes"]
    assert None not in found["packages"].values()


def test_for_people_it_says_all_is_well_or_what_is_broken(unmask: Unmask) -> None:
    assert "all is well" in unmask("doctor", "--model", "fake").out.decode()
    outcome = unmask("doctor", "--model", "no-such-model")
    text = outcome.out.decode()
    assert outcome.code == 1 and "no-such-model" in text and "→" in text and "all is well" not in text


def test_a_model_that_is_not_known_is_broken(unmask: Unmask) -> None:
    code, found = findings(unmask, "--model", "no-such-model")
    assert code == 1 and "no-such-model" in causes(found)


def test_a_wrong_option_of_the_fake_is_broken(unmask: Unmask) -> None:
    code, found = findings(unmask, "--model", "fake:anwser=x")
    assert code == 1 and "anwser" in causes(found)


def test_an_artifact_that_is_cut_short_is_broken(unmask: Unmask) -> None:
    Path("artifact").mkdir()
    Path("artifact/manifest.json").write_text("{}")
    code, found = findings(unmask, "--model", "./artifact")
    assert code == 1 and "manifest.json" in causes(found)


def test_a_provider_that_cannot_run_is_broken(unmask: Unmask, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(device: str) -> runtime.Provider:
        raise BackendError(f"device={device} cannot be used", "Use device=auto.")

    monkeypatch.setattr(runtime, "choose_provider", refuse)
    code, found = findings(unmask, "--model", "fake", "--device", "cuda")
    assert (code, found["provider"]) == (1, None) and "device=cuda" in causes(found)


def test_a_cache_directory_that_is_a_file_is_broken(unmask: Unmask) -> None:
    Path("taken").write_text("x")
    code, found = findings(unmask, "--model", "fake", "--cache-dir", "taken")
    assert (code, found["cache_writable"]) == (1, False) and "taken" in causes(found)


def test_a_setting_that_cannot_be_used_is_broken_and_its_file_named(unmask: Unmask) -> None:
    Path("unmask.toml").write_text('model = "fake"\nthreads = "many"\n')
    code, found = findings(unmask)
    assert code == 1 and "threads" in causes(found)
    assert found["config_files"] == [str(Path("unmask.toml").absolute())]


def test_both_runtimes_and_missing_packages_are_broken(
    unmask: Unmask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "installed", lambda name: None if name == "numpy" else "1.0")
    code, found = findings(unmask, "--model", "fake")
    assert code == 1 and "missing packages: numpy" in causes(found)
    assert "onnxruntime and onnxruntime-gpu are both installed" in causes(found)


def test_a_base_file_that_is_not_there_is_broken(unmask: Unmask) -> None:
    code, found = findings(unmask, "--model", "fake", "--base-file", "gone.gguf")
    assert code == 1 and "gone.gguf" in causes(found)


def test_load_fills_a_hole(unmask: Unmask) -> None:
    code, found = findings(unmask, "--model", "fake:answer=a %2B b", "--load")
    assert (code, found["load"]["fill"], found["load"]["status"]) == (0, "a + b", "ok")


def test_a_model_that_loads_and_cannot_fill_is_broken(unmask: Unmask) -> None:
    code, found = findings(unmask, "--model", "fake:answer=", "--load")
    assert code == 1 and "could not fill" in causes(found)


def test_nothing_is_loaded_while_something_is_broken(unmask: Unmask) -> None:
    code, found = findings(unmask, "--model", "no-such-model", "--load")
    assert (code, found["load"]) == (1, None) and "not loaded" in found["notes"][-1]


def test_a_cache_without_room_is_said(unmask: Unmask, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: store.ModelStore) -> None:
        raise store.StoreError(f"the disk of {self.root} is full", "Free some space.")

    monkeypatch.setattr(store.ModelStore, "check_writable", refuse)
    code, found = findings(unmask, "--model", "fake")
    assert code == 1 and "is full" in causes(found)


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        ("processor\t: 0\nmodel name\t: AMD EPYC 9B14\n", "AMD EPYC 9B14"),
        ("Model\t\t: Raspberry Pi 5\n", "Raspberry Pi 5"),
        ("processor : 0\n", ""),
    ],
)
def test_the_processors_name_on_linux(cpuinfo: str, name: str) -> None:
    assert machine._linux_cpu_name(cpuinfo) == name
