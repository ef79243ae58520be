from tests.datasets.contract import DatasetContract


class TestTranslations(DatasetContract):
    name = "translations"
    fingerprint = "ca5acdacfbc0d736"
    hub_files = {  # noqa: RUF012
        "en-fr/train-00000-of-00001.parquet": [
            {"id": str(n), "translation": {"en": f"boat {n}", "fr": f"bateau {n}"}} for n in range(4100)
        ],
        "en-de/train-00000-of-00001.parquet": [{"id": "0", "translation": {"de": "Boot", "en": "boat"}}],
    }

    def test_splits_are_carved_without_overlap(self, from_hub):
        rows = [row["en"] for split in from_hub.values() for row in split]
        assert {name: split.num_rows for name, split in from_hub.items()} == {
            "train": 100,
            "validation": 2000,
            "test": 2000,
        }
        assert len(set(rows)) == 4100
        assert from_hub["train"][0]["fr"] == from_hub["train"][0]["en"].replace("boat", "bateau")
