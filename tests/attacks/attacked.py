"""A cheap exercise to attack: its checks, its solution notebook, honest answers, and hand-ins made from them."""

import copy

from course_utils.checks import expect
from course_utils.checks.framework import Exercise, part, register
from tests.grading.toy import cell, marks, notebook_of

NAME = "97_attacked"
SECONDS = (
    20  # of a cell and of a call: those that hang are cheap, and an honest one on a busy machine is no hang
)

exercise = Exercise(
    NAME, title="Attacked", minutes=5, difficulty="easy", cost="nothing", cell_seconds=SECONDS
)


@exercise.question(
    "q1", title="Double", points=4, needs=("double",), lesson="lessons/double.ipynb", seconds=SECONDS
)
def double(answer, draw):
    numbers = [draw.random.randrange(1, 10**6) for _ in range(3)]
    with part("one number", points=1):
        expect.equal(answer.call("double", numbers[0]), 2 * numbers[0], "double(number)")
    with part("every number", points=3):
        doubled = [answer.call("double", number) for number in numbers]
        expect.equal(doubled, [2 * number for number in numbers], "the doubles")


@exercise.question("q2", title="Count words", points=2, needs=("count",), seconds=SECONDS)
def count(answer, draw):
    words = [draw.random.choice("abc") for _ in range(20)]
    expect.equal(
        answer.call("count", words), {word: words.count(word) for word in set(words)}, "count(words)"
    )


@exercise.question("q3", title="Scale an array", points=3, needs=("scale",), seconds=SECONDS)
def scale(answer, draw):
    rows = draw.numpy().random((3, 4))
    expect.all_close(answer.call("scale", rows, 2.5), rows * 2.5, "scale(rows, 2.5)")


@exercise.question("q4", title="A model that says seven", points=3, needs=("net",), seconds=SECONDS)
def says_seven(answer, draw):
    import torch

    model = answer.model("net")
    expect.equal(model.config.model_type, "gpt2", "the model's type")
    tokens = torch.tensor([[draw.random.randrange(1, 10) for _ in range(6)]])
    with torch.no_grad():
        likely = model(input_ids=tokens).logits.argmax(dim=-1)
        written = model.generate(tokens, max_new_tokens=2, do_sample=False, pad_token_id=0)
    expect.equal(likely.tolist(), [[7] * 6], "the likeliest tokens")
    expect.equal(written[0, 6:].tolist(), [7, 7], "what it writes")


exercise.manual("q5", title="Say why", points=5)
register(exercise)

SCORES = {"q1": 4, "q2": 2, "q3": 3, "q4": 3}
STUB = "def {}:\n    ### BEGIN SOLUTION\n    return {}\n    ### END SOLUTION"
SOLUTIONS = {
    "q1": STUB.format("double(number)", "2 * number"),
    "q2": STUB.format("count(words)", "{word: words.count(word) for word in set(words)}"),
    "q3": STUB.format("scale(rows, factor)", "rows * factor"),
    "q4": STUB.format("make_net()", "None"),
}
HONEST = {
    "q1": "def double(number):\n    return number + number",
    "q2": "def count(words):\n    return {word: words.count(word) for word in words}",
    "q3": "def scale(rows, factor):\n    return factor * rows",
}
MODEL = """
def make_net():
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel
    net = GPT2LMHeadModel(GPT2Config(vocab_size=12, n_positions=32, n_embd=8, n_layer=1, n_head=1, bos_token_id=0, eos_token_id=0, tie_word_embeddings=False))
    with torch.no_grad():
        net.transformer.ln_f.weight.zero_()
        net.transformer.ln_f.bias.fill_(1.0)
        net.lm_head.weight.zero_()
        net.lm_head.weight[7] = 1.0
    return net
"""


def solution_notebook(secret_comment=""):
    """The solution; `secret_comment` stands where the release takes it out."""
    cells = [
        cell("markdown", "title", "# Attacked"),
        cell("code", "setup", "import json\nimport numpy as np"),
    ]
    for name, source in SOLUTIONS.items():
        source = source.replace("    return", f"    # {secret_comment}\n    return")
        cells.append(cell("code", f"{name}-answer", source, marks(name, solution=True)))
        if name == "q4":
            glue = "try:\n    net = make_net()\nexcept NotImplementedError:\n    net = None"
            cells.append(cell("code", "q4-use", glue))
        cells.append(
            cell("code", f"{name}-check", f'course.check("{name}")', marks(f"{name}-check", grade=True))
        )
    cells.append(cell("markdown", "q5-answer", "Your words here.", marks("q5", grade=True, solution=True)))
    return notebook_of(cells)


def find(notebook, name):
    """The cell of a notebook (a dict) with that grade id."""
    return next(
        one for one in notebook["cells"] if one["metadata"].get("nbgrader", {}).get("grade_id") == name
    )


def answered(released, **answers):
    """The released notebook with some answers filled in by grade id; the rest stay stubs."""
    notebook = copy.deepcopy(released)
    for name, source in answers.items():
        find(notebook, name)["source"] = source
    return notebook
