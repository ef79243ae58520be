"""A pipeline of four steps: prepare, train, evaluate, and deploy if the model is better than the one in use.

pip install kfp          # in an environment of its own: kfp asks for another protobuf than the course has
    python pipeline.py       # writes pipeline.yaml, and compiled.json: kfp's version, this file's hash, runs
"""

import json
import tempfile
from hashlib import sha256
from pathlib import Path

import kfp
from kfp import compiler, dsl, local

IMAGE = "python:3.12-slim"


@dsl.component(base_image=IMAGE)
def prepare(rows: int, seed: int, learn: dsl.Output[dsl.Dataset], measure: dsl.Output[dsl.Dataset]):
    """Draw rows, and cut them into those to learn from and those to measure with."""
    import json
    import random

    source = random.Random(seed)
    drawn = [(x := source.random(), int(x + source.gauss(0, 0.2) > 0.5)) for _ in range(rows)]
    for artefact, part in ((learn, drawn[: rows // 2]), (measure, drawn[rows // 2 :])):
        with open(artefact.path, "w") as file:
            json.dump(part, file)


@dsl.component(base_image=IMAGE)
def train(learn: dsl.Input[dsl.Dataset], tries: int, model: dsl.Output[dsl.Model]):
    """Find the border that is right most often on the rows to learn from."""
    import json

    with open(learn.path) as file:
        rows = json.load(file)
    borders = [step / tries for step in range(tries + 1)]
    best = max(borders, key=lambda border: sum((x > border) == bool(label) for x, label in rows))
    with open(model.path, "w") as file:
        json.dump({"border": best}, file)


@dsl.component(base_image=IMAGE)
def evaluate(model: dsl.Input[dsl.Model], measure: dsl.Input[dsl.Dataset]) -> float:
    """The share of the rows to measure with on which the model is right."""
    import json

    with open(model.path) as file:
        border = json.load(file)["border"]
    with open(measure.path) as file:
        rows = json.load(file)
    return sum((x > border) == bool(label) for x, label in rows) / len(rows)


@dsl.component(base_image=IMAGE)
def deploy(model: dsl.Input[dsl.Model], place: str):
    """Put the model where it is used."""
    import shutil

    shutil.copy(model.path, place)


@dsl.pipeline(name="better-or-nothing", description="Trains a model, and deploys it only if it is better.")
def better_or_nothing(
    rows: int = 400, seed: int = 0, tries: int = 50, in_use: float = 0.8, place: str = "model.json"
):
    prepared = prepare(rows=rows, seed=seed)
    trained = train(learn=prepared.outputs["learn"], tries=tries)
    score = evaluate(model=trained.outputs["model"], measure=prepared.outputs["measure"])
    score.set_caching_options(False)
    with dsl.If(score.output > in_use, name="better"):
        deploy(model=trained.outputs["model"], place=place)


def run_here(**arguments) -> dict | None:
    """What is deployed when kfp's own runner runs the steps as processes; None if nothing is."""
    with tempfile.TemporaryDirectory() as folder:
        local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=folder)
        place = Path(folder) / "deployed.json"
        better_or_nothing(place=str(place), **arguments)
        return json.loads(place.read_text()) if place.exists() else None


if __name__ == "__main__":
    here = Path(__file__).parent
    compiler.Compiler().compile(better_or_nothing, str(here / "pipeline.yaml"))
    made = {"kfp": kfp.__version__, "sha256": sha256(Path(__file__).read_bytes()).hexdigest()}
    made["deployed by kfp.local"] = {str(in_use): run_here(in_use=in_use) for in_use in (0.8, 0.99)}
    (here / "compiled.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
