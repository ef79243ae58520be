from tests.datasets.contract import DatasetContract


class TestGeneralText(DatasetContract):
    name = "general-text"
    fingerprint = "565a3f46a9e192b5"
    hub_files = {  # noqa: RUF012
        f"wikitext-2-raw-v1/{split}-00000-of-00001.parquet": [
            {"text": text} for text in ("", " = Ferry = \n", " A ferry is a boat . \n", "  \n")
        ]
        for split in ("train", "validation", "test")
    }

    def test_blank_lines_are_left_out(self, from_hub):
        assert from_hub["train"]["text"][:] == [" = Ferry = \n", " A ferry is a boat . \n"]
