"""The notebooks' code, read and not run: nothing of what is known to break on an accelerator stands in it."""

import pytest

from tests.devices import reading
from tests.devices.reading import PACKED, RULES, RULES_OF_PARTS, STAYS, faults_of
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
        "03_read_a_curve_mend_a_script",
        "language",
    ): "this model stays on the CPU; the Trainer's is another one",
    ("01_models_and_weights", "freeze-steps"): "three steps, and what they changed",
    ("01_models_and_weights", "register"): "a bag of words: quicker there than it could be moved",
    ("02_what_a_run_costs", "flops"): "one step, whose operations are counted",
    ("02_what_a_run_costs", "checkpointing"): "one step, whose bytes are counted",
    ("01_lora_by_hand", "first-step"): "one layer",
    ("01_lora_by_hand", "train"): "one batch of eight, for twenty steps, compared bit by bit",
    ("02_settings_of_lora", "rank"): "one batch of four, for three steps",
    ("04_distil", "temperature"): "`logits` of that lesson brings them to the CPU",
    ("07_from_films_to_tweets", "table"): "the vectors were brought to the CPU when they were made",
    ("01_learning_from_preferences", "loss"): "numbers of its own, on the CPU, in float64",
    ("03_one_big_batch", "means-halves"): "one step, compared with another one but for rounding",
    ("03_one_big_batch", "two-code"): "ranks on gloo, which are processes on the CPU",
    ("03_one_big_batch", "accumulate-code"): "ranks on gloo, which are processes on the CPU",
    ("03_one_big_batch", "trainer-code"): "ranks on gloo: two of them on one GPU would be another lesson",
}
THERE = "model.to(course.device)\n"
NOTHING, PIPELINE, TRAINER, KEPT, HALF, CLOCK, GENERATOR, WIDE = (None, *RULES)
STAY, NUMPY = RULES_OF_PARTS

PLANTED = [
    ("sort = pipeline('text-classification', model=model)", PIPELINE),
    ("sort = pipeline('text-classification', model=model, device=course.device)", NOTHING),
    ("make_pipeline(DictVectorizer())", NOTHING),
    ("TrainingArguments('runs', max_steps=3)", TRAINER),
    ("TrainingArguments('runs', use_cpu=True)", KEPT),
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
    assert faults_of({"one": "TrainingArguments('runs', use_cpu=True)", "two": say}) == {"one": [KEPT]}


def test_a_notebook_that_trains_names_the_device_somewhere():
    load, train = "model = AutoModel.from_pretrained(course.model('bert'))", "model(**batch).loss.backward()"
    assert faults_of({"one": load, "two": train}) == {"two": [STAYS]}
    assert faults_of({"one": load, "two": "train_briefly(model, rows, collate, steps=3)"}) == {"two": [STAYS]}
    assert faults_of({"one": load + ".to(course.device)", "two": train}) == {}
    assert faults_of({"one": load, "two": "model(**batch)"}) == {}, "who only asks may stay"
    assert faults_of({"one": "model = torch.nn.Linear(2, 2)", "two": train}) == {}, "nor a model of its own"
    shape = "shape = AutoConfig.from_pretrained(course.model('bert'))"
    assert faults_of({"one": shape, "two": train}) == {}, "a config has no weights"
    assert faults_of({"one": f"{shape}\n{load}", "two": train}) == {"two": [STAYS]}


def test_nothing_in_the_notebooks_is_known_to_break_on_an_accelerator():
    found = {}
    for path in notebooks("lessons", "solutions"):
        for cell, words in reading.faults(path).items():
            if path.parent.parent.name == "solutions":  # done and marked on a CPU, in float32
                words = [each for each in words if each not in (STAYS, KEPT)]
            if words:
                found[path.stem, cell] = words
    assert {place: words for place, words in found.items() if place not in RIGHT} == {}
    assert sorted(set(RIGHT) - set(found)) == [], "no rule says anything of these any more"
