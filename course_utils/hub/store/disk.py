"""Writing to disk so that a crash leaves the old or the new, never half of it."""

import json
import os
import uuid


def replace(path, data, scratch, mode=0o644):
    """Put `data` at `path` in one step. OSError (a full disk) leaves what was there.

    What is acknowledged survives the death of the server; a power cut may take the last seconds, as the data are not
    forced out to the disk.
    """
    aside = scratch / f"file-{uuid.uuid4().hex}"
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def replace_json(path, value, scratch, mode=0o644):
    replace(path, json.dumps(value, indent=1, ensure_ascii=False).encode(), scratch, mode)


def read_json(path, missing):
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return missing
