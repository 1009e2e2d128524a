"""The base writes behind many contexts at once what it would write behind each alone."""

from __future__ import annotations

import pytest
import torch

from engine.denoising.denoiser import SpecialTokens
from engine.denoising.fake import FakeDenoiser
from export.base import load_model
from export.evaluate import heldout
from export.model import DenoiserModel
from export.own_answers import OwnAnswer
from export.writing import PIECE, Writer, context_of
from tests import tiny

pytestmark = pytest.mark.export

N_CONTEXT, N_TOKENS = 24, 10


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> DenoiserModel:
    path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    tiny.write_gguf(path)
    return load_model(path)


@pytest.fixture(scope="module")
def contexts() -> list[list[int]]:
    generator = torch.Generator().manual_seed(1)
    lengths = [1, 5, N_CONTEXT, *([9] * PIECE)]  # more than are read in one pass
    return [torch.randint(0, 250, (n,), generator=generator).tolist() for n in lengths]


def alone(model: DenoiserModel, context: list[int]) -> list[int]:
    """What is written behind one context by full passes."""
    c, ids = model.config, list(context)
    nothing = [torch.zeros(1, c.n_kv_heads, 0, c.head_dim)] * c.n_layers
    with torch.no_grad():
        for _ in range(N_TOKENS):
            n = len(ids)
            causal = torch.full((n, n), -1e9).triu(1)
            x, _, _ = model.hidden(
                torch.tensor([ids]), torch.arange(n)[None], None, causal, None, nothing, nothing
            )
            ids.append(int(model.head(model.norm(x))[0, -1].argmax()))
    return ids[len(context) :]


def test_each_text_is_what_the_base_writes_alone(model: DenoiserModel, contexts: list[list[int]]) -> None:
    writer = Writer(model, len(contexts) + 2, N_CONTEXT, N_TOKENS)
    expected = [OwnAnswer(tuple(c), tuple(alone(model, c)), None) for c in contexts]
    assert writer.write(contexts, ()) == expected
    assert writer.write(contexts[2:], ()) == expected[2:], "what was there before is forgotten"
    assert len({answer.tokens for answer in expected}) > 10


def test_a_text_ends_before_the_token_that_ends_it(model: DenoiserModel, contexts: list[list[int]]) -> None:
    whole = alone(model, contexts[1])
    (answer,) = Writer(model, 1, N_CONTEXT, N_TOKENS).write([contexts[1]], {whole[4], 9999})
    n = whole.index(whole[4])
    assert answer == OwnAnswer(tuple(contexts[1]), tuple(whole[:n]), whole[4])


def test_a_context_is_laid_out_as_in_a_request() -> None:
    codec = FakeDenoiser().codec
    special = SpecialTokens(1000, 1001, 1002, frozenset({999}))
    case = heldout.Case("a.py", "a", "python", "line", "x = 1\ny = ", "2", "\nz = 3\n")
    context = context_of(case, codec, special, 64)
    assert {1000, 1001, 1002} <= set(context)
    assert codec.decode([token for token in context if token < 256]).count("y =") == 1
    assert len(context_of(case, codec, special, 12)) <= 12
