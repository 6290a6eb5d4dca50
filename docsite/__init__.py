"""The documentation site: pages collected from the repository, drawn figures, links checked."""
