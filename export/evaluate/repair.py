"""Self-correction: held-out code with some wrong tokens, to what a model makes of it.

A canvas of real code is taken from the middle of a file and a tenth of its tokens is replaced, half by other
tokens of the same file, half by identifiers, operators and numbers of other files. The model sees the file
around the canvas and the spoilt canvas, and not which tokens are wrong.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from engine.denoising.tokens import TokenCodec
from export.corpus.shards import Document
from export.evaluate.answers import Answer, Evaluation, Reply, Share, evenly

SEED = 2026
N_CASES = 300
CANVAS_TOKENS = (32, 48)
WRONG_SHARE = 0.1
MIDDLE = (0.2, 0.8)
"""A canvas starts in this part of its file."""
FOREIGN_DOCUMENTS = 40
"""How many documents the wrong tokens of other files are drawn from."""

_LIKELY_WRONG = re.compile(r"[^\W\d]\w*|\d+|[-+*/%=<>!&|.,:()\[\]{}]{1,3}")
"""What a whole token is, white space before it aside, that is plausible in place of another."""


@dataclass(frozen=True, slots=True)
class Case:
    """A spoilt canvas.

    Attributes:
        name: the document's, with where in it.
        package: what the document belongs to.
        language: LSP identifier.
        prefix, suffix: the document around the canvas.
        truth: the canvas's tokens as they stood there.
        spoilt: the same with some of them wrong; as many.
    """

    name: str
    package: str
    language: str
    prefix: str
    suffix: str
    truth: tuple[int, ...]
    spoilt: tuple[int, ...]

    @property
    def wrong_slots(self) -> list[int]:
        """Indices of the wrong tokens."""
        return [at for at, (was, now) in enumerate(zip(self.truth, self.spoilt, strict=True)) if was != now]


Corrector = Callable[[Case], Sequence[int]]
"""A case to the tokens that a model thinks the canvas should have; as many as it has."""


def cases_of(
    documents: Iterable[Document], codec: TokenCodec, n_cases: int = N_CASES, seed: int = SEED
) -> list[Case]:
    """One case from each document that is long enough, until there are enough.

    Args:
        documents: held-out documents; the same ones always give the same cases.
        codec: the tokenizer of the model to be asked.
        n_cases: the most cases.
        seed: of what is chosen.
    """
    kept = list(documents)
    foreign = {doc.key: _likely_wrong(codec, codec.encode(doc.text)) for doc in kept[:FOREIGN_DOCUMENTS]}
    made = (_case(document, codec, foreign, random.Random(f"{seed}/{document.key}")) for document in kept)
    return list(islice((case for case in made if case is not None), n_cases))


def evaluation(cases: Sequence[Case], codec: TokenCodec, *, limit: int | None) -> Evaluation[Corrector, Case]:
    """The set that cases make.

    Args:
        cases: see ``cases_of``.
        codec: the tokenizer they were made with.
        limit: the most cases, evenly spaced; None for all.
    """

    def ask(correct: Corrector, case: Case) -> Reply:
        start = time.perf_counter()
        ids = tuple(int(token) for token in correct(case))
        ms = round((time.perf_counter() - start) * 1000.0, 1)
        return Reply((codec.decode(ids),), "ok", len(ids), 0, 0, 0, ms, ids)

    return Evaluation("self-correction", "exact", evenly(cases, limit), ask, judge)


def judge(case: Case, reply: Reply) -> Answer:
    """Compare a corrected canvas with the true one, token by token; a missing token is a changed one."""
    given: list[int | None] = [*reply.ids[: len(case.truth)]]
    given += [None] * (len(case.truth) - len(given))
    wrong = set(case.wrong_slots)
    restored = sum(given[at] == case.truth[at] for at in wrong)
    touched = sum(given[at] != case.spoilt[at] for at in wrong)
    n_right = len(case.truth) - len(wrong)
    changed = sum(given[at] != case.truth[at] for at in range(len(case.truth)) if at not in wrong)
    return Answer(
        case=case.name,
        source=case.package,
        group=case.language,
        reply=reply,
        right=reply.ids == case.truth,
        shares={
            "restored": Share(restored, len(wrong)),
            "noticed": Share(touched, len(wrong)),
            "changed": Share(changed, n_right),
            "cases_changed": Share(changed > 0, 1),
        },
    )


def _case(
    document: Document, codec: TokenCodec, foreign: dict[str, list[int]], rng: random.Random
) -> Case | None:
    """The case of a document; None if it is too short, or its tokens do not fall on characters."""
    text = document.text
    ids, starts = codec.encode(text), codec.start_chars(text)
    n_slots = rng.randint(*CANVAS_TOKENS)
    first = int(len(ids) * rng.uniform(*MIDDLE))
    if first == 0 or first + n_slots >= len(ids):
        return None
    truth = ids[first : first + n_slots]
    start_char, end_char = starts[first], starts[first + n_slots]
    if codec.decode_bytes(truth) != text[start_char:end_char].encode("utf-8"):
        return None
    own = _likely_wrong(codec, ids)
    elsewhere = [tokens for key, tokens in foreign.items() if key != document.key and tokens]
    spoilt = _spoil(truth, own, elsewhere, codec, rng)
    if spoilt is None:
        return None
    return Case(
        name=f"{document.key}@{start_char}-{end_char}",
        package=f"{document.ecosystem}/{document.package}",
        language=document.language,
        prefix=text[:start_char],
        suffix=text[end_char:],
        truth=tuple(truth),
        spoilt=tuple(spoilt),
    )


def _spoil(
    truth: Sequence[int],
    own: Sequence[int],
    elsewhere: Sequence[Sequence[int]],
    codec: TokenCodec,
    rng: random.Random,
) -> list[int] | None:
    """Some tokens replaced, by the file's own and other files' in turn; None where there are none to take."""
    spoilt = list(truth)
    slots = [at for at, token in enumerate(truth) if codec.token_bytes[token].strip()]
    n_wrong = max(1, round(WRONG_SHARE * len(truth)))
    if len(slots) < n_wrong or not own or not elsewhere:
        return None
    turn = rng.randrange(2)
    for count, slot in enumerate(rng.sample(slots, n_wrong)):
        pool = own if (count + turn) % 2 else rng.choice(elsewhere)
        taken = [token for token in pool if token != truth[slot]]
        if not taken:
            return None
        spoilt[slot] = rng.choice(taken)
    return spoilt


def _likely_wrong(codec: TokenCodec, ids: Sequence[int]) -> list[int]:
    """The tokens that are a name, a number or an operator, as often as they stand there."""
    texts = ((token, codec.token_bytes[token].decode("utf-8", "replace").strip()) for token in ids)
    return [token for token, text in texts if _LIKELY_WRONG.fullmatch(text)]
