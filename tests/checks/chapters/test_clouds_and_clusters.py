"""Every question of exercise 18: the solution, the stub, wrong answers with the message they get, other right ways."""

from functools import partial

from course_utils.checks.chapters.clouds_and_clusters import FOUND
from course_utils.checks.framework import load_exercise
from course_utils.checks.testing import changed_answer, given_cells, judged_well, namespace, replaced

EXERCISE = "18_clouds_and_clusters"
given = partial(given_cells, EXERCISE)
changed = partial(changed_answer, EXERCISE)


def test_the_card():
    exercise = load_exercise(EXERCISE)
    assert len(exercise.questions) == 11
    assert exercise.points == 40
    assert [question.name for question in exercise.questions.values() if question.manual] == ["q11"]


def judged(question, *, wrong, right, before=("imports",)):
    return judged_well(EXERCISE, question, wrong=wrong, right=right, before=given(*before))


FIND_PLACES = """
import os, pathlib

def find_places(environment, options, mount):
    marks = {"SM_MODEL_DIR": "sagemaker", "AIP_MODEL_DIR": "vertex", "AZUREML_RUN_ID": "azure"}
    found = [mark for mark in marks if environment.get(mark, "") != ""]
    if len(found) == 2:
        raise ValueError("both " + found[0] + " and " + found[1])
    cloud = marks[found[0]] if found else "local"
    told = json.loads(environment["SM_HPS"]) if environment.get("SM_HPS") else {}
    told.update(options)

    def place(name, variable):
        where = told.get(name, environment.get(variable) if variable else None)
        if where in (None, ""):
            if name == "checkpoints":
                return None
            raise ValueError(f"no {name} on {cloud}: --{name} or {variable}")
        return os.path.join(mount, where[5:]) if where[:5] == "gs://" else where

    names = {"sagemaker": ("SM_CHANNEL_TRAIN", "SM_MODEL_DIR", None), "vertex": (None, "AIP_MODEL_DIR", "AIP_CHECKPOINT_DIR")}
    variables = names.get(cloud, (None, None, None))
    return dict(cloud=cloud, data=place("data", variables[0]), model=place("model", variables[1]),
                checkpoints=place("checkpoints", variables[2]))
"""


def test_places():
    swap = partial(changed, "q1")
    result = judged(
        "q1",
        before=("imports", "q1-given"),
        wrong={
            swap(("environment.get(mark)", "mark in environment")): "the others' marks are empty",
            swap(("if len(clouds) > 1:", "if False:")): "to raise ValueError",
            swap(("options.get(place) or environment.get(variable)", "environment.get(variable) or options.get(place)")): "with the option model",
            swap((' | options\n', "\n    options |= {}\n    told = options\n")).replace("    options = json", "    options = options | json"): "SM_HPS and an option say data",
            swap(('json.loads(environment.get("SM_HPS") or "{}") | options', "options")): "checkpoints of find_places",
            swap(('environment.get("SM_HPS") or "{}"', 'environment["SM_HPS"]')): "KeyError",
            swap(('if where and where.startswith("gs://"):', "if False:")): "on vertex",
            swap(('where.removeprefix("gs://")', 'where.replace("gs:/", "")')): "on vertex",
            swap(('mount / where.removeprefix("gs://")', '"/gcs/" + where.removeprefix("gs://").split("/", 1)[1]')): "on vertex",
            swap(('if not where and place != "checkpoints":', "if not where:")): "to be answered",
            swap(('{variable + \' or \' if variable else \'\'}--{place}', "it")): "SM_CHANNEL_TRAIN",
            swap(('raise ValueError(f"{place} is missing', 'raise KeyError(f"{place} is missing')): "to end in a ValueError",
            swap(('raise ValueError(f"{place} is missing: give {variable + \' or \' if variable else \'\'}--{place}")', 'where = "./" + place')): "to raise ValueError",
            swap(('{\' and \'.join(MARKS[cloud] for cloud in clouds)} are set', "Two marks are set")): "to name",
            replaced(FIND_PLACES, ("os.path.join(mount,", "os.path.join('/gcs',")): "on vertex",
            replaced(FIND_PLACES, ('if where[:5] == "gs://" else', 'if where[:5] == "gs://" and cloud == "vertex" else')): "with a gs:// path for data",
            replaced(FIND_PLACES, ('if where[:5] == "gs://" else', 'if where[:5] == "gs://" and name not in set(told) - set(options) else')): "where SM_HPS says a gs:// path",
            replaced(FIND_PLACES, ('if where in (None, "")', "if where is None")): "AIP_CHECKPOINT_DIR is empty",
            replaced(FIND_PLACES, ('if environment.get("SM_HPS") else', 'if "SM_HPS" in environment else')): "where SM_HPS is empty",
            replaced(FIND_PLACES, ('if environment.get("SM_HPS") else', 'if environment.get("SM_HPS") and cloud == "sagemaker" else')): "on vertex, where SM_HPS says checkpoints",
            replaced(FIND_PLACES, ("variables[2])", '"AIP_CHECKPOINT_DIR")')): "which is Vertex's",
            swap(("environment.get(variable)", 'environment.get("SM_CHANNEL_TRAIN" if place == "data" else variable)')): "set, which is SageMaker's",
            replaced(FIND_PLACES, ("len(found) == 2", 'len(found) == 2 and "SM_MODEL_DIR" in found')): "to raise ValueError",
            replaced(FIND_PLACES, ("--{name} or {variable}", "--data, --model, SM_CHANNEL_TRAIN, SM_MODEL_DIR, AIP_MODEL_DIR")): "not to name",
            replaced(FIND_PLACES, ('if name == "checkpoints":', 'if name == "model" and cloud == "local":\n                return "."\n            if name == "checkpoints":')): "a run on local without a place for the model",
            swap(("environment.get(", "__import__('os').environ.get(")): "on sagemaker to be answered",
        },
        right=[FIND_PLACES, swap(("Path(where) if where else None", "str(where) if where else None"))],
    )  # fmt: skip
    assert result.wrong[6].points == 1, "gs:// costs what it touches"


JOB = """
import copy

def sagemaker_job(run):
    settings = copy.deepcopy(run["settings"])
    stop = dict(MaxRuntimeInSeconds=int(run["hours"] * 3600))
    job = dict(TrainingJobName=run["name"], RoleArn=run["role"])
    job["AlgorithmSpecification"] = dict(TrainingInputMode="File", TrainingImage=run["image"])
    job["ResourceConfig"] = dict(InstanceCount=run["machines"], InstanceType=run["instance"], VolumeSizeInGB=run["disk"])
    job["OutputDataConfig"] = {"S3OutputPath": "s3://" + run["bucket"] + "/runs"}
    if run["spot"] is None:
        job["EnableManagedSpotTraining"] = False
    else:
        job["EnableManagedSpotTraining"] = True
        stop["MaxWaitTimeInSeconds"] = int((run["hours"] + run["spot"]) * 3600)
        settings["checkpoints"] = "/opt/ml/checkpoints"
        where = "s3://" + run["bucket"] + "/checkpoints/" + run["name"]
        job["CheckpointConfig"] = dict(LocalPath="/opt/ml/checkpoints", S3Uri=where)
    job["StoppingCondition"] = stop
    job["HyperParameters"] = {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}
    job["InputDataConfig"] = []
    for name in sorted(run["data"], reverse=True):
        source = dict(S3DataType="S3Prefix", S3Uri=run["data"][name], S3DataDistributionType="FullyReplicated")
        job["InputDataConfig"].append(dict(ChannelName=name, DataSource=dict(S3DataSource=source), InputMode="File"))
    return job
"""


def test_a_job():
    swap = partial(changed, "q2")
    result = judged(
        "q2",
        wrong={
            swap(("str(value) for", "value for")): "HyperParameters of a run: steps to be a text",
            swap(('{name: str(value) for name, value in run["settings"].items()}', 'run["settings"]')): "to be a text",
            swap(("str(value) for", "repr(value) for")): "order to be",
            swap(("str(value) for", "str(round(value, 3) if isinstance(value, float) else value) for")): "rate to be",
            replaced(JOB, ('copy.deepcopy(run["settings"])', 'run["settings"]')): "`run` after the call",
            swap(("seconds + round(", "round(")): "counting the waiting alone",
            swap(('seconds + round(run["spot"] * 3600)', "seconds")): "counting the running alone",
            swap(('run["hours"] * 3600)', 'run["hours"] * 60)')): "MaxRuntimeInSeconds of a run",
            swap(('round(run["hours"] * 3600)', 'run["hours"] * 3600.0')): "to be a whole number",
            swap(('/checkpoints/{run[\'name\']}/', "/checkpoints/")): "S3Uri of CheckpointConfig",
            swap(('        job["HyperParameters"]["checkpoints"] = here\n', "")): "checkpoints",
            swap(('        job["EnableManagedSpotTraining"] = True\n', "")): "EnableManagedSpotTraining",
            swap(('if run["spot"] is not None:', "if True:"), ('round(run["spot"] * 3600)', 'round((run["spot"] or 0) * 3600)')): "to have no EnableManagedSpotTraining",
            replaced(JOB, ("stop = dict(", "stop = dict(MaxWaitTimeInSeconds=86400, ")): "to have no MaxWaitTimeInSeconds",
            swap(('round(run["hours"] * 3600)', 'int(run["hours"] * 60) * 60')): "cutting the time to whole minutes",
            swap(('round(run["spot"] * 3600)', 'int(run["spot"] * 60) * 60')): "MaxWaitTimeInSeconds for",
            swap(('seconds + round(run["spot"] * 3600)', 'int((run["hours"] + run["spot"]) * 60) * 60')): "cutting the time to whole minutes",
            swap(('if run["spot"] is not None:', 'if run["spot"]:')): "a run with spot=0",
            swap(('"InstanceCount": run["machines"]', '"InstanceCount": 1')): "InstanceCount of ResourceConfig",
            swap(('"VolumeSizeInGB": run["disk"]', '"VolumeSizeInGB": 30')): "VolumeSizeInGB",
            swap(('for name, where in run["data"].items()', 'for name, where in list(run["data"].items())[:1]')): "the names of the channels",
            swap(('"S3Uri": where', '"S3Uri": f"s3://{run[\'bucket\']}/{name}/"')): "S3Uri of S3DataSource",
            swap(('s3://{run[\'bucket\']}/runs/', 's3://course/runs/')): "S3OutputPath",
            "def sagemaker_job(run):\n    return json.dumps(run)": "sagemaker_job for a run to be a dict",
        },
        right=[JOB, swap(("str(value) for", 'f"{value}" for'))],
    )  # fmt: skip
    assert result.wrong[0].points == 3
    assert result.wrong[5].points == 3


FAULTS = """
def job_faults(cloud, job):
    faults = []

    def dig(*path, default=None):
        found = job
        for name in path:
            if not isinstance(found, dict) or name not in found:
                return default
            found = found[name]
        return found

    def moves(image):
        if "@sha256:" in image:
            return False
        last = image.rsplit("/", 1)[-1]
        return ":" not in last or last.endswith(":latest")

    if cloud == "sagemaker":
        images, variables = [dig("AlgorithmSpecification", "TrainingImage")], list(dig("Environment", default={}))
        variables += dig("HyperParameters", default={})
        limit = dig("StoppingCondition", "MaxRuntimeInSeconds")
        if dig("EnableManagedSpotTraining") is True and dig("CheckpointConfig") is None:
            faults.append("spot")
        if any(type(value) is not str for value in dig("HyperParameters", default={}).values()):
            faults.append("text")
    if cloud == "vertex":
        pools = dig("jobSpec", "workerPoolSpecs")
        images = [pool["containerSpec"]["imageUri"] for pool in pools]
        variables = [entry["name"] for pool in pools for entry in pool["containerSpec"].get("env", ())]
        limit = dig("jobSpec", "scheduling", "timeout")
        if dig("jobSpec", "scheduling", "strategy") == "SPOT" and dig("jobSpec", "baseOutputDirectory") is None:
            faults.append("spot")
    if cloud == "azure":
        images, variables = [], dig("environment_variables", default={})
        limit = dig("limits", "timeout")
        if len(job["environment"].split(":")) < 3 or job["environment"].endswith("latest"):
            faults.append("image")
        for side in ("inputs", "outputs"):
            for name in re.findall(r"\\$\\{\\{" + side + r"\\.(\\w+)\\}\\}", job["command"]):
                if name not in dig(side, default={}):
                    faults.append("name")
    if any(moves(image) for image in images):
        faults.append("image")
    if limit is None:
        faults.append("time")
    for variable in variables:
        if variable.lower().endswith(("token", "key", "secret", "password")):
            faults.append("secret")
    return faults
"""


def test_faults_of_jobs():
    swap = partial(changed, "q3")
    result = judged(
        "q3",
        wrong={
            swap(('image.split("/")[-1].partition', "image.partition")): "from a registry with a port",
            swap(('{"", "latest"} & set', '{""} & set')): "tag latest",
            replaced(FAULTS, ('        if "@sha256:" in image:\n            return False\n', ""), ('":" not in last', '":" not in last or "@" in last')): "an image with a digest",
            replaced(FAULTS, ('last.endswith(":latest")', '":latest" in last')): "the tag latest-2",
            swap((' for container in containers], spec', " for container in containers[:1]], spec")): "in the second pool",
            replaced(FAULTS, ('if len(job["environment"].split(":")) < 3 or job', "if job")): "an environment without a version",
            replaced(FAULTS, ('job["environment"].endswith("latest")', 'job["environment"].endswith("@latest")')): "an environment whose version is latest",
            replaced(FAULTS, ("    return faults\n", "    return faults[:2]\n")): "a job with every fault of its cloud",
            swap(('return sorted(faults | (set() if limit else {"time"}))', 'return sorted(faults | (set() if limit else {"time"}))[:3]')): "a job with every fault of its cloud",
            swap(('.removeprefix("azureml:")', "")): "an environment without a version",
            swap(('job.get("StoppingCondition", {})', 'job["StoppingCondition"]')): "KeyError",
            swap(('spec.get("scheduling", {})', 'spec["scheduling"]')): "KeyError",
            swap(('job.get("limits", {}).get("timeout")', "1")): "a job without a limit of its time",
            swap(("name.upper()", "name")): "hf_token",
            swap(("(TOKEN|KEY|SECRET|PASSWORD)$", "_(TOKEN|KEY|SECRET|PASSWORD)$")): "HFTOKEN",
            swap(("(TOKEN|KEY|SECRET|PASSWORD)$", "(TOKEN|KEY|PASSWORD)$")): "STORE_SECRET",
            swap((" for one in containers for each", " for one in containers[:1] for each")): "in the second pool",
            swap(("(TOKEN|KEY|SECRET|PASSWORD)$", "TOKEN|KEY|SECRET|PASSWORD")): "not to name 'secret'",
            swap(("(TOKEN|KEY|SECRET|PASSWORD)$", "(TOKEN|KEY)$")): "to name 'secret'",
            swap(('[*job.get("Environment", {}), *job.get("HyperParameters", {})]', 'job.get("Environment", {})')): "hub_token",
            swap((' for each in one.get("env", [])', ' for each in one.get("env", [])[:1]')): "to name 'secret'",
            swap(('job.get("EnableManagedSpotTraining") and not', "not")): "EnableManagedSpotTraining: false",
            replaced(FAULTS, ('dig("EnableManagedSpotTraining") is True', 'dig("EnableManagedSpotTraining") is not None')): "EnableManagedSpotTraining: false",
            swap(('plan.get("strategy") == "SPOT" and not', "not")): "STANDARD without baseOutputDirectory",
            swap(('isinstance(value, str) for', "not isinstance(value, int) for")): "the hyper-parameter seed: 0.002",
            swap(('isinstance(value, str) for', "isinstance(value, (str, bool)) for")): "the hyper-parameter seed: True",
            swap(("(inputs|outputs)", "(inputs)")): "${{outputs.checkpoints}}",
            swap(("name not in job.get(side, {})", 'name not in {**job.get("inputs", {}), **job.get("outputs", {})}')): "which inputs do not have",
            swap(("job.get(side, {}) for", "job[side] for")): "KeyError",
            swap(("return sorted(faults | (set() if limit else {\"time\"}))", "return sorted(faults | (set() if limit else {\"time\"}))[:1]")): "a job with two faults",
            "def job_faults(cloud, job):\n    return []": "to name 'image'",
        },
        right=[FAULTS, swap(("return sorted(", "return set("))],
    )  # fmt: skip
    assert result.wrong[0].points == 3
    assert result.wrong[-1].points == 0


HOURS = """
import math

def spot_hours(steps, seconds_a_step, every, lives, ready):
    at, clock = 0, 0.0
    for life in list(lives) + [math.inf]:
        end = clock + life
        clock += ready
        began = at
        while at < steps and clock + seconds_a_step <= end:
            clock += seconds_a_step
            at += 1
        if at == steps and clock <= end:
            return clock / 3600.0
        at, clock = (0 if every is None else max(began, at - at % every)), end

def choose_machine(table, job):
    best = None
    for row in table:
        for kind in ("spot", "on demand"):
            price = row["spot"] if kind == "spot" else row["price"]
            if price is None or row["memory"] < job["memory"]:
                continue
            lives = row["lives"] if kind == "spot" else ()
            hours = spot_hours(job["steps"], row["seconds_a_step"], job["every"], lives, job["ready"])
            cost = round(hours * price, 2)
            if hours <= job["deadline"] and (best is None or (hours * price, hours) < best[0]):
                best = (hours * price, hours), [row["name"], kind, cost]
    return best and best[1]
"""


def test_costs():
    swap = partial(changed, "q4")
    result = judged(
        "q4",
        wrong={
            swap(("done // every * every if every else 0", "done")): "keeping steps that no checkpoint has",
            swap(("done // every * every if every else 0", "0")): "beginning from step 0 after each stop",
            swap(("paid + ready + (steps - safe)", "paid + (steps - safe)"), ("life - ready", "life"), ("if ready + (steps", "if (steps")): "leaving out the time to get ready",
            swap(("(paid + ready + (steps - safe) * seconds_a_step)", "((len(lives) + 1) * ready + steps * seconds_a_step)")): "keeping steps that no checkpoint has",  # which is the same here: lives are whole steps
            swap(("max(0, life - ready)", "(life - ready)")): "before its first step",
            swap(("            break\n", "            pass\n")): "before the last machines are taken away",
            swap((" if every else 0", "")): "TypeError",
            swap(("        if ready + (steps - safe) * seconds_a_step <= life:\n            break\n", "")): "before the last machines are taken away",
            swap((") / 3600\n", ")\n")): "the hours paid for",
            swap(("// seconds_a_step\n", "/ seconds_a_step\n"), ("done // every * every if every", "done if every")): "the hours paid for",
            swap(("max(0, life - ready) // seconds_a_step", "round(max(0, life - ready) / seconds_a_step)")): "counting a step that is not whole",
            swap(("* seconds_a_step <= life", "* seconds_a_step < life")): "just long enough",
            swap(('hours <= job["deadline"]', '(hours <= job["deadline"] or kind == "spot")')): "not holding spot machines to the deadline",
            swap(('hours <= job["deadline"]', 'spot_hours(job["steps"], row["seconds_a_step"], job["every"], [], job["ready"]) <= job["deadline"]')): "not holding spot machines to the deadline",
            swap(('hours <= job["deadline"]', 'hours < job["deadline"]')): "None: no machine was found",
            swap((' if row["memory"] >= job["memory"]', "")): "not looking at the memory",
            swap((' and hours <= job["deadline"]', "")): "not looking at the deadline",
            swap(("round(price * hours, 6), hours", "price, hours")): "the lowest price of an hour",
            swap(("round(price * hours, 6), hours", "round(price * hours, 6), -hours")): "the slower of two",
            swap(('row["spot"], row["lives"]', 'row["spot"], []')): "as if it were never taken away",
            swap(('("spot", row["spot"], row["lives"])', '("spot", None, [])')): "never taking a spot machine",
            swap(("price is not None and ", "")): "TypeError",
            swap(("    return min(offers)[2] if offers else None", "    return min(offers)[2]")): "ValueError",
            swap(('row["memory"] >= job', 'row["memory"] > job')): "choose_machine",
            swap(('(row["name"], kind, price * hours)', '(row["name"], kind, price)')): "the cost that choose_machine",
        },
        right=[HOURS, swap(("spot_hours(job", "spot_hours(steps=job"), ('"steps"], row["seconds_a_step"], job["every"], lives, job["ready"]', '"steps"], seconds_a_step=row["seconds_a_step"], every=job["every"], lives=tuple(lives), ready=job["ready"]'))],
    )  # fmt: skip
    assert result.wrong[12].points == 3
    assert result.wrong[15].points == 3


AVERAGED = """
import numpy as np

def shard(rows, rank, world):
    return [row for number, row in enumerate(rows) if number % world == rank]

def averaged(parts):
    mean = {}
    rows = sum(count for _, count in parts)
    for gradients, count in parts:
        for name, gradient in gradients.items():
            share = torch.nan_to_num(gradient) if count == 0 else gradient.clone()
            mean[name] = mean.get(name, 0) + share * (count / rows)
    return mean
"""


def test_gradients():
    swap = partial(changed, "q5")
    result = judged(
        "q5",
        wrong={
            swap(("rows[rank::world]", "rows[rank * len(rows) // world : (rank + 1) * len(rows) // world]")): "shard(",
            swap(("rows[rank::world]", "rows[rank * -(-len(rows) // world) : (rank + 1) * -(-len(rows) // world)]")): "cutting the rows into blocks",
            swap(("rows[rank::world]", "rows[: len(rows) // world * world][rank::world]")): "leaving out the rows that are over",
            swap(("rows[rank::world]", "[row for row in rows if rows.index(row) % world == rank]")): "shard(",
            swap(("gradients[name] * count for", "gradients[name] for"), ("/ total", "/ len(parts)")): "the mean of the workers",
            swap((" / total", "")): "a sum that nothing divides",
            swap((" / total", " / len(parts)")): "dividing by the number of workers",
            swap((" if count]", "]"), ("parts[0][0]", "parts[-1][0]")): "0 times NaN is NaN",
            swap(("    total = sum", "    for gradients, count in parts:\n        for name in gradients:\n            gradients[name] *= 1 if count == 0 else count\n    total = sum"), ("gradients[name] * count for", "gradients[name] for")): "to stay as they were",
            swap(("{name: sum(", "{name: float('nan') * sum(")): "NaN",
            swap(("for name in parts[0][0]", "for name in ['weight']")): "bias",
        },
        right=[AVERAGED, swap(("gradients[name] * count for", "gradients[name].numpy() * count for"))],
    )  # fmt: skip
    assert result.wrong[4].points == 1


CHECKPOINTS = """
import os

def save(folder, step, model, optimizer, keep):
    os.makedirs(folder, exist_ok=True)
    final = os.path.join(folder, f"step-{step}.pt")
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        torch.save({"m": model.state_dict(), "o": optimizer.state_dict(), "r": torch.get_rng_state()}, file)
    os.replace(file.name, final)
    numbers = sorted(numbers_in(folder))
    for number in numbers[: max(0, len(numbers) - keep)]:
        os.remove(os.path.join(folder, f"step-{number}.pt"))

def numbers_in(folder):
    names = os.listdir(folder) if os.path.isdir(folder) else []
    found = [re.fullmatch(r"step-(\\d+)\\.pt", name) for name in names]
    return [int(match[1]) for match in found if match]

def load(folder, model, optimizer):
    numbers = numbers_in(folder)
    if not numbers:
        return 0
    try:
        state = torch.load(os.path.join(folder, f"step-{max(numbers)}.pt"))
    except (RuntimeError, EOFError, OSError):
        os.remove(os.path.join(folder, f"step-{max(numbers)}.pt"))
        return load(folder, model, optimizer)
    optimizer.load_state_dict(state["o"])
    model.load_state_dict(state["m"])
    torch.random.set_rng_state(state["r"])
    return max(numbers)
"""


def test_checkpoints():
    swap = partial(changed, "q6")
    number = "key=lambda path: int(path.stem[5:])"
    result = judged(
        "q6",
        wrong={
            swap(('        optimizer.load_state_dict(state["optimizer"])\n', "")): "an optimizer that begins anew",
            swap(('        torch.set_rng_state(state["random"])\n', "")): "dropout that begins anew",
            swap(('        model.load_state_dict(state["model"])\n', "")): "weights that were not taken up",
            swap(('    return state["step"]\n', '    return state["step"] - 1\n')): "the steps that load returns",
            swap(('    return state["step"]\n', '    return state["step"] + 1\n')): "the steps that load returns",
            swap(('folder / "part")\n    (folder / "part").replace(folder / f"step-{step}.pt")', 'folder / f"step-{step}.pt")'), ("            continue\n", "            raise\n")): "while step 12 is written",
            swap((f", {number})[:-keep]", ")[:-keep]")): "what load returns after steps 8, 9, 10 and 11",
            swap((f", {number}, reverse=True)", ", reverse=True)")): "what load returns after steps 99 and 100",
            swap((f"sorted(folder.glob(\"step-*.pt\"), {number})[:-keep]", "()")): "the files of the folder",
            swap(("[:-keep]", "[: -keep - 1]")): "the files of the folder",
            replaced(CHECKPOINTS, ("max(0, len(numbers) - keep)", "len(numbers) - keep")): "the files of the folder after steps 99 and 100",
            swap(('folder.glob("step-*.pt"), key=lambda path: int(path.stem[5:]))[:-keep]', 'folder.glob("*"), key=lambda path: path.stat().st_mtime_ns)[:-keep]')): "beside notes.txt",
            swap(("    state = {", "    for old in list(folder.glob('step-*.pt'))[: 1 if keep == 1 else 0]:\n        old.unlink()\n    state = {")): "while step 12 is written",
            swap(("    folder.mkdir(parents=True, exist_ok=True)\n", "")): "to run",
            swap(("folder.mkdir(parents=True, exist_ok=True)", "folder.mkdir()")): "FileExistsError",
            swap(("    return 0\n", "    raise FileNotFoundError(folder)\n")): "load of a folder that is not there",
            swap((f", {number}, reverse=True)", ", key=lambda path: path.stat().st_mtime_ns, reverse=True)")): "where files of later steps have earlier times",
            swap((f", {number})[:-keep]", ", key=lambda path: path.stat().st_mtime_ns)[:-keep]")): "where files of later steps have earlier times",
            swap(('    (folder / "part").replace(folder / f"step-{step}.pt")\n    for', "    for"), ("[:-keep]:\n        old.unlink()\n", '[: 1 - keep or None]:\n        old.unlink()\n    (folder / "part").replace(folder / f"step-{step}.pt")\n')): "is to get its name",
            swap(("            continue\n", "            break\n")): "the files of 15 and 20 are broken",
            swap((", reverse=True):", ", reverse=True)[:2]:")): "the files of 15 and 20 are broken",
            swap(('sorted(folder.glob("step-*.pt"), key=lambda path: int(path.stem[5:]))[:-keep]', '[path for path in folder.glob("*.pt") if not path.stem[5:].isdigit()] + sorted(folder.glob("step-*.pt"), key=lambda path: int(path.stem[5:]))[:-keep]')): "best.pt",
            replaced(CHECKPOINTS, ('if match]', 'if match]'), ("    numbers = sorted(numbers_in(folder))\n", "    numbers = sorted(numbers_in(folder))\n    for name in os.listdir(folder):\n        if name.startswith('step-') and not name.endswith('.pt'):\n            os.remove(os.path.join(folder, name))\n")): "step-notes.txt",
            swap(('"model": model.state_dict()', '"model": dict(model.named_parameters())'), ('model.load_state_dict(state["model"])', 'model.load_state_dict(state["model"], strict=False)'), (", weights_only=True", ", weights_only=False")): "keeping only parameters",
            swap(('"part")\n    (folder / "part")', '"step-0.pt")\n    (folder / "step-0.pt")'), ("            continue\n", "            raise\n")): "while the first checkpoint is written",
        },
        right=[CHECKPOINTS, swap(("| {\"random\": torch.get_rng_state()}", '| {"random": torch.get_rng_state(), "kept": keep}'), (", weights_only=True", ""))],
    )  # fmt: skip
    assert [report.points for report in result.wrong[:2]] == [3, 3]
    assert result.wrong[5].points == 3


RELEASE = """
def build(manifest, target, folder):
    revision = manifest["model"]["revision"]
    if len(revision) != 40 or set(revision) - set("0123456789abcdef"):
        raise ValueError("not pinned: " + revision)
    Path(folder).mkdir(exist_ok=True, parents=True)
    told = {name: manifest["model"][name] for name in ("labels", "revision", "repo")}
    with open(folder / "model.json", "w") as file:
        json.dump(told, file, indent=1)
    with open(folder / "requirements.txt", "w") as file:
        for line in sorted(requirements_of(manifest, target)):
            print(line, file=file)

def open_target(folder, load):
    class Target:
        def __init__(self):
            with open(folder / "model.json") as file:
                self.told = json.load(file)
            self.model = load(revision=self.told["revision"], repo=self.told["repo"])

        def __call__(self, text):
            scores = torch.tensor(self.model(text))
            return self.told["labels"][scores.argmax().item()]

    return Target()

def drifted(manifest, folders):
    names = set()
    for target in folders:
        try:
            told = json.loads(Path(folders[target], "model.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            told = {}
        if any(told.get(name) != manifest["model"][name] for name in ("repo", "revision", "labels")):
            names.add(target)
    return names
"""


def test_one_manifest():
    swap = partial(changed, "q7")
    result = judged(
        "q7",
        before=("imports", "q7-given"),
        wrong={
            swap(('re.fullmatch("[0-9a-f]{40}"', 're.match("[0-9a-f]{40}$"')): "a line end behind its revision",
            swap(('re.fullmatch("[0-9a-f]{40}"', 're.match("[0-9a-f]{40}"')): "41 digits",
            swap(("[0-9a-f]{40}", r"\\w{40}")): "a letter that is no digit",
            swap(("[0-9a-f]{40}", "[0-9a-fA-F]{40}")): "capital letters",
            swap(("[0-9a-f]{40}", "[0-9a-f]{7,40}")): "twelve digits",
            replaced(RELEASE, ('if len(revision) != 40 or set(revision) - set("0123456789abcdef"):', 'if revision == "main":')): "a tag for a revision",
            swap((": a revision has 40 digits, and never moves", ""), ("{manifest['model']['revision']}", "This revision may move")): "to name main",
            swap(("parents=True, ", "")): "FileNotFoundError",
            swap(('json.dumps(manifest["model"])', 'json.dumps(manifest["model"] | {"revision": "main"})')): "revision in model.json",
            swap(('json.dumps(manifest["model"])', "repr(manifest['model'])")): "to be JSON",
            swap(('json.dumps(manifest["model"])', 'json.dumps(manifest["model"] | {"labels": sorted(manifest["model"]["labels"])})')): "labels in model.json",
            swap(('    (folder / "requirements.txt").write_text("\\n".join(requirements_of(manifest, target)) + "\\n")\n', "")): "requirements.txt",
            swap(("requirements_of(manifest, target)", 'requirements_of(manifest, "batch")')): "the lines of requirements.txt",
            swap(('"\\n".join', '" ".join')): "the lines of requirements.txt",
            swap(('load(told["repo"], told["revision"])', 'load(told["repo"])')): "what open_target of",
            swap(('load(told["repo"], told["revision"])', 'load(told["repo"], "main")')): "what open_target of",
            swap(('zip(model(text), told["labels"])', 'zip(model(text), sorted(told["labels"]))')): "labels in another order",
            swap(("max(zip(model", "min(zip(model")): "predicts for",
            swap(("))[1]", "))[0]")): "predicts for",
            swap(('            return json.loads((folder / "model.json").read_text())', '            return (folder / "model.json").read_text()'), ('!= manifest["model"]]', '!= json.dumps(manifest["model"])]')): "in another form",
            swap(("OSError, ValueError", "ValueError")): "FileNotFoundError",
            swap(("OSError, ValueError", "OSError")): "JSONDecodeError",
            swap(('if told(folder) != manifest["model"]]', 'if (told(folder) or {}).get("revision") != manifest["model"]["revision"]]')): "has other labels first",
            swap(('if told(folder) != manifest["model"]]', 'if not manifest["model"]["revision"].startswith((told(folder) or {"revision": "-"})["revision"])]')): "seven digits",
            replaced(RELEASE, ('told.get(name) != manifest["model"][name] for name in ("repo", "revision", "labels")', 'told[name] != manifest["model"][name] for name in told')): "has no model.json",
            replaced(RELEASE, ("            told = {}", '            told = {"repo": ""}'), ('told.get(name) != manifest["model"][name] for name in ("repo", "revision", "labels")', 'told[name] != manifest["model"][name] for name in told')): "has no revision",
            replaced(RELEASE, ("(exist_ok=True, parents=True)", "(parents=True)")): "FileExistsError",
            replaced(RELEASE, ('if len(revision) != 40 or set(revision) - set("0123456789abcdef"):', 'try:\n        bad = len(revision) != 40 or revision != revision.lower() or int(revision, 16) < 0\n    except ValueError:\n        bad = True\n    if bad:')): "a blank in front of 39 digits",
            swap(("[0-9a-f]{40}", r"[\\da-f]{40}")): "a digit of another script",
            changed("q7").replace('    if not re.fullmatch', '    (folder / "model.json").write_text("{}") if folder.mkdir(parents=True, exist_ok=True) is None else 0\n    if not re.fullmatch'): "before it writes a file",
            replaced(RELEASE, ("            told = {}", "            continue")): "has no model.json",
            replaced(RELEASE, ('!= manifest["model"][name] for', '!= manifest["model"][name] and set(told.get(name, "")) != set(manifest["model"][name]) for')): "has other labels first",
            swap(('!= manifest["model"]]', '!= manifest["model"]][:1]')): "where two have drifted",
        },
        right=[RELEASE, swap(("return [name for name, folder in", "return tuple(name for name, folder in"), ('!= manifest["model"]]', '!= manifest["model"])'))],
    )  # fmt: skip
    assert result.wrong[0].points == 3


AGAIN = """
def guarded(text):
    spec, found = yaml.safe_load(text), {}
    waiting = [(spec["root"]["dag"]["tasks"], [])]
    while waiting:
        tasks, held = waiting.pop()
        for name in tasks:
            component = spec["components"][tasks[name]["componentRef"]["name"]]
            if "dag" in component:
                waiting.append((component["dag"]["tasks"], held + [tasks[name]["triggerPolicy"]["condition"]]))
            elif held:
                found[name] = tuple(held)
    return found

def run_again(text, changed):
    tasks = root_tasks(text)

    @functools.cache
    def again(name):
        task = tasks[name]
        takes = task.get("inputs", {})
        for each in takes.get("parameters", {}).values():
            if each.get("componentInputParameter") in changed:
                return True
            if "taskOutputParameter" in each and again(each["taskOutputParameter"]["producerTask"]):
                return True
        for each in takes.get("artifacts", {}).values():
            if "taskOutputArtifact" in each and again(each["taskOutputArtifact"]["producerTask"]):
                return True
        return "triggerPolicy" not in task and task.get("cachingOptions") != {"enableCache": True}

    return [name for name in tasks if again(name)]
"""


def test_a_pipeline():
    swap = partial(changed, "q8")
    result = judged(
        "q8",
        before=("imports", "q8-given"),
        wrong={
            swap(("[*held, task", "[task")): "guarded(text)['announce']",
            swap(('[*held, task["triggerPolicy"]["condition"]]', '[task["triggerPolicy"]["condition"], *held]')): "guarded(text)['announce']",
            swap(("            elif held:\n                yield name, held", "            if held:\n                yield name, held")): "the tasks that guarded(text) names",
            swap(("            elif held:", "            else:")): "the tasks that guarded(text) names",
            swap(('yield from within(inner["tasks"], [*held, task["triggerPolicy"]["condition"]])', 'yield name, [task["triggerPolicy"]["condition"]]')): "the tasks that guarded(text) names",
            swap(('yield from within(inner["tasks"], [*held, task["triggerPolicy"]["condition"]])', 'yield from ((one, [task["triggerPolicy"]["condition"]]) for one in inner["tasks"])')): "announce",
            swap(('task["triggerPolicy"]["condition"]]', 'task["triggerPolicy"]["condition"].split("\'")[1]]')): "guarded(text)['ask']",
            swap((" or makers & again", "")): "naming only what takes the changed parameters",
            swap(("makers & again", "set(tasks[name].get('dependentTasks', [])) & again")): "following what is waited for",
            swap((" or not cached", "")): "leaving out tasks that are never cached",
            swap(('"dag" in component_of(text, tasks[name]) or ', "")): "counting every group",
            swap(('tasks[name].get("inputs", {}).values() for', 'list(tasks[name].get("inputs", {}).values())[:1] for')): "run_again",
            swap(("fresh or makers", "makers")): "run_again",
            swap((" in changed for", " in changed[:1] for")): "run_again(text, [",
            swap(('.get("enableCache")', '.get("enableCache", "enableCache" in tasks[name].get("cachingOptions", {}))'), ('"dag" in component_of(text, tasks[name]) or', '"enableCache" in tasks[name].get("cachingOptions", {}) or "dag" in component_of(text, tasks[name]) or')): "leaving out tasks that are never cached",
            swap(('tasks[name].get("cachingOptions", {})', 'tasks[name].get("cachingOptions", {"enableCache": True})')): "leaving out tasks that are never cached",
            swap(('"dag" in component_of(text, tasks[name])', 'name.startswith("condition")')): "counting every group",
            swap(("            if inner:", '            if inner and name.startswith("condition"):')): "the tasks that guarded(text) names",
            swap(("            if inner:", "            if inner and len(held) < 2:")): "the tasks that guarded(text) names",
            swap(("makers & again", '{maker for maker in makers if maker and "dag" not in component_of(text, tasks[maker])} & again')): "run_again(text, [",
            swap(('said.get("componentInputParameter") in changed for said in taken', 'each in yaml.safe_dump(tasks[name].get("inputs", {})) for each in changed')): "run_again(text, [",
            swap(("makers & again", '{one for one in again if one in yaml.safe_dump(tasks[name].get("inputs", {}))}')): "run_again(text, [",
            "def guarded(text):\n    return {}\ndef run_again(text, changed):\n    return set(root_tasks(text))": "run_again",
        },
        right=[AGAIN, swap(("    return again\n", "    return sorted(again)\n"))],
    )  # fmt: skip
    assert result.wrong[8].points == 3, "what is only waited for costs one part"


CHOOSE = """
import sys

def choose():
    try:
        import torch_xla
        return {"device": "xla", "dtype": torch.bfloat16, "backend": "xla", "scaler": False}
    except ImportError:
        pass
    if not torch.accelerator.is_available():
        return {"device": torch.device("cpu"), "dtype": torch.float32, "backend": "gloo", "scaler": False}
    device = torch.accelerator.current_accelerator()
    if device.type == "cuda":
        whole = torch.cuda.get_device_capability()[0] >= 8 or torch.version.hip is not None
        return {"device": device, "dtype": torch.bfloat16 if whole else torch.float16, "backend": "nccl", "scaler": not whole}
    if device.type == "mps":
        return {"device": "mps", "dtype": torch.float32, "backend": "gloo", "scaler": False}
    return dict(device=device, dtype=torch.bfloat16, backend=torch.distributed.get_default_backend_for_device(device), scaler=False)

def with_positions(hidden, lengths):
    rows, positions, width = hidden.shape
    position = torch.arange(positions).to(hidden.device)
    there = position.expand(rows, positions) < lengths.unsqueeze(1)
    made = hidden.float() if hidden.dtype == torch.bfloat16 else hidden.clone()
    made = made + torch.sin(position.double()).to(made.dtype).view(1, -1, 1)
    return made.masked_fill(~there.unsqueeze(-1), 0.0).to(hidden.dtype)
"""
IF_BY_IF = """
def choose():
    device, dtype, backend = "cpu", torch.float32, "gloo"
    if importlib.util.find_spec("torch_xla") is not None:
        device, dtype, backend = "xla", torch.bfloat16, "xla"
    elif torch.cuda.is_available():
        device, backend = "cuda", "nccl"
        dtype = torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    elif torch.backends.mps.is_available():
        device = "mps"
    elif torch.xpu.is_available():
        device, dtype, backend = "xpu", torch.bfloat16, "xccl"
    return {"device": device, "dtype": dtype, "backend": backend, "scaler": dtype is torch.float16}
"""


def test_any_device():
    swap = partial(changed, "q9")
    mended = changed("q9").split("def with_positions")[1]
    result = judged(
        "q9",
        before=("imports", "q9-given"),
        wrong={
            swap(("check_available=True", "")): "where PyTorch was built for CUDA",
            swap(("including_emulation=False", "")): "compute capability 7.5",
            swap(('"cuda": "nccl"', '"cuda": "nccl" if not torch.version.hip else "rccl"')): "an AMD GPU",
            swap(('"xpu": "xccl"', '"xpu": "xccl", "mps": None')): "backend of choose() on an Apple GPU",
            swap(('"xpu": "xccl"', '"xpu": "ccl"')): "an Intel GPU",
            swap(('"scaler": emulated', '"scaler": False')): "scaler of choose()",
            swap(('device in ("xla", "cuda", "xpu")', 'device != "cpu"')): "an Apple GPU",
            swap(('"xla" if importlib.util.find_spec("torch_xla") else here.type', "here.type")): "a TPU",
            swap(("here.type if here else", '"cuda" if torch.cuda.is_available() else')): "device of choose() on",
            swap(("position[None, :] < lengths[:, None]", "position[None, :] < torch.tensor(lengths.tolist(), device=hidden.device)[:, None]")): "a tensor was read that lies elsewhere",
            swap(("dtype = torch.float16 if emulated else dtype", "pass")): "compute capability 7.5",
            swap((", device=hidden.device", "")): "not on the expected device",
            swap((".to(hidden.dtype)", "")): "the dtype of with_positions",
            swap(("torch.sin(position.float())", "torch.sin(position.to(hidden.dtype))")): "above 256",
            swap(("    made = hidden + torch", "    made = hidden.add_(torch"), (".to(hidden.dtype)", ".to(hidden.dtype))")): "to stay as it was",
            swap(("    return made * there[:, :, None]\n", "    return made\n")): "with_positions of 7 positions",
            swap(("position[None, :] < lengths", "position[None, :] <= lengths")): "with_positions of",
            "def choose():\n    return {'device': 'cpu', 'dtype': torch.float32, 'backend': 'gloo', 'scaler': False}\nwith_positions = with_positions_on_a_cpu": "device of choose()",
        },
        right=[CHOOSE, IF_BY_IF + "\n\ndef with_positions" + mended],
    )  # fmt: skip
    assert result.wrong[11].points == 3


def test_predictions():
    said = "def predictions():\n    return {!r}"
    one = FOUND | {"mean": not FOUND["mean"]}
    two = one | {"spot": not FOUND["spot"]}
    result = judged(
        "q10",
        wrong={
            said.format(one): "right predictions",
            said.format(two): "right predictions",
            said.format({name: not value for name, value in FOUND.items()}): "right predictions",
            said.format({"mean": False}): "'newest'",
            said.format(dict.fromkeys(FOUND, 1)): "True or False",
        },
        right=[said.format(FOUND)],
    )
    assert [report.points for report in result.wrong[:2]] == [1, 0]


def test_what_is_predicted_is_what_the_cells_measure():
    made = namespace(given("imports", "q10-measure"))
    assert made["measure"]() == FOUND
