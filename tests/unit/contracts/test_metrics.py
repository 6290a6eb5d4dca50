"""The list of metrics keeps Prometheus' conventions, and its page is written from it."""

import re
from collections import Counter

import pytest

from contracts.metrics import METRICS, Metric
from tests.metrics_page import PAGE, page

UNITS = {
    "_seconds": {"seconds", "epoch seconds"},
    "_records": {"records"},
    "_ratio": {"1"},
    "_info": {"1"},
    "_offset": {"offset"},
}


def test_no_name_is_given_twice() -> None:
    assert max(Counter(metric.name for metric in METRICS).values()) == 1


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_name_says_kind_and_unit(metric: Metric) -> None:
    assert re.fullmatch(r"genrecast_[a-z]+(_[a-z]+)*", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.name.endswith("_timestamp_seconds") == (metric.unit == "epoch seconds")
    for suffix, units in UNITS.items():
        if metric.name.endswith(suffix):
            assert metric.unit in units
    if metric.unit == "seconds":
        assert metric.name.endswith("_seconds")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_only_histograms_have_buckets_and_theirs_ascend(metric: Metric) -> None:
    assert bool(metric.buckets) == (metric.kind == "histogram")
    assert list(metric.buckets) == sorted(set(metric.buckets))
    assert metric.meaning.endswith(".")


def test_the_page_is_written_from_the_list() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.metrics_page"
