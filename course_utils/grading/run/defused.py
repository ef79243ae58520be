"""A learner's markdown, made safe to be shown to somebody else.

It stays markdown: formgrader, nbgrader's feedback and nbconvert render it, each in its own
way and in a page with scripts of its own. So what could run, load or lead astray there is
taken out of the source: every tag, every link that is not plainly to the web, every picture
(it would be fetched). TeX is shown as it was written: its commands can make links and markup, and
references such as `&#92;` could spell them.
"""

from __future__ import annotations

import re

from course_utils.sanitise import without_commands
from course_utils.text import printable

MARKDOWN_CHARACTERS = 50_000
# Where a tag, a comment or an autolink begins.
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_PICTURE = re.compile(r"!(?=\[)")
# The destination of "[text](…)", and of "[name]: …"; anything but a plain web address is broken up.
_DESTINATION = re.compile(r"\](?=\s*[(:])(?!\(\s*https?://[^\s&()<>\\]*\s*\))")
_REFERENCE = re.compile(r"&(?=#|[A-Za-z][A-Za-z0-9]*;)")


def defused(markdown: str) -> str:
    """The same text, in which nothing can run or be fetched; cut at `MARKDOWN_CHARACTERS`."""
    text = markdown
    if len(text) > MARKDOWN_CHARACTERS:
        text = text[:MARKDOWN_CHARACTERS] + "\n\n*(the rest is left out: it is too long to be shown)*"
    text = printable(text)
    text = _REFERENCE.sub("&amp;", text)
    text = _TAG.sub("&lt;", text)
    text = _PICTURE.sub(r"\\!", text)
    text = _DESTINATION.sub(r"\\]", text)
    return without_commands(text)
