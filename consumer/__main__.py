"""`python -m consumer`: the same as `genrecast consume`."""

import sys

from genrecast.cli import main

main(["consume", *sys.argv[1:]])
