"""How `make docs` builds these pages: Markdown by MyST, put together by Sphinx. Warnings are errors."""

import re

from sphinx.application import Sphinx

PAGES = ["marketers", "admins", "operators", "preflight", "api", "performance", "faults", "scenarios"]

project = "Letterpace"
author = "Letterpace contributors"
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = "Letterpace"
html_copy_source = False
html_show_copyright = False


def adapt(_app: Sphinx, page: str, source: list[str]) -> None:
    """Links to files of the repository become plain words; the first page gets the order of all, for the side bar."""
    source[0] = re.sub(r"\[([^\]]+)\]\(\.\./[^)]+\)", r"\1", source[0])
    if page == "index":
        source[0] += "\n```{toctree}\n:hidden:\n\n" + "\n".join(PAGES) + "\n```\n"


def setup(app: Sphinx) -> None:
    app.connect("source-read", adapt)
