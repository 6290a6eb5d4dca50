"""`python -m producer_sim` is `genrecast simulate`."""

import sys

from genrecast.cli import main

main(["simulate", *sys.argv[1:]])
