"""Sentences that people wrote, each rated by fifteen people or more, from -4 to 4 (Hutto and Gilbert 2014).

The archive's tables are UTF-8, parted by tabs: for each domain one of the sentences and one of the ratings,
joined by their id. `11_3` is the third sentence of review or article 11; films and tweets have no such
number.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from course_utils.fetched.archive import IndexArchive
from course_utils.fetched.entry import Fetched

#: Domain -> how the names of its two tables begin.
DOMAINS = {
    "films": "movieReviewSnippets",
    "products": "amazonReviewSnippets",
    "tweets": "tweets",
    "editorials": "nytEditorialSnippets",
}
SENTENCES, RATINGS = "GroundTruth.txt", "anonDataRatings.txt"
#: Below which part of the sources, in percent, a split ends.
SPLITS = {"train": 70, "validation": 80, "test": 100}


def table(folder: Path, domain: str, kind: str) -> list[list[str]]:
    """The cells of one of the archive's tables, a list a line; `kind` is SENTENCES or RATINGS."""
    text = (folder / f"{DOMAINS[domain]}_{kind}").read_text(encoding="utf-8-sig")
    return [line.split("\t") for line in text.splitlines() if line]


def records(folder: Path) -> Iterator[dict[str, Any]]:
    """All sentences of the archive's tables as rows, in the tables' order."""
    for domain in DOMAINS:
        ratings = {cells[0]: cells[3] for cells in table(folder, domain, RATINGS)}
        for name, _, text in table(folder, domain, SENTENCES):
            given = [int(each) for each in ratings[name].strip("[]").split(",")]
            yield {
                "text": text.strip(),
                "rating": sum(given) / len(given),
                "ratings": given,
                "domain": domain,
                "source": f"{domain}-{name.partition('_')[0]}",
            }


def plain(text: str) -> str:
    """The letters and digits of a text, in small letters: equal for texts that only look different."""
    return " ".join(re.findall(r"\w+", text.lower()))


def together(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Source -> the first of the sources that it must share a split with, as they have a sentence in common.

    Sentences of three words or fewer ("A must-see!") tell of nothing.
    """
    above: dict[str, str] = {}
    first: dict[str, str] = {}

    def top(source: str) -> str:
        while above.setdefault(source, source) != source:
            source = above[source]
        return source

    for row in rows:
        said, own = plain(row["text"]), top(row["source"])
        if len(said.split()) > 3:
            above[own] = top(first.setdefault(said, own))
    return {source: top(source) for source in above}


def split_of(source: str) -> str:
    """The split that a source falls into: the same whenever it is asked, and on any machine."""
    percent = int(hashlib.sha256(source.encode()).hexdigest(), 16) % 100
    return next(split for split, end in SPLITS.items() if percent < end)


def write(files: Path, folder: Path) -> None:
    """Write train, validation and test as parquet; a source and those that repeat it stand in one of them."""
    import pyarrow
    import pyarrow.parquet

    columns = {
        "text": pyarrow.string(),
        "rating": pyarrow.float32(),
        "ratings": pyarrow.list_(pyarrow.int8()),
        "domain": pyarrow.string(),
        "source": pyarrow.string(),
    }
    rows = list(records(files))
    group = together(rows)
    for split in SPLITS:
        chosen = [row for row in rows if split_of(group[row["source"]]) == split]
        table = pyarrow.Table.from_pylist(chosen, schema=pyarrow.schema(columns.items()))
        pyarrow.parquet.write_table(table, folder / f"{split}.parquet")


def rows(domain: str, split: str = "test") -> list[dict[str, Any]]:
    """The rows of one domain of a split, as a check wants them: plain dicts.

    Raises `FileNotFoundError` where nothing was fetched.
    """
    return [row for row in _read(Path(ENTRY.path("dataset")) / f"{split}.parquet") if row["domain"] == domain]


@cache
def _read(path: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet

    return pyarrow.parquet.read_table(path).to_pylist()


#: SHA-256 of each table.
_PINNED = """
c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350 movieReviewSnippets_GroundTruth.txt
658a086bc7239b98b750baa232cab80e6447789020f96a6c847cc1248d7c82f4 movieReviewSnippets_anonDataRatings.txt
11a9807a0974a2506a2d3b4851eaf69b3d6d20688ce4923adda2312a4f6dd6c2 amazonReviewSnippets_GroundTruth.txt
d7d909adab91e0b4d5084251fc825f15baff66277c52eaa705b40fc464fa274b amazonReviewSnippets_anonDataRatings.txt
dfbe7102e2f92579ed8b19df9a3822491880697c67adf712fb66e520cc05102f tweets_GroundTruth.txt
390d6f8f1b5c7e6f9f94ad7fea1e461ed718312d1856ae71c5812ab8ae943fa6 tweets_anonDataRatings.txt
7d8fbcce7dde5d716da53e78f4ef4be6b706e9ef1e1d51887e6d0ad4b69cc27e nytEditorialSnippets_GroundTruth.txt
803c87c5bb529334bb5ed5fca244aa935e5f342bc0a930d91a0f22e978ee39f2 nytEditorialSnippets_anonDataRatings.txt
"""

ENTRY = Fetched(
    name="opinions",
    kind="dataset",
    description="Sentences of film and product reviews, tweets and editorials, with the ratings people gave.",
    licence="MIT (the archive); the sentences are their authors'",
    citation="Hutto and Gilbert 2014, VADER (ICWSM); films: Pang and Lee 2004 (ACL); products: Hu and Liu "
    "2004 (KDD)",
    archive=IndexArchive(
        package="vaderSentiment",
        version="3.3.2",
        file="vaderSentiment-3.3.2.tar.gz",
        sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
        megabytes=3,
        inner="vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz",
    ),
    files={
        f"hutto_ICWSM_2014/{name}": sha256
        for sha256, name in (line.split() for line in _PINNED.strip().splitlines())
    },
    made=write,
)
