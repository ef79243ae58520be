"""What the course's logical names stand for, and where the files are.

Three questions are answered here: what is `reviews` (an entry), where is it on this machine (a path that
goes straight into `from_pretrained`, `load_dataset` or `evaluate.load`), and which columns has it (the same
in both profiles).

How far the hub profile is tested, since the tests may not use a network: the unmodified `huggingface_hub`
client resolves each entry at its pinned revision from a local Hub cache. For the models that cache holds
the real configuration of `google/flan-t5-small` and `distilbert-base-uncased` at full size with random
weights; for the data it holds a few rows in the real files' names, formats and columns. Everything behind
that point (mapping the columns, loading, a forward pass, a training step) is what a learner runs. The
download itself is the client's own code.
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
