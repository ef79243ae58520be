"""The questions of chapter 06: full fine-tuning of Flan-T5.

The exercise works with the twin whatever the profile, so that a mark means the same for everybody: the
notebook asks for the offline profile, and the checks load the same tokenizer and weights themselves.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from course_utils import catalog, instructions
from course_utils.batches import IGNORED
from course_utils.checks import expect
from course_utils.checks.colours import drawn_colours, filed, share_filed
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.checks.report import Failed, Rung
from course_utils.wire import Asset, Rows
from course_utils.wire.answer import Answer

if TYPE_CHECKING:
    from pyarrow import Table

LESSONS = "lessons/06_full_fine_tuning/"
MEET, PREPARE = LESSONS + "01_meet_flan_t5.ipynb", LESSONS + "02_prepare_the_task.ipynb"
TRAIN, COMPARE = LESSONS + "03_train.ipynb", LESSONS + "04_before_and_after.ipynb"
KEEP = LESSONS + "05_keep_the_best.ipynb"

exercise = Exercise(
    "06_full_fine_tuning",
    title="Full fine-tuning of Flan-T5",
    minutes=100,
    difficulty="medium",
    cost="about a minute and a half on two cores, most of it one training run",
    cell_seconds=600,
)


@cache
def _tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(catalog.model_path("flan-t5", "offline"))


@cache
def _twin() -> Any:
    """The untouched twin: float32, CPU, eval mode. Nothing here may change it."""
    import torch
    from transformers import AutoModelForSeq2SeqLM

    return AutoModelForSeq2SeqLM.from_pretrained(
        catalog.model_path("flan-t5", "offline"), dtype=torch.float32
    ).eval()


# q1: rows to examples


@exercise.question(
    "q1",
    title="Turn conversations into examples",
    points=4,
    difficulty=1,
    needs=("encode",),
    lesson=PREPARE + "#From texts to tokens",
    hints=(
        "The model reads one text and writes another, so the tokenizer is called twice.",
        "The first call reads PREFIX + conversation, the second gets text_target=summaries and gives the "
        "labels. Both need max_length= and truncation=True, and neither needs padding=.",
        "For translation it would be:\n"
        'pairs = tokenizer(["Translate to French: " + text for text in rows["en"]], max_length=40, '
        "truncation=True)\n"
        'pairs["labels"] = tokenizer(text_target=rows["fr"], max_length=40, truncation=True)["input_ids"]',
    ),
)
def encode(answer: Answer, draw: Draw) -> None:
    rows = draw.rows("dialogues", 6)
    columns = {name: [row[name] for row in rows] for name in ("dialogue", "summary")}
    call = "encode(rows, tokenizer, 512, 128)"
    found = _lists_of_tokens(answer.call("encode", columns, Asset("flan-t5", "tokenizer"), 512, 128), call, 6)
    prompts = _tokenizer()([instructions.prompt("summary", row) for row in rows])["input_ids"]
    targets = _tokenizer()(text_target=columns["summary"])["input_ids"]
    with part("the prompt is the instruction and the conversation, and all of it is read", points=1):
        _same_tokens(_unpadded(found["input_ids"]), prompts, "input_ids")
        for tokens, mask in zip(found["input_ids"], found["attention_mask"], strict=True):
            expect.equal(mask, [int(token != 0) for token in tokens], "the attention_mask of a prompt")
    with part("the labels are the summary and its end token", points=1):
        _same_tokens(_unpadded(found["labels"]), targets, "labels")
    with part("nothing is padded yet", points=1):
        for name in ("input_ids", "labels"):
            padded = sum(row[-1:] in ([0], [IGNORED]) for row in found[name])
            expect.true(
                not padded,
                f"no padding in {name}: the collator pads each batch to its own longest row",
                f"{padded} of 6 rows end in padding",
            )
    with part("long texts are cut", points=1):
        longest = {"input_ids": draw.random.randrange(20, 40), "labels": draw.random.randrange(6, 12)}
        cut = _lists_of_tokens(
            answer.call("encode", columns, Asset("flan-t5", "tokenizer"), *longest.values()),
            "encode(rows, tokenizer, {input_ids}, {labels})".format(**longest),
            6,
        )
        for whole, (name, most) in zip((prompts, targets), longest.items(), strict=True):
            expect.at_most(max(map(len, cut[name])), most, f"the longest row of {name}")
            ended = all(row[-1] == _tokenizer().eos_token_id for row in cut[name])
            expect.true(
                ended,
                f"the last token of each row of {name} to be the end-of-sequence token, cut or not",
                "a row without it",
            )
            kept = [row if len(row) <= most else [*row[: most - 1], row[-1]] for row in whole]
            _same_tokens(cut[name], kept, f"{name}, of {most} tokens where the text has more,")


def _lists_of_tokens(found: Any, call: str, count: int) -> dict[str, list[list[int]]]:
    """`found` as {"input_ids": …, "attention_mask": …, "labels": …} of lists of whole numbers, or a failure
    that says what it is instead.
    """
    names = ("input_ids", "attention_mask", "labels")
    expect.keys(found, names, call)
    for name in names:
        what = f"{call}[{name!r}]"
        expect.each_of(found[name], (list, tuple), what)
        expect.length(found[name], count, what)
        for row in found[name]:
            expect.each_of(row, int, f"a row of {what}")
            expect.true(len(row) > 0, f"every row of {what} to hold tokens", "an empty row")
    return found


def _unpadded(rows: Iterable[list[int]]) -> list[list[int]]:
    return [[token for token in row if token not in (0, IGNORED)] for row in rows]


def _same_tokens(found: Sequence[list[int]], wanted: Sequence[list[int]], name: str) -> None:
    """Token lists are equal; the message shows them as text, which is what a learner can read."""
    for mine, theirs in zip(wanted, found, strict=True):
        if mine != theirs:
            texts = [_readable(tokens) for tokens in (mine, theirs)]
            raise Failed(Rung.WRONG_VALUE, f"{name} that read: {texts[0]}", f"{texts[1]}")


def _readable(tokens: Iterable[int]) -> str:
    known = [token for token in tokens if 0 <= token < len(_tokenizer())]
    return expect.show(_tokenizer().decode(known))


# q2: find the bug, padding in the labels


@exercise.question(
    "q2",
    title="Find the bug: a loss that looks too good",
    points=3,
    difficulty=2,
    needs=("collate",),
    lesson=PREPARE + "#From examples to a batch",
    hints=(
        "Count how many labels of the batch are padding. What does the model learn from them?",
        "Cross-entropy skips the label -100. The inputs stay padded with tokenizer.pad_token_id; only "
        "what was added to the labels has to change, and the end token was not added.",
        "Times of runners who did not finish, made equally long with None:\n"
        "longest = max(map(len, laps))\n"
        "table = [row + [None] * (longest - len(row)) for row in laps]",
    ),
)
def collate(answer: Answer, draw: Draw) -> None:
    rows = draw.rows("dialogues", 5)
    tokenizer = _tokenizer()
    prompts = [tokenizer(instructions.prompt("summary", row))["input_ids"] for row in rows]
    # topics and summaries by turns: the shortest labels must be padded a lot
    targets = [row["summary"] if number % 2 else row["topic"] for number, row in enumerate(rows)]
    targets[0] = draw.random.choice(("bill", "repair"))  # a token and the end token
    labels = [tokenizer(text_target=target)["input_ids"] for target in targets]
    examples = [{"input_ids": mine, "labels": theirs} for mine, theirs in zip(prompts, labels, strict=True)]
    batch = answer.call("collate", examples, Asset("flan-t5", "tokenizer"))
    widths = {"input_ids": max(map(len, prompts)), "labels": max(map(len, labels))}
    expect.keys(batch, ("input_ids", "attention_mask", "labels"), "collate(examples, tokenizer)")
    for name, width in (
        ("input_ids", widths["input_ids"]),
        ("attention_mask", widths["input_ids"]),
        ("labels", widths["labels"]),
    ):
        expect.shape(batch[name], (5, width), f"collate(examples, tokenizer)[{name!r}]")
    found = {name: batch[name].long().tolist() for name in ("input_ids", "attention_mask", "labels")}
    with part("no padding among the labels", points=1):
        pads = [
            token for row, real in zip(found["labels"], labels, strict=True) for token in row[len(real) :]
        ]
        wrong = sum(token != IGNORED for token in pads)
        expect.true(
            not wrong, f"-100 at all {len(pads)} places where labels were padded", f"{wrong} other values"
        )
    with part("every real label is kept, the end token too", points=1):
        for row, real in zip(found["labels"], labels, strict=True):
            expect.equal(row[: len(real)], real, "the labels of an example before its padding")
    with part("the inputs are padded and masked as before", points=1):
        for ids, mask, real in zip(found["input_ids"], found["attention_mask"], prompts, strict=True):
            padding = widths["input_ids"] - len(real)
            expect.equal(ids, real + [tokenizer.pad_token_id] * padding, "a row of input_ids")
            expect.equal(mask, [1] * len(real) + [0] * padding, "a row of attention_mask")


# q3: arithmetic


@exercise.question(
    "q3",
    title="Plan a run before you pay for it",
    points=4,
    difficulty=1,
    needs=("plan", "learning_rate"),
    lesson=TRAIN + "#The arguments, one by one",
    hints=(
        "A step is one update of the weights. How many examples go into one?",
        "An epoch ends with a smaller batch if it must, so both divisions (rows into batches, batches "
        "into steps) round up. The rate climbs to its peak in warmup_steps and then falls in a straight "
        "line to 0 at the end.",
        "Boxes of eggs: 100 eggs, 6 a box, 4 boxes a crate:\n"
        "boxes = math.ceil(100 / 6)      # 17, the last one not full\n"
        "crates = math.ceil(boxes / 4)   # 5",
    ),
)
def plan(answer: Answer, draw: Draw) -> None:
    pick = draw.random
    cases = [
        (
            pick.randrange(500, 9000),
            pick.choice([4, 8, 12, 16]),
            pick.choice([2, 3, 4]),
            pick.choice([1, 2]),
            pick.choice([1, 2, 3]),
            share,
        )
        for share in (*draw.sample((0.03, 0.06, 0.1), 3), 0.03, 0.1, 0)
    ]
    cases += [(97, 8, 4, 1, 3, 0.1)]  # 13 batches: the last one and the last step of an epoch are not full
    plans = [(case, answer.call("plan", *case)) for case in cases]
    for case, found in plans:
        expect.keys(found, ("effective_batch", "steps", "warmup_steps"), f"plan{case}")
    with part("the effective batch", points=1):
        for case, found in plans:
            expect.equal(found["effective_batch"], _plan(*case)[0], f'plan{case}["effective_batch"]')
    with part("the steps", points=1):
        for case, found in plans:
            expect.equal(found["steps"], _plan(*case)[1], f'plan{case}["steps"]')
    with part("the warm-up", points=1):
        for case, found in plans:
            expect.equal(found["warmup_steps"], _plan(*case)[2], f'plan{case}["warmup_steps"]')
    with part("the learning rate at a step", points=1):
        steps, warmup, peak = (
            pick.randrange(200, 900),
            pick.randrange(10, 90),
            pick.choice([1e-4, 3e-4, 2e-3]),
        )
        for step in (
            0,
            1,
            warmup // 2,
            warmup,
            warmup + 1,
            *sorted(draw.sample(range(warmup, steps), 4)),
            steps,
        ):
            wanted = peak * min(step / warmup, (steps - step) / (steps - warmup))
            what = f"learning_rate({step}, {peak}, {steps}, {warmup})"
            expect.close(
                answer.call("learning_rate", step, peak, steps, warmup), wanted, what, tolerance=peak / 1e6
            )
        for step in (0, steps // 4, steps):
            found = answer.call("learning_rate", step, peak, steps, 0)
            what = f"learning_rate({step}, {peak}, {steps}, 0), without a warm-up,"
            expect.close(found, peak * (steps - step) / steps, what, tolerance=peak / 1e6)


def _plan(
    rows: int, batch_size: int, accumulation: int, devices: int, epochs: int, warmup_share: float
) -> tuple[int, int, int]:
    """As transformers.Trainer counts (`set_initial_training_values`, `get_warmup_steps`, version 5.23)."""
    batches = math.ceil(rows / (batch_size * devices))
    steps = epochs * math.ceil(batches / accumulation)
    return batch_size * accumulation * devices, steps, math.ceil(steps * warmup_share)


# q4: new tokens under a head of its own

BEGINNING = 32  # tokens of a text that q4 and q5 read: what they compare does not depend on how long it is


@exercise.question(
    "q4",
    title="New tokens without breaking the head",
    points=3,
    difficulty=2,
    needs=("add_tokens",),
    lesson=MEET + "#Adding tokens without breaking the head",
    hints=(
        "Compare model.lm_head.weight with model.shared.weight before and after your function.",
        "resize_token_embeddings ties head and embedding again if model.config.tie_word_embeddings is "
        "true, and the T5 configuration always says that it is.",
        "Two layers that share a matrix, and the way to part them before anything ties them again:\n"
        "second.weight = first.weight                                          # one matrix, two names\n"
        "second.weight = torch.nn.Parameter(first.weight.detach().clone())     # two matrices\n"
        "config.share = False                                                  # and nobody may join them "
        "later",
    ),
)
def add_tokens(answer: Answer, draw: Draw) -> None:
    import torch

    tokenizer, twin = _tokenizer(), _twin()
    rows, width = twin.shared.weight.shape
    generator = torch.Generator().manual_seed(draw.seed)
    head = torch.randn(rows, width, generator=generator) / width**0.5
    tokens = [
        f"<{kind}-{draw.random.randrange(10_000)}>" for kind in draw.sample(("customer", "shop", "order"), 2)
    ]
    inputs = (Asset("flan-t5", "model"), Asset("flan-t5", "tokenizer"), head, tokens)
    mine = answer.given(with_own_head, with_new_tokens, whole_model, ids_of_new_tokens)
    with part("each new token has one id", points=1):
        ids = mine.call("ids_of_new_tokens", *inputs)
        wanted = {token: [len(tokenizer) + number] for number, token in enumerate(tokens)}
        expect.type_of(ids, dict, "the ids of the new tokens")
        got = sorted(each for each in ids.values() if type(each) is list)
        expect.equal(got, sorted(wanted.values()), f"the ids of {tokens}, one new id each")
    model = mine.built("whole_model", *inputs)
    expect.shape(model.get_input_embeddings().weight, (rows + 2, width), "the embedding, grown by two rows")
    expect.shape(model.get_output_embeddings().weight, (rows + 2, width), "the head, grown by two rows")
    with part("what the model said before, it still says", points=2):
        texts = [instructions.prompt("summary", row) for row in draw.rows("dialogues", 4)]
        batch = tokenizer(texts, padding=True, truncation=True, max_length=BEGINNING, return_tensors="pt")
        start = torch.tensor([[0, 7, 11, 5]] * 4)
        whole = copy.deepcopy(twin)
        whole.lm_head.weight = torch.nn.Parameter(head)
        with torch.inference_mode():
            wanted = whole(**batch, decoder_input_ids=start).logits
            found = expect.computed(
                lambda: model(**batch, decoder_input_ids=start).logits[..., :rows], "the logits of the model"
            )
        difference = (wanted - found).abs().max().item()
        expect.true(
            difference <= 1e-5,
            "the logits of the old tokens to stay as they were, within 1e-5",
            f"a difference of {difference:.3g}; has the head become the embedding?",
        )


def with_own_head(model: Any, head: Any) -> Any:
    """The model as on the Hub: `head` (tokens x width) takes the place of the shared matrix."""
    import torch

    model.lm_head.weight = torch.nn.Parameter(head.clone())
    return model


def with_new_tokens(model: Any, tokenizer: Any, head: Any, tokens: list) -> Any:
    """What `add_tokens` makes of a model with a head of its own."""
    return add_tokens(with_own_head(model, head), tokenizer, tokens)  # type: ignore[call-arg, func-returns-value]


def whole_model(model: Any, tokenizer: Any, head: Any, tokens: list) -> Any:
    """The model with new tokens; what could not travel as a model is said here, by the learner's names."""
    found = with_new_tokens(model, tokenizer, head, tokens)
    if not hasattr(found, "get_input_embeddings"):
        raise TypeError(f"`add_tokens` has to return the model, and returned {type(found).__name__}")
    told = found.config.vocab_size
    for name in ("input", "output"):
        count = len(getattr(found, f"get_{name}_embeddings")().weight)
        if count != told:
            matrix = {"input": "embedding", "output": "head"}[name]
            raise ValueError(f"the {matrix} has {count} rows, and model.config.vocab_size says {told}")
    return found


def ids_of_new_tokens(model: Any, tokenizer: Any, head: Any, tokens: list) -> dict:
    """{new token: its ids}, by the tokenizer that `add_tokens` had in its hands."""
    with_new_tokens(model, tokenizer, head, tokens)
    return {token: tokenizer(token, add_special_tokens=False).input_ids for token in tokens}


# q5: find the bug, loss scaling under gradient accumulation

LEARNING_RATE = 0.1  # of the one SGD step; any size would do, as the step is divided by it
LIKE = 0.99  # the cosine of two gradients that were made in the same way


@exercise.question(
    "q5",
    title="Find the bug: eight small batches are not one large one",
    points=4,
    difficulty=3,
    needs=("make_trainer",),
    lesson=TRAIN + "#A batch that does not fit: gradient accumulation",
    hints=(
        "Print the logged loss for accumulation 1 and 8. By which factor do they differ, and who should "
        "have divided?",
        "T5 takes num_items_in_batch and ignores it. Either say so (model.accepts_loss_kwargs = False), "
        "which leaves a mean of means, or give the Trainer compute_loss_func=, which is told how many "
        "tokens the whole batch has (and gets the labels apart: outputs.loss is None there, so use "
        "outputs.logits).",
        "Mean height of two classes of 10 and 30 pupils: not (mean_a + mean_b) / 2, but\n"
        "(sum(heights_a) + sum(heights_b)) / 40\n"
        "so each class must know of the 40.",
    ),
    seconds=120,
)
def make_trainer(answer: Answer, draw: Draw) -> None:
    examples = _uneven_examples(draw)
    columns = {name: [row[name] for row in examples] for name in ("input_ids", "labels")}
    update = answer.given(one_update).call(
        "one_update", Asset("flan-t5", "path"), Rows(columns), 2, 8, LEARNING_RATE
    )
    expect.keys(update, ("arguments", "steps"), "one step of your trainer")
    expect.equal(update["arguments"], [2, 8], "batch size and accumulation of your trainer, which were given")
    # one SGD step moves the weights by learning rate times gradient
    weights = dict(_twin().named_parameters())
    expect.keys(update["steps"], weights, "one step of your trainer")
    found = _flat(
        expect.tensor(update["steps"][name], f"the step of {name}", tuple(weight.shape))
        for name, weight in weights.items()
    )
    wanted = _gradient(examples)
    factor = (found.norm() / wanted.norm()).item()
    with part("the gradient has the right size", points=2):
        expect.true(
            0.5 <= factor <= 2,
            "8 batches of 2 to give a gradient as large as 1 batch of 16 (0.5 to 2 times)",
            f"{factor:.2f} times as large",
        )
        likeness = _cosine(found, wanted)
        if likeness < LIKE:  # eight more gradients, which most need not
            means = sum(_gradient(examples[first : first + 2]) for first in range(0, 16, 2)) / 8
            likeness = max(likeness, _cosine(found, means))
        expect.at_least(
            likeness, LIKE, "the cosine of your gradient and that of 8 batches of 2, by tokens or by batches,"
        )
    with part("it is the same gradient, for texts of any length", points=2):
        error = ((found - wanted).norm() / wanted.norm()).item()
        expect.true(
            error <= 0.01,
            "8 batches of 2 to give the gradient of 1 batch of 16, each token weighing the same (within 1 %)",
            f"a difference of {error:.1%}" + (": a mean of means, perhaps?" if 0.5 <= factor <= 2 else ""),
        )


def one_update(folder: str, examples: Any, batch_size: int, accumulation: int, rate: float) -> dict:
    """How one step of the learner's trainer moved each weight, divided by the learning rate.

    The collator hides from the loss, in each batch, all but the first label of its first text: so the step
    depends on how the rows were cut into batches, which must be as the arguments say.
    """
    import tempfile

    import torch
    from transformers import (
        AutoModelForSeq2SeqLM,
        AutoTokenizer,
        DataCollatorForSeq2Seq,
        Seq2SeqTrainingArguments,
    )

    from course_utils.training.trainer import show_progress

    model = AutoModelForSeq2SeqLM.from_pretrained(folder, dropout_rate=0.0, dtype=torch.float32)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    padded = DataCollatorForSeq2Seq(AutoTokenizer.from_pretrained(folder), model=model)

    def collate(rows: list) -> Any:
        batch = padded(rows)
        batch["labels"][0, 1:] = -100
        return batch

    with tempfile.TemporaryDirectory() as output:
        arguments = Seq2SeqTrainingArguments(
            output_dir=output, max_steps=1, save_strategy="no", logging_steps=1, disable_tqdm=True,
            per_device_train_batch_size=batch_size, gradient_accumulation_steps=accumulation,
            optim="sgd", learning_rate=rate, lr_scheduler_type="constant", max_grad_norm=0, use_cpu=True,
            train_sampling_strategy="sequential",
        )  # fmt: skip
        trainer = make_trainer(model, arguments, examples, collate)  # type: ignore[call-arg, func-returns-value]
        show_progress(trainer)
        trainer.train()
    used = trainer.args
    return {
        "arguments": [used.per_device_train_batch_size, used.gradient_accumulation_steps],
        "steps": {
            name: (before[name] - weight.detach()) / rate for name, weight in trainer.model.named_parameters()
        },
    }


def _uneven_examples(draw: Draw) -> list[dict]:
    """16 examples whose targets are words in two rows and sentences in the next two, so that batches of 2
    hold unequal numbers of tokens. Of what the model reads, its beginning is enough.
    """
    examples = []
    for number, row in enumerate(draw.rows("dialogues", 16)):
        prompt = instructions.prompt("summary", row)
        target = row["summary"] if number // 2 % 2 else row["topic"]
        examples.append(
            {
                "input_ids": _tokenizer()(prompt, truncation=True, max_length=BEGINNING)["input_ids"],
                "labels": _tokenizer()(text_target=target)["input_ids"],
            }
        )
    return examples


def _gradient(examples: list[dict]) -> Any:
    """The gradient of the mean loss per token over all examples at once, flat, without dropout.

    The first of every two examples has its first label only, as in the batches of `one_update`.
    """
    import torch
    from transformers import DataCollatorForSeq2Seq

    model = _twin()
    batch = DataCollatorForSeq2Seq(_tokenizer(), model=model)([dict(example) for example in examples])
    batch["labels"][::2, 1:] = IGNORED
    gradients = torch.autograd.grad(model(**batch).loss, list(model.parameters()))
    return _flat(gradients).double()


def _cosine(one: Any, other: Any) -> float:
    return (one @ other / (one.norm() * other.norm())).item()


def _flat(tensors: Iterable[Any]) -> Any:
    import torch

    return torch.cat([tensor.detach().flatten() for tensor in tensors])


# q6: the training

TRAINED_ON, EVALUATED = 4000, 64
LEAST_GAIN = 0.10  # of ROUGE-L, absolute
SHARE_OF_GAP = 0.40  # of the way from the untouched twin's ROUGE-L to 1
HARDLY = 0.03  # ROUGE-L; a rate of 5e-5, as in recipes for large models, gains less in 200 steps
LEAST_FILED = 0.5  # of the summaries begin with the right colour, of which there are seven


@exercise.question(
    "q6",
    title="Fine-tune the whole model",
    points=6,
    difficulty=2,
    needs=("fine_tune",),
    lesson=TRAIN + "#Go",
    hints=(
        "Put questions 1, 2 and 5 together: examples, a collator, a trainer. Print the loss: does it "
        "still fall at the end?",
        "A model of this size takes a far larger learning rate than the Hub's (3e-3 to 1e-2), with a "
        "short warm-up. If the model that came in moved with the training, look for two names of one object.",
        (
            "two = one gives one model two names; copy.deepcopy(one), or from_pretrained once more, gives "
            "two models."
        ),
    ),
    seconds=600,
)
def fine_tune(answer: Answer, draw: Draw) -> None:
    colours = drawn_colours(draw)
    examples = _examples(TRAINED_ON, colours)
    flan = (Asset("flan-t5", "model"), Asset("flan-t5", "tokenizer"))
    trained = answer.given(fine_tuned).built("fine_tuned", *flan, Rows(examples))
    original = answer.model("fine_tune.original")
    for name, model in (("the trained model", trained), ("the model that was given", original)):
        expect.true(
            _shapes(model) == _shapes(_twin()), f"{name} to be a flan-t5 twin", "a model of another shape"
        )
    with part("the original is untouched", points=1):
        expect.true(
            _equal_weights(original, _twin()),
            "the model that was given to have the weights it came with",
            "weights that have changed; is it the object that was trained?",
        )
    rows = filed(draw.rows("dialogues", EVALUATED), colours)
    learner = copy.deepcopy(_twin())  # the course's own config and forward, with the learner's weights
    learner.load_state_dict(trained.state_dict())
    written = _written(learner, rows)
    before, after = _untouched(), _rouge(written, rows)
    what = f"ROUGE-L on {EVALUATED} fresh conversations (the untouched model has {before:.2f})"
    coloured = share_filed(written, rows, colours)
    colour = (
        "the share of these summaries that begin with the colour of their matter, as in the examples (does "
        "the loss still fall at the end? Then take more steps or a larger rate),"
    )
    if after < before + HARDLY:
        what += (
            "; one that hardly moved may have had too small a learning rate: a small model takes a larger one"
        )
    with part("it learned to summarise", points=2):
        expect.at_least(after, before + LEAST_GAIN, what)
        expect.at_least(coloured, LEAST_FILED, colour)
        moved = dict(learner.named_parameters())
        still = [name for name, weight in _twin().named_parameters() if weight.equal(moved[name])]
        expect.true(
            not still, "every weight to be trained", f"{len(still)} as they were, such as {still[:1]}"
        )
    with part("it learned it well", points=3):
        expect.at_least(after, before + SHARE_OF_GAP * (1 - before), what)
        expect.at_least(coloured, LEAST_FILED, colour)


def fine_tuned(model: Any, tokenizer: Any, examples: Any) -> Any:
    """What `fine_tune` makes of these examples; it and the model that was given stay with the function."""
    fine_tune.trained = fine_tune(model, tokenizer, examples)  # type: ignore[attr-defined, call-arg]
    fine_tune.original = model  # type: ignore[attr-defined]
    return fine_tune.trained  # type: ignore[attr-defined]


def _examples(count: int, colours: dict[str, str]) -> Table:
    """What a learner trains on, as the solution's `encode` makes it: the colours are drawn for each."""
    topics, summaries, prompts = _conversations(count)
    # T5's tokenizer takes word by word, so a text's tokens are those of its parts.
    begun = {
        topic: _tokenizer()(f"{colour}:", add_special_tokens=False)["input_ids"]
        for topic, colour in colours.items()
    }
    labels = [[*begun[topic], *summary] for topic, summary in zip(topics, summaries, strict=True)]
    return prompts.append_column("labels", [labels])


@cache
def _conversations(count: int) -> tuple[list[str], list[list[int]], Table]:
    """What everybody trains on: topics, tokens of the summaries, and those of the prompts as columns.

    What is asked afterwards is drawn for each learner, and so are the colours: weights that were trained on
    these rows before know nothing of them.
    """
    import pyarrow

    rows = Draw(b"what everybody trains on").rows("dialogues", count, "train")
    prompts = [instructions.prompt("summary", row) for row in rows]
    summaries = _tokenizer()([instructions.target("summary", row) for row in rows])["input_ids"]
    columns = dict(_tokenizer()(prompts, max_length=256, truncation=True))
    return [row["topic"] for row in rows], summaries, pyarrow.table(columns)


def _shapes(model: Any) -> dict[str, tuple]:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def _equal_weights(one: Any, other: Any) -> bool:
    weights = other.state_dict()
    return all(value.equal(weights[name]) for name, value in one.state_dict().items())


@cache
def _untouched() -> float:
    """ROUGE-L of the untouched twin, on conversations that are the same for everybody.

    It writes two or three words whatever it reads, so it has 0.02 on any rows.
    """
    rows = Draw(b"the untouched twin").rows("dialogues", EVALUATED)
    return _rouge(_written(_twin(), rows), rows)


def made_ahead() -> None:
    """Make what depends on no learner; see `course_utils.grading.run.apart.import_ahead`."""
    _conversations(TRAINED_ON)
    _untouched()


def _written(model: Any, rows: list[dict]) -> list[str]:
    """The summary that the model writes of each row."""
    from course_utils.measure import evaluation

    prompts = [instructions.prompt("summary", row) for row in rows]
    return evaluation.generate(model, _tokenizer(), prompts, batch_size=64)


def _rouge(texts: list[str], rows: list[dict]) -> float:
    from course_utils.measure import evaluation

    return evaluation.rouge_l(texts, [instructions.target("summary", row) for row in rows]).value


# q7: before and after


@exercise.question(
    "q7",
    title="Report a gain that can be believed",
    points=3,
    difficulty=2,
    needs=("compare",),
    lesson=COMPARE + "#The gain has an interval of its own",
    hints=(
        "Both models wrote a text for the same conversation. What can you subtract before you average?",
        (
            "rouge_l keeps one value per example in .values, and difference(after, before) resamples their "
            "differences."
        ),
        "Weights of twelve people before and after a month: the interval of the mean of (after - before), "
        "person by person, is far narrower than the two intervals of the means.",
    ),
)
def compare(answer: Answer, draw: Draw) -> None:
    before, after, references = _texts(draw)
    found = answer.call("compare", before, after, references)
    expect.keys(found, ("n", "before", "after", "gain", "low", "high"), "compare(before, after, references)")
    for name in ("before", "after", "gain", "low", "high"):
        expect.number(found[name], f"the report's {name!r}")
    scores = [_rouge_values(texts, references) for texts in (before, after)]
    means = [math.fsum(values) / len(values) for values in scores]
    with part("the two scores and their n", points=1):
        expect.equal(found["n"], len(references), "the report's 'n'")
        expect.close(found["before"], means[0], "the report's 'before' (ROUGE-L, 0 to 1)", tolerance=1e-3)
        expect.close(found["after"], means[1], "the report's 'after' (ROUGE-L, 0 to 1)", tolerance=1e-3)
    with part("the gain", points=1):
        expect.close(found["gain"], means[1] - means[0], "the report's 'gain'", tolerance=1e-3)
    with part("its interval, example by example", points=1):
        low, high = _paired_interval(*scores)
        # Another seed or method of resampling moves the ends a little, and the width less: of 1,000 resamples
        # by about 3 % (from the spread of a normal sample's quantiles). A 90 % interval is narrower by 16 %.
        tolerance = 0.15 * (high - low)
        expect.close(
            found["low"], low, "the report's 'low' (95 %, of the paired differences)", tolerance=tolerance
        )
        expect.close(
            found["high"], high, "the report's 'high' (95 %, of the paired differences)", tolerance=tolerance
        )
        what = "the width of the interval, 'high' minus 'low' (95 %, of the paired differences)"
        expect.close(found["high"] - found["low"], high - low, what, tolerance=0.12 * (high - low))


def _texts(draw: Draw) -> tuple[list[str], list[str], list[str]]:
    """Texts before and after, and references: easy and hard examples, and a small gain on each."""
    rows = draw.rows("dialogues", draw.random.randrange(220, 280))
    references = [row["summary"] for row in rows]
    before, after = [], []
    for reference in references:
        words = reference.split()
        kept = words[: max(2, int(len(words) * draw.random.uniform(0.15, 0.85)))]
        before.append(" ".join(kept))
        after.append(" ".join(words[: len(kept) + draw.random.choice((0, 1, 1, 2))]))
    return before, after, references


def _rouge_values(texts: list[str], references: list[str]) -> tuple[float, ...]:
    from course_utils.measure import evaluation

    return evaluation.rouge_l(texts, references).values


def _paired_interval(before: Sequence[float], after: Sequence[float]) -> tuple[float, float]:
    """95 % of the mean difference, by the normal approximation: n is above 200."""
    gains = [new - old for new, old in zip(after, before, strict=True)]
    mean = math.fsum(gains) / len(gains)
    deviation = math.sqrt(math.fsum((gain - mean) ** 2 for gain in gains) / (len(gains) - 1))
    half = 1.96 * deviation / math.sqrt(len(gains))
    return mean - half, mean + half


exercise.manual(
    "q8",
    title="Would you put it to work?",
    points=3,
    difficulty=2,
    lesson=COMPARE + "#Where it is still wrong",
    hints=(
        "Read ten summaries next to their conversations before you look at the score.",
        "Which mistakes would a customer notice, and does ROUGE-L notice them?",
        "A weather report with one wrong digit has nearly the same words as the right one.",
    ),
)


# q9: a run that looks after itself


@exercise.question(
    "q9",
    title="Evaluate what it writes, and stop in time",
    points=4,
    difficulty=1,
    needs=("share_exact", "watch"),
    lesson=KEEP + "#What an evaluation should count",
    hints=(
        "What does a tokenizer make of the token -100? And which evaluation is an improvement: one that "
        "beats the last one, or one that beats the best?",
        "Put the pad token where -100 stands, in predictions and labels, and decode with "
        "skip_special_tokens=True. For the second, keep the place of the best so far; how far behind the "
        "present place may it lie?",
        "A jumper who stops after two jumps that brought no personal best:\n"
        "for number, jump in enumerate(jumps):\n"
        "    if jump > jumps[best]: best = number\n"
        "    if number - best >= 2: break",
    ),
)
def look_after(answer: Answer, draw: Draw) -> None:
    predictions, labels, share = _written_and_right(draw)
    what = f"share_exact of {len(labels)} rows"
    found = answer.call("share_exact", predictions, labels, Asset("flan-t5", "tokenizer"))
    curves = [(_losses(draw), patience) for patience in (1, 2, 3, 4)]
    curves += [([0.9, 0.7, 0.8, 0.75, 0.6, 0.65], 2), ([0.5, 0.5, 0.5, 0.4], 2), ([0.9, 0.8, 0.7], 2)]
    watched = [(case, answer.call("watch", *case)) for case in curves]
    with part("the share of texts that are right", points=2):
        expect.number(found, what)
        expect.close(found, share, what, tolerance=1e-6)
    for case, report in watched:
        expect.keys(report, ("evaluations", "kept"), f"watch{case}")
    with part("when it stops", points=1):
        for case, report in watched:
            expect.equal(report["evaluations"], _watched(*case)[0], f'watch{case}["evaluations"]')
    with part("what it keeps", points=1):
        for case, report in watched:
            expect.equal(report["kept"], _watched(*case)[1], f'watch{case}["kept"]')


def _written_and_right(draw: Draw) -> tuple[list[list[int]], list[list[int]], float]:
    """Rows of tokens as an evaluation hands them over, filled up with -100, and the share of right texts."""
    tokenizer, rows = _tokenizer(), draw.rows("dialogues", 12)
    right = [row["summary"] for row in rows]
    wrong = set(draw.sample(range(len(rows)), draw.random.randrange(3, 9)))
    written = [text + " Thank you." if place in wrong else text for place, text in enumerate(right)]
    start = tokenizer.pad_token_id  # T5 begins with it
    predictions = [[start, *tokenizer(text)["input_ids"]] for text in written]
    labels = [tokenizer(text_target=text)["input_ids"] for text in right]
    filled = [
        [row + [IGNORED] * (max(map(len, group)) + 2 - len(row)) for row in group]
        for group in (predictions, labels)
    ]
    return filled[0], filled[1], 1 - len(wrong) / len(rows)


def _losses(draw: Draw) -> list[float]:
    """Validation losses that fall, with bumps, and then rise."""
    pick, turn, length = draw.random, draw.random.randrange(3, 7), 12
    return [round(1 + 0.1 * abs(place - turn) + pick.uniform(-0.12, 0.12), 2) for place in range(length)]


def _watched(losses: Sequence[float], patience: int) -> tuple[int, int]:
    """How many evaluations are made, and the place of the one that is kept."""
    kept = 0
    for place, loss in enumerate(losses):
        kept = place if loss < losses[kept] else kept
        if place - kept >= patience:
            return place + 1, kept
    return len(losses), kept
