"""One manifest, three targets: a server's container context, a Space's folder, and a batch job's folder.

    python release.py release.toml out

Each folder is whole: it has the model's name and commit in model.json, and the same predict.py.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parent / "targets"
TARGETS = ("server", "space", "batch")
#: Which packages a target installs besides those of the model.
PACKAGES = {
    "server": ("fastapi", "uvicorn"),
    "space": (),
    "batch": (),
}  # a Space gets gradio by its sdk_version
NEEDED = {
    "release": ("name", "version"),
    "model": ("repo", "revision", "prompt"),
    "packages": ("torch", "transformers"),
}
COMMIT = re.compile(r"[0-9a-f]{40}")


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest, checked. Raises ValueError for what is missing, and for a revision that can move."""
    manifest = tomllib.loads(path.read_text(encoding="utf-8"))
    for table, names in NEEDED.items():
        if missing := [name for name in names if name not in manifest.get(table, {})]:
            raise ValueError(f"[{table}] has no {', '.join(missing)}")
    revision = manifest["model"]["revision"]
    if not isinstance(revision, str) or not COMMIT.fullmatch(revision):
        raise ValueError(
            f"revision = {revision!r} can move, or is short. Give the commit's 40 hexadecimal digits."
        )
    return manifest


def build(manifest: dict[str, Any], target: str, folder: Path) -> list[str]:
    """Write a target's folder anew; returns its files' names. The same manifest gives the same bytes."""
    if target not in TARGETS:
        raise ValueError(f"{target!r} is none of {', '.join(TARGETS)}")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SOURCES / target, folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(SOURCES / "predict.py", folder)
    model, versions = manifest["model"], manifest["packages"]
    (folder / "model.json").write_text(json.dumps(model, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    wanted = ("torch", "transformers", *PACKAGES[target])
    lines = [f"{name}=={versions[name]}\n" for name in wanted]
    (folder / "requirements.txt").write_text("".join(lines), encoding="utf-8")
    for template in {"README.md", "job.yml"} & {path.name for path in folder.iterdir()}:
        text = (folder / template).read_text(encoding="utf-8")
        filled = text.format(**manifest["release"], **model, gradio=versions.get("gradio"))
        (folder / template).write_text(filled, encoding="utf-8")
    return sorted(path.name for path in folder.iterdir())


if __name__ == "__main__":
    told = read_manifest(Path(sys.argv[1]))
    for each in TARGETS:
        print(each, build(told, each, Path(sys.argv[2]) / each))
