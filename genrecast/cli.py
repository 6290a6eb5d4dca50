"""`genrecast`, the command: each folder brings its own commands, loaded when they are called."""

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

import click

COMMANDS: Final = {
    "demo": ("genrecast.demo_cli", "demo", "Watch it work: broker, simulator, live forecasts."),
    "stack": ("stack.cli", "stack", "Real Kafka and Redis on this machine, without Docker."),
    "setup": ("consumer.setup_cli", "setup", "Make the topics that are missing."),
    "consume": ("consumer.cli", "consume", "Count clicks, close buckets, publish forecasts."),
    "close": ("consumer.cli", "close", "End a finished replay: close its open buckets."),
    "simulate": ("producer_sim.cli", "simulate", "Send simulated or recorded clicks."),
    "loadtest": ("producer_sim.load.cli", "loadtest", "Latency under planned load, highest rate."),
    "train": ("model.cli", "train", "Train a model from a file, the topic or Redis."),
    "backtest": ("model.cli", "backtest", "Score a model on history, rolling origin."),
    "models": ("consumer.models_cli", "models_group", "The registry: add, promote, roll back."),
    "explain": ("consumer.explain_cli", "explain", "What moved a genre's forecast."),
    "retrain": ("consumer.retrain_cli", "retrain", "Train candidates on a schedule."),
    "feed": ("feed.cli", "feed", "Print forecasts as JSON Lines."),
    "serve": ("feed.serve.cli", "serve", "Forecasts over HTTP: JSON, live events, dashboard."),
    "status": ("feed.cli", "status", "Watermark, buckets, lag, model, totals."),
    "verify": ("consumer.repair_cli", "verify", "Count the log again, compare with all published."),
    "loop-report": ("consumer.loop_report.cli", "loop_report", "What recommendations did."),
    "rebuild": ("consumer.repair_cli", "rebuild", "Make the state in Redis anew from the journal."),
    "forget": ("consumer.repair_cli", "forget", "Erase what is known of a user's taste."),
    "dead-letters": ("consumer.dead_letters.cli", "dead_letters", "List, show, send again."),
    "size": ("genrecast.sizing_cli", "size", "Cores, Redis and Kafka that a demand takes."),
    "rights": ("genrecast.rights_cli", "rights", "Commands that give a role its least rights."),
    "schema": ("contracts.schema", "schema", "Write the contracts as JSON Schema and AsyncAPI."),
}
"""Command name: module, attribute, one-line help. Modules are imported on use: `genrecast feed`
must not pay for TensorFlow."""


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or None when there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{attribute} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry[2]) for name, entry in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="genrecast", prog_name="genrecast")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Live demand forecasts per genre, from click streams.

    Every setting is an option and an environment variable: --bucket-seconds 300 is
    GENRECAST_BUCKET_SECONDS=300.

    \b
    Examples:
      genrecast demo --seconds 60
      genrecast stack up
      genrecast consume --create-topics
      genrecast simulate --rate 200
      genrecast feed --genre crime
    """  # noqa: D301 (click reads the control character)
    from genrecast import sources

    ctx.obj = {
        "topic": sources.history_from_topic,
        "redis": sources.history_from_redis,
        "register": sources.register_model,
        "offsets": sources.stored_offsets,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command with `arguments` (the process's own when None) and exit."""
    _let_sigterm_end_a_container()
    cli.main(args=list(sys.argv[1:] if arguments is None else arguments), prog_name="genrecast")


def _let_sigterm_end_a_container() -> None:
    """Have SIGTERM do to a container's first process what it does to any other: end it at once.

    The kernel drops a signal that process 1 has no handler for: `docker stop` would wait, and then
    kill. Commands that end in order set their own handler, once they are loaded.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda number, _frame: os._exit(128 + number))
