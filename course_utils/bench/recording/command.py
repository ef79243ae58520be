"""`course record gpu`: record on this machine's card what the performance track teaches from."""

from __future__ import annotations

import argparse
import datetime
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from course_utils.bench import run_files
from course_utils.bench.recording import memory, meter, story, trace
from course_utils.files import write_whole

RESULTS = Path(__file__).parents[1] / "results" / "gpu"
SECONDS = 480  # what the whole may take on a card of 2023 or newer
BATCH, STEPS, EPOCH = 8, 20, 64
PARTS = ("story", "trace", "memory", "meter")


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if not (options.dry or torch.cuda.is_available()):
        print(
            "PyTorch sees no NVIDIA card here, so there is nothing to record. `course record gpu --dry` runs "
            "the same on the CPU with the twin, to see that the script works.",
            file=sys.stderr,
        )
        return 1
    begun = time.monotonic()
    folder = options.out / re.sub(r"\W+", "-", "dry run" if options.dry else card()).strip("-")
    with tempfile.TemporaryDirectory() as scratch:
        for name, found in recorded(options.dry, Path(scratch)):
            path = folder / f"{name}.json"
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(about(options.dry) | found))
            print(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB)", flush=True)
    seconds = time.monotonic() - begun
    print(
        f"{seconds:.0f} s" + (f", more than the {SECONDS} s that it should take" if seconds > SECONDS else "")
    )
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="course record gpu", description=(__doc__ or "").partition("\n")[0])
    made.add_argument("--dry", action="store_true", help="on the CPU with the twin, to see that it works")
    made.add_argument("--out", type=Path, default=RESULTS, help=f"where the files go (default {RESULTS})")
    return made


def recorded(dry: bool, scratch: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    """(a part, what was recorded of it), one after the other: what is there is kept if a later part fails."""
    device = "cpu" if dry else "cuda"
    train_slow = story.script()
    size = {"steps": 4, "batch": 2, "used": 8} if dry else {"steps": STEPS, "batch": BATCH, "used": EPOCH}
    base = twin() if dry else flan_t5_base(scratch / "base")
    plan = story.prepared(train_slow, scratch, base, dialogues(size["used"]), **size)
    with meter.metered() as metered:
        versions = list(story.record(train_slow, plan, device, lambda line: print(line, flush=True)))
    yield "story", {"base": "twin" if dry else "Flan-T5-base, weights drawn", "versions": versions}
    yield "meter", dict(metered)
    yield "trace", {"versions": traces(train_slow, plan, device, scratch)}
    mended = story.versions(train_slow.Slow)[-3]
    yield (
        "memory",
        memory.record(lambda: story.run(train_slow, mended, replace(plan, steps=2), device), device),
    )


def traces(train_slow: ModuleType, plan: Any, device: str, scratch: Path) -> dict[str, Any]:
    """{version: its events}, of a step of the script with its first place mended, and with all."""
    every = story.versions(train_slow.Slow)
    one = replace(plan, steps=1)
    found = {}
    for version in (every[1], every[-3], every[-2]):  # as found, one step has a million operations
        work = partial(story.run, train_slow, version, one, device)
        work()  # warm
        found[version.name] = trace.record(work, device, scratch)
    return found


def about(dry: bool) -> dict[str, Any]:
    """What every file begins with."""
    return {
        "made_by": "course record gpu" + " --dry" * dry,
        "card": None if dry else card(),
        "cuda": torch.version.cuda,
        "date": datetime.date.today().isoformat(),
        "versions_of": run_files.versions(),
    }


def card() -> str:
    return torch.cuda.get_device_name()


def twin() -> str:
    from course_utils import catalog

    return catalog.model_path("flan-t5", "offline")


def flan_t5_base(folder: Path) -> str:
    """A model of Flan-T5-base's shape with drawn weights, and the twin's tokenizer, written into a folder.

    Speed does not ask what the weights are; the shape is that of google/flan-t5-base's config.json.
    """
    from transformers import AutoTokenizer, T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    shape = T5Config(
        vocab_size=32128, d_model=768, d_kv=64, d_ff=2048, num_layers=12, num_heads=12,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0,
    )  # fmt: skip
    T5ForConditionalGeneration(shape).save_pretrained(folder)
    AutoTokenizer.from_pretrained(twin()).save_pretrained(folder)
    return str(folder)


def dialogues(count: int) -> list[dict[str, str]]:
    """Rows of the offline dialogues, as the story's script takes them."""
    from datasets import load_dataset

    from course_utils import catalog

    rows = load_dataset(catalog.dataset_path("dialogues", "offline"), split="train").select(range(count))
    return [{"dialogue": "summarize: " + row["dialogue"], "summary": row["summary"]} for row in rows]


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """{part: what was recorded} of one card; raises FileNotFoundError where there is no recording."""
    missing = [name for name in PARTS if not (folder / f"{name}.json").is_file()]
    if missing:
        raise FileNotFoundError(f"{folder} lacks {', '.join(missing)}; make them with `course record gpu`.")
    return {name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in PARTS}
