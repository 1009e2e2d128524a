"""`unmask train adapter` from the outside, up to where training starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import UsageError
from export.data import Shape
from export.noise import NoiseRule
from export.recipe import Recipe
from lsp_server.cli.main import build_parser
from lsp_server.cli.train_adapter import recipe_of
from tests.unit.conftest import Unmask

WHERE = ("--corpus", "corpus", "--out", "run")


def recipe(*options: str) -> Recipe:
    return recipe_of(build_parser().parse_args(["train", "adapter", *WHERE, *options]))


def test_nothing_said_is_the_default() -> None:
    assert recipe() == Recipe()


def test_settings_nested_ones_and_options() -> None:
    said = '{"learning_rate": 5e-4, "steps": 7, "shape": {"n_slots": 8}, "noise": {"wrong_share": 0.5}}'
    assert recipe("--recipe", said, "--steps", "90", "--batch", "3", "--cooldown", "4") == Recipe(
        learning_rate=5e-4,
        steps=90,  # an option of its own wins
        batch=3,
        cooldown=4,
        shape=Shape(n_slots=8),
        noise=NoiseRule(wrong_share=0.5),
    )


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ("{", "--recipe is not JSON"),
        ("rank=8", "--recipe is not JSON"),
        ('{"learing_rate": 1}', "the recipe has the settings batch, cooldown, distillation, gated"),
        (
            '{"shape": {"slots": 8}}',
            "shape has the settings context_tokens, n_canvases, n_slots, span_tokens",
        ),
        ('{"noise": 0.5}', "noise has the settings revision_share, wrong_share"),
        ("[]", "the recipe has the settings batch"),
        ("null", "the recipe has the settings batch"),
        ("8", "the recipe has the settings batch"),
        ('{"rank": "8"}', "rank must be a whole number, not '8'"),
        ('{"batch": 2.5}', "batch must be a whole number, not 2.5"),
        ('{"gated": 1}', "gated must be true or false, not 1"),
        ('{"seed": true}', "seed must be a whole number, not True"),
        ('{"learning_rate": null}', "learning_rate must be a number, not None"),
        ('{"shape": {"n_slots": [8]}}', "n_slots must be a whole number, not [8]"),
    ],
)
def test_mistakes_in_a_recipe_are_named(said: str, complaint: str) -> None:
    with pytest.raises(UsageError) as raised:
        recipe("--recipe", said)
    assert complaint in str(raised.value)


def test_a_whole_number_is_a_number() -> None:
    assert recipe("--recipe", '{"learning_rate": 1}').learning_rate == 1


def test_without_a_gpu_cuda_is_refused(unmask: Unmask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    outcome = unmask("train", "adapter", *WHERE, "--cuda")
    assert outcome.code == 2
    assert outcome.err == "unmask: --cuda: torch finds no GPU. Leave it out to train on the CPU.\n"
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--recipe", "{"), "--recipe is not JSON"),
        (("--steps", "0"), "0 is not between 1 and"),
        (("--model", "unheard-of"), "unheard-of"),
    ],
)
def test_mistakes_end_it_before_anything_is_made(
    unmask: Unmask, options: tuple[str, ...], complaint: str
) -> None:
    outcome = unmask("train", "adapter", *WHERE, "--offline", *options)
    assert outcome.code in (2, 3) and complaint in outcome.err
    assert not Path("run").exists()


def test_a_corpus_is_required(unmask: Unmask) -> None:
    outcome = unmask("train", "adapter", "--out", "run")
    assert (outcome.code, "--corpus" in outcome.err) == (2, True)


def test_a_missing_extra_is_named(unmask: Unmask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "export.train", None)
    outcome = unmask("train", "adapter", *WHERE)
    assert (outcome.code, "pip install 'unmask[export]'" in outcome.err) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [("train", "--help"), ("train", "adapter", "--help"), ("train", "transitions", "--help")],
)
def test_help_needs_no_torch(arguments: tuple[str, ...]) -> None:
    program = (
        "import sys; from lsp_server.cli.main import main; "
        f"code = main({arguments!r}); "
        "heavy = {'torch', 'onnxruntime', 'export'} & sys.modules.keys(); sys.exit(code or bool(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "adapter" in done.stdout
