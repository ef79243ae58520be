"""Every question of exercise 01: the solution, the stub, wrong answers with the words they get, other right ways."""

import sys
import types
from functools import partial

import pytest

from course_utils.checks import render
from course_utils.checks.chapters import the_hub
from course_utils.checks.testing import (
    changed_answer,
    given_cells,
    judge_source,
    judged_well,
)
from course_utils.hub import LocalHub

EXERCISE = "01_the_hub"
changed, given = partial(changed_answer, EXERCISE), partial(given_cells, EXERCISE)


@pytest.fixture(scope="module")
def before(course):
    """What the notebook ran first, with one Hub for all answers in place of one for each."""
    hub = LocalHub().open()
    sys.modules["the_hub_of_this_test"] = types.SimpleNamespace(hub=hub)
    try:
        yield "\n".join([given("setup").split("course = setup")[0], "import json", "api = HfApi()",
                         "from the_hub_of_this_test import hub", "from course_utils.hub.shelf import Colleague, attention, stock",
                         "colleague = Colleague(hub)", given("q8-parts")])  # fmt: skip
    finally:
        del sys.modules["the_hub_of_this_test"]
        hub.close()


def test_publish_shards(course, before):
    result = judged_well(
        EXERCISE,
        "q1",
        course=course,
        before=before,
        wrong={
            changed("q1", (', max_shard_size=f"{most_megabytes}MB"', "")): "at least two .safetensors files",
            changed("q1", ('f"{most_megabytes}MB"', 'f"{most_megabytes + 2}MB"')): "in MB",
            changed("q1", ('f"{most_megabytes}MB"', "most_megabytes * 1024 * 1024")): "10**6 bytes",
            changed("q1", ("tokenizer.save_pretrained(folder)", "pass")): "tokenizer.json",
            changed("q1", ("folder_path=folder)", 'folder_path=folder, ignore_patterns="*.index.json")')): "what lies where",
            changed("q1", ("model.save", "model.half().save")): "other numbers in",
            changed("q1", ("repo_id=repo_id", 'repo_id="me/elsewhere"'), ("create_repo(repo_id", 'create_repo("me/elsewhere"')): "on the Hub",
            changed("q1", ("        api.upload", '        index = Path(folder, "model.safetensors.index.json")\n        index.write_text(index.read_text().replace("00001-of", "00002-of"))\n        api.upload')): "compared with what the files hold",
            "def publish_shards(model, tokenizer, repo_id, most_megabytes): return api.create_repo(repo_id).repo_id": "config.json",
        },
        right=[
            '''
def publish_shards(model, tokenizer, repo_id, most_megabytes):
    tokenizer.push_to_hub(repo_id)
    model.push_to_hub(repo_id, max_shard_size=most_megabytes * 10**6)
''',
            '''
def publish_shards(model, tokenizer, repo_id, most_megabytes):
    api.create_repo(repo_id, private=True)
    with tempfile.TemporaryDirectory() as folder:
        huggingface_hub.save_torch_model(model, folder, max_shard_size=f"{most_megabytes}MB")
        model.config.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        for path in Path(folder).iterdir():
            api.upload_file(path_or_fileobj=path, path_in_repo=path.name, repo_id=repo_id)
''',
        ],
    )  # fmt: skip
    assert result.wrong[4].points == 2, "only the index is missing"


def test_choose(before):
    judged_well(
        EXERCISE,
        "q2",
        before=before,
        wrong={
            changed("q2", ("info.card_data.license in licences and ", "")): "nc-4.0",
            changed("q2", ("not info.gated and ", "")): "gated",
            changed("q2", (" and size <= most_bytes", "")): "bytes",
            changed("q2", ("result.dataset_type == dataset and ", "")): "choose('silent-classification",
            changed("q2", (' and result.metric_type == "accuracy"', "")): "an f1 of 0.99",
            changed("q2", ("result.dataset_type == dataset", "result.dataset_name == dataset")): "to be '",
            changed("q2", ("size <= most_bytes", "size < most_bytes")): "choose('gate-classification",
            changed("q2", ("(-max(results), size, info.id)", "(-max(results), info.id, info.id)")): "choose('tie-classification",
            changed("q2", ("(-max(results), size, info.id)", "(-max(results), -size, info.id)")): "choose('tie-classification",
            changed("q2", ("-max(results)", "max(results)")): "choose('plain-classification",
            changed("q2", (" if fit else None", "")): "to run",
            changed("q2", ("min(fit)[2]", "min(fit)")): "got      (-0.",
            changed("q2", ("return min(fit)[2] if fit else None", "print(min(fit)[2] if fit else None)")): "got      None; there were",
            "def choose(*_): return None": "choose('plain-classification",
            changed("q2", ("filter=task", "search=task[:3]")): "choose",  # a wrong name, or a crash on what else is found
        },
        right=[
            '''
def choose(task, licences, dataset, most_bytes):
    best = None
    for found in api.list_models(pipeline_tag=task, gated=False):
        card = huggingface_hub.ModelCard.load(found.id).data
        size = api.get_paths_info(found.id, "model.safetensors")[0].size
        for result in card.eval_results or []:
            usable = card.license in licences and size <= most_bytes
            if usable and (result.dataset_type, result.metric_type) == (dataset, "accuracy"):
                if best is None or (result.metric_value, -size) > best[:2]:
                    best = (result.metric_value, -size, found.id)
    return best and best[2]
''',
            '''
def choose(task, licences, dataset, most_bytes):
    found = {}
    for licence in licences:
        for each in api.list_models(filter=[task, f"license:{licence}"]):
            info = api.model_info(each.id, files_metadata=True)
            if not info.gated and sum(file.size for file in info.siblings if file.rfilename.endswith(".safetensors")) <= most_bytes:
                found[info.id] = info
    ranks = {}
    for name, info in found.items():
        size = {file.rfilename: file.size for file in info.siblings}["model.safetensors"]
        for result in info.card_data.eval_results or ():
            if result.dataset_type == dataset and result.metric_type == "accuracy":
                ranks[name] = (result.metric_value, -size)
    return max(ranks, key=ranks.get, default=None)
''',
        ],
    )  # fmt: skip


def test_publish_card(course, before):
    result = judged_well(
        EXERCISE,
        "q3",
        course=course,
        before=before,
        wrong={
            changed("q3", ("round(score.value, 4)", "0.5432")): "measured again",
            changed("q3", ("round(score.value, 4)", "round(100 * score.value, 2)")): "measured again",
            changed("q3", ('"sentiment", rows)', '"sentiment", rows.select(range(5)))')): "measured again",
            changed("q3", ('metric_type="exact_match"', 'metric_type="accuracy"')): "one exact_match on",
            changed("q3", ('dataset_type=facts["dataset"]', 'dataset_type="reviews"')): "one exact_match on",
            changed("q3", (" {score} on {score.n} reviews", " {score.value:.2f}")): "the text to say that the number rests on",
            changed("q3", ("## Limits", "## Thanks")): 'a heading "Limits"',
            changed("q3", ("It knows one small town only.", "")): 'a heading "Limits"',
            changed("q3", ("It knows one small town only.", "TODO")): "4 words or more",
            changed("q3", ("It knows one small town only.", "## It knows one small town only.")): 'a heading "Limits"',
            changed("q3", ('license=facts["license"]', 'license="other"')): "the card's license",
            changed("q3", ('datasets=[facts["dataset"]], ', "")): "the card's datasets to name",
            changed("q3", ('path_in_repo="README.md"', 'path_in_repo="CARD.md"')): "a README.md in",
        },
        right=[
            '''
def publish_card(repo_id, model, tokenizer, rows, facts):
    answers = evaluation.generate(model, tokenizer, [instructions.prompt("sentiment", row) for row in rows])
    right = sum(answer == instructions.target("sentiment", row) for answer, row in zip(answers, rows))
    api.create_repo(repo_id)
    api.upload_file(path_or_fileobj=f"""---
license: {facts["license"]}
base_model: [{facts["base_model"]}]
datasets: {facts["dataset"]}
model-index:
- name: anything
  results:
  - task: {{type: text-generation}}
    dataset: {{type: {facts["dataset"]}, name: rows}}
    metrics: [{{type: exact_match, value: {right / len(answers)}}}]
---
{right} right answers to {len(answers)} reviews.

# What it can't do: limits

Everything else, it seems.
""".encode(), path_in_repo="README.md", repo_id=repo_id)
''',
            changed("q3", ("    api.create_repo(repo_id, exist_ok=True)", "    api.create_repo(repo_id, private=True)")),
        ],
    )  # fmt: skip
    assert result.wrong[0].points == 2, "the fields and the text are right all the same"


def test_publish_twice(before):
    tag = "    api.create_tag(repo_id, tag=tag)\n"
    judged_well(
        EXERCISE,
        "q4",
        before=before,
        wrong={
            changed("q4", (tag, ""), ("    return", tag + "    return")): "the files at v",
            changed("q4", ("set(first) - set(second)", "()")): "the files at main",
            changed("q4", ("return api.model_info(repo_id, revision=tag).sha", "return tag")): "40 characters",
            changed("q4", ("revision=tag).sha", "revision=tag).sha[:8]")): "40 characters",
            changed("q4", ("repo_id, revision=tag", "repo_id")): "the commit id that v",
            changed("q4", (tag, "")): "to run",
            changed("q4", ("create_tag(repo_id, tag=tag)", "create_branch(repo_id, branch=tag)")): "the tags []",
            changed("q4", ("tag=tag", 'tag="release"'), ("revision=tag", 'revision="release"')): "the tag 'v",
            changed("q4", ("    publish(second, set(first) - set(second))\n", "")): "at main",
        },
        right=[
            '''
def publish_twice(repo_id, first, second, tag):
    api.create_repo(repo_id, private=True)
    for files in (first, second):
        with tempfile.TemporaryDirectory() as folder:
            for path, text in files.items():
                Path(folder, path).parent.mkdir(exist_ok=True)
                Path(folder, path).write_text(text)
            commit = api.upload_folder(repo_id=repo_id, folder_path=folder, delete_patterns="*")
        if files is first:
            api.create_tag(repo_id, tag=tag, revision=commit.oid, tag_message="the first")
            pinned = commit.oid
    return pinned
''',
            '''
def publish_twice(repo_id, first, second, tag):
    api.create_repo(repo_id)
    for path, text in first.items():
        api.upload_file(path_or_fileobj=text.encode(), path_in_repo=path, repo_id=repo_id)
    sha = api.list_repo_commits(repo_id)[0].commit_id
    for path in first:
        api.delete_file(path, repo_id)
    for path, text in second.items():
        api.upload_file(path_or_fileobj=text.encode(), path_in_repo=path, repo_id=repo_id)
    api.create_tag(repo_id, tag=tag, revision=sha)
    return sha
''',
        ],
    )  # fmt: skip


def test_upload_without_tokens(before):
    judged_well(
        EXERCISE,
        "q5",
        before=before,
        wrong={
            given("q5-colleague").split("\n\n\n")[0].replace("colleagues_upload", "upload_without_tokens"): "in any file of any commit",
            changed("q5", ('re.search(r"hf_[A-Za-z0-9]{20,}", text)', 'path.endswith(".env")')): "in any file of any commit",
            changed("q5", ('re.search(r"hf_[A-Za-z0-9]{20,}", text)', '"hf_" in text')): "the files at main",
            changed("q5", ('re.search(r"hf_[A-Za-z0-9]{20,}", text)', 're.fullmatch(r"hf_[A-Za-z0-9]{20,}", text)')): "in any file of any commit",
            changed("q5", ("{20,}", "{34}")): "in any file of any commit",
            changed("q5", ("{20,}", "{21,}")): "in any file of any commit",
            changed("q5", ("{20,}", "{19,}")): "the files at main",
            changed("q5", ("return held_back", "return held_back[::-1]")): "sorted",
            changed("q5", ("return held_back", "return None")): "to be a list",
            # everything first, then deleted: it stays in the history
            changed("q5", ("for path, text in files.items() if path not in held_back]", "for path, text in files.items()]"), ("    return", "    [api.delete_file(path, repo_id) for path in held_back]\n    return")): "in any file of any commit",
            # blanked instead of held back
            changed("q5", (" if path not in held_back]", "]"), ("text.encode()", 're.sub(r"hf_[A-Za-z0-9]{20,}", "", text).encode()')): "the files at main",
        },
        right=[
            '''
def upload_without_tokens(files, repo_id):
    api.create_repo(repo_id, private=True)
    secret = []
    for path in sorted(files):
        if re.compile("hf_[a-zA-Z0-9]{20}").search(files[path]) is None:
            api.upload_file(path_or_fileobj=files[path].encode(), path_in_repo=path, repo_id=repo_id)
        else:
            secret.append(path)
    return secret
''',
            '''
def upload_without_tokens(files, repo_id):
    secret = sorted(path for path in files if any(len(word) >= 20 for word in re.findall("hf_([^\\\\W_]*)", files[path])))
    with tempfile.TemporaryDirectory() as folder:
        for path, text in files.items():
            Path(folder, path).parent.mkdir(parents=True, exist_ok=True)
            Path(folder, path).write_text(text)
        api.create_repo(repo_id)
        api.upload_folder(repo_id=repo_id, folder_path=folder, ignore_patterns=list(secret))
    return secret
''',
        ],
    )  # fmt: skip


def test_diagnose(before):
    cached = changed("q6", (", cache_dir=empty", ""))
    result = judged_well(
        EXERCISE,
        "q6",
        before=before,
        wrong={
            changed("q6", ('"private, a stranger": 404', '"private, a stranger": 403')): "1 of them are others",
            changed("q6", ('"private, nobody": 401', '"private, nobody": 404')): "1 of them are others",
            changed("q6", ('"public, nobody": 200, ', "")): "'public, nobody'",
            cached: "token of stranger",
            changed("q6", ("            if error.response.status_code == 401:\n                return \"sign in\"\n", "")): "'sign in'",
            changed("q6", ('errors.GatedRepoError: "ask for access", ', "")): "'ask for access'",
            changed("q6", ("revision=revision, ", "")): "'no such revision'",
            changed("q6", (", token=token", "")): "token of",
            changed("q6", ('"no such file"}', '"no such revision"}')): "'no such file'",
        },
        right=[
            changed("q6", ("api.hf_hub_download(repo_id, path, revision=revision, token=token, cache_dir=empty)",
                           "huggingface_hub.get_hf_file_metadata(huggingface_hub.hf_hub_url(repo_id, path, revision=revision), token=token)")),
            '''
def predicted():
    cases = ("public, nobody", "private, nobody", "private, a stranger", "gated, nobody", "gated, a stranger",
             "no such repository, a stranger")
    return dict(zip(cases, (200, 401, 404, 401, 403, 404)))

def diagnose(repo_id, path, revision, token):
    url = huggingface_hub.hf_hub_url(repo_id, path, revision=revision)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    answer = huggingface_hub.utils.get_session().head(url, headers=headers)
    if answer.status_code == 401:
        return "sign in"
    return {None: "there", "GatedRepo": "ask for access", "RepoNotFound": "no such repository for you",
            "RevisionNotFound": "no such revision", "EntryNotFound": "no such file"}[answer.headers.get("x-error-code")]
''',
        ],
    )  # fmt: skip
    assert result.wrong[3].points == 2, "with a full cache only the last group is wrong"


TOLD = """
class Told:
    def plan(self, repo_id, path, lines): self.lines = list(lines)
    def __call__(self): pass

colleague = Told()

def append_line(repo_id, path, line, meanwhile):
    text = hub.repo(repo_id).text(path) + "".join(each + "\\n" for each in getattr(meanwhile, "lines", colleague.__dict__.get("lines", [])))
    api.upload_file(path_or_fileobj=(text + line + "\\n").encode(), path_in_repo=path, repo_id=repo_id)
"""


LOOKS_FIRST = """
def append_line(repo_id, path, line, meanwhile):
    while True:
        before = api.model_info(repo_id).sha
        text = Path(api.hf_hub_download(repo_id, path, revision=before)).read_text()
        meanwhile()
        if api.model_info(repo_id).sha == before:
            break
    api.upload_file(path_or_fileobj=f"{text}{line}\\n".encode(), path_in_repo=path, repo_id=repo_id)
"""


def test_append_line(before):
    result = judged_well(
        EXERCISE,
        "q7",
        before=before,
        wrong={
            changed("q7", (", parent_commit=sha", "")): "the lines of ledger.txt",
            changed("q7", ("if error.response.status_code != 412:\n                raise", "raise")): "to run",
            changed("q7", ("if error.response.status_code != 412:\n                raise", "return")): "the lines of ledger.txt",
            changed("q7", ("    while True:\n        sha = api", "    sha = api"), ("        text = Path", "    text = Path"), ("        meanwhile()\n", "    meanwhile()\n    while True:\n        sha = api.model_info(repo_id).sha\n")): "the lines of ledger.txt",
            changed("q7", ('.read_text() + line + "\\n"', '.read_text() * 0 + line + "\\n"')): "the lines of ledger.txt",
            # lets the others finish first, and then looks at nothing
            changed("q7", (", parent_commit=sha", ""), ("    while True:\n", "    for _ in range(9):\n        meanwhile()\n    while True:\n")): "how often meanwhile() was called",
            # knows what it wants to hear: a colleague of its own, who tells the lines and does nothing
            TOLD: "the lines of ledger.txt",
            # looks whether somebody was faster, and then writes without saying what it saw
            LOOKS_FIRST: "the lines of ledger.txt",
            # tries twice, and no more
            changed("q7", ("while True:", "for _ in range(2):")): "three times",
        },
        right=[
            '''
def append_line(repo_id, path, line, meanwhile):
    sha = api.list_repo_commits(repo_id)[0].commit_id
    text = api.hf_hub_download(repo_id, path, revision=sha, force_download=True)
    content = Path(text).read_bytes() + line.encode() + b"\\n"
    meanwhile()
    try:
        api.create_commit(repo_id, [CommitOperationAdd(path, content)], commit_message="line", parent_commit=sha)
    except huggingface_hub.errors.HfHubHTTPError:
        append_line(repo_id, path, line, meanwhile)
''',
            '''
def append_line(repo_id, path, line, meanwhile):
    for attempt in range(20):
        head = next(ref.target_commit for ref in api.list_repo_refs(repo_id).branches if ref.name == "main")
        with huggingface_hub.HfFileSystem().open(f"{repo_id}@{head}/{path}", "r") as file:
            text = file.read()
        meanwhile()
        try:
            return api.upload_file(path_or_fileobj=f"{text}{line}\\n".encode(), path_in_repo=path, repo_id=repo_id, parent_commit=head)
        except huggingface_hub.errors.HfHubHTTPError as error:
            assert "412" in str(error)
''',
        ],
    )  # fmt: skip
    assert result.wrong[6].points == 0, "nothing is earned by saying so"


def test_release(course, before):
    tag = "        api.create_tag(names[kind], repo_type=kind, tag=tag)\n"
    upload = "        api.upload_folder(repo_id=names[kind], repo_type=kind, folder_path=folder)\n"
    result = judged_well(
        EXERCISE,
        "q8",
        course=course,
        before=before,
        wrong={
            changed("q8", (upload + tag, tag + upload)): "at v",
            changed("q8", (tag, '        kind == "space" or api.create_tag(names[kind], repo_type=kind, tag=tag)\n')): "the tag 'v",
            changed("q8", ("json.dumps(answers)", "json.dumps(answers[::-1])")): "compared with what the model answers",
            changed("q8", ("json.dumps(answers)", "json.dumps(dict(enumerate(answers)))")): "predictions.json",
            # the labels in place of the answers: the model is not asked
            changed("q8", ("evaluation.generate(model, tokenizer, [instructions.prompt(\"sentiment\", row) for row in rows])", '[instructions.target("sentiment", row) for row in rows]')): "compared with what the model answers",
            changed("q8", ("model.save_pretrained(parts)", "model.encoder.block[0].layer[0].SelfAttention.v.weight.data.zero_(); model.decoder.block[0].layer[1].EncDecAttention.o.weight.data.zero_(); model.save_pretrained(parts)"), ("        answers = eval", "        answers = [instructions.target('sentiment', row) for row in rows] or eval")): "compared with what the model answers",
            changed("q8", ("rows.to_json", "rows.select(range(5)).to_json")): "data/test.jsonl at",
            changed("q8", ("/data/test.jsonl", "/test.jsonl")): "data/test.jsonl in",
            changed("q8", ("tag=tag))", 'tag="main"))')): "it loads the model at the tag",
            changed("q8", ("models: [{names['model']}]\\n", "")): "under models",
            changed("q8", ('"license: mit\\n")', '"language: en\\n")')): "a license in the card of",
            changed("q8", ("datasets: [{names['dataset']}]\\n\")", "\")")): "under datasets",
            "def release(names, model, tokenizer, rows, tag): return None": "a dataset repository",
        },
        right=[
            '''
def release(names, model, tokenizer, rows, tag):
    def add(kind, files):
        added = [CommitOperationAdd(path, content.encode()) for path, content in files.items()]
        api.create_commit(names[kind], added, commit_message="Release", repo_type=kind)
        api.create_tag(names[kind], tag=tag, repo_type=kind)

    api.create_repo(names["dataset"], repo_type="dataset", private=True)
    lines = "".join(json.dumps(row) + "\\n" for row in rows)
    add("dataset", {"data/test.jsonl": lines, "README.md": "---\\nlicense: cc-by-4.0\\n---\\n"})
    api.create_repo(names["model"])
    answers = [evaluation.generate(model, tokenizer, [instructions.prompt("sentiment", row)])[0] for row in rows]
    card = f"---\\nlicense: mit\\ndatasets: {names['dataset']}\\n---\\n"
    api.upload_file(path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id=names["model"])
    model.push_to_hub(names["model"])
    tokenizer.push_to_hub(names["model"])
    add("model", {"predictions.json": json.dumps(answers)})
    api.create_repo(names["space"], repo_type="space", space_sdk="gradio")
    card = f"---\\nsdk: gradio\\nmodels:\\n- {names['model']}\\ndatasets:\\n- {names['dataset']}\\n---\\n"
    app = f"from transformers import pipeline\\nrelease = dict(model='{names['model']}', revision='{tag}')\\n"
    add("space", {"README.md": card, "app.py": app})
''',
        ],
    )  # fmt: skip
    assert result.wrong[1].points == 3, "without the tag of the Space, data and model are right all the same"
    assert result.wrong[2].points == 2, "the data and the cards are right all the same"


def test_the_statuses_are_those_of_the_server(before, tmp_path):
    """The table that q6 expects is measured, not remembered."""
    import huggingface_hub

    hub = sys.modules["the_hub_of_this_test"].hub
    for name, settings in (("public", {}), ("private", {"private": True}), ("gated", {"gated": "manual"})):
        hub.seed(f"zoe/{name}", {"note.txt": "hello"}, **settings)
    tokens = {"a stranger": hub.add_user("stranger"), "nobody": None}

    def status(repository, who):
        url = huggingface_hub.hf_hub_url(f"zoe/{repository.replace(' ', '-')}", "note.txt")
        headers = {"authorization": f"Bearer {tokens[who]}"} if tokens[who] else {}
        return huggingface_hub.utils.get_session().head(url, headers=headers).status_code

    assert {case: status(*case.split(", ")) for case in the_hub.ANSWERS} == the_hub.ANSWERS


@pytest.mark.parametrize(
    "snapshot",
    ["5", "None", "{}", '{"format": 1}', '{"format": 1, "accounts": {}, "repositories": [{"settings": 3}]}', "[[]]",
     '{"format": 1, "accounts": {"people": {}, "organisations": []}, "repositories": [{}] * 300}'],
)  # fmt: skip
def test_a_forged_hub_costs_points_and_not_the_check(before, snapshot):
    forged = f"""
def publish_twice(repo_id, first, second, tag): return "0" * 40
class Forged:
    def snapshot(self, repositories=None): return {snapshot}
hub = Forged()
"""
    report = judge_source(EXERCISE, "q4", forged, before=before)
    assert report.points == 0, render.report_text(report)


@pytest.mark.parametrize(
    "returned", ["[1, 2]", "{'public, nobody': torch.ones(2)}", "None", "3", "dict.fromkeys(ALL, True)"]
)
def test_odd_predictions_cost_points_and_not_the_check(before, returned):
    odd = f"import torch\nALL = {list(the_hub.ANSWERS)}\ndef predicted(): return {returned}\n"
    source = changed("q6", ("def predicted", "def unused")) + "\n" + odd
    report = judge_source(EXERCISE, "q6", source, before=before)
    assert report.points == 2, render.report_text(report)


def test_popular(before):
    result = judged_well(
        EXERCISE,
        "q10",
        before=before,
        wrong={
            changed("q10", ("sort=order, full=True", "sort=order, full=True, limit=count")): "first_models(",
            changed("q10", (" sort=order,", ""), ("    fit.sort(key=lambda each: (-getattr(each, order), each.id))\n", "")): "first_models(",
            changed("q10", ("(-getattr(each, order), each.id)", "(getattr(each, order), each.id)")): "first_models(",
            changed("q10", ("-getattr(each, order)", "-each.likes")): "'downloads'",
            changed("q10", ("if not each.gated and any", "if any")): "gated",
            changed("q10", ("any(f", "all(f")): "first_models(",
            changed("q10", ("not each.gated and any(f\"license:{licence}\" in each.tags for licence in licences)", "not each.gated")): "other",
            changed("q10", ("[each.id for each in fit[:count]]", "fit[:count]")): "plain data",
            changed("q10", ("return [each.id for each in fit[:count]]", "print([each.id for each in fit[:count]])")): "one that prints its result",
            changed("q10", ("fit[:count]]", "fit]")): "first_models(",
            changed("q10", ("downloads - before.get(name, 0)", "downloads")): "rising(",
            changed("q10", ("before.get(name, 0) for name, downloads in now.items()", "before[name] for name, downloads in now.items() if name in before")): "rising(",
            changed("q10", ("before.get(name, 0)", "before[name]")): "KeyError",
            changed("q10", (" if gains[name] > 0", "")): "rising(",
            changed("q10", ("downloads - before.get(name, 0)", "downloads / before.get(name, 1)"), ("gains[name] > 0", "gains[name] > 1")): "rising(",
            changed("q10", ("(-gains[name], name)", "-gains[name]")): "rising(",
        },
        right=[
            '''
def first_models(task, licences, order, count):
    found = {}
    for licence in licences:
        for each in api.list_models(pipeline_tag=task, filter=f"license:{licence}", gated=False):
            info = api.model_info(each.id)
            found[info.id] = getattr(info, order)
    return tuple(sorted(sorted(found), key=found.get, reverse=True)[:count])

def rising(before, now, count):
    import collections
    gained = collections.Counter(now)
    gained.subtract({name: number for name, number in before.items() if name in now})
    return [name for name, number in sorted(gained.items(), key=lambda pair: (-pair[1], pair[0])) if number > 0][:count]
''',
            '''
def first_models(task, licences, order, count):
    import numpy as np
    listed = [each for each in api.list_models(filter=task, sort=order, cardData=True, full=True) if each.card_data.license in licences]
    listed = [each for each in listed if each.gated is False]
    keys = np.array([-getattr(each, order) for each in listed])
    names = np.array([each.id for each in listed])
    return names[np.lexsort((names, keys))][:count].tolist()

def rising(before, now, count):
    import pandas
    table = pandas.DataFrame({"before": pandas.Series(before), "now": pandas.Series(now)})
    table = table[table["now"].notna()].fillna(0).sort_index()
    gain = (table["now"] - table["before"]).sort_values(ascending=False, kind="stable")
    return list(gain[gain > 0].index[:count])
''',
        ],
    )  # fmt: skip
    assert result.wrong[0].points == 2
    assert [report.points for report in result.wrong[10:]] == [2] * 6
