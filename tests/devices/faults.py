"""Small programs that are right or wrong on an accelerator, run under the guard; prints what came, as JSON.

With a notebook's path behind it, it runs the notebook's code instead, with `course.device` on the device:
`faults.py NOTEBOOK LAST_CELL OLD=>NEW ...`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch

RIGHT = {
    "add": "(x + x).cpu()",
    "a number from the CPU": "x * torch.tensor(2.0)",
    "made there": "x + torch.ones(3, device=x.device)",
    "made there from a list": "x + torch.tensor([1.0, 2.0, 3.0], device=x.device)",
    "read after moving": "x.cpu().numpy()",
    "as a list": "x.tolist()",
    "one number": "x.sum().item()",
    "indices from the CPU": "x[torch.tensor([0, 1])]",
    "put into a tensor of the CPU": "torch.ones(3).copy_(x)",
    "a model and its input": "model(x)",
    "a step": "step(x)",
    "tied weights stay tied": "tied.to('guarded')[1].weight is tied[0].weight",
    "synchronize": "torch.accelerator.synchronize()",
}
WRONG = {
    "two devices": ("x + torch.ones(3)", "two devices"),
    "a table made elsewhere": ("x * (torch.arange(3) < 2)", "two devices"),
    "input of a model": ("model(torch.ones(3))", "two devices"),
    "ids of an embedding": ("table(torch.tensor([1, 2]))", "two devices"),
    "labels of a loss": ("torch.nn.functional.cross_entropy(x[None], torch.tensor([1]))", "two devices"),
    "weights of a loss": (
        "cross(x[None], torch.tensor([1]).to('guarded'), weight=torch.ones(3))",
        "two devices",
    ),
    "concatenated": ("torch.cat([x, torch.ones(3)])", "two devices"),
    "an index that lies there": ("torch.ones(3)[x.long()]", "two devices"),
    "numpy": ("x.numpy()", "to numpy"),
    "numpy's own": ("np.asarray(x)", "to numpy"),
    "a plot": ("np.mean([x, x], axis=0)", "to numpy"),
    "a generator of the CPU": ("torch.randn(3, device='guarded', generator=torch.Generator())", "generator"),
}


def planted() -> dict[str, str]:
    """Program -> "" where it ran through, or else its error."""
    import numpy as np

    from tests.devices import guarded

    guarded.begin()
    model = torch.nn.Linear(3, 2).to("guarded")
    tied = torch.nn.ModuleList([torch.nn.Embedding(5, 3), torch.nn.Linear(3, 5, bias=False)])
    tied[1].weight = tied[0].weight

    def step(x: torch.Tensor) -> None:
        optimizer = torch.optim.AdamW(model.parameters())
        model(x).sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    names = {
        "x": torch.ones(3).to("guarded"),
        "np": np,
        "torch": torch,
        "model": model,
        "step": step,
        "tied": tied,
        "table": torch.nn.Embedding(5, 3).to("guarded"),
        "cross": torch.nn.functional.cross_entropy,
    }
    came = {}
    for name, code in RIGHT.items() | {name: code for name, (code, _) in WRONG.items()}.items():
        try:
            said = eval(code, dict(names))
            came[name] = "False" if said is False else ""
        except Exception as error:
            came[name] = f"{type(error).__name__}: {error}"
    return came


def notebook(path: Path, last: str, changes: list[str]) -> dict[str, str]:
    """The code cells of a notebook up to one of them; cell -> "" or its error, after which none comes."""
    from IPython.core.interactiveshell import InteractiveShell
    from transformers import AutoModel

    from course_utils import session
    from course_utils.models.model import ASSETS
    from tests.devices import guarded

    for name in ("distilbert", "gpt2"):
        AutoModel.from_pretrained(ASSETS / name)  # before the guard begins; see there
    guarded.begin()
    session.choose_device = lambda requested=None: session.Choice("guarded", "the guard")
    for profile, device in list(session.BUDGETS):
        session.BUDGETS[profile, "guarded"] = session.BUDGETS[profile, device]
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    os.chdir(path.parent)
    shell, came = InteractiveShell.instance(), {}
    for cell in (each for each in cells if each["cell_type"] == "code"):
        source = "".join(cell["source"])
        for old, new in (change.split("=>") for change in changes):
            source = source.replace(old, new)
        done = shell.run_cell(source)
        error = done.error_before_exec or done.error_in_exec
        came[cell["id"]] = f"{type(error).__name__}: {error}" if error else ""
        if error or cell["id"] == last:
            break
    return came


if __name__ == "__main__":
    found = notebook(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]) if sys.argv[1:] else planted()
    print("\n" + json.dumps(found))
