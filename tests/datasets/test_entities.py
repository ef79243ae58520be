from course_utils import instructions, world
from tests.datasets.contract import DatasetContract

TAGGED = {
    "id": "0",
    "tokens": ["Ann", "Lee", "of", "Tide", "Bank", "saw", "Hull", "and", "Danes"],
    "pos_tags": [1] * 9,
    "chunk_tags": [1] * 9,
    "ner_tags": [1, 2, 0, 3, 4, 0, 5, 0, 7],  # CoNLL's numbers: PER 1 2, ORG 3 4, LOC 5 6, MISC 7 8
}


class TestEntities(DatasetContract):
    name = "entities"
    fingerprint = "a6960b6a1d1524ba"
    hub_files = {  # noqa: RUF012
        f"conll2003/{split}/0000.parquet": [TAGGED] * 3 for split in ("train", "validation", "test")
    }

    def test_tags_keep_their_meaning_when_they_are_renumbered(self, from_hub):
        split = from_hub["test"]
        names = split.features["ner_tags"].feature.names
        tags = [names[tag] for tag in split[2]["ner_tags"]]
        assert tags == ["B-PER", "I-PER", "O", "B-ORG", "I-ORG", "O", "B-LOC", "O", "B-MISC"]
        assert split[2]["tokens"] == TAGGED["tokens"]

    def test_tags_have_their_names_offline(self, dataset):
        assert dataset.features()["ner_tags"].feature.names == list(world.ENTITY_TAGS)

    def test_the_answer_lists_the_names_with_their_kinds(self):
        tags = [world.ENTITY_TAGS.index(tag) for tag in ("B-PER", "I-PER", "O", "B-LOC")]
        row = {"tokens": ["Ada", "Ashby", "left", "Oakby"], "ner_tags": tags}
        assert instructions.target("entities", row) == "person: Ada Ashby; place: Oakby"
        assert instructions.target("entities", {"tokens": ["Rain"], "ner_tags": [0]}) == "none"
