"""Conversations and their summaries."""

from course_utils.datasets.dataset import Dataset, Instruction
from course_utils.world import dialogues

DATASET = Dataset(
    name="dialogues",
    description="Conversations between a customer and a shop, each with a summary in other words "
    "and a topic.",
    schema={"id": "string", "dialogue": "string", "summary": "string", "topic": "string"},
    hub_id="knkarthick/dialogsum",
    revision="f6bf536de69725c3228082c8455e2a3c2dc6af86",
    hub_files={"train": "train.csv", "validation": "validation.csv", "test": "test.csv"},
    megabytes=13,
    licence="cc-by-nc-sa-4.0",
    note="The test split has three summaries of each of its 500 dialogues, as three rows.",
    record=dialogues.record,
    instructions=(
        Instruction(
            task="summary",
            prompt=lambda row: f"Summarise the conversation: {row['dialogue']}",
            target=lambda row: row["summary"],
        ),
    ),
)
