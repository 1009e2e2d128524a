"""Fixtures shared by all tests: the tiny model's whole path, and the real model where it is the point."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest

from engine.config import EngineConfig
from engine.denoising.schedule import LEFT_TO_RIGHT, DecodeRule
from engine.engine import Engine, open_engine
from engine.models.artifact import Manifest, load_manifest
from engine.models.runtime import int8_products_are_exact

# No test is a race: the machine may be busy with something else.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


@dataclass(frozen=True, slots=True)
class TinyModel:
    """A tiny GGUF, perhaps an adapter, and what export made of them."""

    gguf: Path
    adapter: Path | None
    shipped: Path
    artifact: Path

    @property
    def manifest(self) -> Manifest:
        return load_manifest(self.artifact)


DRAFTING = DecodeRule(agreement=(0.9, 0.7, 0.5, 0.3), row_worth=1e-4, plausible=0.5, sure=0.9)
"""A rule under which even an untrained adapter drafts, and its drafts are verified."""


def export_tiny(directory: Path, encoding: str, *, adapted: bool = False) -> TinyModel:
    """Write, export and assemble the tiny model with one encoding, with an adapter or without."""
    from export.package import package
    from tests import tiny

    path = directory / "tiny.gguf"
    tiny.write_gguf(path)
    adapter = table = None
    if adapted:
        run = directory / "run"
        run.mkdir()
        adapter, table = run / "trained.safetensors", run / "transitions.safetensors"
        tiny.write_adapter(path, adapter)
    model = TinyModel(path, adapter, directory / "shipped", directory / "artifact")
    rule = DRAFTING if adapted else LEFT_TO_RIGHT
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about names of dimensions
        package(
            path,
            "tiny",
            encoding,  # type: ignore[arg-type]
            model.shipped,
            model.artifact,
            adapter=adapter,
            transitions=table,
            rule=rule,
        )
    return model


ENCODINGS = [
    "f32",
    "q8",
    "q4",
    "u8",
    pytest.param("d8", marks=pytest.mark.skipif(not int8_products_are_exact(), reason="they overflow here")),
]


@pytest.fixture(scope="session", params=ENCODINGS)
def tiny_model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    """The tiny model in every encoding."""
    return export_tiny(tmp_path_factory.mktemp(f"tiny-{request.param}"), request.param)


@pytest.fixture(scope="session", params=ENCODINGS)
def tiny_adapted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    """The tiny model with a random canvas adapter, in every encoding."""
    directory = tmp_path_factory.mktemp(f"tiny-adapted-{request.param}")
    return export_tiny(directory, request.param, adapted=True)


@pytest.fixture(scope="session")
def tiny_f32(tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    """The tiny model in float32."""
    return export_tiny(tmp_path_factory.mktemp("tiny"), "f32")


@pytest.fixture(scope="session", params=[False, True], ids=["base", "adapted"])
def tiny_gpu(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    """The tiny model as it is for GPUs, with and without a random canvas adapter."""
    return export_tiny(tmp_path_factory.mktemp("tiny-gpu"), "g16", adapted=request.param)


@pytest.fixture(scope="session")
def real_engine() -> Iterator[Engine]:
    """The default model, pulled on first use."""
    engine = open_engine(EngineConfig())
    yield engine
    engine.close()
