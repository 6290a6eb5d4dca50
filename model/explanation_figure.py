"""An explanation drawn: what each cause moved, and the past buckets' part of it."""

from pathlib import Path

from matplotlib.figure import Figure

from contracts.explanations import Explanation
from contracts.moments import moment_text
from model.figures import INK, MODEL_COLOUR, NAIVE_COLOUR, shown_name, styled
from model.plots import write_png


def plot_explanation(explanation: Explanation, path: Path) -> None:
    """Draw it into a PNG file.

    Raises:
        OSError: The file can't be written.
    """
    write_png(explanation_figure(explanation), path)


def explanation_figure(explanation: Explanation) -> Figure:
    """Return the figure: causes as bars, the largest on top; below, the buckets over time."""
    with styled():
        figure = Figure(figsize=(9, 5), layout="constrained")
        above, below = figure.subplots(2, 1)
        causes = explanation.causes[::-1]
        clicks = [cause.clicks for cause in causes]
        above.barh([cause.label for cause in causes], clicks, color=_colours(clicks))
        above.axvline(0, color=INK, linewidth=0.8)
        above.set_xlabel("clicks per bucket")
        moved = [bucket.clicks for bucket in explanation.buckets]
        ago = range(1 - len(moved), 1)
        below.bar(ago, moved, width=1.0, color=_colours(moved))
        below.axhline(0, color=INK, linewidth=0.8)
        below.set_xlabel("past buckets, 0 is the origin")
        below.set_ylabel("clicks per bucket")
        figure.suptitle(
            f"{shown_name(explanation.genre)}, {moment_text(explanation.bucket_start)}: "
            f"{explanation.forecast:,.4g} instead of {explanation.ordinary:,.4g} clicks per bucket"
        )
    return figure


def _colours(clicks: list[float]) -> list[str]:
    return [MODEL_COLOUR if value > 0 else NAIVE_COLOUR for value in clicks]
