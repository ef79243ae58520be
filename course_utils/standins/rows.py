"""The rows of each stand-in: as many as the real set has, in its order, with texts of its lengths.

Each function gives {split: rows}, the rows under the columns of the repository, not the course's. Numbers of
rows and orders are those of `facts.csv`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from course_utils.standins.text import SEED, joined, length, pool

Rows = dict[str, Iterator[dict[str, Any]]]


def dialogues() -> Rows:
    """DialogSum: conversations of about 60 to 400 words, and three summaries of each of the test split."""
    return {
        "train": _dialogues("train", 12_460),
        "validation": _dialogues("dev", 500),
        "test": _dialogues("test", 500, summaries=3),
    }


def _dialogues(split: str, count: int, summaries: int = 1) -> Iterator[dict[str, Any]]:
    random, source = Random(f"dialogues {split} {SEED}"), pool("dialogues")
    for number in range(count):
        dialogue = _turns(random, length(random, 60, 120, 400))
        topic = " ".join(random.choice(source)["summary"].split()[-2:]).strip(".").lower()
        for which in range(summaries):
            name = f"{split}_{number}" + (f"_{which + 1}" if summaries > 1 else "")
            summary = joined(lambda: random.choice(source)["summary"], length(random, 8, 18, 50))
            yield {"id": name, "dialogue": dialogue, "summary": summary, "topic": topic}


def _turns(random: Random, words: int) -> str:
    """Turns of two people, a line each."""
    said: list[str] = []
    count = 0
    while count < words:
        for line in random.choice(pool("dialogues"))["dialogue"].splitlines():
            sentence = line.partition(": ")[2]
            said.append(f"#Person{len(said) % 2 + 1}#: {sentence}")
            count += len(sentence.split()) + 1
    return "\n".join(said)


def reviews() -> Rows:
    """Rotten Tomatoes: a sentence each, in lower case, all positive ones before all negative ones."""
    counts = {"train": 8530, "validation": 1066, "test": 1066}
    return {split: _reviews(split, count) for split, count in counts.items()}


def _reviews(split: str, count: int) -> Iterator[dict[str, Any]]:
    random = Random(f"reviews {split} {SEED}")
    by_label = {label: [row["text"] for row in pool("reviews") if row["label"] == label] for label in (0, 1)}
    for number in range(count):
        label = int(number < count // 2)
        words = length(random, 3, 18, 45)
        text = joined(lambda label=label: random.choice(by_label[label]), words, most=52)  # type: ignore[misc]
        yield {"text": text.lower().replace(".", " .").replace(",", " ,"), "label": label}


def topics() -> Rows:
    """AG News: a headline, an agency and one or two sentences, four labels in no order."""
    return {"train": _topics("train", 120_000), "test": _topics("test", 7600)}


def _topics(split: str, count: int) -> Iterator[dict[str, Any]]:
    random, source = Random(f"topics {split} {SEED}"), pool("topics")
    labels = [number % 4 for number in range(count)]  # as many of each
    random.shuffle(labels)
    for label in labels:
        agency = random.choice(("Reuters", "AP", "AFP", "SPACE.com"))
        headline = " ".join(random.choice(source)["text"].split()[: length(random, 4, 7, 10)])
        body = joined(lambda: random.choice(source)["text"], length(random, 8, 24, 90), most=170)
        yield {"text": f"{headline} ({agency}) {agency} - {body}", "label": label}


def entities() -> Rows:
    """CoNLL-2003: sentences of 1 to about 60 tokens; the tags in the repository's numbers."""
    counts = {"train": 14_041, "validation": 3250, "test": 3453}
    return {split: _entities(split, count) for split, count in counts.items()}


#: The course's numbers of the tags -> CoNLL's, where organisations stand before places.
_CONLL = (0, 1, 2, 5, 6, 3, 4, 7, 8)


def _entities(split: str, count: int) -> Iterator[dict[str, Any]]:
    random, source = Random(f"entities {split} {SEED}"), pool("entities")
    for number in range(count):
        tokens: list[str] = []
        tags: list[int] = []
        for row in random.sample(source, random.choice((1, 1, 1, 2, 3))):
            tokens += row["tokens"]
            tags += [_CONLL[tag] for tag in row["ner_tags"]]
        if random.random() < 0.1:  # headings and lines of tables
            cut = random.choice((1, 2, 3))
            tokens, tags = tokens[:cut], tags[:cut]
        none = [0] * len(tokens)
        yield {
            "id": str(number),
            "tokens": tokens,
            "pos_tags": none,
            "chunk_tags": none,
            "ner_tags": tags,
        }


def questions() -> Rows:
    """SQuAD: about five questions to a paragraph of 80 to 300 words, paragraphs of one title together.

    A question of the train split has one answer, of the validation split three to five, not all different.
    """
    return {
        "train": _questions("train", 87_599, titles=442, answers=(1,)),
        "validation": _questions("validation", 10_570, titles=48, answers=(3, 3, 3, 4, 5)),
    }


def _questions(split: str, count: int, titles: int, answers: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    random, number = Random(f"questions {split} {SEED}"), 0
    while number < count:
        title = f"Saltmarsh_{split}_{number * titles // count}"
        context, asked = _paragraph(random, length(random, 60, 105, 260))
        for question, answer, start in asked[: count - number]:
            yield {
                "id": f"{random.getrandbits(96):024x}",
                "title": title,
                "context": context,
                "question": question,
                "answers": _answers(random, answer, start, random.choice(answers)),
            }
            number += 1


def _paragraph(random: Random, words: int) -> tuple[str, list[tuple[str, str, int]]]:
    """(a paragraph, its at most five questions as (question, answer, place of the answer))."""
    context, asked = "", []
    while len(context.split()) < words:
        row = random.choice(pool("questions"))
        place = len(context) + bool(context)
        context = f"{context} {row['context']}".lstrip()
        answer, start = row["answers"]["text"][0], row["answers"]["answer_start"][0]
        asked.append((row["question"], answer, place + start))
    return context, random.sample(asked, min(5, len(asked)))


def _answers(random: Random, answer: str, start: int, count: int) -> dict[str, list]:
    """What `count` people marked: the same words, or the last one of them alone."""
    places = [0] + [random.choice((0, 0, answer.rfind(" ") + 1)) for _ in range(count - 1)]
    return {
        "text": [answer[place:] for place in places],
        "answer_start": [start + place for place in places],
    }


def translations() -> Rows:
    """OPUS Books: sentences of books, of very different lengths."""
    return {"train": _translations(127_085)}


def _translations(count: int) -> Iterator[dict[str, Any]]:
    random, source = Random(f"translations {SEED}"), pool("translations")
    for number in range(count):
        chosen = random.sample(source, random.choice((1, 1, 2, 2, 3, 4, 6, 12)))
        pair = {language: " ".join(row[language] for row in chosen) for language in ("en", "fr")}
        yield {"id": str(number), "translation": pair}


def general_text() -> Rows:
    """WikiText-2, raw: paragraphs, headings between equals signs, and empty lines."""
    counts = {"train": 36_718, "validation": 3760, "test": 4358}
    return {split: _general_text(split, count) for split, count in counts.items()}


def _general_text(split: str, count: int) -> Iterator[dict[str, Any]]:
    random, source = Random(f"general-text {split} {SEED}"), pool("general-text")
    for _ in range(count):
        kind = random.random()
        if kind < 0.35:
            text = ""
        elif kind < 0.5:
            text = f" = {' '.join(random.choice(source)['text'].split()[:3])} = \n"
        else:
            words = length(random, 20, 90, 350)
            text = f" {joined(lambda: random.choice(source)['text'], words)} \n"
        yield {"text": text}


#: Name in the catalog -> its rows.
ROWS: dict[str, Callable[[], Rows]] = {
    "dialogues": dialogues,
    "reviews": reviews,
    "topics": topics,
    "entities": entities,
    "questions": questions,
    "translations": translations,
    "general-text": general_text,
}
