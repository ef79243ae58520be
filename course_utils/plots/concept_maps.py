"""Maps of the subject: the libraries, how a mark is made, the families of generative models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import TYPE_CHECKING

from course_utils.plots.diagrams import Arrow, Box, diagram

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: package -> where its box stands and what it is for, in a few words
LIBRARIES = {
    "huggingface_hub": (52, 45, "up and down"),
    "datasets": (9, 31, "rows, on disk"),
    "tokenizers": (29, 31, "text to numbers"),
    "transformers": (52, 31, "models, pipelines"),
    "evaluate": (74, 31, "scores"),
    "gradio": (94, 31, "demos"),
    "accelerate": (29, 17, "any device"),
    "peft": (52, 17, "train few weights"),
    "safetensors": (74, 17, "weights as files"),
    "torch": (52, 5, "tensors and gradients: whatever is above computes here"),
}
_FLOWS = (
    Arrow("hub", "huggingface_hub", both=True),
    Arrow("huggingface_hub", "datasets", "load_dataset\npush_to_hub", both=True, shift=(-11, 1)),
    Arrow("huggingface_hub", "transformers", "from_pretrained\npush_to_hub", both=True, shift=(8, 0)),
    Arrow("gradio", "hub", "a Space", shift=(5, 0)),
    Arrow("datasets", "tokenizers", "text", shift=(0, 1.6)),
    Arrow("tokenizers", "transformers", "ids", shift=(0, 1.6)),
    Arrow("transformers", "evaluate", "answers", shift=(0, 1.6)),
    Arrow("evaluate", "gradio", "results", shift=(0, 1.6)),
    Arrow("accelerate", "transformers", "runs it", dashed=True, shift=(4, -1.5)),
    Arrow("peft", "transformers", "adapts it", dashed=True, shift=(5, 0)),
    Arrow("transformers", "safetensors", "saves", dashed=True, shift=(3, 1.5)),
)


def ecosystem(versions: Mapping[str, str] | None = None) -> Figure:
    """The Hugging Face libraries and what flows between them, each with the version installed here.

    versions: package -> version; looked up unless given.
    """
    versions = installed(LIBRARIES) if versions is None else versions
    boxes = {
        name: Box(x, y, f"{name} {versions.get(name, '(missing)')}\n{role}", width=15.5)
        for name, (x, y, role) in LIBRARIES.items()
    }
    boxes["torch"] = boxes["torch"]._replace(width=100, shade="0.85")
    boxes["hub"] = Box(
        52,
        57,
        "the Hub: models, data sets, Spaces (git repositories with cards)",
        width=100,
        height=6,
        shade="0.85",
    )
    return diagram(boxes, _FLOWS, "One picture of the ecosystem (with the versions that are installed here)")


def installed(names: Iterable[str]) -> dict[str, str]:
    """The installed version of each package, without build suffixes; packages
    that are missing are left out.
    """
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            continue
    return found


def making_of_a_mark() -> Figure:
    """How a mark comes about: the learner's code in one process, the check in another, data between them."""
    boxes = {
        "cell": Box(13, 48, "your answer cells\n(their source only)", width=22),
        "process": Box(47, 48, "a process of its own\nthat holds your functions", width=26),
        "check": Box(88, 48, "the check, in\nthe grader's process", width=26, shade="0.85"),
        "draw": Box(88, 30, "the data of one draw:\npublic for you,\nsecret for the mark", width=26),
        "mark": Box(47, 30, "points, part by part,\nand words that help", width=26, shade="0.85"),
    }
    arrows = [
        Arrow("cell", "process", "run", shift=(0, 1.6)),
        Arrow("check", "process", '"call it with these"\n\n"this is what it gave"', both=True),
        Arrow("draw", "check", "fresh inputs", shift=(8, 0)),
        Arrow("check", "mark"),
    ]
    return diagram(boxes, arrows, "How a mark is made", height=4)


#: family -> (x, y of its box, the paper, what is minimised or maximised)
FAMILIES = {
    "VAE": (14, 50, "Kingma and Welling 2014", "a lower bound of log p(x)"),
    "GAN": (14, 30, "Goodfellow et al. 2014", "a game with a critic"),
    "diffusion": (50, 50, "Ho et al. 2020", "how well noise is undone"),
    "Transformer": (50, 30, "Vaswani et al. 2017", "no loss: a way to mix positions"),
    "language model": (88, 30, "Radford et al. 2018", "exact log p(next token)"),
    "preference tuning": (88, 11, "Rafailov et al. 2023 (DPO)", "chosen over rejected"),
    "autoencoding text": (50, 11, "Devlin et al. 2019 (BERT)", "log p(hidden tokens)"),
    "text to image": (88, 50, "Rombach et al. 2022", "diffusion in a VAE's codes"),
}
_IDEAS = (
    Arrow("VAE", "diffusion", "a bound", shift=(0, 1.8)),
    Arrow("diffusion", "text to image", "denoising", shift=(0, 1.8)),
    Arrow("Transformer", "language model", "attention", shift=(0, 1.8)),
    Arrow("Transformer", "autoencoding text", "attention", shift=(7, 0)),
    Arrow("language model", "preference tuning", "a start and a reference", shift=(12, 0)),
    Arrow("Transformer", "text to image", "a text encoder", shift=(9, -2)),
    Arrow("GAN", "text to image", "a critic helps train its VAE", dashed=True, shift=(-14, 1)),
)


def families() -> Figure:
    """The map as a matplotlib Figure; dashed: was combined with it rather than grew out of it."""
    boxes = {
        name: Box(x, y, f"{name}\n{paper}\n{aim}", width=25, height=11)
        for name, (x, y, paper, aim) in FAMILIES.items()
    }
    return diagram(boxes, _IDEAS, "Generative models: who gave an idea to whom, and what each one optimises")
