"""The questions of chapter 18: clouds, clusters, other hardware.

Nothing is asked of a cloud, a cluster or a device: environments, job files, gradients, manifests, pipelines
and machines are drawn, and what comes of them is worked out here as well, once rightly and once for each
likely mistake, so that a message can name it. Where a draw would not tell a mistake from the right answer,
it is drawn again.
"""

from __future__ import annotations

import copy
import itertools
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from graphlib import TopologicalSorter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from course_utils.checks import expect
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.checks.predictions import six_predictions
from course_utils.checks.report import Failed, Rung
from course_utils.wire.answer import Answer

if TYPE_CHECKING:
    # what the learner writes: the functions below that are sent along call it by its name
    find_places: Any = None
    averaged: Any = None
    save: Any = None
    load: Any = None
    build: Any = None
    open_target: Any = None
    drifted: Any = None
    choose: Any = None
    with_positions: Any = None

LESSONS = "lessons/18_clouds_and_clusters/"
CLOUDS = LESSONS + "01_one_script_three_clouds.ipynb"
WORKERS = LESSONS + "02_two_workers_with_ray.ipynb"
MANIFEST = LESSONS + "03_one_manifest_three_targets.ipynb"
PIPELINE = LESSONS + "04_a_pipeline_compiled.ipynb"
DEVICES = LESSONS + "05_code_for_any_device.ipynb"

exercise = Exercise(
    "18_clouds_and_clusters",
    title="Clouds, clusters, other hardware",
    minutes=130,
    difficulty="hard",
    cost="some seconds; nets of a few weights are trained",
)

TRIES = 2000  # draws at most, until one tells each mistake from the right answer


def _telling(make: Callable[[], Any], answers: Callable[[Any], Mapping[str, Any]]) -> Any:
    """A case whose right answer ("") no mistake gives; `answers` works all of them out for a case."""
    for _ in range(TRIES):
        case = make()
        found = dict(answers(case))
        right = found.pop("")
        if all(mistaken != right for mistaken in found.values()):
            return case
    raise AssertionError(f"no draw tells {', '.join(found)} from the right answer")


def _same(got: Any, answers: Mapping[str, Any], what: str) -> None:
    """`got` is the right answer ("" among `answers`); else the message names the mistake that gives it."""
    try:
        expect.equal(got, answers[""], what)
    except Failed as failed:
        raise Failed(failed.rung, failed.expected, failed.got + _guess(got, answers)) from None


def _near(got: Any, answers: Mapping[str, float], what: str, tolerance: float = 1e-6) -> None:
    """The same for a number, within a tolerance."""
    try:
        expect.close(got, answers[""], what, tolerance=tolerance)
    except Failed as failed:
        near = {words: got for words, value in answers.items() if _is_near(got, value, tolerance)}
        raise Failed(failed.rung, failed.expected, failed.got + _guess(got, near)) from None


def _is_near(got: Any, value: float, tolerance: float) -> bool:
    return isinstance(got, (int, float)) and abs(got - value) <= tolerance


def _guess(got: Any, answers: Mapping[str, Any]) -> str:
    found = (words for words, value in answers.items() if words and type(value) is type(got) and value == got)
    words = next(found, "")
    return f": that comes of {words}" if words else ""


def _refused(came: Mapping[str, Any], what: str, names: Sequence[str]) -> None:
    """A ValueError came, whose message names all of these."""
    if "crash" in came:
        raise Failed(Rung.CRASHED, f"{what} to end in a ValueError", came["crash"])
    if "refused" not in came:
        raise Failed(Rung.WRONG_VALUE, f"{what} to raise ValueError", f"{expect.show(came.get('value'))}")
    for name in names:
        expect.true(
            name in str(came["refused"]),
            f"the message for {what} to name {name}",
            expect.show(came["refused"]),
        )


def _value(came: Mapping[str, Any], what: str) -> Any:
    """What something gave that should not raise."""
    if "refused" in came:
        raise Failed(
            Rung.WRONG_VALUE, f"{what} to be answered", f"ValueError({expect.show(came['refused'])})"
        )
    if "crash" in came:
        raise Failed(Rung.CRASHED, f"{what} to be answered", came["crash"])
    return came.get("value")


def _hex(draw: Draw, digits: int) -> str:
    """So many hexadecimal digits, letters among them."""
    made = "".join(draw.random.choice("0123456789abcdef") for _ in range(digits - 2))
    return made + draw.random.choice("abcdef") + draw.random.choice("0123456789")


def outcome(ask: Callable[[], Any]) -> dict:
    """What comes of a call: its value, the text of a ValueError, or another error."""
    try:
        return {"value": ask()}
    except NotImplementedError:
        raise
    except ValueError as error:
        return {"refused": str(error)}
    except Exception as error:
        return {"crash": f"{type(error).__name__}: {error}"}


# q1: where things are

PLACES = ("data", "model", "checkpoints")
MARKS = {"sagemaker": "SM_MODEL_DIR", "vertex": "AIP_MODEL_DIR", "azure": "AZUREML_RUN_ID"}


@exercise.question(
    "q1",
    title="Where the model goes",
    points=3,
    difficulty=1,
    needs=("find_places",),
    lesson=CLOUDS + "#Where things are: one function",
    hints=(
        "One table says which variable of which cloud holds which place. What does your function do with a "
        "place that the table does not have for this cloud?",
        "Find the cloud first, by its mark; an empty text is no mark. Then put the options together: what "
        "SM_HPS says, and over it what was given. For each place: the option, or else the variable, or else "
        "the error. A gs:// path loses five characters and gets the mount before it.",
        "The same for the settings of a lamp, given by hand or by a variable:\n"
        "value = given.get('colour') or environment.get('LAMP_COLOUR')\n"
        "if not value:\n"
        "    raise ValueError('colour is missing: give LAMP_COLOUR or --colour')",
    ),
)
def places(answer: Answer, draw: Draw) -> None:
    mine = answer.given(outcome, found_places)
    runs = {cloud: _run_on(draw, cloud) for cloud in ("sagemaker", "vertex", "azure", "local")}

    def ask(run: Mapping[str, Any]) -> dict[str, Any]:
        came = mine.call("found_places", run["environment"], run["options"], run["mount"])
        expect.type_of(came, dict, "find_places(environment, options, mount)")
        return came

    def judge(run: Mapping[str, Any], wanted: Mapping[str, str | None], words: str) -> None:
        what = f"find_places(…) {words}"
        found = _value(ask(run), what)
        expect.keys(found, ("cloud", *PLACES), what)
        for name in ("cloud", *PLACES):
            right, got = wanted[name], found[name]
            if right is None or name == "cloud":
                expect.equal(got, right, f"{name} of {what}")
            else:
                expect.type_of(got, str, f"{name} of {what}")
                same = PurePosixPath(got) == PurePosixPath(right)
                expect.true(same, f"{name} of {what} to be {right!r}", expect.show(got))

    with part("three clouds, and none", points=1):
        for cloud, run in runs.items():
            judge(run, run["wanted"], f"on {cloud}" if cloud != "local" else "in no cloud")
        for cloud, run in runs.items():
            bucket = f"rows-{draw.random.randrange(999)}/gs"
            there, data = {"data": f"gs://{bucket}"}, {"data": f"{run['mount']}/{bucket}"}
            judge(_with(run, there), run["wanted"] | data, f"on {cloud}, with a gs:// path for data,")
        run = copy.deepcopy(runs["sagemaker"])
        run["environment"]["SM_HPS"] = json.dumps({"checkpoints": "gs://kept/7"})
        kept = {"checkpoints": f"{run['mount']}/kept/7"}
        judge(run, run["wanted"] | kept, "on sagemaker, where SM_HPS says a gs:// path for checkpoints,")
    with part("what wins over what", points=1):
        for cloud, run in runs.items():
            given = {"model": f"/given/{draw.random.randrange(999)}"}
            judge(_with(run, given), run["wanted"] | given, f"on {cloud}, with the option model,")
        run = copy.deepcopy(runs["sagemaker"])
        told = json.loads(run["environment"]["SM_HPS"]) | {"data": "/opt/ml/input/data/said"}
        run["environment"]["SM_HPS"] = json.dumps(told)
        judge(run, run["wanted"] | {"data": told["data"]}, "on sagemaker, where SM_HPS says data,")
        given = {"data": "/opt/ml/input/data/given"}
        judge(_with(run, given), run["wanted"] | given, "on sagemaker, where SM_HPS and an option say data,")
        run["environment"] |= {"AIP_MODEL_DIR": "", "AZUREML_RUN_ID": ""}
        judge(run, run["wanted"] | {"data": told["data"]}, "on sagemaker, where the others' marks are empty,")
        run = copy.deepcopy(runs["sagemaker"])
        del run["environment"]["SM_HPS"]
        judge(run, run["wanted"] | {"checkpoints": None}, "on sagemaker, without SM_HPS,")
        run["environment"] |= {"SM_HPS": "", "AIP_CHECKPOINT_DIR": "gs://wrong/checkpoints"}
        words = "on sagemaker, where SM_HPS is empty and AIP_CHECKPOINT_DIR, which is Vertex's, is set,"
        judge(run, run["wanted"] | {"checkpoints": None}, words)
        run = copy.deepcopy(runs["vertex"])
        run["environment"]["AIP_CHECKPOINT_DIR"] = ""
        judge(run, run["wanted"] | {"checkpoints": None}, "on vertex, where AIP_CHECKPOINT_DIR is empty,")
        place = f"/srv/kept-{draw.random.randrange(999)}"
        for cloud in ("vertex", "azure", "local"):
            run = copy.deepcopy(runs[cloud])
            run["options"].pop("checkpoints", None)
            run["environment"]["SM_HPS"] = json.dumps({"checkpoints": place})
            judge(run, run["wanted"] | {"checkpoints": place}, f"on {cloud}, where SM_HPS says checkpoints,")
    with part("what is refused", points=1):
        for first, second in itertools.combinations(draw.sample(MARKS, 3), 2):
            run = copy.deepcopy(runs[first])
            run["environment"][MARKS[second]] = "/somewhere"
            _refused(ask(run), f"the marks of {first} and {second}", (MARKS[first], MARKS[second]))
        for cloud, place, names in (
            ("sagemaker", "data", ("SM_CHANNEL_TRAIN", "--data")),
            ("azure", "model", ("--model",)),
            ("local", "data", ("--data",)),
            ("local", "model", ("--model",)),
            ("vertex", "data", ("--data",)),
        ):
            for others in (False, True):
                run = copy.deepcopy(runs[cloud])
                run["options"].pop(place, None)
                run["environment"].pop("SM_CHANNEL_TRAIN", None)
                words = ""
                if others:  # what does not count: an empty variable, and those of another cloud
                    own = cloud == "sagemaker"
                    run["environment"]["SM_CHANNEL_TRAIN"] = "" if own else "/wrong"
                    words = ", SM_CHANNEL_TRAIN " + ("empty" if own else "set, which is SageMaker's")
                came, what = ask(run), f"a run on {cloud} without a place for the {place}{words}"
                _refused(came, what, names)
                _names_no_other(came["refused"], cloud, what)


def _names_no_other(message: str, cloud: str, what: str) -> None:
    """The message for a missing place names no variable of another cloud: setting it would not help."""
    places = {"sagemaker": ("SM_CHANNEL_TRAIN",), "vertex": ("AIP_MODEL_DIR", "AIP_CHECKPOINT_DIR")}
    others = (name for other, names in places.items() if other != cloud for name in names)
    for name in others:
        expect.true(
            name not in str(message),
            f"the message for {what} not to name {name}, which says nothing on {cloud}",
            expect.show(message),
        )


def _with(run: Mapping[str, Any], options: Mapping[str, str]) -> dict[str, Any]:
    return {**run, "options": run["options"] | options}


def _run_on(draw: Draw, cloud: str) -> dict[str, Any]:
    """An environment, its options, and the places that come of them."""
    number = f"{draw.random.randrange(10**4, 10**5)}"
    mount = f"/mnt/{number}"
    noise = {"HOME": "/nobody", "PATH": "/usr/bin", "MODEL_DIR": "/wrong", "HOSTNAME": f"host-{number}"}
    wanted: tuple[str | None, ...]
    if cloud == "sagemaker":
        data, model = f"/opt/ml/input/data/train-{number}", f"/opt/ml/model-{number}"
        kept = f"/opt/ml/checkpoints-{number}"
        environment = {
            "SM_MODEL_DIR": model,
            "SM_CHANNEL_TRAIN": data,
            "SM_CHANNEL_TEST": "/opt/ml/input/data/test",
        }
        environment |= {
            "SM_OUTPUT_DATA_DIR": "/opt/ml/output/data",
            "SM_HPS": json.dumps({"steps": "30", "checkpoints": kept}),
        }
        options, wanted = {}, (data, model, kept)
    elif cloud == "vertex":
        bucket, place = f"bucket-{number}", f"runs/{draw.random.randrange(99)}"
        environment = {
            "AIP_MODEL_DIR": f"gs://{bucket}/{place}/model",
            "AIP_CHECKPOINT_DIR": f"gs://{bucket}/{place}/checkpoints",
        }
        environment |= {"AIP_TENSORBOARD_LOG_DIR": f"gs://{bucket}/{place}/logs", "CLOUD_ML_JOB": "{}"}
        options = {"data": f"gs://rows-{number}/gs/topics", "steps": "30"}
        wanted = (
            f"{mount}/rows-{number}/gs/topics",
            *(f"{mount}/{bucket}/{place}/{name}" for name in ("model", "checkpoints")),
        )
    else:
        root = f"/mnt/azureml/cr/{number}" if cloud == "azure" else f"/srv/{number}"
        options = {"data": f"{root}/INPUT_data", "model": f"{root}/out/model", "rate": "0.002"}
        environment = (
            {"AZUREML_RUN_ID": f"red_lamp_{number}", "AZUREML_MODEL_DIR": "/wrong"}
            if cloud == "azure"
            else {}
        )
        if cloud == "azure":
            options["checkpoints"] = f"{root}/out/checkpoints"
        wanted = (options["data"], options["model"], options.get("checkpoints"))
    named: dict[str, str | None] = {"cloud": cloud, **dict(zip(PLACES, wanted, strict=True))}
    return {"environment": noise | environment, "options": options, "mount": mount, "wanted": named}


def found_places(environment: dict, options: dict, mount: str) -> dict:
    """What the learner's function finds, paths as texts."""
    from pathlib import Path

    def ask() -> dict:
        found = find_places(environment, options, Path(mount))
        return {name: None if value is None else str(value) for name, value in dict(found).items()}

    return outcome(ask)


# q2: a job for SageMaker

TYPES = (
    "ml.g5.xlarge",
    "ml.g5.2xlarge",
    "ml.g6.xlarge",
    "ml.p4d.24xlarge",
    "ml.m7i.xlarge",
    "ml.c7i.2xlarge",
)
CHECKPOINTS = "/opt/ml/checkpoints"


@exercise.question(
    "q2",
    title="A job, field by field",
    points=4,
    difficulty=2,
    needs=("sagemaker_job",),
    lesson=CLOUDS + "#The job as a file",
    hints=(
        "Lay the request of lesson 18.1 beside `run`, and draw a line from each name of `run` to its place "
        "there. What is left over, and when does it have to be there?",
        "A comprehension makes the channels, another one the texts of the hyper-parameters; make a dict of "
        "your own of those, as `run` is the caller's. What only a spot job has goes in under one `if` at "
        "the end. The time to wait counts from the job's start, so it holds the time to run.",
        "A letter with an enclosure only where there is one:\n"
        "letter = {'To': name, 'Pages': [{'Number': n} for n in pages]}\n"
        "if enclosure:\n"
        "    letter |= {'Enclosed': True, 'Weight': paper + enclosure}",
    ),
)
def job_for_sagemaker(answer: Answer, draw: Draw) -> None:
    plain, spot = _training_run(draw, None), _training_run(draw, draw.random.choice(QUARTERS))
    at_once = _training_run(draw, 0)
    came = {}
    for kind, run in (("a run", plain), ("a spot run", spot), ("a spot run with spot=0", at_once)):
        came[kind] = answer.call("sagemaker_job", run)
        expect.type_of(came[kind], dict, f"sagemaker_job for {kind}")
    with part("what runs, and on which machine", points=1):
        for kind, run in (("a run", plain), ("a spot run", spot)):
            what = f"the job of {kind}"
            _field(came[kind], what, ("TrainingJobName",), run["name"])
            _field(came[kind], what, ("RoleArn",), run["role"])
            _field(came[kind], what, ("AlgorithmSpecification", "TrainingImage"), run["image"])
            _field(came[kind], what, ("AlgorithmSpecification", "TrainingInputMode"), "File")
            for name, key in (
                ("InstanceType", "instance"),
                ("InstanceCount", "machines"),
                ("VolumeSizeInGB", "disk"),
            ):
                _field(came[kind], what, ("ResourceConfig", name), run[key])
    with part("settings are texts", points=1):
        for kind, run in (("a run", plain), ("a spot run", spot)):
            found = came[kind].get("HyperParameters")
            what = f"the HyperParameters of {kind}"
            expect.keys(found, run["settings"], what)
            for name, value in run["settings"].items():
                expect.type_of(found[name], str, f"{what}: {name}")
                expect.true(
                    _reads_as(found[name], value),
                    f"{what}: {name} to be {value} as a text",
                    expect.show(found[name]),
                )
            more = set(found) - set(run["settings"]) - {"checkpoints"}
            expect.true(
                not more, f"{what} to be those of `settings`", f"also {', '.join(map(str, sorted(more)))}"
            )
        left = answer.left("sagemaker_job", spot)[0]
        expect.equal(left, spot, "`run` after the call, which is its caller's (nothing may be added to it),")
    with part("rows, time, and the place for the model", points=1):
        for kind, run in (("a run", plain), ("a spot run", spot)):
            _channels(came[kind], run, f"the job of {kind}")
            _uri(
                came[kind],
                f"the job of {kind}",
                ("OutputDataConfig", "S3OutputPath"),
                f"s3://{run['bucket']}/runs/",
            )
            seconds = _field_of(
                came[kind], f"the job of {kind}", ("StoppingCondition", "MaxRuntimeInSeconds")
            )
            expect.type_of(seconds, int, f"MaxRuntimeInSeconds of {kind}")
            _same(
                seconds,
                _seconds(run["hours"]) | {"hours taken for minutes": round(run["hours"] * 60)},
                f"MaxRuntimeInSeconds of {kind} of at most {run['hours']} hours",
            )
    with part("spot, with a place for checkpoints", points=1):
        _spot(came["a spot run"], spot, "a spot run")
        _spot(came["a spot run with spot=0"], at_once, "a run with spot=0 (spot, as 0 is a number)")
        for name in ("EnableManagedSpotTraining", "CheckpointConfig"):
            expect.true(
                not came["a run"].get(name),
                f"a run that is no spot run to have no {name}",
                expect.show(came["a run"].get(name)),
            )
        stopping = came["a run"].get("StoppingCondition")
        waits = isinstance(stopping, dict) and "MaxWaitTimeInSeconds" in stopping
        expect.true(
            not waits,
            "a run that is no spot run to have no MaxWaitTimeInSeconds (SageMaker refuses it)",
            expect.show(stopping),
        )
        kept = "checkpoints" in (came["a run"].get("HyperParameters") or {})
        expect.true(
            not kept, "a run that is no spot run to have no hyper-parameter checkpoints", "it has one"
        )


#: hours that are whole seconds and no whole minutes, as are the sums of two of them
QUARTERS = (0.3125, 0.8125, 1.5625, 3.0625, 4.3125)


def _seconds(hours: float) -> dict[str, Any]:
    """A time in whole seconds, and what is left of it in whole minutes or hours."""
    return {
        "": round(hours * 3600),
        "cutting the time to whole minutes": int(hours * 60) * 60,
        "cutting the time to whole hours": int(hours) * 3600,
    }


def _training_run(draw: Draw, wait: float | None) -> dict[str, Any]:
    number = draw.random.randrange(100, 999)
    account = draw.random.randrange(10**11, 10**12)
    names = draw.sample(("train", "base", "test", "vocabulary"), draw.random.randrange(2, 4))
    return {
        "name": f"topics-{number}",
        "role": f"arn:aws:iam::{account}:role/course-{number}",
        "image": f"{account}.dkr.ecr.eu-central-1.amazonaws.com/course-training:1.{number}",
        "instance": draw.random.choice(TYPES),
        "machines": draw.random.randrange(1, 5),
        "disk": draw.random.randrange(20, 200),
        "hours": draw.random.choice(QUARTERS),
        "bucket": f"bucket-{number}",
        "data": {name: f"s3://rows-{draw.random.randrange(999)}/{name}/" for name in names},
        "settings": {
            "steps": draw.random.randrange(30, 3000),
            "rate": draw.random.choice((5e-5, 2e-5, 3e-6)),
            "order": "shuffled",
        },
        "spot": wait,
    }


def _reads_as(text: str, value: object) -> bool:
    """Whether a text says this value: a number in whatever form, or the same text."""
    if isinstance(value, str):
        return text == value
    try:
        return float(text) == value and (isinstance(value, float) or text.strip().isdigit())
    except ValueError:
        return False


def _field_of(job: Mapping[str, Any], what: str, path: Sequence[str]) -> Any:
    found: Any = job
    for depth, name in enumerate(path):
        expect.keys(found, (name,), " of ".join([*reversed(path[:depth]), what]))
        found = found[name]
    return found


def _field(job: Mapping[str, Any], what: str, path: Sequence[str], wanted: object) -> None:
    expect.equal(_field_of(job, what, path), wanted, " of ".join([*reversed(path), what]))


def _uri(job: Mapping[str, Any], what: str, path: Sequence[str], wanted: str) -> None:
    """A place in S3, with or without the slash at its end."""
    found = _field_of(job, what, path)
    name = " of ".join([*reversed(path), what])
    expect.type_of(found, str, name)
    expect.true(found.rstrip("/") == wanted.rstrip("/"), f"{name} to be {wanted!r}", expect.show(found))


def _channels(job: Mapping[str, Any], run: Mapping[str, Any], what: str) -> None:
    found = _field_of(job, what, ("InputDataConfig",))
    expect.each_of(found, dict, f"InputDataConfig of {what}")
    for channel in found:
        expect.keys(channel, ("ChannelName", "DataSource"), f"each channel of {what}")
    names = [channel["ChannelName"] for channel in found]
    expect.each_of(names, str, f"the names of the channels of {what}")
    expect.equal(sorted(names), sorted(run["data"]), f"the names of the channels of {what}")
    for channel in found:
        where = f"the channel {channel['ChannelName']} of {what}"
        _field(channel, where, ("DataSource", "S3DataSource", "S3DataType"), "S3Prefix")
        _uri(channel, where, ("DataSource", "S3DataSource", "S3Uri"), run["data"][channel["ChannelName"]])


def _spot(job: Mapping[str, Any], run: Mapping[str, Any], kind: str) -> None:
    what = f"the job of {kind}"
    _field(job, what, ("EnableManagedSpotTraining",), True)
    wait = _field_of(job, what, ("StoppingCondition", "MaxWaitTimeInSeconds"))
    expect.type_of(wait, int, f"MaxWaitTimeInSeconds of {what}")
    answers = _seconds(run["hours"] + run["spot"]) | {
        "counting the waiting alone: it has to hold the running too": round(run["spot"] * 3600),
        "counting the running alone": round(run["hours"] * 3600),
    }
    _same(
        wait,
        answers,
        f"MaxWaitTimeInSeconds for {run['hours']} hours of running and {run['spot']} of waiting",
    )
    _field(job, what, ("CheckpointConfig", "LocalPath"), CHECKPOINTS)
    _uri(job, what, ("CheckpointConfig", "S3Uri"), f"s3://{run['bucket']}/checkpoints/{run['name']}/")
    _field(job, what, ("HyperParameters", "checkpoints"), CHECKPOINTS)


# q3: faults in jobs


@exercise.question(
    "q3",
    title="Faults in three jobs",
    points=4,
    difficulty=3,
    needs=("job_faults",),
    lesson=CLOUDS + "#Field by field",
    hints=(
        "The same fault stands in another place in each cloud's job. Can you first fetch what a rule asks "
        "for (the images, the names with values), and then apply the rule once, whatever cloud it came from?",
        "Fetch with .get(name, {}) all the way down, since what is missing is just the fault. A tag stands "
        "behind a colon in the last part of an image's name: a colon before a slash is a port's. The "
        "re module's findall gives the names in ${{inputs.x}}: r'\\$\\{\\{inputs\\.(\\w+)\\}\\}'.",
        "Which guests came without a ticket, from two kinds of lists:\n"
        "names = {'train': lambda list: [guest['name'] for guest in list], 'ship': list}[kind](guests)\n"
        "faults = {'ticket'} if any(name not in tickets for name in names) else set()",
    ),
)
def faults_of_jobs(answer: Answer, draw: Draw) -> None:
    def judge(cases: Sequence[tuple[str, Any, set[str], str]], names: set[str]) -> None:
        for cloud, job, wanted, words in cases:
            what = f"job_faults({cloud!r}, job) for {words}"
            found = answer.call("job_faults", cloud, job)
            expect.type_of(found, (list, tuple, set), what)
            mine = {str(name) for name in found} & names
            for name in sorted((wanted & names) - mine):
                raise Failed(Rung.WRONG_VALUE, f"{what} to name {name!r}", expect.show(found))
            for name in sorted(mine - wanted):
                raise Failed(Rung.WRONG_VALUE, f"{what} not to name {name!r}", expect.show(found))

    sound = [
        (cloud, _job(draw, cloud), set[str](), "a sound job") for cloud in ("sagemaker", "vertex", "azure")
    ]
    worst = _all_faults(draw)
    with part("images that move, jobs without an end", points=1):
        judge([*sound, *_images(draw), *_times(draw), *worst], {"image", "time"})
    with part("secrets", points=1):
        judge([*sound, *_secrets(draw), *worst], {"secret"})
    with part("taken away, with nothing kept", points=1):
        judge([*sound, *_taken_away(draw), *worst], {"spot"})
    with part("what one cloud alone asks for", points=1):
        judge([*sound, *_one_cloud(draw), *worst], {"text", "name"})


def _job(draw: Draw, cloud: str) -> dict[str, Any]:
    """A sound job."""
    number = draw.random.randrange(100, 999)
    if cloud == "sagemaker":
        return {
            "TrainingJobName": f"topics-{number}",
            "AlgorithmSpecification": {
                "TrainingImage": f"1111.dkr.ecr.eu-central-1.amazonaws.com/course:1.{number}",
                "TrainingInputMode": "File",
            },
            "HyperParameters": {"steps": str(number), "rate": "0.002", "tokenizer": "small"},
            "ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
            "EnableManagedSpotTraining": True,
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200},
            "CheckpointConfig": {"S3Uri": f"s3://bucket/checkpoints/{number}/"},
        }
    if cloud == "vertex":
        container = {
            "imageUri": f"europe-west4-docker.pkg.dev/course/training/course:{number}",
            "args": [f"--steps={number}", "--data=gs://rows"],
        }
        pool = {
            "machineSpec": {"machineType": "g2-standard-8"},
            "replicaCount": 1,
            "containerSpec": container,
        }
        return {
            "displayName": f"topics-{number}",
            "jobSpec": {
                "workerPoolSpecs": [pool],
                "scheduling": {"strategy": "SPOT", "timeout": "3600s"},
                "baseOutputDirectory": {"outputUriPrefix": f"gs://bucket/runs/{number}"},
            },
        }
    return {
        "type": "command",
        "command": "train.py --data ${{inputs.data}} --model ${{outputs.model}} --steps ${{inputs.steps}}",
        "inputs": {"data": {"type": "uri_folder", "path": f"azureml://rows/{number}"}, "steps": number},
        "outputs": {"model": {"type": "uri_folder"}},
        "environment": f"azureml:course-training:{number}",
        "compute": "azureml:gpu-low-priority",
        "limits": {"timeout": 3600},
    }


def _containers(job: dict[str, Any]) -> list[dict[str, Any]]:
    return [pool["containerSpec"] for pool in job["jobSpec"]["workerPoolSpecs"]]


Case = tuple[str, Any, set[str], str]


def _images(draw: Draw) -> list[Case]:
    cases: list[Case] = []
    digest = "@sha256:" + _hex(draw, 64)
    for image, is_fault, words in (
        ("course/training", True, "an image without a tag"),
        ("course/training:latest", True, "an image with the tag latest"),
        ("registry.example:5000/training", True, "an image without a tag, from a registry with a port"),
        ("registry.example:5000/training:2.1", False, "an image with a tag, from a registry with a port"),
        (f"course/training{digest}", False, "an image with a digest"),
        ("course/training:latest-2", False, "an image with the tag latest-2"),
    ):
        job = _job(draw, "sagemaker")
        job["AlgorithmSpecification"]["TrainingImage"] = image
        cases.append(("sagemaker", job, {"image"} if is_fault else set(), words))
        job = _job(draw, "vertex")
        job["jobSpec"]["workerPoolSpecs"].append(copy.deepcopy(job["jobSpec"]["workerPoolSpecs"][0]))
        _containers(job)[1]["imageUri"] = image
        cases.append(("vertex", job, {"image"} if is_fault else set(), words + " in the second pool"))
    for environment, words in (
        ("azureml:course-training", "an environment without a version"),
        ("azureml:course-training@latest", "an environment @latest"),
        ("azureml:course-training:latest", "an environment whose version is latest"),
    ):
        cases.append(("azure", _job(draw, "azure") | {"environment": environment}, {"image"}, words))
    return cases


def _times(draw: Draw) -> list[Case]:
    cases: list[Case] = []
    for whole in (False, True):
        words = "a job whose limits are missing" if whole else "a job without a limit of its time"
        job = _job(draw, "sagemaker")
        job["StoppingCondition"].pop("MaxRuntimeInSeconds")
        if whole:
            job = {
                name: value
                for name, value in job.items()
                if name not in ("StoppingCondition", "EnableManagedSpotTraining")
            }
        cases.append(("sagemaker", job, {"time"}, words))
        job = _job(draw, "vertex")
        job["jobSpec"]["scheduling"].pop("timeout")
        if whole:
            job["jobSpec"].pop("scheduling")
        cases.append(("vertex", job, {"time"}, words))
        job = _job(draw, "azure") | {"limits": {}}
        if whole:
            job.pop("limits")
        cases.append(("azure", job, {"time"}, words))
    both = _job(draw, "azure") | {"limits": {}, "environment": "azureml:course-training"}
    return [*cases, ("azure", both, {"time", "image"}, "a job with two faults")]


def _secrets(draw: Draw) -> list[Case]:
    cases: list[Case] = []
    names = draw.sample(("HF_TOKEN", "WANDB_API_KEY", "MAIL_PASSWORD", "STORE_SECRET"), 4)
    for name, is_fault in (
        *((name, True) for name in names),
        ("hf_token", True),
        ("Store_Key", True),
        ("HFTOKEN", True),
        ("TOKENIZERS_PARALLELISM", False),
        ("KEYS", False),
    ):
        wanted, words = {"secret"} if is_fault else set[str](), f"the variable {name}"
        value = f"v{draw.random.randrange(10**6)}"
        cases.append(
            (
                "sagemaker",
                _job(draw, "sagemaker") | {"Environment": {"MODE": "x", name: value}},
                wanted,
                words,
            )
        )
        job = _job(draw, "vertex")
        job["jobSpec"]["workerPoolSpecs"].append(copy.deepcopy(job["jobSpec"]["workerPoolSpecs"][0]))
        _containers(job)[1]["env"] = [{"name": "MODE", "value": "x"}, {"name": name, "value": value}]
        cases.append(("vertex", job, wanted, words + " in the second pool"))
        cases.append(
            (
                "azure",
                _job(draw, "azure") | {"environment_variables": {"MODE": "x", name: value}},
                wanted,
                words,
            )
        )
    job = _job(draw, "sagemaker")
    job["HyperParameters"]["hub_token"] = "v1"
    return [*cases, ("sagemaker", job, {"secret"}, "the hyper-parameter hub_token")]


def _taken_away(draw: Draw) -> list[Case]:
    without = _job(draw, "sagemaker")
    del without["CheckpointConfig"]
    paid = {**without, "EnableManagedSpotTraining": False}
    never = {name: value for name, value in without.items() if name != "EnableManagedSpotTraining"}
    vertex = _job(draw, "vertex")
    del vertex["jobSpec"]["baseOutputDirectory"]
    standard = copy.deepcopy(vertex)
    standard["jobSpec"]["scheduling"]["strategy"] = "STANDARD"
    plain = copy.deepcopy(vertex)
    del plain["jobSpec"]["scheduling"]["strategy"]
    return [
        ("sagemaker", without, {"spot"}, "managed spot without CheckpointConfig"),
        ("sagemaker", paid, set(), "EnableManagedSpotTraining: false without CheckpointConfig"),
        ("sagemaker", never, set(), "a job that says nothing of spot"),
        ("vertex", vertex, {"spot"}, "SPOT without baseOutputDirectory"),
        ("vertex", standard, set(), "STANDARD without baseOutputDirectory"),
        ("vertex", plain, set(), "a job that says nothing of a strategy"),
    ]


def _one_cloud(draw: Draw) -> list[Case]:
    cases: list[Case] = []
    for value in (draw.random.randrange(99), 0.002, True):
        job = _job(draw, "sagemaker")
        job["HyperParameters"]["seed"] = value
        cases.append(("sagemaker", job, {"text"}, f"the hyper-parameter seed: {value}"))
    for side, name in (
        ("inputs", "base"),
        ("outputs", "checkpoints"),
        ("inputs", "model"),
        ("outputs", "data"),
    ):
        job = _job(draw, "azure")
        job["command"] += f" --more ${{{{{side}.{name}}}}}"
        cases.append(
            ("azure", job, {"name"}, f"a command with ${{{{{side}.{name}}}}}, which {side} do not have,")
        )
    job = _job(draw, "azure")
    del job["outputs"]
    unused = _job(draw, "azure")
    unused["inputs"]["spare"] = 1
    return [
        *cases,
        ("azure", job, {"name"}, "a job whose outputs are missing"),
        ("azure", unused, set(), "an input that nothing uses"),
    ]


def _all_faults(draw: Draw) -> list[Case]:
    """Each cloud's job with all the faults that it can have."""
    common = {"image", "time", "secret"}
    sagemaker = _job(draw, "sagemaker")
    sagemaker["AlgorithmSpecification"]["TrainingImage"] = "course/training:latest"
    sagemaker |= {"Environment": {"HF_TOKEN": "v1"}, "StoppingCondition": {}}
    sagemaker["HyperParameters"]["steps"] = 30
    del sagemaker["CheckpointConfig"]
    vertex = _job(draw, "vertex")
    vertex["jobSpec"]["scheduling"] = {"strategy": "SPOT"}
    del vertex["jobSpec"]["baseOutputDirectory"]
    _containers(vertex)[0].update(imageUri="course/training", env=[{"name": "WANDB_API_KEY", "value": "v1"}])
    azure = _job(draw, "azure") | {"environment": "azureml:course-training", "limits": {}, "outputs": {}}
    azure["environment_variables"] = {"MAIL_PASSWORD": "v1"}
    words = "a job with every fault of its cloud"
    return [
        ("sagemaker", sagemaker, common | {"spot", "text"}, words),
        ("vertex", vertex, common | {"spot"}, words),
        ("azure", azure, common | {"name"}, words),
    ]


# q4: what a job costs


@exercise.question(
    "q4",
    title="Cheaper, and taken away",
    points=4,
    difficulty=2,
    needs=("spot_hours", "choose_machine"),
    lesson=CLOUDS + "#Cheaper, but it may be taken away",
    hints=(
        "Go through one machine with a pencil: how long is it there, how much of that is left for steps, how "
        "many whole steps is that, and from which of them does the next machine begin?",
        "Keep two numbers from machine to machine: the seconds that are paid, and the step that is safe. "
        "(life - ready) // seconds_a_step are whole steps, but never fewer than none; step // every * every "
        "is the checkpoint below a step. If a machine has time for all that is left, it ends there, whatever "
        "stands behind it in the list.",
        "A snail climbs a wall of 20 cm and slips back to the last ledge (every 3 cm) each night:\n"
        "for day in days:\n"
        "    if height + day >= 20:\n"
        "        break\n"
        "    height = (height + day) // 3 * 3",
    ),
)
def costs(answer: Answer, draw: Draw) -> None:
    with part("lost steps, and starts", points=1):
        for count, words in ((2, "taken away twice"), (3, "taken away three times")):
            job = _telling(partial(_spot_job, draw, count), _spot_answers)
            _judge_hours(answer, job, f"a job that is {words}")
        calm = _spot_job(draw, 2) | {"lives": []}
        _judge_hours(answer, calm, "a job that is never taken away")
        job = _telling(partial(_part_steps_job, draw), lambda job: _spot_answers(job, ("part",)))
        _judge_hours(answer, job, "a job that keeps each step, taken away within a step")
    with part("no checkpoint, no step, and machines that are not needed", points=1):
        job = _telling(
            lambda: _spot_job(draw, 2) | {"every": None},
            lambda job: _spot_answers(job, ("kept", "free", "work")),
        )
        _judge_hours(answer, job, "a job that keeps no checkpoint (every=None)")
        job = _spot_job(draw, 3)
        job["lives"][0] = draw.random.randrange(job["ready"] // 2, job["ready"])
        _judge_hours(answer, job, "a machine that is taken away before its first step")
        job = _spot_job(draw, 2)
        job["lives"] += [job["ready"] + job["steps"] * job["seconds_a_step"] + 60, 5000]
        _judge_hours(answer, job, "a job that is done before the last machines are taken away")
        job = _spot_job(draw, 1)
        job["lives"] = [job["ready"] + job["steps"] * job["seconds_a_step"], 5000]
        _judge_hours(answer, job, "a first machine that lives just long enough for all")
    with part("memory and deadline", points=1):
        for words, make in (("", _calm_table), ("with a tie of two prices", _tied_table)):
            table, job = _telling(partial(make, draw), _choices)
            _judge_choice(answer, table, job, words)
        table, job = _calm_table(draw)
        exact = table[0] | {"memory": job["memory"], "spot": None}
        _judge_choice(answer, [exact], job | {"deadline": 1000.0}, "with just the memory that is needed")
        _judge_choice(answer, table, job | {"memory": 10**4}, "with more memory than there is")
        _judge_choice(answer, table, job | {"deadline": 0.0001}, "with a deadline that nobody can hold")
        just = exact | {"seconds_a_step": 1}
        told = job | {"steps": 7200, "ready": 0, "deadline": 2.0}
        _judge_choice(answer, [just], told, "with a deadline that is just held")
    with part("on demand or spot", points=1):
        for kind in ("spot", "on demand"):
            table, job = _telling(partial(_spot_table, draw, kind), _spot_choices)
            _judge_choice(answer, table, job, f"where {kind} is the cheapest")
        table, job = _late_table(draw)
        _judge_choice(answer, table, job, "where the cheapest is a spot machine that is done too late")


def _spot_job(draw: Draw, count: int) -> dict[str, Any]:
    every, seconds = draw.random.randrange(5, 40), draw.random.randrange(2, 9)
    steps, ready = (
        every * draw.random.randrange(20, 40) + draw.random.randrange(every),
        draw.random.randrange(60, 600),
    )
    most = steps * seconds // (count + 2)
    # whole steps: what is left of a step is asked for in a job of its own
    lives = [ready + draw.random.randrange(most // 2, most) // seconds * seconds for _ in range(count)]
    return {"steps": steps, "seconds_a_step": seconds, "every": every, "lives": lives, "ready": ready}


def _part_steps_job(draw: Draw) -> dict[str, Any]:
    """Each step is kept, and each machine goes when most of a step is done."""
    job = _spot_job(draw, 2) | {"every": 1, "seconds_a_step": draw.random.randrange(4, 9)}
    whole = [job["seconds_a_step"] * draw.random.randrange(20, 60) for _ in job["lives"]]
    return job | {"lives": [job["ready"] + seconds + job["seconds_a_step"] - 1 for seconds in whole]}


#: mistake -> what a message says of it
SPOT = {
    "kept": "keeping steps that no checkpoint has",
    "anew": "beginning from step 0 after each stop",
    "free": "leaving out the time to get ready",
    "first": "counting the time to get ready for the first machine only",
    "work": "leaving out the time that was paid and lost",
}
PART = {"part": "counting a step that is not whole"}


def _hours(job: Mapping[str, Any], mistake: str = "") -> float:
    """The hours that are paid, or what a mistake makes of them."""
    steps, seconds, every = job["steps"], job["seconds_a_step"], job["every"]
    safe, paid = 0, 0.0
    for number, life in enumerate([*job["lives"], math.inf]):
        ready = 0 if mistake == "free" or (mistake == "first" and number) else job["ready"]
        left = ready + (steps - safe) * seconds
        if left <= life:
            paid += left
            break
        paid += life
        lived = max(0, life - ready)
        done = safe + (-(-lived // seconds) if mistake == "part" else lived // seconds)
        safe = done // every * every if every else 0
        safe = {"kept": done, "anew": 0}.get(mistake, safe)
    if mistake == "work":
        paid = steps * seconds + job["ready"] * (number + 1)
    return paid / 3600


def _spot_answers(job: Mapping[str, Any], mistakes: Sequence[str] = tuple(SPOT)) -> dict[str, float]:
    words = SPOT | PART
    return {"": _hours(job)} | {words[mistake]: _hours(job, mistake) for mistake in mistakes}


def _judge_hours(answer: Answer, job: Mapping[str, Any], words: str) -> None:
    numbers = ", ".join(f"{name}={expect.show(value)}" for name, value in job.items())
    got = answer.call(
        "spot_hours", *(job[name] for name in ("steps", "seconds_a_step", "every", "lives", "ready"))
    )
    _near(got, _spot_answers(job, (*SPOT, *PART)), f"the hours paid for {words}: spot_hours({numbers})")


def _rows(draw: Draw, job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Machines with and without a spot price; the faster, the dearer, more or less."""
    rows = []
    for number, name in enumerate(draw.sample(("amber", "birch", "cedar", "delta", "ember", "fjord"), 5)):
        seconds = draw.random.randrange(2, 12)
        price = round(draw.random.uniform(4, 14) / seconds, 2)
        lived = [draw.random.randrange(200, 1500) for _ in range(draw.random.randrange(1, 4))]
        lives = [job["ready"] + each // seconds * seconds for each in lived]  # whole steps
        memory = draw.random.choice((16, 24, 40, 80)) if number > 1 else 24
        row = {"name": name, "memory": memory, "seconds_a_step": seconds, "price": price}
        rows.append(row | {"spot": None, "lives": lives})
    return rows


def _machines_job(draw: Draw) -> dict[str, Any]:
    return {
        "steps": draw.random.randrange(900, 3000),
        "every": draw.random.choice((20, 50, 100)),
        "ready": draw.random.randrange(60, 400),
        "memory": draw.random.choice((20, 24, 30)),
        "deadline": round(draw.random.uniform(2, 6), 2),
    }


def _calm_table(draw: Draw) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    job = _machines_job(draw)
    return _rows(draw, job), job


def _tied_table(draw: Draw) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The cheapest twice, once as fast for twice the price an hour; the faster one stands behind it."""
    job = _machines_job(draw) | {"ready": 0}
    slow = {"name": "slow", "memory": 80, "seconds_a_step": 4, "price": 0.5, "spot": None, "lives": []}
    fast = slow | {"name": "fast", "seconds_a_step": 2, "price": 1.0}
    dear = slow | {"name": "dear", "price": 9.0}
    return [slow, dear, fast], job | {"deadline": 10.0}


def _spot_table(draw: Draw, kind: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Machines with memory enough, with and without spot; time enough for all of them."""
    while True:
        job = _machines_job(draw) | {"memory": 12, "deadline": 1000.0}
        rows = _rows(draw, job)
        for row in rows[1:]:
            row["spot"] = round(row["price"] * draw.random.uniform(0.3, 1.1), 2)
        draw.random.shuffle(rows)
        best = _choice(rows, job)
        if best and best[1] == kind:
            return rows, job


def _late_table(draw: Draw) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The cheapest is a spot machine that would hold the deadline if nobody took it away."""
    while True:
        rows, job = _spot_table(draw, "spot")
        best = _choice(rows, job)
        assert best is not None
        row = next(row for row in rows if row["name"] == best[0])
        told = {**job, "seconds_a_step": row["seconds_a_step"]}
        calm, whole = _hours({**told, "lives": []}), _hours({**told, "lives": row["lives"]})
        job["deadline"] = round((calm + whole) / 2, 3)
        if whole - calm > 0.02 and _choice(rows, job):
            return rows, job


def _choice(
    table: Sequence[Mapping[str, Any]], job: Mapping[str, Any], mistake: str = ""
) -> list[Any] | None:
    offers = []
    for row in table:
        if mistake != "memory" and row["memory"] < job["memory"]:
            continue
        for kind, price, lives in (("on demand", row["price"], []), ("spot", row["spot"], row["lives"])):
            if price is None or (mistake == "no spot" and kind == "spot"):
                continue
            wrong = mistake if mistake in SPOT else ""
            hours = _hours(
                {**job, "seconds_a_step": row["seconds_a_step"], "lives": [] if mistake == "calm" else lives},
                wrong,
            )
            any_time = mistake == "deadline" or (mistake == "late" and kind == "spot")
            if any_time or hours <= job["deadline"]:
                rank = price if mistake == "price" else price * hours
                offers.append(
                    (
                        round(rank, 9),
                        -hours if mistake == "slow" else hours,
                        [row["name"], kind, price * hours],
                    )
                )
    return min(offers)[2] if offers else None


CHOICES = {
    "memory": "not looking at the memory",
    "deadline": "not looking at the deadline",
    "price": "taking the lowest price of an hour, not of the job",
}
SPOT_CHOICES = {
    "no spot": "never taking a spot machine",
    "calm": "counting a spot machine as if it were never taken away",
}


LATE = {"late": "not holding spot machines to the deadline, with all the hours that are paid"}


def _names(found: Sequence[Any] | None) -> list[Any] | None:
    return list(found[:2]) if found else None


def _choices(case: tuple[Any, Any]) -> dict[str, Any]:
    tied = (
        {"slow": "taking the slower of two that cost the same"} if case[0][0]["name"] == "slow" else CHOICES
    )
    return {"": _names(_choice(*case))} | {
        words: _names(_choice(*case, mistake)) for mistake, words in tied.items()
    }


def _spot_choices(case: tuple[Any, Any]) -> dict[str, Any]:
    """The right choice, and what the mistakes choose that matter to it; all with their costs."""
    right = _choice(*case)
    mistakes = ["calm", "price"]
    if right and right[1] == "spot":
        mistakes += ["no spot", "kept", "anew", "free", "first"]
    return {"": right} | {mistake: _choice(*case, mistake) for mistake in mistakes}


def _judge_choice(answer: Answer, table: Any, job: Any, words: str) -> None:
    got = answer.call("choose_machine", table, job)
    right = _choice(table, job)
    what = f"choose_machine(table, job) {words}".rstrip()
    if right is None:
        expect.equal(got, None, what)
        return
    if got is None:
        raise Failed(Rung.WRONG_VALUE, f"{what} to be {right[0]}, {right[1]}", "None: no machine was found")
    expect.type_of(got, (list, tuple), what)
    expect.length(got, 3, what)
    slow = {"slow": "taking the slower of two that cost the same"}
    mistakes = slow | LATE | CHOICES | SPOT_CHOICES
    named = {text: _names(_choice(table, job, mistake)) for mistake, text in mistakes.items()}
    answers = {"": _names(right)} | named
    shown = {text: ", ".join(names) for text, names in answers.items() if names}
    _same(", ".join(map(str, got[:2])), shown, f"the name and the kind that {what} gives")
    found = {text: _choice(table, job, mistake) for mistake, text in (SPOT | SPOT_CHOICES).items()}
    costs = {text: best[2] for text, best in found.items() if best}
    _near(got[2], {"": right[2]} | costs, f"the cost that {what} gives", tolerance=0.0051)


# q5: gradients of several workers


@exercise.question(
    "q5",
    title="The gradient of the whole batch",
    points=3,
    difficulty=2,
    needs=("shard", "averaged"),
    lesson=WORKERS + "#The average of two gradients",
    hints=(
        "Each worker's gradient is a mean over its own rows. What do you have to do to it to get a sum over "
        "its rows?",
        "Sum the gradients, each times its rows, and divide by the rows of all. A worker without rows has "
        "the mean of nothing, which is NaN; and NaN times 0 is NaN.",
        "The mean height of two school classes, from their means:\n"
        "total = sum(mean * len(pupils) for mean, pupils in classes if pupils)\n"
        "total / sum(len(pupils) for mean, pupils in classes)",
    ),
)
def gradients(answer: Answer, draw: Draw) -> None:
    import torch

    mine = answer.given(averaged_left)
    with part("each row at one worker", points=1):
        for count, world in ((draw.random.randrange(9, 14), 3), (8, 4), (2, 4), (0, 2)):
            rows = draw.sample(range(1000), count)
            rows[-2:] = rows[1::-1]  # rows may be alike
            for rank in range(world):
                got = answer.call("shard", rows, rank, world)
                answers = {
                    "": rows[rank::world],
                    "cutting the rows into blocks": rows[
                        rank * -(-count // world) : (rank + 1) * -(-count // world)
                    ],
                    "leaving out the rows that are over": rows[: count // world * world][rank::world],
                }
                _same(got, answers, f"shard({rows}, {rank}, {world})")
    sizes = {"weight": (3, 2), "bias": (3,)}

    def parts_of(counts: Sequence[int]) -> list[list[Any]]:
        generator = torch.Generator().manual_seed(draw.random.randrange(2**31))
        fill = dict.fromkeys(sizes, math.nan)
        return [
            [
                {
                    name: torch.randn(side, generator=generator) if count else torch.full(side, fill[name])
                    for name, side in sizes.items()
                },
                count,
            ]
            for count in counts
        ]

    def judge(parts: list[list[Any]], words: str) -> None:
        came = mine.call("averaged_left", parts)
        expect.keys(came, ("mean", "left"), "averaged(parts)")
        found = came["mean"]
        expect.keys(found, sizes, f"averaged(parts) {words}")
        expect.length(found, len(sizes), f"averaged(parts) {words}")
        counts = [count for _, count in parts]
        for name, side in sizes.items():
            stack = torch.stack([gradient[name].double().nan_to_num() for gradient, _ in parts])
            weights = torch.tensor(counts).double().view(-1, *[1] * len(side))
            right, total = (stack * weights).sum(0) / sum(counts), sum(counts)
            others = {
                "the mean of the workers, however many rows they have": stack.mean(0),
                "the mean of the workers that have rows, however many": stack.sum(0)
                / sum(count > 0 for count in counts),
                "a sum that nothing divides": (stack * weights).sum(0),
                "a sum over the workers": stack.sum(0),
                "dividing by the number of workers": right * total / len(counts),
            }
            what = f"{name} of averaged(parts) {words}"
            got = expect.tensor(found[name], what, side)
            if bool(got.isnan().any()):
                raise Failed(Rung.WRONG_VALUE, f"{what} to be numbers", "NaN: 0 times NaN is NaN")
            if (got - right).abs().max().item() > 1e-5:
                guess = next(
                    (text for text, value in others.items() if (got - value).abs().max().item() <= 1e-5), ""
                )
                came_of = f": that comes of {guess}" if guess else ""
                apart = (got - right).abs().max().item()
                raise Failed(
                    Rung.WRONG_VALUE,
                    f"{what} to be the gradient of the whole batch",
                    f"up to {apart:.2g} away{came_of}",
                )
        same = all(
            torch.equal(one[name].nan_to_num(), other[name].nan_to_num())
            for (one, _), (other, _) in zip(came["left"], parts, strict=True)
            for name in sizes
        )
        expect.true(same, f"the workers' gradients {words} to stay as they were", "other numbers in them")

    with part("shares of different size", points=1):
        judge(parts_of(draw.sample(range(1, 9), 2)), "of two workers")
        judge(parts_of(draw.sample(range(1, 20), 4)), "of four workers")
    with part("a worker without rows", points=1):
        counts = [0, *draw.sample(range(2, 9), 2)]
        judge(parts_of(draw.sample(counts, 3)), "where one worker has no rows, and NaN for a gradient,")


def averaged_left(parts: list) -> dict:
    """What the learner makes of the workers' gradients, and how these are afterwards."""
    import torch

    given = [({name: value.clone() for name, value in gradient.items()}, count) for gradient, count in parts]
    mean = {name: torch.as_tensor(value).detach() for name, value in dict(averaged(given)).items()}
    return {"mean": mean, "left": [[gradient, count] for gradient, count in given]}


# q6: checkpoints


@exercise.question(
    "q6",
    title="Taken away, and resumed",
    points=4,
    difficulty=3,
    needs=("save", "load"),
    lesson=CLOUDS + "#Cheaper, but it may be taken away",
    hints=(
        "What does the next step depend on, besides the weights? And what lies in the folder if the machine "
        "is gone in the middle of torch.save?",
        "model.state_dict(), optimizer.state_dict(), the step, and torch.get_rng_state(), from which dropout "
        "draws. Save under another name in the same folder (torch.save takes none that begins with a dot), "
        "then Path.replace; only then remove old ones. Names sort as texts, where step-9 stands behind "
        "step-10: compare numbers. torch.load of a broken file raises an error: try the one before then.",
        "The newest of some films that are called film-7.mp4:\n"
        "number = lambda path: int(path.stem.removeprefix('film-'))\n"
        "max(folder.glob('film-*.mp4'), key=number, default=None)",
    ),
)
def checkpoints(answer: Answer, draw: Draw) -> None:
    import torch

    mine = answer.given(trained, in_folder)
    every, sizes = draw.random.randrange(2, 4), (4, draw.random.randrange(5, 9), 2)
    steps = every * 5
    generator = torch.Generator().manual_seed(draw.seed)
    rows = [torch.randn(6, sizes[0], generator=generator) for _ in range(steps)]
    plan = {"seed": draw.seed, "sizes": list(sizes), "rows": rows, "every": every, "keep": 2}
    whole = _trained_here(plan)

    def run(**more: Any) -> dict[str, Any]:
        came = mine.call("trained", plan | more)
        expect.keys(came, ("error", "began", "weights", "files"), "a training run with your save and load")
        if came["error"]:
            raise Failed(Rung.CRASHED, "a training run with your save and load to run", came["error"])
        return came

    def ends_alike(came: Mapping[str, Any], what: str) -> None:
        found = came["weights"]
        expect.length(found, len(whole), f"the weights of {what}")
        apart = max(
            (expect.tensor(one, f"the weights of {what}", tuple(other.shape)) - other.double())
            .abs()
            .max()
            .item()
            for one, other in zip(found, whole, strict=True)
        )
        if not apart <= 1e-7:
            guess = next(
                (
                    words
                    for words in LOST
                    if _apart(found, _trained_here(plan, kills=came["kills"], lost=words)) <= 1e-6
                ),
                "",
            )
            lost = f": that comes of {LOST[guess]}" if guess else ""
            raise Failed(
                Rung.WRONG_VALUE,
                f"{what} to end at the weights of one that was not taken away",
                f"up to {apart:.2g} away{lost}",
            )

    kill = every * draw.random.randrange(1, 3) + 1
    with part("to the last bit", points=1):
        for kills in ([], [kill], [kill, every * 3 + 1]):
            came = run(kills=kills) | {"kills": kills}
            began = [0, *(at // every * every for at in kills)]
            expect.equal(
                came["began"],
                began,
                f"the steps that load returns, where the machine is gone after step {kills}",
            )
            ends_alike(
                came,
                f"a run that is taken away after step {kills}" if kills else "a run that nobody takes away",
            )
    with part("the newest, by its number", points=1):
        came = mine.call("in_folder", [8, 9, 10, 11], 2, "")
        _kept(came, 11, ["step-10.pt", "step-11.pt"], "after steps 8, 9, 10 and 11, with keep=2,")
        came = mine.call("in_folder", [99, 100], 3, "")
        _kept(came, 100, ["step-100.pt", "step-99.pt"], "after steps 99 and 100, with keep=3,")
        came = mine.call("in_folder", [8, 9, 10, 11], 2, "times")
        times = "after steps 8, 9, 10 and 11, with keep=2, where files of later steps have earlier times,"
        _kept(came, 11, ["step-10.pt", "step-11.pt"], times)
    with part("gone while it writes", points=1):
        came = mine.call("in_folder", [4, 8, 12], 1, "half")
        _kept(came, 8, None, "after step 8, where the machine goes while step 12 is written, with keep=1,")
        came = mine.call("in_folder", [4], 1, "half")
        _kept(came, 0, None, "where the machine goes while the first checkpoint is written,")
        came = mine.call("in_folder", [4, 8, 12], 1, "rename")
        words = "after step 8, where the machine goes when step 12 is to get its name, with keep=1,"
        _kept(came, 12 if came.get("step") == 12 else 8, None, words)
        came = mine.call("in_folder", [5, 10, 15, 20], 4, "broken")
        _kept(came, 10, None, "after steps 5, 10, 15 and 20, where the files of 15 and 20 are broken,")
    with part("nothing there yet, and files of others", points=1):
        for what, words in (("none", "a folder that is not there"), ("empty", "an empty folder")):
            came = mine.call("in_folder", [], 2, what)
            _kept(came, 0, None, f"of {words}")
        came = mine.call("in_folder", [3, 6, 9], 1, "others")
        _kept(
            came,
            9,
            ["best.pt", "notes.txt", "step-9.pt", "step-notes.txt", "steps.csv"],
            "after steps 3, 6 and 9, with keep=1, beside notes.txt, best.pt, step-notes.txt and steps.csv,",
        )


LOST = {
    "optimizer": "an optimizer that begins anew",
    "random": "dropout that begins anew (torch.get_rng_state)",
    "weights": "weights that were not taken up",
}


def _kept(came: Any, step: int, files: list[str] | None, words: str) -> None:
    expect.keys(came, ("error", "step", "files", "same"), "your save and load")
    if came["error"]:
        raise Failed(Rung.CRASHED, f"load {words} to return {step}", came["error"])
    expect.equal(came["step"], step, f"what load returns {words}")
    expect.true(
        came["same"] is True,
        f"the model to have the weights and buffers of step {step} {words}",
        "others: that comes of keeping only parameters, or of weights that were not taken up",
    )
    if files is not None:
        expect.equal(came["files"], files, f"the files of the folder {words}")


def _apart(one: Sequence[Any], other: Sequence[Any]) -> float:
    return max(
        (expect.tensor(a, "a weight").double() - b.double()).abs().max().item()
        for a, b in zip(one, other, strict=True)
    )


def _trained_here(plan: Mapping[str, Any], kills: Sequence[int] = (), lost: str = "") -> list[Any]:
    """The weights after all steps; `lost`: what a checkpoint lacks."""
    import torch

    before = torch.get_rng_state()
    first, hidden, last = plan["sizes"]
    safe: dict[str, Any] = {}
    for end in [*kills, len(plan["rows"])]:
        torch.manual_seed(plan["seed"])
        net = torch.nn.Sequential(
            torch.nn.Linear(first, hidden),
            torch.nn.Tanh(),
            torch.nn.Dropout(0.5),
            torch.nn.Linear(hidden, last),
        )
        optimizer = torch.optim.AdamW(net.parameters(), lr=0.05)
        if safe:
            if lost != "weights":
                net.load_state_dict(safe["model"])
            if lost != "optimizer":
                optimizer.load_state_dict(safe["optimizer"])
            if lost != "random":
                torch.set_rng_state(safe["random"])
        for step in range(safe.get("step", 0), end):
            optimizer.zero_grad()
            net(plan["rows"][step]).square().mean().backward()
            optimizer.step()
            if (step + 1) % plan["every"] == 0:
                state = {"step": step + 1, "model": net.state_dict(), "optimizer": optimizer.state_dict()}
                safe = copy.deepcopy(state | {"random": torch.get_rng_state()})
    torch.set_rng_state(before)
    return [weight.detach() for weight in net.parameters()]


def trained(plan: dict) -> dict:
    """The learner's save and load in a run of several machines: each begins with nothing but the folder."""
    import tempfile
    from pathlib import Path

    import torch

    before, began, error = torch.get_rng_state(), [], ""
    first, hidden, last = plan["sizes"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "checkpoints"
        for end in [*plan["kills"], len(plan["rows"])]:
            torch.manual_seed(plan["seed"])
            parts = (
                torch.nn.Linear(first, hidden),
                torch.nn.Tanh(),
                torch.nn.Dropout(0.5),
                torch.nn.Linear(hidden, last),
            )
            net = torch.nn.Sequential(*parts)
            optimizer = torch.optim.AdamW(net.parameters(), lr=0.05)
            try:
                begin = int(load(folder, net, optimizer))
                began.append(begin)
                for step in range(begin, end):
                    optimizer.zero_grad()
                    net(plan["rows"][step]).square().mean().backward()
                    optimizer.step()
                    if (step + 1) % plan["every"] == 0:
                        save(folder, step + 1, net, optimizer, plan["keep"])
            except NotImplementedError:
                raise
            except Exception as raised:
                error = f"{type(raised).__name__}: {raised}"
                break
        files = sorted(path.name for path in folder.glob("*"))
    torch.set_rng_state(before)
    return {
        "error": error,
        "began": began,
        "weights": [weight.detach() for weight in net.parameters()],
        "files": files,
    }


def in_folder(steps: list, keep: int, what: str) -> dict:
    """What load finds after these steps were saved; at the last one, `what` may happen.

    half: the process ends when half of the file is written. rename: it ends before a file gets its
    name. broken: half of the two newest files is lost. times: later steps get earlier times of change.
    others: files of others lie there.
    """
    import contextlib
    import io
    import os
    import tempfile
    from pathlib import Path
    from unittest import mock

    import torch

    class Gone(BaseException):
        """The machine is taken away."""

    real_save, real_bytes = torch.save, Path.write_bytes

    def half_save(state: Any, file: Any, *more: Any, **named: Any) -> None:
        whole = io.BytesIO()
        real_save(state, whole)
        half = whole.getvalue()[: len(whole.getvalue()) // 2]
        if hasattr(file, "write"):
            file.write(half)
            file.flush()
        else:
            real_bytes(Path(file), half)
        raise Gone

    def half_bytes(path: Path, data: bytes) -> int:
        real_bytes(path, data[: len(data) // 2])
        raise Gone

    def gone(*paths: Any, **named: Any) -> None:
        raise Gone

    def numbers_of(net: Any) -> list:
        return [value for value in net.state_dict().values() if value.is_floating_point()]

    def net_of(step: int) -> tuple:
        net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
        with torch.no_grad():
            for value in numbers_of(net):
                value.fill_(step + 0.5)
        optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
        return net, optimizer

    ends: dict[str, tuple] = {
        "half": ((torch, "save", half_save), (Path, "write_bytes", half_bytes)),
        "rename": ((os, "replace", gone), (os, "rename", gone)),
    }
    before, error, found = torch.get_rng_state(), "", None
    net, optimizer = net_of(0)
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "checkpoints"
        if what in ("empty", "others"):
            folder.mkdir()
        if what == "others":
            (folder / "notes.txt").write_text("step-99")
            (folder / "steps.csv").write_text("step\n99\n")
            (folder / "step-notes.txt").write_text("99")
            (folder / "best.pt").write_bytes(b"99")
        try:
            for step in steps:
                with contextlib.ExitStack() as stack:
                    stack.enter_context(contextlib.suppress(Gone))
                    for module, name, value in ends.get(what, ()) if step == steps[-1] else ():
                        stack.enter_context(mock.patch.object(module, name, value))
                    save(folder, step, *net_of(step), keep)
                path = folder / f"step-{step}.pt"
                if what == "times":
                    os.utime(path, (10**9 - step, 10**9 - step))
                if what == "broken" and step in steps[-2:]:
                    real_bytes(path, path.read_bytes()[: path.stat().st_size // 2])
            found = int(load(folder, net, optimizer))
        except NotImplementedError:
            raise
        except Exception as raised:
            error = f"{type(raised).__name__}: {raised}"
        files = sorted(path.name for path in folder.glob("*")) if folder.exists() else []
    torch.set_rng_state(before)
    same = found is not None and all(bool((value == found + 0.5).all()) for value in numbers_of(net))
    return {"error": error, "step": found, "files": files, "same": same}


# q7: one manifest

TARGETS = ("batch", "server", "space")


@exercise.question(
    "q7",
    title="One manifest, three targets",
    points=4,
    difficulty=2,
    needs=("build", "open_target", "drifted"),
    lesson=MANIFEST + "#One manifest",
    hints=(
        "Which file has to say which model it is, so that all three targets can't but load the same one? And "
        "what must never stand in it?",
        "re.fullmatch compares a whole text, its line end too, and wants a text of exactly so many digits. "
        "Write model.json from the manifest, and read nothing else when a target is opened: load(repo, "
        "revision) with both from that file. For drifted, compare what the files say, not their bytes.",
        "A recipe, written once and read by every cook:\n"
        "Path(kitchen, 'recipe.json').write_text(json.dumps({'dish': dish, 'version': version}))\n"
        "recipe = json.loads(Path(kitchen, 'recipe.json').read_text())\n"
        "cook = fetch(recipe['dish'], recipe['version'])",
    ),
)
def one_manifest(answer: Answer, draw: Draw) -> None:
    mine = answer.given(outcome, built, released, found_drifted)
    release = _release(draw)
    plan = _opening(draw, release)
    came = mine.call("released", plan)
    expect.keys(came, ("files", "said", "asked", "error"), "building and opening the targets")
    with part("three folders that say which model", points=1):
        if came["error"] and not came["files"]:
            raise Failed(Rung.CRASHED, "build(manifest, target, folder) to run", came["error"])
        for target in TARGETS:
            expect.keys(came["files"], (target,), "the targets that were built")
            _built(came["files"][target], release, target)
    with part("no name that moves", points=1):
        _value(mine.call("built", release, "batch"), "build of a sound manifest")
        again = "build of a sound manifest into the folder of an earlier release"
        came_again = _value(mine.call("built", release, "batch", _release(draw)), again)
        _built(came_again, release, "batch", ", where an earlier release was")
        for revision, words in _not_pinned(draw, release["model"]["revision"]):
            bad = {**release, "model": release["model"] | {"revision": revision}}
            what, came_bad = f"build of a manifest with {words}", mine.call("built", bad, "batch")
            if "value" in came_bad:
                raise Failed(Rung.WRONG_VALUE, f"{what} to raise ValueError", "it wrote its files")
            _refused(came_bad, what, (revision.strip(),))
            files = ", ".join(came_bad["left"])
            expect.true(not files, f"{what} to raise ValueError before it writes a file", f"there is {files}")
    with part("the same answers, when main has moved", points=1):
        if came["error"]:
            raise Failed(
                Rung.CRASHED, "open_target(folder, load) and its predict(text) to run", came["error"]
            )
        revision = release["model"]["revision"]
        for target in TARGETS:
            asked = came["asked"].get(target)
            expect.true(
                bool(asked),
                f"open_target of {target} to get the model by load(repo, revision)",
                "no call of load",
            )
            expect.equal(
                asked[0], [release["model"]["repo"], revision], f"what open_target of {target} gives load"
            )
            answers = {
                "": _said(plan, revision),
                "the commit that main names now": _said(plan, plan["main"]),
                "labels in another order": _said(plan, revision, True),
            }
            _same(came["said"].get(target), answers, f"what {target} predicts for {len(plan['texts'])} texts")
    with part("targets that have drifted", points=1):
        for folders, right, words in _drifts(draw, release):
            found = mine.call("found_drifted", release, folders)
            expect.type_of(found, (list, tuple, set), "drifted(manifest, folders)")
            expect.equal(
                sorted(map(str, found)), right, f"the names that drifted(manifest, folders) gives {words}"
            )


def _release(draw: Draw) -> dict[str, Any]:
    versions = {
        name: f"{draw.random.randrange(1, 9)}.{draw.random.randrange(40)}.{draw.random.randrange(9)}"
        for name in ("torch", "transformers")
    }
    labels = draw.sample(("ferry", "harbour", "kettle", "tide", "lamp", "salt"), 3)
    own = {
        "server": [f"fastapi==0.{draw.random.randrange(100, 140)}.1"],
        "space": [f"gradio==6.{draw.random.randrange(9, 40)}.0"],
        "batch": [],
    }
    return {
        "model": {
            "repo": f"me/notices-{draw.random.randrange(999)}",
            "revision": _hex(draw, 40),
            "labels": labels,
        },
        "packages": versions,
        "targets": own,
    }


def _not_pinned(draw: Draw, revision: str) -> list[tuple[str, str]]:
    return [
        ("main", "the branch main"),
        (f"v1.{draw.random.randrange(9)}", "a tag for a revision"),
        (revision[:12], "twelve digits of a revision"),
        (revision + "0", "41 digits"),
        ("g" + revision[1:], "a letter that is no digit"),
        (revision.upper(), "capital letters in its revision"),
        (revision + "\n", "a line end behind its revision"),
        (" " + revision[1:], "a blank in front of 39 digits"),
        ("0x" + revision[2:], "0x in front of 38 digits"),
        (revision[:20] + "_" + revision[21:], "a _ between the digits"),
        ("\u0663" + revision[1:], "a digit of another script"),
    ]


def _opening(draw: Draw, release: Mapping[str, Any]) -> dict[str, Any]:
    """Texts, and the scores that two revisions of the model give them."""
    texts = [f"notice {number}" for number in draw.sample(range(1000), 6)]
    labels = release["model"]["labels"]

    def scores() -> dict[str, list[float]]:
        highest = {text: number % 2 and -1 for number, text in enumerate(texts)}  # scores may all be negative
        return {text: [round(draw.random.uniform(-5, highest[text]), 3) for _ in labels] for text in texts}

    def make() -> dict[str, Any]:
        now = _hex(draw, 40)
        both = {release["model"]["revision"]: scores(), now: scores()}
        return {"manifest": release, "texts": texts, "scores": both, "main": now}

    def answers(plan: Mapping[str, Any]) -> dict[str, Any]:
        revision = release["model"]["revision"]
        return {
            "": _said(plan, revision),
            "main": _said(plan, plan["main"]),
            "sorted": _said(plan, revision, True),
        }

    sorted_already = labels == sorted(labels)
    if sorted_already:
        labels.reverse()
    return _telling(make, answers)


def _said(plan: Mapping[str, Any], revision: str, by_alphabet: bool = False) -> list[str]:
    labels = plan["manifest"]["model"]["labels"]
    names = sorted(labels) if by_alphabet else labels
    found = (plan["scores"][revision][text] for text in plan["texts"])
    return [names[max(range(len(names)), key=scores.__getitem__)] for scores in found]


def _lines(release: Mapping[str, Any], target: str) -> list[str]:
    packages = (f"{name}=={version}" for name, version in release["packages"].items())
    return sorted([*packages, *release["targets"][target]])


def _built(files: Mapping[str, Any], release: Mapping[str, Any], target: str, words: str = "") -> None:
    what = f"the folder of {target}{words}"
    expect.keys(files, ("model.json", "requirements.txt"), what)
    expect.type_of(files["model.json"], str, f"model.json in {what}")
    try:
        told = json.loads(files["model.json"])
    except (ValueError, RecursionError):
        raise Failed(
            Rung.WRONG_VALUE, f"model.json in {what} to be JSON", expect.show(files["model.json"])
        ) from None
    expect.type_of(told, dict, f"model.json in {what}")
    for name, value in release["model"].items():
        expect.equal(told.get(name), value, f"{name} in model.json of {what}")
    found = sorted(line.strip() for line in str(files["requirements.txt"]).splitlines() if line.strip())
    expect.equal(found, _lines(release, target), f"the lines of requirements.txt in {what}")


def _drifts(draw: Draw, release: Mapping[str, Any]) -> list[tuple[dict[str, Any], list[str], str]]:
    model = release["model"]

    def folders(**changes: Any) -> dict[str, dict[str, str]]:
        return {target: {"model.json": json.dumps(model | changes.get(target, {}))} for target in TARGETS}

    one, two, three = draw.sample(TARGETS, 3)
    other_form = {
        target: {"model.json": json.dumps(dict(reversed(model.items())), indent=2)} for target in TARGETS
    }
    less = folders()
    less[one] = {"notes.txt": "moved"}
    broken = folders()
    broken[two] = {"model.json": json.dumps(model)[:-20]}
    empty = {target: {"model.json": "{}"} for target in TARGETS}
    short = folders()
    short[three] = {"model.json": json.dumps({name: model[name] for name in ("repo", "labels")})}
    return [
        (folders(), [], "where all is as it was built"),
        (other_form, [], "where files say the same in another form"),
        (folders(**{one: {"revision": _hex(draw, 40)}}), [one], f"where {one} has another revision"),
        (folders(**{two: {"revision": model["revision"][:7]}}), [two], f"where {two} has seven digits of it"),
        (
            folders(**{three: {"labels": model["labels"][::-1]}}),
            [three],
            f"where {three} has other labels first",
        ),
        (folders(**{two: {"repo": "me/other"}}), [two], f"where {two} has another repository"),
        (less, [one], f"where {one} has no model.json"),
        (broken, [two], f"where model.json of {two} breaks off, and is no JSON,"),
        (short, [three], f"where model.json of {three} has no revision"),
        (
            folders(**{one: {"revision": "main"}, two: {"labels": [*model["labels"], "x"]}}),
            sorted([one, two]),
            "where two have drifted",
        ),
        (empty, sorted(TARGETS), "where each model.json is {}"),
    ]


def built(manifest: dict, target: str, earlier: dict | None = None) -> dict:
    """What comes of the learner's build, files and texts; in a new folder, or in that of an earlier build."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "release" / target
        if earlier:
            build(earlier, target, folder)
        came = outcome(lambda: build(manifest, target, folder))
        files = [path for path in folder.rglob("*") if path.is_file()]
        texts = {path.relative_to(folder).as_posix(): path.read_text() for path in files}
    return {"value": texts} if "value" in came else came | {"left": sorted(texts)}


def released(plan: dict) -> dict:
    """Three targets built and opened by the learner's functions, on a Hub where main has moved."""
    import tempfile
    from pathlib import Path

    came: dict[str, Any] = {"files": {}, "said": {}, "asked": {}, "error": ""}
    asked: list = []

    def load(repo: str, revision: str = "main") -> object:
        asked.append([repo, revision])
        scores = plan["scores"][plan["main"] if revision == "main" else revision]
        return lambda text: list(scores[text])

    with tempfile.TemporaryDirectory() as name:
        try:
            for target in ("server", "space", "batch"):
                folder = Path(name) / "release" / target
                build(plan["manifest"], target, folder)
                files = (path for path in folder.rglob("*") if path.is_file())
                came["files"][target] = {
                    path.relative_to(folder).as_posix(): path.read_text() for path in files
                }
            for target in ("batch", "space", "server"):
                asked.clear()
                predict = open_target(Path(name) / "release" / target, load)
                came["said"][target] = [predict(text) for text in plan["texts"]]
                came["asked"][target] = list(asked)
        except NotImplementedError:
            raise
        except Exception as error:
            came["error"] = f"{type(error).__name__}: {error}"
    return came


def found_drifted(manifest: dict, folders: dict) -> object:
    """The targets that the learner's function names, of folders with these files."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as name:
        places = {}
        for target, files in folders.items():
            places[target] = Path(name) / target
            places[target].mkdir()
            for path, text in files.items():
                (places[target] / path).write_text(text)
        found = drifted(manifest, places)
        return sorted(found) if isinstance(found, (set, frozenset, dict)) else found


# q8: a compiled pipeline

STEPS = ("prepare", "clean", "split", "train", "tune", "evaluate", "report", "compare", "measure")
PARAMETERS = ("rows", "rows_test", "seed", "seed_of_split", "rate", "in_use")
GROUPS = ("choice", "gate", "door", "branch", "fork", "switch")
#: how a task may say that it is not cached
NEVER: dict[str, dict[str, Any]] = {
    "empty": {"cachingOptions": {}},
    "false": {"cachingOptions": {"enableCache": False}},
    "none": {},
}


@exercise.question(
    "q8",
    title="A pipeline, read and run again",
    points=4,
    difficulty=3,
    needs=("guarded", "run_again"),
    lesson=PIPELINE + "#Deploy only if better",
    hints=(
        "Print one task of the pipeline above, and the component of its group. Where does it say under which "
        "condition a group is done, where what is in it, and where from whom a task takes its inputs?",
        "A group's component has a dag with tasks of its own, and one of them may be a group: a function "
        "that calls itself, and hands down the conditions so far. For run_again go through in_order(text) "
        "and keep a set of those that run again; dependentTasks says only who waits for whom, so look into "
        "inputs, both its artifacts and its parameters, for producerTask and componentInputParameter.",
        "Who is awake, if those who are noisy wake all who hear them:\n"
        "awake = set()\n"
        "for name in from_loud_to_quiet:\n"
        "    if name in noisy or hears[name] & awake:\n"
        "        awake.add(name)",
    ),
)
def pipeline(answer: Answer, draw: Draw) -> None:
    for title, nested in (("a group", False), ("a group within a group", True)):
        with part(title, points=1):
            _judge_guarded(answer, _graph(draw, nested=nested) | {"never": NEVER["empty"]})
    with part("what has changed", points=1):
        for count, mistakes in CHANGED:
            answers = partial(_again, mistakes=mistakes)
            graph, changed = _telling(partial(_changes, draw, count), answers)
            _judge_again(answer, graph, changed)
    with part("what is never cached, and what only waits", points=1):
        for count, never in ((0, NEVER["empty"]), (1, NEVER["false"]), (0, NEVER["none"])):
            make = partial(_settled_changes, draw, count, never)
            graph, changed = _telling(make, _again)
            _judge_again(answer, graph, changed)


def _judge_guarded(answer: Answer, graph: Mapping[str, Any]) -> None:
    found = answer.call("guarded", _compiled(graph))
    expect.type_of(found, dict, "guarded(text)")
    right = graph["guarded"]
    answers = {"": sorted(right), "naming the groups as well": sorted([*right, *graph["groups"]])}
    _same(sorted(map(str, found)), answers, "the tasks that guarded(text) names")
    for name, conditions in right.items():
        expect.each_of(found[name], str, f"guarded(text)[{name!r}]")
        expect.equal([" ".join(text.split()) for text in found[name]], conditions, f"guarded(text)[{name!r}]")


def _judge_again(answer: Answer, graph: Mapping[str, Any], changed: list[str]) -> None:
    found = answer.call("run_again", _compiled(graph), changed)
    what = f"run_again(text, {changed})"
    expect.type_of(found, (set, list, tuple), what)
    plain = tuple(name for name in AGAIN if name not in ("after", "cached"))
    likely = plain if graph["never"] is None else tuple(AGAIN)
    _same(sorted({str(name) for name in found}), _again((graph, changed), likely), what)


def _changes(draw: Draw, count: int, never: dict[str, Any] | None = None) -> tuple[dict[str, Any], list[str]]:
    """A pipeline, and as many parameters that have changed. `never`: what says of a task not to cache it."""
    graph = _graph(draw, plain=never is None) | {"never": never}
    return graph, draw.sample(graph["used"], count)


def _settled_changes(draw: Draw, count: int, never: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The same, where mistakes that are looked for elsewhere change nothing, so each costs the same."""
    elsewhere = ("group", "part", "named")
    while True:
        case = _changes(draw, count, never)
        found = _again(case, elsewhere)
        if all(again == found[""] for again in found.values()):
            return case


def _graph(draw: Draw, nested: bool = True, plain: bool = False) -> dict[str, Any]:
    """A pipeline of six tasks, a group, and one that takes from the group.

    Unless it is plain, one is never cached, and one only waits.
    """
    while True:
        names, parameters = draw.sample(STEPS, 6), draw.sample(PARAMETERS, 4)
        tasks = {name: _drawn_task(draw, names, number, parameters) for number, name in enumerate(names)}
        if not plain:
            waits, earlier = _only_waits(draw, names, tasks)
            tasks[waits]["after"] = [earlier]
            tasks[draw.random.choice(names[1:4])]["cached"] = False
        graph = {"tasks": tasks, "parameters": parameters} | _group(draw, names, parameters, tasks, nested)
        sources = [source for task in tasks.values() for source in task["inputs"].values()]
        graph["used"] = sorted({source[1] for source in sources if source[0] == "parameter"})
        if len(graph["used"]) > 1:
            return graph


def _drawn_task(draw: Draw, names: Sequence[str], number: int, parameters: Sequence[str]) -> dict[str, Any]:
    """A task that takes something of one or two before it, and perhaps a parameter and a constant."""
    near = names[max(0, number - 3) : number]
    sources = draw.sample(near, min(len(near), draw.random.randrange(1, 3)))
    inputs: dict[str, tuple[Any, ...]] = {
        "from_" + source: ("task", source, draw.random.choice(("data", "Output"))) for source in sources
    }
    if not number or draw.random.random() < 0.5:
        inputs["size"] = ("parameter", draw.random.choice(parameters))
    if draw.random.random() < 0.4:
        inputs["bar"] = ("constant", draw.random.choice((0.5, 3.0, parameters[0], names[0])))
    return {"inputs": inputs, "after": [], "cached": True}


def _only_waits(draw: Draw, names: Sequence[str], tasks: Mapping[str, Any]) -> tuple[str, str]:
    """A later task, and an earlier one that it takes nothing from."""
    pairs = [
        (later, earlier)
        for place, later in enumerate(names)
        for earlier in names[:place]
        if ("from_" + earlier) not in tasks[later]["inputs"]
    ]
    return draw.random.choice(pairs)


def _group(
    draw: Draw, names: Sequence[str], parameters: Sequence[str], tasks: dict[str, Any], nested: bool
) -> dict[str, Any]:
    """A group among the tasks, perhaps with a group in a group within it, and a task that takes from it."""
    groups = [f"{name}-{draw.random.randrange(1, 9)}" for name in draw.sample(GROUPS, 3)]
    scored, shown, bar = *draw.sample(names[3:], 2), draw.random.choice(parameters)
    score, level = f"pipelinechannel--{scored}-Output", f"pipelinechannel--{bar}"
    inputs = {
        score: ("task", scored, "Output"),
        f"pipelinechannel--{shown}-data": ("task", shown, "data"),
        level: ("parameter", bar),
    }
    condition = f"inputs.parameter_values['{score}'] > inputs.parameter_values['{level}']"
    said = draw.random.choice(("yes", "go", "now"))
    inner = f"inputs.parameter_values['pipelinechannel--ask-Output'] == '{said}'" if nested else ""
    deepest = f"inputs.parameter_values['{level}'] < {draw.random.randrange(2, 99)}" if nested else ""
    group = {"inputs": inputs, "after": [], "cached": None, "condition": condition, "shown": shown}
    tasks[groups[0]] = group
    follows = {"from_group": ("task", groups[0], "Output")}
    tasks["archive"] = {"inputs": follows, "after": [], "cached": True}
    guarded = {"ask": [condition], "deploy": [condition]}
    if nested:
        guarded |= {"announce": [condition, inner], "thank": [condition, inner, deepest]}
    named = groups if nested else groups[:1]
    return {"guarded": guarded, "inner": inner, "deepest": deepest, "groups": named}


def _waited_for(task: Mapping[str, Any]) -> set[str]:
    return {source[1] for source in task["inputs"].values() if source[0] == "task"} | set(task["after"])


#: mistake -> what a message says of it
AGAIN = {
    "after": "following what is waited for, not only what is taken",
    "direct": "naming only what takes the changed parameters, and what is never cached",
    "cached": "leaving out tasks that are never cached",
    "group": "counting every group as a task that is never cached",
    "one": "looking at the first of the changed parameters only",
    "last": "looking at the last of the changed parameters only",
    "given": "not looking at parameters that have changed",
    "first": "looking at the artifacts that a task takes, not at its parameters as well",
    "through": "not following what a group hands on",
    "part": "finding the name of a parameter within another name or text",
    "named": "finding the name of a task within another text",
}
#: so many parameters have changed, and which mistakes the pipeline has to tell
CHANGED = (
    (0, ("group",)),
    (1, ("direct", "given", "first")),
    (1, ("part", "through")),
    (1, ("named",)),
    (2, ("direct", "given", "one", "last")),
)


def _again(
    case: tuple[Mapping[str, Any], Sequence[str]], mistakes: Sequence[str] = ()
) -> dict[str, list[str]]:
    """What runs again, and what these mistakes make of it, or those that matter with a task never cached."""
    graph, changed = case
    others = mistakes or (("after", "direct", "cached", "given", "first")[: 5 if changed else 3])
    return {"": _rerun(graph, changed, "")} | {
        AGAIN[mistake]: _rerun(graph, changed, mistake) for mistake in others
    }


def _in_order(tasks: Mapping[str, Any]) -> Iterable[str]:
    """The order of the notebook's `in_order`, on which a search for names in a text depends."""
    edges = {name: sorted(_waited_for(tasks[name])) for name in sorted(tasks)}
    return TopologicalSorter(edges).static_order()


def _rerun(graph: Mapping[str, Any], changed: Sequence[str], mistake: str) -> list[str]:
    again: set[str] = set()
    seen = {"one": changed[:1], "last": changed[-1:], "given": ()}.get(mistake, changed)
    for name in _in_order(graph["tasks"]):
        task = graph["tasks"][name]
        sources, text = list(task["inputs"].values()), repr(task["inputs"])
        if mistake == "first" and any(source[-1] == "data" for source in sources):
            sources = [source for source in sources if source[-1] == "data"]
        taken = {source[1] for source in sources if source[0] == "task"}
        if mistake == "after":
            taken = _waited_for(task)
        if mistake == "named":
            taken = {other for other in again if other in text}
        if mistake == "through":
            taken -= set(graph["groups"])
        given = {source[1] for source in sources if source[0] == "parameter"} & set(seen)
        if mistake == "part":
            given = {parameter for parameter in changed if parameter in text}
        never = task["cached"] is False and mistake != "cached"
        if mistake == "group" and task["cached"] is None:
            never = True
        if never or given or (taken & again and mistake != "direct"):
            again.add(name)
    return sorted(again)


def _compiled(graph: Mapping[str, Any]) -> str:
    """The pipeline as kfp's compiler writes it, less what the containers do."""
    import yaml

    components: dict[str, Any] = {}
    for name, task in graph["tasks"].items():
        if task["cached"] is not None:
            components[f"comp-{name}"] = {"executorLabel": f"exec-{name}"}
    for name in ("ask", "deploy", "announce", "thank"):
        components[f"comp-{name}"] = {"executorLabel": f"exec-{name}"}
    group = graph["groups"][0]
    shown = f"pipelinechannel--{graph['tasks'][group]['shown']}-data"
    asked = {"parameters": {"pipelinechannel--ask-Output": _source(("task", "ask", "Output"))}}
    within: dict[str, Any] = {
        "ask": _task("ask", {}),
        "deploy": _task("deploy", {"artifacts": {"model": {"componentInputArtifact": shown}}}),
    }
    within["deploy"]["dependentTasks"] = ["ask"]
    if graph["inner"]:
        second, third = graph["groups"][1:]
        within[second] = _group_task(second, asked, graph["inner"]) | {"dependentTasks": ["ask"]}
        inside = {
            "announce": _task("announce", {}),
            third: _group_task(third, {}, graph["deepest"]),
        }
        components[f"comp-{second}"] = {"dag": {"tasks": inside}}
        components[f"comp-{third}"] = {"dag": {"tasks": {"thank": _task("thank", {})}}}
    handed = {"valueFromParameter": {"outputParameterKey": "Output", "producerSubtask": "ask"}}
    components[f"comp-{group}"] = {"dag": {"outputs": {"parameters": {"Output": handed}}, "tasks": within}}
    executors = {
        f"exec-{name}": {"container": {"image": "python:3.12-slim", "args": ["--executor_input", "{{$}}"]}}
        for name in graph["tasks"]
    }
    spec = {
        "components": components,
        "deploymentSpec": {"executors": executors},
        "pipelineInfo": {"name": "drawn"},
        "root": {
            "dag": {
                "tasks": {
                    name: _root_task(name, task, graph["never"]) for name, task in graph["tasks"].items()
                }
            },
            "inputDefinitions": {
                "parameters": {name: {"parameterType": "NUMBER_DOUBLE"} for name in graph["parameters"]}
            },
        },
        "schemaVersion": "2.1.0",
        "sdkVersion": "kfp-2.17.3",
    }
    return "# PIPELINE DEFINITION\n# Name: drawn\n" + yaml.safe_dump(spec)


def _group_task(name: str, inputs: Mapping[str, Any], condition: str) -> dict[str, Any]:
    made = _task(name, inputs) | {"triggerPolicy": {"condition": condition}}
    del made["cachingOptions"]
    return made


def _root_task(name: str, task: Mapping[str, Any], never: dict[str, Any] | None) -> dict[str, Any]:
    taken: dict[str, Any] = {}
    for key, source in task["inputs"].items():
        kind = "artifacts" if source[0] == "task" and source[2] == "data" else "parameters"
        taken.setdefault(kind, {})[key] = _source(source)
    made = _task(name, taken)
    if waited := _waited_for(task):
        made["dependentTasks"] = sorted(waited)
    if task["cached"] is None:
        del made["cachingOptions"]
        made |= {"taskInfo": {"name": "better"}, "triggerPolicy": {"condition": task["condition"]}}
    elif not task["cached"]:
        del made["cachingOptions"]
        made |= never or {}
    return made


def _task(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"componentRef": {"name": f"comp-{name}"}, "cachingOptions": {"enableCache": True}}
    return made | ({"inputs": dict(inputs)} if inputs else {}) | {"taskInfo": {"name": name}}


def _source(source: tuple[Any, ...]) -> dict[str, Any]:
    if source[0] == "parameter":
        return {"componentInputParameter": source[1]}
    if source[0] == "constant":
        return {"runtimeValue": {"constant": source[1]}}
    if source[2] == "data":
        return {"taskOutputArtifact": {"outputArtifactKey": source[2], "producerTask": source[1]}}
    return {"taskOutputParameter": {"outputParameterKey": source[2], "producerTask": source[1]}}


# q9: any device

#: machine -> what PyTorch shows there, and what is right
MACHINES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a CPU": ({}, {"device": "cpu", "dtype": "float32", "backend": "gloo", "scaler": False}),
    "a CPU, where PyTorch was built for CUDA": (
        {"built": "cuda"},
        {"device": "cpu", "dtype": "float32", "backend": "gloo", "scaler": False},
    ),
    "an NVIDIA GPU of compute capability 8.0": (
        {"there": "cuda", "capability": (8, 0), "bf16": True},
        {"device": "cuda", "dtype": "bfloat16", "backend": "nccl", "scaler": False},
    ),
    "an NVIDIA GPU of compute capability 7.5": (
        {"there": "cuda", "capability": (7, 5), "bf16": False},
        {"device": "cuda", "dtype": "float16", "backend": "nccl", "scaler": True},
    ),
    "an AMD GPU (ROCm)": (
        {"there": "cuda", "capability": (9, 4), "bf16": True, "hip": "6.4.0"},
        {"device": "cuda", "dtype": "bfloat16", "backend": "nccl", "scaler": False},
    ),
    "an Apple GPU": (
        {"there": "mps"},
        {"device": "mps", "dtype": "float32", "backend": "gloo", "scaler": False},
    ),
    "an Intel GPU": (
        {"there": "xpu", "bf16": True},
        {"device": "xpu", "dtype": "bfloat16", "backend": "xccl", "scaler": False},
    ),
    "a TPU (torch_xla is installed)": (
        {"xla": True},
        {"device": "xla", "dtype": "bfloat16", "backend": "xla", "scaler": False},
    ),
}


@exercise.question(
    "q9",
    title="Any device",
    points=4,
    difficulty=2,
    needs=("choose", "with_positions"),
    lesson=DEVICES + "#A device, a dtype, a back end",
    hints=(
        "Which one question to PyTorch tells all accelerators apart, and what does it answer on a machine "
        "whose PyTorch was built for a GPU that is not there?",
        "torch.accelerator.current_accelerator(check_available=True) is None or a device with a .type. "
        "torch.cuda.is_bf16_supported says yes to numbers that are only emulated, unless told otherwise. "
        "In with_positions, every new tensor is told its device; count in float32, and turn the result into "
        "hidden's dtype at the end.",
        "A vector that lies where another one does:\n"
        "steps = torch.arange(5, device=other.device)\n"
        "waves = torch.cos(steps.float()).to(other.dtype)",
    ),
)
def any_device(answer: Answer, draw: Draw) -> None:
    import torch

    mine = answer.given(chosen, positioned)
    names = draw.sample(MACHINES, len(MACHINES))
    came = mine.call("chosen", [MACHINES[name][0] for name in names])
    expect.length(came, len(names), "what choose() gives on each machine")
    found = dict(zip(names, came, strict=True))

    def judge(fields: Sequence[str]) -> None:
        for name, given in found.items():
            expect.type_of(given, dict, f"choose() on {name}")
            if "error" in given:
                raise Failed(Rung.CRASHED, f"choose() on {name} to run", given["error"])
            expect.keys(given, fields, f"choose() on {name}")
            for field in fields:
                expect.equal(given[field], MACHINES[name][1][field], f"{field} of choose() on {name}")

    with part("device and back end", points=1):
        judge(("device", "backend"))
    with part("dtype and scaler", points=1):
        judge(("dtype", "scaler"))
    with part("the same numbers, in the same dtype", points=1):
        _positions(mine, draw)
    with part("tensors where their inputs are", points=1):
        hidden, lengths = torch.zeros(2, 5, 3, dtype=torch.bfloat16), torch.tensor([5, 2])
        came_there = mine.call("positioned", hidden, lengths, "meta")
        what = "with_positions of tensors that lie elsewhere (meta)"
        expect.keys(came_there, ("dtype", "device", "shape"), what)
        expect.equal(came_there["device"], "meta", f"the device of {what}")
        expect.equal(list(came_there["shape"]), [2, 5, 3], f"the shape of {what}")


def _positions(mine: Answer, draw: Draw) -> None:
    import torch

    generator = torch.Generator().manual_seed(draw.seed)
    for dtype, length, tolerance in (("float32", 7, 1e-5), ("float64", 9, 1e-5), ("bfloat16", 300, 0.06)):
        hidden = torch.randn(3, length, 2, generator=generator).to(getattr(torch, dtype))
        lengths = torch.tensor([length, draw.random.randrange(1, length), 0])
        what = f"with_positions of {length} positions in {dtype}"
        came = mine.call("positioned", hidden, lengths, "cpu")
        expect.keys(came, ("dtype", "device", "shape", "value", "same"), what)
        position = torch.arange(length)
        right = hidden.double() + position.double().sin()[None, :, None]
        right = right * (position[None] < lengths[:, None])[..., None]
        got = expect.tensor(came["value"], what, tuple(right.shape))
        apart = (got - right).abs().max().item()
        if not apart <= tolerance:
            rounded = dtype == "bfloat16" and (got - right)[:, :256].abs().max().item() <= tolerance
            guess = ": positions above 256 are not exact in bfloat16" if rounded else ""
            raise Failed(
                Rung.WRONG_VALUE,
                f"{what} to be those of the function above",
                f"up to {apart:.2g} away{guess}",
            )
        expect.equal(came["dtype"], dtype, f"the dtype of {what}")
        expect.true(came["same"] is True, f"`hidden` to stay as it was in {what}", "other numbers in it")


def positioned(hidden: Any, lengths: Any, device: str) -> dict:
    """What the learner's function makes of tensors on this device."""
    there, before = hidden.to(device), hidden.clone()
    try:
        made = with_positions(there, lengths.to(device))
    except NotImplementedError as error:
        if str(error):  # PyTorch's own, which the cell that is still to do does not say
            raise RuntimeError(f"a tensor was read that lies elsewhere: {error}") from None
        raise
    told = {
        "dtype": str(made.dtype).removeprefix("torch."),
        "device": made.device.type,
        "shape": list(made.shape),
    }
    value = made.detach() if device == "cpu" else None
    return told | {"value": value, "same": device != "cpu" or bool((there == before).all())}


def chosen(machines: list) -> list:
    """What the learner's choose() says where PyTorch shows these machines."""
    import contextlib
    import importlib.machinery
    import sys
    import types
    from unittest import mock

    import torch

    def on(machine: dict) -> dict:
        there = machine.get("there")
        built = there or machine.get("built")
        bf16, capability = machine.get("bf16", False), tuple(machine.get("capability", (0, 0)))

        def current(check_available: bool = False) -> object:
            name = there if check_available else built
            return torch.device(name) if name else None

        def shows(kind: str) -> dict:
            return {"is_available": lambda: there == kind, "device_count": lambda: int(there == kind)}

        def emulated(including_emulation: bool = True) -> bool:
            return there == "cuda" and (bf16 or including_emulation)

        patches = {
            torch.accelerator: {
                "current_accelerator": current,
                "is_available": lambda: there is not None,
                "device_count": lambda: int(there is not None),
            },
            torch.cuda: shows("cuda")
            | {"is_bf16_supported": emulated, "get_device_capability": lambda device=None: capability},
            torch.xpu: shows("xpu")
            | {"is_bf16_supported": lambda including_emulation=True: there == "xpu" and bf16},
            torch.backends.mps: {"is_available": lambda: there == "mps", "is_built": lambda: built == "mps"},
            torch.version: {
                "hip": machine.get("hip"),
                "cuda": "12.8" if built == "cuda" and not machine.get("hip") else None,
            },
        }
        with contextlib.ExitStack() as stack:
            stack.enter_context(mock.patch.dict(sys.modules))
            sys.modules.pop("torch_xla", None)
            if machine.get("xla"):
                xla = types.ModuleType("torch_xla")
                xla.__spec__ = importlib.machinery.ModuleSpec("torch_xla", None)
                sys.modules["torch_xla"] = xla
            for module, names in patches.items():
                for name, value in names.items():
                    stack.enter_context(mock.patch.object(module, name, value, create=True))
            found = dict(choose())
        told = {"device": torch.device(found["device"]).type if found.get("device") else None}
        told |= {"dtype": str(found.get("dtype")).removeprefix("torch."), "backend": found.get("backend")}
        return told | {"scaler": bool(found["scaler"]) if "scaler" in found else None}

    came = []
    for machine in machines:
        try:
            came.append(on(machine))
        except NotImplementedError:
            raise
        except Exception as error:
            came.append({"error": f"{type(error).__name__}: {error}"})
    return came


# q10: predictions

#: what the notebook's own cells measure; tests/checks/chapters/test_clouds_and_clusters.py runs them
FOUND = {"mean": False, "newest": False, "spot": True, "small": True, "moved": False, "text": True}


@exercise.question(
    "q10",
    title="Predict, then measure",
    points=2,
    difficulty=2,
    needs=("predictions",),
    lesson=CLOUDS + "#Cheaper, but it may be taken away",
    hints=(
        "Which of these follow from what you wrote in questions 4 to 9?",
        "For `spot`, four hours is a mean: many machines live longer. For `small`, think of which of the two "
        "formats spends its bits on the exponent. For `moved`, think of what .to returns for a module and "
        "for a tensor.",
        "The answer is a function that returns a dict:\n"
        "def guesses():\n"
        "    return {'rain': True, 'wind': False}",
    ),
)
def predict(answer: Answer, draw: Draw) -> None:
    six_predictions(answer, FOUND)


exercise.manual(
    "q11",
    title="Would you send this job?",
    points=4,
    difficulty=2,
    lesson=CLOUDS + "#What a job costs",
    hints=(
        "Go through the job as the cloud does: which machine, what is started, what has it to read, where "
        "does it write, and what happens when the machine is taken away?",
        "Four machines and one plain `python train.py`; a spot machine and the place for checkpoints; the "
        "time limit against the time of an epoch; what all may read who see the job; names that move.",
        "A parcel: who opens it, what does it cost, when must it be there, and what if the van breaks down? "
        "Answer those four for the job.",
    ),
)
