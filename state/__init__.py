"""State in Redis: counts, offsets, watermarks, windows and the LSTM's state, moved by scripts."""
