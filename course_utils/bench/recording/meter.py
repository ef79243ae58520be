"""nvidia-smi beside a piece of work: what it says of the card, five times a second."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ASKED = ("timestamp", "utilization.gpu", "utilization.memory", "memory.used", "power.draw", "clocks.sm")
MILLISECONDS = 200


@contextmanager
def metered() -> Iterator[dict[str, Any]]:
    """What it wrote is in the dict when the block ends: `columns` and `rows`, or `why` there is nothing."""
    found: dict[str, Any] = {"columns": ASKED, "milliseconds": MILLISECONDS, "rows": []}
    program = shutil.which("nvidia-smi")
    if program is None:
        found["why"] = "there is no nvidia-smi on this machine"
        yield found
        return
    words = [f"--query-gpu={','.join(ASKED)}", "--format=csv,noheader,nounits", f"--loop-ms={MILLISECONDS}"]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as lines:
        process = subprocess.Popen([program, *words], stdout=lines, stderr=subprocess.DEVNULL)
        try:
            yield found
        finally:
            process.terminate()
            process.wait()
            lines.seek(0)
            found["rows"] = [[part.strip() for part in line.split(",")] for line in lines if line.strip()]
            if not found["rows"]:
                found["why"] = f"nvidia-smi wrote nothing; it ended with {process.returncode}"
