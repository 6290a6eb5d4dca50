"""Forecasters: features, the incremental LSTM, the seasonal baseline, training, backtests."""
