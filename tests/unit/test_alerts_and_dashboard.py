"""Alerts and dashboard ask for metrics that are there, and every alert says what to do."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.metrics import BY_NAME, METRICS
from tests.promql import metrics_in, without_suffix

ROOT = Path(__file__).parents[2]
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "prometheus/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "grafana/dashboards/genrecast.json").read_text())

OUTSIDE = {
    "ALERTS",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "up",
}
"""What Prometheus and its Python client bring themselves."""

OF_SCRAPES = {"job", "instance", "le", "alertstate"}
"""Labels that no metric of ours has by itself."""


def targets() -> Iterator[tuple[str, str]]:
    """Yield each panel's title and expressions."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for annotation in DASHBOARD["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]


EXPRESSIONS = [(rule["alert"], rule["expr"]) for rule in RULES] + list(targets())


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS)
def test_every_metric_and_label_asked_for_is_on_the_list(where: str, expression: str) -> None:
    histograms = {metric.name for metric in METRICS if metric.kind == "histogram"}
    found = metrics_in(expression)
    assert found, where
    for name, labels in found.items():
        if name in OUTSIDE:
            continue
        metric = BY_NAME.get(without_suffix(name, histograms))
        assert metric is not None, name
        assert labels <= {*metric.labels, *OF_SCRAPES}, name


def test_names_are_found_wherever_they_stand() -> None:
    expression = (
        'histogram_quantile(0.9, sum by (job, le) (rate(a_seconds_bucket{x="not_me", y!~"z"}[5m])))'
        " > on (job) group_left (role) 2e3 * max(b) unless c offset 5m or absent(up)"
    )
    assert metrics_in(expression) == {
        "a_seconds_bucket": {"x", "y"}, "b": set(), "c": set(), "up": set(),
    }  # fmt: skip


def test_every_metric_is_looked_at() -> None:
    """What nobody looks at need not be measured: a dashboard or an alert shows each one."""
    histograms = {metric.name for metric in METRICS if metric.kind == "histogram"}
    asked = {
        without_suffix(name, histograms)
        for _, expression in EXPRESSIONS
        for name in metrics_in(expression)
    }
    unseen = {metric.name for metric in METRICS} - asked
    assert unseen == {"genrecast_position_offset"}, "it is there for other tools"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_leads_to_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert rule["alert"] in headings
    assert anchor == rule["alert"].lower(), "as the heading's anchor is spelled"


def test_what_to_do_is_said_of_no_alert_that_is_gone() -> None:
    text = (ROOT / "docs/operations.md").read_text()
    alerts = text.partition("## Alerts")[2].partition("\n## ")[0]
    assert re.findall(r"^### (\w+)$", alerts, re.MULTILINE) == [rule["alert"] for rule in RULES]


def test_every_alert_has_a_case_in_which_it_rings() -> None:
    tests = yaml.safe_load((ROOT / "prometheus/alerts.test.yml").read_text())["tests"]
    ringing = {
        case["alertname"]
        for test in tests
        for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    }
    assert ringing == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus/prometheus.yml"),
        ("test", "rules", "prometheus/alerts.test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_finds_nothing_wrong(arguments: tuple[str, ...]) -> None:
    promtool = shutil.which("promtool") or ""
    if not promtool:
        reason = "promtool is not installed (Debian: the package prometheus)"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    done = subprocess.run(
        [promtool, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_is_of_a_known_schema_and_asks_the_source_that_is_chosen() -> None:
    assert 39 <= DASHBOARD["schemaVersion"] <= 42
    assert DASHBOARD["uid"] == "genrecast"
    variables = {v["name"]: v for v in DASHBOARD["templating"]["list"]}
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == (
        "datasource", "prometheus",
    )  # fmt: skip
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    for panel in DASHBOARD["panels"]:
        if panel["type"] != "row":
            for asks in (panel, *panel["targets"]):
                assert asks["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_no_panel_covers_another() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
