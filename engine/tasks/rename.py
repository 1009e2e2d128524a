"""The task ``names``: a variable, parameter or function to better names for it, everywhere it stands.

The name is hidden wherever it stands, and the model fills its definition, a few times, each time beginning
otherwise; where that gives too few names it is asked. What is a name in the file's casing, and means the same
in all places once it is put in, is ranked by how likely it is at the definition.
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
N_FILLED = 6
"""How often a name is filled in at the most."""

MAX_NAME_TOKENS = 12
MAX_ANSWER_TOKENS = 48
MUCH_LESS_LIKELY = 15.0
"""Nats by which another name may be less likely than the present one."""
MAX_ASKED_CHARS = 1_200
"""No more of a text is shown when the model is asked."""

STAND_INS = ("it", "_x", "xx", "the_one")
"""What stands for the hidden name; the first that the file does not have."""

_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_CAMEL = re.compile(r"[a-z][a-z\d]*(?:[A-Z][a-z\d]*)+")
_SNAKE = re.compile(r"[a-z][a-z\d]*(?:_[a-z\d]+)+")
_SNAKE_LANGUAGES = frozenset({"python", "rust", "cpp"})
_MEANINGLESS = frozenset(
    {"foo", "bar", "baz", "variable", "name", "new_name", "param", "parameter", "func", "its", "var", "the"}
)
_NUMBERED = re.compile(r"(?P<stem>.*?[^\W\d_])_?\d+")


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
    ranked = naming.ranked(naming.candidates())
    if not ranked:
        return refused("no better name was found")
    names = [name for name, _ in ranked]
    texts = [naming.renamed(name) for name in names]
    public = symbol.top_level and not symbol.name.startswith("_")
    return Edited(
        texts[0],
        tuple(occurrence.span for occurrence in symbol.occurrences),
        reason=f"{symbol.name} is known in the whole file: other files that use it are not changed"
        if public
        else None,
        confidence=ranked[0][1],
        alternatives=tuple(texts[1:]),
    )


class _Naming:
    """One symbol, and what it could be called."""

    def __init__(
        self, bench: Workbench, text: str, language: Language, symbol: Symbol, words: set[str]
    ) -> None:
        self._bench, self._text, self._language, self._symbol = bench, text, language, symbol
        self._words, self._reserved = words, RESERVED.get(language.id, frozenset())
        self._cased = _casing(symbol, words, language)
        free = (word for word in STAND_INS if word not in words and word not in self._reserved)
        self._stand_in = next(free, STAND_INS[-1] * 2)
        hidden = _with_name(text, symbol, self._stand_in)
        start = _starts(symbol, self._stand_in)[symbol.definition]
        self._before, self._piece = bench.codec.split_for_healing(hidden[:start])
        self._behind = hidden[start + len(self._stand_in) :]

    def candidates(self) -> list[str]:
        """Names that could be taken; the present one is none of them."""
        found: list[str] = []
        for propose in (self._filled, self._asked):
            for word in propose():
                name = self._usable(word)
                if name is not None and name not in found:
                    found.append(name)
                if len(found) == N_NAMES or self._bench.deadline.passed:
                    return found
        return found

    def ranked(self, names: Sequence[str]) -> list[tuple[str, float]]:
        """Names not much less likely than the present one, with a token's mean probability, best first."""
        if not names:
            return []
        scores: dict[str, tuple[float, float]] = {}
        for name in (self._symbol.name, *names):
            if self._bench.deadline.passed and len(scores) > 1:
                break
            reading = self._bench.read(self._before, f"{self._piece}{name}", self._behind, self._language.id)
            total = sum(reading.log_probs)
            scores[name] = total, math.exp(min(total / len(reading.log_probs), 0.0))
        least = scores[self._symbol.name][0] - MUCH_LESS_LIKELY
        likely = [name for name in names if name in scores and scores[name][0] >= least]
        return [(name, scores[name][1]) for name in sorted(likely, key=lambda name: -scores[name][0])]

    def renamed(self, name: str) -> str:
        """The whole text with another name."""
        return _with_name(self._text, self._symbol, name)

    def _filled(self) -> Iterable[str]:
        """What the model fills the definition with, word after word, the name hidden everywhere else."""
        said = [self._stand_in, self._symbol.name]
        for _ in range(N_FILLED):
            written = self._bench.go_on(
                self._before + self._piece,
                self._behind,
                self._language.id,
                stop=_word_end,
                max_tokens=MAX_NAME_TOKENS,
                avoid=said,
                heal=True,
            )
            text = written.text.strip()
            if not text or text in said or self._bench.deadline.passed:
                return
            said.append(text)  # the next one begins otherwise
            word = _IDENTIFIER.match(text)
            if word is not None:
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
        old = self._symbol.name
        numbered, says_nothing = _NUMBERED.fullmatch(word), _says_nothing(old)
        if numbered is not None and word not in self._words and (says_nothing or old[-1:].isdigit()):
            word = numbered["stem"]  # numbered like the old one, or to have one more
        if says_nothing and _words(word)[:1] == [old.lower()]:
            word = word[len(old) :].lstrip("_")  # made of the name that is to go
        name = self._cased(word)
        if len(name) < 2 or not name.isidentifier() or _says_nothing(name) or name.lower() == old.lower():
            return None
        return name if name not in self._reserved and self._is_free(name) else None

    def _is_free(self, name: str) -> bool:
        """Whether a name stands for this symbol, and for nothing else, wherever it is put in."""
        if name not in self._words:
            return True
        text, starts = self.renamed(name), _starts(self._symbol, name)
        syntax = parse(text, self._language)
        try:
            symbol = symbol_at(syntax, text, starts[self._symbol.definition]) if syntax is not None else None
        except UnsureError:
            return False
        return symbol is not None and [one.span.start_char for one in symbol.occurrences] == starts


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


def _says_nothing(name: str) -> bool:
    """Whether a name tells nothing of what it stands for: ``v1``, ``foo``, ``param2``."""
    numbered = _NUMBERED.fullmatch(name)
    stem = name if numbered is None else numbered["stem"]
    return stem.lower() in _MEANINGLESS or len(stem) < (2 if numbered is None else 3)


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
