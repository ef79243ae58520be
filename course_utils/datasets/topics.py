"""News by topic."""

from course_utils.datasets.dataset import Dataset, Labels
from course_utils.world import topics

DATASET = Dataset(
    name="topics",
    description="Short notices from a town paper, sorted by desk.",
    # a town paper has other desks than a news agency
    schema={
        "text": "string",
        "label": Labels(topics.LABELS, hub=("World", "Sports", "Business", "Sci/Tech")),
    },
    hub_id="fancyzhx/ag_news",
    revision="eb185aade064a813bc0b7f42de02595523103ca4",
    hub_files={"train": "data/train-*.parquet", "test": "data/test-*.parquet"},
    carved={"validation": 5000},
    megabytes=20,
    licence="unknown",
    record=topics.record,
)
