"""The notebook runs from its first cell to its last, and shows what it says."""

import re

import pytest

from tests.tour import MADE_OF, TOUR, code_of, digest_of, kinds_of, read_tour, run_tour

LARGEST_BYTES = 1_000_000
"""A page that opens at once."""


@pytest.mark.timeout(1800)
def test_the_tour_runs_and_shows_as_much_as_its_page() -> None:
    # A cell that fails raises.
    assert kinds_of(run_tour()) == kinds_of(read_tour())


def test_the_outputs_on_the_page_are_of_the_cells_above_them() -> None:
    notebook = read_tour()
    assert notebook.metadata[MADE_OF] == digest_of(notebook), "run: python -m tests.tour"
    counts = [cell.execution_count for cell in code_of(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    assert "stderr" not in {kind for kinds in kinds_of(notebook).values() for kind in kinds}
    assert TOUR.stat().st_size < LARGEST_BYTES


def test_every_link_of_the_tour_leads_to_a_file() -> None:
    texts = [cell.source for cell in read_tour().cells if cell.cell_type == "markdown"]
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", "\n".join(texts))
    assert links
    assert [link for link in links if not (TOUR.parent / link).exists()] == []
