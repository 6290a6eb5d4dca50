"""`genrecast loop-report`: what recommendations did, and whether forecasts stay calibrated."""
