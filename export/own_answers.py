"""What the base answers by itself, as data to train on: what it was shown and what it wrote, as tokens.

A draft must foresee what the base will write, which is not always what people wrote. So spans of the corpus
are filled and edits are asked of its functions, by the engine itself, left to right: contexts are laid out,
healed and put in words as they are in use. What comes of an edit is kept where the edit passes the checks of
the evaluation ``actions``: something changed, it parses, all around it is as it was (annotations taken out
again give the text before), and where one text alone is right it is that one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from engine.denoising.canvas import Canvas
from engine.denoising.denoiser import Denoiser, Encoded, Prediction
from engine.denoising.tokens import TokenCodec
from engine.denoising.top import top_of
from engine.engine import Engine
from engine.errors import UsageError
from engine.types import CancelToken
from export.corpus.packages import Split
from export.corpus.shards import Document, shuffle_key
from export.evaluate import actions, heldout

MAX_CONTEXT_TOKENS = 1024
"""What was written behind a longer context is not kept: training would read all of it for a few canvases."""

MUST_BE_EXACT: frozenset[actions.Action] = frozenset({"instruct", "repair"})
"""Edits to which one text alone is right."""

FILL_TOKENS, EDIT_TOKENS = 64, 256
SEED = 1

Case = heldout.Case | actions.Case


@dataclass(frozen=True, slots=True)
class OwnAnswer:
    """What the base wrote behind a context.

    Attributes:
        context: token ids ``[n_context]``.
        tokens: what it wrote, the end token left out, at least one ``[n_tokens]``.
        end: the token by which it ended there; None where it was cut.
    """

    context: tuple[int, ...]
    tokens: tuple[int, ...]
    end: int | None


class Recorder:
    """A denoiser that notes what every canvas comes to; all else is left to the one it stands for.

    For decoding left to right alone, one token a pass. The last token of a canvas is never shown to the
    denoiser again: it is taken to be the likeliest of the last pass, which is what was settled unless the
    canvas held a single token that had to begin otherwise.
    """

    def __init__(self, denoiser: Denoiser) -> None:
        self._denoiser = denoiser
        self._context: tuple[int, ...] = ()
        self._written: list[int] = []
        self._answers: list[OwnAnswer] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._denoiser, name)

    def encode(self, context: Sequence[int], cancel: CancelToken) -> Encoded:
        """Make a context the current one; see ``Denoiser.encode``."""
        self._note()
        self._context = tuple(context)
        return self._denoiser.encode(context, cancel)

    def predict(self, canvas: Canvas, masks: Sequence[int], cancel: CancelToken) -> Prediction:
        """Score the next slot of a canvas; see ``Denoiser.predict``."""
        assert not canvas.draft.tokens
        if canvas.n_settled < len(self._written):  # another canvas in the same context
            self._note()
        prediction = self._denoiser.predict(canvas, masks, cancel)
        self._written = [*canvas.settled, int(top_of(prediction.logits[0]).tokens[0])]
        return prediction

    def taken(self) -> list[OwnAnswer]:
        """What was written since it was last asked."""
        self._note()
        answers, self._answers = self._answers, []
        return answers

    def _note(self) -> None:
        """Keep what was written on the present canvas."""
        ends = [token for token in self._written if token in self._denoiser.special.end]
        tokens = tuple(token for token in self._written if token not in ends)
        if tokens:
            self._answers.append(OwnAnswer(self._context, tokens, ends[0] if ends else None))
        self._written = []


def cases_of(documents: Iterable[Document], n_holes: int, n_edits: int) -> list[Case]:
    """What is asked, mixed; the same documents always give the same.

    Args:
        documents: where it is from.
        n_holes: the most spans of each kind.
        n_edits: the most cases of each edit in each language.
    """
    documents = list(documents)
    holes = heldout.cases_of(documents, n_holes) if n_holes else []
    edits = actions.cases_of(documents, n_edits) if n_edits else []
    return sorted([*holes, *edits], key=lambda case: shuffle_key(case.name, SEED))


class Asker:
    """Asks a model and keeps what it writes.

    Args:
        denoiser: the model.
        codec: its tokenizer.
        context_tokens: the most tokens of context for one hole.
    """

    def __init__(self, denoiser: Denoiser, codec: TokenCodec, context_tokens: int) -> None:
        self._recorder = Recorder(denoiser)
        recorder = cast(Denoiser, self._recorder)
        self._engine = Engine(recorder, codec, context_tokens, "left_to_right")

    def ask(self, case: Case) -> list[OwnAnswer]:
        """All that was written for a case; nothing where it does not pass."""
        passes = self._passes(case)
        answers = self._recorder.taken()
        return [answer for answer in answers if passes and len(answer.context) <= MAX_CONTEXT_TOKENS]

    def _passes(self, case: Case) -> bool:
        if isinstance(case, heldout.Case):
            self._engine.fill(heldout.request_for(case, FILL_TOKENS))
            return True  # whatever stands there: this is how the base goes on
        judged = actions.judge(case, actions.reply_to(case, self._engine, EDIT_TOKENS))
        exact = judged.shares.get("exact")
        return judged.right and (case.action not in MUST_BE_EXACT or bool(exact and exact.hits))


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of a file: the case, who was asked, of how many tokens, and what was kept."""

    case: str
    model: str
    n_vocab: int
    answers: list[OwnAnswer]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> _Row:
        """The row that ``AnswersFile.add`` wrote; raises KeyError or TypeError where it did not."""
        answers = [
            OwnAnswer(tuple(one["context"]), tuple(one["tokens"]), one["end"]) for one in row["answers"]
        ]
        return cls(row["case"], row["model"], row["n_vocab"], answers)


class AnswersFile:
    """A JSON Lines file of answers: a line for every case that was asked, so that a run can go on.

    Args:
        corpus: the directory of the corpus, where it lies.
        split, part: which one.
        model: who answers.
        n_vocab: how many tokens its vocabulary has.

    Raises:
        UsageError: there is something else in its place.
    """

    def __init__(self, corpus: Path, split: Split, part: int, model: str, n_vocab: int) -> None:
        self.path = answers_path(corpus, split, part)
        self._model, self._n_vocab = model, n_vocab
        self.asked: set[str] = set()
        """The cases that the model answered already, in this part or another."""
        for path in _paths(corpus, split):
            rows = _rows(path, mend=path == self.path)
            self.asked |= {row.case for row in rows if row.model == model}

    def add(self, case: Case, answers: Sequence[OwnAnswer]) -> None:
        """Write down what came of a case, at least one token in each answer.

        Raises:
            UsageError: it cannot be written.
        """
        row = _Row(case.name, self._model, self._n_vocab, list(answers))
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(row)) + "\n")
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written ({error})", "Name another place.") from error
        self.asked.add(case.name)


def answers_path(corpus: Path, split: Split, part: int) -> Path:
    """Where a part of a split's answers lies beside the shards of a corpus."""
    return corpus / f"answers-{split}-{part}.jsonl"


def read_answers(corpus: Path, split: Split, n_vocab: int) -> list[OwnAnswer]:
    """All answers beside the shards of a corpus, often none.

    Args:
        corpus: the directory of the corpus.
        split: which answers.
        n_vocab: how many tokens the vocabulary has that they must be of.

    Raises:
        UsageError: a file of them is something else, or of another vocabulary.
    """
    answers: list[OwnAnswer] = []
    for path in _paths(corpus, split):
        for row in _rows(path):
            if row.n_vocab != n_vocab:
                raise UsageError(
                    f"{path} holds answers of {row.model}, which has other tokens", "Move it away."
                )
            answers += row.answers
    return answers


def _paths(corpus: Path, split: Split) -> list[Path]:
    return sorted(corpus.glob(f"answers-{split}-*.jsonl"))


def _rows(path: Path, *, mend: bool = False) -> list[_Row]:
    """The lines of a file; a last one without its end is left out, and with ``mend`` taken out."""
    try:
        *lines, last = path.read_text(encoding="utf-8").split("\n")
        if last and mend:
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return [_Row.of(json.loads(line)) for line in lines]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is no file of answers ({error})", "Move it away; `unmask train answers` makes them."
        ) from error
