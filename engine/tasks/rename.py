"""The task ``names``: a variable, parameter or function to better names for it, everywhere it stands.

The model proposes in two ways: it fills the definition with the name hidden wherever it stands, and it is
asked. What is a name, free and in the file's casing is then put in all places at once, and weighed there.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from engine.code import languages
from engine.code.languages import Language
from engine.code.syntax import parse
from engine.denoising.chat import TURN_START, Turn
from engine.scopes.reserved import RESERVED
from engine.scopes.symbols import Symbol, UnsureError, symbol_at, words_of
from engine.tasks import Edited, refused
from engine.types import EditRequest
from engine.workbench import Workbench

N_NAMES = 3
N_FILLED = 3
"""How many names are filled in, beside those that are asked for."""

MAX_CANDIDATES = 5
MAX_NAME_TOKENS = 12
MAX_ANSWER_TOKENS = 48
MAX_WEIGHED_CHARS = 700
"""No more of a text is weighed, from the definition on."""

MUCH_LESS_LIKELY = 15.0
"""Nats by which a text may be less likely with another name than with the present one."""
MAX_ASKED_CHARS = 1_200
"""No more of a text is shown when the model is asked."""

STAND_INS = ("it", "_x", "xx", "the_one")
"""What stands for the hidden name; the first that the file does not have."""

_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_CAMEL = re.compile(r"[a-z][a-z\d]*(?:[A-Z][a-z\d]*)+")
_SNAKE = re.compile(r"[a-z][a-z\d]*(?:_[a-z\d]+)+")
_SNAKE_LANGUAGES = frozenset({"python", "rust", "cpp"})
_MEANINGLESS = frozenset({"foo", "bar", "baz", "variable", "name", "new_name", "param", "parameter", "func"})


def run(bench: Workbench, request: EditRequest) -> Edited:
    """Suggest three names for what stands at the start of the selection.

    Raises:
        Cancelled: asked to stop.
    """
    language = languages.by_id(request.language)
    syntax = parse(request.text, language)
    if syntax is None:
        return refused(f"names are followed in {_KNOWN}, not in {language.title}")
    if request.selection is None:
        return refused("select the name, or put the cursor on it")
    try:
        symbol = symbol_at(syntax, request.text, request.selection.start_char)
    except UnsureError as reason:
        return refused(str(reason))
    naming = _Naming(bench, request.text, language, symbol, words_of(request.text))
    weighed = naming.weighed(naming.candidates())
    if not weighed:
        return refused("no better name was found")
    names = [name for name, _ in weighed[:N_NAMES]]
    texts = [naming.renamed(name) for name in names]
    public = symbol.top_level and not symbol.name.startswith("_")
    return Edited(
        texts[0],
        tuple(occurrence.span for occurrence in symbol.occurrences),
        reason=f"{symbol.name} is known in the whole file: other files that use it are not changed"
        if public
        else None,
        confidence=weighed[0][1],
        alternatives=tuple(texts[1:]),
    )


class _Naming:
    """One symbol, and what it could be called."""

    def __init__(
        self, bench: Workbench, text: str, language: Language, symbol: Symbol, words: set[str]
    ) -> None:
        self._bench, self._text, self._language, self._symbol = bench, text, language, symbol
        self._taken = words | RESERVED.get(language.id, frozenset())
        self._cased = _casing(symbol, words, language)

    def candidates(self) -> list[str]:
        """Names that could be taken, the likeliest first; the present one is none of them."""
        found: list[str] = []
        for propose in (self._filled, self._asked):
            for word in propose():
                name = self._usable(word)
                if name is not None and name not in found:
                    found.append(name)
            if self._bench.deadline.passed:
                break
        return found[:MAX_CANDIDATES]

    def weighed(self, names: Sequence[str]) -> list[tuple[str, float]]:
        """Names with how likely the text is with each, as a mean probability, best first."""
        scored: list[tuple[str, float]] = []
        for name in names:
            if self._bench.deadline.passed and scored:
                break
            before, text, behind = self._weighable(name)
            _, log_probs = self._bench.score(before, text, behind, self._language.id)
            scored.append((name, float(log_probs.sum())))
        if not scored:
            return []
        before, text, behind = self._weighable(self._symbol.name)
        _, log_probs = self._bench.score(before, text, behind, self._language.id)
        least = float(log_probs.sum()) - MUCH_LESS_LIKELY
        order = sorted((entry for entry in scored if entry[1] >= least), key=lambda entry: -entry[1])
        return [(name, math.exp(min(total / max(len(log_probs), 1), 0.0))) for name, total in order]

    def renamed(self, name: str) -> str:
        """The whole text with another name."""
        return _with_name(self._text, self._symbol, name)

    def _filled(self) -> Iterable[str]:
        """What the model fills the definition with, word after word, the name hidden everywhere else."""
        stand_in = next((word for word in STAND_INS if word not in self._taken), STAND_INS[-1] * 2)
        hidden = _with_name(self._text, self._symbol, stand_in)
        start = _starts(self._symbol, stand_in)[self._symbol.definition]
        before, behind = hidden[:start], hidden[start + len(stand_in) :]
        said = [stand_in, self._symbol.name]
        for _ in range(N_FILLED):
            written = self._bench.go_on(
                before.removesuffix(" "),
                behind,
                self._language.id,
                stop=_word_end,
                max_tokens=MAX_NAME_TOKENS,
                avoid=said,
            )
            word = _IDENTIFIER.match(written.text.strip())
            if word is None or self._bench.deadline.passed:
                return
            said.append(word[0])  # the next one begins otherwise
            yield word[0]

    def _asked(self) -> Iterable[str]:
        """What the model answers when it is asked for names."""
        if self._bench.codec.id_of(TURN_START) is None:
            return
        symbol = self._symbol
        start = max(symbol.scope.start_char, symbol.occurrences[0].span.start_char - MAX_ASKED_CHARS // 3)
        code = self._text[start : min(symbol.scope.end_char, start + MAX_ASKED_CHARS)]
        question = (
            f"```{self._language.id}\n{code}\n```\n\n"
            f"Suggest four better, descriptive names for the {symbol.kind} `{symbol.name}`. "
            "Names only, one a line."
        )
        written = self._bench.write([Turn("user", question)], opening="1. `", max_tokens=MAX_ANSWER_TOKENS)
        for line in written.text.splitlines():
            word = _IDENTIFIER.search(re.sub(r"^\s*\d+\.\s*", "", line))
            if word is not None:
                yield word[0]

    def _usable(self, word: str) -> str | None:
        """A proposal in the casing it should have; None where it cannot be taken."""
        name = self._cased(word)
        if len(name) < 2 or name in self._taken or name.lower() in _MEANINGLESS or not name.isidentifier():
            return None
        return name if name.lower() != self._symbol.name.lower() else None

    def _weighable(self, name: str) -> tuple[str, str, str]:
        """What stands before, in and behind the part of the text that is weighed."""
        text = self.renamed(name)
        starts = _starts(self._symbol, name)
        first, last = starts[0], starts[-1] + len(name)
        n_more = len(text) - len(self._text)
        end = min(max(last, first + 1), first + MAX_WEIGHED_CHARS + max(n_more, 0))
        line_end = text.find("\n", end)
        end = line_end if 0 <= line_end < end + 200 else end
        return text[:first], text[first:end], text[end:]


def _word_end(text: str) -> int | None:
    """Where the first word of a text has ended."""
    start = len(text) - len(text.lstrip())
    end = next((at for at in range(start, len(text)) if not (text[at].isalnum() or text[at] == "_")), None)
    return end if end is not None and end < len(text) else None


def _with_name(text: str, symbol: Symbol, name: str) -> str:
    parts: list[str] = []
    at_char = 0
    for occurrence in symbol.occurrences:
        parts += [text[at_char : occurrence.span.start_char], occurrence.renamed(symbol.name, name)]
        at_char = occurrence.span.end_char
    return "".join([*parts, text[at_char:]])


def _starts(symbol: Symbol, name: str) -> list[int]:
    """Where the name stands, in characters, once it is another."""
    starts: list[int] = []
    shift = 0
    for occurrence in symbol.occurrences:
        new = occurrence.renamed(symbol.name, name)
        starts.append(occurrence.span.start_char + shift + len(new) - len(name))
        shift += len(new) - len(symbol.name)
    return starts


def _words(name: str) -> list[str]:
    """The words a name is made of, in small letters."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z\d]+|[^\W_a-zA-Z]+", name)]


def _casing(symbol: Symbol, words: set[str], language: Language) -> Callable[[str], str]:
    """How a name of this symbol's kind is written in the file."""
    old = symbol.name
    lead = old[: len(old) - len(old.lstrip("_"))] if symbol.top_level or language.id != "python" else ""
    counts = Counter(
        "camel" if _CAMEL.fullmatch(word) else "snake" if _SNAKE.fullmatch(word) else "" for word in words
    )
    snake = counts["snake"] > counts["camel"] if language.id == "cpp" else language.id in _SNAKE_LANGUAGES
    if re.fullmatch(r"_*[A-Z][A-Z\d]*(?:_[A-Z\d]+)*", old) and len(old) > 1:
        return lambda name: lead + "_".join(_words(name)).upper()
    if old[:1].isupper():
        return lambda name: "".join(word.capitalize() for word in _words(name))
    if _SNAKE.fullmatch(old) or (snake and not _CAMEL.fullmatch(old)):
        return lambda name: lead + "_".join(_words(name))
    return lambda name: (
        lead + "".join(word if at == 0 else word.capitalize() for at, word in enumerate(_words(name)))
    )


_KNOWN = "Python, JavaScript, TypeScript, Go, Rust, Java and C++"
