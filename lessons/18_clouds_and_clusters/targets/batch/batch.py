"""A job that answers a file. python batch.py --rows rows.jsonl --predictions predictions.jsonl"""

import argparse
import json
from pathlib import Path

from predict import predict

parser = argparse.ArgumentParser()
parser.add_argument("--rows", type=Path, required=True)
parser.add_argument("--predictions", type=Path, required=True)
options = parser.parse_args()
options.predictions.parent.mkdir(parents=True, exist_ok=True)
with options.predictions.open("w", encoding="utf-8") as file:
    for line in options.rows.read_text(encoding="utf-8").splitlines():
        file.write(json.dumps(predict(json.loads(line)["text"])) + "\n")
