"""The notebooks' code, read and not run: nothing of what is known to break on an accelerator stands in it."""

import pytest

from tests.devices import reading
from tests.devices.reading import PACKED, RULES, RULES_OF_PARTS, faults_of
from tests.notebook_choice import notebooks

#: (notebook, cell) -> why what a rule says of it is right
RIGHT = {
    ("04_writing", "removed"): "the pipelines are those that are gone: the cell shows the error",
    ("04_four_bits", "levels-plot"): "weights of a model that stays on the CPU",
    (
        "01_time_correctly",
        "one-number-code",
    ): "how not to: two parts further on, the lesson says what is wrong",
    (
        "02_a_reward_to_climb",
        "rewarder",
    ): "the rewarder stays on the CPU; trl's Trainer has a model of its own",
    (
        "03_read_a_curve_mend_a_script",
        "language",
    ): "this model stays on the CPU; the Trainer's is another one",
}
THERE = "model.to(course.device)\n"
NOTHING, PIPELINE, TRAINER, HALF, CLOCK, GENERATOR, WIDE = (None, *RULES)
STAY, NUMPY = RULES_OF_PARTS

PLANTED = [
    ("sort = pipeline('text-classification', model=model)", PIPELINE),
    ("sort = pipeline('text-classification', model=model, device=course.device)", NOTHING),
    ("make_pipeline(DictVectorizer())", NOTHING),
    ("TrainingArguments('runs', max_steps=3)", TRAINER),
    ("Seq2SeqTrainingArguments('runs', use_cpu=course.device == 'cpu')", NOTHING),
    ("GRPOConfig(output_dir='runs', max_steps=3)", TRAINER),
    ("LoraConfig(r=3)", NOTHING),
    ("TrainingArguments('runs', **settings)", NOTHING),
    ("TrainingArguments('runs', use_cpu=course.device == 'cpu', bf16=True)", HALF),
    ("TrainingArguments('runs', use_cpu=course.device == 'cpu', bf16=advice.precision == 'bf16')", NOTHING),
    ("x = torch.ones(3, device=course.device)\nbegun = time.perf_counter()\nx @ x", CLOCK),
    ("x = torch.ones(3, device=course.device)\nbegun = time.perf_counter()\n(x @ x).item()", NOTHING),
    ("begun = time.perf_counter()\nread(file)", NOTHING),
    ("torch.randn(3, device=course.device, generator=torch.Generator())", GENERATOR),
    ("torch.randn(3, device=course.device, generator=torch.Generator(course.device))", NOTHING),
    ("torch.ones(3, dtype=torch.float64, device=course.device)", WIDE),
    ("x = torch.ones(3, dtype=torch.float64)", NOTHING),
    (THERE + "def say(x):\n    return model(**words(x, return_tensors='pt')).logits", STAY),
    (
        THERE + "def say(x):\n    return model(**words(x, return_tensors='pt').to(model.device)).logits",
        NOTHING,
    ),
    ("def say(x):\n    return model(**words(x, return_tensors='pt')).logits", NOTHING),
    (THERE + "def say(x):\n    return model.generate(**words(x, return_tensors='pt'))", NOTHING),
    (THERE + "def batch(x):\n    return {**words(x, return_tensors='pt'), 'labels': labels}", NOTHING),
    ("%matplotlib inline\n" + THERE + "plot(model.weight.detach().numpy())", NUMPY),
    (THERE + "plot(model.weight.detach().cpu().numpy())", NOTHING),
    ("small = load(path, quantization_config=four)\nsmall(**batch).loss.backward()", PACKED),
    (
        "small = load(path, quantization_config=four)\nsmall(**batch.to(small.device)).loss.backward()",
        NOTHING,
    ),
]


@pytest.mark.parametrize(("source", "wrong"), PLANTED)
def test_it_tells_right_from_wrong(source, wrong):
    assert faults_of({"cell": source}) == ({"cell": [wrong]} if wrong else {})


def test_a_model_that_another_cell_moves_and_a_trainer_count():
    say = "def say(x):\n    return model(**words(x, return_tensors='pt')).logits"
    for there in (THERE, "TrainingArguments('runs', use_cpu=course.device == 'cpu')"):
        assert faults_of({"one": there, "two": say}) == {"two": [STAY]}
    assert faults_of({"one": "TrainingArguments('runs', use_cpu=True)", "two": say}) == {}


def test_nothing_in_the_notebooks_is_known_to_break_on_an_accelerator():
    found = {
        (path.stem, cell): words
        for path in notebooks("lessons", "solutions")
        for cell, words in reading.faults(path).items()
    }
    assert {place: words for place, words in found.items() if place not in RIGHT} == {}
    assert sorted(set(RIGHT) - set(found)) == [], "no rule says anything of these any more"
