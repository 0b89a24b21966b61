"""The documentation site: `make docs` builds it with Sphinx into build/site, and any warning is an error there."""

import contextlib
import io
import os

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.util import logging

import torchconv
from torchconv.__main__ import main

log = logging.getLogger(__name__)

project, version = "torchconv", torchconv.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
nitpicky = True  # a reference that leads nowhere is a warning
myst_heading_anchors = 3  # pages may link to headings, as in limits.md#torchscript

autodoc_typehints = "none"  # the docstrings say more: shapes and dtypes
autodoc_preserve_defaults = True
napoleon_use_param = False  # so that "stride, dilation:" stays one entry
napoleon_custom_sections = ["Shape"]
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"torchconv {version}"
html_static_path, html_css_files = ["static"], ["wide.css"]
html_copy_source = html_show_copyright = html_show_sphinx = False
pygments_style, pygments_dark_style = "friendly", "github-dark"


def warn_without_docstring(app, what, name, obj, options, lines):
    if not any(lines):
        log.warning("%s has no docstring", name)


def shorten_signature(app, what, name, obj, options, signature, returns):
    """x and w have a default only because they may come by torch's names, input and weight."""
    return (signature or "").replace("=_GIVEN_BY_NAME", "") or None, returns


class CommandHelp(Directive):
    """What `python -m torchconv [COMMAND] --help` prints."""

    optional_arguments = 1

    def run(self):
        os.environ["COLUMNS"] = "100"
        text = io.StringIO()
        with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
            main([*self.arguments, "--help"])
        return [nodes.literal_block(text.getvalue(), text.getvalue(), language="text")]


def setup(app):
    app.connect("autodoc-process-docstring", warn_without_docstring)
    app.connect("autodoc-process-signature", shorten_signature)
    app.add_directive("command-help", CommandHelp)
