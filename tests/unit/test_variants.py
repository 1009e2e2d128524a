"""Which quantization a machine is given."""

from __future__ import annotations

import pytest

from engine.models import variants
from engine.models.runtime import CPU, CUDA, Provider
from engine.weights import catalog


@pytest.mark.parametrize(
    ("provider", "exact", "quantization"), [(CPU, True, "d8"), (CPU, False, "u8"), (CUDA, True, "g16")]
)
def test_the_quicker_quantization_that_is_exact_here(
    provider: str, exact: bool, quantization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variants, "choose_provider", lambda device: Provider(provider, "as told"))
    monkeypatch.setattr(variants, "int8_products_are_exact", lambda: exact)
    for base in catalog.BASES:
        assert variants.suited_manifest(base.name, "auto").quantization == quantization
