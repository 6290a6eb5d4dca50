"""`genrecast retrain`."""

import logging
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

import click

from contracts.logs import set_up_logging
from contracts.options import ConfigurationError, with_settings
from contracts.settings import Settings

if TYPE_CHECKING:
    from consumer.retrain import Fit, Retrainer
    from model.history import History

EXIT_FAILED: Final = 1
"""Exit status when no candidate came of `--once`."""

LEAST_HORIZON: Final = 24
"""Models are trained for at least so many steps, as `train` does."""


def _every(context: click.Context, option: click.Parameter, text: str) -> int:
    from model.command_parts import parse_duration

    return parse_duration(context, option, text) or 0


@click.command()
@click.option(
    "--every", callback=_every, default="24h", show_default=True, metavar="LENGTH",
    help="How often, such as 6h or 1d.",
)  # fmt: skip
@click.option("--once", is_flag=True, help="Train once and exit; 1 when no candidate came of it.")
@click.option(
    "--from", "source", type=click.Choice(["redis", "topic"]), default="redis", show_default=True,
    help="Train on the windows in Redis, or on the retained clicks topic.",
)  # fmt: skip
@click.option(
    "--epochs", type=click.IntRange(1, 10_000), default=None,
    help="Epochs of 25 batches.",
)  # fmt: skip
@with_settings()
@click.pass_context
def retrain(
    ctx: click.Context,
    /,
    *,
    settings: Settings,
    every: int,
    once: bool,
    source: str,
    epochs: int | None,
) -> None:
    """Train candidates from the champion's weights, now and then, and when drift asks for it.

    What comes of it runs in shadow until somebody promotes it, or promotes itself with
    GENRECAST_AUTO_PROMOTE. SIGTERM or Ctrl-C stops between two epochs and exits 0.

    \b
    Examples:
      genrecast retrain --every 24h
      genrecast retrain --once --from topic --epochs 20
    """  # noqa: D301 (click reads the control character)
    from consumer.retrain import Retrainer, TrainingFailedError
    from consumer.scratch import check_scratch
    from state.redis_models import RedisModels

    set_up_logging(settings)
    check_scratch()
    load = (ctx.obj or {}).get(source)
    if load is None:
        raise click.UsageError("retrain works as `genrecast retrain` only")
    if every < 1:
        raise ConfigurationError("--every must be at least a second")
    stop = _stop_on_signal()

    def load_or_fail(wanted: Settings) -> "History":
        try:
            history: History = load(wanted)
        except click.ClickException as error:
            raise TrainingFailedError(error.message) from error
        return history.with_holidays(settings.holidays_ms)

    models = RedisModels.connect(settings)
    retrainer = Retrainer(
        settings, models, load_or_fail, fitting(settings, source, epochs, stop), every, stop
    )
    try:
        if once:
            _train_once(retrainer)
        else:
            retrainer.run()
    finally:
        models.close()


def _train_once(retrainer: "Retrainer") -> None:
    from consumer.retrain import StoppedError, TrainingFailedError
    from state.store import StoreLinkRefusedError

    try:
        retrainer.train_once()
    except StoppedError:
        return
    except TrainingFailedError as error:
        if isinstance(error.__cause__, ConfigurationError | StoreLinkRefusedError):
            raise ConfigurationError(str(error)) from error
        click.echo(f"genrecast retrain: {error}", err=True)
        sys.exit(EXIT_FAILED)


def _stop_on_signal() -> threading.Event:
    stop = threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        logging.getLogger(__name__).info("%s: finishing", signal.Signals(number).name)
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return stop


def fitting(settings: Settings, source: str, epochs: int | None, stop: threading.Event) -> "Fit":
    """Return what trains: from given weights where they fit, ended between epochs by `stop`."""

    def fit_from(history: "History", start: Path, out: Path) -> None:
        from consumer.retrain import StoppedError
        from model.fit import FitPlan, fit
        from model.plans import fine_tuning, levels_to_train

        def note(epoch: int, loss: float) -> None:
            logging.getLogger(__name__).debug("epoch %d: loss %.4f", epoch, loss)
            if stop.is_set():
                raise StoppedError

        if stop.is_set():
            raise StoppedError
        plan = FitPlan(
            training=fine_tuning(
                [history], levels_to_train(start, settings.quantiles), epochs=epochs
            ),
            horizon=max(settings.horizon, LEAST_HORIZON),
            window_buckets=settings.window_buckets,
            source=f"retrained on {source}",
            start=start,
        )
        fit([history], plan, out, note)

    return fit_from
