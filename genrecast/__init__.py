"""genrecast: the one command over the packages beside it."""
