"""Fixtures shared by all tests: the tiny model's whole path, and the real model where it is the point."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.artifact import Manifest, load_manifest
from engine.config import EngineConfig
from engine.engine import Engine, open_engine


@dataclass(frozen=True, slots=True)
class TinyModel:
    """A tiny GGUF and what export made of it."""

    gguf: Path
    shipped: Path
    artifact: Path

    @property
    def manifest(self) -> Manifest:
        return load_manifest(self.artifact)


def export_tiny(directory: Path, encoding: str) -> TinyModel:
    """Write, export and assemble the tiny model with one encoding."""
    from export.package import package
    from tests import tiny

    path = directory / "tiny.gguf"
    tiny.write_gguf(path)
    model = TinyModel(path, directory / "shipped", directory / "artifact")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about names of dimensions
        package(path, "tiny", encoding, model.shipped, model.artifact)  # type: ignore[arg-type]
    return model


@pytest.fixture(scope="session", params=["f32", "q8", "q4", "d8"])
def tiny_model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    """The tiny model in every encoding."""
    return export_tiny(tmp_path_factory.mktemp(f"tiny-{request.param}"), request.param)


@pytest.fixture(scope="session")
def tiny_f32(tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    """The tiny model in float32."""
    return export_tiny(tmp_path_factory.mktemp("tiny"), "f32")


@pytest.fixture(scope="session")
def real_engine() -> Iterator[Engine]:
    """The default model, pulled on first use."""
    engine = open_engine(EngineConfig())
    yield engine
    engine.close()
