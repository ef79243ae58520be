"""The questions of chapter 01: publishing on a Hub, and what others can and cannot do with it.

The learner's notebook runs a Hub of its own (`hub`). A check lets the learner's
functions work on it, under names that
are drawn, and then reads the state of that Hub on this side: what was typed to
get there is nobody's business.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from course_utils import catalog, instructions
from course_utils.checks import expect
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.checks.report import Failed, Rung
from course_utils.hub.shelf import attention, stock
from course_utils.hub.store.errors import StoreError
from course_utils.hub.store.snapshot import open_store
from course_utils.wire import Asset, Rows, Variable
from course_utils.wire.answer import Answer
from course_utils.wire.codec import CodecError
from course_utils.wire.references import Folder

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from course_utils.hub.store.cards import Card
    from course_utils.hub.store.view import CommitView, RepositoryView
    from course_utils.measure.scores import Score

if TYPE_CHECKING:  # what a learner's notebook holds, for the functions that are sent there
    hub: Any = None

LESSONS = "lessons/01_the_hub/"
READ, PUBLISH, RELEASE = (
    LESSONS + name
    for name in (
        "01_what_lies_on_the_hub.ipynb",
        "02_publish_and_version.ipynb",
        "03_who_may_and_a_release.ipynb",
    )
)
COMMIT_ID = re.compile(r"[0-9a-f]{40}")
TOKEN = re.compile(rb"hf_[A-Za-z0-9]{20,}")
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"

exercise = Exercise(
    "01_the_hub",
    title="The Hub",
    minutes=115,
    difficulty="medium",
    cost="about half a minute on two cores",
)


# What is on the learner's Hub


def _named(draw: Draw, *words: str) -> list[str]:
    """Ids under "me/" that nobody has used, one for each word."""
    return [f"me/{word}-{draw.random.randrange(10**6)}" for word in words]


def _forget(answer: Answer, repo_id: str, kind: str = "model") -> None:
    """An earlier check may have left a repository of this name."""
    answer.call("huggingface_hub.delete_repo", repo_id, repo_type=kind, missing_ok=True)


def _published(answer: Answer, repo_id: str, kind: str = "model") -> RepositoryView:
    """The view of a repository of the learner's Hub; a failure where it is not there or not sound."""
    try:
        repository = open_store(answer.call("hub.snapshot", [repo_id])).repo(repo_id, kind)
    except StoreError as error:
        raise Failed(Rung.WRONG_VALUE, "a Hub whose files are sound", str(error)) from None
    expect.true(repository.exists, f"a {kind} repository {repo_id} on the Hub", "nothing of that name")
    return repository


@contextlib.contextmanager
def _reading(repository: RepositoryView) -> Iterator[None]:
    """What cannot be read of a repository is a failure of the answer: a branch
    that is gone, a text that is none.
    """
    try:
        yield
    except (LookupError, StoreError, UnicodeDecodeError) as error:
        raise Failed(Rung.WRONG_VALUE, f"{repository.id} to be readable", str(error)) from None


def _folder(repository: RepositoryView, revision: str = "main") -> dict[str, bytes]:
    """{path: bytes} of a revision."""
    with _reading(repository):
        return repository.folder(revision)


def _read(repository: RepositoryView, path: str, revision: str = "main") -> bytes:
    with _reading(repository):
        return repository.read(path, revision)


def _commits(repository: RepositoryView) -> Sequence[CommitView]:
    with _reading(repository):
        return repository.commits()


def _holds(repository: RepositoryView, paths: Iterable[str], revision: str = "main") -> None:
    """The repository has these files at a revision."""
    with _reading(repository):
        there = repository.files(revision)
    for path in paths:
        expect.true(
            path in there, f"{path} in {repository.id} at {revision}", f"only {expect.show(list(there))}"
        )


def _tagged(repository: RepositoryView, tag: str) -> None:
    there = repository.tags
    expect.true(tag in there, f"the tag {tag!r} in {repository.id}", f"the tags {list(there)}")


def _json(content: bytes, what: str) -> Any:
    """Parsed JSON from a stranger."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise Failed(Rung.WRONG_TYPE, f"{what} to be JSON", expect.show(content[:80])) from None


def _card(repository: RepositoryView, revision: str = "main") -> Card:
    with _reading(repository):
        card = repository.card(revision)
    expect.true(card is not None, f"a README.md in {repository.id}", "none")
    assert card is not None  # or the line above had failed
    return card


def _listed(value: Any) -> list:
    return (
        [value] if isinstance(value, str) else list(value or ()) if isinstance(value, (list, tuple)) else []
    )


@cache
def _weights(name: str) -> dict[str, torch.Tensor]:
    """{tensor: value} of a twin, as its file has them."""
    from safetensors.torch import load_file

    return load_file(f"{catalog.model_path(name, 'offline')}/{WEIGHTS}")


@cache
def _flan() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    path = catalog.model_path("flan-t5", "offline")
    model = AutoModelForSeq2SeqLM.from_pretrained(path, dtype=torch.float32).eval()
    return model, AutoTokenizer.from_pretrained(path)


# q1: a model in shards


@exercise.question(
    "q1",
    title="A model in shards",
    points=3,
    difficulty=1,
    needs=("hub", "publish_shards"),
    lesson=READ + "#Shards",
    hints=(
        "save_pretrained has an argument for the size of a file, and push_to_hub takes the same.",
        'max_shard_size="2MB" is a text, and MB are millions of bytes; MiB would be more. The tokenizer is '
        "published by a call of its own, into the same repository. "
        "A repository that is there already is no reason to stop: exist_ok=True.",
        "Cutting a list into pieces, with an index of what lies where:\n"
        "pieces = [names[start : start + 3] for start in range(0, len(names), 3)]\n"
        "index = {name: number for number, piece in enumerate(pieces) for name in piece}",
    ),
)
def publish_shards(answer: Answer, draw: Draw) -> None:
    (repo_id,) = _named(draw, "shards")
    most = draw.random.choice((2, 3))
    _forget(answer, repo_id)
    answer.call("publish_shards", Asset("bert", "model"), Asset("bert", "tokenizer"), repo_id, most)
    files = _folder(_published(answer, repo_id))
    shards = {path: content for path, content in files.items() if path.endswith(".safetensors")}
    # one file is enough for numbers of two bytes each, which are another mistake
    fits = bool(shards) and sum(map(len, shards.values())) <= most * 10**6
    with part("configuration, tokenizer, and weights in small files", points=1):
        for path in ("config.json", "tokenizer.json"):
            expect.true(path in files, f"{path} in {repo_id}", f"only {expect.show(sorted(files))}")
        expect.true(fits or len(shards) >= 2, "at least two .safetensors files", f"{sorted(shards)}")
        for path, content in shards.items():
            expect.at_most(len(content) / 1e6, most, f"the size of {path} in MB (10**6 bytes)")
    tensors = {path: _tensors(path, content) for path, content in shards.items()}
    with part("an index that is right", points=1):
        if not (fits and len(shards) == 1):
            _indexed(files, {name: path for path, names in tensors.items() for name in names})
    with part("every weight as it was", points=1):
        found = {name: value for each in tensors.values() for name, value in each.items()}
        expect.equal(sorted(found), sorted(_weights("bert")), "the names of the tensors")
        changed = [name for name, value in _weights("bert").items() if not _same_tensor(value, found[name])]
        expect.true(
            not changed, "the weights of the model that was given", f"other numbers in {expect.show(changed)}"
        )


def _indexed(files: Mapping[str, bytes], wanted: Mapping[str, str]) -> None:
    """The index says in which file each tensor lies."""
    expect.true(INDEX in files, f"{INDEX}, which says what lies where", f"only {expect.show(sorted(files))}")
    index = _json(files[INDEX], INDEX)
    expect.keys(index, ("metadata", "weight_map"), INDEX)
    expect.equal(index["weight_map"], wanted, "the index's weight_map, compared with what the files hold")


def _same_tensor(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.dtype == other.dtype and one.equal(other)


def _tensors(path: str, content: bytes) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content)
    except SafetensorError as error:
        raise Failed(Rung.WRONG_TYPE, f"{path} to be a safetensors file", str(error)) from None


# q2: choosing


@exercise.question(
    "q2",
    title="Choose a model",
    points=4,
    difficulty=2,
    needs=("hub", "choose"),
    lesson=READ + "#Searching and choosing",
    hints=(
        "Let the Hub filter what it can filter (the task), and look at the rest one by one.",
        "api.model_info(id, files_metadata=True) has card_data (with .license and .eval_results), gated, "
        "and siblings with their sizes. An eval result has dataset_type, metric_type and metric_value. "
        "min() of tuples settles ties.",
        "The fastest runner, and of equally fast ones the youngest, if there is any:\n"
        "runners = [(time, age, name) for …]\n"
        "return min(runners)[2] if runners else None",
    ),
)
def choose(answer: Answer, draw: Draw) -> None:
    shelves = {
        kind: _shelf(draw, kind) for kind in ("plain", "licence", "size", "gate", "silent", "tie", "empty")
    }
    for models, _, _ in shelves.values():
        answer.given(stock).call("stock", Variable("hub"), [_as_repository(model) for model in models])
    with part("the best one", points=1):
        _same_choice(answer, *shelves["plain"])
    with part("that one may use, download and carry", points=1):
        for kind in ("licence", "size", "gate"):
            _same_choice(answer, *shelves[kind])
    with part("ties go to the smaller one, and silence counts for nothing", points=1):
        _same_choice(answer, *shelves["tie"])
        _same_choice(answer, *shelves["silent"])
    with part("none is an answer", points=1):
        _some_choice(answer, *shelves["plain"])
        _same_choice(answer, *shelves["empty"])


LICENCES = ("apache-2.0", "mit", "cc-by-nc-4.0", "other")
DATASET, METRIC = "town/notices", "accuracy"


def _shelf(draw: Draw, kind: str) -> tuple[list[dict[str, Any]], str, int]:
    """(models, task, most bytes): a shelf with a task of its own, where the best
    model has a flaw of that kind.
    """
    pick = draw.random
    task = f"{kind}-classification-{pick.randrange(10**6)}"
    accuracies = sorted(draw.sample(range(600, 950), 6), reverse=True)
    sizes = draw.sample(range(2000, 9000), 6)
    models = [
        {
            "id": f"{owner}/{task}-{number}",
            "task": task,
            "licence": pick.choice(LICENCES[:2]),
            "accuracy": accuracy / 1000,
            "bytes": size,
            "gated": False,
        }
        for number, (owner, accuracy, size) in enumerate(
            zip(draw.sample(_OWNERS, 6), accuracies, sizes, strict=True)
        )
    ]
    best, second = models[:2]
    most = 9_500
    if kind == "licence":
        best["licence"] = "cc-by-nc-4.0"
    if kind == "size":
        best["bytes"] = 20_000
    if kind == "gate":
        best["gated"] = "manual"
        second["bytes"] = most  # and no byte more
    if kind == "silent":
        best["accuracy"] = None
        models[2]["elsewhere"] = 0.99  # a fine number, on other data
        models[3]["f1"] = 0.99  # another fine number, of another kind
    if kind == "tie":
        second["accuracy"] = best["accuracy"]
        # neither the order of the names nor that of the sizes gives the right one away
        best["id"], second["id"] = sorted((best["id"], second["id"]))
        second["bytes"], best["bytes"] = sorted((best["bytes"], second["bytes"]))
    if kind == "empty":
        most = 1_000
    pick.shuffle(models)
    return models, task, most


_OWNERS = ("anna", "boats-inc", "coast-lab", "dora", "east-mill", "fred", "greta", "harbour-ai")


def _as_repository(model: Mapping[str, Any]) -> dict[str, Any]:
    results = ""
    for dataset, metric, value in (
        (DATASET, METRIC, model["accuracy"]),
        ("town/weather", METRIC, model.get("elsewhere")),
        (DATASET, "f1", model.get("f1")),
    ):
        if value is not None:
            name = dataset.partition("/")[2].title()
            results += (
                f"  - task: {{type: {model['task']}}}\n    dataset: {{type: {dataset}, name: {name}}}\n"
                f"    metrics: [{{type: {metric}, value: {value}}}]\n"
            )
    index = f"model-index:\n- name: {model['id']}\n  results:\n{results}" if results else ""
    card = f"---\nlicense: {model['licence']}\npipeline_tag: {model['task']}\n{index}---\n# {model['id']}\n"
    weights = b"\x00" * model["bytes"]
    return {
        "identifier": model["id"],
        "files": {"README.md": card, WEIGHTS: weights},
        "gated": model["gated"],
    }


def _same_choice(answer: Answer, models: Sequence[Mapping[str, Any]], task: str, most: int) -> None:
    allowed = list(LICENCES[:2])
    found = answer.call("choose", task, allowed, DATASET, most)
    fit = [
        (-model["accuracy"], model["bytes"], model["id"])
        for model in models
        if model["licence"] in allowed
        and model["bytes"] <= most
        and not model["gated"]
        and model["accuracy"] is not None
    ]
    wanted = min(fit)[2] if fit else None
    call = f"choose({task!r}, {allowed}, {DATASET!r}, {most})"
    told = ", ".join(f"{model['id']}: {_told(model)}" for model in models)
    rung = Rung.WRONG_VALUE if type(found) is type(wanted) else Rung.WRONG_TYPE
    if rung is Rung.WRONG_TYPE or found != wanted:
        raise Failed(rung, f"{call} to be {wanted!r}", f"{expect.show(found)}; there were {told}")


def _some_choice(answer: Answer, models: Sequence[Mapping[str, Any]], task: str, most: int) -> None:
    """Something is chosen where something fits: whoever always says None has not seen when there is none."""
    allowed = list(LICENCES[:2])
    found = answer.call("choose", task, allowed, DATASET, most)
    call = f"choose({task!r}, {allowed}, {DATASET!r}, {most})"
    names = [model["id"] for model in models]
    fits = isinstance(found, str) and found in names
    expect.true(fits, f"{call} to be one of the models for this task", expect.show(found))


def _told(model: Mapping[str, Any]) -> str:
    gate = ", gated" if model["gated"] else ""
    others = ", 0.99 on other data" if "elsewhere" in model else ", an f1 of 0.99" if "f1" in model else ""
    return f"{model['licence']}, {model['accuracy']}{others}, {model['bytes']} bytes{gate}"


# q3: a card whose metric is true


@exercise.question(
    "q3",
    title="A card whose metric is true",
    points=4,
    difficulty=2,
    needs=("hub", "publish_card"),
    lesson=PUBLISH + "#A card whose metrics are true",
    hints=(
        "Measure first, then write. The number in the card is the variable that you measured.",
        "ModelCardData(license=…, base_model=…, datasets=[…], model_name=…, "
        "eval_results=[EvalResult(…)]).to_yaml() between two lines of ---, then the text. Upload it as "
        "README.md.",
        "A label whose weight is true:\n"
        'label = f"{basket.weigh():.1f} kg, {len(basket)} apples"     # and not "about 3 kg"',
    ),
    seconds=120,
)
def publish_card(answer: Answer, draw: Draw) -> None:
    (repo_id,) = _named(draw, "card")
    rows = _disputed_reviews(draw, draw.random.randrange(20, 26))
    facts = {
        "license": draw.random.choice(("apache-2.0", "mit", "cc-by-4.0")),
        "base_model": "course/mini-flan-t5",
        "dataset": f"me/rows-{draw.random.randrange(10**6)}",
    }
    _forget(answer, repo_id)
    answer.call("publish_card", repo_id, *_flan_parts(), rows, facts)
    card = _card(_published(answer, repo_id))
    with part("the facts", points=1):
        expect.equal(card.data.get("license"), facts["license"], "the card's license")
        for field, value in (("base_model", facts["base_model"]), ("datasets", facts["dataset"])):
            expect.true(
                value in _listed(card.data.get(field)),
                f"the card's {field} to name {value}",
                expect.show(card.data.get(field)),
            )
    with part("the metric, for machines", points=2):
        stated = _metric(card.data, facts["dataset"], "exact_match")
        expect.close(stated, _sentiment(rows).value, "the exact match, measured again", tolerance=0.006)
    with part("how many, and what it cannot do, for people", points=1):
        count = len(rows.table["text"])
        expect.true(
            re.search(rf"(?<![\w.]){count}(?!\w|\.\d)", card.text) is not None,
            f"the text to say that the number rests on {count} reviews", expect.show(card.text),
        )  # fmt: skip
        limits = re.findall(r"^#+ .*limit.*((?:\n(?!#).*)*)", card.text, re.IGNORECASE | re.MULTILINE)
        expect.true(
            max((len(text.split()) for text in limits), default=0) >= SENTENCE,
            f'a heading "Limits" with a sentence under it, {SENTENCE} words or more', expect.show(card.text),
        )  # fmt: skip


SENTENCE = 4  # words that a card says about limits, at the least


def _disputed_reviews(draw: Draw, count: int) -> Rows:
    """Reviews of which some, and most of the first five, bear the other label: no score can be guessed."""
    rows = draw.rows("reviews", count)
    for row in draw.sample(rows[:5], 3) + draw.sample(rows[5:], draw.random.randrange(1, 6)):
        row["label"] = 1 - row["label"]
    return Rows({name: [row[name] for row in rows] for name in ("text", "label")})


def _flan_parts() -> tuple[Asset, Asset]:
    return Asset("flan-t5", "model"), Asset("flan-t5", "tokenizer")


def _metric(data: Mapping[str, Any], dataset: str, kind: str) -> float:
    """The value of a metric on a data set in a card's model-index; a failure where there is none."""
    found: list[Any] = []
    for entry in _dicts(data.get("model-index")):
        for result in _dicts(entry.get("results")):
            on = result.get("dataset")
            if isinstance(on, dict) and on.get("type") == dataset:
                found += [
                    each.get("value") for each in _dicts(result.get("metrics")) if each.get("type") == kind
                ]
    what = f"one {kind} on {dataset} in the card's model-index"
    expect.true(len(found) == 1, what, f"{len(found)}: {expect.show(data.get('model-index'))}")
    expect.number(found[0], what)
    return found[0]


def _dicts(value: Any) -> list[dict]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _sentiment(rows: Rows) -> Score:
    from course_utils.measure import evaluation

    columns = rows.table
    examples = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return evaluation.task_score(*_flan(), "sentiment", examples)


# q4: versions


@exercise.question(
    "q4",
    title="A version that stays",
    points=3,
    difficulty=2,
    needs=("hub", "publish_twice"),
    lesson=PUBLISH + "#A version that stays",
    hints=(
        "When exactly must the tag be made? And what becomes of a file that the second set no longer has?",
        "CommitOperationAdd and CommitOperationDelete go into one create_commit. list_repo_files says "
        "what is there. The full id of what a tag points to is in model_info(…, revision=tag).sha.",
        "Laying the table again for other guests: take away what nobody needs, put what is missing:\n"
        "away = set(table) - set(guests)",
    ),
)
def publish_twice(answer: Answer, draw: Draw) -> None:
    (repo_id,) = _named(draw, "twice")
    first, second = _two_versions(draw)
    tag = f"v{draw.random.randrange(1, 9)}.{draw.random.randrange(10)}"
    _forget(answer, repo_id)
    found = answer.call("publish_twice", repo_id, first, second, tag)
    repository = _published(answer, repo_id)
    with part("the tag holds the first version", points=1):
        _tagged(repository, tag)
        _same_files(repository, first, tag)
    with part("main holds the second, and nothing else", points=1):
        _same_files(repository, second, "main")
    with part("the id to pin", points=1):
        expect.type_of(found, str, "what publish_twice(…) returns")
        expect.true(
            COMMIT_ID.fullmatch(found) is not None, "the full commit id, 40 characters", expect.show(found)
        )
        _tagged(repository, tag)
        expect.equal(found, repository.tags[tag], f"the commit id that {tag} points to")


def _two_versions(draw: Draw) -> tuple[dict[str, str], dict[str, str]]:
    names = draw.sample(("guide.md", "labels.txt", "notes/harbour.md", "rules.txt", "prices.csv"), 4)
    first = {name: f"{name} as it was, {draw.random.randrange(10**6)}\n" for name in names[:3]}
    second = {
        names[0]: first[names[0]],
        names[1]: f"changed {draw.random.randrange(10**6)}\n",
        names[3]: "new\n",
    }
    return first, second


def _same_files(repository: RepositoryView, wanted: Mapping[str, str], revision: str) -> None:
    """The repository holds these texts at a revision; .gitattributes comes with every repository."""
    found = {
        path: content for path, content in _folder(repository, revision).items() if path != ".gitattributes"
    }
    expect.equal(sorted(found), sorted(wanted), f"the files at {revision}")
    for path, text in wanted.items():
        expect.equal(found[path].decode(errors="replace"), text, f"{path} at {revision}")


# q5: find the bug


@exercise.question(
    "q5",
    title="Find the bug: the token that went along",
    points=3,
    difficulty=2,
    needs=("hub", "upload_without_tokens"),
    lesson=RELEASE + "#Tokens",
    hints=(
        "Look at the list of commits that hers leaves behind. Who can read the first one?",
        "What was committed once can be had as long as the repository exists. So decide before "
        "anything is sent: "
        r're.search(r"hf_[A-Za-z0-9]{20,}", text).',
        "Letters that must not be posted are sorted out before the post box, not fished out of it:\n"
        "held_back = sorted(name for name, letter in letters.items() if is_secret(letter))",
    ),
)
def upload_without_tokens(answer: Answer, draw: Draw) -> None:
    (repo_id,) = _named(draw, "clean")
    files, secret = _files_with_tokens(draw)
    _forget(answer, repo_id)
    found = answer.call("upload_without_tokens", files, repo_id)
    repository = _published(answer, repo_id)
    with part("no token in any commit", points=1):
        for commit in _commits(repository):
            for path, content in _folder(repository, commit.id).items():
                expect.true(
                    TOKEN.search(content) is None,
                    "no token in any file of any commit",
                    f"one in {path} of {commit.title!r}",
                )
    with part("everything else is there", points=1):
        _same_files(repository, {path: text for path, text in files.items() if path not in secret}, "main")
    with part("a list of what was held back", points=1):
        expect.equal(found, secret, "what upload_without_tokens(…) returns, sorted")


def _files_with_tokens(draw: Draw) -> tuple[dict[str, str], list[str]]:
    """({path: text}, the paths that hold a token, sorted)."""
    letters = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"

    def token(length: int) -> str:
        return "hf_" + "".join(draw.random.choice(letters) for _ in range(length))

    secret = draw.sample((".env", "settings/prod.json", "lesson.py", "notes.md"), 3)
    lengths = dict(zip(secret, (20, 34, draw.random.randrange(21, 60)), strict=True))
    places = {
        ".env": "HF_TOKEN={}\n",
        "settings/prod.json": '{{"hub": {{"token": "{}"}}}}\n',
        "lesson.py": 'login(token="{}")\n',
        "notes.md": "Ada's old one was {}.\n",
    }
    harmless = {
        "README.md": "---\nlicense: mit\n---\n# Tokens begin with hf_ and are long\n",
        "download.py": "from huggingface_hub import hf_hub_download_from_somewhere_else\n",
        "env/example.env": "HF_TOKEN=hf_...\n",
        "token.txt": f"{token(19)} is too short for one\n",
    }
    files = {**{path: places[path].format(token(length)) for path, length in lengths.items()}, **harmless}
    order = draw.sample(files, len(files))
    return {path: files[path] for path in order}, sorted(secret)


# q6: predict, then ask

ANSWERS = {
    "public, nobody": 200,
    "private, nobody": 401,
    "private, a stranger": 404,
    "gated, nobody": 401,
    "gated, a stranger": 403,
    "no such repository, a stranger": 404,
}


@exercise.question(
    "q6",
    title="Predict, then ask",
    points=3,
    difficulty=2,
    needs=("hub", "predicted", "diagnose"),
    lesson=RELEASE + "#Private: no door at all",
    hints=(
        "To a stranger, how does a private repository differ from none at all?",
        "GatedRepoError is a kind of RepositoryNotFoundError, so look for it first; "
        "error.response.status_code tells 401 from the rest. And ask with an empty cache_dir, or the disk "
        "answers.",
        "Why does nobody open? The order of the questions matters:\n"
        "try: ring()\n"
        "except BrokenBell: …        # a kind of NoAnswer, so it comes first\n"
        "except NoAnswer: …",
    ),
)
def diagnose(answer: Answer, draw: Draw) -> None:
    with part("what you predicted", points=1):
        predicted = answer.call("predicted")
        expect.keys(predicted, ANSWERS, "predicted()")
        wrong = sum(
            type(predicted[case]) is not int or predicted[case] != status for case, status in ANSWERS.items()
        )
        expect.true(
            not wrong,
            f"the {len(ANSWERS)} statuses that a Hub answers",
            f"{wrong} of them are others; the lesson's table tells which",
        )
    open_, closed, gate = (
        f"ada/{word}-{draw.random.randrange(10**6)}" for word in ("open", "closed", "gate")
    )
    shelf = [_small(open_), _small(closed, private=True), _small(gate, gated="manual")]
    answer.given(stock).call("stock", Variable("hub"), shelf)
    tokens = {who: answer.call("hub.add_user", who) for who in ("ada", "stranger")} | {"nobody": False}
    branch = f"v{draw.random.randrange(2, 9)}"
    with part("files and revisions", points=1):
        _same_diagnoses(answer, tokens, [
            ((open_, "note.txt", "main", "nobody"), "there"),
            ((closed, "note.txt", "main", "ada"), "there"),
            ((open_, "other.txt", "main", "stranger"), "no such file"),
            ((open_, "note.txt", branch, "stranger"), "no such revision"),
        ])  # fmt: skip
    with part("repositories and gates, also after somebody else has downloaded", points=1):
        _same_diagnoses(answer, tokens, [
            ((closed, "note.txt", "main", "stranger"), "no such repository for you"),
            ((open_ + "x", "note.txt", "main", "stranger"), "no such repository for you"),
            ((closed, "note.txt", "main", "nobody"), "sign in"),
            ((gate, "note.txt", "main", "ada"), "there"),
            ((gate, "note.txt", "main", "stranger"), "ask for access"),
            ((gate, "note.txt", "main", "nobody"), "sign in"),
        ])  # fmt: skip


def _small(identifier: str, **settings: Any) -> dict[str, Any]:
    return {"identifier": identifier, "files": {"note.txt": "hello\n"}, **settings}


def _same_diagnoses(
    answer: Answer, tokens: Mapping[str, Any], cases: Iterable[tuple[tuple[str, str, str, str], str]]
) -> None:
    for (repo_id, path, revision, who), wanted in cases:
        found = answer.call("diagnose", repo_id, path, revision, tokens[who])
        kind = repo_id.partition("/")[2].partition("-")[0]
        expect.equal(
            found,
            wanted,
            f"diagnose({repo_id!r}, {path!r}, {revision!r}, token of {who}), a repository that is {kind},",
        )


# q7: two people, one file


@exercise.question(
    "q7",
    title="Two people, one file",
    points=3,
    difficulty=3,
    needs=("hub", "append_line"),
    lesson=PUBLISH + "#Two people, one file",
    hints=(
        "What did you read, and at which commit? Say so when you write.",
        "sha = api.model_info(repo_id).sha, download at revision=sha, then upload with parent_commit=sha. "
        "On a 412 begin again, reading included.",
        "Two clerks and one ledger:\n"
        "while True:\n"
        "    page, number = read_ledger()\n"
        "    try: return write_ledger(page + entry, only_if=number)\n"
        "    except SomebodyWasFaster: continue",
    ),
)
def append_line(answer: Answer, draw: Draw) -> None:
    for title, times in (
        ("nobody else writes", 0),
        ("somebody is faster once", 1),
        ("somebody is faster three times", 3),
    ):
        with part(title, points=1):
            _appended(answer, draw, times)


def _appended(answer: Answer, draw: Draw, times: int) -> None:
    repo_id, visits_id = _named(draw, f"ledger-{times}", "visits")
    for name in (repo_id, visits_id):
        _forget(answer, name)
    old = [f"entry {draw.random.randrange(10**6)}" for _ in range(2)]
    theirs = [f"theirs {draw.random.randrange(10**6)}" for _ in range(times)]
    mine = f"mine {draw.random.randrange(10**6)}"
    files = {"ledger.txt": "".join(f"{line}\n" for line in old)}
    seeds = [{"identifier": repo_id, "files": files}, {"identifier": visits_id, "files": {"visits.txt": ""}}]
    answer.given(stock).call("stock", Variable("hub"), seeds)
    answer.given(in_company).call("in_company", repo_id, visits_id, theirs, mine)
    repository = _published(answer, repo_id)
    found = _read(repository, "ledger.txt").decode(errors="replace").splitlines()
    what = "the lines of ledger.txt: what was there, then what the colleague added, then yours"
    expect.equal(found, [*old, *theirs, mine], what)
    versions = [_folder(repository, commit.id).get("ledger.txt") for commit in _commits(repository)]
    counts = [version.count(b"\n") for version in versions if version is not None]
    wanted = list(range(len(found), len(old) - 1, -1))
    expect.equal(
        counts, wanted, "the number of lines in ledger.txt after each commit, the last commit first,"
    )
    visits = _read(_published(answer, visits_id), "visits.txt").decode(errors="replace").split()
    expect.equal(
        len(visits), times + 1, "how often meanwhile() was called: once between each reading and writing"
    )


def in_company(repo_id: str, visits_id: str, lines: list, mine: str) -> None:
    """`append_line`, and meanwhile a colleague who adds one of the lines at each
    call until there are no more.

    Each call leaves a mark in another repository, so that the Hub tells how many there were. The third line
    comes in between the learner's last look and the commit: who looks, and then writes, loses it.
    """
    import huggingface_hub

    at_once, late, visits = lines[:2], lines[2:], []
    commit = huggingface_hub.HfApi.create_commit
    quiet = False

    def add(waiting: list) -> None:
        text = hub.repo(repo_id).text("ledger.txt") + waiting.pop(0) + "\n"
        hub.seed(repo_id, {"ledger.txt": text}, message="Add a line")

    def meanwhile() -> None:
        nonlocal quiet
        visits.append("visit")
        hub.seed(visits_id, {"visits.txt": " ".join(visits)}, message="A visit")
        quiet = not at_once
        if at_once:
            add(at_once)

    def create_commit(*arguments: object, **named: object) -> object:
        if quiet and late:
            add(late)
        return commit(*arguments, **named)  # type: ignore[call-overload]

    huggingface_hub.HfApi.create_commit = create_commit  # type: ignore[assignment, method-assign]
    try:
        append_line(repo_id, "ledger.txt", mine, meanwhile)
    finally:
        huggingface_hub.HfApi.create_commit = commit  # type: ignore[method-assign]


# q8: a release of three


@exercise.question(
    "q8",
    title="A release of three",
    points=4,
    difficulty=3,
    needs=("hub", "release"),
    lesson=RELEASE + "#A release of three",
    hints=(
        "Three repositories, three cards, one tag: which of the three must be complete before it is tagged?",
        "rows.to_json(path) writes JSON lines. evaluation.generate(model, tokenizer, prompts) gives "
        "the answers. "
        'create_repo(…, repo_type=…), for a Space with space_sdk="gradio"; create_tag(…, '
        "repo_type=…) for each.",
        "A book, its audio and its web page, first edition:\n"
        "for part in (book, audio, page):\n"
        '    part.name_the_others()\n    part.stamp("1st")',
    ),
    seconds=120,
)
def release(answer: Answer, draw: Draw) -> None:
    names = dict(zip(("dataset", "model", "space"), _named(draw, "rows", "judge", "demo"), strict=True))
    tag = f"v{draw.random.randrange(1, 9)}.0"
    rows = _liked_then_disliked(draw)
    for kind, repo_id in names.items():
        _forget(answer, repo_id, kind)
    columns = Rows({name: [row[name] for row in rows] for name in rows[0]})
    answer.call("release", names, *_flan_parts(), columns, tag)

    def tagged(kind: str) -> RepositoryView:
        repository = _published(answer, names[kind], kind)
        _tagged(repository, tag)
        return repository

    with part("the data", points=1):
        _same_rows(tagged("dataset"), rows, tag)
    with part("the model, and its recorded answers", points=2):
        _same_answers(tagged("model"), rows, tag)
    with part("cards that name each other, and an app that can be read", points=1):
        _cards_agree({kind: tagged(kind) for kind in names}, names, tag)


def _liked_then_disliked(draw: Draw) -> list[dict]:
    """Eight reviews or a few more, so ordered that the answers read backwards are others.

    Three of them bear the other label: the model's answers are not the labels.
    """
    pool = draw.rows("reviews", 40)
    rows = [row for label in (1, 0) for row in pool if row["label"] == label]
    most = draw.random.randrange(4, 7)
    rows = rows[:most] + rows[-draw.random.randrange(4, 7) :]
    for row in draw.sample(rows, 3):
        row["label"] = 1 - row["label"]
    return rows


def _same_rows(repository: RepositoryView, rows: Sequence[dict], tag: str) -> None:
    _holds(repository, ["data/test.jsonl"], tag)
    lines = _read(repository, "data/test.jsonl", tag).splitlines()
    expect.length(lines, len(rows), f"data/test.jsonl at {tag}")
    for line, row in zip(lines, rows, strict=True):
        expect.equal(_json(line, "a line of data/test.jsonl"), row, "a line of data/test.jsonl")


def _same_answers(repository: RepositoryView, rows: Sequence[dict], tag: str) -> None:
    from course_utils.measure import evaluation
    from course_utils.wire import models

    _holds(repository, ["config.json", WEIGHTS, "tokenizer.json", "predictions.json"], tag)
    recorded = _json(_read(repository, "predictions.json", tag), "predictions.json")
    expect.each_of(recorded, str, "predictions.json")
    expect.length(recorded, len(rows), "predictions.json")
    files = {
        path: content for path, content in _folder(repository, tag).items() if path in models.MODEL_FILES
    }
    try:
        model = models.rebuild(Folder(files))
    except CodecError as error:
        raise Failed(Rung.WRONG_VALUE, f"a model that can be loaded at {tag}", str(error)) from None
    prompts = [instructions.prompt("sentiment", row) for row in rows]
    again = evaluation.generate(model, _flan()[1], prompts)
    expect.equal(recorded, again, f"predictions.json, compared with what the model answers at {tag},")


def _cards_agree(found: Mapping[str, RepositoryView], names: Mapping[str, str], tag: str) -> None:
    for kind, field, other in (
        ("model", "datasets", "dataset"),
        ("space", "models", "model"),
        ("space", "datasets", "dataset"),
    ):
        data = _card(found[kind], tag).data
        what = f"the card of {names[kind]} to name {names[other]} under {field}"
        expect.true(names[other] in _listed(data.get(field)), what, expect.show(data.get(field)))
    for kind in ("model", "dataset"):
        data = _card(found[kind], tag).data
        expect.true(
            isinstance(data.get("license"), str), f"a license in the card of {names[kind]}", expect.show(data)
        )
    _holds(found["space"], ["app.py"], tag)
    texts = _texts_in(_read(found["space"], "app.py", tag))
    for needed in (names["model"], tag):
        expect.true(
            needed in texts,
            f"app.py to hold the text {needed!r}: it loads the model at the tag",
            expect.show(texts),
        )


def _texts_in(source: bytes) -> list[str]:
    """The string literals of a Python source, without running or compiling it."""
    try:
        tokens = list(tokenize.tokenize(io.BytesIO(source[:100_000]).readline))
    except (tokenize.TokenError, SyntaxError, UnicodeDecodeError) as error:
        raise Failed(Rung.WRONG_TYPE, "app.py to be Python", str(error)) from None
    return [token.string.strip("rbfuRBFU").strip("\"'") for token in tokens if token.type == tokenize.STRING]


exercise.manual(
    "q9",
    title="May this be released?",
    points=3,
    difficulty=2,
    lesson=RELEASE + "#Licences, and what may be done",
    hints=(
        "List everything that the model comes from. What does each of these allow?",
        (
            "A gate says who gets it, a licence what they may do, a card what they should know. Which of "
            "your worries is which?"
        ),
        (
            "A photograph of a crowd: who took it, who is in it, who wants to print it, and where? Four "
            "people, four permissions."
        ),
    ),
)


# q10: what is popular, and what is rising

ORDERS = ("likes", "downloads")


@exercise.question(
    "q10",
    title="Popular, and rising",
    points=3,
    difficulty=2,
    needs=("hub", "first_models", "rising"),
    lesson=READ + "#Searching and choosing",
    hints=(
        "What may the Hub do for you, and what is left? And when is it time to stop after `count` models?",
        "The Hub filters by one task and sorts, but it cannot say *one of these licences*: "
        "list_models(filter=task, sort=order, full=True) without a limit, then look at tags "
        '("license:mit") and gated, and cut last. '
        "For rising: before.get(name, 0).",
        "The two tallest who may ride, of equally tall ones the first by name:\n"
        "fit = [guest for guest in guests if guest.age >= 10]\n"
        "sorted(fit, key=lambda guest: (-guest.height, guest.name))[:2]",
    ),
)
def popular(answer: Answer, draw: Draw) -> None:
    models, task, licences = _admired(draw)
    shelf = [_as_repository(model | {"accuracy": None, "bytes": 8}) for model in models]
    seen = {model["id"]: [model["likes"], model["downloads"]] for model in models}
    answer.given(stock, attention, shelved).call("shelved", Variable("hub"), shelf, seen)
    with part("sorted as asked, without what one may not use", points=1):
        for order in ORDERS:
            _same_models(answer, models, (task, licences, order, len(models)))
        _same_models(answer, models, (task, licences[:1], "likes", len(models)))
    with part("count is what is left after that", points=1):
        for order in ORDERS:
            _same_models(answer, models, (task, licences, order, 2))
    with part("what gained most between two looks", points=1):
        before, now = _looks(draw)
        for count in (3, len(now)):
            gains = {name: value - before.get(name, 0) for name, value in now.items()}
            truth = sorted((name for name in gains if gains[name] > 0), key=lambda name: (-gains[name], name))
            what = f"rising({before}, {now}, {count})"
            expect.equal(answer.call("rising", before, now, count), truth[:count], what)


def shelved(hub: Any, repositories: list, seen: dict) -> None:
    """Put repositories on the learner's Hub, with the attention that they have found."""
    stock(hub, repositories)
    attention(hub, seen)


def _same_models(answer: Answer, models: Sequence[Mapping[str, Any]], settings: tuple) -> None:
    """The learner's list is that of the models which fit, in order."""
    _, licences, order, count = settings
    fit = [model for model in models if model["licence"] in licences and not model["gated"]]
    truth = [model["id"] for model in sorted(fit, key=lambda model: (-model[order], model["id"]))][:count]
    found = answer.call("first_models", *settings)
    call = f"first_models{settings}"
    expect.each_of(found, str, call)
    if list(found) != truth:
        told = ", ".join(
            f"{model['id']}: {model[order]} {order}, {model['licence']}{', gated' if model['gated'] else ''}"
            for model in models
        )
        raise Failed(Rung.WRONG_VALUE, f"{call} to be {truth}", f"{list(found)}; there were {told}")


def _admired(draw: Draw) -> tuple[list[dict[str, Any]], str, list[str]]:
    """(models, task, licences): the two that stand first in either order may not be used, two are equal.

    Neither the order of the names nor the other order is the right one.
    """
    task = f"tide-forecasting-{draw.random.randrange(10**6)}"
    licences = list(LICENCES[:2])
    likes, downloads = draw.sample(range(3, 14), 6), draw.sample(range(10, 90), 6)
    downloads[1] = downloads[0]
    likes[3] = likes[2]
    models = [
        {
            "id": f"{owner}/{task}",
            "task": task,
            "licence": licences[number % 2],
            "gated": False,
            "likes": number_of_likes,
            "downloads": number_of_downloads,
        }
        for number, (owner, number_of_likes, number_of_downloads) in enumerate(
            zip(draw.sample(_OWNERS[:6], 6), likes, downloads, strict=True)
        )
    ]
    models.append(
        models[0] | {"id": f"{_OWNERS[6]}/{task}", "licence": "other", "likes": 20, "downloads": 200}
    )
    models.append(models[0] | {"id": f"{_OWNERS[7]}/{task}", "gated": "auto", "likes": 19, "downloads": 199})
    usable = models[:6]
    orders = {
        tuple(model["id"] for model in sorted(usable, key=lambda model: (-model.get(order, 0), model["id"])))
        for order in (*ORDERS, "name")
    }
    if len(orders) < 3:
        return _admired(draw)
    draw.random.shuffle(models)
    return models, task, licences


def _looks(draw: Draw) -> tuple[dict[str, int], dict[str, int]]:
    """Downloads at two times: a giant that gained a little, a new one, one gone, one that lost, two alike."""
    giant, new, gone, fallen, one, other, still = (
        f"{owner}/{word}" for owner, word in zip(draw.sample(_OWNERS, 7), draw.sample(WORDS, 7), strict=True)
    )
    one, other = sorted((one, other))  # equal gains, and the second had fewer before
    gain = draw.random.randrange(40, 60)
    before = {giant: 9000, gone: 500, fallen: 300, one: 120, other: 70, still: 40}
    now = {giant: 9002 + gain, new: gain + 5, fallen: 280, one: 120 + gain, other: 70 + gain, still: 40}
    order = draw.sample(now, len(now))
    if order.index(one) < order.index(other):
        order.reverse()
    return before, {name: now[name] for name in order}


WORDS = ("tides", "gulls", "ropes", "lamps", "piers", "nets", "bells", "kettles")
