from course_utils import instructions
from tests.datasets.contract import DatasetContract

HUB_FILES = {
    f"{split}.parquet": [{"text": f"a fine film {number}", "label": number % 2} for number in range(10)]
    for split in ("train", "validation", "test")
}


class TestReviews(DatasetContract):
    name = "reviews"
    fingerprint = "a5c25ecf855c1bbc"
    hub_files = HUB_FILES

    def test_labels_say_negative_and_positive_in_both_profiles(self, dataset, from_hub):
        split = from_hub["train"]
        assert [split.features["label"].int2str(split[row]["label"]) for row in (0, 1)] == [
            "negative",
            "positive",
        ]
        assert dataset.features()["label"].names == ["negative", "positive"]

    def test_the_answer_is_the_name_of_the_label(self):
        assert instructions.target("sentiment", {"text": "", "label": 1}) == "positive"
        assert instructions.target("sentiment", {"text": "", "label": 0}) == "negative"
