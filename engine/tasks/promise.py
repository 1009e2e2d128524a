"""A rewrite that was asked for without words to what it breaks of the promise that goes with it.

Who asks so asks for the same code in better words: what it defines keeps its header, every name that it reads
is still bound, and nothing that makes what it does is lost or added. A small model that is free to do so
breaks most of what it reworks (results log).
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.code.headers import headers_of, repeated
from engine.code.languages import Language
from engine.code.names import introduced
from engine.code.syntax import parse, text_of, walk
from engine.scopes.symbols import bound_and_read, words_of
from engine.tasks.substance import Substance, changed_substance
from engine.types import Strength

MAX_NAMED = 5

LOOPING = frozenset({"range", "len", "enumerate", "append", "extend", "push"})
"""What a loop in other words may need, or need no longer."""


def broken(old: str, new: str, language: Language, strength: Strength) -> str | None:
    """What a new text does not keep of an old one, as a complaint; None where nothing is amiss.

    Args:
        old: the whole text as it was.
        new: the whole text with the answer in it.
        language: of both.
        strength: how much was to change.
    """
    lines = {header.key: header.line for header in headers_of(old, language) if not header.local}
    lost = lines.keys() - {header.key for header in headers_of(new, language)}
    if lost:
        return f"the answer changes `{lines[min(lost)]}`"
    twice = repeated(old, new, language)
    if twice is not None:
        return f"the answer defines `{twice}` a second time"
    unbound = sorted({*introduced(old, new, language), *_orphaned(old, new, language)})
    if unbound:
        return f"nothing defines {', '.join(unbound[:MAX_NAMED])} in the answer"
    if strength == "restyle":
        complaint = _restyled(old, new, language)
        if complaint is not None:
            return complaint
    changed = changed_substance(old, new, language)
    return _does_something_else(*changed, strength) if changed is not None else None


def _does_something_else(old: Substance, new: Substance, strength: Strength) -> str | None:
    """What is lost or added where the code was changed: at ``restyle`` one of anything, else of operators."""
    if strength == "restyle":
        lost, added = set(old.all - new.all), set(new.all - old.all)
    else:
        olds, news = {*old.literals, *old.names}, {*new.literals, *new.names}
        lost = {*(olds - news - LOOPING), *(old.operators - new.operators)}
        added = {*(news - olds - LOOPING), *(new.operators - old.operators)}
    if lost or added:
        told = [f"{what} {_listed(tokens)}" for what, tokens in (("loses", lost), ("adds", added)) if tokens]
        return f"the answer may do something else: it {' and '.join(told)}"
    return None


def _listed(tokens: Iterable[str]) -> str:
    return ", ".join(f"`{token}`" for token in sorted(tokens)[:MAX_NAMED])


def _orphaned(old: str, new: str, language: Language) -> frozenset[str]:
    """Names that a new text reads and no longer binds, though the old one did."""
    syntax = parse(new, language)
    if syntax is None:
        return frozenset()
    bound, read = bound_and_read(syntax, new)
    return (_bound(old, language) - bound) & read


def _restyled(old: str, new: str, language: Language) -> str | None:
    """Which names, and which words of comments, are lost or added."""
    said = _bound(old, language) | _words_of_comments(old, language)
    names = {*(said - words_of(new)), *(_bound(new, language) - words_of(old))}
    if names:
        return f"the answer does not keep the names and comments: {', '.join(sorted(names)[:MAX_NAMED])}"
    return None


def _bound(text: str, language: Language) -> frozenset[str]:
    syntax = parse(text, language)
    return frozenset() if syntax is None else bound_and_read(syntax, text)[0]


def _words_of_comments(text: str, language: Language) -> frozenset[str]:
    syntax = parse(text, language)
    comments = () if syntax is None else (node for node in walk(syntax.root) if "comment" in node.type)
    said = " ".join(text_of(node) for node in comments)
    return frozenset(words_of(said))
