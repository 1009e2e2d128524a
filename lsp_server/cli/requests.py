"""The JSON contract of ``unmask batch``: turns a line into a request, and a result into an answer.

Knows no engine, no files and no settings: a request means the same on every machine. Every reason
names the field it is about.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeVar, get_args

from engine.code.edits import smallest_edits
from engine.errors import UsageError
from engine.types import (
    MAX_HOLE_TOKENS,
    EditKind,
    EditRequest,
    EditResult,
    FillRequest,
    FillResult,
    Span,
    Strength,
)

MAX_LINE_BYTES = 16 * 1024 * 1024

Json = dict[str, object]
Id = object  # any JSON value; it comes back as it was sent

ChoiceT = TypeVar("ChoiceT", bound=str)

_DEFAULT = FillRequest(segments=(None,))
_DEFAULT_EDIT = EditRequest("rewrite", "")


class RequestError(UsageError):
    """A line that is not a usable request.

    Attributes:
        id: the ``id`` of the request where it could be read, else None.
    """

    def __init__(self, cause: str, request_id: Id = None) -> None:
        super().__init__(cause)
        self.id = request_id


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """One line of ``unmask batch``."""

    id: Id
    ask: FillRequest | EditRequest


def parse_line(line: bytes) -> BatchRequest:
    """Read one request.

    Args:
        line: one line of JSON Lines, in UTF-8, with or without its newline.

    Raises:
        RequestError: the line is no request; carries the ``id`` where there is one.
    """
    return parse_object(_load_object(line))


def parse_object(fields: Json) -> BatchRequest:
    """Read one request from its fields; fields it does not know are ignored.

    Raises:
        RequestError: a field cannot be used.
    """
    reader = _Fields(fields)
    if reader.is_edit:
        return BatchRequest(reader.id, _edit_request(reader))
    request = FillRequest(
        segments=reader.segments(),
        language=reader.text("language", _DEFAULT.language),
        single_line=reader.flag("single_line", _DEFAULT.single_line),
        max_tokens=reader.whole("max_tokens", _DEFAULT.max_tokens, most=MAX_HOLE_TOKENS),
        deadline_ms=reader.milliseconds("deadline_ms"),
    )
    return BatchRequest(reader.id, request)


def _edit_request(reader: _Fields) -> EditRequest:
    task = reader.task()
    text, selection = reader.edited_text(selected=task.flag("selection", False))
    instruction = task.text("instruction", "") or reader.text("instruction", "")
    return EditRequest(
        kind=task.one_of("kind", get_args(EditKind), "rewrite"),
        text=text,
        language=reader.text("language", _DEFAULT.language),
        selection=selection,
        instruction=instruction or None,
        strength=task.one_of("strength", get_args(Strength), "rework"),
        to=task.text("to", "") or None,
        opening=task.text("opening", ""),
        doubtful=task.spans("doubtful", len(text)),
        before=task.text("before", "") or None,
        max_tokens=reader.whole("max_tokens", _DEFAULT_EDIT.max_tokens, most=MAX_HOLE_TOKENS),
        deadline_ms=reader.milliseconds("deadline_ms"),
    )


def edit_answer(request_id: Id, request: EditRequest, result: EditResult) -> Json:
    """The answer to an edit request: the fields of every answer, the whole new text, and what changed.

    ``edits`` count in characters of the old text; where it was translated as a whole there are none.
    ``fills`` is what stands in place of the selection, or the whole new text where more than it changed.
    """
    in_place = request.kind != "translate" or request.selection is not None
    edits = smallest_edits(request.text, result.text) if in_place else ()
    span = request.span
    behind = len(request.text) - span.end_char
    within = in_place and all(
        span.start_char <= edit.span.start_char and edit.span.end_char <= span.end_char for edit in edits
    )
    fill = result.text[span.start_char : len(result.text) - behind] if within else result.text
    work = result.work
    return {
        "id": request_id,
        "status": result.status,
        "fills": [fill],
        "confidence": [round(result.confidence, 4)],
        "reason": result.reason,
        "tokens": work.tokens,
        "forwards": work.forwards,
        "ms": round(result.ms, 1),
        "context_tokens": work.context_tokens,
        "cached_tokens": work.cached_tokens,
        "text": result.text,
        "edits": [
            {"start": edit.span.start_char, "end": edit.span.end_char, "new_text": edit.new_text}
            for edit in edits
        ],
        "alternatives": list(result.alternatives),
    }


def answer(request_id: Id, result: FillResult) -> Json:
    """The answer to a request: always every field of the contract, in its order."""
    return {
        "id": request_id,
        "status": result.status,
        "fills": list(result.fills),
        "confidence": [round(value, 4) for value in result.confidence],
        "reason": result.reason,
        "tokens": result.tokens,
        "forwards": result.forwards,
        "ms": round(result.ms, 1),
        "context_tokens": result.context_tokens,
        "cached_tokens": result.cached_tokens,
    }


def error_answer(request_id: Id, reason: str) -> Json:
    """The answer to a request that could not be used."""
    return answer(request_id, FillResult("error", reason=" ".join(reason.split())))


def encode(message: Json) -> bytes:
    """One line of JSON Lines. ASCII only, so no reader can split it at a Unicode line separator."""
    return json.dumps(message, allow_nan=False).encode("ascii") + b"\n"


class _Fields:
    """Reads typed fields from a JSON object; ``null`` is the same as not saying it."""

    def __init__(self, fields: Json, request_id: Id = None, within: str = "") -> None:
        self._fields = fields
        self._within = within
        self.id: Id = request_id
        if within:
            return
        try:
            encode({"id": fields.get("id")})
        except (ValueError, RecursionError):
            self._refuse("`id` cannot be sent back as JSON")
        self.id = fields.get("id")

    def segments(self) -> tuple[str | None, ...]:
        value = self._fields.get("segments")
        if value is None:
            self._refuse("`segments` is missing: a list of texts, with null where a hole is")
        if not isinstance(value, list):
            self._refuse(f"`segments` must be a list of texts and nulls, not {_kind(value)}")
        for index, segment in enumerate(value):
            if segment is not None and not isinstance(segment, str):
                self._refuse(f"`segments[{index}]` must be a text or null, not {_kind(segment)}")
            if segment is not None and not _is_unicode(segment):
                self._refuse(f"`segments[{index}]` holds half a surrogate pair, which is no Unicode text")
        if None not in value:
            self._refuse("`segments` has no hole: put null where code is to be filled in")
        return tuple(value)

    def text(self, name: str, default: str) -> str:
        value = self._fields.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            self._refuse(f"`{self._within}{name}` must be a text, not {_kind(value)}")
        if not _is_unicode(value):
            self._refuse(f"`{self._within}{name}` holds half a surrogate pair, which is no Unicode text")
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self._fields.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self._refuse(f"`{self._within}{name}` must be true or false, not {_kind(value)}")
        return value

    def whole(self, name: str, default: int, *, most: int) -> int:
        value = self._fields.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            self._refuse(f"`{name}` must be a whole number, not {_kind(value)}")
        if not 1 <= value <= most:
            self._refuse(f"`{name}` must be between 1 and {most}")
        return value

    def milliseconds(self, name: str) -> float | None:
        value = self._fields.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._refuse(f"`{name}` must be a number of milliseconds or null, not {_kind(value)}")
        if value < 0 or value > 1e12:
            self._refuse(f"`{name}` must be between 0 and 1e12 milliseconds")
        return float(value)

    @property
    def is_edit(self) -> bool:
        """Whether the request changes a text that stands, in place of filling holes."""
        return self._fields.get("task") is not None or self._fields.get("instruction") not in (None, "")

    def task(self) -> _Fields:
        """The fields of `task`; none where an instruction alone says what to do."""
        value = self._fields.get("task")
        if value is None:
            return _Fields({}, self.id, "task.")
        if not isinstance(value, dict):
            self._refuse(f"`task` must be an object with a `kind`, not {_kind(value)}")
        if value.get("kind") is None:
            self._refuse(f"`task.kind` is missing: one of {', '.join(get_args(EditKind))}")
        return _Fields(value, self.id, "task.")

    def edited_text(self, *, selected: bool) -> tuple[str, Span | None]:
        """The whole text of an edit request, and the selection in it."""
        value = self._fields.get("segments")
        if self._fields.get("task") is None and isinstance(value, list) and None in value:
            self._refuse("`instruction` makes it an edit, which takes no holes: `segments` is the whole text")
        wanted = 3 if selected else 1
        what = "the text before, the selection and the text after" if selected else "the whole text"
        if not isinstance(value, list) or len(value) != wanted or not all(isinstance(t, str) for t in value):
            self._refuse(f"`segments` of this task must be a list of {wanted}: {what}")
        if not all(map(_is_unicode, value)):
            self._refuse("`segments` holds half a surrogate pair, which is no Unicode text")
        if not selected:
            return value[0], None
        start = len(value[0])
        return "".join(value), Span(start, start + len(value[1]))

    def one_of(self, name: str, known: Sequence[ChoiceT], default: ChoiceT) -> ChoiceT:
        """A field that is one of a few words."""
        value = self._fields.get(name)
        if value is None:
            return default
        found = next((choice for choice in known if choice == value), None)
        if found is None:
            self._refuse(f"`{self._within}{name}` must be one of {', '.join(known)}")
        return found

    def spans(self, name: str, n_chars: int) -> tuple[Span, ...]:
        """A field that is a list of [start, end] in characters of the whole text."""
        value = self._fields.get(name)
        if value is None:
            return ()
        found: list[Span] = []
        for pair in value if isinstance(value, list) else [value]:
            match pair:
                case [int(start), int(end)] if 0 <= start <= end <= n_chars:
                    found.append(Span(start, end))
                case _:
                    self._refuse(f"`{self._within}{name}` must be a list of [start, end] in characters")
        return tuple(found)

    def _refuse(self, cause: str) -> NoReturn:
        raise RequestError(cause, self.id)


def _load_object(line: bytes) -> Json:
    """The JSON object on a line.

    Raises:
        RequestError: not UTF-8, not JSON, or not an object.
    """
    try:
        value = json.loads(
            line.decode("utf-8-sig"), parse_constant=_refuse_constant, parse_float=_finite_float
        )
    except UnicodeDecodeError as error:
        raise RequestError(f"not UTF-8: byte {error.start} of the line cannot be decoded") from None
    except json.JSONDecodeError as error:
        raise RequestError(f"not JSON: {error.msg} at character {error.pos + 1}") from None
    except ValueError as error:  # a number outside what JSON or Python takes
        raise RequestError(f"not JSON: {error}") from None
    except RecursionError:
        raise RequestError("not a request: JSON nested too deeply") from None
    if not isinstance(value, dict):
        raise RequestError(f"not a request: the line must be a JSON object, not {_kind(value)}")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite_float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:32]} is too large a number")
    return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: object) -> str:
    """The JSON type of a value, for people."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"
