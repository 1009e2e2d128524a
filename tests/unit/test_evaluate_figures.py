"""Figures: shares, passes and the comparison with the base, on answers counted by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from export.evaluate.answers import Answer, Reply, Share, evenly, function_of, similarity
from export.evaluate.figures import compare, summarise, table_rows


def answer(
    name: str,
    right: bool,
    *,
    texts: Sequence[str] = ("x",),
    tokens: int = 4,
    forwards: int = 3,
    rows: int = 0,
    ms: float = 10.0,
    group: str = "",
    source: str = "",
    shares: dict[str, Share] | None = None,
    confidence: float | None = None,
    status: str = "ok",
) -> Answer:
    reply = Reply(tuple(texts), status, tokens, forwards, 1, rows, ms, confidence=confidence)
    return Answer(name, source or name, group, reply, right, shares or {})


def test_figures_of_one_mode() -> None:
    answers = [
        answer("a", True, texts=("x", " "), rows=8, ms=30.0, shares={"hole_exact": Share(1, 2)}),
        answer("b", False, texts=("y", "z"), rows=16, ms=10.0, shares={"hole_exact": Share(2, 2)}),
        answer("c", True, texts=("y", "z"), tokens=12, ms=20.0, shares={"hole_exact": Share(0, 2)}),
    ]
    figures = summarise(answers, "pass_at_1").as_json()
    assert list(figures)[:3] == ["problems", "pass_at_1", "hole_exact"]
    assert (figures["problems"], figures["pass_at_1"], figures["hole_exact"]) == (3, 0.6667, 0.5)
    assert figures["empty"] == round(1 / 6, 4)
    assert (figures["tokens_per_forward"], figures["tokens_per_canvas_forward"]) == (2.222, 3.333)
    assert figures["rows_per_token"] == 1.2
    assert (figures["median_ms"], figures["p95_ms"]) == (20.0, 30.0)
    assert (figures["agreement"], figures["difference_interval"]) == (1.0, [0.0, 0.0])
    assert "groups" not in figures


def test_what_is_shown_and_how_much_of_it_is_right() -> None:
    answers = [
        answer("a", True, confidence=0.95),
        answer("b", False, confidence=0.5),
        answer("c", True, confidence=0.4),
        answer("d", False, confidence=0.99, status="refused"),
    ]
    figures = summarise(answers, "exact").as_json()
    of = {row["confidence"]: (row["shown"], row["right"]) for row in figures["calibration"]}
    assert of[0.0] == (0.75, 0.6667)
    assert of[0.5] == (0.5, 0.5)
    assert of[0.9] == (0.25, 1.0)
    assert ("shown from confidence 0.9", "0.25, 1.0 right") in table_rows({"parallel": figures})
    assert "calibration" not in summarise([answer("a", True)], "exact").as_json()


def test_what_is_right_in_time() -> None:
    answers = [answer("a", True, ms=240.0), answer("b", False, ms=10.0), answer("c", True, ms=900.0)]
    figures = summarise(answers, "exact").as_json()
    within = figures["right_within_ms"]
    assert [within[ms] for ms in ("125", "250", "500", "1000")] == [0.0, 0.3333, 0.3333, 0.6667]
    assert ("right within 250 ms", "0.3333") in table_rows({"lossless": figures})


def test_rows_nobody_counted_are_no_figure() -> None:
    assert summarise([answer("a", True)], "exact").rows_per_token is None
    assert summarise([answer("a", True, tokens=0, rows=3)], "exact").rows_per_token is None
    assert summarise([answer("a", True, forwards=1)], "exact").tokens_per_canvas_forward is None


def test_groups_have_their_own_shares() -> None:
    answers = [
        answer("a", True, group="line", shares={"edit_similarity": Share(1.0, 1)}),
        answer("b", False, group="name", shares={"edit_similarity": Share(0.5, 1)}),
        answer("c", False, group="line", shares={"edit_similarity": Share(0.2, 1)}),
    ]
    assert summarise(answers, "exact").groups == {
        "line": {"problems": 2, "exact": 0.5, "edit_similarity": 0.6},
        "name": {"problems": 1, "exact": 0.0, "edit_similarity": 0.5},
    }


def test_beside_the_base() -> None:
    base = [answer(name, right) for name, right in zip("abcd", (True, True, False, False), strict=True)]
    ours = [
        answer("a", True),
        answer("b", False, texts=["other"]),
        answer("c", True, texts=["better"]),
        answer("d", False),
    ]
    compared = compare(ours, base)
    assert (compared.agreement, compared.better, compared.worse, compared.difference) == (0.5, 1, 1, 0.0)
    low, high = compared.interval
    assert low == pytest.approx(-high, abs=0.26) and low < 0 < high
    assert compare(ours, base) == compared  # chance has a seed


def test_the_interval_knows_that_cases_of_one_source_go_together() -> None:
    names = [f"{source}{case}" for source in range(10) for case in range(10)]
    base = [answer(name, False) for name in names]
    gained = [answer(name, name[0] in "012", source=name[0]) for name in names]
    alone = [answer(name, name[0] in "012") for name in names]
    low, high = compare(gained, base).interval
    low_alone, high_alone = compare(alone, base).interval
    assert low < low_alone < 0.3 < high_alone < high


def test_other_cases_cannot_be_compared() -> None:
    with pytest.raises(AssertionError):
        compare([answer("a", True)], [answer("b", True)])


def test_the_table_has_a_column_a_mode() -> None:
    base = [answer("a", False, group="line"), answer("b", True, group="line")]
    ours = [answer("a", True, group="line"), answer("b", True, group="line")]
    rows = table_rows(
        {
            "left_to_right": summarise(base, "exact").as_json(),
            "lossless": summarise(ours, "exact", base).as_json(),
        }
    )
    by_name = {row[0]: row[1:] for row in rows}
    assert by_name["exact"] == by_name["line: exact"] == ("0.5", "1.0")
    assert (by_name["better"], by_name["rows per token"]) == (("0", "1"), ("—", "—"))
    assert by_name["difference interval"] == ("+0.0 to +0.0", "+0.0 to +1.0")


@pytest.mark.parametrize(("limit", "taken"), [(None, "abcdefg"), (9, "abcdefg"), (3, "ace"), (1, "a")])
def test_a_subset_is_spread_over_the_whole_set(limit: int | None, taken: str) -> None:
    assert "".join(evenly("abcdefg", limit)) == taken


def test_the_function_of_a_task() -> None:
    assert function_of("SingleLineInfilling/HumanEval/12/L3") == "HumanEval/12"
    assert function_of("CPP/7") == "CPP/7"


def test_similarity_looks_past_white_space_around() -> None:
    assert similarity("  abcd\n", "abcd") == 1.0
    assert similarity("abxd", "abcd") == 0.75
    assert similarity("", "abcd") == 0.0
