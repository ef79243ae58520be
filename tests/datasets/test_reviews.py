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
        said = {row["text"][-1]: split.features["label"].int2str(row["label"]) for row in split}
        assert (said["0"], said["1"]) == ("negative", "positive")

    def test_the_rows_which_the_hub_has_by_label_are_mixed(self, dataset, from_hub):
        assert dataset.ordered == "label"
        numbers = [int(text[-1]) for text in from_hub["train"]["text"]]
        assert sorted(numbers) == list(range(10)) != numbers
        assert dataset.features()["label"].names == ["negative", "positive"]

    def test_the_answer_is_the_name_of_the_label(self):
        assert instructions.target("sentiment", {"text": "", "label": 1}) == "positive"
        assert instructions.target("sentiment", {"text": "", "label": 0}) == "negative"
