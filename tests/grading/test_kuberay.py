"""The manifest for KubeRay: its fields are those that RayCluster has, its pods are valid, and it fits the project."""

import copy
import re
import tomllib

import pytest
import yaml

from course_utils.install import read_constraints

jsonschema = pytest.importorskip("jsonschema", reason="comes with the group dev")
NOTHING_ELSE = {"type": "object", "additionalProperties": False}
WORDS = {"type": "object", "additionalProperties": {"type": "string"}}
COUNT = {"type": "integer", "minimum": 0}
TEMPLATE = NOTHING_ELSE | {
    "required": ["spec"],
    "properties": {"metadata": {"type": "object"}, "spec": {"type": "object"}},
}
#: The part of RayCluster v1 that the manifest uses: names, kinds and what is required, as KubeRay declares them
#: (ray-project/kuberay, ray-operator/apis/ray/v1/raycluster_types.go at 026f143). Pods have a schema of their own.
RAY_CLUSTER = NOTHING_ELSE | {
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayCluster"},
        "metadata": {"type": "object", "required": ["name"]},
        "spec": NOTHING_ELSE
        | {
            "required": ["headGroupSpec"],
            "properties": {
                "rayVersion": {"type": "string"},
                "headGroupSpec": NOTHING_ELSE
                | {
                    "required": ["rayStartParams", "template"],
                    "properties": {"rayStartParams": WORDS, "template": TEMPLATE},
                },
                "workerGroupSpecs": {
                    "type": "array",
                    "items": NOTHING_ELSE
                    | {
                        "required": ["groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"],
                        "properties": {
                            "groupName": {"type": "string"},
                            "replicas": COUNT,
                            "minReplicas": COUNT,
                            "maxReplicas": COUNT,
                            "rayStartParams": WORDS,
                            "template": TEMPLATE,
                        },
                    },
                },
            },
        },
    },
}


@pytest.fixture(scope="module")
def manifest(root):
    return yaml.safe_load((root / "docs" / "kuberay.yaml").read_text(encoding="utf-8"))


def groups(manifest):
    return [manifest["spec"]["headGroupSpec"], *manifest["spec"]["workerGroupSpecs"]]


def faults(manifest):
    return [error.message for error in jsonschema.Draft202012Validator(RAY_CLUSTER).iter_errors(manifest)]


def test_its_fields_are_those_of_a_ray_cluster(manifest):
    assert faults(manifest) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda spec: spec.update(rayversion="2.60.0"), "'rayversion' was unexpected"),
        (lambda spec: spec["workerGroupSpecs"][0].pop("groupName"), "'groupName' is a required property"),
        (
            lambda spec: spec["headGroupSpec"]["rayStartParams"].update({"num-cpus": 0}),
            "not of type 'string'",
        ),
    ],
)
def test_a_wrong_field_is_found(manifest, change, fault):
    wrong = copy.deepcopy(manifest)
    change(wrong["spec"])
    assert any(fault in each for each in faults(wrong))


def test_its_pods_are_valid(manifest):
    validator = pytest.importorskip("kubernetes_validate", reason="validates pods where it is installed")
    for number, group in enumerate(groups(manifest)):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"pod-{number}"}}
        validator.validate(pod | {"spec": group["template"]["spec"]}, "1.33", strict=True)


def test_its_parameters_are_options_of_ray_start(manifest):
    scripts = pytest.importorskip("ray.scripts.scripts", reason="the group ray is not installed")
    known = {option.lstrip("-") for parameter in scripts.start.params for option in parameter.opts}
    assert all(group["rayStartParams"].keys() <= known for group in groups(manifest))


def test_it_fits_the_project(manifest, root):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    containers = [
        container for group in groups(manifest) for container in group["template"]["spec"]["containers"]
    ]
    assert {container["image"].rpartition(":")[2] for container in containers} == {project["version"]}
    assert manifest["spec"]["rayVersion"] == read_constraints()["ray"]
    head, worker = groups(manifest)
    assert head["rayStartParams"]["num-cpus"] == "0", "no learner's code where the secret is"
    size = worker["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert size["cpu"] == worker["rayStartParams"]["num-cpus"]
    gigabytes = int(re.match(r"\d+", size["memory"])[0])
    assert gigabytes >= 4 * int(size["cpu"]) + 2, "4 GB for each submission, and what they share"
