"""Answers without the work by testers who had not seen the checks, one file each, as they wrote them.

They had the learner's edition alone, and were asked for answers that would get points without doing the work.
`points` in a file is what the answer got on the day that it was written, out of `of`.
"""

import json
from pathlib import Path

from tests.attacks.claims import Claim

HERE = Path(__file__).parent
RIGHT_VALUES = (
    "every value is right; the way that the text forbids, for the learner's own sake, can't be seen"
)
A_PART = "a part of the answer does its work"
BY_CHANCE = "a constant is right where it is"
#: Points for what is right in an answer all the same, and why
EARNED = {
    "00_start_here_1": (4, RIGHT_VALUES),
    "00_start_here_2": (5, RIGHT_VALUES),
    "00_start_here_3": (3, RIGHT_VALUES),
    "00_start_here_4": (4, RIGHT_VALUES),
    "01_the_hub_1": (2, A_PART),
    "01_the_hub_2": (2, A_PART),
    "01_the_hub_3": (2, A_PART),
    "02_datasets_2": (2, RIGHT_VALUES),
    "03_models_and_pipelines_2": (1, A_PART),
    "04_evaluation_1": (3, RIGHT_VALUES),
    "05_train_or_not_1": (4, RIGHT_VALUES),
    "06_full_fine_tuning_1": (1, A_PART),
    "06_full_fine_tuning_2": (1, A_PART),
    "07_catastrophic_forgetting_3": (1, A_PART),
    "08_transfer_learning_2": (1, A_PART),
    "09_multi_task_1": (5, RIGHT_VALUES),
    "09_multi_task_3": (2, A_PART),
    "09_multi_task_4": (1, BY_CHANCE),
    "10_lora_and_peft_1": (3, "a head that was fitted to these rows, in this run: see grading/README.md"),
    "10_lora_and_peft_2": (2, RIGHT_VALUES),
    "10_lora_and_peft_3": (1, A_PART),
    "11_results_and_demos_1": (1, A_PART),
    "11_results_and_demos_2": (3, RIGHT_VALUES),
    "11_results_and_demos_3": (1, A_PART),
    "12_where_next_1": (2, BY_CHANCE),
    "23_feeding_the_model_1": (3, A_PART),
}


def written() -> list[Claim]:
    """All of them, as claims on the exercises' whole notebooks."""
    return [_claim(path) for path in sorted(HERE.glob("*.json"))]


def _claim(path: Path) -> Claim:
    case = json.loads(path.read_text(encoding="utf-8"))
    (source,) = case["cells"].values()
    earned, _ = EARNED.get(path.stem, (0, ""))
    aim = f"outsider {path.stem.rpartition('_')[2]}"
    return Claim(case["family"], case["exercise"], case["question"], aim, source, None, earned)
