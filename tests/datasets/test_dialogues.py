from tests.datasets.contract import DatasetContract, csv_text


def dialogue(number):
    return {
        "id": f"train_{number}",
        "dialogue": f'#Person1#: It is {number}, "null" they say.\n#Person2#: So, we go.',
        "summary": "null" if number == 0 else f"They leave at {number}.",
        "topic": "leaving",
    }


HUB_FILES = {
    "train.csv": csv_text([dialogue(number) for number in range(20)]),
    "validation.csv": csv_text([dialogue(number) for number in range(20, 24)]),
    "test.csv": csv_text([dialogue(number) for number in range(24, 30)]),
    "holdout.csv": "this file is not asked for",
}


class TestDialogues(DatasetContract):
    name = "dialogues"
    fingerprint = "27487b76953d33ad"
    hub_files = HUB_FILES

    def test_line_breaks_quotes_and_words_that_look_empty_are_kept(self, from_hub):
        assert from_hub["train"].num_rows == 20
        assert from_hub["train"][0] == dialogue(0)
        assert from_hub["train"][0]["summary"] == "null"

    def test_a_record_is_named_by_its_split_and_position(self, dataset):
        assert [row["id"] for row in dataset.records(1, 2, "test", start=5)] == ["test_5", "test_6"]
