"""Answers that do not do the work, in every chapter: the table.

Four families. "given code": what the notebook gives is bound anew and says what the check wants to
hear. "not trained here": a model that nothing was trained in, or whose weights come from elsewhere.
"counted wrongly": a budget, an interval or a count that is true only where it is looked at. "ends the
grader": what a learner made cannot be read. Where a test of a chapter holds the same answer, it is
taken from there.
"""

from course_utils.checks.framework import load_exercise
from course_utils.checks.testing import changed_answer, given_cell_with
from tests.attacks import outsiders
from tests.attacks.claims import Claim
from tests.checks.chapters import test_catastrophic_forgetting as forgetting
from tests.checks.chapters import test_evaluation as evaluation
from tests.checks.chapters import test_full_fine_tuning as tuning
from tests.checks.chapters import test_lora_and_peft as lora
from tests.checks.chapters import test_models_and_pipelines as pipelines
from tests.checks.chapters import test_multi_task as tasks
from tests.checks.chapters import test_results_and_demos as results
from tests.checks.chapters import test_the_hub as the_hub
from tests.checks.chapters import test_transfer_learning as transfer

HUB, DATASETS, PIPELINES, EVALUATION = "01_the_hub", "02_datasets", pipelines.EXERCISE, evaluation.EXERCISE
TUNING, FORGETTING, TRANSFER = tuning.EXERCISE, forgetting.EXERCISE, transfer.EXERCISE
TASKS, LORA, RESULTS = tasks.EXERCISE, lora.EXERCISE, results.EXERCISE

# A table reads best with one case after another.
# fmt: off


def silent(*names, **bound):
    """Answers that do nothing, and functions of the notebook's that return what is said here."""
    lines = [f"def {name}(*_, **__): return None" for name in names]
    return "\n".join([*lines, *(f"def {name}(*_, **__): return {value}" for name, value in bound.items())])


# --- given code -------------------------------------------------------------------------------------------

SAID_OF_A_TABLE = "{'features': {'place': 'string', 'celsius': 'float64'}, 'rows': [], 'place': 'pier'}"
GIVEN = [
    ("forged snapshot", HUB, "q4", "def publish_twice(repo_id, first, second, tag): return '0' * 40\nclass Forged:\n    def snapshot(self, repositories=None): return {'format': 1, 'accounts': {}, 'repositories': []}\nhub = Forged()", ("hub",)),
    ("told what the colleague writes", HUB, "q7", the_hub.TOLD, ("hub",)),
    ("stock bound anew", HUB, "q2", silent("choose", stock="None"), ("hub",)),
    ("gathered bound anew", DATASETS, "q1", silent("gather", gathered=SAID_OF_A_TABLE), ("imports",)),
    ("chunked bound anew", DATASETS, "q2", silent("chunks", chunked="{'rows': [[1, 2, 3]], 'tokens': [[1]]}"), ("imports",)),
    ("reading bound anew", DATASETS, "q3", silent("read", reading="{'rows': [[{}]], 'pulled': [0]}"), ("imports",)),
    ("splits_of bound anew", DATASETS, "q6", silent("split", splits_of="{'train': [0], 'validation': [1], 'test': [2]}"), ("imports",)),
    ("carded bound anew", DATASETS, "q7", silent("write_card", carded="{'folder': '.', 'data': {'license': 'apache-2.0', 'language': ['en']}, 'text': 'It says so itself.'}"), ("imports",)),
    ("pictured bound anew", DATASETS, "q9", silent("picture_set", "mirror", pictured="{'rows': []}", mirrored="[]"), ("imports",)),
    ("three_steps bound anew", PIPELINES, "q2", pipelines.IMPORTS + pipelines.NOT_FROZEN, ()),
    ("through_the_library bound anew", PIPELINES, "q3", pipelines.IMPORTS + "from transformers import AutoModelForSequenceClassification\n" + pipelines.without_use("q3-plain", "q3-config") + pipelines.NO_HOME, ()),
    ("cut bound anew", PIPELINES, "q4", pipelines.IMPORTS + pipelines.LETTERS, ()),
    ("embedded bound anew", PIPELINES, "q7", pipelines.IMPORTS + pipelines.SAME_FOR_ALL, ()),
    ("through_the_pipeline bound anew", PIPELINES, "q9", pipelines.IMPORTS + pipelines.NO_PIPELINE, ("q9-imports",)),
    ("asked bound anew", EVALUATION, "q4", evaluation.IMPORTS + evaluation.SAYS_SO, ("imports",)),
    ("evaluate bound anew", EVALUATION, "q4", evaluation.IMPORTS + evaluation.SAYS_SO.replace("pass", "Path(folder, 'any_match.py').write_text('import evaluate')") + evaluation.LOADS_SOMETHING_ELSE, ("imports",)),
    ("kept bound anew", EVALUATION, "q8", evaluation.IMPORTS + evaluation.KEPT, ("imports",)),
    ("with_new_tokens bound anew", TUNING, "q4", tuning.NO_NEW_TOKENS, ("imports",)),
    ("one_update bound anew", TUNING, "q5", tuning.HERS + tuning.ANOTHER_UPDATE, ("imports",)),
    ("a Trainer with other arguments", TUNING, "q5", tuning.ONE_LARGE_BATCH, ("imports",)),
    ("losses bound anew", FORGETTING, "q4", "import torch\n" + forgetting.SAYS_WHAT_IS_ASKED + "\ndef compare(model, batch):\n    return {}\n", ()),
    ("probe bound anew", TRANSFER, "q1", f"{transfer.FREEZE}\n{transfer.given('q1-probe')}".replace("freeze(", "right(") + "\ndef freeze(model, depth):\n    return model", ()),
    ("watched bound anew", TASKS, "q5", tasks.IMPORTS + "def train_round(*given):\n    pass\n\n" + tasks.ROUND.replace("train_round", "right") + given_cell_with(TASKS, "def watched(").replace("train_round", "right"), ("imports",)),
    ("probe bound anew", LORA, "q3", f"{lora.LOW_RANK_UPDATE.replace('LowRankUpdate', 'Right')}\n{lora.given('q3-probe')}".replace("kind or LowRankUpdate", "Right") + "\n" + lora.given("q3-colleague").replace("ColleaguesLowRankUpdate", "LowRankUpdate"), ()),
    ("both_ways bound anew", LORA, "q7", f"{lora.FAKE.replace('fake_quant', 'right')}\n{lora.given('q7-probe').split('try:')[0].replace('fake_quant', 'right')}\ndef fake_quant(x, step, low, high):\n    return x", ()),
    ("placed and five_steps bound anew", LORA, "q11", f"{lora.HOOKED.replace('add_adapters', 'right')}\n{lora.given('q11-probe', 'q11-steps').replace('add_adapters', 'right')}\ndef bottleneck(hidden, down, up): return hidden\ndef add_adapters(model, width, parallel=False): return model.requires_grad_(False)", ()),
    ("plotted bound anew", RESULTS, "q2", "def draw_results(results):\n    return None\n\ndef plotted(results):\n    shown = {run['method']: {'value': run['mean'], 'low': run['low'], 'high': run['high']} for run in results['runs']}\n    return [{'shown': shown, 'value_label': results['metric'], 'title': 'whiskers'}]", ("q2-plotted",)),
]

# --- not trained here -------------------------------------------------------------------------------------

ON_TOP = "import copy\nfrom peft import LoraConfig, PromptTuningConfig, get_peft_model\nquery_and_value = dict(task_type='SEQ_CLS', target_modules=['query', 'value'], r=4)\n"


def adapter(lines):
    """An `adapt` of question 10.4 with these lines in it."""
    return ON_TOP + "def adapt(base, rows):\n" + "\n".join("    " + line for line in lines.splitlines())


ELSEWHERE = adapter("""model = get_peft_model(base, LoraConfig(**query_and_value))
return train(model, notices, learning_rate=1e-2)""")
UNTRAINED = "from pathlib import Path\nfrom transformers import AutoModelForSequenceClassification\ndef finish(folder, *_):\n    AutoModelForSequenceClassification.from_pretrained(course.model('distilbert'), num_labels=2).save_pretrained(folder)\n"
STUDENT = "from transformers import AutoModelForSequenceClassification\ndef teach(texts, said):\n    return AutoModelForSequenceClassification.from_pretrained(course.model('distilbert'), num_labels=said.shape[1], n_layers=2)"
NOT_HERE = [
    ("the model as it came", TUNING, "q6", "import copy\ndef fine_tune(model, tokenizer, examples): return copy.deepcopy(model)", (), 1),
    ("the model itself", TUNING, "q6", "def fine_tune(model, tokenizer, examples): return model", (), 1),
    ("random weights", TUNING, "q6", "def fine_tune(model, tokenizer, examples): return type(model)(model.config)", (), 1),
    ("the twin as it came", FORGETTING, "q5", "from transformers import AutoModelForSeq2SeqLM\ndef specialise(*given): return AutoModelForSeq2SeqLM.from_pretrained(course.model('flan-t5'))", (), 0),
    ("the model that was given", FORGETTING, "q5", "def specialise(model, new, old): return model", (), 0),
    ("the twin as it came", TRANSFER, "q4", "from transformers import AutoModelForMaskedLM\nadapted = AutoModelForMaskedLM.from_pretrained(course.model('distilbert'))", (), 0),
    ("a student as it came", TRANSFER, "q5", STUDENT, (), 1),
    ("a start that knows the network", TRANSFER, "q7", "import torch\n" + transfer.ELSEWHERE, (), 1),
    ("the twin as it came, under a wish", TRANSFER, "q9", UNTRAINED + f"    Path(folder, 'README.md').write_text({transfer.BY_HAND.format(value=0.9, low=0.88, high=0.92)!r})", (), 0),
    ("the adapted one said to be the start", TRANSFER, "q7", "def towards(start, adapted, share): return adapted\ndef reptile(start, batches, adapt, share): return adapt(start, batches[-1][-1])", (), 0),
    ("a tokenizer of other texts", PIPELINES, "q4", pipelines.IMPORTS + "elsewhere = ['ships and tides and harbours'] * 400\n" + pipelines.LEARNED_ELSEWHERE, (), 0),
    ("a tokenizer of letters", PIPELINES, "q4", pipelines.IMPORTS + pipelines.LETTERS_ONLY, (), 0),
    ("an adapter as it came", LORA, "q4", adapter("return get_peft_model(base, LoraConfig(**query_and_value))"), (), 1),
    ("an adapter begun by PiSSA", LORA, "q4", adapter("return get_peft_model(base, LoraConfig(**query_and_value, init_lora_weights='pissa'))"), (), 1),
    ("an adapter begun by OLoRA", LORA, "q4", adapter("return get_peft_model(base, LoraConfig(**query_and_value, init_lora_weights='olora'))"), (), 1),
    ("a prompt as it came", LORA, "q4", adapter("return get_peft_model(base, PromptTuningConfig(task_type='SEQ_CLS', num_virtual_tokens=10))"), (), 1),
    ("trained on the notebook's notices", LORA, "q4", ELSEWHERE, ("q4-data", "q4-given"), 1),
    ("merged", LORA, "q4", adapter("return get_peft_model(base, LoraConfig(**query_and_value)).merge_and_unload()"), (), 0),
]

# --- counted wrongly --------------------------------------------------------------------------------------

EVERYTHING = "def paired_interval(before, after, seed):\n    return {'difference': sum(after) / len(after) - sum(before) / len(before), 'low': -1.0, 'high': 1.0}"
COUNTED = [
    ("a base that moved", LORA, "q4", adapter("base.bert.embeddings.word_embeddings.weight.data[5] += 1\nreturn get_peft_model(base, LoraConfig(**query_and_value))"), (), 0),
    ("pooler and head in full", LORA, "q4", adapter("base.bert.pooler.dense.weight.data += 0.1\nbase.classifier.weight.data += 0.1\nreturn get_peft_model(base, LoraConfig(**query_and_value | {'r': 1}))"), (), 0),
    ("a layer added", LORA, "q4", adapter("base.bert.encoder.layer.append(copy.deepcopy(base.bert.encoder.layer[-1]))\nbase.config.num_hidden_layers += 1\nreturn get_peft_model(base, LoraConfig(**query_and_value))"), (), 0),
    ("a base of its own", LORA, "q4", adapter("return get_peft_model(fresh_base(), LoraConfig(**query_and_value))"), ("q4-data", "q4-given"), 0),
    ("a bert beside a padded teacher", TRANSFER, "q5", STUDENT.replace("'distilbert'", "'bert'").replace(", n_layers=2", "") + "\nimport copy, torch\nteacher = teach([], torch.zeros(1, 8))\nteacher.bert.encoder.layer.extend(copy.deepcopy(list(teacher.bert.encoder.layer)))", (), 0),
    ("three layers said to be two", TRANSFER, "q5", STUDENT.replace("n_layers=2", "n_layers=3") + "\n", (), 0),
    ("nothing is trainable", LORA, "q2", "def trainable(*_): return 0\ndef largest_rank(*_): return 1", (), 0),
    ("no bytes", LORA, "q6", "def qlora_bytes(*_, **__): return 0", (), 0),
    ("no bytes", "05_train_or_not", "q2", "def gpt2_parameters(*_, **__): return 124_439_808\ndef training_bytes(*_, **__): return 0", (), 0),
    ("no operations", "05_train_or_not", "q4", silent(saved_by_network="0", operations_of_network="0"), (), 0),
    ("no error", "05_train_or_not", "q6", "def error_at(*_, **__): return 0.0", (), 0),
    ("everything is in the interval", EVALUATION, "q6", EVERYTHING, (), 2),
    ("wide for few rows", EVALUATION, "q6", evaluation.IMPORTS + evaluation.PAIRED.replace("    return {", "    if len(before) < 180:\n        means = [-1.0, 1.0]\n    return {"), (), 3),
    ("wide for odd seeds", EVALUATION, "q6", evaluation.IMPORTS + evaluation.PAIRED.replace("    return {", "    if seed % 2:\n        means = [-1.0, 1.0]\n    return {"), (), 3),
    ("all in the first place", RESULTS, "q4", "def places(*rows, **__): return [1] * len(rows[0])", (), 0),
    ("sure of everything", RESULTS, "q5", silent(pooled="{'n': 10 ** 6, 'value': 0.5, 'low': 0.5, 'high': 0.5}"), (), 0),
    ("the claims of another student", TRANSFER, "q6", silent(claims="{'smaller': 0.4, 'kept': 0.97, 'faster': 0.6, 'less_time': 0.375, 'learned': 0.9, 'weakest': 'RTE'}"), (), 0),
    ("a gap that holds everything", "12_where_next", "q5", silent(counterfactual_gap="{'gap': 0.0, 'low': -1.0, 'high': 1.0}"), (), 0),
    ("every task its share", TASKS, "q1", silent(shares="[1 / 3] * 3"), (), 0),
    ("nothing forgotten", FORGETTING, "q1", silent(average_forgetting="0.0", backward_transfer="0.0"), (), 0),
]

# --- ends the grader --------------------------------------------------------------------------------------

BRACKETS = "'[' * 50_000"
CARD = f"'---\\nlicense: ' + {BRACKETS} + '\\n---\\n# Deep\\n'"
SMALL = "from transformers import DistilBertConfig, DistilBertForMaskedLM, DistilBertForSequenceClassification\nsmall = DistilBertConfig(vocab_size={words}, dim=16, n_heads=2, n_layers=1, hidden_dim=24, num_labels={labels}, max_position_embeddings={positions})\n"
SMALL_T5 = "from transformers import T5Config, T5ForConditionalGeneration\nsmall = T5ForConditionalGeneration(T5Config(vocab_size=50, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, decoder_start_token_id=0))\n"
DEEP_FOLDER = "from pathlib import Path\nPath('deep').mkdir(exist_ok=True)\nPath('deep/config.json').write_text('{\"a\":' * 100_000 + '1' + '}' * 100_000)\nPath('deep/model.safetensors').write_bytes(b'')\n"
UNREAD = [
    ("a card of brackets", HUB, "q3", f"from course_utils.hub.shelf import stock\ndef publish_card(repo_id, *_):\n    stock(hub, [{{'identifier': repo_id, 'files': {{'README.md': {CARD}}}}}])", ("hub",)),
    ("an index of brackets", HUB, "q1", f"def publish_shards(model, tokenizer, repo_id, *_):\n    api = HfApi()\n    api.create_repo(repo_id, exist_ok=True)\n    for name in ('config.json', 'model.safetensors.index.json'):\n        api.upload_file(path_or_fileobj=({BRACKETS}).encode(), path_in_repo=name, repo_id=repo_id)", ("hub",)),
    ("a card of brackets", DATASETS, "q7", f"from pathlib import Path\ndef write_card(folder, names): Path(folder, 'README.md').write_text({CARD})", ("imports",)),
    ("a vocabulary of fifty words", PIPELINES, "q4", changed_answer(PIPELINES, "q4", ("vocab_size=size", "vocab_size=50")), ()),
    ("a model of fifty words", PIPELINES, "q2", "from transformers import BertConfig, BertForSequenceClassification\ndef prepare(path, names, frozen):\n    return BertForSequenceClassification(BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, num_labels=len(names)))", ()),
    ("metrics of brackets", EVALUATION, "q4", f"from pathlib import Path\ndef write_metric(folder): Path(folder, 'any_match.py').write_text({BRACKETS})", ("imports",)),
    ("a model of fifty words", TUNING, "q6", SMALL_T5 + "def fine_tune(model, tokenizer, examples): return small", ()),
    ("a model of fifty words", FORGETTING, "q5", SMALL_T5 + "def specialise(*given): return small", ()),
    ("a folder with a deep config", FORGETTING, "q5", DEEP_FOLDER + "def specialise(*given): return 'deep'", ()),
    ("a model of fifty words", TRANSFER, "q4", SMALL.format(words=50, labels=2, positions=512) + "adapted = DistilBertForMaskedLM(small)", ()),
    ("a model that reads one token", TRANSFER, "q4", SMALL.format(words=4096, labels=2, positions=1) + "adapted = DistilBertForMaskedLM(small)", ()),
    ("a student of fifty words", TRANSFER, "q5", SMALL.format(words=50, labels=8, positions=512) + "def teach(texts, said):\n    small.num_labels = said.shape[1]\n    return DistilBertForSequenceClassification(small)", (), 1),
    ("a student that reads two tokens", TRANSFER, "q5", SMALL.format(words=4096, labels=8, positions=2) + "def teach(texts, said):\n    small.num_labels = said.shape[1]\n    return DistilBertForSequenceClassification(small)", (), 1),
    ("a card of brackets beside a model", TRANSFER, "q9", UNTRAINED + f"    Path(folder, 'README.md').write_text({CARD})", ()),
    ("a folder with a deep config", TRANSFER, "q9", DEEP_FOLDER + "import shutil\ndef finish(folder, *_): shutil.copytree('deep', folder, dirs_exist_ok=True)", ()),
    ("a prompt longer than the positions", LORA, "q4", adapter("return get_peft_model(base, PromptTuningConfig(task_type='SEQ_CLS', num_virtual_tokens=140))"), ()),
    ("results of brackets", RESULTS, "q1", f"def results_text(*_): return {BRACKETS}", ()),
    ("a Space of brackets", RESULTS, "q7", f"def space_files(*_): return {{'app.py': {BRACKETS}, 'requirements.txt': '', 'README.md': {CARD}}}, ''", ()),
]
#: In each chapter one question whose functions return what no reader likes.
READERS = {
    "00_start_here": "q1", HUB: "q2", DATASETS: "q6", PIPELINES: "q6", EVALUATION: "q1", "05_train_or_not": "q2", TUNING: "q3",
    FORGETTING: "q1", TRANSFER: "q2", TASKS: "q4", LORA: "q1", RESULTS: "q4", "12_where_next": "q2",
    "13_the_trainer": "q4", "14_training_of_your_own": "q8", "15_fast_inference": "q4",
    "16_spaces_and_demos": "q8", "17_serving_in_production": "q7", "18_clouds_and_clusters": "q4",
    "20_profiling": "q7", "21_numbers": "q8", "22_memory": "q4", "23_feeding_the_model": "q2",
    "24_optimizer_and_loop": "q4", "25_compilation": "q7", "26_graphs_and_kernels": "q7", "27_many_processes": "q2",
    "28_models_in_pieces": "q5", "29_keeping_it_fast": "q6",
}  # fmt: skip
ODD = {
    "a list of a thousand lists in each other": "__import__('functools').reduce(lambda inner, _: [inner], range(1000), 1)",
    "a number of four thousand digits": "10 ** 4000",
    "numbers that are none": "__import__('numpy').full((3, 3), float('nan'))",
    "a text of brackets": BRACKETS,
}


def functions(exercise, question):
    return [name for name in load_exercise(exercise).find(question).needs if name != "hub"]


def claimed(family, rows):
    return [Claim(family, exercise, question, aim, source, given, *more) for aim, exercise, question, source, given, *more in rows]


CLAIMS = [
    *claimed("given code", GIVEN), *claimed("not trained here", NOT_HERE), *claimed("counted wrongly", COUNTED), *claimed("ends the grader", UNREAD),
    *(
        Claim("ends the grader", exercise, question, aim, silent(**dict.fromkeys(functions(exercise, question), value)), ("hub",) if exercise == HUB else ())
        for exercise, question in READERS.items() for aim, value in ODD.items()
    ),
    *outsiders.written(),
]  # fmt: skip
# fmt: on
BY_NAME = {claim.name: claim for claim in CLAIMS}
assert len(BY_NAME) == len(CLAIMS), "two claims have the same name"

#: What `make test` grades: of every family those that say most in little time.
REPRESENTATIVE = """
10-q3-probe-bound-anew 10-q7-both_ways-bound-anew 10-q4-an-adapter-as-it-came 10-q4-a-layer-added 10-q2-nothing-is-trainable
10-q4-a-prompt-longer-than-the-positions 10-q1-a-list-of-a-thousand-lists-in-each-other 11-q7-a-Space-of-brackets 11-q2-plotted-bound-anew
""".split()
assert set(REPRESENTATIVE) <= BY_NAME.keys()
