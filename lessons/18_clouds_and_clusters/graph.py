"""The graph in a compiled pipeline: its tasks, its edges, an order, its mistakes, and a run on this machine.

Reads the file that kfp 2 writes (the Kubeflow Pipelines IR, schema version 2.1.0). A condition is a task
that holds a graph of its own.
"""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

Spec = dict[str, Any]
Outputs = dict[tuple[str, str], Any]


def tasks_of(dag: Spec) -> dict[str, Spec]:
    """The tasks of a graph, by name."""
    return dict(dag["tasks"])


def producers(task: Spec) -> set[str]:
    """The tasks whose outputs a task takes, artefacts and parameters alike."""
    inputs = task.get("inputs", {})
    sources = [*inputs.get("artifacts", {}).values(), *inputs.get("parameters", {}).values()]
    found = [source.get("taskOutputArtifact") or source.get("taskOutputParameter") for source in sources]
    return {each["producerTask"] for each in found if each}


def edges(dag: Spec) -> set[tuple[str, str]]:
    """(from, to): `to` begins when `from` has ended: it takes something from it, or was told to wait."""
    return {
        (before, name)
        for name, task in tasks_of(dag).items()
        for before in producers(task) | set(task.get("dependentTasks", []))
    }


def order(dag: Spec) -> list[str]:
    """The tasks so that each comes after those it waits for. Raises graphlib.CycleError for a cycle."""
    sorter = TopologicalSorter({name: set() for name in sorted(dag["tasks"])})
    for before, after in sorted(edges(dag)):
        sorter.add(after, before)
    return list(sorter.static_order())


def problems(pipeline: Spec) -> list[str]:
    """What is wrong with a pipeline before it runs, as sentences."""
    found: list[str] = []
    _look_at(pipeline, pipeline["root"], "root", found)
    return found


def _look_at(pipeline: Spec, component: Spec, where: str, found: list[str]) -> None:
    tasks, given = tasks_of(component["dag"]), component.get("inputDefinitions", {})
    for name, task in tasks.items():
        inner = pipeline["components"][task["componentRef"]["name"]]
        inputs = task.get("inputs", {})
        for kind in ("artifacts", "parameters"):
            wanted = inner.get("inputDefinitions", {}).get(kind, {})
            for missing in sorted(wanted.keys() - inputs.get(kind, {}).keys()):
                if not wanted[missing].get("isOptional"):
                    found.append(f"{where}: {name} gets no {missing}")
            for key, source in inputs.get(kind, {}).items():
                found.extend(
                    f"{where}: {name}.{key} {words}"
                    for words in _source(pipeline, tasks, given, kind, source, wanted.get(key))
                )
        if "dag" in inner:
            _look_at(pipeline, inner, name, found)


def _source(
    pipeline: Spec, tasks: Mapping[str, Spec], given: Spec, kind: str, source: Spec, wanted: Spec | None
) -> list[str]:
    made = source.get("taskOutputArtifact") or source.get("taskOutputParameter")
    if not made:
        outer = source.get("componentInputArtifact") or source.get("componentInputParameter")
        return (
            [f"comes from {outer}, which nobody gives"] if outer and outer not in given.get(kind, {}) else []
        )
    if made["producerTask"] not in tasks:
        return [f"comes from {made['producerTask']}, which is no task"]
    component = pipeline["components"][tasks[made["producerTask"]]["componentRef"]["name"]]
    key = made.get("outputArtifactKey") or made.get("outputParameterKey")
    output = component.get("outputDefinitions", {}).get(kind, {}).get(key)
    if output is None:
        return [f"comes from {made['producerTask']}.{key}, which it does not make"]
    titles = [each and each.get("artifactType", {}).get("schemaTitle") for each in (output, wanted)]
    return [f"is to be {titles[1]} and comes as {titles[0]}"] if titles[0] != titles[1] else []


def run(pipeline: Spec, folder: Path, **arguments: Any) -> dict[str, Any]:
    """Run the steps in this process, from the source in the file. Returns what each step gave as a parameter.

    A stand-in for a cluster: no containers, no packages to install, one step after the other.
    Knows conditions of the form `a > b`.
    """
    defaults = pipeline["root"].get("inputDefinitions", {}).get("parameters", {})
    given = {name: _number(each) for name, each in defaults.items()} | arguments
    gave: dict[str, Any] = {}
    _run(
        pipeline, pipeline["root"]["dag"], {("", name): value for name, value in given.items()}, folder, gave
    )
    return gave


def _number(definition: Spec) -> Any:
    value = definition.get("defaultValue")
    return int(value) if definition["parameterType"] == "NUMBER_INTEGER" and value is not None else value


def _run(pipeline: Spec, dag: Spec, known: Outputs, folder: Path, gave: dict[str, Any]) -> None:
    for name in order(dag):
        task = dag["tasks"][name]
        component = pipeline["components"][task["componentRef"]["name"]]
        values = _values(task.get("inputs", {}), known)
        condition = task.get("triggerPolicy", {}).get("condition")
        if condition and not _holds(condition, values):
            gave[task["taskInfo"]["name"]] = "left out"
        elif "dag" in component:
            _run(
                pipeline, component["dag"], {("", key): value for key, value in values.items()}, folder, gave
            )
        else:
            gave[name] = _step(pipeline, component, name, values, known, folder)


def _values(inputs: Spec, known: Outputs) -> dict[str, Any]:
    values = {}
    for key, source in {**inputs.get("artifacts", {}), **inputs.get("parameters", {})}.items():
        made = source.get("taskOutputArtifact") or source.get("taskOutputParameter")
        outer = source.get("componentInputArtifact") or source.get("componentInputParameter")
        if made:
            values[key] = known[
                made["producerTask"], made.get("outputArtifactKey") or made.get("outputParameterKey")
            ]
        else:
            values[key] = known["", outer] if outer else source["runtimeValue"]["constant"]
    return values


def _holds(condition: str, values: dict[str, Any]) -> bool:
    names = re.findall(r"inputs\.parameter_values\['([^']+)'\]", condition)
    if len(names) != 2 or ">" not in condition or ">=" in condition:
        raise ValueError(f"{condition}: only a > b is known here")
    return bool(values[names[0]] > values[names[1]])


def _step(
    pipeline: Spec, component: Spec, name: str, values: dict[str, Any], known: Outputs, folder: Path
) -> Any:
    source = pipeline["deploymentSpec"]["executors"][component["executorLabel"]]["container"]["command"][-1]
    source = re.sub(r"(?m)^(import kfp|from kfp.*)$", "", source)
    space: dict[str, Any] = {
        "dsl": types.SimpleNamespace(Input=list, Output=list, Dataset=object, Model=object)
    }
    exec(source, space)  # the file is ours
    outputs = component.get("outputDefinitions", {})
    artefacts = {
        key: types.SimpleNamespace(path=str(folder / f"{name}-{key}")) for key in outputs.get("artifacts", {})
    }
    result = space[name](**values, **artefacts)
    known.update({(name, key): artefact for key, artefact in artefacts.items()} | {(name, "Output"): result})
    return result
