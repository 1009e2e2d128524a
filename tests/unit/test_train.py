"""The training of an adapter on the tiny model: what it computes, that it learns, that it can be stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from engine.denoising.cache import ContextCache
from engine.denoising.denoiser import SpecialTokens
from engine.denoising.rows import Rows
from engine.denoising.transitions import Transitions
from engine.errors import ArtifactError
from export.adapter import adapter_parameters, read_adapter, with_adapter
from export.base import load_model
from export.corpus.packages import Split
from export.corpus.shards import Document, write_shards
from export.data import Sample, Samples, Shape, SourceFile
from export.model import DenoiserModel
from export.noise import MASKED, NoiseRule
from export.objective import Objective, collate, held_out
from export.own_answers import OwnAnswer, answers_path
from export.recipe import Recipe
from export.reference import TorchModel
from export.train import TRIES, Run, fastest_dtype, train_adapter
from export.transitions import write_transitions
from tests import tiny

pytestmark = pytest.mark.export

TEXT = '''\
def area(width, height):
    """Area of a rectangle."""
    if width > 0 and height > 0:
        return width * height
    return 0
'''

SHAPE = Shape(context_tokens=160, span_tokens=24, n_canvases=6, n_slots=4)
RECIPE = Recipe(rank=4, shape=SHAPE, noise=NoiseRule(0.3, 0.2), batch=2, steps=8, warmup=2, cooldown=2)
N_VOCAB = len(tiny.vocabulary())
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def gguf_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    tiny.write_gguf(path)
    return path


@pytest.fixture(scope="module")
def samples(gguf_path: Path) -> Samples:
    codec = tiny.codec(gguf_path)
    end, prefix, middle, suffix = (codec.id_of(token) or 0 for token in tiny.CONTROL)
    special = SpecialTokens(prefix, suffix, middle, frozenset({end}))
    file = SourceFile("p", "area.py", "python", TEXT)
    return Samples([file], codec, special, SHAPE, RECIPE.noise, np.arange(250), end, seed=1)


@pytest.fixture
def model(gguf_path: Path) -> DenoiserModel:
    return with_adapter(load_model(gguf_path), RECIPE.rank, seed=1)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The order of sums is then the same in every run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Repeated:
    """The same few samples again and again."""

    def __init__(self, samples: Samples, n: int) -> None:
        self._made = [samples[index] for index in range(n)]

    def __getitem__(self, index: int) -> Sample:
        return self._made[index % len(self._made)]


def start(model: DenoiserModel, samples: object, directory: Path, recipe: Recipe = RECIPE) -> Run:
    return Run(
        model,
        samples,  # type: ignore[arg-type]
        torch.arange(N_VOCAB),
        recipe,
        directory,
        base_sha256="ab" * 32,
        name="canvas-1",
    )


def shake(model: DenoiserModel) -> None:
    """Make an adapter do something."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in adapter_parameters(model).values():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)


def test_training_computes_what_serving_computes(model: DenoiserModel, samples: Samples) -> None:
    """Every canvas of a padded batch, against the pass that the engine makes of its masks."""
    shake(model)
    made = [samples[0], samples[1]]
    made = [Sample(s.ids, s.starts, np.full_like(s.shown, -1), s.kind) for s in made]
    batch = collate(made, CPU, pad_to=64)
    assert batch.ids.shape[1] % 64 == 0
    base, drafts = Objective(model, torch.arange(N_VOCAB), RECIPE).predict(batch)
    config = model.config
    served = TorchModel(model, None)  # type: ignore[arg-type]
    for sample, base_of_sample, draft in zip(made, base.numpy(), drafts.detach().numpy(), strict=True):
        cache = ContextCache(2 * config.n_layers, config.n_kv_heads, config.head_dim)
        ids = sample.ids.tolist()
        scores, _ = served.forward(cache, Rows.causal(ids), range(len(ids)))
        np.testing.assert_allclose(base_of_sample[: len(ids)], scores, atol=2e-3)
        for first, canvas in zip(sample.starts.tolist(), draft, strict=True):
            rows = Rows.drafting(ids[:first], [(first, SHAPE.n_slots)])
            scores, _ = served.forward(cache, rows, range(first, first + SHAPE.n_slots))
            np.testing.assert_allclose(canvas, scores, atol=2e-3)


def test_slots_of_a_draft_see_those_before_them_and_slots_of_a_revision_all(
    model: DenoiserModel, samples: Samples
) -> None:
    shake(model)
    sample = samples[0]

    def first_slot(*shown: int) -> list[float]:
        """What the first slot says in a canvas that shows these."""
        canvases = np.tile(np.array(shown), (len(sample.starts), 1))
        batch = collate([Sample(sample.ids, sample.starts, canvases, sample.kind)], CPU)
        _, logits = Objective(model, torch.arange(N_VOCAB), RECIPE).predict(batch)
        said: list[float] = logits[0, 0, 0].tolist()
        return said

    assert first_slot(MASKED, MASKED) == pytest.approx(first_slot(MASKED, MASKED, MASKED, MASKED), abs=1e-4)
    assert first_slot(1, MASKED, 2) != pytest.approx(first_slot(1, MASKED, 3), abs=1e-2)


def test_without_a_gate_the_context_runs_through_the_adapter_and_the_teacher_does_not(
    model: DenoiserModel, samples: Samples
) -> None:
    shake(model)
    batch = collate([samples[0]], CPU)
    open_to_all = replace(RECIPE, gated=False)
    said = [
        Objective(model, torch.arange(N_VOCAB), recipe).predict(batch) for recipe in (RECIPE, open_to_all)
    ]
    (base, gated), (same, ungated) = said
    assert torch.equal(base, same)
    assert not torch.allclose(gated, ungated, atol=1e-2)


def test_the_loss_falls_on_samples_seen_again_and_the_base_stays_as_it_is(
    model: DenoiserModel, samples: Samples, tmp_path: Path
) -> None:
    base = {
        name: p.detach().clone()
        for name, p in model.named_parameters()
        if name not in adapter_parameters(model)
    }
    recipe = Recipe(rank=4, shape=SHAPE, batch=2, steps=60, warmup=2, cooldown=10, learning_rate=1e-2)
    losses = list(start(model, Repeated(samples, 2), tmp_path, recipe).steps())
    assert len(losses) == 60
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])
    assert all(torch.equal(base[name], dict(model.named_parameters())[name]) for name in base)


def test_a_run_that_is_stopped_goes_on_as_if_it_had_not_been(
    gguf_path: Path, samples: Samples, tmp_path: Path
) -> None:
    def fresh() -> DenoiserModel:
        return with_adapter(load_model(gguf_path), RECIPE.rank, seed=1)

    whole = start(fresh(), samples, tmp_path / "whole")
    losses = list(whole.steps())

    first = start(fresh(), samples, tmp_path / "stopped")
    begun = list(islice(first.steps(), 3))
    first.save()
    second = start(fresh(), samples, tmp_path / "stopped")
    assert (second.step, second.seconds) == (3, first.seconds)
    assert [*begun, *second.steps()] == losses
    for name, parameter in whole.parameters.items():
        assert torch.equal(parameter, second.parameters[name]), name


def test_a_run_leaves_an_adapter_that_says_what_it_is(
    model: DenoiserModel, samples: Samples, tmp_path: Path
) -> None:
    run = start(model, samples, tmp_path)
    next(run.steps())
    run.save()
    run.log(loss=1.5)
    info, tensors = read_adapter(tmp_path / "adapter.safetensors")
    assert (info.name, info.base_sha256, info.rank, info.n_slots) == ("canvas-1", "ab" * 32, 4, 4)
    assert info.recipe["steps_done"] == 1 and info.recipe["steps"] == 8
    assert set(tensors) == set(run.parameters)
    (line,) = (tmp_path / "log.jsonl").read_text().splitlines()
    assert json.loads(line)["step"] == 1 and json.loads(line)["loss"] == 1.5
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "adapter.safetensors",
        "checkpoint.pt",
        "log.jsonl",
    ]


@pytest.mark.parametrize("damage", ["truncated", "junk", "empty", "other"])
def test_a_damaged_checkpoint_is_refused_by_name(
    model: DenoiserModel, samples: Samples, tmp_path: Path, damage: str
) -> None:
    start(model, samples, tmp_path).save()
    path = tmp_path / "checkpoint.pt"
    data = path.read_bytes()
    if damage == "other":
        torch.save([1, 2], path)
    else:
        path.write_bytes({"truncated": data[: len(data) // 2], "junk": b"junk" * 99, "empty": b""}[damage])
    with pytest.raises(ArtifactError, match=r"checkpoint\.pt is not a checkpoint .*Delete it") as caught:
        start(model, samples, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_another_rank_is_refused(
    gguf_path: Path, model: DenoiserModel, samples: Samples, tmp_path: Path
) -> None:
    start(model, samples, tmp_path).save()
    with pytest.raises(ArtifactError, match=r"checkpoint\.pt is of a run with another base or rank"):
        start(with_adapter(load_model(gguf_path), 8, seed=1), samples, tmp_path)


@pytest.mark.parametrize("answered", [True, False])
def test_a_corpus_and_the_bases_own_answers_become_an_adapter(
    gguf_path: Path, tmp_path: Path, answered: bool
) -> None:
    corpus, run = tmp_path / "corpus", tmp_path / "run"
    corpus.mkdir()
    codec = tiny.codec(gguf_path)
    end, prefix, middle, suffix = (codec.id_of(token) or 0 for token in tiny.CONTROL)
    document = Document("pypi", "p", "1", "MIT", "area.py", "python", TEXT)
    for split in get_args(Split):
        write_shards([document], corpus, split)
        if answered:
            context = (prefix, suffix, middle, *codec.encode(TEXT[:60]))
            answers = [OwnAnswer(context, tuple(range(40)), end), OwnAnswer((1,), (2,), None)]
            line = {
                "case": "a",
                "model": "tiny",
                "n_vocab": codec.n_vocab,
                "answers": [asdict(answer) for answer in answers],
            }
            answers_path(corpus, split, 1).write_text(json.dumps(line) + "\n", encoding="utf-8")
    special = SpecialTokens(prefix, suffix, middle, frozenset({end}))
    said: list[str] = []
    path = train_adapter(
        gguf_path,
        special,
        codec,
        corpus,
        replace(RECIPE, steps=2),
        run,
        every=2,
        say=said.append,
    )
    assert read_adapter(path)[0].rank == RECIPE.rank
    assert f"1 files and {int(answered)} answers of the base to train on" in said
    (last,) = (json.loads(line) for line in (run / "log.jsonl").read_text("utf-8").splitlines())
    assert last["step"] == 2
    assert set(last) - {"step", "seconds"} == ({"files", "answers"} if answered else {"files"})
    assert 0 <= last["files"]["run_drafted"] <= SHAPE.n_slots


def test_the_base_is_held_in_what_the_processor_is_fast_at(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fastest_dtype("cuda") == torch.bfloat16
    assert fastest_dtype("cpu") in (torch.bfloat16, torch.float32)
    for slow, fastest in ((0, torch.float32), (1, torch.bfloat16)):
        taken = [[9.0] * TRIES, [5.0, 9.0, 1.0, 9.0, 9.0]]  # one of them was held up all but once
        times = iter([at for one in (taken[slow], taken[1 - slow]) for n in one for at in (0.0, n)])
        monkeypatch.setattr("time.perf_counter", times.__next__)
        assert fastest_dtype("cpu") == fastest


def test_the_rate_goes_up_stays_and_comes_down() -> None:
    recipe = Recipe(steps=100, warmup=10, cooldown=20, learning_rate=1.0)
    rates = [recipe.rate(step) for step in range(100)]
    assert rates[:10] == pytest.approx([n / 10 for n in range(1, 11)])
    assert set(rates[10:80]) == {1.0}
    assert rates[80:] == pytest.approx([n / 20 for n in range(20, 0, -1)])


def test_held_out_figures_count_runs_from_the_first_slot(
    gguf_path: Path, model: DenoiserModel, samples: Samples, tmp_path: Path
) -> None:
    """Against drafts and a base that are told what to say."""
    sample = samples[0]
    batch = collate([sample], CPU)
    targets = sample.starts[:, None] + np.arange(SHAPE.n_slots) + 1
    truth = torch.from_numpy(sample.ids[targets])[None]

    class Told(Objective):
        def predict(self, batch: object) -> tuple[torch.Tensor, torch.Tensor]:
            base = torch.nn.functional.one_hot(torch.from_numpy(sample.ids).roll(-1), N_VOCAB)[None]
            said = truth.clone()
            said[0, :, 2] = (said[0, :, 2] + 1) % N_VOCAB  # the third slot is wrong everywhere
            said[0, :3, 0] = (said[0, :3, 0] + 1) % N_VOCAB  # and the first in three canvases of six
            return base.float(), 100.0 * torch.nn.functional.one_hot(said, N_VOCAB)

    vocabulary = torch.arange(N_VOCAB)
    path = tmp_path / "transitions.safetensors"
    write_transitions(
        [SourceFile("p", "f", "plaintext", "")], tiny.codec(gguf_path), vocabulary.numpy(), path
    )
    nothing_learned = Transitions.from_file(path)
    figures = held_out(Told(model, vocabulary, RECIPE), [batch], vocabulary, nothing_learned)
    assert figures.by_slot == (0.5, 1.0, 0.0, 1.0)
    assert figures.run == figures.run_text == figures.run_drafted == 1.0  # two right, or none
