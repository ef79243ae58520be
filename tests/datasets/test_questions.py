from tests.datasets.contract import DatasetContract


def question(number):
    return {
        "id": f"q{number}",
        "title": f"Article {number // 100}",
        "context": "The ferry leaves at nine.",
        "question": "When does it leave?",
        "answers": {"text": ["at nine"], "answer_start": [17]},
    }


class TestQuestions(DatasetContract):
    name = "questions"
    fingerprint = "aaec37d1585d4270"
    hub_files = {  # noqa: RUF012
        "plain_text/train-00000-of-00001.parquet": [question(number) for number in range(6000)],
        "plain_text/validation-00000-of-00001.parquet": [question(number) for number in range(6000, 6010)],
    }

    def test_those_for_validation_are_about_other_articles(self, from_hub):
        train, validation = (set(from_hub[split]["title"]) for split in ("train", "validation"))
        assert not train & validation
        assert from_hub["train"].num_rows + from_hub["validation"].num_rows == 6000
        assert from_hub["validation"].num_rows >= 5000
        assert "q6000" in from_hub["test"]["id"]

    def test_a_record_is_named_by_its_split_and_position(self, dataset):
        assert [row["id"] for row in dataset.records(1, 2, start=7)] == ["train_7", "train_8"]
