"""`python -m model` is `genrecast train`."""

import sys

from genrecast.cli import main

main(["train", *sys.argv[1:]])
