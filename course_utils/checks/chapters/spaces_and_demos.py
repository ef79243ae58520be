"""The questions of chapter 16: Spaces and demos.

Nobody has a port where answers are graded. So the apps are asked in the process that made them, by the way
that a request of a browser or of `gradio_client` takes through them once it has arrived; and what is deployed
is read from a local Hub, which lives at a Unix socket there.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from course_utils.checks import expect
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.checks.report import Failed, Rung
from course_utils.hub.store.errors import StoreError
from course_utils.hub.store.snapshot import open_store
from course_utils.wire.answer import Answer

if TYPE_CHECKING:
    from course_utils.hub.store.view import RepositoryView

    # what the learner writes: the functions below that are sent along call it by its name
    prediction_function: Any = None
    make_interface: Any = None
    make_notes: Any = None
    make_reply: Any = None
    not_for_upload: Any = None
    deploy: Any = None

LESSONS = "lessons/16_spaces_and_demos/"
APPS = LESSONS + "01_three_apps_and_their_tests.ipynb"
FOLDER = LESSONS + "02_what_a_space_is.ipynb"
SCRIPT = LESSONS + "03_deployed_by_a_script.ipynb"

exercise = Exercise(
    "16_spaces_and_demos",
    title="Spaces and demos",
    minutes=120,
    difficulty="medium",
    cost="some seconds; nothing is trained",
)

WORDS = "ferry harbour late nobody minded lamp kettle pier green boat tide rope gull salt net oar".split()


def _text(draw: Draw, count: int) -> str:
    return " ".join(draw.random.choice(WORDS) for _ in range(count))


def _sentence(message: str, what: str) -> None:
    """A message for a visitor is at least three words long."""
    expect.true(
        len(message.split()) >= 3, f"{what} to be a sentence that says what to do", expect.show(message)
    )


def _refused(came: Mapping[str, Any], what: str, names: Sequence[object] = ()) -> str:
    """The message of the gr.Error that something came to; names: what has to stand in it."""
    if "crash" in came:
        raise Failed(
            Rung.CRASHED, f"{what} to end in a gr.Error, with a sentence for the visitor", came["crash"]
        )
    if "error" not in came:
        raise Failed(
            Rung.WRONG_VALUE, f"{what} to raise gr.Error", f"the answer {expect.show(came.get('value'))}"
        )
    message = str(came["error"])
    _sentence(message, f"the message for {what}")
    for name in names:
        found = re.search(rf"(?<!\d){re.escape(str(name))}(?!\d)", message)
        expect.true(found is not None, f"the message for {what} to name {name}", expect.show(message))
    return message


def _value(came: Mapping[str, Any], what: str) -> Any:
    """What something gave that should not raise."""
    if "error" in came:
        raise Failed(Rung.WRONG_VALUE, f"{what} to be answered", f"gr.Error({expect.show(came['error'])})")
    if "crash" in came:
        raise Failed(Rung.CRASHED, f"{what} to be answered", came["crash"])
    return came.get("value")


# q1: the function

LABELS = ("praise", "complaint", "question", "order", "other", "thanks")


@exercise.question(
    "q1",
    title="The function of an app",
    points=3,
    difficulty=1,
    needs=("prediction_function",),
    lesson=APPS + "#A visitor's mistake",
    hints=(
        "Three things can be wrong before the model is asked, and one while it is. What does a visitor read "
        "in each case?",
        "exp of a large number overflows; subtract the largest logit first, which changes no share. raise "
        'gr.Error("…") shows a sentence on the page. Put try and except around the call of the model alone, '
        "and raise a gr.Error of your own there.",
        "Shares of three weights, given as logarithms:\n"
        "top = max(logs)\n"
        "sizes = [math.exp(log - top) for log in logs]\n"
        "dict(zip(names, (size / sum(sizes) for size in sizes)))",
    ),
)
def function_of_an_app(answer: Answer, draw: Draw) -> None:
    labels = draw.sample(LABELS, 4)
    most = draw.random.randrange(60, 120)
    texts = [_text(draw, 4), _text(draw, 5), "x" * most]
    logits = {text: [round(draw.random.uniform(-3, 3), 2) for _ in labels] for text in texts}
    logits[texts[1]] = draw.sample((700.0, 900.0, 899.0, -800.0), 4)
    mine = answer.given(classified)

    def ask(given: str | None, broken: int = 0) -> tuple[dict[str, Any], list[str]]:
        came = mine.call("classified", labels, logits, most, given, broken)
        expect.keys(came, ("came", "seen"), "predict(text)")
        return came["came"], came["seen"]

    with part("a confidence for each label", points=1):
        for given in (texts[0], f"  {texts[0]}\n", texts[1], f" {texts[2]} "):
            what = f"predict({expect.show(given)})"
            found = _value(ask(given)[0], what)
            expect.type_of(found, dict, what)
            expect.keys(found, labels, what)
            expect.length(found, len(labels), what)
            for label, share in zip(labels, _softmax(logits[given.strip()]), strict=True):
                expect.close(found[label], share, f"{what}[{label!r}]", tolerance=1e-5)
    with part("no text, or too long a text", points=1):
        length = most + draw.random.randrange(1, 40)
        for bad, names in ((None, ()), ("", ()), (" \n\t ", ()), ("y" * length, (length, most))):
            came, seen = ask(bad)
            what = f"predict({expect.show(bad)}), with at most {most} characters,"
            _refused(came, what, names)
            expect.equal(seen, [], f"what the model was asked by {what}")
    with part("a model that breaks down", points=1):
        for kind in (1, 2, 3, 4):
            message = _refused(ask(texts[0], kind)[0], "a text on which the model breaks down")
            for word in ("tensor", "512", "Error"):
                expect.true(
                    word not in message, "the message to spare the visitor the model's own error", message
                )


def _softmax(logits: Sequence[float]) -> list[float]:
    top = max(logits)
    sizes = [math.exp(logit - top) for logit in logits]
    return [size / math.fsum(sizes) for size in sizes]


def classified(labels: list, logits: dict, most: int, text: str | None, broken: int) -> dict:
    """What the learner's function makes of a text, and what its model was asked.

    broken: 0, or which kind of error the model ends in.
    """
    import gradio as gr

    seen = []

    def model(given: str) -> list:
        seen.append(given)
        if broken:
            kinds = (RuntimeError, KeyError, ValueError, gr.Error)
            raise kinds[broken - 1]("tensor a (512) must match tensor b (513)")
        return list(logits.get(given, [0.0] * len(labels)))

    predict = prediction_function(model, list(labels), most)
    try:
        came: dict[str, Any] = {"value": predict(text)}
    except gr.Error as error:
        came = {"error": str(error.message)}
    except NotImplementedError:
        raise
    except Exception as error:
        came = {"crash": f"{type(error).__name__}: {error}"}
    return {"came": came, "seen": seen}


# Apps, asked without a server


def visit(demo: Any, session: Any, name: str, *given: object) -> dict:
    """What an app's endpoint answers one visitor: its outputs, or what it ended in."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    import gradio as gr

    block = next(each for each in demo.fns.values() if each.api_name == name)
    values = iter(given)
    inputs = [None if isinstance(each, gr.State) else next(values, None) for each in block.inputs]
    asked = demo.process_api(block, inputs, state=session)
    try:
        with ThreadPoolExecutor(1) as pool:  # a notebook's own thread has a loop that runs already
            data = pool.submit(asyncio.run, asked).result()["data"]
    except gr.Error as error:
        return {"error": str(error.message)}
    except NotImplementedError:
        raise
    except Exception as error:
        return {"crash": f"{type(error).__name__}: {error}"}
    shown = [
        value.model_dump() if hasattr(value, "model_dump") else value
        for value, each in zip(data, block.outputs, strict=False)
        if not isinstance(each, gr.State)
    ]
    return {"value": shown}


def described(demo: Any) -> dict:
    """What an app says of itself: {endpoint: {"takes": components, "gives": components}}."""
    import gradio as gr

    if not isinstance(demo, gr.Blocks):
        return {"kind": type(demo).__name__}
    named = demo.get_api_info()["named_endpoints"]
    return {
        "endpoints": {
            name.strip("/"): {
                "takes": [each["component"] for each in about["parameters"]],
                "gives": [each["component"] for each in about["returns"]],
            }
            for name, about in named.items()
            if about["parameters"] or about["returns"]  # others are Gradio's own: a State filled at the start
        }
    }


def _app(came: Any, what: str, wanted: Mapping[str, tuple[list[str], list[str]]]) -> None:
    """An app has these public endpoints and no others: {name: (what it takes, what it gives)}."""
    expect.type_of(came, dict, what)
    if "kind" in came:
        raise Failed(Rung.WRONG_TYPE, f"{what} to be an app of Gradio's", f"a {came['kind']}")
    expect.keys(came, ("endpoints",), what)
    found = came["endpoints"]
    expect.type_of(found, dict, f"the endpoints of {what}")
    expect.equal(sorted(found), sorted(wanted), f"the public endpoints (api_name) of {what}")
    for name, (takes, gives) in wanted.items():
        expect.equal(found[name]["takes"], takes, f"the components whose values a caller of /{name} gives")
        expect.equal(found[name]["gives"], gives, f"the components whose values a caller of /{name} gets")


# q2: an Interface


@exercise.question(
    "q2",
    title="One function, one page",
    points=4,
    difficulty=2,
    needs=("make_interface",),
    lesson=APPS + "#Interface: one function, one page",
    hints=(
        "Which of Interface's arguments say how the page looks, which say how a program calls it, and which "
        "say what it keeps?",
        "gr.Label has an argument for how many classes it shows. api_name, examples, cache_examples, "
        "concurrency_limit and flagging_mode are arguments of gr.Interface. On a Space examples are run and "
        "kept unless you say cache_examples=False.",
        "An app that counts letters, for two callers at a time:\n"
        'gr.Interface(len, gr.Textbox(), gr.Number(), api_name="count", examples=["oar"],\n'
        "             cache_examples=False, concurrency_limit=2)",
    ),
)
def interface(answer: Answer, draw: Draw) -> None:
    labels = draw.sample(LABELS, 5)
    shares = _softmax([draw.random.uniform(-2, 2) for _ in labels])
    plan: dict[str, Any] = {
        "confidences": dict(zip(labels, shares, strict=True)),
        "examples": [_text(draw, 3) for _ in range(draw.random.choice((2, 3, 4)))],
        "top": draw.random.choice((2, 3)),
        "at_once": draw.random.choice((3, 4, 5)),
        "text": _text(draw, 4),
        "refused": f"At most {draw.random.randrange(100, 900)} characters, please.",
    }
    came = answer.given(interfaced, visit, described).call("interfaced", plan)
    what = "make_interface(…)"

    def asked() -> None:
        expect.true("asked" in came, f"{what} to have a public /classify, by which this is looked at", "none")

    with part("one endpoint, /classify, from a text to a label", points=1):
        _app(came, what, {"classify": (["Textbox"], ["Label"])})
    with part("the likeliest labels, or the sentence of a gr.Error", points=1):
        asked()
        shown = _value(came["asked"], "a call of /classify")
        expect.each_of(shown, dict, "what /classify gives")
        order = sorted(labels, key=plan["confidences"].__getitem__, reverse=True)
        found = [each.get("label") for each in shown[0].get("confidences") or ()]
        expect.equal(found, order[: plan["top"]], f"the labels that /classify shows, with top={plan['top']},")
        message = _refused(came["refused"], "a call of /classify that predict refuses")
        expect.equal(message, plan["refused"], "the sentence that the visitor reads")
    with part("examples that are shown and not run", points=1):
        asked()
        expect.equal(came["samples"], plan["examples"], "the examples under the app")
        expect.true(
            came["ran"] == 0,
            "no call of predict before a visitor comes, also on a Space, where examples are cached as a rule "
            "(GRADIO_CACHE_EXAMPLES=true says so here)",
            f"{came['ran']} calls",
        )
    with part("visitors at once, and texts that are not kept", points=1):
        asked()
        expect.true(
            came["limit"] == plan["at_once"],
            f"{plan['at_once']} calls of /classify at a time (concurrency_limit)",
            expect.show(came["limit"]) + " (the default is 1)" * (came["limit"] == 1),
        )
        expect.true(
            not came["flags"],
            "no texts of visitors to be kept (flagging_mode)",
            "a button or an event that flags",
        )


def interfaced(plan: dict) -> dict:
    """What the learner's Interface says of itself, and what two calls of it come to."""
    import asyncio
    import os
    import tempfile
    from concurrent.futures import ThreadPoolExecutor

    import gradio as gr
    from gradio.state_holder import SessionState

    calls = []

    def predict(text: str) -> dict:
        calls.append(text)
        if text == "refuse":
            raise gr.Error(plan["refused"], print_exception=False)
        return dict(plan["confidences"])

    names = ("GRADIO_CACHE_EXAMPLES", "GRADIO_EXAMPLES_CACHE", "GRADIO_ANALYTICS_ENABLED")
    before = {name: os.environ.get(name) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(zip(names, ("true", folder, "False"), strict=True))
        try:
            demo = make_interface(predict, list(plan["examples"]), plan["top"], plan["at_once"])
        finally:
            for name in names:
                os.environ.pop(name)
            os.environ.update({name: value for name, value in before.items() if value is not None})
        about = described(demo)
        if "classify" not in about.get("endpoints", ()):
            return about
        with ThreadPoolExecutor(1) as pool:  # what a server does when it starts: examples are cached then
            pool.submit(asyncio.run, demo.run_extra_startup_events()).result()
        ran = len(calls)
        session = SessionState(demo)
        asked = visit(demo, session, "classify", plan["text"])
        refused = visit(demo, session, "classify", "refuse")
    limit = next(each.concurrency_limit for each in demo.fns.values() if each.api_name == "classify")
    if limit == "default":
        limit = demo._queue.default_concurrency_limit if hasattr(demo, "_queue") else 1
    samples = [
        sample[0] if isinstance(sample, (list, tuple)) else sample
        for each in demo.blocks.values()
        if isinstance(each, gr.Dataset)
        for sample in each.samples or ()
    ]
    flags = any(type(each.fn).__name__ == "FlagMethod" for each in demo.fns.values())
    return about | {
        "asked": asked, "refused": refused, "ran": ran, "limit": limit, "samples": samples, "flags": flags,
    }  # fmt: skip


# q3: who remembers what


@exercise.question(
    "q3",
    title="Notes that only their visitor sees",
    points=4,
    difficulty=2,
    needs=("make_notes",),
    lesson=APPS + "#Blocks: who remembers what",
    hints=(
        "Where does a Python list live that two visitors' calls both change? Where would one live that "
        "belongs to one page?",
        "gr.State(value=[]) is an input and an output of the same event: the function gets the visitor's "
        "present value and returns the next one beside what the page shows. Make a new list; then a call "
        "that ends in an error has changed nothing.",
        "A counter, one for each page:\n"
        "count = gr.State(0)\n"
        'gr.Button("+").click(lambda n: (n + 1, n + 1), count, [count, shown], api_name="up")',
    ),
)
def notes(answer: Answer, draw: Draw) -> None:
    most = draw.random.choice((3, 4))
    words = draw.sample(WORDS, 8)
    # Each part has visitors of its own, all of the same app: to build one takes two seconds.
    alone = [(0, "add", words[0]), (0, "add", f" {words[1]}\n"), (0, "add", words[2])]
    both = [(1, "add", words[0]), (2, "add", words[1]), (1, "add", words[2]), (2, "add", words[3])]
    both += [(3, "add", words[4])]
    undone = [(4, "add", words[5]), (4, "add", words[6]), (5, "undo", ""), (4, "undo", ""), (4, "undo", "")]
    undone += [(4, "undo", ""), (4, "add", words[7])]
    full = [(6, "add", "  "), (6, "add", ""), *((6, "add", word) for word in words[: most + 1])]
    full += [(6, "undo", ""), (6, "add", words[7])]
    steps = [*alone, *both, *undone, *full]
    came = answer.given(noted, visit, described).call("noted", most, [list(step) for step in steps])
    _app(came, "make_notes(most)", {"add": (["Textbox"], ["Textbox"]), "undo": ([], ["Textbox"])})
    expect.length(came.get("answers"), len(steps), "the answers of the app")
    answers = iter(came["answers"])
    for title, own in (
        ("a visitor whose notes grow", alone),
        ("two visitors, each with notes of their own", both),
        ("the last one undone", undone),
        ("what is refused changes nothing", full),
    ):
        found = [next(answers) for _ in own]
        with part(title, points=1):
            _follow(own, found, most)


def _follow(steps: Sequence[tuple[int, str, str]], answers: Sequence[Any], most: int) -> None:
    """Each step of some visitors came to what it should."""
    kept: dict[int, list[str]] = {}
    for (who, name, text), came in zip(steps, answers, strict=True):
        mine = kept.setdefault(who, [])
        call = f"/{name} {expect.show(text)}" if name == "add" else "/undo"
        call += f" of a visitor who has {expect.show(mine)}"
        if name == "add" and (not text.strip() or len(mine) == most):
            _refused(came, f"{call}, with most={most},", (most,) if text.strip() else ())
            continue
        kept[who] = mine = [*mine, text.strip()] if name == "add" else mine[:-1]
        shown = _value(came, call)
        expect.equal(shown, ["\n".join(mine)], f"what is shown after {call}, with other visitors there,")


def noted(most: int, steps: list) -> dict:
    """What the learner's app answers some visitors, in turn: [(visitor, endpoint, text), …]."""
    from gradio.state_holder import SessionState

    demo = make_notes(most)
    about = described(demo)
    if {"add", "undo"} - set(about.get("endpoints", ())):
        return about
    sessions = [SessionState(demo) for _ in range(1 + max(who for who, _, _ in steps))]
    answers = [
        visit(demo, sessions[who], name, *([text] if name == "add" else [])) for who, name, text in steps
    ]
    return about | {"answers": answers}


# q4: a chat inside its budget


class _Talk(NamedTuple):
    """A question in a chat: what a model is asked of it depends on these."""

    system: str
    turns: list[tuple[str, str]]  # (what the visitor said, what the model said)
    message: str
    once: int  # tokens of a conversation, and of each message, besides its words
    each: int


@exercise.question(
    "q4",
    title="A chat inside its budget",
    points=4,
    difficulty=3,
    needs=("make_reply",),
    lesson=APPS + "#A chat: an answer that grows",
    hints=(
        "Begin at the end: what has to be there in any case? Then which turn is taken first, and when do you "
        "stop?",
        "First make messages of role and text: a content is a text, or a list of parts with a text each. "
        "Then try the last turn, the last two, …; count(…) takes the whole list, as a chat template adds "
        "tokens of its own. A generator shows the text so far at each yield, so add each piece "
        "to what there was.",
        "Trunks on a sledge, the last ones packed first, two by two:\n"
        "kept = []\n"
        "for start in range(len(trunks) - 2, -1, -2):\n"
        "    if weight(trunks[start:]) > most:\n"
        "        break\n"
        "    kept = trunks[start:]",
    ),
)
def chat(answer: Answer, draw: Draw) -> None:
    mine = answer.given(talked)
    pieces = [*draw.sample(WORDS, 2), " ", *(word + " " for word in draw.sample(WORDS, 2)), "."]

    def talk(case: _Talk, budget: int, form: str) -> dict[str, Any]:
        plan = case._asdict() | {"budget": budget, "pieces": pieces, "history": _history(case.turns, form)}
        del plan["turns"]
        came = mine.call("talked", plan)
        expect.keys(came, ("kind", "asked", "changed", "taken"), "reply(message, history)")
        if came["kind"]:
            raise Failed(
                Rung.WRONG_TYPE,
                "reply(message, history) to be a generator (a function with yield)",
                came["kind"],
            )
        return came

    lines = [f"{_text(draw, 2)}\n{_text(draw, 3)}" for _ in range(4)]
    first = _Talk(_text(draw, 3), [(lines[0], lines[1]), (lines[2], lines[3])], _text(draw, 4), 2, 3)
    with part("messages of role and text, the system's first", points=1):
        for form in ("texts", "parts", "many parts"):
            came = talk(first, 1000, form)
            _value(came, f"a message whose history has contents as {form}")
            expect.equal(came["asked"], [_window(first, 1000)], f"what stream is asked (contents as {form})")
            expect.true(not came["changed"], "the history to stay as it was", "another one")
    with part("the latest turns that fit", points=1):
        for wrong in (("oldest", "single"), ("holes", "all"), ("unsaid", "strict"), ("unframed", "strict")):
            case, budget = _tight(draw, wrong)
            came = talk(case, budget, "parts")
            _value(came, "a message after a long history")
            expect.length(came["asked"], 1, "the calls of stream for one message")
            _same_window(came["asked"][0], case, budget)
            expect.true(
                not came["changed"],
                "the history to stay as it was, also where turns are left out",
                "another one",
            )
    with part("an answer that grows", points=1):
        came = talk(first, 1000, "parts")
        shown = _value(came, "a message")
        so_far = ["".join(pieces[: count + 1]) for count in range(len(pieces))]
        expect.equal(shown, so_far, "what the generator yields, one after the other: the answer so far")
        expect.true(
            came["taken"] == list(range(1, len(pieces) + 1)),
            "each piece to be shown as soon as it is there: the visitor reads while the model writes",
            f"{came['taken'][0]} pieces taken from stream before the first was shown",
        )
    with part("a message that is too long by itself", points=1):
        alone = _count(_window(first._replace(turns=[]), 1000), first)
        came = talk(first, alone - 1, "parts")
        _refused(
            came, f"a message that takes {alone} tokens with the system's, with a budget of {alone - 1},"
        )
        expect.equal(came["asked"], [], "what stream is asked, where nothing fits")
        came = talk(first, alone, "parts")
        _value(came, "a message that just fits")
        expect.equal(
            came["asked"], [_window(first, alone)], "what stream is asked for a message that just fits"
        )


#: mistake -> what a message says of it
MISJUDGED = {
    "oldest": "keeping the first turns in place of the last",
    "single": "dropping single messages: an answer stands there without its question",
    "holes": "leaving out a turn that does not fit and taking older ones",
    "strict": "asking for less than the budget, which may be used up",
    "unsaid": "counting the turns without the system's message and the new one",
    "all": "not looking at the budget",
    "unframed": "adding up counts of single messages, in place of counting the whole list",
}


def _history(turns: Sequence[tuple[str, str]], form: str) -> list[dict[str, Any]]:
    """A history as Gradio 6 gives it; its contents are texts, or parts, or several parts each."""

    def content(text: str) -> Any:
        if form == "texts":
            return text
        lines = text.split("\n") if form == "many parts" else [text]
        return [{"type": "text", "text": line} for line in lines]

    said = [(role, text) for turn in turns for role, text in zip(("user", "assistant"), turn, strict=True)]
    return [
        {"role": role, "metadata": None, "content": content(text), "options": None} for role, text in said
    ]


def _count(messages: Sequence[Mapping[str, str]], case: _Talk) -> int:
    return case.once + sum(len(message["content"].split()) + case.each for message in messages)


def _window(case: _Talk, budget: int, mistake: str = "") -> list[dict[str, str]]:
    """What a model is asked, or would be with a mistake."""
    system = {"role": "system", "content": case.system}
    new = {"role": "user", "content": case.message}
    past = [
        {"role": role, "content": text}
        for turn in case.turns
        for role, text in zip(("user", "assistant"), turn, strict=True)
    ]

    def fits(kept: Sequence[Mapping[str, str]]) -> bool:
        told = list(kept) if mistake == "unsaid" else [system, *kept, new]
        size = _count(told, case)
        if mistake == "unframed":
            size += case.once * (len(told) - 1)
        return mistake == "all" or size < budget + (mistake != "strict")

    step = 1 if mistake == "single" else 2
    kept: list[dict[str, str]] = []
    starts = range(0, len(past), step)
    for start in starts if mistake == "oldest" else reversed(starts):
        piece = past[start : start + step]
        more = [*kept, *piece] if mistake == "oldest" else [*piece, *kept]
        if fits(more):
            kept = more
        elif mistake != "holes":
            break
    return [system, *kept, new]


def _tight(draw: Draw, mistakes: Sequence[str]) -> tuple[_Talk, int]:
    """A long chat, and a budget by which each of these mistakes shows."""
    for _ in range(20_000):
        turns = [
            (_text(draw, draw.random.randrange(1, 9)), _text(draw, draw.random.randrange(1, 9)))
            for _ in range(6)
        ]
        case = _Talk(
            _text(draw, 3), turns, _text(draw, 4), draw.random.choice((2, 3)), draw.random.choice((3, 4))
        )
        kept = _window(case._replace(turns=turns[draw.random.randrange(2, 5) :]), 10**6)
        budget = _count(kept, case) + (0 if "strict" in mistakes else draw.random.randrange(12))
        if _window(case, budget) == kept and all(_window(case, budget, each) != kept for each in mistakes):
            return case, budget
    raise LookupError(f"no chat tells {mistakes} apart")


def _same_window(asked: Any, case: _Talk, budget: int) -> None:
    """The model was asked what it should be; else the message names the mistake."""
    right = _window(case, budget)
    if asked == right:
        return
    expect.each_of(asked, dict, "what stream is asked")
    guess = next((words for name, words in MISJUDGED.items() if _window(case, budget, name) == asked), None)
    size = _count(right, case)
    came = f"{len(asked)} messages" + (f": that comes of {guess}" if guess else f": {expect.show(asked)}")
    raise Failed(
        Rung.WRONG_VALUE,
        f"stream to be asked {len(right)} messages, {size} tokens by count, with a budget of {budget}",
        came,
    )


def talked(plan: dict) -> dict:
    """What the learner's function shows, and what its model is asked."""
    import copy

    import gradio as gr

    asked: list[list] = []
    given: list[str] = []  # pieces of the answer
    taken: list[int] = []  # how many had been given when each text was shown

    def count(messages: list) -> int:
        for message in messages:
            if not isinstance(message["content"], str):
                raise TypeError("count takes messages whose content is a text")
        return plan["once"] + sum(len(message["content"].split()) + plan["each"] for message in messages)

    def stream(messages: list) -> Any:
        asked.append(copy.deepcopy(list(messages)))
        for piece in plan["pieces"]:
            given.append(piece)
            yield piece

    reply = make_reply(stream, count, plan["budget"], plan["system"])
    history = copy.deepcopy(plan["history"])
    came: dict[str, Any] = {}
    kind = ""
    try:
        made = reply(plan["message"], history)
        if hasattr(made, "__next__"):
            came["value"] = []
            for text in made:
                came["value"].append(text)
                taken.append(len(given))
        else:
            kind = type(made).__name__
    except gr.Error as error:
        came["error"] = str(error.message)
    except NotImplementedError:
        raise
    except Exception as error:
        came["crash"] = f"{type(error).__name__}: {error}"
    return came | {"kind": kind, "asked": asked, "changed": history != plan["history"], "taken": taken}


# q5: the card

COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
TITLES = ("Reviews: {}", 'The "{}" desk', "#1 in {}", "{}'s letters", "[{}]")


@exercise.question(
    "q5",
    title="The card's first lines",
    points=4,
    difficulty=2,
    needs=("card_faults", "mended"),
    lesson=FOLDER + "#The card's first lines",
    hints=(
        "Which faults does YAML itself find, and which does it read without a word as something else than "
        "was meant?",
        "Split at the lines that are exactly ---, at most twice: the body may have such lines as well, "
        "and a title may have --- within it. "
        "yaml.safe_load gives 6.1 for 6.10 without quotes, True for yes, and a list or None where there is "
        "no table: isinstance tells. True is an int, too. To mend, change the dict and write it by "
        "yaml.safe_dump(…, allow_unicode=True, sort_keys=False), which puts quotes where they are needed; "
        "the body is what stood behind the second line ---.",
        "A label on a jar, checked:\n"
        "label = yaml.safe_load(text)\n"
        "faults = []\n"
        'if not isinstance(label.get("year"), int) or isinstance(label["year"], bool):\n'
        '    faults.append("year")',
    ),
)
def card(answer: Answer, draw: Draw) -> None:
    town = draw.random.choice(("Elmby", "Fenby", "Saltmarsh"))
    files = {
        "gradio": ["README.md", "app.py", "main.py", "requirements.txt"],
        "static": ["README.md", "index.html", "page.html", "style.css"],
        "docker": ["README.md", "Dockerfile", "server.py"],
    }

    def judge(told: str, wanted: Sequence[str], text: str, there: Sequence[str]) -> None:
        found = answer.call("card_faults", text, list(there))
        expect.type_of(found, (list, tuple, set), "card_faults(text, files)")
        expect.equal(sorted(map(str, found)), sorted(wanted), f"the faults of {told}")

    sound = {sdk: _front(draw, sdk, town) for sdk in files}
    with part("sound cards, and no header", points=1):
        for sdk, front in sound.items():
            judge(f"a sound card of a {sdk} Space", [], _card(front), files[sdk])
        whole = _card(sound["gradio"])
        judge("a card with a blank line above its header", ["header"], "\n" + whole, files["gradio"])
        judge("a card without a header", ["header"], whole.split("---\n", 2)[2], files["gradio"])
        judge(
            "a card whose header is a list", ["header"], "---\n- title\n- sdk\n---\nText\n", files["gradio"]
        )
        judge("a card whose first line is ----", ["header"], "-" + whole, files["gradio"])
        judge("a card whose header is empty", ["header"], "---\n---\n# Text\n", files["gradio"])
        judge("a card whose header is a comment", ["header"], "---\n# title: A\n---\n", files["gradio"])
        dashes = _card(sound["static"] | {"title": f"{town} --- by boat"})
        judge("a sound card whose title has --- within it", [], dashes, files["static"])
        open_end = whole.split("\n---\n")[0] + "\n"
        judge("a card whose header has no end", ["header"], open_end, files["gradio"])
        colon = _card(sound["static"] | {"title": f"Reviews: {town}"}, plain=("title",))
        judge("a card whose title has a colon and no quotes", ["header"], colon, files["static"])
    with part("values that YAML reads as something else", points=1):
        for name, value in (("sdk_version", "6.10"), ("title", "2026"), ("title", "yes")):
            text = _card(sound["gradio"] | {name: value}, plain=(name,))
            judge(f"a card with the line `{name}: {value}`", [name], text, files["gradio"])
        for port in ("'7860'", "yes", "70000", "65536", "", "0"):
            text = _card(sound["docker"] | {"app_port": port}, plain=("app_port",))
            judge(
                f"a card of a docker Space with the line `{f'app_port: {port}'.strip()}`",
                ["app_port"],
                text,
                files["docker"],
            )
        for name in ("app_file", "colorTo"):
            text = _card(sound["gradio"] | {name: ""}, plain=(name,))
            judge(f"a card with the line `{name}:` and nothing behind it", [name], text, files["gradio"])
        port_of_gradio = _card(sound["gradio"] | {"app_port": "none"})
        judge("a Gradio Space's card with an app_port", [], port_of_gradio, files["gradio"])
    with part("values that are missing, or that the Hub does not know", points=1):
        for sdk, name, value in _unknown(draw):
            front = {key: each for key, each in (sound[sdk] | {name: value}).items() if each is not None}
            told = f"a card of a {sdk} Space " + (f"with {name}: {value}" if value else f"without {name}")
            judge(told, [name], _card(front), files[sdk])
        for sdk, file in (("gradio", "app.py"), ("static", "index.html"), ("docker", "Dockerfile")):
            front = {name: value for name, value in sound[sdk].items() if name != "app_file"}
            told = f"a card of a {sdk} Space that names no app_file"
            judge(told, [], _card(front), files[sdk])
            judge(
                f"{told}, beside no {file}", ["app_file"], _card(front), [n for n in files[sdk] if n != file]
            )
        named = _card(sound["docker"] | {"app_file": "server.py"})
        beside = [name for name in files["docker"] if name != "Dockerfile"]
        judge("a Docker Space's card with an app_file, beside no Dockerfile", ["app_file"], named, beside)
        named = _card(sound["docker"] | {"app_file": "main.py"})
        judge("a Docker Space's card with an app_file that is not there", [], named, files["docker"])
        several = sound["gradio"] | {"colorTo": "cyan", "app_file": "demo.py", "title": ""}
        judge("a card with three faults", ["app_file", "colorTo", "title"], _card(several), files["gradio"])
    with part("mended, and nothing else touched", points=1):
        body = f"\n# {town}\n\n---\n\ntitle: not this one\n---\nno newline at the end"
        for title in TITLES:
            changes = {"title": title.format(town), "sdk_version": f"{draw.random.randrange(5, 8)}.10"}
            _mended(answer, sound["gradio"], _card(sound["gradio"], body), body, changes)
        front = sound["static"] | {"title": f"{town} --- by boat"}
        changes = {"short_description": f"Boats: {town}"}
        told = "a card with --- in its title, to which a name is added"
        _mended(answer, front, _card(front, body), body, changes, told)
        lines = _card(sound["static"], body, without=("title",))
        lines = lines.replace("---\n", f"---\ntitle: >-\n  {town}\n  by night\ntags:\n- tides\n- boats\n", 1)
        front = sound["static"] | {"title": f"{town} by night", "tags": ["tides", "boats"]}
        told = "a card with values of several lines"
        _mended(answer, front, lines, body, {"title": f"{town}: by day", "tags": ["day"]}, told)


def _front(draw: Draw, sdk: str, town: str) -> dict[str, Any]:
    """A header in which all is well."""
    front: dict[str, Any] = {
        "title": draw.random.choice(TITLES).format(town),
        "emoji": draw.random.choice("🐟🚢🛶🌊"),
        "colorFrom": draw.random.choice(COLOURS),
        "colorTo": draw.random.choice(COLOURS),
        "sdk": sdk,
        "license": draw.random.choice(("mit", "apache-2.0")),
        "pinned": False,
    }
    more: dict[str, dict[str, Any]] = {
        "gradio": {"sdk_version": f"6.{draw.random.randrange(1, 9)}0", "app_file": "main.py"},
        "static": {"app_file": "page.html"},
        "docker": {"app_port": draw.random.choice((7860, 8000, 80, 65535))},
    }
    return front | more[sdk]


def _card(
    front: Mapping[str, Any],
    body: str = "\n# A Space\n\nText.\n\n---\nsdk: none\n",
    plain: tuple = (),
    without: tuple = (),
) -> str:
    """A card; plain: names whose values stand there without quotes, whatever YAML makes of them."""
    lines = [
        f"{name}: {value if name in plain else json.dumps(value, ensure_ascii=False)}"
        for name, value in front.items()
        if name not in without
    ]
    return "---\n" + "\n".join(lines) + "\n---\n" + body


def _unknown(draw: Draw) -> list[tuple[str, str, Any]]:
    """(kind of Space, name, value): faults of one value; None where the line is missing."""
    return [
        ("static", "sdk", "streamlit"),
        ("static", "sdk", draw.random.choice(("Static", "html"))),
        ("gradio", "sdk", None),
        ("gradio", "title", None),
        ("gradio", "sdk_version", None),
        ("docker", "colorFrom", draw.random.choice(COLOURS).capitalize()),
        ("static", "colorTo", draw.random.choice(("cyan", "grey", "orange"))),
        ("gradio", "app_file", draw.random.choice(("demo.py", "src/main.py"))),
        ("static", "app_file", "home.html"),
    ]


def _mended(
    answer: Answer,
    front: Mapping[str, Any],
    card_text: str,
    body: str,
    changes: Mapping[str, Any],
    told: str = "",
) -> None:
    import yaml

    what = f"mended(text, {expect.show(dict(changes))})" + (f", of {told}," if told else "")
    text = answer.call("mended", card_text, dict(changes))
    expect.type_of(text, str, what)
    expect.true(text.startswith("---\n"), f"{what} to begin with a line ---", expect.show(text))
    header, line, rest = text[4:4000].partition("\n---\n")
    expect.true(bool(line), f"a second line --- in {what}", expect.show(text))
    try:
        found = yaml.safe_load(header)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise Failed(
            Rung.WRONG_VALUE, f"the header of {what} to be YAML", f"{reason}: {expect.show(header)}"
        ) from None
    expect.equal(found, dict(front) | dict(changes), f"the header of {what}, as YAML reads it")
    expect.true(rest == body, f"the text under the header to stay as it was in {what}", expect.show(rest))


# q6: a Dockerfile

BASES = ("python:3.12-slim", "python:3.11.9", "debian:12.7-slim", "localhost:5000/base:1.4")
DIGEST = "@sha256:" + "0123456789abcdef" * 4


@exercise.question(
    "q6",
    title="What a Dockerfile gives away",
    points=3,
    difficulty=3,
    needs=("dockerfile_faults",),
    lesson=FOLDER + "#A Space from a Dockerfile",
    hints=(
        "Read it as Docker does: which lines belong together, which are comments, and which line is the one "
        "that counts where an instruction comes twice?",
        "Put lines that end in \\ together with the next one first, and drop comments. An instruction is the "
        "first word, in any case. A colon belongs to a tag only behind the last slash; a stage that an "
        "earlier FROM … AS named is no image. USER before the last FROM belongs to another stage.",
        "A ship's orders, the last helmsman counts:\n"
        "helmsman = None\n"
        'for word, _, rest in (line.strip().partition(" ") for line in orders.splitlines()):\n'
        '    if word.upper() == "HELM":\n'
        "        helmsman = rest.strip()",
    ),
)
def dockerfile(answer: Answer, draw: Draw) -> None:
    port = draw.random.choice((7860, 8000, 8501))

    def judge(fault: str, there: bool, told: str, text: str) -> None:
        found = answer.call("dockerfile_faults", text, port)
        expect.type_of(found, (list, tuple, set), "dockerfile_faults(text, port)")
        expect.true(
            (fault in found) == there,
            f"dockerfile_faults {'to name' if there else 'not to name'} {fault!r} for {told}",
            f"{expect.show(found)} for {_telling(text)}",
        )

    user = draw.random.choice(("user", "1000", "app:app", "1000:1000"))
    name = draw.random.choice(("HF_TOKEN", "API_KEY"))
    faulty = _dockerfile("python", "", port, f"ENV {name}=abc", "CMD python app.py")
    with part("a base image without its version", points=1):
        for base in (*BASES, "python:3.12" + DIGEST, "python" + DIGEST):
            judge("unpinned", False, f"the image {base}", _dockerfile(base, user, port))
        judge("unpinned", True, "a file with all four faults", faulty)
        for base in ("python", "python:latest", "localhost:5000/base", "ghcr.io/team/base"):
            judge("unpinned", True, f"the image {base}", _dockerfile(base, user, port))
        stages = _dockerfile("python:3.12-slim AS build", user, port) + _dockerfile("build", user, port)
        judge("unpinned", False, "a stage that is named after an earlier one", stages)
        judge("unpinned", False, "a stage named by `as` in small letters", stages.replace(" AS ", " as "))
        later = _dockerfile("base", user, port) + _dockerfile("python:3.12-slim AS base", user, port)
        judge("unpinned", True, "an image whose name a later stage has", later)
        for base, there in (("python:3.12-slim", False), ("python", True)):
            told = f"the image {base} behind --platform=linux/amd64"
            judge("unpinned", there, told, _dockerfile(f"--platform=linux/amd64 {base}", user, port))
        first = "from node as page\nRUN npm ci\n" + _dockerfile("python:3.12-slim", user, port)
        judge("unpinned", True, "a first stage without a version, in small letters", first)
    with part("a program that runs as root", points=1):
        for name in (user, "rootless"):
            judge("root", False, f"USER {name}", _dockerfile("python:3.12-slim", name, port))
        judge("root", True, "a file with all four faults", faulty)
        for name in ("", "root", "0", "root:root", "0:0"):
            told = f"USER {name}" if name else "a file without USER"
            judge("root", True, told, _dockerfile("python:3.12-slim", name, port))
        comment = _dockerfile("python:3.12-slim", "", port).replace("WORKDIR", "# USER user\nWORKDIR")
        judge("root", True, "USER in a comment only", comment)
        told = "a comment above USER that ends in a backslash, which goes on nowhere"
        comment = _dockerfile("python:3.12-slim", user, port).replace("USER", "# not as root: \\\nUSER")
        judge("root", False, told, comment)
        back = _dockerfile("python:3.12-slim", user, port).replace("CMD", "User root\nCMD")
        judge("root", True, "a USER that is taken back", back)
        stages = _dockerfile("python:3.12-slim", user, port) + _dockerfile("python:3.12-slim", "", port)
        judge("root", True, "a USER in an earlier stage only", stages)
    with part("another port, and a secret", points=1):
        _ports_and_secrets(draw, judge, port)
        for fault in ("port", "secret"):
            judge(fault, True, "a file with all four faults", faulty)


#: lines of every Dockerfile here
STEPS = (
    "RUN useradd -m -u 1000 user && \\", "    mkdir -p /home/user/app", "WORKDIR /home/user/app",
    "COPY requirements.txt .", "RUN pip install -r requirements.txt", "COPY . .",
)  # fmt: skip


def _dockerfile(base: str, user: str, port: int, more: str = "", command: str = "") -> str:
    command = command or f'CMD ["uvicorn", "server:app", "--host", "0.0.0.0", "--port", "{port}"]'
    first, last = STEPS[:2], STEPS[2:]
    lines = [f"FROM {base}", *first, more, *last, f"USER {user}" if user else "", command]
    return "\n".join(lines) + "\n"


def _telling(text: str) -> str:
    """A Dockerfile for a message: without the lines that are the same in every one."""
    lines = (line.strip() for line in text.splitlines() if line not in STEPS)
    return "(…) " + " | ".join(line for line in lines if line)


def _ports_and_secrets(draw: Draw, judge: Callable[[str, bool, str, str], None], port: int) -> None:
    def asking(command: str) -> str:
        return _dockerfile("python:3.12-slim", "user", port, command=command)

    shell = "CMD uvicorn server:app --host 0.0.0.0"
    for there, told, command in (
        (False, "a CMD in brackets", ""),
        (False, "a CMD of the shell's", f"{shell} --port {port}"),
        (False, "a CMD with --port=…", f"cmd exec uvicorn server:app --port={port}"),
        (False, "a CMD of two lines", f"{shell} \\\n    --port {port}"),
        (
            False,
            "a CMD that an earlier one is overruled by",
            f"{shell} --port {port + 1}\n{shell} --port {port}",
        ),
        (True, "a CMD with another port", f"{shell} --port {port + 1}"),
        (True, "a CMD with a longer number", f"{shell} --port={port}1"),
        (True, "a CMD without --port", shell),
        (True, "a port that only EXPOSE names", f"EXPOSE {port}\n{shell}"),
        (True, "a CMD that overrules an earlier one", f"{shell} --port {port}\n{shell} --port {port + 1}"),
        (False, "a CMD with an ENTRYPOINT below it", f'{shell} --port {port}\nENTRYPOINT ["./start.sh"]'),
    ):
        judge("port", there, told, asking(command))
    name = draw.random.choice(("HF_TOKEN", "MAIL_PASSWORD", "API_KEY", "STORE_SECRET"))
    value = f"v{draw.random.randrange(10**8)}"
    for there, told, more in (
        (False, "plain variables", "ENV HOME=/home/user PATH=/home/user/.local/bin:$PATH"),
        (False, "a secret that is mounted", f"RUN --mount=type=secret,id={name} cat /run/secrets/{name}"),
        (False, "a variable that speaks of tokens", "ENV MOST_TOKENS=256 KEYBOARD=de"),
        (False, "an ARG without a value", f"ARG {name}"),
        (False, "an ENV in a comment", f"# ENV {name}={value}"),
        (True, f"ENV {name}=…", f"ENV {name}={value}"),
        (True, f"ENV {name} …", f"ENV {name} {value}"),
        (True, f"ARG {name}=…", f"arg {name}={value}"),
        (True, f"{name} as the second of an ENV", f'ENV HOME="/home/user" {name}="{value}"'),
        (True, f"{name} in the second line of an ENV", f"ENV HOME=/home/user \\\n    {name.lower()}={value}"),
    ):
        judge("secret", there, told, _dockerfile("python:3.12-slim", "user", port, more))


# q7: what is installed

KNOWN = {"sklearn": "scikit-learn", "PIL": "pillow", "yaml": "PyYAML", "ruamel": "ruamel.yaml"}


@exercise.question(
    "q7",
    title="Packages that nobody installs",
    points=2,
    difficulty=2,
    needs=("missing_packages",),
    lesson=FOLDER + "#What gets installed",
    hints=(
        "Which lines of a file bring something in, and which only look as if they did? And when do two names "
        "mean the same package?",
        "ast.walk over ast.parse(text) finds imports also within functions, and none in texts and comments; "
        "of `from . import x` the level is not 0. sys.stdlib_module_names has Python's own. A requirement's "
        "name ends where [, =, <, >, !, ~, ;, @, # or a space begins; write names in small letters with one "
        "kind of line between their parts before you compare.",
        "Which of a recipe's things are not in the larder:\n"
        'same = lambda name: name.replace("_", "-").lower()\n'
        "there = {same(line.split()[0]) for line in larder.splitlines() if line.strip()}\n"
        "[thing for thing in recipe if same(thing) not in there]",
    ),
)
def packages(answer: Answer, draw: Draw) -> None:
    def judge(told: str, wanted: Sequence[str], files: Mapping[str, str]) -> None:
        found = answer.call("missing_packages", dict(files), dict(KNOWN))
        expect.type_of(found, (list, tuple, set), "missing_packages(files, known)")
        expect.equal(sorted(map(str, found)), sorted(wanted), f"the packages that are missing, {told}")

    other = draw.random.choice(("httpx", "pandas", "fastapi", "polars"))
    app = (
        '"""Tides.\n\nimport seaborn\nfrom rope import knots\n"""\nimport os, tiktoken, tqdm\n'
        f"import {other}.types as kinds\nfrom PIL import Image\nimport ruamel.yaml\n"
        "from . import near\nimport helper\nfrom parts.tide import level\n\n\n"
        "def load():\n    # import plotly\n"
        "    from sklearn.svm import SVC\n    import yaml\n    return SVC\n"
    )
    files = {"app.py": app, "helper.py": "import torch\nimport app\n", "notes.txt": "import rich\n"}
    files |= {"parts/__init__.py": "", "parts/tide.py": "import math\n"}
    every = [other, "pillow", "scikit-learn", "PyYAML", "ruamel.yaml", "tiktoken", "torch", "tqdm"]
    with part("what is imported", points=1):
        judge("without any requirements", every, files | {"requirements.txt": ""})
        near = f"torchvision==0.20\nnot-{other}\n"
        judge("without a requirements.txt", every, files)
        judge("where others have similar names", every, files | {"requirements.txt": near})
    with part("what is installed, however it is written", points=1):
        lines = (
            f"# what the app needs\n{other.upper()}[extra]>=1.0,<9 ; python_version > '3.9'\n"
            "# torch==2.9 is too large\nruamel-yaml\ntiktoken\ntqdm\n"
            "scikit_learn ==1.5\n\npyyaml~=6.0  # for the settings\n"
            "Pillow @ https://example.org/pillow.whl\n-r more.txt\n"
        )
        judge("where one is", ["torch"], files | {"requirements.txt": lines})
        judge("where none is", [], files | {"requirements.txt": lines + "torch\n"})


# q8: which machine

MONTH = 30 * 24 * 60  # minutes


@exercise.question(
    "q8",
    title="Which machine, at what price",
    points=4,
    difficulty=2,
    needs=("awake_minutes", "choose_hardware"),
    lesson=FOLDER + "#Which machine",
    hints=(
        "Draw the visits on a line, each with the minutes that the machine stays awake after it. What do you "
        "pay for where two of them overlap?",
        "Sort the visits by their beginning. Go through them and keep until when the machine is awake: a "
        "visit adds only what lies behind that. Nothing behind the month's last minute counts. To choose, "
        "keep the rows that are on offer and large enough, then min(…, key=…) with a tuple: price first, "
        "then what decides among equals, with a minus sign where more is better.",
        "The cheapest boat, and of equally cheap ones the longer:\n"
        'min(boats, key=lambda boat: (boat["price"], -boat["length"]))',
    ),
)
def hardware(answer: Answer, draw: Draw) -> None:
    visits, sleep = _visits(draw)

    def awake(given: Sequence[tuple[int, int]], after: int | None, told: str) -> None:
        found = answer.call("awake_minutes", [tuple(visit) for visit in given], after)
        wanted = _awake(given, after)
        expect.number(found, f"awake_minutes(visits, {after})")
        if abs(found - wanted) > 1e-6:
            guess = next((why for name, why in ASLEEP.items() if _awake(given, after, name) == found), "")
            came = f"{found:g}" + (f": that comes of {guess}" if guess else "")
            raise Failed(
                Rung.WRONG_VALUE,
                f"awake_minutes(visits, {after}) to be {wanted} for {told}: {expect.show(list(given))}",
                came,
            )

    with part("visits that are far apart, and a machine that never sleeps", points=1):
        apart = [(1000, 20), (5000 + draw.random.randrange(99), 7)]
        awake(apart, sleep, "two visits")
        awake(apart, None, "a machine that never sleeps")
        awake([], sleep, "no visits")
        awake([], None, "a machine that never sleeps, without visits")
        awake(apart, 0, "a machine that sleeps as soon as a visit ends")
    with part("visits that overlap, in any order, and the month's end", points=1):
        awake(visits, sleep, "overlapping visits")
        awake([*apart, (MONTH - 10, 5)], sleep, "a visit shortly before the month's end")
        awake([(MONTH - 15, 40), *apart], sleep, "a visit over the month's end")
    with part("the cheapest machine that is large enough", points=1):
        _choices(answer, draw, apart, sleep)
    with part("equal prices, a budget, and what is not on offer", points=1):
        _close_choices(answer, draw, apart, sleep)


#: mistake -> what a message says of it
ASLEEP = {
    "twice": "counting overlapping minutes twice",
    "order": "taking the visits in the order in which they came",
    "end": "counting minutes behind the end of the month",
    "unslept": "leaving out the minutes that the machine stays awake after a visit",
    "inside": "letting a short visit within a long one end it",
}


def _awake(visits: Sequence[tuple[int, int]], sleep: int | None, mistake: str = "") -> int:
    """For how many minutes of a month a machine is awake, or would be with a mistake."""
    if sleep is None:
        return MONTH
    until, total = 0, 0
    for begin, minutes in visits if mistake == "order" else sorted(visits):
        end = begin + minutes + (0 if mistake == "unslept" else sleep)
        end = end if mistake == "end" else min(end, MONTH)
        total += max(0, end - (begin if mistake == "twice" else max(begin, until)))
        until = end if mistake == "inside" else max(until, end)
    return total


def _visits(draw: Draw) -> tuple[list[tuple[int, int]], int]:
    """Visits out of order, some within others, on which each mistake shows; and the minutes until sleep."""
    for _ in range(20_000):
        sleep = draw.random.choice((15, 30, 60))
        first = draw.random.randrange(100, 2000)
        visits = [(first + draw.random.randrange(400), draw.random.randrange(2, 200)) for _ in range(6)]
        visits += [(first + 3000, 100), (first + 3010, 5), (first + 3060, 20), (first + 3150 + sleep, 5)]
        draw.random.shuffle(visits)
        right = _awake(visits, sleep)
        if all(_awake(visits, sleep, each) != right for each in ASLEEP if each != "end"):
            return visits, sleep
    raise LookupError("no visits tell the mistakes apart")


def _machines(draw: Draw) -> list[dict[str, Any]]:
    """Machines as a price list has them, in no order."""
    step = draw.random.choice((0.05, 0.1))
    rows = [("cpu-basic", 16, 0, 0.0), ("cpu-upgrade", 32, 0, 0.03)]
    rows += [("t4-small", 15, 16, 0.4), ("t4-medium", 30, 16, 0.6), ("l4x1", 30, 24, 0.8)]
    rows += [("a10g-large", 46, 24, 1.5), ("l40sx1", 62, 48, 1.8), ("a100-large", 142, 80, 2.5)]
    table = [
        {"name": name, "memory": memory, "gpu_memory": gpu, "price": round(price + (price > 0) * step, 2)}
        for name, memory, gpu, price in rows
    ]
    draw.random.shuffle(table)
    return table


def _chosen(
    answer: Answer, table: Sequence[Mapping[str, Any]], need: Mapping[str, Any], wanted: str | None, told: str
) -> None:
    found = answer.call("choose_hardware", [dict(row) for row in table], dict(need))
    what = f"choose_hardware(table, {expect.show({n: v for n, v in need.items() if n != 'visits'})}), {told},"
    if wanted is None:
        expect.true(found is None, f"{what} to be None", expect.show(found))
        return
    expect.type_of(found, (tuple, list), what)
    expect.length(found, 2, what)
    expect.equal(found[0], wanted, f"the name that {what} gives")
    price = next(row["price"] for row in table if row["name"] == wanted)
    cost = price * _awake(need["visits"], need["sleep"]) / 60
    expect.close(found[1], cost, f"the month's price that {what} gives", tolerance=0.005 + cost * 1e-6)


def _choices(answer: Answer, draw: Draw, visits: Sequence[tuple[int, int]], sleep: int) -> None:
    table = _machines(draw)
    need: dict[str, Any] = {"visits": [tuple(visit) for visit in visits], "sleep": sleep, "budget": 10_000}
    for memory, gpu, wanted in (
        (16, 0, "cpu-basic"),
        (draw.random.randrange(17, 31), 0, "cpu-upgrade"),
        (15, 16, "t4-small"),
        (16, 10, "t4-medium"),
        (40, 20, "a10g-large"),
        (draw.random.randrange(63, 143), 1, "a100-large"),
        (143, 0, None),
        (1, 81, None),
    ):
        told = f"which needs {memory} GB of memory and {gpu} GB on the GPU"
        _chosen(answer, table, need | {"memory": memory, "gpu_memory": gpu}, wanted, told)


def _close_choices(answer: Answer, draw: Draw, visits: Sequence[tuple[int, int]], sleep: int) -> None:
    need: dict[str, Any] = {
        "visits": [tuple(visit) for visit in visits], "sleep": sleep, "memory": 20, "gpu_memory": 8,
        "budget": 10_000,
    }  # fmt: skip
    rows = [("one", 30, 16, 1.0), ("two", 60, 24, 1.0), ("three", 30, 24, 1.0), ("four", 90, 16, 1.0)]
    table = [
        {"name": name, "memory": memory, "gpu_memory": gpu, "price": price}
        for name, memory, gpu, price in rows
    ]
    draw.random.shuffle(table)
    for rows_in_order in (table, table[::-1]):
        _chosen(answer, rows_in_order, need, "two", "where all cost the same")
    taken = [row | {"price": None} if row["name"] == "two" else row for row in table]
    _chosen(answer, taken, need, "three", "where the best has no price (is not on offer)")
    gone = [row | {"price": None} for row in table]
    _chosen(answer, gone, need, None, "where nothing is on offer")
    cost = _awake(visits, sleep) / 60
    _chosen(answer, table, need | {"budget": cost + 0.01}, "two", "which just keeps to the budget")
    _chosen(answer, table, need | {"budget": cost - 0.01}, None, "which costs a cent more than the budget")
    _chosen(
        answer, table, need | {"sleep": None, "budget": 719}, None, "which never sleeps, with 719 to spend"
    )
    free = [*table, {"name": "free", "memory": 24, "gpu_memory": 8, "price": 0.0}]
    _chosen(answer, free, need | {"budget": 0}, "free", "which costs nothing, with nothing to spend")


# q9: what must not leave this machine

NEVER = (".env", "*.pem", "id_rsa*", ".git", "__pycache__")


@exercise.question(
    "q9",
    title="Nothing secret in the folder",
    points=3,
    difficulty=2,
    needs=("not_for_upload",),
    lesson=SCRIPT + "#Nothing secret in the folder",
    hints=(
        "In which forms can a value stand in a file, and which files stay here whatever stands in them? "
        "A file can have both reasons.",
        "Path.rglob('*') finds files in folders, hidden ones as well; read_bytes reads every file, "
        "read_text only those that are text. base64.b64encode(value.encode()) gives bytes, too. "
        "relative_to(folder).parts are a path's names: fnmatch one after the other. An empty value is in "
        "every file.",
        "Which crates hold which goods, by number only:\n"
        "found = {}\n"
        "for crate in hold.iterdir():\n"
        "    numbers = [number for number, mark in goods.items() if mark in crate.read_bytes()]\n"
        "    if numbers:\n"
        "        found[crate.name] = sorted(numbers)",
    ),
)
def secrets_in_files(answer: Answer, draw: Draw) -> None:
    names = draw.sample(("HF_TOKEN", "MAIL_PASSWORD", "MAP_KEY", "STORE_SECRET", "API_TOKEN"), 3)
    secrets = {name: f"{name[:2].lower()}_{draw.random.randrange(10**15):015}" for name in names}
    one, two, three = names
    hidden = base64.b64encode(secrets[three].encode())
    clean = {
        "app.py": f'import os\n\nTOKEN = os.environ["{one}"]\n'.encode(),
        "README.md": b"---\nsdk: gradio\n---\n",
        "assets/logo.bin": bytes(range(256)),
        ".env.example": f"{one}=\n".encode(),
        "environment.yml": b"name: app\n",
    }
    mine = answer.given(searched)

    def judge(
        told: str,
        files: Mapping[str, bytes],
        wanted: Mapping[str, Sequence[str]],
        above: str = "site",
        **more: str,
    ) -> None:
        found = mine.call("searched", dict(files), secrets | more, list(NEVER), above)
        what = f"not_for_upload(folder, secrets, never), {told},"
        expect.type_of(found, dict, what)
        for name, value in secrets.items():
            expect.true(
                value not in str(found), f"{what} to name {name} and to keep its value to itself", "the value"
            )
        expect.equal(sorted(map(str, found)), sorted(wanted), f"the files that {what} names")
        for path, told_of in wanted.items():
            expect.type_of(found[path], (list, tuple, set), f"what {what} says of {path}")
            expect.equal(sorted(map(str, found[path])), sorted(told_of), f"what {what} says of {path}")

    with part("a clean folder, and values in files of any kind", points=1):
        judge("of a clean folder", clean, {})
        leaky = {
            "config.py": f'KEY = "{secrets[one]}"\nOTHER = "{secrets[two]}"\n'.encode(),
            "notes/run.ipynb": json.dumps({"outputs": [f"token {secrets[two]}\n"]}).encode(),
            "assets/cache.bin": b"\x00\xff\xfe" + secrets[three].encode() + b"\x00\x80",
        }
        found = {"config.py": [one, two], "notes/run.ipynb": [two], "assets/cache.bin": [three]}
        judge("of a folder with three leaks", clean | leaky, found)
        late = {"log.txt": b"tide\n" * draw.random.randrange(30_000, 60_000) + secrets[one].encode()}
        judge("of a folder with a value at the end of a long file", clean | late, {"log.txt": [one]})
        umlaut = f"grün-{draw.random.randrange(10**9)}"
        spoken = {"site.toml": f'word = "{umlaut}"\n'.encode()}
        judge("of a folder with a value with ü", clean | spoken, {"site.toml": ["WORD"]}, WORD=umlaut)
    with part("in base64, and a secret that is still empty", points=1):
        encoded = {"job.yaml": b"data:\n  value: " + hidden + b"\n"}
        judge("of a folder with a value in base64", clean | encoded, {"job.yaml": [three]})
        judge("with a secret that is still empty", clean | encoded, {"job.yaml": [three]}, EMPTY="")
    with part("files that never leave", points=1):
        never = {
            ".env": f"{one}={secrets[one]}\n".encode(),
            "deploy/.env": b"PORT=7860\n",
            "keys/server.pem": b"-----BEGIN\n",
            "id_rsa.pub": b"ssh-rsa\n",
            ".git/config": b"[core]\n",
            "src/__pycache__/app.pyc": b"\x00",
            ".git/keys/site.pem": b"-----BEGIN\n",
        }
        wanted = {path: ["never"] for path in never} | {".env": [one, "never"]}
        judge("of a folder with a key, .env and .git", clean | never, wanted)
        judge(
            "of a clean folder that lies in another one called .git (no part of the path)", clean, {}, ".git"
        )


def searched(files: dict, secrets: dict, never: list, above: str) -> object:
    """What the learner's function finds in a folder with these files, which lies in one called `above`."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / above / "app"
        for path, content in files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return not_for_upload(folder, dict(secrets), list(never))


# q10: deploy


@exercise.question(
    "q10",
    title="Deployed by a script, twice",
    points=5,
    difficulty=3,
    needs=("deploy",),
    lesson=SCRIPT + "#One command",
    hints=(
        "The Space begins to build when its files arrive. What has to be there by then? And what would a "
        "second call break that the first one made?",
        "create_repo has private=, space_sdk= and exist_ok=, and leaves a Space that is there as it is. "
        "add_space_secret and add_space_variable set one name each, anew each time. upload_folder makes one "
        "commit, has ignore_patterns=, and makes none where nothing has changed; what it returns has the "
        "commit's id as .oid. A pattern is compared with the whole path from the folder: *.txt matches "
        "data/names.txt, but names.txt does not.",
        "The same for a data set, without secrets:\n"
        'api.create_repo(repo_id, repo_type="dataset", exist_ok=True)\n'
        'api.upload_folder(repo_id=repo_id, repo_type="dataset", folder_path=folder, '
        'allow_patterns=["*.csv"]).oid',
    ),
    seconds=120,
)
def deployed(answer: Answer, draw: Draw) -> None:
    plan = _deployment(draw)
    came = answer.given(deploying).call("deploying", plan)
    expect.keys(came, ("calls", "other"), "what deploy does")
    came, other = came["calls"], came["other"]
    expect.each_of(came, dict, "the Space after each call")
    expect.length(came, len(plan["rounds"]), "the Space after each call")
    views = [_space(each, plan["repo_id"]) for each in came]
    first, second, third = came
    with part("a private Space with the folder's files, in one commit", points=1):
        expect.true(views[0].private, "the new Space to be private", "it is public")
        for sdk, kinds in ((plan["sdk"], first["kinds"]), (plan["other"]["sdk"], other)):
            expect.true(
                list(kinds) == [sdk],
                f"a new Space whose card says sdk: {sdk} to be of that kind (space_sdk)",
                f"the kind {', '.join(map(str, kinds))}" if kinds else "no Space",
            )
        _ran(first, 1)
        _same_files(views[0], plan["rounds"][0]["files"], plan["left_out"])
        expect.length(views[0].commits(), 2, "the Space's commits: the Hub's own, and yours")
    with part("secrets by name, before the files come", points=1):
        for each, round_ in zip(came[:2], plan["rounds"][:2], strict=True):
            _settings_of(each, round_, plan)
        told = first["calls"]
        last = max((place for place, name in enumerate(told) if name in FILLS), default=-1)
        late = [name for name in told[last + 1 :] if name in ("add_space_secret", "add_space_variable")]
        expect.true(not late, "secrets and variables to be set before the files come", " then ".join(told))
    with part("the commit's id", points=1):
        for number, (each, view) in enumerate(zip(came, views, strict=True), 1):
            _ran(each, number)
            expect.type_of(each["returned"], str, f"what call {number} of deploy returns")
            expect.equal(
                each["returned"], view.head(), f"what call {number} of deploy returns: the Space's commit"
            )
    with part("twice is once", points=1):
        _ran(second, 2)
        expect.length(views[1].commits(), 4, "the commits after a colleague's and your second one")
        expect.length(views[2].commits(), 4, "the commits after a third call, where nothing had changed")
        _same_files(views[1], plan["rounds"][1]["files"] | plan["colleague"], plan["left_out"])
    with part("nothing touched that is not its own", points=1):
        expect.true(
            not views[1].private, "a Space that its owner has made public to stay so", "it is private"
        )
        for name in plan["colleague"]:
            expect.true(
                name in views[1].files(), f"{name}, which a colleague put there, to stay", "it is gone"
            )
        expect.true(
            plan["own"] in second["secrets"],
            f"the secret {plan['own']}, which its owner has set on the page, to stay",
            f"only {expect.show(second['secrets'])}",
        )
        expect.true(
            plan["place"] in second["variables"],
            f"the variable {plan['place']}, which its owner has set on the page, to stay",
            f"only {expect.show(sorted(second['variables']))}",
        )
        gone = [name for name in (*first["calls"], *second["calls"], *third["calls"]) if "delete" in name]
        expect.true(not gone, "no call that deletes", ", ".join(gone))


#: the calls that put files into a Space
FILLS = ("upload_folder", "create_commit", "upload_file", "upload_large_folder")


def _deployment(draw: Draw) -> dict[str, Any]:
    sdk, other = draw.sample(("gradio", "docker", "static"), 2)
    secrets = {
        name: f"{name.lower()}_{draw.random.randrange(10**12)}"
        for name in draw.sample(("HF_TOKEN", "MAIL_PASSWORD", "MAP_KEY", "STORE_SECRET"), 2)
    }
    variables = {
        "LANGUAGE": draw.random.choice(("en", "de", "fr")),
        "MOST": str(draw.random.randrange(99, 999)),
    }
    title = f"Desk: {draw.random.randrange(999)}"
    card = f'---\ntitle: "{title}"\nsdk: {sdk}\napp_file: main.py\n---\n# Desk\n'
    files = {
        "README.md": card,
        "main.py": f"ROWS = {draw.random.randrange(10**6)}\n",
        "data/names.txt": "Ada\n",
    }
    told = "".join(f"{name}={value}\n" for name, value in secrets.items())
    one, two = draw.sample(("key", "server", "site", "mail", "root"), 2)
    place = draw.random.choice(("data", "jobs", "jobs/night"))
    left_out = {".env": told, f"{place}/.env": told}
    left_out |= {f"{one}.pem": "-----BEGIN\n", f"data/{two}.pem": "-----BEGIN\n"}
    later = {
        "files": files | {"main.py": "ROWS = 0\n"},
        "secrets": {name: v + "x" for name, v in secrets.items()},
    }
    later |= {"variables": variables | {"MOST": "7"}}
    return {
        "repo_id": f"me/desk-{draw.random.randrange(10**6)}",
        "sdk": sdk,
        "rounds": [{"files": files, "secrets": secrets, "variables": variables}, later, later],
        "left_out": left_out,
        "colleague": {"notes.md": f"{draw.random.randrange(10**6)}\n"},
        "own": "OWNERS_KEY",
        "place": "OWNERS_PLACE",
        "other": {
            "sdk": other,
            "files": {**files, "README.md": f"---\ntitle: Other\nsdk: {other}\n---\n"},
            "secrets": {},
            "variables": {},
        },
    }


def _space(came: Mapping[str, Any], repo_id: str) -> RepositoryView:
    told = ("returned", "error", "calls", "secrets", "variables", "values", "kinds", "hub")
    expect.keys(came, told, "a call of deploy")
    if came["error"] and came["hub"] is None:
        raise Failed(Rung.CRASHED, "deploy(api, repo_id, folder, secrets, variables) to run", came["error"])
    try:
        found = open_store(came["hub"]).repo(repo_id, "space")
        there = found.exists
    except (StoreError, TypeError, KeyError, ValueError) as error:
        raise Failed(Rung.WRONG_VALUE, "a Hub whose files are sound", str(error)) from None
    expect.true(there, f"a Space {repo_id} on the Hub", came["error"] or "nothing of that name")
    return found


def _ran(came: Mapping[str, Any], number: int) -> None:
    if came["error"]:
        raise Failed(Rung.CRASHED, f"call {number} of deploy(api, repo_id, folder, …) to run", came["error"])


def _same_files(view: RepositoryView, wanted: Mapping[str, str], left_out: Iterable[str]) -> None:
    try:
        found = {path: content for path, content in view.folder().items() if path != ".gitattributes"}
    except (LookupError, StoreError) as error:
        raise Failed(Rung.WRONG_VALUE, f"{view.id} to be readable", str(error)) from None
    for path in (path for path in left_out if path in found):
        kept = ".env" if path.endswith(".env") else "*.pem"
        raise Failed(
            Rung.WRONG_VALUE,
            f"{path} to stay here ({kept}, whatever its name and whatever folder it lies in)",
            "it is in the Space",
        )
    expect.equal(sorted(found), sorted(wanted), "the files of the Space")
    for path, text in wanted.items():
        expect.true(found[path] == text.encode(), f"{path} as it is in the folder", expect.show(found[path]))


def _settings_of(came: Mapping[str, Any], given: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
    """Names and values of the secrets and variables of a Space after a call."""
    mine = sorted(name for name in came["secrets"] if name != plan["own"])
    expect.equal(mine, sorted(given["secrets"]), "the names of the Space's secrets")
    found = {name: value for name, value in came["variables"].items() if name != plan["place"]}
    expect.equal(found, given["variables"], "the Space's variables")
    for name, value in given["secrets"].items():
        expect.true(
            came["values"].get(name) == value, f"the secret {name} to get its value", "another value, or none"
        )


def deploying(plan: dict) -> dict:
    """The learner's `deploy` called three times, on a Hub of its own; others are at work after the first.

    What is returned of each call is its result, what was asked of the API, and the Hub; and of what kind
    another Space is, made from another card.
    """
    import logging
    import tempfile
    from pathlib import Path

    import huggingface_hub

    from course_utils.hub import LocalHub

    calls: list[str] = []
    values: dict[str, str] = {}
    kinds: list[Any] = []

    class Recorded(huggingface_hub.HfApi):
        """Notes what is asked of it."""

        def __getattribute__(self, name: str) -> Any:
            found = super().__getattribute__(name)
            public = callable(found) and not name.startswith("_")
            return noted(name, found) if public and not within else found

    within: list[str] = []

    def noted(name: str, found: Any) -> Any:
        def asked(*given: Any, **named: Any) -> Any:
            calls.append(name)
            if name == "add_space_secret":
                all_named = dict(zip(("repo_id", "key", "value"), given)) | named
                values[all_named["key"]] = all_named["value"]
            if name == "create_repo" and not hub.repo((*given, named.get("repo_id"))[0], kind="space").exists:
                kinds.append(named.get("space_sdk"))
                values.update({each["key"]: each["value"] for each in named.get("space_secrets") or ()})
            within.append(name)
            try:
                return found(*given, **named)
            finally:
                within.pop()

        return asked

    def once(folder: Path, given: dict, repo_id: str) -> dict:
        calls.clear()
        for path, text in (given["files"] | plan["left_out"]).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        came: dict[str, Any] = {"returned": None, "error": "", "hub": None, "secrets": [], "variables": {}}
        try:
            returned = deploy(Recorded(), repo_id, folder, dict(given["secrets"]), dict(given["variables"]))
            came["returned"] = None if returned is None else str(returned)
        except NotImplementedError:
            raise
        except Exception as error:
            came["error"] = f"{type(error).__name__}: {error}"
        came |= {"calls": list(calls), "values": dict(values), "kinds": list(kinds)}
        if hub.repo(plan["repo_id"], kind="space").exists:
            api = huggingface_hub.HfApi()
            came["hub"] = hub.snapshot([plan["repo_id"]])
            came["secrets"] = sorted(api.get_space_secrets(plan["repo_id"]))
            found = api.get_space_variables(plan["repo_id"])
            came["variables"] = {name: each.value for name, each in found.items()}
        return came

    def others() -> None:
        """What the Space's owner and a colleague do on its page."""
        api, repo_id = huggingface_hub.HfApi(), plan["repo_id"]
        api.update_repo_settings(repo_id, repo_type="space", visibility="public")
        api.add_space_secret(repo_id, plan["own"], "the owner's")
        api.add_space_variable(repo_id, plan["place"], "the owner's")
        for path, text in plan["colleague"].items():
            api.upload_file(
                path_or_fileobj=text.encode(), path_in_repo=path, repo_id=repo_id, repo_type="space"
            )

    told, came = logging.getLogger("huggingface_hub"), []
    level = told.level
    with LocalHub(seeded=False) as hub, tempfile.TemporaryDirectory() as name:
        told.setLevel(logging.ERROR)  # it warns of a commit that changes nothing, as is right here
        try:
            for number, given in enumerate(plan["rounds"]):
                came.append(once(Path(name), given, plan["repo_id"]))
                if came[-1]["hub"] is None:
                    return {"calls": came * (len(plan["rounds"]) // len(came)), "other": []}
                if number == 0:
                    others()
            kinds.clear()
            once(Path(name), plan["other"], plan["repo_id"] + "-other")
        finally:
            told.setLevel(level)
    return {"calls": came, "other": list(kinds)}


exercise.manual(
    "q11", title="Would you let this go live?", points=4, lesson=SCRIPT + "#A workflow that deploys"
)
