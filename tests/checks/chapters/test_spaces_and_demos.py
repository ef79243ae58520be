"""Every question of exercise 16: the solution, the stub, wrong answers with the message they get, other right ways."""

from functools import partial

import pytest

from course_utils.checks.framework import load_exercise
from course_utils.checks.testing import changed_answer, given_cells, judged_well, replaced

EXERCISE = "16_spaces_and_demos"
given = partial(given_cells, EXERCISE)
changed = partial(changed_answer, EXERCISE)


def test_the_card():
    exercise = load_exercise(EXERCISE)
    assert len(exercise.questions) == 11
    assert exercise.points == 40
    assert [question.name for question in exercise.questions.values() if question.manual] == ["q11"]


def judged(question, *, wrong, right, before=("imports",)):
    return judged_well(EXERCISE, question, wrong=wrong, right=right, before=given(*before))


PREDICT = """
import numpy as np

def prediction_function(model, labels, most):
    class Predict:
        def __call__(self, text):
            stripped = text.strip() if text else ""
            if stripped == "":
                raise gr.Error("Please write a text first.")
            if len(stripped) > most:
                raise gr.Error("Please shorten your text from %d to %d characters." % (len(stripped), most))
            try:
                logits = np.array(model(stripped))
            except BaseException as error:
                raise gr.Error("Please try another text.") from error
            sizes = np.exp(logits - logits.max())
            return dict(zip(labels, sizes / sizes.sum()))
    return Predict()
"""


def test_the_function_of_an_app():
    swap = partial(changed, "q1")
    result = judged(
        "q1",
        wrong={
            swap(("logit - max(logits)", "logit")): "to be answered",
            replaced(PREDICT, (" - logits.max()", "")): "confidence",
            swap(('(text or "").strip()', 'text or ""')): "predict('",
            swap(('(text or "").strip()', "text.strip()")): "predict(None), with at most",
            swap(("if len(text) > most:", "if len(text) >= most:")): "to be answered",
            swap(("{len(text)} characters; at most {most} are taken. Shorten it.", "Too long. Please shorten it.")): "to name",
            swap(("except Exception:", "except RuntimeError:")): "to end in a gr.Error",
            swap(("        except Exception:", "        except gr.Error:\n            raise\n        except Exception:")): "the model's own error",
            swap(("except Exception:", "except Exception as error:"), ("That did not work with this text. Try another one.", "{error}, so try another one."), ('gr.Error("{error}', 'gr.Error(f"{error}')): "the model's own error",
            swap(("There is no text yet. Write or paste some.", "Empty")): "a sentence that says what to do",
            swap(('raise gr.Error("There is no text yet. Write or paste some.", print_exception=False)', 'return "There is no text yet."')): "to raise gr.Error",
            swap(('raise gr.Error("There is no text yet. Write or paste some.", print_exception=False)', 'raise ValueError("There is no text yet.")')): "ValueError: There is no text yet.",
            swap(("size / sum(sizes)", "size")): "to be",
            swap(("size / sum(sizes)", "round(size / sum(sizes), 2)")): "to be",
            swap(("return {label: size / sum(sizes) for label, size in zip(labels, sizes)}", "return max(zip(sizes, labels))[1]")): "to be a dict",
            swap(("            logits = model(text)\n", "            logits = model(text)\n            if not text:\n                pass\n"), ("        if len(text) > most:", "        model(text)\n        if len(text) > most:")): "what the model was asked",
        },
        right=[PREDICT, swap(("    return predict", "    return lambda text: predict(text)"))],
    )  # fmt: skip
    assert [report.points for report in result.wrong[:2]] == [2, 2]


INTERFACE = """
def make_interface(predict, examples, top, at_once):
    with gr.Blocks(analytics_enabled=False) as demo:
        text, label = gr.Textbox(), gr.Label(num_top_classes=top)
        gr.Button().click(predict, text, label, api_name="classify")
        gr.Examples([[example] for example in examples], text)
    return demo.queue(default_concurrency_limit=at_once)
"""


@pytest.mark.slow
def test_an_interface():
    swap = partial(changed, "q2")
    result = judged(
        "q2",
        wrong={
            swap(('api_name="classify"', 'api_name="predict"')): "the public endpoints (api_name)",
            swap(('        api_name="classify",\n', "")): "the public endpoints (api_name)",
            swap(("num_top_classes=top", "num_top_classes=5")): "the labels that /classify shows",
            swap((", num_top_classes=top", "")): "the labels that /classify shows",
            swap(
                ('gr.Label(label="It is about", num_top_classes=top)', "gr.JSON()")
            ): "a caller of /classify gets",
            swap(("        cache_examples=False,\n", "")): "no call of predict before a visitor comes",
            swap(("        examples=examples,\n", "")): "the examples under the app",
            swap(("        concurrency_limit=at_once,\n", "")): "the default is 1",
            swap(("concurrency_limit=at_once", "concurrency_limit=None")): "calls of /classify at a time",
            swap(('        flagging_mode="never",\n', "")): "no texts of visitors to be kept",
            swap(('flagging_mode="never"', 'flagging_mode="auto"')): "no texts of visitors to be kept",
            swap(
                (
                    "gr.Interface(\n        predict",
                    "gr.Interface(\n        lambda text: safely(predict, text)",
                )
            )
            + SAFELY: "to raise gr.Error",
            "def make_interface(predict, examples, top, at_once):\n    return predict": "to be an app of Gradio's",
        },
        right=[INTERFACE, swap(("examples=examples", "examples=[[each] for each in examples]"))],
    )
    assert [report.points for report in result.wrong[2:4]] == [3, 3]


SAFELY = """

def safely(predict, text):
    try:
        return predict(text)
    except gr.Error as error:
        return {str(error): 1.0}
"""

NOTES = """
class Desk:
    def __init__(self, most):
        self.most = most

    def add(self, notes, text):
        if not (text and text.strip()):
            raise gr.Error("Please write a note first.")
        if len(notes) >= self.most:
            raise gr.Error(f"Please undo one of your {self.most} notes first.")
        notes.append(text.strip())
        return "\\n".join(notes), notes

    def undo(self, notes):
        if notes:
            notes.pop()
        return "\\n".join(notes), notes

def make_notes(most):
    desk = Desk(most)
    demo = gr.Blocks(analytics_enabled=False)
    with demo:
        kept, text, shown = gr.State(value=list), gr.Textbox(), gr.Textbox()
        text.submit(desk.add, [kept, text], [shown, kept], api_name="add")
        gr.Button().click(desk.undo, [kept], [shown, kept], api_name="undo")
    return demo
"""
GLOBAL = """
def make_notes(most):
    notes = []

    def add(text):
        if not text.strip():
            raise gr.Error("Please write a note first.")
        if len(notes) >= most:
            raise gr.Error(f"Please undo one of your {most} notes first.")
        notes.append(text.strip())
        return "\\n".join(notes)

    def undo():
        notes[-1:] = []
        return "\\n".join(notes)

    with gr.Blocks(analytics_enabled=False) as demo:
        text, shown = gr.Textbox(), gr.Textbox()
        gr.Button().click(add, text, shown, api_name="add")
        gr.Button().click(undo, None, shown, api_name="undo")
    return demo
"""


@pytest.mark.slow
def test_notes():
    swap = partial(changed, "q3")
    result = judged(
        "q3",
        wrong={
            GLOBAL: "with other visitors there",
            swap(("[text, notes], [notes, shown]", "[text, notes], [gr.State(), shown]")): "what is shown after /add",
            swap(("notes, [notes, shown]", "notes, [gr.State(), shown]")): "what is shown after /undo",
            swap(("if len(notes) == most:", "if len(notes) > most:")): "to raise gr.Error",
            swap(("if len(notes) == most:", "if False:")): "to raise gr.Error",
            swap(("You have {most} notes, and more are not kept. Undo one.", "You have too many notes. Undo one.")): "to name",
            swap(('(text or "").strip()', 'text or ""')): "what is shown after /add",
            swap((', api_name="undo"', ', api_name="undo", api_visibility="private"')): "the public endpoints (api_name)",
            swap(('api_name="add"', 'api_name="note"')): "the public endpoints (api_name)",
            swap(("notes[:-1]", "[]")): "what is shown after /undo",
            swap(('"\\n".join(notes)\n', "notes[-1]\n")): "what is shown after /add",
            replaced(NOTES, ("        if notes:\n            notes.pop()", "        notes.pop()")): "IndexError",
            replaced(NOTES, ("        if len(notes) >= self.most:", "        notes.append(text.strip())\n        if len(notes) > self.most:"), ("        notes.append(text.strip())\n        return", "        return")): "what is shown after /undo",
        },
        right=[NOTES, swap(("gr.State([])", "gr.State(())"), ("[*notes, text]", "(*notes, text)"))],
    )  # fmt: skip
    assert result.wrong[0].points == 1, "alone, a list beside the function does"


REPLY = """
def make_reply(stream, count, budget, system):
    def said(content):
        if type(content) is str:
            return content
        return "\\n".join([part["text"] for part in content if part["type"] == "text"])

    def asked(message, turns):
        messages = [dict(role="system", content=system)]
        for question, answer in turns:
            messages += [dict(role="user", content=said(question["content"]))]
            messages += [dict(role="assistant", content=said(answer["content"]))]
        return messages + [dict(role="user", content=message)]

    def reply(message, history, *others):
        turns = list(zip(history[::2], history[1::2]))
        while turns and count(asked(message, turns)) > budget:
            turns.pop(0)
        if count(asked(message, turns)) > budget:
            raise gr.Error("Please write a shorter message.")
        yield from (so_far for so_far in accumulate(stream(asked(message, turns))))

    return reply

from itertools import accumulate
"""
HOLES = replaced(
    REPLY,
    (
        "        while turns and count(asked(message, turns)) > budget:\n            turns.pop(0)\n",
        "        every, turns = turns, []\n        for turn in reversed(every):\n"
        "            if count(asked(message, [turn, *turns])) <= budget:\n                turns.insert(0, turn)\n",
    ),
)


def test_a_chat():
    swap = partial(changed, "q4")
    result = judged(
        "q4",
        wrong={
            swap(('{"role": message["role"], "content": text}', "message | {'content': text}")): "what stream is asked",
            swap(('text = content if isinstance(content, str) else "\\n".join(part["text"] for part in content)', "text = content")): "count takes messages whose content is a text",
            swap(('text = content if isinstance(content, str) else "\\n".join(part["text"] for part in content)', "text = content[0]['text']")): "contents as texts",
            swap(('content if isinstance(content, str) else "\\n".join(part["text"] for part in content)', 'content if isinstance(content, str) else content[0]["text"]')): "contents as many parts",
            swap(('text = content if isinstance(content, str) else "\\n".join(part["text"] for part in content)', "text = str(content)")): "what stream is asked",
            swap(("[first, *past[start:], last]", "[*past[start:], last]")): "what stream is asked",
            swap(("-1, -2)", "-1, -1)")): "dropping single messages",
            HOLES: "leaving out a turn that does not fit",
            swap(("count(longer) > budget", "count(longer) >= budget")): "asking for less than the budget",
            swap(("if count(longer) > budget", "if False")): "not looking at the budget",
            swap(("count(longer) > budget", "count(past[start:]) > budget")): "without the system's message and the new one",
            swap(("count(longer) > budget", "sum(count([each]) for each in longer) > budget")): "adding up counts of single messages",
            swap(("            answer += piece\n            yield answer", "            yield piece")): "the answer so far",
            swap(("            answer += piece\n            yield answer", "            answer += piece\n        yield answer")): "the answer so far",
            swap(("            answer += piece\n            yield answer", "            answer += piece\n        return answer")): "to be a generator",
            swap(("        if messages is None:\n", "        if False:\n")): "gr.Error",
            swap(("past, messages, answer = [plain(each) for each in history], None, \"\"", "history[:] = [plain(each) for each in history]\n        past, messages, answer = history, None, \"\"")): "the history to stay as it was",
            swap(("for piece in stream(messages):", "for piece in list(stream(messages)):")): "6 pieces taken from stream before the first",
            swap(("            answer += piece\n", "            answer += piece\n            if not piece.strip():\n                continue\n")): "the answer so far",
            swap(("        for piece in stream", "        del history[: max(0, len(history) - len(messages) + 2)]\n        for piece in stream")): "also where turns are left out",
            replaced(REPLY, ("turns.pop(0)", "turns.pop()")): "keeping the first turns",
        },
        right=[REPLY, swap(("            answer += piece\n            yield answer", "            answer = answer + piece\n            yield str(answer)"))],
    )  # fmt: skip
    assert result.wrong[12].points == 3, "a piece at a time costs what it shows only"


CARD = """
def split(text):
    lines = text.split("\\n")
    if lines[0] != "---" or "---" not in lines[1:]:
        return None, text
    end = lines.index("---", 1)
    return "\\n".join(lines[1:end]), "\\n".join(lines[end + 1:])

def card_faults(text, files):
    header, _ = split(text)
    try:
        card = yaml.safe_load(header) if header is not None else None
    except yaml.YAMLError:
        card = None
    if not isinstance(card, dict):
        return {"header"}
    faults = set()
    for name in ("title", "sdk_version"):
        wanted = name == "title" or card.get("sdk") == "gradio"
        if wanted and not (isinstance(card.get(name), str) and card.get(name)):
            faults.add(name)
    for name in ("colorFrom", "colorTo"):
        if name in card and card[name] not in COLOURS:
            faults.add(name)
    sdk = card.get("sdk")
    if sdk not in ("gradio", "docker", "static"):
        return faults | {"sdk"}
    if sdk == "docker":
        port = card.get("app_port", 7860)
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
            faults.add("app_port")
        if "Dockerfile" not in files:
            faults.add("app_file")
    elif card.get("app_file", {"gradio": "app.py", "static": "index.html"}[sdk]) not in files:
        faults.add("app_file")
    return faults

def mended(text, changes):
    header, body = split(text)
    card = yaml.safe_load(header)
    card.update(changes)
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in card.items()]
    return "\\n".join(["---", *lines, "---", body])

import json
"""
LINES = """
    header, body = split(text)
    for name, value in changes.items():
        line = f"{name}: {json.dumps(value, ensure_ascii=False)}"
        header, found = re.subn(rf"^{name}:.*", lambda _: line, header, flags=re.MULTILINE)
        header += "" if found else "\\n" + line
    return "\\n".join(["---", header, "---", body])
"""


def test_a_card():
    swap = partial(changed, "q5")
    result = judged(
        "q5",
        before=("imports", "q5-given"),
        wrong={
            swap(("ValueError, yaml.YAMLError", "ValueError")): "card_faults",
            replaced(CARD, ("not isinstance(card, dict)", "card is None")): "card_faults",
            replaced(CARD, ('if lines[0] != "---" or', "while lines and not lines[0]:\n        lines.pop(0)\n    if lines[0] != '---' or")): "a blank line above its header",
            replaced(CARD, ("isinstance(port, bool) or ", "")): "the line `app_port: yes`",
            replaced(CARD, ("not isinstance(port, int) or not 0 < port", "not 0 < int(port)")): "the line `app_port: '7860'`",
            replaced(CARD, ("< 65536", "< 99999")): "the line `app_port: 70000`",
            replaced(CARD, ("isinstance(card.get(name), str) and card.get(name)", "card.get(name)")): "the line `sdk_version: 6.10`",
            replaced(CARD, (" and card.get(name))", ")")): "three faults",
            replaced(CARD, ('"static": "index.html"', '"static": "app.py"')): "names no app_file",
            replaced(CARD, ('("gradio", "docker", "static")', '("gradio", "docker", "static", "streamlit", "html", "Static")'), ('{"gradio": "app.py", "static": "index.html"}[sdk]', '"app.py" if sdk == "gradio" else "index.html"')): "with sdk: ",
            replaced(CARD, (", ensure_ascii=False", "")): "'emoji' of the header",
            replaced(CARD, ('if "Dockerfile" not in files', 'if card.get("app_file", "app.py") not in files')): "a sound card of a docker Space",
            replaced(CARD, ('wanted = name == "title" or card.get("sdk") == "gradio"', "wanted = True")): "a sound card of a",
            replaced(CARD, ("json.dumps(value, ensure_ascii=False)", "value")): "mended(text,",
            replaced(CARD, ('"---", body]', '"---", "", body.strip(), ""]')): "to stay as it was",
            swap((r"(.*?\n)---(?=", r"(.*\n)---(?=")): "mended",
            swap(("yaml.safe_load(header[1]) | changes", "changes")): "the header of mended",
            swap(("yaml.safe_load(header[1]) | changes", "yaml.safe_load(header[1])\n    front |= {name: changes[name] for name in changes if name in front}")): "to which a name is added",
            replaced(CARD, ('("gradio", "docker", "static")', '("gradio", "docker", "static", "streamlit")'), ('{"gradio": "app.py", "static": "index.html"}[sdk]', '{"gradio": "app.py"}.get(sdk, "index.html")')): "with sdk: streamlit",
            replaced(CARD, ('if "Dockerfile" not in files', 'if card.get("app_file", "Dockerfile") not in files')): "a Docker Space's card with an app_file",
            swap(("wrong |= {\"sdk_version\"", "sdk, was = ('docker' if 'app_port' in card else sdk), sdk\n    wrong |= {\"sdk_version\""), ('sdk == "gradio" and', 'was == "gradio" and')): "a Gradio Space's card with an app_port",
            replaced(CARD, ("< 65536", "<= 65536")): "the line `app_port: 65536`",
            replaced(CARD, ('card.get("app_port", 7860)', 'card.get("app_port") or 7860'), ("0 < port", "0 <= port")): "the line `app_port:`",
            replaced(CARD, ("{\"gradio\": \"app.py\", \"static\": \"index.html\"}[sdk]) not in", "None) or {\"gradio\": \"app.py\", \"static\": \"index.html\"}[sdk]) not in"), ('elif card.get("app_file", ', 'elif (card.get("app_file", ')): "the line `app_file:` and nothing behind it",
            replaced(CARD, ("if name in card and card[name] not in", "if card.get(name) and card[name] not in")): "the line `colorTo:` and nothing behind it",
            replaced(CARD, ("card[name] not in COLOURS", "str(card[name]).lower() not in COLOURS")): "with colorFrom: ",
            replaced(CARD, ('lines[0] != "---"', 'not lines[0].startswith("---")')): "whose first line is ----",
            replaced(CARD, ("if not isinstance(card, dict):", "if header is not None and card is None:\n        card = {}\n    if not isinstance(card, dict):"), ("    except yaml.YAMLError:\n        card = None", "    except yaml.YAMLError:\n        return {'header'}")): "a card whose header is empty",
            replaced(CARD, ('    lines = text.split("\\n")\n', '    lines = text.split("\\n")\n    if text[:3] == "---" and text.count("---") > 1:\n        return tuple(text.split("---", 2)[1:])\n')): "whose title has --- within it",
            swap(('    header = re.match(r"---\\n(.*?\\n)---(?=', '    for name, value in changes.items():\n        text = re.sub(rf"^{name}: .*", lambda _: f"{name}: {json.dumps(value)}", text, count=1, flags=re.MULTILINE)\n    return text\n    header = re.match(r"---\\n(.*?\\n)---(?=')) + "\n\nimport json": "mended(text,",
            replaced(CARD, ("    header, body = split(text)\n    card = yaml.safe_load(header)\n    card.update(changes)\n", LINES)): "of a card with values of several lines",
        },
        right=[CARD, replaced(CARD, ("return faults\n", "return sorted(faults)\n"))],
    )  # fmt: skip
    assert result.solution.points == 4


DOCKERFILE = """
import json, shlex

def instructions(text):
    waiting = ""
    for line in text.split("\\n"):
        if line.lstrip().startswith("#") or not line.strip():
            continue
        if line.rstrip().endswith("\\\\"):
            waiting += line.rstrip()[:-1] + " "
            continue
        word, _, rest = (waiting + line).strip().partition(" ")
        waiting = ""
        yield word.upper(), rest.strip()

def dockerfile_faults(text, port):
    faults, names, last, command = [], [], None, []
    for word, rest in instructions(text):
        if word == "FROM":
            last, parts = None, [part for part in rest.split() if not part.startswith("--")]
            if parts[0] not in names and "@sha256:" not in parts[0]:
                tail = parts[0].rsplit("/", 1)[-1]
                if ":" not in tail or tail.endswith(":latest"):
                    faults.append("unpinned")
            if len(parts) == 3:
                names.append(parts[2])
        if word == "USER":
            last = rest.split(":")[0]
        if word == "CMD":
            command = json.loads(rest) if rest.startswith("[") else shlex.split(rest)
        if word in ("ENV", "ARG"):
            pairs = [pair.split("=", 1)[0] for pair in shlex.split(rest) if "=" in pair]
            if word == "ENV" and not pairs:
                pairs = rest.split()[:1]
            if any(pair.upper().endswith(("TOKEN", "KEY", "SECRET", "PASSWORD")) for pair in pairs):
                faults.append("secret")
    if last in (None, "root", "0"):
        faults.append("root")
    command = " ".join(command).replace("--port=", "--port ").split()
    if "--port" not in command or command[command.index("--port") + 1] != str(port):
        faults.append("port")
    return faults
"""


def test_a_dockerfile():
    swap = partial(changed, "q6")
    result = judged(
        "q6",
        wrong={
            replaced(DOCKERFILE, ('parts[0] not in names and ', "")): "a stage that is named after an earlier one",
            replaced(DOCKERFILE, ('parts[0].rsplit("/", 1)[-1]', "parts[0]")): "the image localhost:5000/base",
            replaced(DOCKERFILE, (' or tail.endswith(":latest")', "")): "the image python:latest",
            swap((' and "@" not in image', ""), ('image.split("/")[-1].partition(":")[2]', 'image.split("@")[0].split("/")[-1].partition(":")[2]')): "the image python@sha256",
            replaced(DOCKERFILE, ("word.upper()", "word")): "in small letters",
            replaced(DOCKERFILE, ("last, parts = None, [", "parts = [")): "a USER in an earlier stage only",
            replaced(DOCKERFILE, ('rest.split(":")[0]', "rest")): "USER root:root",
            replaced(DOCKERFILE, ('(None, "root", "0")', '(None, "root")')): "USER 0",
            replaced(DOCKERFILE, ("last = rest", "last = last or rest")): "a USER that is taken back",
            replaced(DOCKERFILE, ('line.lstrip().startswith("#") or ', "")): "a comment above USER",
            replaced(DOCKERFILE, ("return faults", "return faults[:1]")): "'root' for a file with all four faults",
            replaced(DOCKERFILE, ('last in (None, "root", "0")', 'last is None or last == "0" or last.startswith("root")')): "not to name 'root' for USER rootless",
            replaced(DOCKERFILE, (' if not part.startswith("--")', "")): "behind --platform",
            replaced(DOCKERFILE, ("len(parts) == 3", 'len(parts) == 3 and parts[1] == "AS"')): "in small letters",
            replaced(DOCKERFILE, ("faults, names, last, command = [], [], None, []", "faults, names, last, command = [], re.findall(r'AS (\\w+)', text), None, []")): "whose name a later stage has",
            replaced(DOCKERFILE, ('if word == "CMD":', 'if word in ("CMD", "ENTRYPOINT"):')): "with an ENTRYPOINT below it",
            "import re\ndef dockerfile_faults(text, port):\n    return [] if 'USER user' in text else ['root']": "dockerfile_faults not to name 'root'",
            replaced(DOCKERFILE, ('if word == "CMD":', 'if word == "CMD" and not command:')): "a CMD that an earlier one is overruled by",
            replaced(DOCKERFILE, ('.replace("--port=", "--port ")', "")): "a CMD with --port=…",
            replaced(DOCKERFILE, ('waiting += line.rstrip()[:-1] + " "\n', "pass\n")): "a CMD of two lines",
            swap((r"(\d+)", "(%d)"), ('", command)', '" % port, command)')): "a CMD with a longer number",
            swap((r'named = re.search(r"--port[=\s\",]+(\d+)", command)', r'named = re.search(r"EXPOSE (\d+)", text) or re.search(r"--port[=\s\",]+(\d+)", command)')): "a port that only EXPOSE names",
            replaced(DOCKERFILE, ("            if word == \"ENV\" and not pairs:\n                pairs = rest.split()[:1]\n", "")): "for ENV ",
            replaced(DOCKERFILE, ('word in ("ENV", "ARG")', 'word == "ENV"')): "for ARG ",
            replaced(DOCKERFILE, ("pair.upper()", "pair")): "in the second line of an ENV",
            replaced(DOCKERFILE, (".endswith((", ".startswith((")): "a variable that speaks of tokens",
            replaced(DOCKERFILE, ('any(pair.upper().endswith(("TOKEN", "KEY", "SECRET", "PASSWORD")) for pair in pairs)', 'any(name in rest.upper() for name in ("TOKEN", "KEY", "SECRET", "PASSWORD"))')): "a variable that speaks of tokens",
            replaced(DOCKERFILE, ("for pair in pairs)", "for pair in pairs[:1])")): "as the second of an ENV",
        },
        right=[DOCKERFILE, replaced(DOCKERFILE, ("return faults", "return set(faults)"))],
    )  # fmt: skip
    assert result.wrong[0].points == 2


PACKAGES = """
def missing_packages(files, known):
    def plain(name):
        return name.lower().replace("_", "-").replace(".", "-")

    there = []
    for line in files.get("requirements.txt", "").split("\\n"):
        name = re.match(r"[\\w.-]*", line.strip())[0]
        there.append(plain(name))
    found = []

    class Reader(ast.NodeVisitor):
        def visit_Import(self, node):
            found.extend(alias.name for alias in node.names)

        def visit_ImportFrom(self, node):
            if node.level == 0:
                found.append(node.module)

    for path in files:
        if path.endswith(".py"):
            Reader().visit(ast.parse(files[path]))
    names = {name.split(".")[0] for name in found} - sys.stdlib_module_names
    names -= {path[:-3] for path in files} | {path.split("/")[0] for path in files}
    return [known.get(name, name) for name in names if plain(known.get(name, name)) not in there]
"""


def test_packages():
    swap = partial(changed, "q7")
    result = judged(
        "q7",
        wrong={
            replaced(PACKAGES, (" - sys.stdlib_module_names", "")): "the packages that are missing",
            replaced(PACKAGES, ("{path[:-3] for path in files} | ", "")): "not expected: 'app', 'helper'",
            replaced(PACKAGES, (" | {path.split(\"/\")[0] for path in files}", "")): "not expected: 'parts'",
            replaced(PACKAGES, ("alias.name for alias in node.names", "alias.name for alias in node.names[:1]")): "missing: 'tiktoken', 'tqdm'",
            replaced(PACKAGES, ('.replace(".", "-")', "")): "not expected: 'ruamel.yaml'",
            replaced(PACKAGES, ("line.strip())[0]", "line.strip('# '))[0]")): "missing: 'torch'",
            replaced(PACKAGES, ('files.get("requirements.txt", "")', 'files["requirements.txt"]')): "KeyError",
            replaced(PACKAGES, ("Reader().visit(ast.parse(files[path]))", "found.extend(re.findall(r'^\\s*(?:from|import) (\\w+)', files[path], re.M))")): "seaborn",
            replaced(PACKAGES, ('path.endswith(".py")', '"." in path'), ("ast.parse(files[path])", "ast.parse(files[path] if 'import' in files[path] else '')")): "the packages that are missing",
            replaced(PACKAGES, (".split(\".\")[0] for", " for")): "the packages that are missing",
            replaced(PACKAGES, ("if node.level == 0", "if True"), ("found.append(node.module)", "found.append(node.module or 'near')")): "the packages that are missing",
            replaced(PACKAGES, ("[known.get(name, name) for", "[name for")): "the packages that are missing",
            replaced(PACKAGES, ('plain(known.get(name, name)) not in there', 'plain(name) not in there')): "where one is",
            replaced(PACKAGES, ('name.lower().replace("_", "-").replace(".", "-")', "name")): "where one is",
            replaced(PACKAGES, ('name.lower().replace("_", "-").replace(".", "-")', "name.lower()")): "where one is",
            replaced(PACKAGES, ('not in there', 'not in " ".join(there)')): "where others have similar names",
            replaced(PACKAGES, ('r"[\\w.-]*", line.strip())[0]', 'r"[^=<>~]*", line.strip())[0].strip()')): "where one is",
            replaced(PACKAGES, ("for path in files:\n", 'for path in ("app.py",):\n')): "the packages that are missing",
            "def missing_packages(files, known):\n    names = set(re.findall(r'(?:import|from) (\\w+)', files['app.py']))\n    return sorted(known.get(name, name) for name in names - sys.stdlib_module_names)": "seaborn",
        },
        right=[PACKAGES, swap(("return sorted(", "return set("))],
    )  # fmt: skip
    assert result.wrong[5].points == 1


MACHINES = """
def awake_minutes(visits, sleep):
    if sleep is None:
        return 43200
    awake = set()
    for begin, minutes in visits:
        awake.update(range(begin, min(begin + minutes + sleep, 43200)))
    return len(awake)

def choose_hardware(table, need):
    minutes, best = awake_minutes(need["visits"], need["sleep"]), None
    for row in table:
        if row["price"] is None or row["memory"] < need["memory"] or row["gpu_memory"] < need["gpu_memory"]:
            continue
        rank = (-row["price"], row["gpu_memory"], row["memory"])
        if row["price"] * minutes / 60 <= need["budget"] and (best is None or rank > best[0]):
            best = rank, row
    return None if best is None else [best[1]["name"], best[1]["price"] * minutes / 60]
"""


def test_hardware():
    swap = partial(changed, "q8")
    result = judged(
        "q8",
        wrong={
            swap(("in sorted(visits)", "in visits")): "in which they came",
            swap(("end - max(begin, until)", "end - begin")): "counting overlapping minutes twice",
            swap(("until = max(until, end)", "until = end")): "within a long one",
            swap(("min(begin + minutes + sleep, month)", "begin + minutes + sleep")): "behind the end of the month",
            swap(("begin + minutes + sleep", "begin + minutes")): "awake after a visit",
            swap(("30 * 24 * 60", "31 * 24 * 60")): "a machine that never sleeps",
            swap(("        return month\n", "        return 0\n")): "a machine that never sleeps",
            swap(("row[\"price\"] is not None and ", "")): "TypeError",
            swap(('row["price"] is not None', 'row["price"]')): "choose_hardware(table,",
            swap(('-row["gpu_memory"], -row["memory"]', '-row["memory"]')): "the name that choose_hardware",
            swap(('-row["gpu_memory"], -row["memory"]', '-row["gpu_memory"]')): "the name that choose_hardware",
            swap((', -row["gpu_memory"], -row["memory"]', "")): "the name that choose_hardware",
            swap(("row[name] >= need[name]", "row[name] > need[name]")): "the name that choose_hardware",
            swap(('("memory", "gpu_memory")', '("memory",)')): "the name that choose_hardware",
            swap(('<= need["budget"]', '* 720 <= need["budget"]'), ('row["price"] * hours * 720', 'row["price"] * 720')): "to be",
            swap((" and row[\"price\"] * hours <= need[\"budget\"]", "")): "to be None",
            swap(('best["name"], best["price"] * hours', 'best["name"], best["price"]')): "the month's price",
            swap(("if sleep is None:", "if not sleep:")): "a machine that sleeps as soon as a visit ends",
            swap(("if sleep is None:", "if sleep is None and not visits:\n        return 0\n    if sleep is None:")): "a machine that never sleeps, without visits",
            swap(('* hours <= need["budget"]', '* hours < need["budget"]')): "with nothing to spend",
            swap(('return best["name"], best["price"] * hours', 'return best["name"]')): "to be",
        },
        right=[
            MACHINES,
            swap((") / 60\n    rows", ") / 60.0\n    rows")),
            swap(("sorted(visits)", "sorted(set(visits + [(month, 0)]))")),
            swap(('best["price"] * hours\n    ###', 'round(best["price"] * hours, 2)\n    ###')),
        ],
    )  # fmt: skip
    assert result.wrong[0].points == 3


SCAN = """
import base64, os

def not_for_upload(folder, secrets, never):
    why = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.relpath(os.path.join(place, name), folder).replace(os.sep, "/")
            with open(os.path.join(place, name), "rb") as file:
                content = file.read()
            reasons = set()
            for label, value in secrets.items():
                forms = (value.encode(), base64.b64encode(value.encode()))
                if value and any(form in content for form in forms):
                    reasons.add(label)
            if any(fnmatch(part, pattern) for part in path.split("/") for pattern in never):
                reasons.add("never")
            if reasons:
                why[path] = sorted(reasons)
    return why
"""


def test_secrets_in_files():
    swap = partial(changed, "q9")
    result = judged(
        "q9",
        wrong={
            swap(("value.encode() for name, value in secrets.items() if value", "value.encode() for name, value in secrets.items()")): "not_for_upload(folder, secrets, never)",
            swap((" or base64.b64encode(value) in content", "")): "a value in base64",
            swap(("if value in content or base64", "if base64")): "of a folder with three leaks",
            swap(('rglob("*")', 'glob("*")')): "of a folder with three leaks",
            swap(("file.read_bytes()", "file.read_text().encode()")): "UnicodeDecodeError",
            swap(("file.read_bytes()", 'file.read_text(errors="ignore").encode()'), ('rglob("*")', 'rglob("*.py")')): "of a folder with three leaks",
            swap(("fnmatch(part, pattern) for part in path.parts", "fnmatch(path.name, pattern) for part in path.parts")): ".git/config",
            swap(("fnmatch(part, pattern) for part in path.parts", "fnmatch(path.as_posix(), pattern) for part in path.parts")): "deploy/.env",
            swap(("fnmatch(part, pattern) for part in path.parts", "path.name.startswith(pattern) for part in path.parts")): "not_for_upload(folder, secrets, never)",
            swap(("why = [name for", "why = [value.decode() for")): "to keep its value to itself",
            swap(("found[path.as_posix()]", "found[path.name]")): "run.ipynb",
            swap(('            why.append("never")', '            why = ["never"]')): "says of .env",
            swap(("        if why:\n            found", "        if True:\n            found")): "of a clean folder",
            swap(("return found", "return sorted(found)")): "to be a dict",
            swap(("file.read_bytes()", "file.read_bytes()[:1024]")): "at the end of a long file",
            swap(("in path.parts", "in file.parts")): "another one called .git",
            swap(("name: value.encode()", "name: value.encode('ascii', 'ignore')")): "a value with ü",
            swap(("        if any(fnmatch(part, pattern) for part in path.parts for pattern in never):\n            why.append(\"never\")\n", "        why += ['never' for part in path.parts for pattern in never if fnmatch(part, pattern)]\n")): "says of .git/keys/site.pem",
        },
        right=[SCAN, swap(("found[path.as_posix()] = why", "found[str(path)] = tuple(why)"))],
    )  # fmt: skip
    assert result.solution.points == 3


DEPLOY = """
from huggingface_hub import CommitOperationAdd, SpaceCard

def deploy(api, repo_id, folder, secrets, variables):
    card = SpaceCard.load(folder / "README.md")
    if not api.repo_exists(repo_id, repo_type="space"):
        api.create_repo(repo_id=repo_id, repo_type="space", space_sdk=card.data.sdk, private=True)
    for key in secrets:
        api.add_space_secret(repo_id=repo_id, key=key, value=secrets[key])
    for key in variables:
        api.add_space_variable(repo_id=repo_id, key=key, value=variables[key])
    adds = [
        CommitOperationAdd(file.relative_to(folder).as_posix(), str(file))
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != ".env" and file.suffix != ".pem"
    ]
    api.create_commit(repo_id, adds, commit_message="Deploy", repo_type="space")
    return api.space_info(repo_id).sha
"""
EARLY = """
def deploy(api, repo_id, folder, secrets, variables):
    sdk = yaml.safe_load((folder / "README.md").read_text().split("---")[1])["sdk"]
    commit = api.create_repo(repo_id, repo_type="space", space_sdk=sdk, private=True, exist_ok=True)
    commit = api.upload_folder(
        repo_id=repo_id, repo_type="space", folder_path=folder, ignore_patterns=[".env", "*/.env", "*.pem"]
    )
    for name, value in secrets.items():
        api.add_space_secret(repo_id, name, value)
    for name, value in variables.items():
        api.add_space_variable(repo_id, name, value)
    return commit.oid
"""
AT_ONCE = """    api.create_repo(repo_id, repo_type="space", space_sdk=sdk, private=True, exist_ok=True,
        space_secrets=[{"key": name, "value": value} for name, value in secrets.items()])
    for name, value in {}.items():"""


@pytest.mark.slow
def test_deploy():
    swap = partial(changed, "q10")
    create = '    api.create_repo(repo_id, repo_type="space", space_sdk=sdk, private=True, exist_ok=True)\n'
    result = judged(
        "q10",
        wrong={
            swap((", private=True", "")): "the new Space to be private",
            swap((", exist_ok=True", "")): "call 2 of deploy(api, repo_id, folder, …) to run",
            swap(("space_sdk=sdk", 'space_sdk="gradio" if sdk != "gradio" else "static"')): "to be of that kind (space_sdk)",
            swap(("space_sdk=sdk", 'space_sdk="gradio"')): "to be of that kind (space_sdk)",
            swap(("space_sdk=sdk", 'space_sdk="static"')): "to be of that kind (space_sdk)",
            EARLY: "secrets and variables to be set before the files come",
            swap(("api.add_space_variable", "api.add_space_secret")): "the names of the Space's secrets",
            swap(("api.add_space_secret", "api.add_space_variable")): "the names of the Space's secrets",
            swap((create + "    for name, value in secrets.items():", AT_ONCE)): "to get its value",
            swap(('[".env", "*/.env", "*.pem"]', '[".env", "*/.env"]')): ".pem to stay here (*.pem",
            swap((', ignore_patterns=[".env", "*/.env", "*.pem"]', "")): ".env to stay here",
            swap(('"*/.env", ', "")): "/.env to stay here (.env, whatever its name and whatever folder it lies in)",
            swap(('"*.pem"]', '"key.pem", "*/key.pem"]')): ".pem to stay here (*.pem",
            swap(('"*.pem"]', '"*.pem"], delete_patterns="*"')): "the files of the Space",
            swap(("return commit.oid", "return commit")): "what call 1 of deploy returns",
            swap(("return commit.oid", "return repo_id")): "what call 1 of deploy returns",
            swap(("    return commit.oid\n", "")): "what call 1 of deploy returns",
            swap((create, create + '    api.update_repo_settings(repo_id, private=True, repo_type="space")\n')): "a Space that its owner has made public to stay so",
            swap((create, '    api.delete_repo(repo_id, repo_type="space", missing_ok=True)\n' + create)): "the commits after a colleague's",
            swap((create, create + '    for name in api.get_space_secrets(repo_id):\n        api.delete_space_secret(repo_id, name)\n')): "OWNERS_KEY",
            swap((create, create + '    for name in set(api.get_space_variables(repo_id)) - set(variables):\n        api.delete_space_variable(repo_id, name)\n')): "OWNERS_PLACE",
            swap(("        api.add_space_secret(", "        api.delete_space_secret(repo_id, name)\n        api.add_space_secret(")): "no call that deletes",
            replaced(DEPLOY, ('    api.create_commit(repo_id, adds, commit_message="Deploy", repo_type="space")\n', '    for add in adds:\n        api.upload_file(path_or_fileobj=add.path_or_fileobj, path_in_repo=add.path_in_repo, repo_id=repo_id, repo_type="space")\n')): "the Space's commits",
            swap(('repo_type="space", folder_path', "folder_path")): "RepositoryNotFound",
        },
        right=[DEPLOY, swap(("folder_path=folder", "folder_path=str(folder)"))],
    )  # fmt: skip
    assert result.solution.points == 5
