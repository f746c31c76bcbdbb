"""Configuration of the site: `make site` builds it into build/site."""
# ruff: noqa: INP001 - Sphinx reads this file, and nobody imports it

from __future__ import annotations

from importlib.metadata import metadata

from pygments.lexers.shell import BashLexer
from sphinx.highlighting import lexers

_PROJECT = metadata("tap-crowdtwist")
_URLS = dict(url.split(", ") for url in _PROJECT.get_all("Project-URL") or ())

project = _PROJECT["Name"]
version = release = _PROJECT["Version"]
project_copyright = "the contributors of tap-crowdtwist"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinxcontrib.asciinema",
]
myst_enable_extensions = ["attrs_block", "colon_fence", "deflist"]
myst_heading_anchors = 3
# Single backticks in docstrings are code, as in Markdown.
default_role = "code"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
nitpicky = True
nitpick_ignore = [
    # Types of other packages: to link them, intersphinx would need the network at each build.
    ("py:class", "AuthBase"),
    ("py:class", "Callable[[]"),
    ("py:class", "collections.Counter"),
    ("py:class", "datetime"),
    # Types of attributes that only the client itself reads.
    ("py:class", "date_filters.Params"),
    ("py:class", "tap_crowdtwist.api.endpoints.DateFilter"),
    ("py:class", "tap_crowdtwist.api.endpoints.Form"),
]
lexers["dotenv"] = BashLexer()
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "furo"
html_title = "tap-crowdtwist"
html_baseurl = _URLS["Documentation"]
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
html_theme_options = {
    "source_repository": _URLS["Repository"],
    "source_branch": "main",
    "source_directory": "docs/",
}
