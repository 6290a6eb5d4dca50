import re
from html.parser import HTMLParser

import numpy as np
import pytest

from model.backtest import BacktestPlan
from model.baseline import Baseline
from model.comparison import compare
from model.figures import COLOUR_NAMES, shown_name
from model.report import FanKeeper, ReportContent, report_page
from model.splits import held_out_split

from .making import LEVELS, history_of

NAMES = ("<script>alert(1)</script>", "5 $ or $x_", "日本の $\\frac$ ドラマ\n", "plain & simple")


class Page(HTMLParser):
    """What a page would load, and which ids it defines."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "data", "action") and value is not None:
                self.loads.append(value)
            if name == "id" and value is not None:
                self.ids.append(value)


@pytest.fixture(scope="module")
def page() -> str:
    clicks = np.random.default_rng(0).poisson([30.0, 5.0, 0.2, 9.0], (120, 4))
    history = history_of(clicks)
    object.__setattr__(history, "names", NAMES)
    split = held_out_split(history, "se <ries>", 6, share=0.4, origins=12)
    plan = BacktestPlan(0, rows=split.plan(history, 2016).rows)
    keeper = FanKeeper(history, plan.rows)
    comparison = compare(
        history, Baseline(6, LEVELS), plan, season=24, train_rows=70, observers=[keeper.keep]
    )
    content = ReportContent(
        split, history, comparison, keeper.fans, "baseline-1", "a <note>", 12.0, [0.5, 0.4, 0.3]
    )
    return report_page(content)


def test_report_asks_for_nothing_outside_itself(page: str) -> None:
    loads = Page(page).loads
    assert loads
    assert all(target.startswith("#") for target in loads), loads
    assert not re.search(r"url\((?!#)|@import", page)
    assert "script" not in Page(page).tags


def test_report_shows_every_plot(page: str) -> None:
    # Forecasts, errors by step, calibration, loss of the fine-tuning, coverage by series.
    assert Page(page).tags.count("svg") == 5


def test_plots_follow_light_and_dark(page: str) -> None:
    assert "prefers-color-scheme: dark" in page
    plots = page[page.index("<svg") :]
    for colour, name in COLOUR_NAMES.items():
        assert colour not in plots
        assert f"var(--{name})" in plots
        assert page.count(f"--{name}: #") == 2


def test_ids_that_are_referred_to_are_defined_once_or_alike(page: str) -> None:
    found = Page(page)
    targets = {target.removeprefix("#") for target in found.loads}
    targets |= set(re.findall(r"url\(#([^)]+)\)", page))
    assert targets <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))


def test_names_are_shown_not_obeyed(page: str) -> None:
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "5 $ or $x_" in page
    assert "日本の" in page
    assert "a &lt;note&gt;" in page


def test_series_without_a_figure_are_marked(page: str) -> None:
    assert "nan" not in re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL).lower()


def test_report_without_fine_tuning_has_no_loss(page: str) -> None:
    assert "Loss of the fine-tuning" in page
    history = history_of(np.random.default_rng(0).poisson(3.0, (40, 1)))
    split = held_out_split(history, "one", 1, origins=3)
    plan = split.plan(history, 2016)
    keeper = FanKeeper(history, plan.rows)
    comparison = compare(
        history, Baseline(1, LEVELS), plan, season=24, train_rows=34, observers=[keeper.keep]
    )
    bare = report_page(ReportContent(split, history, comparison, keeper.fans, "b", "as it is"))
    assert "Loss" not in bare
    assert Page(bare).tags.count("svg") == 4


def test_fans_are_of_big_and_small_series_early_and_late() -> None:
    history = history_of(np.tile([1, 9, 5, 7, 3], (50, 1)))
    plan = BacktestPlan(20, rows=tuple(range(20, 44)))
    keeper = FanKeeper(history, plan.rows)
    compare(history, Baseline(2, LEVELS), plan, season=24, train_rows=21, observers=[keeper.keep])
    assert keeper.fans.series[0] == 1
    assert keeper.fans.series[-1] == 0
    assert [compared.row for compared in keeper.fans.origins] == [20, 32, 43]


def test_long_and_unprintable_names_fit_a_line() -> None:
    assert shown_name("a\nb\x00") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"
    assert len(shown_name("x" * 500)) == 32
