"""The task ``rewrite``: a selection and what the user asks of it to the selection rewritten.

Code or prose. Where the user says what is wanted, the model sees the selection alone, and the file around it
only if that comes to nothing. Without an instruction, the strength of the request says what may change; the
file is seen, and an answer that breaks what the strength promises is refused. Long selections are rewritten
part by part.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.code import languages
from engine.code.languages import PLAINTEXT, Language
from engine.code.syntax import parse, parses_worse
from engine.denoising.chat import Turn
from engine.tasks import Edited, mean_confidence, refused
from engine.tasks.answers import MAX_ASKED_CHARS, TOO_LONG, Answer, ask, fence_for, fenced
from engine.tasks.excerpt import Excerpt
from engine.tasks.parts import split
from engine.tasks.promise import broken
from engine.tasks.reach import end_rule
from engine.types import EditRequest, Span, Strength
from engine.workbench import Workbench

PART_CHARS = 2_400
"""A longer selection is rewritten part by part: small models lose the thread of long answers."""

SMALL_PART_CHARS = 500
"""The same where an instruction changed nothing the first time."""

SURROUNDING_CHARS = 1_200
"""How much of the file the model sees before a selection, and half as much after it."""

REPEATED_CHARS = 480
"""How much of what stands before a selection the answer begins with: the model goes on where that ends."""

SPARE_TOKENS = 256
"""An answer may have half as many tokens again as what it replaces, and this many more."""

NOTHING_SELECTED = "nothing is selected that could be rewritten"

_MARKDOWN = replace(PLAINTEXT, id="markdown", title="Markdown")
"""Plain text to the engine; a model that is told so keeps the markup."""

_SYSTEM = "You are a careful programmer. You answer with code only."
_SYSTEM_PROSE = "You are a careful editor. You answer with the edited text only."

_STRENGTHS: dict[Strength, str] = {
    "restyle": "Improve the style of this code: formatting, idioms, readability. Keep all names, and keep "
    "exactly what it does.",
    "rework": "Rework this code so that it is simpler and clearer. Keep its interface and what it does.",
    "rewrite": "Rewrite this code from scratch in a better way. It must do the same.",
}
_PROSE_STRENGTHS: dict[Strength, str] = {
    "restyle": "Correct the spelling, grammar and punctuation of this text. Keep its wording and its markup.",
    "rework": "Improve the wording of this text so that it is clear and right. Keep its meaning and markup.",
    "rewrite": "Rewrite this text so that it says the same in a better way. Keep its markup.",
}


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is asked of every part; ``said`` by the user in words, or by the strength of the request."""

    instruction: str
    language: Language
    said: bool
    strength: Strength

    @property
    def prose(self) -> bool:
        """Whether it is text and not code."""
        return self.language in (PLAINTEXT, _MARKDOWN)

    @property
    def kind(self) -> str:
        """What the model is told it changes."""
        return "text" if self.prose else f"{self.language.title} code"


@dataclass(frozen=True, slots=True)
class _Tried:
    """A part asked for: the whole text with it, or why there is none."""

    text: str | None
    confidence: float
    complaint: str | None


@dataclass(slots=True)
class _Done:
    """What came of all parts: the whole text, how sure they are, what went wrong."""

    text: str
    confidences: list[float]
    complaints: list[str]


def run(bench: Workbench, request: EditRequest) -> Edited:
    """Rewrite what is selected.

    Raises:
        ArtifactError: the model cannot follow instructions.
        Cancelled: asked to stop.
    """
    language = languages.by_id(request.language)
    span = _selected(request, language)
    if span is None:
        return refused(NOTHING_SELECTED)
    strengths = _PROSE_STRENGTHS if language is PLAINTEXT else _STRENGTHS
    said = (request.instruction or "").strip()
    if language is PLAINTEXT and request.language.strip().lower() in ("markdown", "md"):
        language = _MARKDOWN
    wish = _Wish(said or strengths[request.strength], language, bool(said), request.strength)
    done = _by_parts(bench, request, span, wish, PART_CHARS)
    if said and done.text == request.text and span.end_char - span.start_char > SMALL_PART_CHARS:
        # Small models copy long texts and forget what was asked; they do better on one item.
        done = _by_parts(bench, request, span, wish, SMALL_PART_CHARS)
    if not done.confidences:
        return refused(done.complaints[0] if done.complaints else NOTHING_SELECTED)
    reason = f"left as it was: {'; '.join(done.complaints)}" if done.complaints else None
    return Edited(done.text, (span,), reason=reason, confidence=mean_confidence(done.confidences))


def _by_parts(bench: Workbench, request: EditRequest, span: Span, wish: _Wish, max_chars: int) -> _Done:
    """The whole text with every part of a span rewritten that could be."""
    parts = split(request.text, span, wish.language, max_chars)
    done = _Done(request.text, [], [])
    shift_chars = 0
    for number, old in enumerate(parts, 1):
        part = Span(old.start_char + shift_chars, old.end_char + shift_chars)
        excerpt = Excerpt.of(done.text, part)
        if not excerpt.shown:
            continue
        tried = _rewritten(bench, excerpt, wish, request.max_tokens, n_parts=len(parts))
        if tried.complaint is not None:
            done.complaints.append(
                tried.complaint if len(parts) == 1 else f"part {number}: {tried.complaint}"
            )
        if tried.text is not None:
            shift_chars += len(tried.text) - len(done.text)
            done.text = tried.text
            done.confidences.append(tried.confidence)
    return done


def _rewritten(bench: Workbench, excerpt: Excerpt, wish: _Wish, max_tokens: int, *, n_parts: int) -> _Tried:
    """One part, asked for once more in another way where the first answer is of no use."""
    if len(excerpt.inside) > MAX_ASKED_CHARS:
        return _Tried(None, 0.0, TOO_LONG)
    first: _Tried | None = None
    for way in _ways(excerpt, wish):
        if bench.deadline.passed:
            return first or _Tried(None, 0.0, "stopped at the deadline")
        spent = bench.work.tokens
        if spent >= max_tokens:
            return first or _Tried(None, 0.0, "stopped at max_tokens")
        wanted = len(bench.codec.encode(excerpt.inside)) * 3 // 2 + SPARE_TOKENS
        tried = _put_back(
            excerpt, wish, way, _answer(bench, excerpt, wish, way, min(wanted, max_tokens - spent))
        )
        if tried.text is not None and (tried.text != excerpt.text or n_parts > 1 or not wish.said):
            return tried
        first = tried if first is None or first.text is None else first
    assert first is not None
    return first


@dataclass(frozen=True, slots=True)
class _Way:
    """How a part is asked for: within its file, going on in it, or alone; and in which words."""

    in_file: bool
    again: bool = False


def _ways(excerpt: Excerpt, wish: _Wish) -> tuple[_Way, _Way]:
    """The ways to ask, the better one first.

    What somebody wants done is done best where nothing else is seen; what is to stay the same code is seen
    best in its file, where the model invents nothing that stands there (results log).
    """
    if not wish.said:
        return _Way(in_file=True), _Way(in_file=True, again=True)
    if excerpt.before.strip() or excerpt.after.strip():
        return _Way(in_file=False), _Way(in_file=True)
    return _Way(in_file=False), _Way(in_file=False, again=True)


def _answer(bench: Workbench, excerpt: Excerpt, wish: _Wish, way: _Way, max_tokens: int) -> Answer:
    fence = fence_for(excerpt.text)
    if not way.in_file:
        alone = Excerpt.of(excerpt.shown, Span(0, len(excerpt.shown)))
        return ask(
            bench,
            _question(fenced(alone.text, wish.language, fence), wish, again=way.again),
            wish.language,
            fence=fence,
            stop=end_rule(alone, wish.language),
            max_tokens=max_tokens,
            hint=alone.text,
        )
    return ask(
        bench,
        _question_in_file(excerpt, wish, fence, again=way.again),
        wish.language,
        fence=fence,
        opening=_whole_lines(excerpt.before, -REPEATED_CHARS).rstrip(" "),
        stop=end_rule(excerpt, wish.language),
        max_tokens=max_tokens,
        hint=excerpt.inside,
    )


def _put_back(excerpt: Excerpt, wish: _Wish, way: _Way, answer: Answer) -> _Tried:
    if answer.complaint is not None:
        return _Tried(None, 0.0, answer.complaint)
    if not answer.text.strip():
        return _Tried(None, 0.0, "the answer is empty")
    old = excerpt.inside if way.in_file else excerpt.shown
    new = _without_fence(answer.text, old)
    if excerpt.margin and not way.in_file:
        new = _without_imports(new, old, wish.language)
    if _bare(new) == _bare(old):  # white space at the ends of lines is no change
        return _Tried(excerpt.text, answer.confidence, None)
    text = excerpt.put_back(new, in_place=way.in_file)
    if parses_worse(text, excerpt.text, wish.language):
        return _Tried(None, 0.0, "the answer does not parse")
    if not wish.said and not wish.prose:
        complaint = broken(excerpt.text, text, wish.language, wish.strength)
        if complaint is not None:
            return _Tried(None, 0.0, complaint)
    return _Tried(text, answer.confidence, None)


def _bare(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").split("\n")]


def _without_fence(answer: str, old: str) -> str:
    """An answer without the fence at its end that closes the answer and not a block in it."""
    lines = answer.rstrip().split("\n")
    odd = sum(line.lstrip().startswith("```") for line in lines) % 2
    old_odd = sum(line.lstrip().startswith("```") for line in old.split("\n")) % 2
    return "\n".join(lines[:-1]) if lines[-1].strip() == "```" and odd != old_odd else answer


def _without_imports(answer: str, old: str, language: Language) -> str:
    """An answer without imports at its start that the old code does not have: it stands within a block."""
    n_new = _imports_end(answer, language)
    return answer if _imports_end(old, language) or not n_new else answer[n_new:].lstrip("\n")


def _imports_end(text: str, language: Language) -> int:
    """Where the imports that a text begins with end, in characters; 0 where it begins with something else."""
    syntax = parse(text, language)
    if syntax is None:
        return 0
    matches = syntax.matches(0, len(text))
    imports = {node.start_byte for captures in matches for node in captures.get("import", ())}
    end = 0
    for node in syntax.root.named_children:
        if node.start_byte not in imports:
            break
        end = syntax.utf8.byte_to_char(node.end_byte)
    return end


def _question(shown: str, wish: _Wish, *, again: bool, where: str = "") -> list[Turn]:
    """The conversation that asks for a part; in other words where the first did not do."""
    if again:
        asked = f"Change this {wish.kind}: {wish.instruction}{where}\n\n{shown}"
    else:
        asked = f"{shown}\n\n{wish.instruction}{where}"
    return [Turn("system", _SYSTEM_PROSE if wish.prose else _SYSTEM), Turn("user", asked)]


def _question_in_file(excerpt: Excerpt, wish: _Wish, fence: str, *, again: bool) -> list[Turn]:
    """The same with what stands around the part."""
    before = _whole_lines(excerpt.before, -SURROUNDING_CHARS)
    after = _whole_lines(excerpt.after, SURROUNDING_CHARS // 2)
    shown = fenced(f"{before}{excerpt.inside}{after}".strip("\n"), wish.language, fence)
    where = ""
    if before.strip() or after.strip():
        first, last = excerpt.inside.strip().split("\n")[0], excerpt.inside.strip().split("\n")[-1].strip()
        where = (
            f" Change `{first}` alone."
            if first == last
            else f" Change only what stands from `{first}` to `{last}`."
        )
    return _question(shown, wish, again=again, where=where)


def _whole_lines(text: str, limit_chars: int) -> str:
    """The last lines of a text (limit below 0) or its first, as many as fit."""
    if len(text) <= abs(limit_chars):
        return text
    if limit_chars < 0:
        tail = text[limit_chars:]
        return tail[tail.find("\n") + 1 :]
    head = text[:limit_chars]
    return head[: max(head.rfind("\n"), 0)]


def _selected(request: EditRequest, language: Language) -> Span | None:
    """What is to be rewritten: the selection, or the definition that a cursor stands in."""
    span = request.span
    if request.selected.strip():
        return span
    syntax = parse(request.text, language)
    if syntax is None or request.selection is None:
        return None
    at_byte = syntax.utf8.char_to_byte(span.start_char)
    around = [
        node
        for captures in syntax.matches(span.start_char, span.start_char + 1)
        for node in captures.get("definition", ())
        if node.start_byte <= at_byte <= node.end_byte
    ]
    if not around:
        return None
    node = min(around, key=lambda node: node.end_byte - node.start_byte)
    return Span(syntax.utf8.byte_to_char(node.start_byte), syntax.utf8.byte_to_char(node.end_byte))
