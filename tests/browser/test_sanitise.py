"""Sanitised HTML in a real browser, on a page without any protection of its own: nothing runs and nothing is fetched."""

from course_utils.sanitise import sanitised
from tests.test_sanitise import HOSTILE

LISTEN = "window.calls = 0; window.owned = () => { window.calls += 1 };"
# what a visitor may do to an element
TOUCH = """() => { for (const each of document.querySelectorAll('main *'))
    for (const kind of ['click', 'mouseover', 'mousemove', 'focus', 'toggle', 'error', 'load'])
        each.dispatchEvent(new Event(kind, {bubbles: true, cancelable: true})) }"""
# a picture that fails: what was begun before it has happened by then
LAST = "() => new Promise(done => { const last = new Image(); last.onerror = done; last.src = 'data:image/png,broken' })"
KEEP = "document.addEventListener('click', event => event.preventDefault(), true)"


def touched(page, parts):
    """(how often owned() ran, the addresses that were asked for) on a page made of some HTML."""
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.add_init_script(LISTEN)
    page.goto("about:blank")
    page.set_content(f"<main>{'<hr>'.join(parts)}</main><script>{LISTEN}{KEEP}</script>")
    page.evaluate(TOUCH)
    page.evaluate(LAST)
    return page.evaluate("window.calls"), [
        each for each in asked if not each.startswith(("about:", "data:image/png,broken"))
    ]


def test_nothing_runs_and_nothing_is_fetched(page):
    assert touched(page, [sanitised(text) for text in HOSTILE]) == (0, [])


def test_nothing_runs_when_it_is_read_a_second_time(page):
    """As a script does that moves a part of the page: what a browser writes out is read by it again."""
    calls, asked = touched(page, [sanitised(text) for text in HOSTILE])
    page.evaluate("() => { const here = document.querySelector('main'); here.innerHTML = here.innerHTML }")
    page.evaluate(TOUCH)
    page.evaluate(LAST)
    assert (calls, page.evaluate("window.calls"), asked) == (0, 0, [])


def test_the_same_page_shows_what_is_not_sanitised(page):
    calls, asked = touched(page, ["<img src=https://example.org/x onerror=owned()>"])
    assert calls and asked == ["https://example.org/x"]
