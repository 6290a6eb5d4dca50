"""`python -m feed`: the same as `genrecast feed`."""

import sys

from genrecast.cli import main

main(["feed", *sys.argv[1:]])
