"""The questions of exercise 02: many files into one table, chunks, streams, the cache,
splits, cards, augmentation, pictures.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from course_utils.checks import expect
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.checks.predictions import six_predictions
from course_utils.checks.report import Failed, Rung
from course_utils.wire import Rows
from course_utils.wire.answer import Answer

if TYPE_CHECKING:
    from random import Random

    import pyarrow

if TYPE_CHECKING:  # what a learner's notebook holds, for the functions that are sent there
    chunks: Any = None
    measured_gain: Any = None
    read: Any = None
    scratch: Any = None
    split: Any = None
    typo: Any = None
    write_card: Any = None
    mirror: Any = None

LESSONS = "lessons/02_datasets/"
FILES, MAP = LESSONS + "01_many_files_one_table.ipynb", LESSONS + "02_map_and_what_it_keeps.ipynb"
PEOPLE = LESSONS + "05_text_that_people_wrote.ipynb"
LARGE, TRUST = LESSONS + "03_larger_than_memory.ipynb", LESSONS + "04_a_set_to_trust.ipynb"
LABELS = ("negative", "positive")

exercise = Exercise(
    "02_datasets",
    title="Datasets",
    minutes=115,
    difficulty="medium",
    cost="about half a minute of computing on two cores",
)


def _expect_columns(table: Any, columns: Mapping[str, str], what: str) -> None:
    """`table` is a table with these columns; `columns`: {name: how its Arrow type begins, "" for any}."""
    if type(table).__name__ != "Table":
        raise Failed(Rung.WRONG_TYPE, f"{what} to be a Dataset", f"a {type(table).__name__}")
    for name, kind in columns.items():
        if name not in table.column_names:
            raise Failed(Rung.WRONG_SHAPE, f"a column {name!r} in {what}", f"only {table.column_names}")
        found = str(table.schema.field(name).type).removeprefix("large_")
        if not found.startswith(kind):
            raise Failed(Rung.WRONG_TYPE, f"the column {name!r} of {what} to be of type {kind}", found)
        if kind and table[name].null_count:
            raise Failed(
                Rung.WRONG_VALUE, f"the column {name!r} of {what} without gaps", "a value that is None"
            )


# Question 1: five files, one table


def unpacked(files: dict) -> Any:
    """Write {relative name: bytes} into a new folder and return its path."""
    import tempfile
    from pathlib import Path

    folder = Path(tempfile.mkdtemp(dir=scratch.name))
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def gathered(files: dict) -> dict:
    """The features and rows that `gather` makes of these files."""
    found = gather(unpacked(files))
    return {"features": {name: str(feature) for name, feature in found.features.items()}, "rows": found}


FEATURES = {
    "text": "Value('string')",
    "label": "ClassLabel(names=['negative', 'positive'])",
    "source": "Value('string')",
}


@exercise.question(
    "q1",
    title="Five files, one table",
    points=4,
    difficulty=2,
    needs=("gather",),
    lesson=FILES + "#The same table from other formats",
    hints=(
        "Take the files one by one, and bring each to the same three things: a text, a label, a source. "
        "Join them last.",
        'load_dataset has a reader for each: "csv" (with sep=), "json", "text" (sample_by="document" for '
        'a file a row), "parquet". One function tidies every text: " ".join(text.split()). Then '
        "Dataset.from_list(rows, features=FEATURES).",
        "Two lists of temperatures become one table:\n"
        'rows = [{"degrees": row["celsius"], "place": "pier"} for row in load_dataset("csv", '
        'data_files="pier.csv", split="train")]\n'
        'rows += [{"degrees": (row["f"] - 32) / 1.8, "place": "mill"} for row in load_dataset("json", '
        'data_files="mill.jsonl", split="train")]\n'
        'rows = [row for row in rows if row["degrees"] is not None]\n'
        'Dataset.from_list(rows, features=Features({"degrees": Value("float32"), "place": Value("string")}))',
    ),
)
def gather(answer: Answer, draw: Draw) -> None:
    whole, tidy, truth = _desks(draw)
    with part("the schema", points=1):
        found = _gathered(answer, tidy)
        expect.equal(found["features"], FEATURES, "the features of gather(folder)")
    for sources, title in (
        (("desk", "post"), "desk.csv and post.jsonl"),
        (("wall", "letters"), "wall.txt and letters/"),
        (("archive",), "archive.parquet"),
    ):
        with part(title, points=1):  # what is missing in one file costs nothing of another
            mine = {name: content for name, content in whole.items() if name.startswith(sources)}
            rows = _gathered(answer, tidy | mine)["rows"].to_pylist()
            for source in sources:
                here = [row for row in rows if row["source"] == source]
                _expect_rows(here, truth[source], source, tidy | mine)


def _gathered(answer: Answer, files: dict[str, bytes]) -> dict[str, Any]:
    found = answer.given(unpacked, gathered).call("gathered", files)
    expect.keys(found, ("features", "rows"), "gathered(files)")
    expect.type_of(found["features"], dict, "the features of gather(folder)")
    _expect_columns(found["rows"], {"text": "string", "label": "", "source": "string"}, "gather(folder)")
    return found


def _expect_rows(
    rows: Sequence[Mapping[str, Any]],
    wanted: Sequence[tuple[str, str]],
    source: str,
    files: Mapping[str, bytes],
) -> None:
    """The (text, label) pairs of a source are those wanted, in any order."""
    texts = {row["text"] for row in rows}
    others = sorted(texts - {text for text, _ in wanted})
    for text, label in wanted:
        nearest = difflib.get_close_matches(text, others, n=1, cutoff=0)
        came = f"at best {nearest}" if others else f"{len(rows)} rows, and not this one"
        expect.true(
            text in texts,
            f"the text {text!r} among the {len(wanted)} rows from {source!r}",
            came + _as_it_stands(text, source, files),
        )
        # a label's name in place of its number is a fault of the schema, which has a point of its own
        labels = {
            LABELS.index(row["label"]) if row["label"] in LABELS else row["label"]
            for row in rows
            if row["text"] == text
        }
        expect.equal(
            labels, {LABELS.index(label)}, f"the label (0 negative, 1 positive) of {text!r} from {source!r}"
        )
    expect.true(
        not others,
        f"only the {len(wanted)} rows from {source!r} that have a text and a label",
        f"{len(rows)} rows, one of them with the text {others[:1]}",
    )
    expect.equal(len(rows), len(wanted), f"the number of rows from {source!r}")


def _as_it_stands(text: str, source: str, files: Mapping[str, bytes]) -> str:
    """Where a text of a source is found, as it is written there; nothing of a parquet file."""
    for name, content in files.items():
        if name.startswith(source) and not name.endswith(".parquet"):
            whole = content.decode()
            for found in [whole] if source == "letters" else whole.splitlines():
                if text in " ".join(found.split()):
                    return f"; {name} has it as {found!r}"
    return ""


def _desks(draw: Draw) -> tuple[dict[str, bytes], dict[str, bytes], dict[str, list[tuple[str, str]]]]:
    """The raw files of question 1, {name: bytes}; the same without anything missing in them; and
    {source: [(text, label), …]}, what both say when tidied.
    """
    pick = draw.random
    reviews = {row["text"]: LABELS[row["label"]] for row in draw.rows("reviews", 64)}
    pairs = list(reviews.items())[:50]
    truth = {
        name: pairs[10 * place : 10 * place + 10]
        for place, name in enumerate(("desk", "post", "wall", "archive", "letters"))
    }
    text, label = truth["desk"][0]
    truth["desk"][0] = (text.replace(". ", "; ", 1) if ". " in text else f"{text[:-1]}; {text}", label)
    desk = [[_loose(text, pick), _shouted(label, pick)] for text, label in truth["desk"]]
    thumbs = {"positive": "up", "negative": "down"}
    post = [{"body": _loose(text, pick), "thumbs": thumbs[label]} for text, label in truth["post"]]
    signs = {"positive": "+ ", "negative": "- "}
    wall = [signs[label] + _loose(text, pick) for text, label in truth["wall"]]
    archive = {
        "text": [text for text, _ in truth["archive"]],
        "label": [LABELS[::-1].index(label) for _, label in truth["archive"]],
    }
    letters = {
        f"letters/{label}/{number:02d}.txt": text.replace(". ", ".\n").encode() + b"\n"
        for number, (text, label) in enumerate(truth["letters"])
    }
    for label in LABELS:  # both folders are there in any draw
        if not any(name.startswith(f"letters/{label}") for name in letters):
            text = f"Nobody else has been here, and it was {label}."
            truth["letters"].append((text, label))
            letters[f"letters/{label}/only.txt"] = text.encode()
    tidy = {
        "desk.csv": _sheet([["review", "verdict"], *desk]),
        "post.jsonl": _json_lines(post),
        "wall.txt": _lines(wall),
        "archive.parquet": _parquet(archive),
        **letters,
    }
    whole = tidy | {
        "desk.csv": _sheet(
            [
                ["review", "verdict"],
                *_mixed(desk, [["Nobody knows what they thought.", ""], ["", "positive"]], pick),
            ]
        ),
        "post.jsonl": _json_lines(
            _mixed(
                post,
                [{"body": "No thumb was given.", "thumbs": None}, {"body": None, "thumbs": "up"}],
                pick,
            )
        ),
        "wall.txt": _lines(_mixed(wall, ["# + The Painter. This line is a remark.", "", "- "], pick)),
        "archive.parquet": _parquet(
            {"text": [*archive["text"], "Nobody gave a label."], "label": [*archive["label"], None]}
        ),
        **{f"letters/{label}/empty.txt": b"\n" for label in LABELS},
    }
    return whole, tidy, truth


def _mixed(rows: Sequence[Any], others: Iterable[Any], pick: Random) -> list[Any]:
    """The rows with the others in between, none of them first or last."""
    mixed = list(rows)
    for other in others:
        mixed.insert(pick.randrange(1, len(rows)), other)
    return mixed


def _sheet(rows: Iterable[Sequence[str]]) -> bytes:
    sheet = io.StringIO()
    csv.writer(sheet, delimiter=";").writerows(rows)
    return sheet.getvalue().encode()


def _json_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _lines(lines: Iterable[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def _loose(text: str, pick: Random) -> str:
    """The text with a few spaces too many."""
    words = text.split(" ")
    words[pick.randrange(1, len(words))] += " "
    return text if pick.random() < 0.3 else "  " + " ".join(words) + " "


def _shouted(label: str, pick: Random) -> str:
    return pick.choice((label, label.upper(), label.capitalize(), f" {label}"))


def _parquet(columns: dict[str, list]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file)
    return file.getvalue()


# Question 2: chunks


def chunked(rows: Any, length: int, stride: int) -> object:
    """A Dataset with the columns id and tokens, cut into chunks."""
    options = {"length": length, "stride": stride}
    return rows.map(chunks, batched=True, batch_size=5, remove_columns=rows.column_names, fn_kwargs=options)


@exercise.question(
    "q2",
    title="Long documents into chunks",
    points=3,
    difficulty=2,
    needs=("chunks",),
    lesson=MAP + "#Rows that are too long",
    hints=(
        "Where does the second chunk begin, if each has `length` tokens and shares `stride` with the "
        "one before?",
        "Chunks begin at 0, step, 2 * step, … with step = length - stride. Stop with the first chunk that "
        "reaches the end of the document: whatever begins later holds nothing new. A document without "
        "tokens has no chunk.",
        "Windows of 4 days, each sharing 1 with the last, over 10 days: they begin on day 0, 3 and 6. The "
        "one from day 6 reaches day 9, the last, so none begins on day 9. In Python: `range(0, max(days - "
        "shared, 1), window - shared)` for days > 0.",
    ),
)
def chunk(answer: Answer, draw: Draw) -> None:
    pick = draw.random
    length = pick.randrange(8, 20)
    stride = pick.randrange(1, length // 2)
    step = length - stride
    sizes = [pick.randrange(1, 90) for _ in range(8)] + [0, 1, length, length + 1, length + step, stride]
    pick.shuffle(sizes)
    tokens, first = {}, 0
    for number, size in enumerate(sizes):  # no token occurs twice
        tokens[f"d{number}"] = list(range(first, first + size))
        first += size
    call = f"chunks(rows, {length}, {stride})"
    table = answer.given(chunked).call("chunked", Rows(_documents(tokens)), length, stride)
    _expect_columns(table, {"id": "string", "place": "int", "tokens": "list<"}, call)
    found = _grouped(table.to_pylist())
    longest = max((len(row["tokens"]) for rows in found.values() for row in rows), default=0)
    expect.at_most(longest, length, f"the longest chunk of {call}")
    with part("every token is in a chunk, at its place", points=1):
        for name, document in tokens.items():
            seen = {
                row["place"] + offset: token
                for row in found.get(name, [])
                for offset, token in enumerate(row["tokens"])
            }
            what = (
                f"the {len(document)} tokens of a document, put together again from its chunks (length "
                f"{length}, stride {stride})"
            )
            gaps = [place for place in range(len(document)) if place not in seen]
            expect.true(
                not gaps,
                f"{what}, to have no gap",
                f"no chunk with the token at place {gaps[:1]}, one of {len(gaps)} such places",
            )
            expect.equal([seen[place] for place in range(len(document))], document, what)
    with part(f"neighbours share {stride} tokens", points=1):
        for name, document in tokens.items():
            places = [row["place"] for row in found.get(name, [])]
            steps = [later - earlier for earlier, later in pairwise(places)]
            expect.true(
                bool(places) or not document,
                f"at least one chunk of a document of {len(document)} tokens",
                "none",
            )
            what = f"the distances between the beginnings of chunks, for a document of {len(document)} tokens"
            expect.equal(steps, [step] * len(steps), what)
    with part("no chunk without a new token", points=1):
        for name, document in tokens.items():
            count = math.ceil(max(len(document) - stride, 1) / step) if document else 0
            expect.equal(
                len(found.get(name, [])),
                count,
                f"the number of chunks of a document of {len(document)} tokens",
            )


def _documents(tokens: Mapping[str, list[int]]) -> pyarrow.Table:
    import pyarrow as pa

    return pa.table({"id": list(tokens), "tokens": pa.array(list(tokens.values()), pa.list_(pa.int64()))})


def _grouped(rows: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """{document: its chunks in order of place}."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["id"], []).append(row)
    return {name: sorted(group, key=lambda row: row["place"]) for name, group in groups.items()}


# Question 3: stop, and go on exactly there


def reading(first: int, step: int, length: int, most: int, count: int, state: str) -> dict:
    """`read` from a stream that is opened anew and breaks off after `most` rows: the
    numbers read, and the state as JSON.

    Each row is computed when it is asked for, so that there is no list of them to be found.
    """
    import json

    from datasets import IterableDataset

    def rows() -> object:
        for place in range(length):
            if place == most:
                raise RuntimeError(f"the stream was asked for more than {most} rows")
            yield {"number": (first + place * step) % 1_000_003}

    stream = IterableDataset.from_generator(rows)
    found, after = read(stream, count, json.loads(state))
    return {"numbers": [row["number"] for row in found], "state": json.dumps(after)}


@exercise.question(
    "q3",
    title="Find the bug: a reader that loses rows",
    points=4,
    difficulty=2,
    needs=("read",),
    lesson=LARGE + "#Stop, and go on exactly there",
    hints=(
        "The loop takes a row from the stream, and then decides whether it wants it. What becomes of a row "
        "that it doesn't want?",
        "Count before you take: leave the loop as soon as you hold enough, not when the next row has "
        "come. Or ask for rows one by one with next(iterator, None), or let itertools.islice(stream, "
        "count) stop in time.",
        "A bus driver who lets on 20 people: `for person in queue: if len(bus) == 20: break; "
        "bus.append(person)` calls the 21st out of the queue and drives away without them. `for person in "
        "itertools.islice(queue, 20): bus.append(person)` leaves them in line.",
    ),
)
def resume(answer: Answer, draw: Draw) -> None:
    counts = [draw.random.randrange(3, 30) for _ in range(4)]
    first, step, length = draw.random.randrange(10**6), draw.random.randrange(10**5, 9 * 10**5), 200
    numbers = [(first + place * step) % 1_000_003 for place in range(length)]
    rule = first, step, length
    mine = answer.given(reading)
    with part("the first reading, and nothing that was not asked for", points=1):
        found, _ = _reading(mine, rule, counts[0], "null", most=counts[0] + 1)
        expect.equal(found, numbers[: counts[0]], "the numbers of the first reading")
    with part("no row is lost and none comes twice", points=3):
        begin, state, states = 0, "null", []
        for number, count in enumerate(counts):
            states.append((state, begin, count))
            found, state = _reading(mine, rule, count, state, most=len(numbers))
            what = f"reading {number + 1}, which asks for {count} rows,"
            expect.length(found, count, what)
            expect.equal(found[0], numbers[begin], f"the first row of the reading that follows {begin} rows")
            expect.equal(found, numbers[begin : begin + count], f"the rows of {what}")
            begin += count
        state, begin, count = states[1]  # the state is all that tells where to go on
        again, _ = _reading(mine, rule, count, state, most=len(numbers))
        expect.equal(
            again, numbers[begin : begin + count], "the rows of reading 2, done again from its state,"
        )


def _reading(
    answer: Answer, rule: tuple[int, int, int], count: int, state: str, most: int
) -> tuple[list[int], str]:
    """(numbers, state as JSON) of one reading; the state is carried from reading to reading on this side."""
    found = answer.call("reading", *rule, most, count, state)
    expect.keys(found, ("numbers", "state"), "reading(...)")
    expect.each_of(found["numbers"], int, "the numbers of a reading")
    expect.type_of(found["state"], str, "the state as JSON")
    return found["numbers"], found["state"]


# Question 4: what runs again?

#: Whether `map` runs again, for each edit of the notebook's list;
#: tests/checks/chapters/test_datasets.py measures every one of them.
RUNS_AGAIN = {"again": False, "constant": True, "other": False, "batch": True, "order": True, "helper": False}


@exercise.question(
    "q4",
    title="Predict what runs again",
    points=2,
    difficulty=1,
    needs=("predictions",),
    lesson=MAP + "#What map keeps",
    hints=(
        "`map` keeps its result under a fingerprint. What goes into it, and what does not?",
        "In: the rows as they stand, the function's own code, the values it reads, most options of map. "
        "Not in: names that the function never reads, and the code of functions it imports from a module.",
        "A baker keeps a loaf under a note with recipe and flour. New flour: bake again. The radio plays "
        "another song: take the loaf. "
        'But if the note says only "Anna\'s sourdough" and Anna changes her sourdough, the old loaf is '
        "still handed out.",
    ),
)
def predict(answer: Answer, draw: Draw) -> None:
    six_predictions(answer, RUNS_AGAIN, "the number of edits that you foresaw")


# Question 5: chance that can be repeated


def elsewhere(texts: list, seed: int, hash_seed: int) -> list:
    """The text of typo(row, index, seed) for each text, from a new process with another seed for hash().

    The function goes there as it goes to the workers of `map`, with the names that it uses.
    """
    import os
    import subprocess
    import sys

    import dill

    program = (
        "import contextlib, dill, sys\n"
        "typo, texts, seed = dill.load(sys.stdin.buffer)\n"
        "with contextlib.redirect_stdout(None):\n"
        "    found = [typo({'text': text}, index, seed)['text'] for index, text in enumerate(texts)]\n"
        "dill.dump(found, sys.stdout.buffer)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=dill.dumps((typo, texts, seed), recurse=True),
        capture_output=True,
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed)},
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"in another process: {done.stderr.decode(errors='replace').strip()[-200:]}")
    return dill.loads(done.stdout)


def shared_chance_moved(text: str, index: int, seed: int) -> bool:
    """Whether `typo` draws from a generator that everybody shares, or sets one."""
    import random

    import numpy as np

    def shared() -> str:
        return repr((random.getstate(), np.random.get_state()))

    before = shared()
    typo({"text": text}, index, seed)
    return shared() != before


@exercise.question(
    "q5",
    title="Find the bug: chance in a map",
    points=3,
    difficulty=2,
    needs=("typo",),
    lesson=MAP + "#Where it is wrong all the same",
    hints=(
        "Call the function twice on the same row. Then ask which three things should decide where the "
        "letters are swapped.",
        "Make a generator of the function's own, from seed and index together: "
        'random.Random(f"{seed}/{index}"). '
        "Never touch the one that everybody shares.",
        "A fair coin for guest number 7 of hotel 3, the same today and tomorrow, whoever else was "
        "asked before: "
        '`random.Random("3/7").random() < 0.5`',
    ),
)
def noise(answer: Answer, draw: Draw) -> None:
    texts = [row["text"] for row in draw.rows("reviews", 24)]
    seeds = [draw.random.randrange(1, 10_000) for _ in range(2)]

    def typo(text: str, index: int, seed: int) -> str:
        found = answer.call("typo", {"text": text}, index, seed)
        expect.keys(found, ("text",), "typo(row, index, seed)")
        expect.type_of(found["text"], str, 'typo(row, index, seed)["text"]')
        return found["text"]

    once = [typo(text, index, seeds[0]) for index, text in enumerate(texts)]
    with part("two neighbours have changed places", points=1):
        for text, got in zip(texts, once, strict=True):
            expect.true(
                _one_swap(text, got), f"one pair of neighbouring characters swapped in {text!r}", repr(got)
            )
    with part("seed and index decide, and nothing else", points=1):
        backwards = [typo(texts[index], index, seeds[0]) for index in reversed(range(len(texts)))][::-1]
        expect.true(
            backwards == once,
            "the same swaps when the rows are asked for again, from the last to the first",
            "others",
        )
        there = answer.given(elsewhere).call("elsewhere", texts, seeds[0], draw.random.randrange(1, 2**32))
        expect.true(
            there == once,
            "the same swaps in another process of Python, where texts have other values of hash()",
            "others",
        )
    with part("they do decide", points=1):
        long = max(texts, key=len)
        for what, places in (
            ("24 indices", [(index, seeds[0]) for index in range(24)]),
            ("24 seeds", [(5, seeds[1] + number) for number in range(24)]),
        ):
            swapped = [typo(long, *place) for place in places]
            expect.true(
                swapped == [typo(long, *place) for place in places],
                f"the same swaps for {what}, asked twice",
                "others",
            )
            expect.at_least(len(set(swapped)), 8, f"the number of different swaps in one text for {what}")
    diagonal = [typo(long, 20 + number, seeds[1] - number) for number in range(12)]
    expect.advise(
        len(set(diagonal)) > 2,
        (
            "seed + index gives row 5 of seed 1 the same swap as row 4 of seed 2. A text of both, such as "
            "f'{seed}/{index}', keeps them apart"
        ),
    )
    expect.advise(
        answer.given(shared_chance_moved).call("shared_chance_moved", long, 5, seeds[0]) is False,
        (
            "it sets the generator of `random` (or NumPy's) that everybody shares: what is drawn after it "
            "elsewhere, such as the order of a shuffle, is always the same. random.Random(…) makes one of "
            "its own"
        ),
    )


def _one_swap(text: str, got: str) -> bool:
    """Whether `got` is `text` with two neighbouring characters exchanged; those must not have been equal."""
    places = [place for place, (one, other) in enumerate(zip(text, got, strict=False)) if one != other]
    if len(text) != len(got) or len(places) != 2 or places[1] != places[0] + 1:
        return False
    return got[places[0]] == text[places[1]] and got[places[1]] == text[places[0]]


# Question 6: splits


def splits_of(rows: Any, seed: int) -> object:
    """The splits of these rows, with `label` as the ClassLabel that it is."""
    from datasets import ClassLabel

    return split(rows.cast_column("label", ClassLabel(names=["negative", "positive"])), seed)


SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}
TOLERANCE = 0.02  # of all rows, and of the rows of a split that are positive


@exercise.question(
    "q6",
    title="Splits that do not leak",
    points=4,
    difficulty=3,
    needs=("split",),
    lesson=TRUST + "#Splits, and what leaks between them",
    hints=(
        "Which rows are the same text in different clothes? They have to travel together.",
        "Make a key of each text (lower case, single spaces) and groups of rows with the same key. Then, "
        "label by label, shuffle the groups with random.Random(seed) and hand them out: to train until it "
        "has 70 % of that label's rows, to validation until it has 15 %, the rest to test.",
        "Families into three buses, big enough for 70, 15 and 15 of 100 people, nobody parted:\n"
        "seated = 0\n"
        "for family in shuffled_families:\n"
        '    bus = "first" if seated < 70 else "second" if seated < 85 else "third"\n'
        "    buses[bus] += family\n"
        "    seated += len(family)",
    ),
)
def splits(answer: Answer, draw: Draw) -> None:
    rows = _reviews_with_twins(draw)
    seed = draw.random.randrange(1000)
    columns = {name: [row[name] for row in rows] for name in ("number", "text", "label")}
    found = answer.given(splits_of).call("splits_of", Rows(columns), seed)
    call = f"split(reviews, {seed})"
    if type(found) is not dict:
        raise Failed(Rung.WRONG_TYPE, f"{call} to be a DatasetDict", f"a {type(found).__name__}")
    expect.keys(found, SHARES, call)
    for name in SHARES:
        _expect_columns(
            found[name], {"number": "int", "text": "string", "label": "int"}, f"{name!r} of {call}"
        )
    parts = {name: found[name].select(list(columns)).to_pylist() for name in SHARES}
    # what leaks can't be seen where texts were changed
    texts = {row["number"]: row["text"] for split in parts.values() for row in split}
    changed = [row for row in rows if texts.get(row["number"], row["text"]) != row["text"]]
    expect.true(
        not changed,
        "each row's text to be as it was given",
        f"{texts[changed[0]['number']]!r} for {changed[0]['text']!r}" if changed else "",
    )
    with part("every row is in one split, and the seed decides in which", points=1):
        numbers = sorted(row["number"] for split in parts.values() for row in split)
        expect.equal(len(numbers), len(rows), f"the number of rows in the three splits of {call} together")
        expect.true(
            numbers == sorted(columns["number"]), "each row in one split", "a row that comes twice or never"
        )
        mine = sorted(row["number"] for row in parts["test"])
        again, other = (
            _test_numbers(answer.given(splits_of).call("splits_of", Rows(columns), number), call)
            for number in (seed, seed + 1)
        )
        expect.true(
            again == mine, f"the same test split from {call} each time", "another one on the second call"
        )
        expect.true(other != mine, "another test split from another seed", "the same")
    with part("no text is in two splits", points=2):
        keys = {name: {_key(row["text"]) for row in split} for name, split in parts.items()}
        for one, another in (("train", "test"), ("train", "validation"), ("validation", "test")):
            expect.true(
                bool(keys[one] and keys[another]), f"rows in {one} and in {another}", "a split without rows"
            )
            shared = sorted(keys[one] & keys[another])
            expect.true(
                not shared,
                f"no text in {one} and in {another} too, whatever its case and spaces",
                f"{len(shared)}, such as {shared[:1]}",
            )
    with part("sizes and classes are as they should be", points=1):
        positive = sum(columns["label"]) / len(rows)
        for name, share in SHARES.items():
            expect.close(
                len(parts[name]) / len(rows), share, f"the share of rows in {name!r}", tolerance=TOLERANCE
            )
            ratio = sum(row["label"] for row in parts[name]) / len(parts[name])
            expect.close(ratio, positive, f"the share of positive reviews in {name!r}", tolerance=TOLERANCE)


def _test_numbers(found: Any, call: str) -> list[int]:
    """The sorted row numbers of a test split."""
    expect.keys(found, ("test",), call)
    _expect_columns(found["test"], {"number": "int"}, f"'test' of {call}")
    return sorted(found["test"]["number"].to_pylist())


def _key(text: str) -> str:
    return " ".join(text.lower().split())


def _reviews_with_twins(draw: Draw) -> list[dict[str, Any]]:
    """About 1,400 numbered reviews, three in ten positive; one text in six occurs up to
    four times, in other case or spacing.
    """
    pick, kept, positive = draw.random, [], 0
    for row in {row["text"]: row for row in draw.rows("reviews", 1600)}.values():
        if row["label"] == 0 or positive < 330:
            positive += row["label"]
            kept.append(row)
    rows = []
    for row in kept:
        copies = pick.choice((2, 3, 4)) if pick.random() < 1 / 6 else 1
        for number in range(copies):
            text = row["text"]
            if number:
                text = pick.choice((text.upper(), text.lower(), text.replace(" ", "  ", 2), " " + text))
            rows.append({"text": text, "label": row["label"]})
    pick.shuffle(rows)
    return [{"number": number, **row} for number, row in enumerate(rows)]


# Question 7: a card that loads by name


def carded(files: dict, names: list) -> dict:
    """A new folder of these files and its card: its path, the card's data and its text."""
    from huggingface_hub import DatasetCard

    folder = unpacked(files)
    write_card(folder, names)
    card = DatasetCard.load(folder / "README.md")
    return {"folder": str(folder), "data": card.data.to_dict(), "text": card.text}


def loaded(folder: str, names: list) -> dict:
    """For each name, {split: texts} as load_dataset finds them in the folder, which has moved by then."""
    import os

    from datasets import load_dataset

    moved = f"{folder}-on-another-machine"
    os.rename(folder, moved)
    sets = {name: load_dataset(moved, name, cache_dir=str(unpacked({}))) for name in names}
    return {name: {part: rows["text"][:] for part, rows in found.items()} for name, found in sets.items()}


SENTENCE = 4  # words that a card has for people, at the least


@exercise.question(
    "q7",
    title="A card that loads by name",
    points=2,
    difficulty=1,
    needs=("write_card",),
    lesson=TRUST + "#The card, and loading by name",
    hints=(
        "The block between the two lines of --- at the top of README.md is YAML. Which key of it lists the "
        "configurations?",
        "configs: is a list; each entry has config_name: and data_files:, a list of split: and path:. The "
        "path is relative to the folder. license: and language: stand beside configs:.",
        (
            "---\n"
            "license: mit\n"
            "language: fr\n"
            "configs:\n"
            "- config_name: tides\n"
            "  data_files:\n"
            "  - split: train\n"
            "    path: water/2025.csv\n"
            "---\n"
            "# Tides\n"
            "High and low water at three piers."
        ),
    ),
)
def card(answer: Answer, draw: Draw) -> None:
    names = draw.sample(("reviews", "notices", "letters", "menus"), 2)
    texts = iter(row["text"] for row in draw.rows("topics", 40))
    truth = {
        name: {
            split: [next(texts) for _ in range(6 if split == "train" else 3)] for split in ("train", "test")
        }
        for name in names
    }
    files = {
        f"{name}/{split}.csv": _csv(rows) for name, splits in truth.items() for split, rows in splits.items()
    }
    mine = answer.given(unpacked, carded, loaded)
    made = mine.call("carded", files, names)
    expect.keys(made, ("folder", "data", "text"), "the folder with its card")
    expect.type_of(made["folder"], str, "the path of the folder")
    with part("each configuration loads by its name", points=1):
        expect.true(
            made["folder"] not in repr(made["data"]),
            "the paths of the files to be relative to the folder: the card goes with it to other machines",
            f"one that begins with {made['folder']!r}",
        )
        found = mine.call("loaded", made["folder"], names)
        expect.keys(found, names, "the sets that load by their names")
        for name in names:
            what = f"load_dataset(folder, {name!r})"
            expect.type_of(found[name], dict, what)
            expect.equal(found[name], truth[name], f"the texts by split of {what}")
    with part("licence, language and a sentence", points=1):
        data = made["data"]
        expect.keys(data, ("license", "language"), "the YAML block of README.md")
        expect.one_of(data["license"], ("apache-2.0",), "the license, as the Hub spells it,")
        language = data["language"] if type(data["language"]) is list else [data["language"]]
        expect.equal(language, ["en"], "the language, as the Hub spells it,")
        expect.type_of(made["text"], str, "the text under the YAML block")
        sentences = [line for line in made["text"].splitlines() if not line.lstrip().startswith("#")]
        expect.true(
            len(" ".join(sentences).split()) >= SENTENCE,
            f"a sentence for people under the YAML block ({SENTENCE} words or more, no heading)",
            repr(" ".join(sentences).strip()),
        )


def _csv(texts: Iterable[str]) -> bytes:
    sheet = io.StringIO()
    csv.writer(sheet).writerows([["text"], *([text] for text in texts)])
    return sheet.getvalue().encode()


# Question 8: other names, the same labels


@exercise.question(
    "q8",
    title="New names in old sentences",
    points=3,
    difficulty=2,
    needs=("rename",),
    lesson=TRUST + "#Augmentation: new rows from old ones",
    hints=(
        "A name of two words takes the place of a name of one. What has to happen to the tags?",
        "Walk through tokens and tags together and build two new lists. At a tag B-…, append the words of "
        "the new name, and as tags one B- and as many I- as are left; skip the I- tags that follow in the "
        "old sentence.",
        "Swapping fruits in a menu, where (f) begins a fruit and (.) goes on with it, `passion(f) fruit(.) "
        "with plum(f)`:\n"
        'plum -> ["red", "grape"] gives `… with red(f) grape(.)`: the marks are made anew from the length '
        "of the new name,\n"
        'marks = ["f"] + ["."] * (len(new) - 1)',
    ),
)
def rename(answer: Answer, draw: Draw) -> None:
    from course_utils.world import ENTITY_TAGS

    sentences = [
        (row["tokens"], [ENTITY_TAGS[tag] for tag in row["ner_tags"]]) for row in draw.rows("entities", 40)
    ]
    pool = {
        "PER": [["Zita"], ["Zoe", "Zander"], ["Dr", "Zuleika", "Zorn"]],
        "LOC": [["Zell"], ["Zur", "Alp"], ["Zum", "See", "Ufer"]],
        "ORG": [["Zink", "Union"], ["Zebra", "Players"], ["Zug"]],
        "MISC": [["Zither", "Week"], ["Zoo", "Day"], ["Zenith"]],
    }
    # half of the sentences already have names of the pool, which must be replaced by others
    sentences[:20] = [_with_names(*sentence, pool, draw.random) for sentence in sentences[:20]]
    side_by_side = _side_by_side(pool, draw)
    sentences += [side_by_side, (["Nobody", "asked", "Mrs", "Byron"], ["O", "O", "B-PER", "I-PER"])]
    seed = draw.random.randrange(1000)
    call = f"rename(tokens, tags, pool, {seed})"

    def renamed(tokens: list[str], tags: list[str], seed: int) -> dict[str, list[str]]:
        got = answer.call("rename", tokens, tags, pool, seed)
        expect.keys(got, ("tokens", "tags"), call)
        expect.each_of(got["tokens"], str, f"the tokens of {call}")
        expect.each_of(got["tags"], str, f"the tags of {call}")
        return got

    found = [renamed(*sentence, seed) for sentence in sentences]
    seeds = [(side_by_side, renamed(*side_by_side, seed + more)) for more in range(40)]
    with part("the tags fit the new tokens, and all other words stay", points=1):
        for (tokens, tags), got in zip(sentences, found, strict=True):
            expect.length(got["tags"], len(got["tokens"]), f"the tags of {got['tokens']}")
            fault = _fault_of_tags(got["tags"])
            expect.true(not fault, f"IOB2 tags for {got['tokens']}", f"{fault} in {got['tags']}")
            kinds = [kind for kind, _ in _mentions(tokens, tags)]
            what = f"the types of the names in {' '.join(tokens)!r}, after renaming"
            expect.equal([kind for kind, _ in _mentions(got["tokens"], got["tags"])], kinds, what)
            what = f"the words outside the names of {' '.join(tokens)!r}"
            expect.equal(_outside(got["tokens"], got["tags"]), _outside(tokens, tags), what)
    with part("every name is another one of its type", points=1):
        for (tokens, tags), got in [*zip(sentences, found, strict=True), *seeds]:
            pairs = zip(_mentions(tokens, tags), _mentions(got["tokens"], got["tags"]), strict=False)
            for (kind, old), (_, new) in pairs:
                expect.true(
                    new in pool[kind], f"a {kind} of the pool in place of {' '.join(old)!r}", " ".join(new)
                )
                expect.true(new != old, f"another name in place of {' '.join(old)!r}", "the same one")
    with part("the seed decides", points=1):
        again = [answer.call("rename", *sentence, pool, seed) for sentence in sentences[:10]]
        expect.true(again == found[:10], f"the same names from {call} each time", "others on the second call")
        others = [answer.call("rename", *sentence, pool, seed + 1) for sentence in sentences]
        expect.true(
            others != found, "other names from another seed", f"the same in all of {len(sentences)} sentences"
        )
        texts = [" ".join(got["tokens"]) for _, got in seeds]
        places = [" ".join(name) for name in pool["LOC"]]
        never = [name for name in places if not any(name in text for text in texts)]
        what = f"every LOC of the pool at some time, in 40 seeds of {' '.join(side_by_side[0])!r}"
        expect.true(not never, what, f"never {', '.join(never)}")


def _side_by_side(pool: Mapping[str, list[list[str]]], draw: Draw) -> tuple[list[str], list[str]]:
    """(tokens, tags) of a sentence of three names, each of which begins where the one before ends.

    The last two are of one type and in the pool: whoever takes them for one name does not know what to avoid.
    """
    place = draw.random.choice((["Rome"], ["Mill", "Lane"], ["Isle", "of", "Wight"]))
    names = [("LOC", place), *(("PER", name) for name in draw.sample(pool["PER"], 2))]
    tokens, tags = ["In"], ["O"]
    for kind, words in names:
        tokens += words
        tags += [f"B-{kind}"] + [f"I-{kind}"] * (len(words) - 1)
    return [*tokens, "danced", "."], [*tags, "O", "O"]


def _mentions(tokens: Iterable[str], tags: Iterable[str]) -> list[tuple[str, list[str]]]:
    """[(type, [word, …]), …] in their order."""
    found = []
    for token, tag in zip(tokens, tags, strict=False):
        if tag.startswith("B-"):
            found.append((tag[2:], [token]))
        elif tag.startswith("I-") and found:
            found[-1][1].append(token)
    return found


def _with_names(
    tokens: Sequence[str], tags: Sequence[str], pool: Mapping[str, list[list[str]]], pick: Random
) -> tuple[list[str], list[str]]:
    """(tokens, tags) with each name replaced by one of its type from the pool, the same one perhaps."""
    new_tokens, new_tags = [], []
    for token, tag in zip(tokens, tags, strict=True):
        if tag.startswith("B-"):
            name = pick.choice(pool[tag[2:]])
            new_tokens += name
            new_tags += [tag] + [f"I-{tag[2:]}"] * (len(name) - 1)
        elif tag == "O":
            new_tokens.append(token)
            new_tags.append(tag)
    return new_tokens, new_tags


def _outside(tokens: Iterable[str], tags: Iterable[str]) -> list[str]:
    return [token for token, tag in zip(tokens, tags, strict=False) if tag == "O"]


def _fault_of_tags(tags: Iterable[str]) -> str | None:
    """The first tag that IOB2 does not allow where it stands, or None."""
    before = "O"
    for tag in tags:
        if tag != "O" and (tag[:2] not in ("B-", "I-") or (tag[0] == "I" and before[2:] != tag[2:])):
            return f"{tag!r} after {before!r}"
        before = tag
    return None


# Question 9: pictures with questions


def pixels_of(row: dict) -> dict:
    """A row with the picture's pixels, as an array, in place of the picture."""
    import numpy as np

    pixels = np.asarray(row["image"].convert("RGB"))
    return {"pixels": pixels, "question": row["question"], "answer": row["answer"]}


def pictured(files: dict) -> dict:
    """The features and rows of `picture_set`, with the pictures as arrays."""
    found = picture_set(unpacked(files))
    features = {name: str(feature) for name, feature in found.features.items()}
    return {"features": features, "rows": [pixels_of(row) for row in found]}


def mirrored(pixels: Any, question: str, answer: str) -> dict:
    """What `mirror` makes of a row, with the picture as an array."""
    from PIL import Image

    row = {"image": Image.fromarray(pixels), "question": question, "answer": answer}
    return pixels_of(mirror(row))


@exercise.question(
    "q9",
    title="Pictures that can be asked about",
    points=3,
    difficulty=2,
    needs=("picture_set", "mirror"),
    lesson=TRUST + "#A picture in a table",
    hints=(
        "A column of paths becomes a column of pictures by its type alone. Which rows have no "
        "picture to show?",
        'Dataset.from_list(rows, features=Features({"image": Image(), …})) takes paths. Leave out a row if '
        "its file is not there or "
        "PIL.Image.open(path).load() raises OSError. In a mirror, left is right; the other answers stay.",
        (
            "A phrase book read from right to left: `ImageOps.mirror(page)`, and `{'left': 'right', 'right': "
            "'left'}.get(word, word)` for each word."
        ),
    ),
)
def picture_set(answer: Answer, draw: Draw) -> None:
    import numpy as np

    from course_utils.datasets import pictures

    records = [pictures.record(draw.seed, index, "test") for index in range(24)]
    files, good = _picture_files(draw, records)
    with part("the broken rows are left out", points=1):
        found = _pictured(answer, files)
        image = str(found["features"].get("image") if type(found["features"]) is dict else None)
        expect.true(image.startswith("Image("), "a column 'image' with the type Image()", image)
        expect.equal(
            len(found["rows"]),
            len(good),
            f"the number of rows whose picture is there and can be opened, of {len(records)}",
        )
    with part("each picture stands with its own question and answer", points=1):
        found = _pictured(answer, files)
        wanted = Counter((np.asarray(row["image"]).tobytes(), row["question"], row["answer"]) for row in good)
        for row in found["rows"]:
            expect.keys(row, ("pixels", "question", "answer"), "a row of picture_set(folder)")
            for name in ("question", "answer"):
                expect.type_of(row[name], str, f"the {name} of a row of picture_set(folder)")
            expect.shape(
                row["pixels"], (pictures.SIZE, pictures.SIZE, 3), "the pixels of a row of picture_set(folder)"
            )
            key = (np.asarray(row["pixels"], dtype=np.uint8).tobytes(), row["question"], row["answer"])
            expect.true(
                wanted[key] > 0,
                ("each picture with the question and answer of its own row of questions.csv"),
                f"another picture, or another text, for {row['question']!r}, {row['answer']!r}",
            )
            wanted[key] -= 1
    with part("the mirrored picture has the right answer", points=1):
        for number, row in enumerate(records):
            side = row["attributes"]["lighthouse"]
            asked = {  # a question that names the sides stays as it is, too
                0: (pictures.QUESTIONS["lighthouse"], side),
                1: ("Is the lighthouse on the left or on the right?", side),
            }.get(number % 6, (row["question"], row["answer"]))
            pixels = np.asarray(row["image"])
            got = answer.given(pixels_of, mirrored).call("mirrored", pixels, *asked)
            expect.keys(got, ("pixels", "question", "answer"), "mirror(row)")
            expect.shape(got["pixels"], pixels.shape, "the pixels of mirror(row)")
            expect.true(
                np.array_equal(np.asarray(got["pixels"]), pixels[:, ::-1]),
                "the pixels of mirror(row) to be those of the row, from right to left",
                "the picture as it was"
                if np.array_equal(np.asarray(got["pixels"]), pixels)
                else "another picture",
            )
            turned = {"left": "right", "right": "left"}.get(asked[1], asked[1])
            expect.equal(
                (got["question"], got["answer"]),
                (asked[0], turned),
                f"question and answer of mirror(row), which was asked {asked[0]!r},",
            )


def _pictured(answer: Answer, files: dict[str, bytes]) -> dict[str, Any]:
    found = answer.given(unpacked, pixels_of, pictured).call("pictured", files)
    expect.keys(found, ("features", "rows"), "pictured(files)")
    expect.each_of(found["rows"], dict, "the rows of picture_set(folder)")
    return found


def _picture_files(
    draw: Draw, records: Sequence[dict[str, Any]]
) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """Files of question 9, {name: bytes}, and the records whose picture can be opened."""
    numbers = draw.sample(range(100, 1000), len(records))
    missing, *broken = draw.sample(range(len(records)), 4)
    files, sheet, good = {}, io.StringIO(), []
    lines = csv.writer(sheet)
    lines.writerow(["file", "question", "answer"])
    for index, (number, row) in enumerate(zip(numbers, records, strict=True)):
        name = f"boat-{number}.png"
        lines.writerow([name, row["question"], row["answer"]])
        png = io.BytesIO()
        row["image"].save(png, "PNG")
        if index == missing:
            continue
        cut = index in broken
        files[f"pictures/{name}"] = png.getvalue()[: 60 if cut else None]
        if not cut:
            good.append(row)
    files["questions.csv"] = sheet.getvalue().encode()
    return files, good


exercise.manual(
    "q10",
    title="Would you train on it?",
    points=2,
    difficulty=2,
    lesson=TRUST + "#Splits, and what leaks between them",
    hints=(
        "What would you ask the person who made it, if you had one minute?",
        (
            "Think of where the rows come from, who is missing among them, what may be done with them, "
            "and how a score on the test split could mislead."
        ),
        (
            "A cookbook that was tested on its own authors, with half the recipes printed twice, says little "
            "about your kitchen."
        ),
    ),
)


# q11: an augmentation against its control


@exercise.question(
    "q11",
    title="Does it help?",
    points=3,
    difficulty=2,
    needs=("measured_gain",),
    lesson=TRUST + "#Does it help? Measure it",
    hints=(
        "Two models are compared. In what may they differ, and in what must they not? And how many "
        "independent rows are there, if three seeds answer the same hundred?",
        "larger = train + augment(train, seed); the control is [train[place % len(train)] for place in "
        "range(len(larger))]. Keep a table of differences, one line a seed and one column a test row; the "
        "mean down each column first, then mean and deviation over the columns.",
        "Does the new bread rise higher? Three bakers, ten ovens, old and new in each oven:\n"
        "oven = [mean(new[b][o] - old[b][o] for b in range(3)) for o in range(10)]   # ten numbers\n"
        "half = 1.96 * stdev(oven) / 10 ** 0.5",
    ),
)
def gain_over_a_control(answer: Answer, draw: Draw) -> None:
    train, test, seeds, copies = _trial(draw)
    measure = answer.given(simulated, gained)
    found, truths = {}, {}
    for kind in AUGMENTATIONS:
        found[kind] = measure.call("gained", kind, copies, train, test, seeds)
        truths[kind] = _gain(kind, copies, train, test, seeds)
        expect.keys(found[kind], ("gain", "low", "high", "helps"), "measured_gain(…)")
    with part("the gain over the control", points=1):
        for kind, truth in truths.items():
            what = f"the 'gain' of an augmentation {AUGMENTATIONS[kind]}"
            expect.number(found[kind]["gain"], what)
            unfair = _gain(kind, 0, train, test, seeds, copies)["gain"]
            expect.true(
                abs(unfair - truth["gain"]) < 1e-6 or abs(found[kind]["gain"] - unfair) > 1e-6,
                f"{what} to be {truth['gain']:.4g}, against a control of as many rows",
                f"{found[kind]['gain']:.4g}, what comes of comparing with the {len(train)} rows as they are",
            )
            expect.close(found[kind]["gain"], truth["gain"], what, tolerance=1e-6)
    with part("the interval over the test rows", points=1):
        for kind, truth in truths.items():
            for name in ("low", "high"):
                what = f"the {name!r} of an augmentation {AUGMENTATIONS[kind]}, n = {len(test)} rows"
                expect.close(found[kind][name], truth[name], what, tolerance=1e-6)
    with part("it helps only if the whole interval says so", points=1):
        for kind in truths:
            what = f"the 'helps' of an augmentation {AUGMENTATIONS[kind]}"
            expect.type_of(found[kind]["helps"], bool, what)
            low, high = found[kind]["low"], found[kind]["high"]
            for name, end in (("low", low), ("high", high)):
                expect.number(end, f"the {name!r} beside {what}")
            whole = f"{what}, with the interval [{low:.3f}, {high:.3f}] that you give it,"
            expect.equal(found[kind]["helps"], low > 0, whole)


AUGMENTATIONS = {
    "new": "whose new texts teach something",
    "more": "whose rows help no more than the same rows again",
    "harm": "that does harm",
}


def _trial(draw: Draw) -> tuple[list[dict], list[dict], list[int], int]:
    """(training rows, test rows, seeds, copies of a row) for which one augmentation helps and one does harm,
    and one has a gain above 0 whose interval reaches below it.
    """
    labels = draw.sample(("sport", "weather", "food", "traffic"), 2)
    while True:
        count, copies = draw.random.randrange(11, 15), draw.random.choice((2, 3))
        seeds, first = draw.sample(range(1000), 3), draw.random.randrange(10**6)
        texts = [
            [f"{split} {first + number} {draw.random.choice(labels)}" for number in range(rows)]
            for split, rows in (("notice", count), ("asked", 160))
        ]
        train, test = ([{"text": text, "label": text.split()[-1]} for text in split] for split in texts)
        new, more, harm = (_gain(kind, copies, train, test, seeds) for kind in AUGMENTATIONS)
        # above 0 by a third of the interval at most, so that no other way to count n takes it for sure
        unsure = 0.002 < more["gain"] < 0.35 * (more["gain"] - more["low"])
        if new["helps"] and unsure and harm["high"] < 0:
            return train, test, seeds, copies


def simulated(kind: str, copies: int) -> tuple:
    """An augmentation, and a fit whose models know a part of the labels.

    How large a part depends on how many rows a model has seen, on how many of them were different, and on
    the seed; which of the labels, on the text alone.
    """
    import hashlib

    def augment(rows: list, seed: object) -> list:
        return [dict(row, text=f"{seed}.{copy} {row['text']}") for row in rows for copy in range(copies)]

    def fit(rows: list, seed: object) -> object:
        different = len({row["text"] for row in rows})
        repeated = len(rows) / different
        new = sum(row["text"].startswith(f"{seed}.") for row in rows) / len(rows)
        share = 0.4 + 0.1 * min(len(rows), 40) / 40 + {"new": 0.3, "more": 0.0, "harm": -0.25}[kind] * new
        if kind == "more":  # rows that are repeated help as much
            share += 0.3 if len(rows) > 20 else 0.0

        def says(text: str) -> str:
            # which texts a model knows differs a little with what it was trained on
            drawn = (
                hashlib.sha256(f"{text}/{seed}/{len(rows)}/{round(repeated, 3)}".encode()).digest()[0] / 256
            )
            common = hashlib.sha256(text.encode()).digest()[0] / 256
            return text.split()[-1] if 0.7 * common + 0.3 * drawn < share else "none"

        return says

    return augment, fit


def gained(kind: str, copies: int, train: list, test: list, seeds: list) -> object:
    """What the learner's function finds of a simulated augmentation."""
    return measured_gain(train, test, *simulated(kind, copies), seeds)


def _gain(
    kind: str, copies: int, train: list[dict], test: list[dict], seeds: list[int], more: int = 0
) -> dict[str, Any]:
    """The same by the check; with `copies` 0 and `more`, against the rows as they are: no control."""
    import numpy as np

    augment, fit = simulated(kind, copies or more)
    gains = []
    for seed in seeds:
        larger = train + augment(train, seed)
        control = (train * (1 + copies))[: len(larger)]
        new, old = fit(larger, seed), fit(control, seed)
        gains.append(
            [
                float(new(row["text"]) == row["label"]) - float(old(row["text"]) == row["label"])
                for row in test
            ]
        )
    rows = np.mean(gains, axis=0)
    mean, half = float(rows.mean()), float(1.96 * rows.std(ddof=1) / math.sqrt(len(rows)))
    return {"gain": mean, "low": mean - half, "high": mean + half, "helps": mean - half > 0}


@exercise.question(
    "q12",
    title="What people typed",
    points=3,
    difficulty=2,
    needs=("decoded", "nearly_same", "groups"),
    lesson=PEOPLE + "#Nearly the same sentence",
    fetched=("opinions",),
    hints=(
        "Each of the three is worth a point. Of two encodings, which one can fail, and so tells you more?",
        "bytes.decode raises UnicodeDecodeError; the encoding 'utf-8-sig' takes a mark at the beginning "
        "away. Sets have & and |, and a text of two words has no run of three. In `groups` a chain of pairs "
        "is one group.",
        "Rooms that share a door: number = list(range(rooms)); for each door (a, b) replace max(number[a], "
        "number[b]) everywhere by the smaller of the two.",
    ),
)
def typed_by_people(answer: Answer, draw: Draw) -> None:
    from course_utils.fetched import opinions

    with part("the encoding", points=1):
        for encoding, text in _encoded(draw, [row["text"] for row in opinions.rows("products")]):
            content = text.encode(encoding)
            expect.equal(answer.call("decoded", content), text, f"decoded({expect.show(content)})")
    with part("nearly the same", points=1):
        least = draw.random.choice(list(PLANTED))
        reviews, tweets = ([row["text"] for row in opinions.rows(name)] for name in ("products", "tweets"))
        texts = _with_pairs(draw, tweets, _words_of(reviews), least)
        _expect_pairs(answer.call("nearly_same", texts, least), texts, least)
    with part("groups", points=1):
        for count, pairs in _chains(draw):
            expect.equal(
                answer.call("groups", count, pairs), groups_of(count, pairs), f"groups({count}, {pairs})"
            )


def _encoded(draw: Draw, texts: list[str]) -> Iterable[tuple[str, str]]:
    """(encoding, text): what ASCII does not have stands at the end, and no two characters are alike in bytes.

    UTF-8 holds some that have no byte in common with é; a mark within the text stays; latin-1 has bytes that
    are “ and ” in Windows' encoding, and an even number of bytes.
    """
    kept = draw.sample([text for text in texts if text.isascii() and 60 <= len(text) <= 100], 6)
    words = draw.sample(("café", "naïve", "Zoë", "jalapeño", "déjà vu"), 3)
    even = [text + "." * ((len(text) + len(word) + 1) % 2) for text, word in zip(kept[4:], words[:2])]
    yield "ascii", f"  {kept[0]} &amp;\r\n "
    yield "utf-8", f"{kept[1]} {draw.random.choice(('“so” … 5 €', '‘so’ – 9 €'))}"
    yield "utf-8-sig", f"{kept[2]} {words[2]}"
    yield "utf-8", f"{kept[3]} \ufeff{words[2]}"
    yield "latin-1", f"{even[0]} {words[0]}"
    yield "latin-1", f"\x93{even[1]}\x94 {words[1]}"


#: A least similarity -> how many runs two texts have in common, and how many each has: for two texts that
#: are exactly as similar; for two that are less so, but not by Dice's measure, by the shorter or the longer.
PLANTED = {
    0.25: ((2, 4, 6), (2, 6, 6)),
    0.4: ((2, 3, 4), (3, 5, 6)),
    0.6: ((3, 4, 4), (5, 7, 7)),
    0.8: ((4, 4, 5), (7, 8, 8)),
}


def _words_of(texts: list[str]) -> list[str]:
    """The words of letters alone, in small letters, each once."""
    said = {word for text in texts for word in text.lower().split()}
    return sorted(word for word in said if word.isascii() and word.isalpha())


def _with_pairs(draw: Draw, tweets: list[str], known: list[str], least: float) -> list[str]:
    """Tweets, and pairs that one mistake or another takes for alike or for different; in random order.

    More than fifty texts share the run with which the first pairs begin; the last text is another's twin.
    """
    words = iter(draw.sample(known, 80))

    def fresh(count: int) -> list[str]:
        return [next(words) for _ in range(count)]

    begin = fresh(3)
    pairs = []
    for common, one, two in PLANTED[least]:
        shared = [*begin, *fresh(common - 1)]
        pairs += [shared + fresh(one - common), shared + fresh(two - common)]
    for middle, other in (("4", "5"), ("can't", "can t"), ("Zoé", "Zoë")):
        before, after = fresh(2), fresh(2)
        pairs += [[*before, middle, *after], [*before, other, *after]]
    plainly, loud, backwards, once = fresh(5), fresh(6), fresh(3), fresh(1)
    pairs += [plainly, [f"{word}{mark}" for word, mark in zip(plainly, ",;!:.", strict=True)]]
    pairs += [loud, [word.upper() for word in loud]]
    pairs += [backwards, backwards[::-1], once * 3, once * 15]
    pairs += [begin + draw.sample(known, 6) for _ in range(50)]
    twin = " ".join(fresh(3))
    others = draw.sample(tweets, min(350, len(tweets)))
    texts = [*map(" ".join, pairs), *others, twin, "oh no", "oh no", "!"]
    return [*draw.sample(texts, len(texts)), twin]


def _expect_pairs(found: Any, texts: list[str], least: float) -> None:
    """The pairs of `nearly_same`, in any order; what is missing or too much is told with its two texts."""
    call = f"nearly_same(texts, {least})"
    found = found.tolist() if hasattr(found, "tolist") else found
    expect.each_of(found, (list, tuple), call)
    for index, pair in enumerate(found):
        expect.length(pair, 2, f"item {index} of {call}")
        expect.each_of(pair, int, f"item {index} of {call}")
    mine, right = sorted(map(tuple, found)), nearly_same_of(texts, least)
    for one, two in mine:
        expect.true(
            0 <= one < two < len(texts),
            f"the pairs of {call} to be places (one, two) with one < two < {len(texts)}",
            str((one, two)),
        )
    given = set(mine)
    for pair in sorted(given.symmetric_difference(right)):
        one, two = (texts[place] for place in pair)
        count, whole, holders = _runs_in_common(one, two, texts)
        both = f"{one!r} and {two!r}, with {count} of {whole} runs in common"
        why = f" ({count} / {whole} is the least that was asked for)" if count == least * whole else ""
        why += f" ({holders} of the texts share a run of theirs: it counts)" if holders > 50 else ""
        among = f"{call} of {len(texts)} texts"
        expect.true(pair in given, f"{among} to find them alike: {both}{why}", "not among the pairs")
        expect.true(pair not in given, f"{among} to find nothing in {both}", "a pair")
    expect.length(mine, len(right), f"{call}, each pair once,")


def _runs_in_common(one: str, two: str, texts: Sequence[str]) -> tuple[int, int, int]:
    """How many runs two texts have in common, how many there are, and how many texts have the commonest."""
    from course_utils.fetched.opinions import plain

    def runs(text: str) -> set[tuple[str, ...]]:
        words = plain(text).split()
        return {tuple(words[at : at + 3]) for at in range(len(words) - 2)}

    common, every = runs(one) & runs(two), [runs(text) for text in texts]
    holders = max((sum(run in each for each in every) for run in common), default=0)
    return len(common), len(runs(one) | runs(two)), holders


def nearly_same_of(texts: Sequence[str], least: float) -> list[tuple[int, int]]:
    """The pairs of places whose runs of three words have at least this Jaccard similarity."""
    from course_utils.fetched.opinions import plain

    words = [plain(text).split() for text in texts]
    runs = [{tuple(each[at : at + 3]) for at in range(len(each) - 2)} for each in words]
    pairs = [(one, two) for two in range(len(runs)) for one in range(two)]
    close = [
        (one, two)
        for one, two in pairs
        if runs[one] & runs[two] and len(runs[one] & runs[two]) / len(runs[one] | runs[two]) >= least
    ]
    return close


def _chains(draw: Draw) -> Iterable[tuple[int, list[tuple[int, int]]]]:
    """A chain of four in random order, beside a pair and some alone; one that one pass leaves apart; none."""
    order = draw.sample(range(9), 6)
    pairs = [*pairwise(order[:4]), (order[4], order[5])]
    yield 9, draw.sample([(min(pair), max(pair)) for pair in pairs], 4)
    yield 6, [(0, 1), (4, 5), (2, 3), (1, 2), (3, 4)]
    first, second, third, last = sorted(draw.sample(range(8), 4))
    yield 8, [(first, last), (second, third), (third, last)]
    yield 3, []


def groups_of(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """For each place the smallest place of its group."""
    number = list(range(count))
    for one, two in pairs:
        low, high = sorted((number[one], number[two]))
        number = [low if each == high else each for each in number]
    return number
