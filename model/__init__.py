"""Forecasters: features, incremental networks, the seasonal baseline, training, backtests."""
