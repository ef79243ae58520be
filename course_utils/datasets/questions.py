"""Questions whose answers are spans of a text."""

from course_utils.datasets.dataset import Dataset, Instruction
from course_utils.world import questions

DATASET = Dataset(
    name="questions",
    description="Passages with a question whose answer is exactly one span.",
    schema={
        "id": "string",
        "title": "string",
        "context": "string",
        "question": "string",
        "answers": {"text": ["string"], "answer_start": ["int32"]},
    },
    hub_id="rajpurkar/squad",
    revision="7b6d24c440a36b6815f21b70d25016731768db1f",
    hub_files={"train": "plain_text/train-*.parquet", "test": "plain_text/validation-*.parquet"},
    carved={"validation": 5000},
    apart="title",
    megabytes=17,
    licence="cc-by-sa-4.0",
    ordered="title",
    note="SQuAD's test split is not public: its validation split is our test split.",
    record=questions.record,
    instructions=(
        Instruction(
            task="questions",
            prompt=lambda row: f"Answer from the text: {row['question']} Text: {row['context']}",
            target=lambda row: row["answers"]["text"][0],
        ),
    ),
)
