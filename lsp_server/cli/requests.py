"""The JSON contract of ``unmask batch``: turns a line into a fill request, and a result into an answer.

Knows no engine, no files and no settings: a request means the same on every machine. Every reason
names the field it is about.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import NoReturn

from engine.errors import UsageError
from engine.types import FillRequest, FillResult

MAX_LINE_BYTES = 16 * 1024 * 1024
MAX_HOLE_TOKENS = 4096

Json = dict[str, object]
Id = object  # any JSON value; it comes back as it was sent

_DEFAULT = FillRequest(segments=(None,))


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
    fill: FillRequest


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
    reader.reject_later_features()
    request = FillRequest(
        segments=reader.segments(),
        language=reader.text("language", _DEFAULT.language),
        single_line=reader.flag("single_line", _DEFAULT.single_line),
        max_tokens=reader.whole("max_tokens", _DEFAULT.max_tokens, most=MAX_HOLE_TOKENS),
        deadline_ms=reader.milliseconds("deadline_ms"),
    )
    return BatchRequest(reader.id, request)


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

    def __init__(self, fields: Json) -> None:
        self._fields = fields
        self.id: Id = None
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
            self._refuse(f"`{name}` must be a text, not {_kind(value)}")
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self._fields.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self._refuse(f"`{name}` must be true or false, not {_kind(value)}")
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

    def reject_later_features(self) -> None:
        """Edit tasks and instructions are part of the contract and not yet of this version."""
        for name in ("task", "instruction"):
            if self._fields.get(name) is not None:
                self._refuse(
                    f"`{name}` belongs to edit tasks, which this version does not have yet;"
                    " it fills the holes of `segments`"
                )

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
