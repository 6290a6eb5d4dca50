"""`python -m stack`: the same as `genrecast stack`."""

import sys

from genrecast.cli import main

main(["stack", *sys.argv[1:]])
