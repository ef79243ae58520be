"""Every question of exercise 02: the solution, the stub, wrong answers with the message they get, other right ways."""

import ast
import inspect
from functools import partial

import pytest

from course_utils.checks import render
from course_utils.checks.chapters import datasets as questions
from course_utils.checks.draw import Draw
from course_utils.checks.testing import (
    answer_source,
    changed_answer,
    given_cells,
    judge_source,
    judged_well,
    namespace,
    replaced,
)
from course_utils.fetched import ready
from tests.shown_code import untyped

EXERCISE = "02_datasets"
cells, solution = partial(given_cells, EXERCISE), partial(changed_answer, EXERCISE)


def given(*names):
    """Cells of the notebook after those that all need."""
    return cells("imports", "unpacked", "q1-features", *names)


PLAIN_GATHER = """
def gather(folder):
    import csv
    import pandas
    found = []
    with open(folder / "desk.csv", newline="") as file:
        found += [(row["review"], row["verdict"].strip().lower() or None, "desk") for row in csv.DictReader(file, delimiter=";")]
    for line in (folder / "post.jsonl").read_text().splitlines():
        row = json.loads(line)
        found.append((row["body"], {"up": "positive", "down": "negative"}.get(row["thumbs"]), "post"))
    for line in (folder / "wall.txt").read_text().splitlines():
        if line[:1] in ("+", "-"):
            found.append((line[1:], "positive" if line[0] == "+" else "negative", "wall"))
    for row in pandas.read_parquet(folder / "archive.parquet").to_dict("records"):
        found.append((row["text"], {0: "positive", 1: "negative"}.get(row["label"]), "archive"))
    for path in (folder / "letters").glob("*/*.txt"):
        found.append((path.read_text(), path.parent.name, "letters"))
    rows = {"text": [], "label": [], "source": []}
    for text, label, source in found:
        if text and text.strip() and label:
            rows["text"].append(" ".join(text.split()))
            rows["label"].append(["negative", "positive"].index(label))
            rows["source"].append(source)
    return Dataset.from_dict(rows).cast(FEATURES)
"""
IN_PIECES = """
from datasets import concatenate_datasets

def gather(folder):
    def read(reader, pattern, source, to_row, **options):
        raw = load_dataset(reader, data_files=str(folder / pattern), split="train", **options)
        rows = [to_row(row) for row in raw]
        rows = [(" ".join((text or "").split()), label) for text, label in rows]
        rows = [{"text": text, "label": label, "source": source} for text, label in rows if text and label]
        return Dataset.from_list(rows, features=FEATURES)
    up = {"up": "positive", "down": "negative", None: None}
    pieces = [
        read("csv", "desk.csv", "desk", lambda row: (row["review"], (row["verdict"] or "").strip().lower()), delimiter=";"),
        read("json", "post.jsonl", "post", lambda row: (row["body"], up[row["thumbs"]])),
        read("text", "wall.txt", "wall", lambda row: (row["text"][2:], {"+ ": "positive", "- ": "negative"}.get(row["text"][:2]))),
        read("parquet", "archive.parquet", "archive", lambda row: (row["text"], ("positive", "negative", None)[-1 if row["label"] is None else row["label"]])),
    ]
    for label in ("negative", "positive"):
        for path in sorted((folder / "letters" / label).glob("*.txt")):
            text = " ".join(path.read_text().split())
            rows = {"text": [text] if text else [], "label": [label] if text else [], "source": ["letters"] if text else []}
            pieces.append(Dataset.from_dict(rows, features=FEATURES))
    return concatenate_datasets(pieces)
"""


SPLIT = """
def SPLIT(file):
    return [dict(zip(("review", "verdict"), line.rstrip().rsplit(";", 1))) for line in file.read().splitlines()[1:]]
"""


TORN = """
def TORN(file):
    lines = [line.split(";") for line in file.read().splitlines()[1:]]
    return [dict(zip(("review", "verdict"), cut)) for cut in lines if len(cut) == 2]
"""


def test_gather():
    result = judged_well(
        EXERCISE,
        "q1",
        before=given(),
        wrong={
            solution("q1", ('{0: "positive", 1: "negative"}', '{0: "negative", 1: "positive"}')): "from 'archive'",
            solution("q1", ('codes.get(row["label"])', '"negative" if row["label"] == 1 else "positive"')): "with the text ['Nobody gave a label.']",
            solution("q1", (', sample_by="document"', "")): "from 'letters'",
            solution("q1", ('" ".join((text or "").split())', '(text or "").strip()')): "among the 10 rows from 'desk'",
            solution("q1", (', features=FEATURES)', ")")): "ClassLabel",
            solution("q1", ('if row["text"] and row["label"]', 'if row["label"]')): "that have a text and a label",
            solution("q1", ('"down": "negative"}', '"down": "negative", None: "negative"}')): "with the text ['No thumb was given.']",
            solution("q1", ('rows = [\n', 'found *= 2\n    rows = [\n')): "the number of rows",
            # a row that is missing is named, and where it stands
            solution("q1", ('(label or "").strip().lower()', '(label if label in ("positive", "negative") else "")')): "and not this one; desk.csv has it as",
            PLAIN_GATHER.replace("csv.DictReader(file, delimiter=\";\")", "TORN(file)") + TORN: "desk.csv has it as",
            solution("q1", ("(label or \"\").strip().lower()", "(label or \"\")")): "`gather` to run",
            solution("q1", ('"up": "positive", "down": "negative"', '"up": "negative", "down": "positive"')): "from 'post'",
            solution("q1", ('signs.get(line[:1])', '"positive" if "+" in line else "negative"')): "from 'wall'",
            solution("q1", ('"source": source}', '"source": source.title()}')): "from 'desk'",
            PLAIN_GATHER.replace("csv.DictReader(file, delimiter=';')", "").replace('csv.DictReader(file, delimiter=";")', 'SPLIT(file)') + SPLIT: "from 'desk'",
            solution("q1", ('(text or "").split()', "text.split()")): "'NoneType' object has no attribute 'split'",
        },
        right=[PLAIN_GATHER, IN_PIECES],
    )  # fmt: skip
    assert result.wrong[-1].points == 3, "a text that is missing costs the part of its own file"
    assert [report.points for report in result.wrong[:5]] == [3, 3, 3, 2, 3]


def test_the_functions_that_are_sent_along_are_the_notebooks():
    names = ("unpacked", "q1-helper", "q2-helper", "q3-helper", "q6-helper", "q7-helper", "q9-helper")
    defined = [node for node in ast.parse(cells(*names)).body if isinstance(node, ast.FunctionDef)]
    assert len(defined) == 10
    for node in defined:
        sent = untyped(inspect.getsource(getattr(questions, node.name)))
        assert sent == untyped(ast.unparse(node)), node.name


CHUNKS = """
def chunks(rows, length, stride):
    found = {"id": [], "place": [], "tokens": []}
    for name, tokens in zip(rows["id"], rows["tokens"]):
        place = 0
        while tokens:
            found["id"].append(name)
            found["place"].append(place)
            found["tokens"].append(tokens[place:place + length])
            if place + length >= len(tokens):
                break
            place += length - stride
    return found
"""


def test_chunks():
    result = judged_well(
        EXERCISE,
        "q2",
        before=given(),
        wrong={
            solution("q2", ("range(0, last, length - stride)", "range(0, len(tokens), length - stride)")): "the number of chunks",
            solution("q2", ("range(0, last, length - stride)", "range(0, last, length)")): "put together again",
            solution("q2", ("place : place + length", "place : place + length + stride")): "the longest chunk",
            solution("q2", ("range(0, last, length - stride)", "range(0, last, stride)")): "the distances between the beginnings",
            solution("q2", ("range(0, last, length - stride)", "range(0, len(tokens) - length + 1, length - stride)")): "no chunk with the token at place",
            solution("q2", ('found["place"].append(place)', 'found["place"].append(len(found["place"]))')): "put together again",
            solution("q2", ('"place": [], ', ""), ('            found["place"].append(place)\n', "")): "a column 'place'",
            solution("q2", ("return found", "return {name: values[:len(rows['id'])] for name, values in found.items()}")): "put together again",
        },
        right=[
            CHUNKS,
            '''
def chunks(rows, length, stride):
    cut = [(name, start, tokens[start:start + length]) for name, tokens in zip(rows["id"], rows["tokens"])
           for start in range(0, len(tokens), length - stride) if start == 0 or start + stride < len(tokens)]
    return {"id": [c[0] for c in cut], "place": [c[1] for c in cut], "tokens": [c[2] for c in cut]}
''',
        ],
    )  # fmt: skip
    assert result.wrong[0].points == 2, "chunks of old tokens cost one point"


def test_read():
    result = judged_well(
        EXERCISE,
        "q3",
        before=given(),
        wrong={
            cells("q3-colleague").replace("colleagues_read", "read"): "the first row of the reading that follows",
            solution("q3", ("return rows, stream.state_dict()", "return rows, None")): "the first row of the reading that follows",
            solution("q3", ("rows = []\n", "rows = []\n    saved = stream.state_dict()\n"), ("rows, stream.state_dict()", "rows, saved")): "the first row",
            solution("q3", ("for row in stream:", "for row in list(stream):")): "was asked for more than",
            solution("q3", ("return rows, stream", "return rows[:-1], stream")): "the first reading",
            solution("q3", ("stream.load_state_dict(state)", "stream = stream.skip(state['done'] - 1)"),
                     ("stream.state_dict()", "{'done': len(rows)}")): "the first row of the reading that follows",
            solution("q3", ("return rows, stream.state_dict()", "return rows")): "`read` to run",
            solution("q3", ("return rows, stream.state_dict()", "PLACE[0] += count\n    return rows, {}"), ("    rows = []\n", "    if state is None:\n        PLACE[0] = 0\n    rows = []\n")).replace("stream.load_state_dict(state)", "stream = stream.skip(PLACE[0])") + "\nPLACE = [0]": "reading 2, done again",
            "def readings(first, size, counts): return {'rows': [], 'pulled': 0}\ndef reading(first, step, length, most, count, state): return {'numbers': [first] * count, 'state': state}\ndef read(stream, count, state=None): return [], None": "the first reading",
        },
        right=[
            '''
def read(stream, count, state=None):
    done = state["done"] if state else 0
    return list(stream.skip(done).take(count)), {"done": done + count}
''',
            '''
import itertools

def read(stream, count, state=None):
    if state:
        stream.load_state_dict(state)
    rows = list(itertools.islice(stream, count))
    return rows, stream.state_dict()
''',
            '''
def read(stream, count, state=None):
    taken = stream.take(10**9)
    if state is not None:
        taken.load_state_dict(state)
    iterator = iter(taken)
    rows = [next(iterator) for _ in range(count)]
    return rows, taken.state_dict()
''',
        ],
    )  # fmt: skip
    assert result.wrong[0].points == 1, "the colleague's own code is worth little"
    assert result.wrong[-1].points == 0, "nothing is earned by saying so"


def test_predictions():
    every = dict.fromkeys(questions.RUNS_AGAIN, True)
    most = questions.RUNS_AGAIN | {"helper": True}
    judged_well(
        EXERCISE,
        "q4",
        wrong={
            f"def predictions(): return {every}": "the number of edits",
            f"def predictions(): return {dict.fromkeys(every, False)}": "the number of edits",
            f"def predictions(): return {most}": "to be at least 6",
            "def predictions(): return {'again': False}": "'constant'",
            f"def predictions(): return {dict.fromkeys(every, 1)}": "True or False",
            f"def predictions(): return {list(every.values())}": "a dict",
            f"def predictions(): return {dict.fromkeys(every)}": "None",
        },
        right=[f"PREDICTED = {questions.RUNS_AGAIN}\ndef predictions(): return PREDICTED", "def predictions():\n    return dict("
               "again=0 > 1, constant=True, other=False, batch=True, order=True, helper=False)"],
    )  # fmt: skip


def test_the_answers_to_the_prediction_are_measured_and_not_believed():
    names = ("q4-module", "q4-answer", "q4-rows", "q4-edits")
    measured = namespace(given(), *map(cells, names))["measured"]
    assert measured == questions.RUNS_AGAIN


def test_typo():
    result = judged_well(
        EXERCISE,
        "q5",
        before=given(),
        wrong={
            cells("q5-colleague").split("\n\n\n")[0].replace("colleagues_typo(row)", "typo(row, index, seed)"): "the same swaps",
            solution("q5", ('random.Random(f"{seed}/{index}")', "random.Random(seed)")): "for 24 indices",
            solution("q5", ('random.Random(f"{seed}/{index}")', "random.Random(index)")): "for 24 seeds",
            solution("q5", ('random.Random(f"{seed}/{index}").choice(places)', "places[0]")): "different swaps",
            solution("q5", (" if text[place] != text[place + 1]", ""), ('random.Random(f"{seed}/{index}").choice(places)',
                     '0 if index == 3 else random.Random(f"{seed}/{index}").choice(places)'), ("text[place] +", "text[place].lower() +")): "one pair of neighbouring",
            solution("q5", ('return {"text": ', "return ("), ("place + 2 :]}", "place + 2 :])")): "to be a dict",
            "state = [0]\n" + solution("q5", ('random.Random(f"{seed}/{index}")', 'random.Random(f"{seed}/{index}/{state[0]}")'),
                                       ('text = row["text"]', 'text = row["text"]\n    state[0] += 1')): "the same swaps",
            solution("q5", ('random.Random(f"{seed}/{index}")', "random.Random(hash((seed, index, text)))")): "in another process",
            solution("q5", ('random.Random(f"{seed}/{index}")', "random.Random(seed * index ^ text.__hash__())")): "in another process",
            solution("q5", (".choice(places)", ".choice([text.index(pair) for pair in {text[place : place + 2] for place in places}])")):
                "in another process",
            "import os\n" + solution("q5", ('f"{seed}/{index}"', 'f"{seed}/{index}/{os.getpid()}"')): "in another process",
        },
        right=[
            solution("q5", ('random.Random(f"{seed}/{index}")', "random.Random(hash((seed, index)))")),
            "from functools import cache\n\n\n@cache\ndef places_of(text):\n    return [n for n in range(len(text) - 1) if text[n] != text[n + 1]]\n\n\n"
            + solution("q5", ("[place for place in range(len(text) - 1) if text[place] != text[place + 1]]", "places_of(text)"),
                       ('text = row["text"]', 'text = row["text"]\n    print("row", index)')),
            '''
def typo(row, index, seed):
    text = row["text"]
    chance = np.random.default_rng([seed, index])
    while True:
        place = int(chance.integers(len(text) - 1))
        if text[place] != text[place + 1]:
            return {"text": text[:place] + text[place + 1] + text[place] + text[place + 2:]}
''',
            '''
import hashlib

def typo(row, index, seed):
    letters = list(row["text"])
    places = [n for n, (a, b) in enumerate(zip(letters, letters[1:])) if a != b]
    number = int.from_bytes(hashlib.sha256(f"{seed},{index},{row['text']}".encode()).digest()[:8], "big")
    place = places[number % len(places)]
    letters[place], letters[place + 1] = letters[place + 1], letters[place]
    return {"text": "".join(letters)}
''',
        ],
    )  # fmt: skip
    assert result.wrong[0].points == 1, "the colleague's own code is worth little"


@pytest.mark.parametrize(
    "shared",
    [
        "random.seed(f'{seed}/{index}')\n    place = random",
        "np.random.seed([seed, index])\n    place = np.random",
    ],
)
def test_the_generator_that_everybody_shares_is_right_but(shared):
    source = solution("q5", ('place = random.Random(f"{seed}/{index}")', shared))
    report = judge_source(EXERCISE, "q5", source, before=given())
    assert (report.points, report.rung) == (3, "right, but")
    assert "that everybody shares" in render.report_text(report)
    plain = judge_source(EXERCISE, "q5", solution("q5"), before=given())
    assert plain.rung == "right"


def test_seed_plus_index_is_right_but():
    source = solution("q5", ('f"{seed}/{index}"', "seed + index"))
    report = judge_source(EXERCISE, "q5", source, before=given())
    assert (report.points, report.rung) == (3, "right, but")
    assert "keeps them apart" in render.report_text(report)


STRATIFIED = """
def split(reviews, seed):
    first = reviews.train_test_split(0.3, seed=seed, stratify_by_column="label")
    second = first["test"].train_test_split(0.5, seed=seed, stratify_by_column="label")
    return DatasetDict({"train": first["train"], "validation": second["train"], "test": second["test"]})
"""
BY_HASH = """
import hashlib

def split(reviews, seed):
    def unit(text):
        key = f"{seed}/" + " ".join(text.lower().split())
        return hashlib.sha256(key.encode()).hexdigest()
    rows = sorted((label, unit(text), place) for place, (text, label) in enumerate(zip(reviews["text"], reviews["label"])))
    places = {"train": [], "validation": [], "test": []}
    for label in (0, 1):
        mine = [row for row in rows if row[0] == label]
        last = None
        for number, (_, key, place) in enumerate(mine):
            if key != last:
                last, share = key, number / len(mine)
            places["train" if share < 0.7 else "validation" if share < 0.85 else "test"].append(place)
    return DatasetDict({name: reviews.select(chosen) for name, chosen in places.items()})
"""
GROUP_FOLDS = """
from sklearn.model_selection import StratifiedGroupKFold

def split(reviews, seed):
    keys = [" ".join(text.lower().split()) for text in reviews["text"]]
    folds = StratifiedGroupKFold(20, shuffle=True, random_state=seed).split(keys, reviews["label"][:], keys)
    folds = [list(places) for _, places in folds]
    cut = {"train": folds[:14], "validation": folds[14:17], "test": folds[17:]}
    return DatasetDict({name: reviews.select(sum(parts, [])) for name, parts in cut.items()})
"""


# an invisible character behind each further copy, so that no two texts are equal
MADE_UNLIKE = """
def split(reviews, seed):
    seen = {}
    def unlike(row):
        key = "".join(row["text"].lower().split())
        seen[key] = seen.get(key, 0) + 1
        return {"text": row["text"] + chr(0x200b) * (seen[key] - 1)}
    reviews = reviews.map(unlike, load_from_cache_file=False)
    one = reviews.train_test_split(0.3, seed=seed, stratify_by_column="label")
    two = one["test"].train_test_split(0.5, seed=seed, stratify_by_column="label")
    return DatasetDict(train=one["train"], validation=two["train"], test=two["test"])
"""


def test_split():
    result = judged_well(
        EXERCISE,
        "q6",
        before=given(),
        wrong={
            STRATIFIED: "no text in train and in test too",
            MADE_UNLIKE: "each row's text to be as it was given",
            solution("q6", ('" ".join(row["text"].lower().split())', 'row["text"]')): "whatever its case and spaces",
            solution("q6", ('" ".join(row["text"].lower().split())', 'row["text"].lower()')): "whatever its case and spaces",
            solution("q6", ("+= group\n", "+= group[:1]\n")): "the number of rows in the three splits",
            solution("q6", ("share < 0.7", "share < 0.8")): "the share of rows in 'train'",
            solution("q6", ('random.Random(f"{seed}/{label}")', 'random.Random(label)')): "another test split from another seed",
            solution("q6", ('random.Random(f"{seed}/{label}")', 'random.Random()')): "the same test split",
            solution("q6", ("return DatasetDict(", "return list("), ("chosen in places.items()})", "chosen in places.items()}.values())")): "a DatasetDict",
            solution("q6", ("for label in sorted({label for label, _ in groups}):", "for label in [0]:"), ("if its_label == label", "")).replace(
                "random.Random(f\"{seed}/{label}\").shuffle(mine)", "random.Random(seed).shuffle(mine); mine.sort(key=lambda group: reviews[group[0]]['label'])"
            ): "the share of positive reviews",
        },
        right=[BY_HASH, GROUP_FOLDS],
    )  # fmt: skip
    assert result.wrong[0].points == 2, "the leak costs half"


@pytest.mark.parametrize("number", range(8))
def test_right_ways_to_split_stay_well_within_the_tolerance(number):
    """At most three quarters of it, on any draw."""
    from datasets import ClassLabel, Dataset

    rows = Dataset.from_list(questions._reviews_with_twins(Draw(bytes([number]))))
    rows = rows.cast_column("label", ClassLabel(names=list(questions.LABELS)))
    whole = sum(rows["label"]) / len(rows)
    for source in (solution("q6"), BY_HASH, GROUP_FOLDS):
        parts = namespace(given(), source)["split"](rows, number)
        for name, share in questions.SHARES.items():
            assert abs(len(parts[name]) / len(rows) - share) < 0.75 * questions.TOLERANCE
            assert abs(sum(parts[name]["label"]) / len(parts[name]) - whole) < 0.75 * questions.TOLERANCE


CARD = """
def write_card(folder, names):
    from huggingface_hub import DatasetCard, DatasetCardData
    configs = [
        {"config_name": name, "data_files": [{"split": part, "path": f"{name}/{part}.csv"} for part in ("train", "test")]}
        for name in names
    ]
    data = DatasetCardData(license="apache-2.0", language=["en"], configs=configs)
    DatasetCard(f"---\\n{data.to_yaml()}\\n---\\n# Texts\\nTexts of one town.\\n").save(folder / "README.md")
"""


def test_write_card():
    result = judged_well(
        EXERCISE,
        "q7",
        before=given(),
        wrong={
            solution("q7", ("{name}/{part}.csv", "{name}/*.csv")): "the texts by split",
            solution("q7", ('"language: en", ', "")): "'language'",
            solution("q7", ("apache-2.0", "Apache 2.0")): "as the Hub spells it",
            solution("q7", ("language: en", "language: english")): "as the Hub spells it",
            solution("q7", ('    path: {name}/{part}.csv', '    path: {names[0]}/{part}.csv')): "the texts by split",
            solution("q7", ("- config_name: {name}", "- name: {name}")): "each configuration loads by its name",
            solution("q7", ("{name}/{part}.csv", "{folder / name}/{part}.csv")): "to be relative to the folder",
            solution("q7", (', "", "Written by a seeded grammar for a course; nobody in them exists."', "")): "a sentence for people",
            solution("q7", (', "# Texts of Saltmarsh", "", "Written by a seeded grammar for a course; nobody in them exists."', "")): "a sentence for people",
            solution("q7", ('"README.md"', '"README.txt"')): "`write_card` to run",
            'def write_card(folder, names):\n    (folder / "README.md").write_text("---\\nlicense: apache-2.0\\n---\\n# Texts\\n")': "each configuration loads by its name",
        },
        right=[
            CARD,
            '''
def write_card(folder, names):
    import yaml
    data = {"pretty_name": "Texts", "language": "en", "license": "apache-2.0", "configs": [
        {"config_name": name, "data_files": {"train": f"{name}/train.csv", "test": f"{name}/test.csv"}} for name in names]}
    data["configs"] = [c | {"data_files": [{"split": s, "path": p} for s, p in c["data_files"].items()]} for c in data["configs"]]
    (folder / "README.md").write_text("---\\n" + yaml.safe_dump(data) + "---\\nTwo sets of texts.\\n")
''',
        ],
    )  # fmt: skip
    assert result.wrong[1].points == 1


ONE_BY_ONE = """
def rename(tokens, tags, pool, seed):
    chance = random.Random(f"{seed} {tokens}")
    words, marks, place = [], [], 0
    while place < len(tokens):
        end = place + 1
        if tags[place] == "O":
            words.append(tokens[place]); marks.append("O")
        else:
            kind = tags[place].split("-")[1]
            while end < len(tags) and tags[end].startswith("I"):
                end += 1
            new = tokens[place:end]
            while new == tokens[place:end]:
                new = chance.choice(pool[kind])
            words.extend(new)
            marks.extend(("B-" if n == 0 else "I-") + kind for n in range(len(new)))
        place = end
    return {"tokens": words, "tags": marks}
"""


def test_rename():
    result = judged_well(
        EXERCISE,
        "q8",
        before=given(),
        wrong={
            solution("q8", ('found["tags"] += [f"B-{kind}"] + [f"I-{kind}"] * (len(name) - 1)', 'found["tags"] += tags[place:end]')): "the tags",
            solution("q8", ('[f"B-{kind}"] + [f"I-{kind}"] * (len(name) - 1)', '[f"B-{kind}"] * len(name)')): "the types of the names",
            solution("q8", (" if other != tokens[place:end]", "")): "another name in place of",
            solution("q8", ("pool[kind] if", "pool['PER'] if")): "of the pool in place of",
            # two names side by side taken for one
            solution("q8", ('tags[end] == f"I-{kind}"', "tags[end][2:] == kind")): "another name in place of",
            solution("q8", ('tags[end] == f"I-{kind}"', 'tags[end] != "O"')): "another name in place of",
            ONE_BY_ONE.replace('tags[end].startswith("I")', "tags[end][2:] == kind"): "the types of the names",
            solution("q8", ("end < len(tags) and ", "")): "list index out of range",
            solution("q8", ("chance.choice(", "(lambda others: others[seed % 2])(")): "every LOC of the pool at some time",
            solution("q8", ('random.Random(f"{seed}/{tokens}")', "random.Random(0)")): "other names from another seed",
            solution("q8", ('random.Random(f"{seed}/{tokens}")', "random.Random()")): "the same names",
            solution("q8", ('        if tag == "O":\n            found["tokens"].append(token)\n', '        if tag == "O":\n            found["tokens"].append(token.lower())\n')): "the words outside",
            "def rename(tokens, tags, pool, seed): return {'tokens': tokens, 'tags': tags}": "in place of",
            solution("q8", ("return found", "return found['tokens'], found['tags']")): "to be a dict",
        },
        right=[
            ONE_BY_ONE,
            '''
def rename(tokens, tags, pool, seed):
    spans, place = [], 0
    for n, tag in enumerate(tags):
        if tag.startswith("I-"):
            spans[-1][1] = n + 1
        else:
            spans.append([n, n + 1])
    out = {"tokens": [], "tags": []}
    for n, (start, end) in enumerate(spans):
        old = tokens[start:end]
        if tags[start] == "O":
            out["tokens"] += old
            out["tags"] += ["O"] * len(old)
            continue
        kind = tags[start][2:]
        others = sorted(name for name in pool[kind] if name != old)
        new = others[(seed + n) % len(others)]
        out["tokens"] += new
        out["tags"] += ["B-" + kind] + ["I-" + kind] * (len(new) - 1)
    return out
''',
        ],
    )  # fmt: skip
    assert [report.points for report in result.wrong[:3]] == [1, 1, 2]
    assert result.wrong[12].points == 1, "doing nothing is worth little"


def test_pictures():
    result = judged_well(
        EXERCISE,
        "q9",
        before=given(),
        wrong={
            solution("q9", ("        except OSError:\n            continue\n", "        except FileNotFoundError:\n            continue\n")): "`picture_set` or `mirror` to run",
            solution("q9", ("Picture.open(path).load()", "Picture.open(path)")): "`picture_set` or `mirror` to run",
            solution("q9", ('"image": Image(), ', '"image": Value("string"), ')): "`picture_set` or `mirror` to run",
            solution("q9", ("other_side.get(row[\"answer\"], row[\"answer\"])", 'row["answer"]')): "question and answer of mirror(row)",
            solution("q9", ('"question": row["question"], "answer": answer', '"question": " ".join(other_side.get(word.strip("?"), word) for word in row["question"].split()), "answer": answer')): "question and answer of mirror(row)",
            solution("q9", ("ImageOps.mirror", "ImageOps.flip")): "the pixels of mirror(row)",
            solution("q9", ("ImageOps.mirror(row[\"image\"])", "row[\"image\"]")): "the pixels of mirror(row)",
            solution("q9", ("    features = ", "    rows = rows[:-2]\n    features = ")): "the number of rows",
            solution("q9", ("    features = ", "    for row, other in zip(rows, rows[1:]): row['image'] = other['image']\n    features = ")): "its own row",
            solution("q9", ('{"left": "right", "right": "left"}', '{"left": "right"}')): "question and answer of mirror(row)",
        },
        right=[
            '''
def picture_set(folder):
    import pandas
    table = pandas.read_csv(folder / "questions.csv", keep_default_na=False)
    def opens(name):
        try:
            Picture.open(folder / "pictures" / name).convert("RGB")
            return True
        except (OSError, SyntaxError):
            return False
    table = table[[opens(name) for name in table["file"]]]
    rows = {"image": [str(folder / "pictures" / name) for name in table["file"]],
            "question": list(table["question"]), "answer": list(table["answer"])}
    return Dataset.from_dict(rows).cast_column("image", Image())

def mirror(row):
    turned = dict(row, image=row["image"].transpose(Picture.Transpose.FLIP_LEFT_RIGHT))
    if row["answer"] in ("left", "right"):
        turned["answer"] = "left" if row["answer"] == "right" else "right"
    return turned
''',
            '''
import csv

def picture_set(folder):
    rows = []
    with open(folder / "questions.csv", newline="") as file:
        for line in csv.DictReader(file):
            try:
                with Picture.open(folder / "pictures" / line["file"]) as picture:
                    rows.append({"image": picture.convert("RGB"), "question": line["question"], "answer": line["answer"]})
            except Exception:
                pass
    return Dataset.from_list(rows)

def mirror(row):
    pixels = np.asarray(row["image"])[:, ::-1]
    answer = row["answer"].replace("left", "L").replace("right", "left").replace("L", "right")
    return {"image": Picture.fromarray(np.ascontiguousarray(pixels)), "question": row["question"], "answer": answer}
''',
        ],
    )  # fmt: skip
    assert result.wrong[3].points == 2, "only the mirror is wrong there"


def test_files_of_question_1_are_fresh_on_another_draw_and_hold_what_they_say():
    one, other = questions._desks(Draw(b"one")), questions._desks(Draw(b"two"))
    assert one[0]["desk.csv"] != other[0]["desk.csv"]
    assert min(map(len, one[2].values())) == 10
    for number in range(20):
        _, _, truth = questions._desks(Draw(bytes([number])))
        texts = [text for pairs in truth.values() for text, _ in pairs]
        assert len(set(texts)) == len(texts) >= 50


JUNK = ("None", "3", "'x'", "[]", "{}", "[None]", "float('inf')", "{'text': None}", "Dataset.from_dict({'a': [1]})", "print",
        "{name: JUNK for name in ('features', 'rows', 'pulled', 'folder', 'data', 'train', 'validation', 'test', 'tokens', 'tags', 'pixels')}",
        "Dataset.from_dict({name: [None] for name in ('id', 'place', 'tokens', 'text', 'label', 'source', 'number')})",
        "{name: Dataset.from_dict({'number': [1], 'text': ['a'], 'label': ['b']}) for name in ('train', 'validation', 'test')}",
        "{'rows': [[{}], [{}], [{}], [{}]], 'pulled': None, 'features': {}}", "[[1], {}]")  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [name for name, each in questions.exercise.questions.items() if not each.manual and not each.lacks],
)
def test_no_check_breaks_on_whatever_an_answer_returns(name):
    needs = questions.exercise.questions[name].needs
    for junk in JUNK:
        source = "\n".join(f"def {need}(*_, **__): return {junk}" for need in needs)
        report = judge_source(
            EXERCISE, name, source, before="from datasets import Dataset\nJUNK = [1, 'a', None]"
        )
        assert report.rung != "ungraded" and report.points == 0, (junk, render.report_text(report))


def test_the_card():
    exercise = questions.exercise
    assert exercise.points == 36
    assert len([question for question in exercise.questions.values() if not question.manual]) >= 6
    assert all(len(question.hints) == 3 for question in exercise.questions.values())


def test_the_given_notebook_shows_the_colleagues_bugs(course):
    """The reader loses row 6, and two epochs of the typo have the same errors."""
    held = namespace(given("q3-colleague", "q3-stream", "q3-show"), course=course)
    assert [row["number"] for row in held["monday"] + held["tuesday"]] == [1, 2, 3, 4, 5, 7, 8, 9, 10, 11]


GAIN = """
def measured_gain(train, test, augment, fit, seeds):
    table = []
    for seed in seeds:
        more = list(train) + list(augment(train, seed))
        same = [row for _ in range(len(more)) for row in train][: len(more)]
        right = [[model(row["text"]) == row["label"] for row in test] for model in (fit(same, seed), fit(more, seed))]
        table.append(np.subtract(*(np.array(side, dtype=float) for side in right[::-1])))
    n = len(test)
    gains = np.mean(table, axis=0)
    mean = sum(gains) / n
    half = 1.96 * (sum((gain - mean) ** 2 for gain in gains) / (n - 1) / n) ** 0.5
    return dict(gain=mean, low=mean - half, high=mean + half, helps=mean - half > 0)
"""


def test_gain():
    result = judged_well(
        EXERCISE,
        "q11",
        before=given(),
        wrong={
            GAIN.replace("same = [row for _ in range(len(more)) for row in train][: len(more)]", "same = list(train)"): "rows as they are",
            GAIN.replace("for row in train][: len(more)]", "for row in train][: len(more) - len(train)]"): "the 'gain' of",
            # the test rows are changed, too
            GAIN.replace("for row in test]", "for row in augment(test, seed)[: len(test)]]"): "the 'gain' of",
            GAIN.replace("more = list(train) + list(augment(train, seed))", "more = list(augment(train, seed))"): "the 'gain' of",
            GAIN.replace("augment(train, seed)", "augment(train, 0)"): "the 'gain' of",
            GAIN.replace("right[::-1]", "right"): "the 'gain' of",
            # a gain of one seed only
            GAIN.replace("np.mean(table, axis=0)", "table[0]"): "the 'gain' of",
            # seeds times rows taken for independent rows
            GAIN.replace("gains = np.mean(table, axis=0)", "gains = np.concatenate(table)").replace("n = len(test)", "n = len(test) * len(seeds)"): "the 'low' of",
            GAIN.replace("/ (n - 1)", "/ n"): "the 'low' of",
            GAIN.replace("/ (n - 1) / n)", "/ (n - 1))"): "the 'low' of",
            GAIN.replace("helps=mean - half > 0", "helps=mean > 0"): "the 'helps' of",
            GAIN.replace("helps=mean - half > 0", "helps=not mean - half <= 0 <= mean + half"): "the 'helps' of",
            GAIN.replace("helps=mean - half > 0", "helps='yes'"): "to be True or False",
            GAIN.replace("helps=", "better="): "the key 'helps'",
        },
        right=[
            GAIN,
            changed_answer(EXERCISE, "q11", ("train[place % len(train)]", "dict(train[place % len(train)])")),
            """
def measured_gain(train, test, augment, fit, seeds):
    import statistics
    models = []
    for seed in seeds:
        new = augment(train, seed)
        times, rest = divmod(len(new), len(train))
        models.append((fit([*train, *new], seed), fit(train * (1 + times) + train[:rest], seed)))
    gains = [statistics.mean((a(row["text"]) == row["label"]) - (b(row["text"]) == row["label"]) for a, b in models) for row in test]
    middle, error = statistics.mean(gains), statistics.stdev(gains) / len(gains) ** 0.5
    low = np.float64(middle - 1.96 * error)
    return {"gain": middle, "low": low, "high": middle + 1.96 * error, "helps": low > 0}
""",
        ],
    )  # fmt: skip
    assert [report.points for report in result.wrong[:7]] == [1] * 7, (
        "the verdict follows from one's own interval"
    )
    assert [report.points for report in result.wrong[7:13]] == [2] * 6


def test_gains_are_what_the_check_says_of_them():
    """On every draw one augmentation helps, one seems to, and one does harm."""
    for number in range(30):
        report = judge_source(
            EXERCISE,
            "q11",
            changed_answer(EXERCISE, "q11"),
            before=given(),
            secret=b"%d" % number,
        )
        assert report.points == report.max_points, render.report_text(report)


@pytest.mark.skipif(not ready("opinions"), reason="`course fetch` was not run here")
def test_q12_what_people_typed():
    solution = answer_source(EXERCISE, "q12")
    result = judged_well(
        EXERCISE,
        "q12",
        wrong={
            replaced(solution, ('content.decode("utf-8-sig")', 'content.decode("latin-1")')): "decoded(",
            replaced(solution, ('content.decode("utf-8-sig")', 'content.decode("utf-8")')): "decoded(",
            replaced(solution, ('content.decode("latin-1")', 'content.decode("utf-8", errors="replace")')): "decoded(",
            replaced(solution, (".lower()", "")): "nearly_same",
            replaced(solution, ("set(zip(each, each[1:], each[2:]))", "set(each)")): "nearly_same",
            replaced(solution, ("len(runs[one] | runs[two]) >= least", "len(runs[one] | runs[two]) > 2 * least")): "nearly_same",
            replaced(solution, ("[min(pair) if each in pair else each for each in number]", "[min(one, two) if place in (one, two) else each for place, each in enumerate(number)]")): "groups(",
            replaced(solution, ("for one, two in pairs:", "for one, two in sorted(pairs):"), ("number = [min(pair) if each in pair else each for each in number]", "number[one] = number[two] = min(pair)")): "groups(",
            replaced(solution, ('content.decode("utf-8-sig")', 'content.decode("utf-8-sig" if content.isascii() or b"\\xc3" in content else "latin-1")')): "decoded(",
            replaced(solution, ('content.decode("latin-1")', 'content.decode("cp1252", "replace")')): "decoded(",
            replaced(solution, ('content.decode("utf-8-sig")', 'content.decode("utf-8").replace("\\ufeff", "")')): "decoded(",
            replaced(solution, ('content.decode("utf-8-sig")', 'content.decode("utf-8-sig").strip()')): "decoded(",
            replaced(solution, ('content.decode("utf-8-sig")', 'content.decode("utf-8-sig").replace("\\r\\n", "\\n")')): "decoded(",
            replaced(solution, ('return content.decode("latin-1")', 'return content.decode("utf-16") if len(content) % 2 == 0 else content.decode("latin-1")')): "decoded(",
            replaced(solution, ('content.decode("utf-8-sig")', '(content[:50].decode("utf-8-sig"), content.decode("utf-8-sig", "replace"))[1]')): "decoded(",
            replaced(solution, ("two]) >= least", "two]) > least")): "is the least that was asked for",
            replaced(solution, ("two]) >= least", "two]) >= 0.5")): "nearly_same(",
            replaced(solution, ("/ len(runs[one] | runs[two])", "/ min(len(runs[one]), len(runs[two]))")): "to find nothing",
            replaced(solution, ("/ len(runs[one] | runs[two])", "/ max(len(runs[one]), len(runs[two]))")): "to find nothing",
            replaced(solution, ("/ len(runs[one] | runs[two])", "* 2 / (len(runs[one]) + len(runs[two]))")): "to find nothing",
            replaced(solution, ("len(runs[one] & runs[two]) / len(runs[one] | runs[two]) >=", "round(len(runs[one] & runs[two]) / len(runs[one] | runs[two]), 1) >=")): "nearly_same(",
            replaced(solution, ("each[2:]))", "each[2:-1]))")): "nearly_same(",
            replaced(solution, ('re.findall(r"\\w+", text.lower())', "text.lower().split()")): "nearly_same(",
            replaced(solution, ('r"\\w+"', 'r"[\\w\']+"')): "nearly_same(",
            replaced(solution, ('r"\\w+"', 'r"[a-z0-9_]+"')): "nearly_same(",
            replaced(solution, ('r"\\w+"', 'r"[^\\W\\d_]+"')): "nearly_same(",
            replaced(solution, ("set(zip(each, each[1:], each[2:]))", "set(map(frozenset, zip(each, each[1:], each[2:])))")): "to find nothing",
            replaced(solution, ("len(runs[one] & runs[two]) / len(runs[one] | runs[two])", "(runs[one] & runs[two]).total() / (runs[one] | runs[two]).total()"), ("set(zip(", "Counter(zip(")): "to find them alike",
            replaced(solution, ("for text in texts)]", "for text in texts[:400])]")): "to find them alike",
            replaced(solution, ("    return [(one, two)", "    holders = Counter(run for each in runs for run in each)\n    return [(one, two)"), ("len(runs[one] & runs[two]) /", "sum(holders[run] < 50 for run in runs[one] & runs[two]) /")): "share a run of theirs: it counts",
            replaced(solution, ("return [(one, two)", "return [(two, one)")): "with one < two",
        },
        right=[
            solution.replace("return [(one, two)", "return [[one, two]"),
            solution.replace("return [(one, two) for one, two in pairs if ", "return np.array([(one, two) for one, two in pairs if ").replace(">= least]", ">= least])"),
            replaced(solution, ('content.decode("utf-8-sig")', 'content.decode("utf-8").removeprefix("\\ufeff")')),
            solution.replace("(one, two) for one, two in pairs if len(", "(one, two) for one, two in reversed(pairs) if len("),
            solution
            + """
def groups(count, pairs):
    above = list(range(count))
    def top(place):
        while above[place] != place:
            place = above[place]
        return place
    for one, two in pairs:
        low, high = sorted((top(one), top(two)))
        above[high] = low
    return np.array([top(place) for place in range(count)])
""",
        ],
        before="import re\nfrom collections import Counter\n\nimport numpy as np\n",
    )  # fmt: skip
    assert [report.points for report in result.wrong] == [2] * 31, "each function is a point of its own"
