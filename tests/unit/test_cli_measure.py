"""The comparison, growth and ceilings of the benchmark: that every figure is what it is called."""

from __future__ import annotations

import ast
import gzip
import json
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from engine.config import EngineConfig
from engine.denoising.denoiser import Encoded
from engine.denoising.fake import FakeDenoiser
from engine.denoising.schedule import Decoding
from engine.engine import Engine, open_denoiser
from engine.models.artifact import TensorEntry
from engine.types import CancelToken, EditRequest, FillRequest
from lsp_server.cli.measure import OCCASIONS, compare, growth, load, plot, roofline, workloads
from lsp_server.cli.measure.compare import Figures, Sample
from lsp_server.cli.measure.greedy import GreedyDenoiser
from lsp_server.cli.measure.peers import BASE, OURS, Hall, Peer, Uncached
from tests.unit.conftest import Unmask


def nobody(what: str) -> None:
    """Not told what is being done."""


class Spelled:
    """A runtime that goes on with one text, and notes what it computes."""

    def __init__(self, text: Sequence[int], n_vocab: int) -> None:
        self.text, self.n_vocab = list(text), n_vocab
        self.computed: list[int] = []
        self._kept: list[int] = []

    def logits(self, ids: Sequence[int], n_known: int, n_wanted: int) -> np.ndarray:
        assert list(ids[:n_known]) == self._kept[:n_known], "what is called known was never computed"
        self.computed.append(len(ids) - n_known)
        self._kept = list(ids)
        said = np.zeros((n_wanted, self.n_vocab), dtype=np.float32)
        for row in range(n_wanted):
            said[row, self.text[len(ids) - n_wanted + row + 1]] = 9.0
        return said

    def close(self) -> None:
        """Nothing to release."""


def greedy(answer: str, how: Decoding, request: FillRequest) -> tuple[Engine, Spelled]:
    """An engine over a runtime that answers a request so."""
    fake = FakeDenoiser()
    before, _, after = request.segments
    assert before is not None and after is not None
    context = [fake.special.fim_prefix, fake.special.fim_suffix, *fake.codec.encode(after)]
    context += [fake.special.fim_middle, *fake.codec.encode(before + answer)]
    text = [*context, *[min(fake.special.end)] * 40]
    model = Spelled(text, fake.codec.n_vocab)
    denoiser = GreedyDenoiser(model, fake.info, fake.special, fake.canvas_slots)
    return Engine(denoiser, fake.codec, 1024, how), model


ASK = FillRequest(("spam = eggs\nspam = ", None, "\n"), "python", single_line=True, heal=False)


def test_a_greedy_peer_computes_what_it_lacks_and_one_token_a_pass() -> None:
    engine, model = greedy("eggs", "left_to_right", ASK)
    first, again = engine.fill(ASK), engine.fill(ASK)
    assert first.fills == again.fills == ("eggs",)
    n_context = first.context_tokens
    assert model.computed[: first.forwards] == [n_context, 1, 1, 1, 1]
    assert model.computed[first.forwards :] == [1] * again.forwards
    assert (first.cached_tokens, again.cached_tokens) == (0, n_context - 1)


def test_a_copying_peer_gives_the_same_text_in_fewer_passes() -> None:
    plain, copied = greedy("eggs", "left_to_right", ASK), greedy("eggs", "lossless", ASK)
    results = plain[0].fill(ASK), copied[0].fill(ASK)
    assert results[0].fills == results[1].fills == ("eggs",)
    assert results[1].forwards < results[0].forwards


class Counting(FakeDenoiser):
    """A fake that notes what it finds cached."""

    def __init__(self) -> None:
        super().__init__("value")
        self.found: list[int] = []

    def encode(self, context: Sequence[int], cancel: CancelToken) -> Encoded:
        encoded = super().encode(context, cancel)
        self.found.append(encoded.cached_tokens)
        return encoded


def test_the_naive_loop_finds_nothing_cached_and_gives_the_same_text() -> None:
    inner = Counting()
    naive, cached = (Engine(one, inner.codec, 1024, "lossless") for one in (Uncached(inner), Counting()))
    for _ in range(2):
        assert naive.fill(ASK).fills == cached.fill(ASK).fills == ("value",)
    assert len(inner.found) >= 2 and not any(inner.found)


def test_everybody_is_asked_the_same_in_turn_and_cold() -> None:
    class Noting(Engine):
        def forget(self) -> None:
            asked.append((self.name, None))
            super().forget()

        def fill(self, request: FillRequest, **_: object):  # type: ignore[no-untyped-def,override]
            asked.append((self.name, request))
            return super().fill(request)

    asked: list[tuple[str, FillRequest | None]] = []
    people = []
    for name in (OURS, BASE, "slow"):
        fake = FakeDenoiser("bc")
        engine = Noting(fake, fake.codec, 1024, "lossless")
        engine.name = name  # type: ignore[attr-defined]
        slow = name == "slow"
        people.append(Peer(name, engine, 0, 0, ("line",) if slow else OCCASIONS, 1 if slow else None))
    lines = [workloads.Line(f"a{n} = ", "\n", "bc") for n in range(3)]
    work = workloads.Workload("line", tuple(map(workloads.line_case, lines)))
    body = FillRequest(("b = ", None), max_tokens=1)
    more = workloads.Workload("body", ((workloads.Step("body", body),),))
    figures = compare.compare(people, [work, more], nobody)
    firsts = [name for name, request in asked if request is None]
    assert firsts == [OURS, BASE, "slow", BASE, OURS, OURS, BASE, OURS, BASE]
    by_name = {name: [request for who, request in asked if who == name] for name in (OURS, BASE, "slow")}
    assert by_name[OURS] == by_name[BASE] and by_name["slow"] == by_name[OURS][:4]
    assert [request.draft for request in by_name[OURS][1:4] if request is not None] == ["", "", "c"]
    assert {(one.row, one.n) for one in figures if one.peer == "slow"} == {
        (row, 1) for row in (workloads.COLD, workloads.AGAIN, workloads.TYPED)
    }


def sample(ms: float, texts: tuple[str, ...] = ("a",), tokens: int = 4) -> Sample:
    return Sample(ms, 2 * ms, tokens, 3, texts)


def test_figures_of_samples() -> None:
    samples = {
        (workloads.COLD, OURS): {n: sample(ms) for n, ms in enumerate([100.0, 300.0, 200.0])},
        (workloads.COLD, BASE): {n: sample(1.0) for n in range(3)},
        (workloads.COLD, "other"): {0: sample(400.0), 1: sample(600.0, ("b",))},
    }
    ours, _, other = compare.figures(samples, [OURS, BASE, "other"])
    assert (ours.n, ours.p50_ms, ours.p95_ms, ours.cpu_ms) == (3, 200.0, 290.0, 400.0)
    assert ours.tokens_per_s == pytest.approx(12 / 0.6)
    assert (other.times_ours, other.same_text) == (3.0, 0.5)  # 4 and 2 times as long, on the same occasions


def test_the_lines_of_a_set(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl.gz"
    problem = {"prompt": "def f():\n", "suffix": "    return x\n", "canonical_solution": "    x = 1\n"}
    with gzip.open(path, "wt") as file:
        file.write(json.dumps(problem) + "\n")
    (line,) = workloads.read_lines(path)
    cold, again, typed = (step.request for step in workloads.line_case(line))
    assert isinstance(cold, FillRequest) and isinstance(typed, FillRequest)
    assert cold == again and cold.segments == ("def f():\n", None, "    return x\n")
    assert typed.segments == ("def f():\n    x", None, "    return x\n")


def test_what_is_left_of_an_answer_is_a_draft_of_the_next() -> None:
    *_, typed = workloads.line_case(workloads.Line("x = ", "\n", "spam"))
    left, other = typed.after("sparrow"), typed.after("eggs")
    assert isinstance(left, FillRequest) and isinstance(other, FillRequest)
    assert (left.segments[0], left.draft, other.draft) == ("x = s", "parrow", "")


def test_shipped_texts_are_code_with_what_is_missing_left_out() -> None:
    works = {work.name: work for work in workloads.workloads(OCCASIONS, 12, None)}
    folder = resources.files("engine")
    sources = [(folder / name).read_text(encoding="utf-8") for name in workloads.SOURCES]
    assert [len(work.cases) for work in works.values()] == [12, 4, 4, 1]
    for case in works["holes"].cases:
        (step,) = case
        assert isinstance(step.request, FillRequest) and step.request.n_holes == 3
        parts = [part for part in step.request.segments if part]
        assert all(part.endswith(("= ", "return ")) for part in parts[:-1])
        assert any(all(part in text for part in parts) for text in sources)
    for prepare, step in works["body"].cases:
        assert prepare.row is None and isinstance(step.request, FillRequest)
        before, hole, after = step.request.segments
        assert hole is None and before is not None and before.endswith("\n") and '"""' in before
        assert after is not None and (not after or after[0] in "\n@ cd")
    ((rewrite,),) = works["rewrite"].cases
    assert isinstance(rewrite.request, EditRequest)
    assert rewrite.request.text.count("\n") == workloads.REWRITE_LINES


def test_holes_of_a_growing_file_are_where_values_were() -> None:
    request = growth.holes(4)
    assert request.n_holes == 4
    ast.parse("".join("width" if part is None else part for part in request.segments))


def test_load_doubles_up_to_what_was_asked_for(unmask: Unmask) -> None:
    outcome = unmask("bench", "--load", "3", "--runs", "1", "--json", "--model", "fake:answer=x")
    loads = json.loads(outcome.out)["load"]
    assert [one["at_once"] for one in loads] == load.levels(3) == [1, 2, 3]
    assert load.levels(1) == [1] and load.levels(8) == [1, 2, 4, 8]
    assert all(one["requests_per_s"] > 0 and one["p50_ms"] <= one["p95_ms"] for one in loads)
    assert loads[2]["requests"] > loads[0]["requests"]


def test_growth_covers_all_three(unmask: Unmask) -> None:
    outcome = unmask("bench", "--growth", "--json", "--model", "fake:answer=x")
    costs = json.loads(outcome.out)["growth"]
    sizes = {
        kind: tuple(one["size"] for one in costs if one["grows"] == kind)
        for kind in ("context", "canvas", "holes")
    }
    assert sizes == {"context": growth.CONTEXTS, "canvas": growth.CANVASES, "holes": growth.HOLES}


def test_the_work_of_a_pass() -> None:
    def tensor(name: str, shape: tuple[int, ...], n_bytes: int) -> TensorEntry:
        return TensorEntry(name, shape, "q8", (), {"codes": (0, n_bytes)})

    tensors = [
        tensor("embedding.weight", (100, 8), 800),
        tensor("blocks.0.ffn.down.weight", (8, 16), 128),
        tensor("blocks.0.ffn.down.lora_a", (4, 16), 64),
        tensor("norm.weight", (8,), 32),
        tensor("head.weight", (100, 8), 800),
    ]
    work = roofline.work_of(tensors, 3)
    assert (work.n_bytes, work.products) == (128 + 32 + 800, 3 * (8 * 16 + 100 * 8))
    bound_by_bytes, bound_by_products = roofline.Ceilings(1e4, 1e9), roofline.Ceilings(1e9, 1e4)
    assert work.least_ms(bound_by_bytes) == pytest.approx(96.0)
    assert work.least_ms(bound_by_products) == pytest.approx(278.4)


def test_the_plot_has_a_bar_for_every_figure() -> None:
    def one(row: str, peer: str, p50_ms: float) -> Figures:
        return Figures(row, peer, 3, p50_ms, 1.2 * p50_ms, 1.0, 7, 50.0, 4, 10.0, None)

    figures = [
        one(workloads.COLD, OURS, 100.0),
        one(workloads.COLD, "a < b", 200.0),
        one(workloads.COLD, "naive", 99_000.0),
        one("body", OURS, 10.0),
    ]
    tree = ElementTree.fromstring(plot.drawn(figures))
    bars = [float(bar.attrib["width"]) for bar in tree.iter("{http://www.w3.org/2000/svg}rect")]
    assert bars[1] == pytest.approx(2 * bars[0], abs=0.2) and bars[2] == max(bars)
    texts = "".join(tree.itertext())
    assert "a < b" in texts and "» 99,000" in texts and workloads.ROWS["body"] in texts


def test_peers_that_are_not_installed_say_how_to_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    monkeypatch.delitem(sys.modules, "lsp_server.cli.measure.llama", raising=False)
    with Hall(EngineConfig(model="fake:answer=x")) as hall:
        hall.open_ours(None)
        hall.open_others(("llama", "uncached"), nobody)
        assert hall.present[0].name == OURS and hall.present[-1].most_cases
    ((name, why),) = [(one.name, one.why) for one in hall.absent]
    assert name == "llama.cpp" and "pip install 'unmask[bench]'" in why


def test_the_comparison_as_json_and_as_a_plot(unmask: Unmask, tmp_path: Path) -> None:
    path = tmp_path / "plot.svg"
    outcome = unmask(
        "bench", "--compare", "--json", "--runs", "1", "--peers", "uncached", "--plot", str(path),
        "--model", "fake:answer=x",
    )  # fmt: skip
    report = json.loads(outcome.out)
    assert {one["row"] for one in report["figures"]} == set(workloads.ROWS)
    assert all(one["same_text"] == 1.0 for one in report["figures"])
    assert path.read_text(encoding="utf-8").count("<rect") == len(report["figures"])


def test_a_plot_without_a_place_is_told_before_anything_is_measured(unmask: Unmask) -> None:
    outcome = unmask("bench", "--compare", "--plot", "nodir/x.svg", "--model", "fake")
    assert outcome.code == 2 and "no directory nodir" in outcome.err and outcome.err.count("\n") == 1


@pytest.mark.parametrize("option", [("--peers", "llama"), ("--plot", "x.svg"), ("--cases", "x.gz")])
def test_options_of_a_comparison_want_one(unmask: Unmask, option: tuple[str, str]) -> None:
    outcome = unmask("bench", *option, "--model", "fake")
    assert outcome.code == 2 and "Add --compare" in outcome.err


def test_a_set_that_is_none(unmask: Unmask) -> None:
    outcome = unmask("bench", "--compare", "--cases", "none.gz", "--model", "fake")
    assert outcome.code == 2 and "none.gz is not an infilling set" in outcome.err


def test_a_model_and_its_engine_are_opened_apart() -> None:
    denoiser, codec = open_denoiser(EngineConfig(model="fake:answer=x"))
    assert Engine(denoiser, codec, 1024).fill(ASK).fills == ("x",)
