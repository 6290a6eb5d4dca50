"""`python -m genrecast`."""

from genrecast.cli import main

main()
