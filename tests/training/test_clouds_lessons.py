"""Chapter 18's files: places in three clouds, jobs and their schemas, a checkpoint, a release, a graph, devices."""

import importlib
import json
import sys
from contextlib import ExitStack
from copy import deepcopy
from graphlib import CycleError
from hashlib import sha256
from importlib.util import find_spec
from unittest.mock import patch

import huggingface_hub
import pytest
import torch
import yaml
from jsonschema import Draft202012Validator

FOLDER = "lessons/18_clouds_and_clusters"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def folder(root):
    return root / FOLDER


@pytest.fixture
def lesson(folder, monkeypatch):
    """Imports a file beside the lessons, for one test."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def jobs(folder):
    return {
        "sagemaker": json.loads((folder / "jobs/sagemaker.json").read_text(encoding="utf-8")),
        "vertex": json.loads((folder / "jobs/vertex.json").read_text(encoding="utf-8")),
        "azure": yaml.safe_load((folder / "jobs/azure.yml").read_text(encoding="utf-8")),
    }


@pytest.fixture
def wrong(folder):
    """The places of a job's mistakes, by the schema of its cloud."""

    def look(cloud, job):
        schema = json.loads((folder / f"jobs/{cloud}.schema.json").read_text(encoding="utf-8"))
        return {error.json_path for error in Draft202012Validator(schema).iter_errors(job)}

    return look


def test_each_job_gives_train_py_its_places_and_settings(lesson, jobs, tmp_path):
    places, rehearsal, train = lesson("places"), lesson("rehearsal"), lesson("train")
    for cloud, job in jobs.items():
        environment, words = getattr(rehearsal, cloud)(job, tmp_path)
        options = places.options_of(environment, words)
        found = places.find_places(environment, options, tmp_path / "gcs")
        assert found.cloud == cloud and found.checkpoints is not None
        assert all(tmp_path in place.parents for place in (found.data, found.base, found.model))
        assert train.settings_of(options) == train.Settings(steps=30, rate=0.002)


def test_a_place_comes_from_an_option_before_a_variable(lesson):
    places = lesson("places")
    environment = {"SM_MODEL_DIR": "/m", "SM_CHANNEL_TRAIN": "/d", "SM_CHANNEL_BASE": "/b"}
    assert str(places.find_places(environment, {"data": "mine"}).data) == "mine"
    assert places.find_places(environment, {}).checkpoints is None
    assert places.cloud_of({"SM_MODEL_DIR": ""}) == "local"
    assert places.options_of({"SM_HPS": '{"steps": 3, "rate": 1}'}, ["--steps=4"]) == {
        "steps": "4",
        "rate": "1",
    }


@pytest.mark.parametrize(
    ("environment", "words", "said"),
    [
        ({"SM_MODEL_DIR": "/m"}, [], "SM_CHANNEL_TRAIN or --data"),
        ({"AZUREML_RUN_ID": "r"}, ["--data", "d"], "base is missing: give --base"),
        ({"SM_MODEL_DIR": "/m", "AIP_MODEL_DIR": "gs://b"}, [], "which cloud"),
        ({}, ["data"], "an option is"),
        ({}, ["--data"], "an option is"),
    ],
)
def test_a_missing_place_is_named(lesson, environment, words, said):
    places = lesson("places")
    with pytest.raises(ValueError, match=said):
        places.find_places(environment, places.options_of(environment, words))


def test_an_unknown_setting_is_refused(lesson):
    with pytest.raises(ValueError, match="stpes"):
        lesson("train").settings_of({"stpes": "3", "data": "d"})


def test_the_jobs_are_those_that_the_providers_packages_took(folder, jobs, wrong):
    taken = json.loads((folder / "jobs/validated.json").read_text(encoding="utf-8"))
    for name, told in taken.items():
        assert told["sha256"] == sha256((folder / "jobs" / name).read_bytes()).hexdigest(), (
            f"{name} changed: run jobs/validate.py with {told['by']}"
        )
    assert all(wrong(cloud, job) == set() for cloud, job in jobs.items())


def test_a_schema_finds_planted_mistakes(jobs, wrong):
    bad = deepcopy(jobs)
    bad["sagemaker"]["HyperParameters"]["steps"] = 30
    del bad["sagemaker"]["CheckpointConfig"]
    bad["vertex"]["jobSpec"]["workerPoolSpecs"][0]["machineSpec"].pop("acceleratorCount")
    bad["azure"]["computer"] = bad["azure"].pop("compute")
    assert wrong("sagemaker", bad["sagemaker"]) == {"$", "$.HyperParameters.steps"}
    assert wrong("vertex", bad["vertex"]) == {"$.jobSpec.workerPoolSpecs[0].machineSpec"}
    assert wrong("azure", bad["azure"]) == {"$"}


def test_a_name_in_a_command_must_be_an_input(lesson, jobs, tmp_path):
    jobs["azure"]["command"] = jobs["azure"]["command"].replace("inputs.data", "inputs.date")
    with pytest.raises(ValueError, match="inputs.date"):
        lesson("rehearsal").azure(jobs["azure"], tmp_path)


def test_a_run_from_a_checkpoint_ends_as_the_run_that_was_left_alone(lesson):
    workers, kept = lesson("two_workers"), {}
    whole = workers.train({"steps": 6, "every": 2}, 0, 1, None, lambda metrics, state: None)
    workers.train({"steps": 4, "every": 2}, 0, 1, None, lambda metrics, state: kept.update(deepcopy(state)))
    again = workers.train({"steps": 6, "every": 2}, 0, 1, kept, lambda metrics, state: None)
    assert kept["step"] == 4 and all(whole[name].equal(again[name]) for name in whole)


MANIFEST = """
[release]
name = "small"
version = "1.0"
[model]
repo = "me/model"
revision = "{}"
prompt = "Good? {{}}"
[packages]
torch = "1"
transformers = "2"
fastapi = "3"
uvicorn = "4"
gradio = "5.0.0"
"""


def test_one_manifest_gives_the_same_three_folders_each_time(lesson, tmp_path, wrong):
    release = lesson("release")
    (tmp_path / "release.toml").write_text(MANIFEST.format(COMMIT))
    manifest = release.read_manifest(tmp_path / "release.toml")
    for target in release.TARGETS:
        first, again = tmp_path / "first" / target, tmp_path / "again" / target
        assert release.build(manifest, target, first) == release.build(manifest, target, again)
        assert {p.name: p.read_bytes() for p in first.iterdir()} == {
            p.name: p.read_bytes() for p in again.iterdir()
        }
        assert json.loads((first / "model.json").read_text())["revision"] == COMMIT
    card = huggingface_hub.RepoCard.load(tmp_path / "first/space/README.md").data
    assert (card.sdk_version, card.models) == ("5.0.0", ["me/model"])
    job = yaml.safe_load((tmp_path / "first/batch/job.yml").read_text())
    assert wrong("azure", job) == set() and "${{inputs.rows}}" in job["command"]
    assert "fastapi==3" in (tmp_path / "first/server/requirements.txt").read_text()
    with pytest.raises(ValueError, match="none of"):
        release.build(manifest, "phone", tmp_path / "phone")


@pytest.mark.parametrize("revision", ["main", "v1.0", COMMIT[:7], COMMIT.upper(), COMMIT + "0", ""])
def test_a_revision_that_can_move_is_refused(lesson, tmp_path, revision):
    (tmp_path / "release.toml").write_text(MANIFEST.format(revision))
    with pytest.raises(ValueError, match="40 hexadecimal digits"):
        lesson("release").read_manifest(tmp_path / "release.toml")


@pytest.fixture
def pipeline(folder):
    return yaml.safe_load((folder / "pipeline.yaml").read_text(encoding="utf-8"))


def test_the_compiled_pipeline_is_that_of_its_source(folder, pipeline, tmp_path, lesson):
    made = json.loads((folder / "compiled.json").read_text(encoding="utf-8"))
    assert made["sha256"] == sha256((folder / "pipeline.py").read_bytes()).hexdigest(), (
        "run python pipeline.py"
    )
    assert pipeline["sdkVersion"] == f"kfp-{made['kfp']}"
    if find_spec("kfp") is not None:
        from kfp import compiler

        compiler.Compiler().compile(lesson("pipeline").better_or_nothing, str(tmp_path / "again.yaml"))
        assert yaml.safe_load((tmp_path / "again.yaml").read_text())["root"] == pipeline["root"]


def test_the_graph_of_the_pipeline(lesson, pipeline):
    graph, dag = lesson("graph"), pipeline["root"]["dag"]
    assert graph.edges(dag) == {
        ("prepare", "train"),
        ("prepare", "evaluate"),
        ("train", "evaluate"),
        ("train", "condition-1"),
        ("evaluate", "condition-1"),
    }
    assert graph.order(dag) == ["prepare", "train", "evaluate", "condition-1"]
    assert graph.problems(pipeline) == []


def test_the_steps_in_the_file_do_what_kfps_own_runner_saw(lesson, folder, pipeline, tmp_path):
    deployed = json.loads((folder / "compiled.json").read_text())["deployed by kfp.local"]
    for in_use, expected in deployed.items():
        place = tmp_path / in_use
        gave = lesson("graph").run(pipeline, tmp_path, in_use=float(in_use), place=str(place))
        assert (json.loads(place.read_text()) if place.exists() else None) == expected
        assert ("better" in gave) == (expected is None)


def test_mistakes_in_a_graph_are_named(lesson, pipeline):
    graph, tasks = lesson("graph"), pipeline["root"]["dag"]["tasks"]
    tasks["evaluate"]["inputs"]["artifacts"]["measure"]["taskOutputArtifact"]["outputArtifactKey"] = "test"
    tasks["train"]["inputs"]["parameters"]["tries"] = {"componentInputParameter": "trials"}
    del tasks["prepare"]["inputs"]["parameters"]["seed"]
    model = tasks["condition-1"]["inputs"]["artifacts"]["pipelinechannel--train-model"]["taskOutputArtifact"]
    model["producerTask"] = "trane"
    said = " ".join(graph.problems(pipeline))
    for words in ("prepare.test", "trials, which nobody gives", "gets no seed", "trane, which is no task"):
        assert words in said
    tasks["prepare"]["dependentTasks"] = ["evaluate"]
    with pytest.raises(CycleError):
        graph.order(pipeline["root"]["dag"])


@pytest.mark.parametrize(
    ("device", "hip", "bf16", "expected"),
    [
        (None, None, False, ("cpu", torch.float32, "gloo", False)),
        ("cuda", None, True, ("cuda", torch.bfloat16, "nccl", False)),
        ("cuda", None, False, ("cuda", torch.float16, "nccl", True)),
        ("cuda", "7.1", True, ("cuda", torch.bfloat16, "nccl", False)),
        ("mps", None, True, ("mps", torch.float32, "gloo", False)),
        ("xpu", None, True, ("xpu", torch.bfloat16, "xccl", False)),
        ("xpu", None, False, ("xpu", torch.float32, "xccl", False)),
    ],
)
def test_one_function_chooses_for_every_machine(lesson, device, hip, bf16, expected):
    devices = lesson("devices")
    found = torch.device(device) if device else None
    with ExitStack() as stack:
        for name, answer in {
            "torch.accelerator.current_accelerator": lambda check_available=False: found,
            "torch.cuda.is_bf16_supported": lambda including_emulation=True: bf16,
            "torch.xpu.is_bf16_supported": lambda including_emulation=True: bf16,
            "torch.version.hip": hip,
        }.items():
            stack.enter_context(patch(name, answer))
        choice = devices.choose()
    assert (choice.device, choice.dtype, choice.backend, choice.scaler) == expected
    assert ("ROCm" in choice.kind) == bool(hip)
    assert choice.backend == torch.distributed.get_default_backend_for_device(choice.device)


def test_a_tpu_is_asked_for_apart(lesson):
    devices = lesson("devices")
    with patch("importlib.util.find_spec", lambda name: name == "torch_xla"):
        assert devices.choose().backend == "xla"
