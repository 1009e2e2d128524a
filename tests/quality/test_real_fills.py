"""What a person would try first, with the real model."""

from __future__ import annotations

import math
from typing import Any

import pytest

from engine.denoising.schedule import DECODINGS
from engine.engine import Engine
from engine.types import FillRequest

pytestmark = [pytest.mark.model, pytest.mark.timeout(900)]

HAVERSINE = '''\
import math


def haversine(lat1, lon1, lat2, lon2, radius=6371.0):
    """Great-circle distance in km between two points given in degrees."""
    phi1, phi2 = math.radians(lat1), math.radians(lat2)
    dphi = phi2 - phi1
    dlambda = math.radians(lon2 - lon1)
    a = <hole>
    return 2 * radius * math.asin(math.sqrt(a))
'''

ACCOUNT = """\
class Account:
    def __init__(self, owner, balance=0):
        self.owner = owner
        self.balance = balance

    def deposit(self, amount):
        self.balance += amount

    def withdraw(self, amount):
        if amount > self.balance:
            raise ValueError("not enough")
        {typed}<hole>
"""


def fill(engine: Engine, text: str, **options: object) -> str:
    segments: list[str | None] = []
    for part in text.split("<hole>"):
        segments += [part, None]
    request = FillRequest(tuple(segments[:-1]), language="python", **options)  # type: ignore[arg-type]
    result = engine.fill(request)
    assert result.status == "ok", result
    for answer in result.fills:
        text = text.replace("<hole>", answer, 1)
    return text


def test_the_missing_right_hand_side_is_right(real_engine: Engine) -> None:
    scope: dict[str, Any] = {}
    exec(fill(real_engine, HAVERSINE, single_line=True), scope)
    distance = scope["haversine"](52.5200, 13.4050, 48.8566, 2.3522)
    assert math.isclose(distance, 877.5, abs_tol=1.0)  # Berlin to Paris


@pytest.mark.parametrize("typed", ["self.bal", "self.balance", "self.balance -", "sel", "    "])
def test_a_half_typed_line_is_completed_and_not_restarted(real_engine: Engine, typed: str) -> None:
    filled = fill(real_engine, ACCOUNT.replace("{typed}", typed), single_line=True)
    assert filled.rstrip().splitlines()[-1].strip() == "self.balance -= amount"


def test_two_holes_are_filled_together(real_engine: Engine) -> None:
    text = ACCOUNT.replace("self.balance = balance", "self.balance = <hole>").replace("{typed}", "")
    scope: dict[str, Any] = {}
    exec(fill(real_engine, text, single_line=True), scope)
    account = scope["Account"]("me", 10)
    account.withdraw(4)
    assert account.balance == 6


def test_typing_three_more_characters_encodes_only_them(real_engine: Engine) -> None:
    real_engine.forget()
    body = ACCOUNT.split("{typed}", maxsplit=1)[0]
    first = real_engine.fill(FillRequest((body + "self.b", None, "\n"), language="python", single_line=True))
    then = real_engine.fill(
        FillRequest((body + "self.bala", None, "\n"), language="python", single_line=True)
    )
    assert first.cached_tokens == 0
    assert then.context_tokens - then.cached_tokens <= 3
    assert "self.b" + first.fills[0] == "self.bala" + then.fills[0]


def test_line_ends_of_the_file_are_kept(real_engine: Engine) -> None:
    text = "def add(a, b):\r\n    <hole>\r\n\r\n\r\nprint(add(1, 2))\r\n"
    filled = fill(real_engine, text, single_line=True)
    assert filled.replace("\r\n", "").count("\n") == 0
    assert "return a + b" in filled


def test_lossless_is_the_base_in_fewer_passes(real_engine: Engine) -> None:
    denoiser, codec = real_engine._denoiser, real_engine._codec
    passes: dict[str, int] = {}
    answers: dict[str, list[tuple[str, ...]]] = {}
    for mode in DECODINGS[:2]:
        engine = Engine(denoiser, codec, 1024, mode)
        results = [
            engine.fill(FillRequest((*_cut(text),), language="python", single_line=True))
            for text in (HAVERSINE, *(ACCOUNT.replace("{typed}", typed) for typed in ("", "self.bal", "sel")))
        ]
        answers[mode] = [result.fills for result in results]
        passes[mode] = sum(result.forwards - result.context_forwards for result in results)
    assert answers["lossless"] == answers["left_to_right"]
    assert passes["lossless"] < 0.8 * passes["left_to_right"]


def _cut(text: str) -> list[str | None]:
    before, after = text.split("<hole>")
    return [before, None, after]
