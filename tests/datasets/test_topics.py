from course_utils import world
from tests.datasets.contract import DatasetContract


class TestTopics(DatasetContract):
    name = "topics"
    fingerprint = "b24fea2b365af717"
    hub_files = {  # noqa: RUF012
        "data/train-00000-of-00001.parquet": [{"text": f"news {n}", "label": n % 4} for n in range(5200)],
        "data/test-00000-of-00001.parquet": [{"text": f"late news {n}", "label": n % 4} for n in range(8)],
    }

    def test_a_town_paper_has_other_desks_than_a_news_agency(self, dataset):
        assert dataset.features("hub")["label"].names == ["World", "Sports", "Business", "Sci/Tech"]
        assert dataset.features()["label"].names == list(world.TOPIC_LABELS)
