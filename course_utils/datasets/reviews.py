"""Reviews, positive or negative."""

from course_utils.datasets.dataset import Dataset, Instruction, Labels
from course_utils.world import reviews

DATASET = Dataset(
    name="reviews",
    description="Reviews of inns, positive or negative; word order decides, not words alone.",
    schema={"text": "string", "label": Labels(reviews.LABELS)},
    hub_id="cornell-movie-review-data/rotten_tomatoes",
    revision="aa13bc287fa6fcab6daf52f0dfb9994269ffea28",
    hub_files={"train": "train.parquet", "validation": "validation.parquet", "test": "test.parquet"},
    megabytes=1,
    licence="unknown",
    ordered="label",
    record=reviews.record,
    instructions=(
        Instruction(
            task="sentiment",
            prompt=lambda row: f"Is this review positive or negative? {row['text']}",
            target=lambda row: reviews.LABELS[row["label"]],
        ),
    ),
)
