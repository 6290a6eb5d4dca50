"""What a demand takes: from measured figures, held to the benchmarks; nonsense is refused."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bench import sizing
from genrecast.cli import cli
from genrecast.sizing import Demand, Plan, plan_for
from genrecast.sizing_figures import Figure, read_figures

FIGURES = read_figures()

SMALL = Demand(events_per_second=1_000, genres=20)


def curve(*points: tuple[float, float]) -> Figure:
    return Figure("", "", points)


def test_figures_are_those_of_the_benchmarks() -> None:
    assert sizing.MEASURED.read_text(encoding="utf-8") == sizing.file_text(), (
        "run: python -m bench.sizing"
    )


def test_the_page_holds_the_benchmarks_tables() -> None:
    text = sizing.PAGE.read_text(encoding="utf-8")
    assert text == sizing.with_tables(text), "run: python -m bench.sizing"
    assert text.count("written by") == text.count(" end -->") == 5


def test_every_number_of_a_plan_that_is_measured_names_its_run() -> None:
    plan = plan_for(SMALL, FIGURES)
    used = {name for line in plan.lines for name in line.figures}
    assert used == FIGURES.keys()
    assert all(figure.source and figure.says for figure in FIGURES.values())


def test_a_curve_is_straight_between_its_points_and_goes_on_beyond_but_never_falls() -> None:
    rising = curve((10, 1.0), (20, 3.0), (40, 4.0))
    assert [rising.at(x) for x in (1, 10, 15, 20, 30, 40, 80)] == [1, 1, 2, 3, 3.5, 4, 6]
    assert curve((10, 3.0), (20, 1.0)).at(15) == 2
    assert curve((10, 3.0), (20, 1.0)).at(40) == 1
    assert curve((0, 7.0)).at(99) == 7


def by_hand(**changes: object) -> Plan:
    """Plan with round figures."""
    figures = {
        **FIGURES,
        "event_us_by_genres": curve((10, 2.0), (100, 2.0)),
        **{
            f"event_us_by_{name}": curve((1, 1.0), (10_000, 1.0))
            for name in ("bytes", "partitions", "genres_per_event")
        },
        "window_bytes_by_genres": curve((1, 10.0), (2, 10.0)),
        "close_ms_by_genres": curve((1, 100.0), (2_000, 100.0)),
        "state_bytes": curve((0, 5_000.0)),
        "read_us": curve((0, 50.0)),
        "apply_us_by_cells": curve((1, 100.0), (2, 100.0)),
        "seal_wait_us_by_partitions": curve((1, 0.0), (2, 0.0)),
        "closing_us_by_partitions": curve((1, 0.0), (2, 0.0)),
        "event_to_window_ms": curve((0, 10.0)),
    }
    return plan_for(replace(SMALL, **changes), figures)  # type: ignore[arg-type]


def test_a_plan_is_as_reckoned_by_hand() -> None:
    plan = by_hand(events_per_second=1e6, genres=1_000, target=0.5, event_bytes=200, models=1)
    assert plan["consumer cores"] == 2  # a million events of 2 µs
    assert plan["consumers"] == 4  # each half busy
    assert plan["consumers, one lost"] == 5
    assert plan["partitions of clicks"] == 8
    assert plan["headroom of consumers"] == 0.5
    assert plan["of it the window"] == pytest.approx(1_000 * (2016 + 64) * 10 / 1e6)
    assert plan["of it models' states"] == 5
    assert plan["forecaster busy"] == pytest.approx(0.1 / 60)
    assert plan["Kafka, clicks in"] == 200
    assert plan["a member's turn"] == 10
    assert plan["Redis calls"] == 400 + 800  # 4 members, 100 turns a second, 2 partitions each
    assert plan["Redis busy"] == pytest.approx((400 * 50 + 800 * 100) / 1e6)
    assert plan.warnings == ()


def test_turns_grow_longer_where_redis_would_be_full() -> None:
    plan = by_hand(events_per_second=1e6, partitions=4_096, target=0.5)
    assert plan["Redis busy"] <= 0.5
    assert plan["a member's turn"] > 500


def test_what_does_not_fit_is_told() -> None:
    [few] = by_hand(events_per_second=1e7, partitions=4).warnings
    assert few.startswith("4 partitions are too few")
    [slow] = by_hand(events_per_second=1e6, partitions=100_000).warnings
    assert "deployments on a Redis each" in slow
    shared, drawn_out = by_hand(genres=200_000).warnings
    assert "1,000 MB where Redis takes 537. Share them among 2" in shared
    assert "more than 2,000 genres were not measured" in drawn_out


@given(
    st.floats(1, 1e8), st.integers(1, 1_000_000), st.none() | st.integers(1, 100_000),
    st.floats(1, 8), st.integers(64, 100_000),
)  # fmt: skip
def test_every_demand_gets_a_plan_of_sane_numbers_and_more_events_never_take_less(
    events: float, genres: int, partitions: int | None, per_event: float, size: int
) -> None:
    demand = Demand(
        events_per_second=events, genres=genres, partitions=partitions,
        genres_per_event=per_event, event_bytes=size,
    )  # fmt: skip
    plan = plan_for(demand, FIGURES)
    assert all(0 <= line.value < 1e18 for line in plan.lines if line.unit != "share")
    assert 1 <= plan["consumers"] <= plan["partitions of clicks"]
    more = plan_for(replace(demand, events_per_second=2 * events), FIGURES)
    assert more["consumers"] >= plan["consumers"]
    assert more["Kafka, clicks in"] > plan["Kafka, clicks in"]


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["size", *arguments])
    return result.exit_code, result.output


def test_the_command_prints_the_plan_and_where_its_numbers_come_from() -> None:
    status, text = run("--events-per-second", "50000", "--genres", "200", "--retention", "24")
    assert status == 0
    assert "consumer cores" in text
    assert "make bench, growth" in text


def test_the_command_gives_the_same_as_json() -> None:
    status, text = run("--events-per-second", "50000", "--genres", "200", "--json")
    told = json.loads(text)
    assert status == 0
    plan = plan_for(Demand(50_000, 200), FIGURES)
    assert {name: line["value"] for name, line in told["plan"].items()} == {
        line.name: line.value for line in plan.lines
    }
    assert told["plan"]["consumer cores"]["from"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--genres", "20"), "Missing option '--events-per-second'"),
        (("--events-per-second", "-1", "--genres", "20"), "not in the range"),
        (("--events-per-second", "nan", "--genres", "20"), "not in the range"),
        (("--events-per-second", "9", "--genres", "many"), "not a valid integer"),
        (("--events-per-second", "9", "--genres", "9", "--target", "2"), "not in the range"),
        (("--events-per-second", "9", "--genres", "9", "--bucket-seconds", "7"), "divide a day"),
        (("--events-per-second", "9", "--genres", "9", "--window", "0"), "WINDOW_BUCKETS"),
    ],
)
def test_nonsense_is_refused_by_name(arguments: tuple[str, ...], told: str) -> None:
    status, text = run(*arguments)
    assert status == 2
    assert told in text
