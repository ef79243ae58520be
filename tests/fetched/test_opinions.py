"""The tables of rated sentences as a dataset: made-up tables, and the real ones where they were fetched."""

import pyarrow.parquet
import pytest

from course_utils.fetched import opinions
from course_utils.fetched.registry import FETCHED, ready

TABLES = {
    "films": ["1\t1.0\tThe clichés pile up, one by one.", "2\t-2.0\tThe CLICHÉS pile up: one by one!"],
    "products": ["7_1\t0.5\tworks as it should .", "7_2\t0.5\tno .", "8_1\t0\tno ."],
    "tweets": ["1\t2.0\tLMAO, AMAZING!"],
    "editorials": ["1_1\t0\tThe council meets on Monday."],
}


@pytest.fixture
def files(tmp_path):
    for domain, lines in TABLES.items():
        ratings = [f"{line.split(chr(9))[0]}\t0\t0.5\t[2, -1, 2]" for line in reversed(lines)]
        for kind, rows in ((opinions.SENTENCES, lines), (opinions.RATINGS, ratings)):
            text = "\r\n".join(rows) + "\r\n"
            (tmp_path / f"{opinions.DOMAINS[domain]}_{kind}").write_text(
                text, encoding="utf-8-sig", newline=""
            )
    return tmp_path


def test_sentences_meet_their_ratings_by_id(files):
    rows = list(opinions.records(files))
    assert len(rows) == 7 and all(row["ratings"] == [2, -1, 2] and row["rating"] == 1 for row in rows)
    assert rows[0]["text"] == "The clichés pile up, one by one." and rows[0]["source"] == "films-1"
    assert [row["source"] for row in rows if row["domain"] == "products"] == ["products-7"] * 2 + [
        "products-8"
    ]


def test_who_says_the_same_stays_together_unless_it_is_next_to_nothing(files):
    group = opinions.together(list(opinions.records(files)))
    assert group["films-1"] == group["films-2"]
    assert group["products-7"] != group["products-8"]


def test_a_source_stands_in_one_split(files, tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    opinions.write(files, folder)
    seen = {}
    for split in opinions.SPLITS:
        for row in pyarrow.parquet.read_table(folder / f"{split}.parquet").to_pylist():
            assert seen.setdefault(row["source"], split) == split
    assert len(seen) == 6


@pytest.mark.skipif(not ready("opinions"), reason="`course fetch` was not run here")
def test_the_real_tables():
    counts = dict.fromkeys(opinions.DOMAINS, 0)
    places, texts = {}, {}
    for split in opinions.SPLITS:
        for domain in counts:
            for row in opinions.rows(domain, split):
                counts[domain] += 1
                assert places.setdefault(row["source"], split) == split
                said = opinions.plain(row["text"])
                assert len(said.split()) <= 3 or texts.setdefault(said, split) == split
                assert len(row["ratings"]) >= 15 and row["text"] and "Ã" not in row["text"]
    assert counts == {"films": 10605, "products": 3708, "tweets": 4200, "editorials": 5190}


@pytest.mark.skipif(not ready("minilm"), reason="`course fetch` was not run here")
def test_the_real_encoder_is_whole():
    assert FETCHED["minilm"].damaged() == []
