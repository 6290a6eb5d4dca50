"""The commands of this folder, each in a module of its own."""

from model.backtest_cli import backtest
from model.train_cli import LEAST_HORIZON, SIMULATED_SIZES, train

__all__ = ["LEAST_HORIZON", "SIMULATED_SIZES", "backtest", "train"]
