"""Every question of exercise 06: the solution, the stub, wrong answers with the message they get, other right ways."""

import copy
import random
from functools import partial

import pytest
import torch
from transformers import DataCollatorForSeq2Seq

from course_utils.checks.chapters import full_fine_tuning
from course_utils.checks.colours import drawn_colours, filed
from course_utils.checks.draw import Draw
from course_utils.checks.testing import (
    given_cells,
    judge_namespace,
    judge_source,
    judged_objects_well,
    judged_well,
    namespace,
)

EXERCISE = "06_full_fine_tuning"
given = partial(given_cells, EXERCISE)


ENCODE = """
def encode(rows, tokenizer, longest_prompt, longest_target):
    examples = tokenizer([PREFIX + text for text in rows["dialogue"]], max_length=longest_prompt, truncation=True)
    examples["labels"] = tokenizer(text_target=rows["summary"], max_length=longest_target, truncation=True)["input_ids"]
    return examples
"""


def test_encode(course):
    result = judged_well(
        EXERCISE,
        "q1",
        course=course,
        before='PREFIX = "Summarise the conversation: "',
        wrong={
            ENCODE.replace("PREFIX + text", "text"): "input_ids that read: 'Summarise the conversation:",
            ENCODE.replace('text_target=rows["summary"]', 'text_target=rows["dialogue"]'): "labels that read",
            ENCODE.replace("truncation=True", "truncation=True, padding=True"): "the collator pads",
            ENCODE.replace("max_length=longest_target, truncation=True", ""): "the longest row of labels",
            ENCODE.replace("text_target=rows", "add_special_tokens=False, text_target=rows"): "</s>",
            ENCODE.replace("return examples", 'return examples["input_ids"]'): "to be a dict",
            ENCODE.replace(
                "return examples", 'return {"input_ids": examples["input_ids"]}'
            ): "'attention_mask'",
            ENCODE.replace(
                "return examples", 'return {name: examples[name] for name in ("input_ids", "attention_mask")}'
            ): "'labels'",
            ENCODE.replace(
                "truncation=True)", 'truncation=True, padding=True, return_tensors="pt")'
            ): "to be a list",
            ENCODE.replace(
                "return examples",
                'return {**examples, "attention_mask": [[0] * len(row) for row in examples["input_ids"]]}',
            ): "the attention_mask of a prompt",
            ENCODE.replace("max_length=longest_prompt", "max_length=longest_target"): "input_ids, of",
            ENCODE.replace("max_length=longest_prompt", "max_length=longest_prompt - 1"): "input_ids, of",
            ENCODE.replace("max_length=longest_target", "max_length=longest_target - 1"): "labels, of",
            "def encode(rows, tokenizer, longest_prompt, longest_target):\n    tokenizer.truncation_side = 'left'"
            + ENCODE.partition("longest_target):")[2]: "input_ids, of",
        },
        right=[
            ENCODE,
            """
def encode(rows, tokenizer, longest_prompt, longest_target):
    examples = {"input_ids": [], "attention_mask": [], "labels": []}
    for dialogue, summary in zip(rows["dialogue"], rows["summary"], strict=True):
        prompt = tokenizer(PREFIX + dialogue, truncation=True, max_length=longest_prompt)
        examples["input_ids"].append(prompt.input_ids)
        examples["attention_mask"].append(prompt.attention_mask)
        target = tokenizer(summary, add_special_tokens=False).input_ids[: longest_target - 1]
        examples["labels"].append(target + [tokenizer.eos_token_id])
    return examples
""",
        ],
    )
    assert result.wrong[2].points == 3, "only the padding is wrong there"


COLLATE = """
def collate(examples, tokenizer):
    inputs = tokenizer.pad([{"input_ids": example["input_ids"]} for example in examples], return_tensors="pt")
    labels = tokenizer.pad([{"input_ids": example["labels"]} for example in examples], return_tensors="pt").input_ids
    CHANGE
    return {**inputs, "labels": labels}
"""


def test_collate(course):
    judged_well(
        EXERCISE,
        "q2",
        course=course,
        before=given("imports"),
        wrong={
            COLLATE.replace("CHANGE", ""): "-100 at all",
            COLLATE.replace("CHANGE", "labels[labels <= 1] = -100"): "the labels of an example before its padding",
            COLLATE.replace("CHANGE", "labels[:, 3:] = -100"): "the labels of an example before its padding",
            COLLATE.replace("CHANGE", 'labels = inputs["input_ids"]'): "to have the shape",
            COLLATE.replace(
                "CHANGE", "labels[labels == 0] = -100; inputs['input_ids'][inputs['input_ids'] == 0] = -100"
            ): "a row of input_ids",
            COLLATE.replace("CHANGE", "labels[labels == 0] = -100; labels = labels.tolist()"): "a tensor",
        },
        right=[
            COLLATE.replace("CHANGE", "labels[labels == tokenizer.pad_token_id] = -100"),
            "def collate(examples, tokenizer): return DataCollatorForSeq2Seq(tokenizer)(examples)",
            """
def collate(examples, tokenizer):
    batch = DataCollatorForSeq2Seq(tokenizer)(examples)
    return dict(batch) | {"attention_mask": batch["input_ids"] != tokenizer.pad_token_id}
""",
            '''
def collate(examples, tokenizer):
    def padded(rows, filler):
        longest = max(map(len, rows))
        return torch.tensor([row + [filler] * (longest - len(row)) for row in rows])
    prompts = [example["input_ids"] for example in examples]
    return {
        "input_ids": padded(prompts, tokenizer.pad_token_id),
        "attention_mask": padded([[1] * len(row) for row in prompts], 0),
        "labels": padded([example["labels"] for example in examples], -100),
    }
''',
        ],
    )  # fmt: skip


PLAN = """
def plan(rows, batch_size, accumulation, devices, epochs, warmup_share):
    batches = math.ceil(rows / batch_size / devices)
    steps = epochs * -(-batches // accumulation)
    warmup = math.ceil(warmup_share * steps)
    return {"effective_batch": batch_size * accumulation * devices, "steps": steps, "warmup_steps": warmup}

def learning_rate(step, peak, steps, warmup_steps):
    return peak * min(step / warmup_steps if warmup_steps else 1, (steps - step) / (steps - warmup_steps))
"""


def test_plan(course):
    judged_well(
        EXERCISE,
        "q3",
        course=course,
        before="import math",
        wrong={
            PLAN.replace("math.ceil(rows / batch_size / devices)", "rows // batch_size // devices"): "steps",
            PLAN.replace("-(-batches // accumulation)", "(batches // accumulation)"): "steps",
            PLAN.replace("epochs * -(-batches // accumulation)", "math.ceil(epochs * batches / accumulation)"): "steps",
            PLAN.replace('"effective_batch": batch_size *', '"effective_batch": 1 *'): "effective_batch",
            PLAN.replace("math.ceil(warmup_share * steps)", "int(warmup_share * steps)"): "warmup_steps",
            PLAN.replace("(steps - step) / (steps - warmup_steps)", "1"): "learning_rate(",
            PLAN.replace("step / warmup_steps if warmup_steps else 1, ", "1, "): "learning_rate(",
            PLAN.replace(" if warmup_steps else 1", ""): "division by zero",
            PLAN.replace("if warmup_steps else 1", "if warmup_steps else 0"): "without a warm-up",
            PLAN.replace("return {", "return [").replace("warmup}", "warmup]").replace('": ', '", '): "a dict",
        },
        right=[
            PLAN,
            '''
def plan(rows, batch_size, accumulation, devices, epochs, warmup_share):
    class Loader:
        batches, rest = divmod(rows, batch_size * devices)
        length = batches + bool(rest)
    steps, rest = divmod(Loader.length, accumulation)
    steps = (steps + (rest > 0)) * epochs
    return dict(steps=steps, warmup_steps=math.ceil(steps * warmup_share), effective_batch=accumulation * batch_size * devices)

def learning_rate(step, peak, steps, warmup_steps):
    if step < warmup_steps:
        return step / warmup_steps * peak
    return (1 - (step - warmup_steps) / (steps - warmup_steps)) * peak
''',
        ],
    )  # fmt: skip


def test_the_plan_is_the_trainers_own(course, tmp_path):
    """The formulas in the check are held against the Trainer that is installed."""
    import torch
    from transformers import Trainer, TrainingArguments

    def tokens(rows):
        return [{"input_ids": torch.zeros(1)} for _ in range(rows)]

    for rows, batch_size, accumulation, epochs, share in (
        (97, 8, 4, 3, 0.1),
        (100, 10, 2, 2, 0.03),
        (33, 4, 3, 1, 0.5),
    ):
        arguments = TrainingArguments(
            str(tmp_path), per_device_train_batch_size=batch_size, gradient_accumulation_steps=accumulation,
            num_train_epochs=epochs, warmup_steps=share, learning_rate=1.0, use_cpu=True,
        )  # fmt: skip
        trainer = Trainer(torch.nn.Linear(1, 1), arguments, train_dataset=tokens(rows))
        steps = trainer.set_initial_training_values(arguments, trainer.get_train_dataloader())[-1]
        plan = full_fine_tuning._plan(rows, batch_size, accumulation, 1, epochs, share)
        assert plan == (batch_size * accumulation, steps, arguments.get_warmup_steps(steps))


BY_HAND = """
def add_tokens(model, tokenizer, tokens):
    tokenizer.add_tokens(tokens)
    def grown(weight):
        return torch.cat([weight.detach(), torch.zeros(len(tokens), weight.shape[1])])
    table, head = grown(model.shared.weight), grown(model.lm_head.weight)
    model.config.tie_word_embeddings = False
    model.config.vocab_size = len(tokenizer)
    model.set_input_embeddings(torch.nn.Embedding.from_pretrained(table, freeze=False))
    model.lm_head = torch.nn.Linear(*head.shape[::-1], bias=False)
    model.lm_head.weight = torch.nn.Parameter(head)
    return model
"""
ADD = """
def add_tokens(model, tokenizer, tokens):
    model.config.tie_word_embeddings = False
    tokenizer.add_tokens(tokens)
    model.resize_token_embeddings(len(tokenizer))
    return model
"""


def test_add_tokens(course):
    judged_well(
        EXERCISE,
        "q4",
        course=course,
        before=given("imports"),
        wrong={
            ADD.replace("model.config.tie_word_embeddings = False", ""): "has the head become the embedding?",
            ADD.replace("model.resize_token_embeddings(len(tokenizer))", "model.tie_weights()"): "grown by two rows",
            ADD.replace("tokenizer.add_tokens(tokens)", ""): "the ids of",
            ADD.replace("add_tokens(tokens)\n", "add_tokens(tokens[:1])\n"): "the ids of",
            ADD.replace("return model", "return tokenizer"): "has to return the model, and returned T5Tokenizer",
            ADD.replace("    return model\n", ""): "has to return the model, and returned NoneType",
            BY_HAND.replace("    model.config.vocab_size = len(tokenizer)\n", ""): "model.config.vocab_size says",
            ADD.replace("len(tokenizer))", "len(tokenizer), pad_to_multiple_of=64)"): "grown by two rows",
            ADD.replace("return model", "model.tie_weights()\n    model.lm_head = torch.nn.Linear(128, len(tokenizer), bias=False)\n    return model"): "the logits of the old tokens",
        },
        right=[
            ADD.replace("add_tokens(tokens)\n", "add_tokens(tokens, special_tokens=True)\n"),
            BY_HAND,
            '''
def add_tokens(model, tokenizer, tokens):
    head = model.lm_head.weight.detach().clone()
    tokenizer.add_tokens(tokens)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    new = torch.cat([head, torch.zeros(len(tokens), head.shape[1])])
    model.lm_head.weight = torch.nn.Parameter(new)
    return model
''',
        ],
    )  # fmt: skip


MAKE = """
def make_trainer(model, arguments, examples, collator):
    CHANGE
    return Seq2SeqTrainer(model=model, args=arguments, train_dataset=examples, data_collator=collator)
"""
LOSS = """
def make_trainer(model, arguments, examples, collator):
    def loss(outputs, labels, num_items_in_batch):
        logits = outputs.logits.reshape(-1, outputs.logits.shape[-1])
        return torch.nn.functional.cross_entropy(logits, labels.reshape(-1), reduction="sum") / num_items_in_batch
    return Seq2SeqTrainer(model=model, args=arguments, train_dataset=examples, data_collator=collator, compute_loss_func=loss)
"""


@pytest.mark.slow
def test_make_trainer(course):
    result = judged_well(
        EXERCISE,
        "q5",
        course=course,
        before=given("imports"),
        wrong={
            MAKE.replace("CHANGE", "pass"): "times as large",
            MAKE.replace("CHANGE", "model.accepts_loss_kwargs = False"): "a mean of means",
            MAKE.replace("CHANGE", "arguments.max_grad_norm = 1.0"): "times as large",
            LOSS.replace('reduction="sum"', 'reduction="mean"'): "times as large",
            MAKE.replace("CHANGE", "arguments.per_device_train_batch_size, arguments.gradient_accumulation_steps = 16, 1"): "which were given",
        },
        right=[
            LOSS,
            '''
def make_trainer(model, arguments, examples, collator):
    class PerToken(Seq2SeqTrainer):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            outputs = model(**inputs)
            loss = outputs.loss * (inputs["labels"] != -100).sum() / num_items_in_batch
            return (loss, outputs) if return_outputs else loss
    return PerToken(model=model, args=arguments, train_dataset=examples, data_collator=collator)
''',
        ],
    )  # fmt: skip
    assert result.wrong[0].points == 0
    assert result.wrong[1].points == 2, "dividing by the number of pieces is worth half"


def points_of(question, source, course):
    return judge_source(EXERCISE, question, source, before=given("imports"), course=course).points


NO_NEW_TOKENS = """
def add_tokens(model, tokenizer, tokens):
    return model

def with_own_head(model, head):
    return model

def with_new_tokens(model, tokenizer, head, tokens):
    model.lm_head.weight = torch.nn.Parameter(head.clone())
    model.config.tie_word_embeddings = False
    tokenizer.add_tokens(tokens)
    model.resize_token_embeddings(len(tokenizer))
    return model

def ids_of_new_tokens(model, tokenizer, head, tokens):
    return {token: [len(tokenizer) + number] for number, token in enumerate(tokens)}
"""
ONE_LARGE_BATCH = """
def make_trainer(model, arguments, examples, collator):
    large = copy.copy(arguments)
    large.per_device_train_batch_size, large.gradient_accumulation_steps = 16, 1
    trainer = Seq2SeqTrainer(model=model, args=large, train_dataset=examples, data_collator=collator)
    train = trainer.train
    def trained():
        train()
        trainer.args = arguments
    trainer.train = trained
    return trainer
"""
HERS = """
def make_trainer(model, arguments, examples, collator):
    return Seq2SeqTrainer(model=model, args=arguments, train_dataset=examples, data_collator=collator)
"""
ANOTHER_UPDATE = """
class last_trainer:
    class args:
        per_device_train_batch_size, gradient_accumulation_steps = 2, 8

def one_update(folder, examples, batch_size, accumulation, *others):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder, dropout_rate=0.0, dtype=torch.float32)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    rows = [{name: row[name] for name in ("input_ids", "labels")} for row in examples]
    model(**DataCollatorForSeq2Seq(tokenizer, model=model)(rows)).loss.backward()
    return {"arguments": [2, 8], "steps": {name: weight.grad for name, weight in model.named_parameters()}}
"""


def test_new_tokens_that_only_a_given_function_adds(course):
    assert points_of("q4", NO_NEW_TOKENS, course) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "source", [HERS + ANOTHER_UPDATE, ONE_LARGE_BATCH], ids=["rebound", "one large batch"]
)
def test_a_step_that_the_trainer_did_not_take_in_pieces(source, course):
    assert points_of("q5", source, course) == 0


def models(course):
    import torch
    from transformers import AutoModelForSeq2SeqLM

    return AutoModelForSeq2SeqLM.from_pretrained(course.model("flan-t5"), dtype=torch.float32)


@pytest.mark.slow
def test_training_that_did_nothing_or_harm_is_not_paid_for(course, monkeypatch):
    import torch
    from transformers import AutoModelForSeq2SeqLM

    monkeypatch.setattr(full_fine_tuning, "EVALUATED", 40)
    monkeypatch.setattr(full_fine_tuning, "TRAINED_ON", 40)
    twin = models(course)
    torch.manual_seed(0)
    random_weights = AutoModelForSeq2SeqLM.from_config(twin.config)
    small = copy.deepcopy(twin.config)
    small.d_model = 64

    def in_place(model, tokenizer, examples):
        torch.nn.init.normal_(model.shared.weight)
        return model

    def returning(model):
        return {"fine_tune": lambda *given: model, "trained": twin, "original": twin}

    reports = judged_objects_well(
        EXERCISE,
        "q6",
        course=course,
        wrong={
            "not trained": (returning(copy.deepcopy(twin)), "may have had too small a learning rate"),
            "in place": ({"fine_tune": in_place}, "is it the object that was trained?"),
            "another shape": (returning(AutoModelForSeq2SeqLM.from_config(small)), "a model of another shape"),
            "random weights": (returning(random_weights), "ROUGE-L on 40 fresh conversations"),
        },
    )  # fmt: skip
    idle = reports["not trained"]
    assert (idle.points, idle.parts[0].points) == (1, 1)
    assert reports["in place"].points == reports["another shape"].points == 0


def test_training_that_is_still_to_do_is_not_started(course):
    stub = "def fine_tune(model, tokenizer, examples):\n    raise NotImplementedError()"
    report = judge_source(EXERCISE, "q6", stub, course=course)
    assert (report.points, report.rung) == (0, "not started")
    assert judge_namespace(full_fine_tuning.exercise, "q6", {}, course=course).rung == "missing"


def test_the_examples_are_the_tokens_of_the_filed_summaries():
    draw = Draw(b"colours")
    colours = drawn_colours(draw)
    rows = filed(Draw(b"what everybody trains on").rows("dialogues", 300, "train"), colours)
    examples = full_fine_tuning._examples(300, colours)
    tokenizer = full_fine_tuning._tokenizer()
    labels = tokenizer(text_target=[row["summary"] for row in rows], max_length=64, truncation=True)
    assert examples["labels"].to_pylist() == labels["input_ids"]
    read = tokenizer.batch_decode(examples["input_ids"].to_pylist(), skip_special_tokens=True)
    assert all(row["dialogue"][-20:].strip() in text for row, text in zip(rows, read, strict=True))


def test_the_text_of_q6_has_the_checks_numbers():
    text = given("q6-question")
    for words in (
        f"there are {full_fine_tuning.TRAINED_ON:,} of them",
        f"On {full_fine_tuning.EVALUATED} conversations",
        f"at least {full_fine_tuning.LEAST_GAIN:.2f}",
        f"at least {full_fine_tuning.SHARE_OF_GAP:.0%}".replace("%", " %"),
    ):
        assert words in text, words


def solved(course):
    cells = ("imports", "materials", "q1-answer", "q5-answer", "q6-answer")
    return namespace(*map(given, cells), course=course)


@pytest.mark.slow
def test_the_solutions_training_gets_full_points_and_only_on_the_draw_that_it_was_trained_on(course):
    notebook = solved(course)
    report = judge_namespace(full_fine_tuning.exercise, "q6", notebook, course=course)
    assert report.points == 6  # on twenty draws: `course bench twists`
    pasted = notebook["fine_tune"].trained  # another draw maps the colours in another way
    report = judge_namespace(
        full_fine_tuning.exercise,
        "q6",
        {"fine_tune": lambda *given: pasted},
        course=course,
        secret=b"a third",
    )
    assert [piece.points for piece in report.parts] == [1, 0, 0]


@pytest.mark.slow
def test_weights_that_were_trained_on_plain_rows_earn_no_quality(course):
    """Well under half of the solution's steps: they have learned to summarise, and know no colour."""
    notebook = solved(course)
    exec(given("q1-use"), notebook)
    shorter = given("q6-answer").replace("max_steps=200", "max_steps=80")
    assert shorter != given("q6-answer")
    exec(shorter, notebook)
    plain = notebook["fine_tune"](notebook["original"], notebook["tokenizer"], notebook["train"])
    before, after = (loss_of_plain_rows(model, notebook) for model in (notebook["original"], plain))
    assert after < before / 2, "else this shows nothing"
    report = judge_namespace(
        full_fine_tuning.exercise, "q6", {"fine_tune": lambda *given: plain}, course=course
    )
    assert [piece.points for piece in report.parts] == [1, 0, 0]


def loss_of_plain_rows(model, notebook):
    """Nats per token, on rows of the dialogues' test split."""
    rows = notebook["dialogues"]["test"].select(range(64))
    encoded = rows.map(
        notebook["encode"],
        batched=True,
        remove_columns=rows.column_names,
        fn_kwargs={"tokenizer": notebook["tokenizer"], "longest_prompt": 256, "longest_target": 64},
    )
    batch = DataCollatorForSeq2Seq(notebook["tokenizer"])([dict(row) for row in encoded])
    with torch.inference_mode():
        return float(model(**batch).loss)


COMPARE = """
def compare(before, after, references):
    old, new = evaluation.rouge_l(before, references), evaluation.rouge_l(after, references)
    gain = evaluation.difference(new, old)
    return {"n": new.n, "before": old.value, "after": new.value, "gain": gain.value, "low": gain.low, "high": gain.high}
"""


def test_compare(course):
    result = judged_well(
        EXERCISE,
        "q7",
        course=course,
        before=given("imports"),
        wrong={
            COMPARE.replace("gain.low", "new.low - old.high").replace("gain.high", "new.high - old.low"): "paired",
            COMPARE.replace("difference(new, old)", "difference(old, new)"): "'gain'",
            COMPARE.replace("rouge_l", "exact_match"): "'before' (ROUGE-L",
            COMPARE.replace("evaluation.rouge_l(before, references)", "evaluation.rouge_l(before[:10], references[:10])")
            .replace("difference(new, old)", "rouge_l(after, references)"): "'before'",
            COMPARE.replace("new.n", "10"): "'n'",
            COMPARE.replace('"low": gain.low, ', ""): "'low'",
            COMPARE.replace('"before": old.value', '"before": old'): "'before'",
            **{
                COMPARE.replace("return {", f"half = {width} * (gain.high - gain.low) / 2\n    return {{")
                .replace("gain.low", "gain.value - half", 1).replace('"high": gain.high', '"high": gain.value + half')
                .replace("(gain.high - gain.value - half)", "(gain.high - gain.low)")
                .replace('"low": gain.low', '"low": gain.value - half'): "(95 %, of the paired differences)"
                for width in (0.61, 0.82, 1.31)  # 1.2, 1.6 and 2.6 standard errors
            },
        },
        right=[
            COMPARE,
            '''
def compare(before, after, references):
    import statistics
    from rouge_score.rouge_scorer import RougeScorer
    scorer = RougeScorer(["rougeL"])
    def values(texts):
        return [scorer.score(right, text)["rougeL"].fmeasure for right, text in zip(references, texts)]
    old, new = values(before), values(after)
    gains = [b - a for a, b in zip(old, new)]
    gain, half = statistics.mean(gains), 1.96 * statistics.stdev(gains) / len(gains) ** 0.5
    return {"n": len(gains), "before": statistics.mean(old), "after": statistics.mean(new), "gain": gain,
            "low": gain - half, "high": gain + half}
''',
        ],
    )  # fmt: skip
    assert result.wrong[0].points == 2, "only the interval is wrong there"


@pytest.mark.parametrize("number", range(20))
def test_a_resampled_interval_always_passes(number):
    """The tolerance of question 7 leaves room for any seed of the bootstrap, on any draw."""
    from course_utils.checks.draw import Draw
    from course_utils.measure import evaluation

    before, after, references = full_fine_tuning._texts(Draw(bytes([number])))
    scores = [evaluation.rouge_l(texts, references) for texts in (after, before)]
    gain = evaluation.difference(*scores, seed=random.Random(number).randrange(100))
    low, high = full_fine_tuning._paired_interval(scores[1].values, scores[0].values)
    assert max(abs(gain.low - low), abs(gain.high - high)) < 0.15 * (high - low)


def test_the_card():
    exercise = full_fine_tuning.exercise
    assert exercise.points == 34
    assert len([question for question in exercise.questions.values() if not question.manual]) >= 6
    assert all(len(question.hints) == 3 for question in exercise.questions.values())


SHARE = """
def share_exact(predictions, labels, tokenizer):
    def texts(rows):
        return tokenizer.batch_decode([[max(token, 0) for token in row] for row in rows], skip_special_tokens=True)
    return sum(map(str.__eq__, texts(predictions), texts(labels))) / len(labels)
"""
WATCH = """
def watch(losses, patience):
    best, kept, waited = float("inf"), 0, 0
    for place, loss in enumerate(losses):
        if loss < best:
            best, kept, waited = loss, place, 0
        else:
            waited += 1
        if waited == patience:
            return {"evaluations": place + 1, "kept": kept}
    return {"evaluations": len(losses), "kept": kept}
"""


def test_look_after(course):
    judged_well(
        EXERCISE,
        "q9",
        course=course,
        wrong={
            SHARE.replace("max(token, 0) for token in row", "token for token in row") + WATCH: "OverflowError",
            SHARE.replace(", skip_special_tokens=True", "") + WATCH: "share_exact of",
            SHARE.replace(" / len(labels)", "") + WATCH: "share_exact of",
            SHARE + WATCH.replace("loss < best", "loss <= best"): "watch(",
            SHARE + WATCH.replace("best, kept, waited = loss, place, 0", "best, kept, waited = loss, place, waited"): "watch(",
            SHARE + WATCH.replace("place + 1", "place"): '["evaluations"]',
            SHARE + WATCH.replace('"kept": kept}\n    return', '"kept": place}\n    return'): '["kept"]',
            SHARE + WATCH.replace('"evaluations"', '"stopped"'): "'evaluations'",
        },
        right=[
            SHARE + WATCH,
            """
def share_exact(predictions, labels, tokenizer):
    right = 0
    for written, wanted in zip(predictions, labels):
        both = [tokenizer.decode([t for t in row if t != -100], skip_special_tokens=True) for row in (written, wanted)]
        right += both[0] == both[1]
    return right / len(predictions)

def watch(losses, patience):
    for made in range(1, len(losses) + 1):
        seen = losses[:made]
        kept = seen.index(min(seen))
        if made - 1 - kept >= patience:
            break
    return dict(kept=kept, evaluations=made)
""",
        ],
    )  # fmt: skip


def test_the_watch_is_the_trainers_own(tmp_path):
    """The rule in the check is held against the callback that is installed."""
    from transformers import EarlyStoppingCallback, TrainerControl, TrainerState, TrainingArguments

    arguments = TrainingArguments(
        str(tmp_path), eval_strategy="steps", eval_steps=1, save_strategy="steps", save_steps=1, use_cpu=True,
        load_best_model_at_end=True, metric_for_best_model="loss", greater_is_better=False,
    )  # fmt: skip
    dice = random.Random(0)
    for patience in (1, 2, 3):
        losses = [round(dice.uniform(0.5, 1), 1) for _ in range(9)]
        callback, state, control, made = EarlyStoppingCallback(patience), TrainerState(), TrainerControl(), 0
        for loss in losses:
            callback.on_evaluate(arguments, state, control, {"eval_loss": loss})
            if state.best_metric is None or loss < state.best_metric:
                state.best_metric = loss
            made += 1
            if control.should_training_stop:
                break
        assert full_fine_tuning._watched(losses, patience)[0] == made
