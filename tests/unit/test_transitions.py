"""The table of which tokens follow which: counted right, read safely, and what it does to a draft."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from engine.denoising.ahead import Ahead
from engine.denoising.draft import NO_DRAFT, ROOT
from engine.denoising.fake import SPECIAL
from engine.denoising.followers import COUNT_STEPS, UNKNOWN
from engine.denoising.tokens import TokenCodec
from engine.denoising.transitions import ALONE, MAX_NODES, TransitionRule, Transitions
from engine.denoising.unmask import best_tokens
from engine.errors import ArtifactError
from export.data import SourceFile
from export.transitions import MIN_PAIRS, MIN_TRIPLES, write_transitions

CODEC = TokenCodec.of_bytes(SPECIAL)


def ids(text: str) -> list[int]:
    return CODEC.encode(text)


def write(path: Path, text: str, alphabet: str) -> Path:
    file = SourceFile("p", "f", "plaintext", text)
    write_transitions([file], CODEC, np.array(sorted(ids(alphabet))), path)
    return path


@pytest.fixture
def table_path(tmp_path: Path) -> Path:
    """Of a text in which b always follows a, and d follows c."""
    return write(tmp_path / "transitions.safetensors", "abcd" * 50 + "xa", "abcd")


def said(*slots: dict[str, float]) -> np.ndarray:
    logits = np.zeros((len(slots), CODEC.n_vocab), dtype=np.float32)
    for row, slot in zip(logits, slots, strict=True):
        for char, value in slot.items():
            row[ids(char)[0]] = value
    return logits


def counted(parts: dict[str, np.ndarray], order: str, histories: list[str]) -> dict[str, int]:
    """What a table says of each history and follower."""
    letters = [CODEC.decode([token]) for token in parts["vocabulary"].tolist()]
    behind = np.repeat(np.arange(len(histories)), parts[f"{order}_sizes"])
    times = np.exp2(parts[f"{order}_counts"] / COUNT_STEPS)
    return {
        histories[history] + letters[follower]: round(float(count))
        for history, follower, count in zip(behind, parts[f"{order}_followers"], times, strict=True)
    }


def test_pairs_and_triples_are_counted_within_the_vocabulary(tmp_path: Path) -> None:
    parts = load_file(write(tmp_path / "t.safetensors", "abcd" * 17 + "xa", "abcd"))
    assert parts["vocabulary"].tolist() == sorted(ids("abcd"))
    assert parts["counts"].tolist() == [18, 17, 17, 17]
    pairs = counted(parts, "pair", list("abcd"))
    assert pairs == {"ab": 17, "bc": 17, "cd": 17, "da": 16}
    assert counted(parts, "triple", list(pairs)) == {"abc": 17, "bcd": 17, "cda": 16, "dab": 16}


def test_nothing_follows_across_files(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    files = [SourceFile("p", "f", "plaintext", "ab")] * 20
    write_transitions(files, CODEC, np.array(ids("ab")), path)
    assert counted(load_file(path), "pair", ["a", "b"]).keys() == {"ab"}


def test_rare_runs_are_left_out(tmp_path: Path) -> None:
    text = "ab." * MIN_PAIRS + "ba." * (MIN_PAIRS - 1) + "cdc." * MIN_TRIPLES + "dcd." * (MIN_TRIPLES - 1)
    parts = load_file(write(tmp_path / "t.safetensors", text, "abcd"))
    pairs = counted(parts, "pair", list("abcd"))
    assert pairs.keys() == {"ab", "cd", "dc"}
    assert counted(parts, "triple", list(pairs)).keys() == {"cdc"}


def test_counts_are_kept_within_a_twentieth(tmp_path: Path) -> None:
    for n in (7, 100, 999):
        parts = load_file(write(tmp_path / "t.safetensors", "ab." * n, "ab"))
        assert abs(np.exp2(int(parts["pair_counts"][0]) / COUNT_STEPS) / n - 1) < 0.05


def test_a_draft_follows_what_fits_together(table_path: Path) -> None:
    table = Transitions.from_file(table_path)
    logits = said({"a": 3.0, "c": 2.9}, {"b": 2.0, "d": 2.1})  # apart: "ad", in neither reading
    assert CODEC.decode(best_tokens(logits)[0].tolist()) == "ad"
    draft = table.draft(Ahead.group(logits), ids("x"))
    assert CODEC.decode(draft.tokens) == "ab"
    assert all(0 < chance <= 1 for chance in draft.chances)


def test_the_other_reading_is_a_branch(table_path: Path) -> None:
    table = Transitions.from_file(table_path)
    logits = said({"a": 3.0, "c": 2.9}, {"b": 2.0, "d": 2.1})
    draft = table.draft(Ahead.group(logits), ids("x"), worth=0.1)
    assert CODEC.decode(draft.tokens[: draft.n_run]) == "ab"
    (first, second) = draft.children(ROOT)
    assert CODEC.decode([draft.tokens[second]]) == "c"
    assert CODEC.decode([draft.tokens[child] for child in draft.children(second)])[0] == "d"
    assert draft.chances[first] > draft.chances[second]
    assert min(draft.reached) >= 0.1
    assert len(table.draft(Ahead.group(logits), ids("x"), worth=0.0)) > len(draft)


def test_what_followed_in_the_context_counts(table_path: Path) -> None:
    table = Transitions.from_file(table_path)
    logits = said({"b": 2.0, "d": 2.0})
    assert CODEC.decode(table.draft(Ahead.group(logits), ids("ca")).tokens) == "b"
    assert CODEC.decode(table.draft(Ahead.group(logits), ids("cadcadcadcadca")).tokens) == "d"


def test_two_tokens_before_say_more_than_one(tmp_path: Path) -> None:
    path = write(tmp_path / "t.safetensors", "abx" * 30 + "cby" * 50, "abcxy")
    table = Transitions.from_file(path)
    logits = said({"x": 2.0, "y": 2.0})
    assert CODEC.decode(table.draft(Ahead.group(logits), ids("b")).tokens) == "y"
    assert CODEC.decode(table.draft(Ahead.group(logits), ids("ab")).tokens) == "x"
    assert CODEC.decode(table.draft(Ahead.group(logits), ids("cb")).tokens) == "y"


def test_followers_must_ascend(tmp_path: Path) -> None:
    path = write(tmp_path / "t.safetensors", "abac" * 30, "abc")
    parts = load_file(path)
    assert parts["pair_followers"].tolist() == [1, 2, 0, 0]
    save_file(parts | {"pair_followers": np.array([2, 1, 0, 0], dtype=np.uint16)}, path)
    with pytest.raises(ArtifactError, match="do not fit together"):
        Transitions.from_file(path)


def test_without_weight_every_slot_speaks_for_itself(table_path: Path) -> None:
    table = Transitions.from_file(table_path, TransitionRule(weights=(0.0,), sharpness=1.0))
    logits = said({"a": 3.0, "c": 2.9}, {"b": 2.0, "d": 2.1})
    logits[:, [i for i in range(CODEC.n_vocab) if i not in ids("abcd")]] = -50.0
    draft = table.draft(Ahead.group(logits), ids("da"))
    plain, sure = best_tokens(logits)
    assert draft.tokens == tuple(plain.tolist())
    np.testing.assert_allclose(draft.chances, sure, rtol=1e-5)


@given(
    st.text("abcdxy", min_size=1, max_size=30), st.integers(1, 5), st.integers(0, 999), st.floats(0.001, 1.0)
)
def test_any_context_gives_tokens_of_the_vocabulary(
    table: Transitions, before: str, n_slots: int, seed: int, worth: float
) -> None:
    logits = np.random.default_rng(seed).normal(size=(n_slots, CODEC.n_vocab)).astype(np.float32)
    kept = logits.copy()
    draft = table.draft(Ahead.group(logits), ids(before), worth)
    assert draft.n_run >= 1
    assert len(draft) <= MAX_NODES and max(draft.depths, default=-1) < max(n_slots, 1)
    assert set(draft.tokens) <= set(ids("abcd"))
    assert all(0.0 <= chance <= 1.0 + 1e-6 for chance in draft.chances)
    assert all(reach >= worth for reach in draft.reached[1:])
    whole = table.draft(Ahead.group(logits), ids(before))
    assert whole.n_run == len(whole) == n_slots and whole.tokens[: draft.n_run] == draft.tokens[: draft.n_run]
    assert (logits == kept).all()


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Transitions:
    path = tmp_path_factory.mktemp("table") / "transitions.safetensors"
    return Transitions.from_file(write(path, "abcd" * 50, "abcd"))


def test_tokens_beyond_the_vocabulary_are_unknown(table_path: Path) -> None:
    table = Transitions.from_file(table_path)
    assert table.indices([*ids("xab"), 10**6]).tolist() == [UNKNOWN, 0, 1, UNKNOWN]
    assert table.highest_token == max(ids("abcd"))


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("pair_sizes", [1, 1, 1]),
        ("pair_sizes", [1, 1, 1, 2]),
        ("pair_sizes", [2, 1, 1, 1]),
        ("pair_followers", [1, 2, 3, 4]),
        ("pair_followers", [1, 2, 3]),
        ("pair_counts", [1, 2]),
        ("triple_sizes", [1, 1, 1]),
        ("triple_followers", [1, 2, 3, 4]),
        ("triple_counts", [1, 2]),
        ("vocabulary", [1, 1, 2, 3]),
        ("counts", [1, 2]),
    ],
)
def test_a_table_that_does_not_fit_together_is_refused(table_path: Path, part: str, value: list[int]) -> None:
    parts = load_file(table_path)
    save_file(parts | {part: np.array(value, dtype=parts[part].dtype)}, table_path)
    with pytest.raises(ArtifactError, match=r"transitions\.safetensors: the parts of the table do not fit"):
        Transitions.from_file(table_path)


@pytest.mark.parametrize("content", [b"", b"junk" * 99, None])
def test_what_is_no_table_is_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "thing.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"thing\.safetensors is not a table of transitions"):
        Transitions.from_file(path)


def test_a_guess_goes_by_corpus_and_context_alone(table: Transitions) -> None:
    assert CODEC.decode(table.guess(ids("xa"), 0.1).tokens).startswith("bcd")
    in_context = table.guess(ids("acacacacaca"), 0.5)  # here, c follows a
    assert CODEC.decode(in_context.tokens[:1]) == "c"
    assert all(chance <= ALONE.share for chance in in_context.chances)


def test_a_guess_is_the_likeliest_token_and_not_the_most_surprising(tmp_path: Path) -> None:
    path = write(tmp_path / "t.safetensors", "ab" * 60 + "ac" * 40 + "b." * 900, "abc")
    draft = Transitions.from_file(path).guess(ids("xa"), 0.05)
    first, second = draft.children(ROOT)
    assert CODEC.decode([draft.tokens[first]]) == "b"  # c follows nothing else, so it says more of a
    assert CODEC.decode([draft.tokens[second]]) == "c"
    assert draft.chances[first] > draft.chances[second] > 0.2


def test_a_guess_begins_as_it_must(table: Transitions) -> None:
    allowed = np.array(ids("c"))
    assert CODEC.decode(table.guess(ids("xa"), 0.5, allowed).tokens[:1]) == "c"
    assert table.guess(ids("xa"), 0.5, np.array(ids("z"))) == NO_DRAFT


def test_a_longer_match_counts_more(table: Transitions) -> None:
    before = ids("bac" + "dab" * 4 + "ba")  # a is mostly followed by b, behind b by c
    assert CODEC.decode(table.guess(before, 0.5).tokens[:1]) == "c"
