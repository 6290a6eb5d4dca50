"""`genrecast serve`: forecasts over HTTP, live as server-sent events, and where things stand."""
