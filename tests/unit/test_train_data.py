"""Files of a corpus to training samples: what stands where, and what is never in one."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.denoising.denoiser import SpecialTokens
from engine.denoising.tokens import TokenCodec
from engine.errors import UsageError
from export.data import N_END, Samples, Shape, SourceFile, frequent_tokens, read_shards
from export.noise import MASKED, NoiseRule
from tests import tiny

pytestmark = pytest.mark.export

SHAPE = Shape(context_tokens=400, span_tokens=48, n_canvases=16, n_slots=5)


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> TokenCodec:
    path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    tiny.write_gguf(path)
    return tiny.codec(path)


def special(codec: TokenCodec) -> SpecialTokens:
    end, prefix, middle, suffix = (codec.id_of(token) or 0 for token in tiny.CONTROL)
    return SpecialTokens(prefix, suffix, middle, frozenset({end}))


def source(name: str, n_functions: int = 2) -> SourceFile:
    """A file that says nothing but its name, and what Python must say."""
    functions = [
        f'def {name}_{i}({name}):\n    """{name}."""\n    if {name}:\n        return {name}({name}, {i})\n'
        for i in range(n_functions)
    ]
    return SourceFile("package", f"{name}.py", "python", "\n\n".join(functions))


def samples(
    codec: TokenCodec, *files: SourceFile, noise: NoiseRule | None = None, shape: Shape = SHAPE, seed: int = 1
) -> Samples:
    (end,) = special(codec).end
    noise = noise or NoiseRule(0.0, 0.0)
    return Samples(files, codec, special(codec), shape, noise, np.arange(250), end, seed)


@pytest.mark.parametrize("n_slots", [SHAPE.n_slots, N_END + 6], ids=["short", "beyond the end tokens"])
def test_slot_i_of_a_canvas_stands_at_its_start_plus_i(codec: TokenCodec, n_slots: int) -> None:
    shape = replace(SHAPE, n_slots=n_slots)
    made = samples(codec, source("abc"), noise=NoiseRule(1.0, 0.0), shape=shape)
    n_visible = 0
    for index in range(30):
        sample = made[index]
        places = sample.starts[:, None] + np.arange(n_slots)
        assert sample.shown.shape == places.shape == (SHAPE.n_canvases, n_slots)
        visible = sample.shown != MASKED
        assert (sample.shown == sample.ids[places])[visible].all()
        assert places.max() + 1 < len(sample.ids)  # the last slot has a target
        n_visible += visible.sum()
    assert n_visible


def test_a_canvas_starts_where_the_base_has_read_of_the_prefix(codec: TokenCodec) -> None:
    for index in range(30):
        sample = samples(codec, source("abc"))[index]
        middle = sample.ids.tolist().index(special(codec).fim_middle)
        assert sample.starts.min() >= middle + 2
        assert (np.diff(sample.starts) >= 0).all()


def test_a_sample_is_a_file_with_a_span_taken_out_and_put_last(codec: TokenCodec) -> None:
    file = source("abc")
    n_whole = 0
    for index in range(40):
        ids = samples(codec, file)[index].ids.tolist()
        marks = special(codec)
        assert ids[:2] == [marks.fim_prefix, marks.fim_suffix]
        middle = ids.index(marks.fim_middle)
        suffix, rest = codec.decode(ids[2:middle]), codec.decode(ids[middle + 1 :])
        assert file.text.startswith(rest)
        if suffix:
            n_whole += file.text.startswith(rest + suffix)
    assert n_whole >= 30


def test_the_end_of_a_span_is_learned(codec: TokenCodec) -> None:
    (end,) = special(codec).end
    targets = []
    for index in range(30):
        sample = samples(codec, source("abc"), shape=replace(SHAPE, span_tokens=200))[index]
        assert sample.ids[-N_END:].tolist() == [end] * N_END
        assert (sample.ids[:-N_END] != end).all()
        targets.append(sample.ids[sample.starts[:, None] + np.arange(SHAPE.n_slots) + 1])
    share = (np.stack(targets) == end).mean()
    assert 0.05 < share < 0.6


def test_a_span_that_is_cut_has_no_end(codec: TokenCodec) -> None:
    (end,) = special(codec).end
    short = Shape(context_tokens=400, span_tokens=8, n_canvases=8, n_slots=5)
    made = [samples(codec, source("abc", 6), shape=short)[index] for index in range(60)]
    cut = [sample for sample in made if sample.ids[-1] != end]
    assert cut and len(cut) < len(made)
    assert all((sample.ids != end).all() for sample in cut)


def test_a_context_keeps_to_its_budget(codec: TokenCodec) -> None:
    small = Shape(context_tokens=64, span_tokens=16, n_canvases=8, n_slots=4)
    for index in range(20):
        assert len(samples(codec, source("abc", 20), shape=small)[index].ids) <= 64 + 16 + N_END


def test_the_same_index_is_the_same_sample_and_another_is_another(codec: TokenCodec) -> None:
    files = source("abc"), source("xyz", 3)
    noise = NoiseRule(0.5, 0.2)
    one, again = samples(codec, *files, noise=noise), samples(codec, *files, noise=noise)
    again[3]  # what was asked before counts for nothing
    for index in (0, 7, 7, 1):
        assert (one[index].ids == again[index].ids).all()
        assert (one[index].starts == again[index].starts).all()
        assert (one[index].shown == again[index].shown).all()
    different = {one[index].ids.tobytes() + one[index].shown.tobytes() for index in range(20)}
    assert len(different) == 20
    assert (samples(codec, *files, noise=noise, seed=2)[0].ids.tobytes()) != one[0].ids.tobytes()


def test_nothing_of_another_file_is_in_a_sample(codec: TokenCodec) -> None:
    made = samples(codec, source("QQQ"), source("ZZZ"), source("JJJ"))
    seen = set()
    for index in range(40):
        text = codec.decode(made[index].ids.tolist())
        names = {name for name in "QZJ" if name in text}
        assert len(names) == 1
        seen |= names
    assert seen == {"Q", "Z", "J"}


def test_kinds_are_mixed(codec: TokenCodec) -> None:
    kinds = {samples(codec, source("abc", 4))[index].kind for index in range(80)}
    assert {"line", "lines", "block", "expression", "arguments", "docstring"} <= kinds


def test_files_without_a_span_are_passed_over(codec: TokenCodec) -> None:
    empty = SourceFile("package", "empty.py", "python", "\n")
    made = samples(codec, empty, source("abc"))
    assert all("abc" in codec.decode(made[index].ids.tolist()) for index in range(10))
    with pytest.raises(UsageError, match="no file with a span"):
        samples(codec, empty)[0]


def test_frequent_tokens_are_the_most_frequent_and_those_that_must_be_there(codec: TokenCodec) -> None:
    file = SourceFile("p", "f", "plaintext", "aaaabbbccd")
    a, b, c, d = (codec.encode(char)[0] for char in "abcd")
    (end,) = special(codec).end
    assert frequent_tokens([file], codec, 3, {end}).tolist() == sorted([a, b, end])
    assert frequent_tokens([file], codec, 2, {d}).tolist() == sorted([a, d])
    assert frequent_tokens([file], codec, 100, set()).tolist() == sorted([a, b, c, d])


def test_shards_are_read_in_order(tmp_path: Path) -> None:
    for number, name in ((1, "b"), (0, "a")):
        row = {
            "package": "p",
            "path": f"{name}.py",
            "language": "python",
            "text": f"{name} = 'é'\n",
            "more": 1,
        }
        with gzip.open(tmp_path / f"train-{number:05}.jsonl.gz", "wt", encoding="utf-8") as shard:
            shard.write(json.dumps(row) + "\n")
    assert [file.text for file in read_shards(tmp_path, "train")] == ["a = 'é'\n", "b = 'é'\n"]
    with pytest.raises(UsageError, match="no heldout shards"):
        list(read_shards(tmp_path, "heldout"))
