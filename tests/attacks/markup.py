"""Markup that would run in somebody's browser: what a feedback page, formgrader and a report must defuse."""

from tests.attacks.attack import Attack, family

# Every one of them calls owned(), which no page defines: the browser test defines it, and must never see it called.
CORPUS = [
    "<script>owned()</script>",
    "</script><script>owned()</script>",
    "<img src=x onerror=owned()>",
    "<svg onload=owned()>",
    "<svg><script>owned()</script></svg>",
    "<svg><animate onbegin=owned() attributeName=x dur=1s>",
    "<iframe srcdoc='<script>parent.owned()</script>'></iframe>",
    "<iframe src=javascript:parent.owned()></iframe>",
    "<body onload=owned()>",
    "<details open ontoggle=owned()>x</details>",
    "<input autofocus onfocus=owned()>",
    "<video><source onerror=owned()></video>",
    "<math><mtext><table><mglyph><style><img src=x onerror=owned()>",
    "<form><button formaction=javascript:owned()>x</button></form>",
    "<object data=javascript:owned()></object>",
    "<embed src=javascript:owned()>",
    "<base href=javascript:owned()//>",
    "<meta http-equiv=refresh content='0;url=javascript:owned()'>",
    "<link rel=stylesheet href=javascript:owned()>",
    "<style>@import 'javascript:owned()';</style>",
    "<a href=javascript:owned()>click</a>",
    "[click](javascript:owned())",
    "[click](JaVaScRiPt:owned())",
    "[click](&#106;avascript:owned())",
    "[click](data:text/html;base64,PHNjcmlwdD5wYXJlbnQub3duZWQoKTwvc2NyaXB0Pg==)",
    "![x](javascript:owned())",
    "![x](x\"onerror=\"owned())",
    "<javascript:owned()>",
    "[click]: javascript:owned()\n\n[click]",
    "$\\href{javascript:owned()}{x}$ $\\unicode{<img src=x onerror=owned()>}$",
    "$$\\class{x\" onmouseover=\"owned()}{x}$$ $\\style{background:url(javascript:owned())}{x}$",
    "```html\n</code></pre><script>owned()</script>\n```",
    "`</code><script>owned()</script>`",
    "<noscript><p title='</noscript><img src=x onerror=owned()>'>",
    "<!--><img src=x onerror=owned()>-->",
    "&lt;script&gt;owned()&lt;/script&gt; <scr<script>ipt>owned()</scr</script>ipt>",
    "\x1b[31m<img src=x onerror=owned()>\x1b]8;;javascript:owned()\x07click\x1b]8;;\x07",
    "{{ constructor.constructor('owned()')() }} {% import os %} ${owned()}",
    "<x onclick=owned()>click</x><p style='position:fixed;inset:0' onmousemove=owned()>x</p>",
    "\u2028<script>owned()\u2029</script>",
]  # fmt: skip
SHOWN = """
from IPython.display import HTML, Javascript, Latex, Markdown, SVG, display
texts = {texts!r}
for text in texts:
    print(text)
    display(HTML(text), Markdown(text), Latex(text))
    for mime in ("text/html", "text/markdown", "text/latex", "image/svg+xml", "application/javascript",
                 "application/vnd.jupyter.widget-view+json", "application/vnd.mathjax", "text/plain", "image/png"):
        display({{mime: text, "text/plain": text}}, raw=True)
display(Javascript("owned()"))
display({{"image/png": "x\\" onerror=\\"owned()", "text/plain": ""}}, raw=True)
class Named(Exception):
    pass
Named.__name__ = Named.__qualname__ = texts[2]
"""


def everywhere(texts):
    """Answers that put some markup into every place a learner can write to."""
    shown = SHOWN.format(texts=texts)
    return {
        "q1": shown + "def double(number):\n    return texts[number % len(texts)]",
        "q2": "def count(words):\n    raise Named('\\n'.join(texts))",
        "q3": shown.replace("class Named", "class Other").split("class Other")[0] + "def scale(rows, factor):\n    return {text: text for text in texts}",
        "q4": "def make_net():\n    return texts[0]\nraise Named(texts[0])",
        "q5": "\n\n".join(texts),
    }  # fmt: skip


def places():
    third = len(CORPUS) // 3 + 1
    for number in range(3):
        texts = CORPUS[number * third : (number + 1) * third]
        yield Attack(
            f"markup-{number + 1}",
            "script in outputs, errors, answers and markdown",
            everywhere(texts),
            keeps=(),
        )


def stored_outputs(notebook):
    for one in notebook["cells"]:
        one["metadata"]["tags"] = ["<script>owned()</script>"]
        if one["cell_type"] == "code":
            data = {"text/html": "".join(CORPUS), "application/javascript": "owned()"}
            one["outputs"] = [{"output_type": "display_data", "metadata": {}, "data": data}]
        else:
            one["source"] += CORPUS[0]
            one["attachments"] = {"x": {"image/svg+xml": CORPUS[4]}}
    notebook["metadata"]["title"] = notebook["metadata"]["authors"] = CORPUS[0]


ATTACKS = family(
    "markup",
    [
        *places(),
        Attack("markup-stored", "script stored in outputs, metadata and given cells", {"q1": "x = 1"}, change=stored_outputs),
    ],
)  # fmt: skip
