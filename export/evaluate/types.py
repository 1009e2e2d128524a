"""Annotations of held-out typed files, taken out and asked for again.

Every parameter's and return's annotation of a file goes; the task ``types`` is asked to annotate the whole
file, and what it writes is compared place by place with what stood there. Where mypy is installed, files that
type-checked are checked again: as they were written, and without what a checker of the caller's takes out.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from engine.code import languages
from engine.code.edits import TextEdit, apply
from engine.code.syntax import Syntax, parse, walk
from engine.engine import Engine
from engine.types import EditRequest, Span
from export.corpus.shards import Document
from export.evaluate.answers import Answer, Evaluation, Reply, Share, evenly
from export.evaluate.documents import read_documents

if TYPE_CHECKING:
    from tree_sitter import Node

MAX_FILE_CHARS = 8_000
N_SLOTS = (4, 40)
MIN_TYPED_SHARE = 0.8
PER_PACKAGE = 8
"""No more files are taken of a package, or the largest would be the whole figure."""

MYPY_SECONDS = 120

Place = tuple[int, str]
"""The number of a function in its file, and the parameter's name, or ``return``."""

_NOT_TYPED = frozenset({"self", "cls", "this"})


@dataclass(frozen=True, slots=True)
class Case:
    """A file without its annotations."""

    name: str
    package: str
    language: str
    text: str
    original: str


def cases_of(documents: Iterable[Document], limit: int | None = None) -> list[Case]:
    """A case of every small file most of whose places are annotated, some of each package.

    Args:
        documents: held-out documents, in an order that is fair.
        limit: the most cases; None for all there are.
    """
    return list(islice(_cases(documents), limit))


Check = Callable[[str, str], str]
"""A text and the same with types to what a type checker leaves of it."""


def evaluation(
    directory: Path, *, limit: int | None, max_tokens: int, check: Check | None = None
) -> Evaluation[Engine, Case]:
    """The set of a corpus directory; see ``heldout.evaluation``.

    Args:
        directory, limit, max_tokens: see there.
        check: what else is made of the Python files that type-checked; None for nothing.
    """

    def ask(engine: Engine, case: Case) -> Reply:
        request = EditRequest("types", case.text, case.language, max_tokens=max_tokens)
        result = engine.edit(request)
        return Reply.of_edit(result, result.text)

    cases = evenly(cases_of(read_documents(directory)), limit)
    judged = partial(judge, check=check)
    return Evaluation("types of held-out packages", "files_exact", cases, ask, judged)


def judge(case: Case, reply: Reply, check: Check | None = None) -> Answer:
    """Compare annotation by annotation; right where all are the same."""
    wanted, given = (annotations_of(text, case.language) for text in (case.original, reply.texts[0]))
    same = {place: alike(given.get(place), annotation) for place, annotation in wanted.items()}
    verbatim = sum(given.get(place) == annotation for place, annotation in wanted.items())
    returns = [place for place in wanted if place[1] == "return"]
    n_parameters = len(wanted) - len(returns)
    right_returns = sum(same[place] for place in returns)
    answered = sum(place in given for place in wanted)
    shares = {
        "exact": Share(sum(same.values()), len(wanted)),
        "exact_parameters": Share(sum(same.values()) - right_returns, n_parameters),
        "exact_returns": Share(right_returns, len(returns)),
        "verbatim": Share(verbatim, len(wanted)),
        "answered": Share(answered, len(wanted)),
        "exact_of_answered": Share(sum(same.values()), answered),
    }
    if case.language == "python" and type_checks(case.original):
        shares["still_type_checks"] = Share(bool(type_checks(reply.texts[0])), 1)
        if check is not None:
            kept = check(case.text, reply.texts[0])
            given = annotations_of(kept, case.language)
            n_same = sum(alike(given.get(place), annotation) for place, annotation in wanted.items())
            shares["checked_still_type_checks"] = Share(bool(type_checks(kept)), 1)
            shares["checked_exact"] = Share(n_same, len(wanted))
            shares["unchecked_exact_of_these"] = Share(sum(same.values()), len(wanted))
    return Answer(
        case=case.name,
        source=case.package,
        group=case.package,
        reply=reply,
        right=all(same.values()),
        shares=shares,
        complaint="; ".join(
            f"{place[1]}: {given.get(place)} for {annotation}"
            for place, annotation in wanted.items()
            if not same[place]
        ),
    )


def alike(given: str | None, wanted: str) -> bool:
    """Whether two annotations are the same type by their spelling."""
    return given is not None and normalised(given) == normalised(wanted)


def normalised(annotation: str) -> str:
    """One spelling for the spellings of a type: without quotes, module prefixes and the older generics."""
    text = re.sub(r"[\s\"']", "", annotation)
    text = re.sub(r"\b(?:typing|typing_extensions|collections\.abc|builtins|t|abc)\.", "", text)
    text = re.sub(r"\b(List|Dict|Set|FrozenSet|Tuple|Type|Deque)\b", lambda name: name[0].lower(), text)
    while (inner := re.search(r"\b(Optional|Union)\[", text)) is not None:
        end, parts = _arguments(text, inner.end())
        if end < 0:
            break
        parts = [*parts, *(["None"] if inner[1] == "Optional" else [])]
        text = text[: inner.start()] + "|".join(parts) + text[end:]
    parts = _split(text, "|")
    if len(parts) > 1:
        text = "|".join(sorted(dict.fromkeys(parts)))
    return text.replace(",]", "]").rstrip(";")


def annotations_of(text: str, language_id: str) -> dict[Place, str]:
    """The annotations of a text's parameters and returns by place."""
    found: dict[Place, str] = {}
    syntax = parse(text, languages.by_id(language_id))
    if syntax is None:
        return found
    for number, function in enumerate(_functions(syntax)):
        for name, _, annotation in _typed(function):
            found[number, _of(syntax, name) if name is not None else "return"] = _of(syntax, annotation)
    return found


def stripped(text: str, language_id: str, within: Span | None = None) -> tuple[str, int]:
    """A text without the annotations of its parameters and returns, and how many places have none.

    Args:
        text: the whole text.
        language_id: LSP language identifier.
        within: where the functions stand that lose theirs; None for everywhere.
    """
    syntax = parse(text, languages.by_id(language_id))
    if syntax is None:
        return text, 0
    edits: list[TextEdit] = []
    n_bare = 0
    for function in _functions(syntax):
        start, end = (syntax.utf8.byte_to_char(byte) for byte in (function.start_byte, function.end_byte))
        if within is not None and not (within.start_char <= start and end <= within.end_char):
            continue
        typed = list(_typed(function))
        n_bare += _n_places(function, syntax) - len(typed)
        for name, holder, annotation in typed:
            edits.append(_removal(syntax, text, function, name, holder, annotation))
    edits.sort(key=lambda edit: edit.span.start_char)
    return apply(text, edits), n_bare


def type_checks(text: str) -> bool | None:
    """Whether mypy finds nothing wrong with a Python file by itself; None where mypy is not installed.

    What a file imports is unknown to it, and taken for anything.
    """
    return _checked(text) if find_spec("mypy") is not None else None


@cache
def _checked(text: str) -> bool:
    options = ("--follow-imports=skip", "--ignore-missing-imports", "--no-error-summary", "--cache-dir")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "module.py"
        path.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "mypy", *options, _cache_folder(), str(path)]
        done = subprocess.run(command, capture_output=True, timeout=MYPY_SECONDS, check=False, cwd=folder)
    return done.returncode == 0


@cache
def _cache_folder() -> str:
    """Where mypy keeps what it knows of the standard library between the files of one run."""
    return tempfile.mkdtemp(prefix="unmask-types-")


def _cases(documents: Iterable[Document]) -> Iterator[Case]:
    taken: dict[str, int] = {}
    for document in documents:
        if document.language not in ("python", "typescript", "typescriptreact"):
            continue
        if len(document.text) > MAX_FILE_CHARS or taken.get(document.package, 0) >= PER_PACKAGE:
            continue
        n_typed = len(annotations_of(document.text, document.language))
        if not N_SLOTS[0] <= n_typed <= N_SLOTS[1]:
            continue
        text, n_bare = stripped(document.text, document.language)
        if n_typed < MIN_TYPED_SHARE * (n_typed + n_bare):
            continue
        taken[document.package] = taken.get(document.package, 0) + 1
        yield Case(
            document.key, f"{document.ecosystem}/{document.package}", document.language, text, document.text
        )


def _functions(syntax: Syntax) -> Iterator[Node]:
    """The functions with a body, in order; a type of functions is none."""
    return (
        node
        for node in walk(syntax.root)
        if node.child_by_field_name("parameters") is not None and node.child_by_field_name("body") is not None
    )


def _typed(function: Node) -> Iterator[tuple[Node | None, Node, Node]]:
    """Per annotation of a function: the name (None for its return), what holds both, and the annotation."""
    parameters = function.child_by_field_name("parameters")
    for child in parameters.named_children if parameters is not None else ():
        annotation = child.child_by_field_name("type")
        name = child.child_by_field_name("name") or child.child_by_field_name("pattern")
        name = name or next(iter(child.named_children), None)
        if annotation is not None and name is not None and annotation != name:
            yield name, child, annotation
    returned = function.child_by_field_name("return_type")
    if returned is not None:
        yield None, function, returned


def _n_places(function: Node, syntax: Syntax) -> int:
    """How many parameters and returns of a function can be annotated."""
    parameters = function.child_by_field_name("parameters")
    if function.type == "lambda" or parameters is None:
        return 0
    names = [_of(syntax, child) for child in parameters.named_children if child.type != "comment"]
    return sum(name not in _NOT_TYPED and name not in "*/" for name in names) + 1


def _removal(
    syntax: Syntax, text: str, function: Node, name: Node | None, holder: Node, annotation: Node
) -> TextEdit:
    to_char = syntax.utf8.byte_to_char
    before = name if name is not None else function.child_by_field_name("parameters")
    assert before is not None
    start, end = to_char(before.end_byte), to_char(annotation.end_byte)
    value = holder.child_by_field_name("value") if name is not None else None
    if value is not None and syntax.language.id == "python":
        return TextEdit(Span(start, to_char(value.start_byte)), "=")
    optional = "?" if "?" in text[start : to_char(annotation.start_byte)] else ""
    return TextEdit(Span(start, end), optional)


def _of(syntax: Syntax, node: Node) -> str:
    to_char = syntax.utf8.byte_to_char
    text = syntax.utf8.data[node.start_byte : node.end_byte].decode("utf-8", "replace")
    assert to_char(node.end_byte) >= to_char(node.start_byte)
    return text.removeprefix(":").strip()


def _arguments(text: str, start: int) -> tuple[int, list[str]]:
    """Where the bracket that is open at an offset has closed, and what it holds; -1 where it has not."""
    depth, at = 1, start
    while at < len(text) and depth:
        depth += (text[at] in "[(") - (text[at] in "])")
        at += 1
    return (-1, []) if depth else (at, _split(text[start : at - 1], ","))


def _split(text: str, separator: str) -> list[str]:
    """A text parted where a separator stands outside brackets."""
    parts, depth = [""], 0
    for char in text:
        depth += (char in "[(") - (char in "])")
        if char == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part for part in parts if part]
