"""What the course's logical names stand for, and where the files are.

Three questions are answered here: what is `reviews` (an entry), where is it on this machine (a path that
goes straight into `from_pretrained`, `load_dataset` or `evaluate.load`), and which columns has it (the same
in both profiles).

How far the hub profile is tested, since the tests may use no network: the unmodified `huggingface_hub` client
finds every entry at its pinned revision in a local Hub cache and, for one model and one dataset, downloads it
from a small server on the same machine. In the cache lie the configurations of `google/flan-t5-small` and
`distilbert-base-uncased` at full size with random weights and a small tokenizer, and a few rows of each
dataset under the real files' names, formats and columns. What comes after that is what a learner runs:
columns are mapped, everything is loaded by `from_pretrained` and `load_dataset`, and both models train. The
Hub's own files have not been downloaded by these tests.
"""

from course_utils.catalog.entries import DATASETS, METRICS, MODELS, dataset, metric, model
from course_utils.catalog.paths import dataset_path, metric_path, model_path

__all__ = [
    "DATASETS",
    "METRICS",
    "MODELS",
    "dataset",
    "dataset_path",
    "metric",
    "metric_path",
    "model",
    "model_path",
]
