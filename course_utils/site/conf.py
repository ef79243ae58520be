"""What Sphinx is told. Nothing that a page needs is loaded from elsewhere."""

from __future__ import annotations

import re
from html import escape
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

MATHML = "http://www.w3.org/1998/Math/MathML"
ElementTree.register_namespace("", MATHML)

project = "One day of generative AI"
language = "en"
extensions = ["myst_nb"]
nb_execution_mode = "off"  # the outputs are those that the notebooks are committed with
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # they would come from a network
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = project
html_static_path = ["static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = False  # it is fetched, which no page in a folder may do
html_show_copyright = False
html_use_index = False
html_domain_indices = False


def mathml(formula: str, *, block: bool) -> str:
    r"""A formula in TeX as MathML, which browsers show by themselves.

    docutils knows `\bigl`, but not `\big`, and sets what stands under a brace beside it. Raises
    `docutils.utils.math.MathError` for what it can't read.
    """
    text = tex2mathml(re.sub(r"\\([bB]igg?)(?![A-Za-z])", r"\\\1l", formula), as_block=block)
    tree = ElementTree.fromstring(text.replace("&ApplyFunction;", "\N{FUNCTION APPLICATION}"))
    for below in tree.iter(f"{{{MATHML}}}msub"):
        if below[0].tag == f"{{{MATHML}}}munder":
            below.tag = below[0].tag
    return ElementTree.tostring(tree, encoding="unicode")


def visit_math(translator: Any, node: nodes.math) -> None:
    translator.body.append(
        f'<span class="math" title="{escape(node.astext())}">{mathml(node.astext(), block=False)}</span>'
    )
    raise nodes.SkipNode


def visit_math_block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="math">{mathml(node.astext(), block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Sphinx calls this."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
