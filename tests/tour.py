"""The notebook docs/tour.ipynb, run as a reader runs it; `python -m tests.tour` writes its outputs.

Outputs are kept in the file: who reads it on a page of the repository sees the plots. A digest of
the cells that they were made of stands beside them, so outputs of other cells are found out.
"""

import hashlib
import tempfile
from pathlib import Path
from typing import Any, Final

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

TOUR: Final = Path(__file__).parents[1] / "docs" / "tour.ipynb"

CELL_SECONDS: Final = 1200
"""How long a cell may take: long, for a machine that is busy."""

MADE_OF: Final = "made_of"
"""Where the digest stands in the notebook's metadata."""


def read_tour() -> Any:  # noqa: ANN401 (nbformat's node has whatever the file has)
    """Return the notebook as it is stored."""
    return nbformat.read(TOUR, as_version=4)  # type: ignore[no-untyped-call]


def code_of(notebook: Any) -> list[Any]:  # noqa: ANN401
    """Return its cells of code."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def digest_of(notebook: Any) -> str:  # noqa: ANN401
    """Return a digest of the code."""
    return hashlib.sha256("\0".join(c.source for c in code_of(notebook)).encode()).hexdigest()


def kinds_of(notebook: Any) -> dict[str, list[str]]:  # noqa: ANN401
    """Return by cell what kinds of outputs it has: numbers differ from machine to machine."""
    return {
        cell.id: [
            " ".join(sorted(output.get("data", {}))) or output.get("name", output.output_type)
            for output in cell.outputs
        ]
        for cell in code_of(notebook)
    }


def run_tour() -> Any:  # noqa: ANN401
    """Return the notebook with the outputs that it has here and now.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell fails.
    """
    notebook = read_tour()
    with tempfile.TemporaryDirectory() as sockets:
        # Sockets in a directory of ours: nobody else on the machine can talk to the kernel.
        reached = {"transport": "ipc", "ip": f"{sockets}/kernel"}
        NotebookClient(
            notebook,
            timeout=CELL_SECONDS,
            startup_timeout=CELL_SECONDS,
            kernel_name="python3",
            coalesce_streams=True,
            record_timing=False,
            config=Config(KernelManager=reached),
            resources={"metadata": {"path": str(TOUR.parent)}},
        ).execute()
    return notebook


if __name__ == "__main__":
    executed = run_tour()
    executed.metadata = {
        "kernelspec": executed.metadata.kernelspec,
        "language_info": {"name": "python"},
        MADE_OF: digest_of(executed),
    }
    nbformat.write(executed, TOUR)  # type: ignore[no-untyped-call]
