"""How Sphinx builds these pages: MyST Markdown, autodoc for the API, the Furo theme."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8"))["project"]

project = "signedmsg"
author = "The signedmsg authors"
copyright = author
version = release = _project["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# Docstrings are written as Markdown writes code: in single backticks, and in fences (below).
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
python_maximum_signature_line_length = 88
napoleon_use_ivar = True

html_theme = "furo"
html_title = "signedmsg"


def fences_to_directives(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Let docstrings hold Markdown's code fences, which reStructuredText does not know."""
    converted: list[str] = []
    inside = False
    for line in lines:
        if fence := re.fullmatch(r"( *)```(\w*)", line):
            converted += [""] if inside else ["", f"{fence[1]}.. code-block:: {fence[2] or 'text'}", ""]
            inside = not inside
        else:
            converted.append(f"    {line}" if inside else line)
    lines[:] = converted


def setup(app: Sphinx) -> None:
    # Before napoleon, which has the usual priority of 500.
    app.connect("autodoc-process-docstring", fences_to_directives, priority=400)


# The modules of Django REST framework cannot be imported without settings.
from django.conf import settings  # noqa: E402

settings.configure()
