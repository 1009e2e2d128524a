"""What the base answers by itself, as data to train on: what it was shown and what it wrote, as tokens.

A draft must foresee what the base will write, which is not always what people wrote. So spans of the corpus
are filled and edits are asked of its functions, by the engine itself, left to right: contexts are laid out,
healed and put in words as they are in use. What comes of an edit is kept where the edit passes the checks of
the evaluation ``actions``: something changed, it parses, all around it is as it was (annotations taken out
again give the text before), and a name or a token that was taken away is the very one again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from engine.denoising.canvas import Canvas
from engine.denoising.denoiser import Denoiser, Encoded, Prediction
from engine.denoising.tokens import TokenCodec
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
        ended: whether it ended there by itself.
    """

    context: tuple[int, ...]
    tokens: tuple[int, ...]
    ended: bool


class Recorder:
    """A denoiser that notes what every canvas comes to; all else is left to the one it stands for.

    For decoding left to right alone, one token a pass. The last token of a canvas is never shown to the
    denoiser again: it is taken to be the likeliest of the last pass.
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
        self._written = [*canvas.settled, int(prediction.logits[0].argmax())]
        return prediction

    def taken(self) -> list[OwnAnswer]:
        """What was written since it was last asked."""
        self._note()
        answers, self._answers = self._answers, []
        return answers

    def _note(self) -> None:
        """Keep what was written on the present canvas."""
        end = self._denoiser.special.end
        tokens = [token for token in self._written if token not in end]
        if tokens:
            ended = len(tokens) < len(self._written)
            self._answers.append(OwnAnswer(self._context, tuple(tokens), ended))
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


class AnswersFile:
    """A JSON Lines file of answers: a line for every case that was asked, so that a run can go on.

    Args:
        path: it may be there already; a last line that was cut short is taken out.

    Raises:
        UsageError: it cannot be read or written, or is something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.asked = {name for name, _ in _lines(path, mend=True)} if path.exists() else set[str]()

    def add(self, case: Case, answers: Sequence[OwnAnswer]) -> None:
        """Write down what came of a case.

        Raises:
            UsageError: it cannot be written.
        """
        line = json.dumps({"case": case.name, "answers": [asdict(answer) for answer in answers]})
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise UsageError(f"{self._path} cannot be written ({error})", "Name another place.") from error
        self.asked.add(case.name)


def answers_path(corpus: Path, split: Split, part: int) -> Path:
    """Where a part of a split's answers lies beside the shards of a corpus."""
    return corpus / f"answers-{split}-{part}.jsonl"


def read_answers(corpus: Path, split: Split) -> list[OwnAnswer]:
    """All answers beside the shards of a corpus, often none.

    Raises:
        UsageError: a file of them is something else.
    """
    paths = sorted(corpus.glob(f"answers-{split}-*.jsonl"))
    return [answer for path in paths for _, answers in _lines(path) for answer in answers]


def _lines(path: Path, *, mend: bool = False) -> Iterator[tuple[str, list[OwnAnswer]]]:
    """The cases of a file and what came of each; a last line without its end is left out, or taken out."""
    try:
        *lines, last = path.read_text(encoding="utf-8").split("\n")
        if last and mend:
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        for line in lines:
            row = json.loads(line)
            answers = [
                OwnAnswer(tuple(one["context"]), tuple(one["tokens"]), bool(one["ended"]))
                for one in row["answers"]
            ]
            yield row["case"], answers
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is no file of answers ({error})", "Move it away; `unmask train answers` makes them."
        ) from error
