"""The questions of chapter 03: models, tokens, pipelines opened up, writing, pictures.

The exercise works with the twins whatever the profile, so that a mark means the same for everybody.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from course_utils import catalog
from course_utils.batches import IGNORED
from course_utils.checks import expect
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.wire import Asset
from course_utils.wire.answer import Answer

if TYPE_CHECKING:
    import numpy
    import torch
    from transformers import PreTrainedModel

LESSONS = "lessons/03_models_and_pipelines/"
MODELS, TOKENS, TASKS, WRITING, PICTURES = (
    LESSONS + name
    for name in (
        "01_models_and_weights.ipynb",
        "02_tokens_and_batches.ipynb",
        "03_tasks_by_hand.ipynb",
        "04_writing.ipynb",
        "05_pictures_and_words.ipynb",
    )
)

exercise = Exercise(
    "03_models_and_pipelines",
    title="Models and pipelines",
    minutes=120,
    difficulty="medium",
    cost="about twenty seconds on two cores",
)


@cache
def _tokenizer(name: str) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(catalog.model_path(name, "offline"))


@cache
def _twin(name: str, kind: str = "AutoModel") -> Any:
    """A twin under one of the Auto classes: float32, CPU, eval mode. Nothing here may change it."""
    import torch
    import transformers

    path = catalog.model_path(name, "offline")
    return getattr(transformers, kind).from_pretrained(path, dtype=torch.float32).eval()


# q1: count before you build


@exercise.question(
    "q1",
    title="Predict: how many parameters?",
    points=2,
    difficulty=1,
    needs=("parameters_of",),
    lesson=MODELS + "#Where the parameters are",
    hints=(
        "Three parts: the embeddings once, a layer as often as there are layers, the head once.",
        "The lesson's formula of a layer holds here too: four square matrices, two for the feed-forward "
        "part, two normalisations. DistilBERT has no segments; its head is a square matrix and one of dim by "
        "labels, each with its bias.",
        "A tower of 3 equal floors on a cellar of 40 bricks, 100 bricks a floor and a roof of 25:\n"
        "bricks = 40 + 3 * 100 + 25",
    ),
)
def parameters_of(answer: Answer, draw: Draw) -> None:
    sizes = [_sizes(draw) for _ in range(4)] + [_sizes(draw) | FITS_NOWHERE]
    found = [answer.call("parameters_of", size) for size in sizes]
    for number in found:
        expect.type_of(number, int, "parameters_of(sizes)")
    wanted = [_counted(size) for size in sizes]
    with part("one layer more costs what a layer costs", points=1):
        for size, number in zip(sizes, found, strict=True):
            taller = {**size, "n_layers": size["n_layers"] + 1}
            expect.equal(
                answer.call("parameters_of", taller) - number,
                _counted(taller) - _counted(size),
                f"what one layer adds for dim={size['dim']}, hidden_dim={size['hidden_dim']}",
            )
    with part("the whole model", points=1):
        for size, number, truth in zip(sizes, found, wanted, strict=True):
            expect.equal(number, truth, f"parameters_of({size})")


#: Embeddings of 4 petabytes: whoever builds the model to count it gets an error at once, on any machine
FITS_NOWHERE = {"vocab_size": 10**8, "dim": 10**7, "n_heads": 1}


def _sizes(draw: Draw) -> dict[str, int]:
    heads = draw.random.randrange(1, 5)
    return {
        "vocab_size": draw.random.randrange(50, 900),
        "max_position_embeddings": draw.random.randrange(16, 200),
        "dim": 8 * heads * draw.random.randrange(1, 4),
        "hidden_dim": draw.random.randrange(17, 160),
        "n_layers": draw.random.randrange(1, 4),
        "n_heads": heads,
        "num_labels": draw.random.randrange(2, 9),
    }


def _counted(sizes: Mapping[str, int]) -> int:
    """Counted on the model itself, whose tensors take no memory here."""
    import torch
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    with torch.device("meta"):
        model = DistilBertForSequenceClassification(DistilBertConfig(**sizes))
    return sum(parameter.numel() for parameter in model.parameters())


# q2: a new head on a frozen body


@exercise.question(
    "q2",
    title="A new head on a half-frozen body",
    points=3,
    difficulty=2,
    needs=("prepare",),
    lesson=MODELS + "#Surgery 1: freeze",
    hints=(
        "Loading gives you the body and a new head at once. What is left is to say what may learn.",
        "id2label and label2id go into from_pretrained. The parts to freeze are model.bert.embeddings and "
        "model.bert.encoder.layer[:frozen]; requires_grad_(False) works on a whole module.",
        "Freezing the first convolutions of a picture model:\n"
        "for block in model.features[:3]:\n    block.requires_grad_(False)",
    ),
)
def prepare(answer: Answer, draw: Draw) -> None:
    names = draw.sample(
        ["gull", "heron", "cod", "crab", "otter", "seal", "tern", "eel"], draw.random.randrange(3, 7)
    )
    frozen = draw.random.randrange(1, 5)
    arguments = (Asset("bert", "path"), names, frozen)
    steps = _tokens_and_new_weights(draw, len(names))
    prepared = answer.built("prepare", *arguments)
    trained = answer.given(descended, three_steps).built("three_steps", *arguments, *steps)
    twin = _twin("bert").state_dict()
    body = {name.removeprefix("bert."): weight for name, weight in prepared.state_dict().items()}
    with part("the body is BERT's, the head has the names", points=1):
        expect.equal(type(prepared).__name__, "BertForSequenceClassification", "the class of the model")
        expect.equal(
            dict(prepared.config.id2label), dict(enumerate(names)), f"config.id2label for the names {names}"
        )
        expect.equal(
            dict(prepared.config.label2id),
            {name: number for number, name in enumerate(names)},
            "config.label2id",
        )
        changed = [
            name for name in twin if not name.startswith("pooler") and not body[name].equal(twin[name])
        ]
        expect.true(not changed, "the body's weights as they are in the file", f"other ones in {changed[:1]}")
    expect.equal(type(trained).__name__, "BertForSequenceClassification", "the class of the trained model")
    after = {name.removeprefix("bert."): weight for name, weight in trained.state_dict().items()}
    still = ("embeddings.", *(f"encoder.layer.{number}." for number in range(frozen)))
    with part(f"embeddings and the lower {frozen} layers stay as they are in training", points=1):
        moved = [name for name in twin if name.startswith(still) and not after[name].equal(twin[name])]
        expect.true(
            not moved, "frozen weights to be the same after three steps", f"changed ones, such as {moved[:1]}"
        )
    with part("everything above learns", points=1):
        begun = twin | {name.removeprefix("bert."): weight for name, weight in steps[-1].items()}
        learned = _after_three_steps(names, frozen, *steps)
        _expect_steps(after, begun, learned, still, f"layers {frozen} and above")


def descended(model: Any, tokens: Any, targets: Any, new: dict) -> Any:
    """The model after three steps of plain descent with decay, with given numbers in its new matrices.

    Without dropout, so that everybody gets the same numbers.
    """
    import torch

    model.eval()
    weights = dict(model.named_parameters())
    with torch.no_grad():
        for name, values in new.items():
            weights[name].copy_(values)
    learning = [weight for weight in weights.values() if weight.requires_grad]
    optimizer = torch.optim.SGD(learning, lr=0.1, weight_decay=0.1)
    for _ in range(3):
        model(input_ids=tokens, labels=targets).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


def three_steps(path: str, names: list, frozen: int, tokens: Any, targets: Any, new: dict) -> Any:
    """What `prepare` makes, after three steps."""
    return descended(prepare(path, names, frozen), tokens, targets, new)  # type: ignore[arg-type, func-returns-value]


def _tokens_and_new_weights(draw: Draw, labels: int) -> tuple[Any, Any, dict]:
    """Tokens of four made-up texts, shape (4, 9), their labels, and numbers for what BERT's file lacks."""
    import torch

    generator = torch.Generator().manual_seed(draw.seed)
    width = _twin("bert").config.hidden_size
    shapes = {"bert.pooler.dense": (width, width), "classifier": (labels, width)}
    new = {
        f"{name}.{kind}": torch.randn(*(shape if kind == "weight" else shape[:1]), generator=generator) / 5
        for name, shape in shapes.items()
        for kind in ("weight", "bias")
    }
    tokens = torch.randint(5, 200, (4, 9), generator=generator)
    return tokens, torch.randint(0, labels, (4,), generator=generator), new


def _after_three_steps(names: list, frozen: int, tokens: Any, targets: Any, new: dict) -> dict:
    """{name in the body: weight} after the same three steps, by the check itself."""
    from transformers import AutoModelForSequenceClassification

    path = catalog.model_path("bert", "offline")
    model = AutoModelForSequenceClassification.from_pretrained(path, num_labels=len(names)).float()
    for below in (model.bert.embeddings, *model.bert.encoder.layer[:frozen]):
        below.requires_grad_(False)
    trained = descended(model, tokens, targets, new).state_dict()
    return {name.removeprefix("bert."): weight for name, weight in trained.items()}


def _expect_steps(after: dict, begun: dict, wanted: dict, still: tuple[str, ...], above: str) -> None:
    """Every weight that may learn is where three steps take it from where it began."""
    free = [name for name in wanted if not name.startswith(still)]
    # softmax does not see the key's bias, which has no gradient worth the name
    known = [name for name in free if name in begun and not name.endswith("key.bias")]
    stuck = [name for name in known if after[name].equal(begun[name])]
    expect.true(not stuck, f"{above} to change in three steps", f"{stuck[:1]} as it was")
    for name in free:
        expect.all_close(after[name], wanted[name], f"{name} after three steps", tolerance=1e-4)


# q3: a home for a plain network


@exercise.question(
    "q3",
    title="Give a plain network a home",
    points=3,
    difficulty=3,
    needs=("adopt", "register", "ReaderForSequenceClassification"),
    lesson=MODELS + "#Surgery 3: a model of our own, in the library",
    hints=(
        "The plain network's forward is all you need to know; the class has the same layers under "
        "other names.",
        "In __init__: super().__init__(config), the three layers, and last self.post_init(), without "
        "which nothing can be loaded. adopt is a dict with new keys. register needs AutoConfig and "
        "AutoModelForSequenceClassification, as in the lesson.",
        "Renaming the columns of a table:\n"
        'new = {"year": "Jahr", "town": "Ort"}\n{new[name]: column for name, column in table.items()}',
    ),
)
def reader(answer: Answer, draw: Draw) -> None:
    import torch

    generator = torch.Generator().manual_seed(draw.seed)
    words, width, labels = (
        draw.random.randrange(20, 60),
        draw.random.randrange(4, 12),
        draw.random.randrange(4, 7),  # not two, the library's default, nor three, the notebook's example
    )

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    weights = {
        "0.weight": random(words, width), "1.weight": random(width, width), "1.bias": random(width),
        "2.weight": random(labels, width), "2.bias": random(labels),
    }  # fmt: skip
    renamed = {
        "words.weight": "0.weight", "hidden.weight": "1.weight", "hidden.bias": "1.bias",
        "head.weight": "2.weight", "head.bias": "2.bias",
    }  # fmt: skip
    found = answer.call("adopt", weights)
    with part("the weights under their new names", points=1):
        expect.type_of(found, dict, "adopt(weights)")
        expect.equal(sorted(found), sorted(renamed), "the names that adopt(weights) gives")
        for ours, theirs in renamed.items():
            expect.equal(found[ours], weights[theirs], f"adopt(weights)[{ours!r}]")
    tokens = torch.randint(0, words, (3, 7), generator=generator)
    lengths = torch.tensor([7, draw.random.randrange(3, 6), 2])
    mask = (torch.arange(7)[None] < lengths[:, None]).long()
    with part("saved and loaded by AutoModelForSequenceClassification, it says the same", points=2):
        home = answer.given(through_the_library).call("through_the_library", weights, tokens, mask)
        expect.keys(home, ("config", "weights", "logits"), "what was saved and loaded")
        _expect_saved(home, {ours: weights[theirs] for ours, theirs in renamed.items()})
        expect.shape(home["logits"], (3, labels), "the logits of 3 texts")
        expect.all_close(
            home["logits"],
            _plain_logits(weights, tokens, mask),
            "the logits of the loaded model",
            tolerance=1e-4,
        )


def through_the_library(weights: dict, input_ids: Any, attention_mask: Any) -> dict:
    """What a reader says that was saved and loaded by its Auto class, and what lies in its folder."""
    import json
    import pathlib
    import tempfile

    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForSequenceClassification

    register()  # type: ignore[name-defined]  # noqa: F821 - the learner's
    kind = ReaderForSequenceClassification  # type: ignore[name-defined]  # noqa: F821 - the learner's
    (words, width), (labels, _) = weights["0.weight"].shape, weights["2.weight"].shape
    model = kind(kind.config_class(vocab_size=words, width=width, num_labels=labels))
    model.load_state_dict(adopt(weights))  # type: ignore[name-defined]  # noqa: F821 - the learner's
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        model.save_pretrained(folder)
        loaded = AutoModelForSequenceClassification.from_pretrained(folder)
        config = json.loads((pathlib.Path(folder) / "config.json").read_text())
        return {
            "config": {name: config.get(name) for name in ("model_type", "vocab_size", "width")},
            "weights": load_file(pathlib.Path(folder) / "model.safetensors"),
            "logits": loaded(input_ids=input_ids, attention_mask=attention_mask).logits,
        }


def _expect_saved(home: dict, wanted: dict) -> None:
    """Config and weights in the folder are those of a reader that holds the plain network's numbers."""
    (words, width) = wanted["words.weight"].shape
    sizes = {"model_type": "course-reader", "vocab_size": words, "width": width}
    expect.equal(home["config"], sizes, "the saved config.json")
    expect.type_of(home["weights"], dict, "the saved weights")
    expect.equal(sorted(home["weights"]), sorted(wanted), "the names of the saved weights")
    for name, weight in wanted.items():
        expect.all_close(home["weights"][name], weight, f"the saved {name}", tolerance=1e-6)


def _plain_logits(weights: dict, tokens: Any, mask: Any) -> Any:
    import torch

    present = mask[..., None].float()
    mean = (weights["0.weight"][tokens] * present).sum(1) / present.sum(1)
    inner = torch.tanh(mean @ weights["1.weight"].T + weights["1.bias"])
    return inner @ weights["2.weight"].T + weights["2.bias"]


# q4: a tokenizer of one's own


@exercise.question(
    "q4",
    title="Train a tokenizer",
    points=3,
    difficulty=2,
    needs=("train_wordpiece",),
    lesson=TOKENS + "#Train one yourself",
    hints=(
        "Five components: normaliser, pre-tokenizer, model, post-processor, decoder. Which of them "
        "have you set?",
        "The trainer gets the special tokens, or they have no number. The template needs the numbers of "
        "[CLS] and [SEP], so it comes after the training; the decoder is decoders.WordPiece().",
        "A tokenizer that ends every text with <end>:\n"
        'processors.TemplateProcessing(single="$A <end>", special_tokens=[("<end>", '
        't.token_to_id("<end>"))])',
    ),
)
def train_wordpiece(answer: Answer, draw: Draw) -> None:
    names = [_made_up(draw) for _ in range(16)]
    texts = [_with_names(draw, row["text"], names) for row in draw.rows("general-text", 400, split="train")]
    unseen = [_with_names(draw, row["text"], names) for row in draw.rows("general-text", 30)]
    size = draw.random.randrange(300, 500)
    found = answer.given(cut).call("cut", texts, size, unseen)
    what = "what your tokenizer does with 30 texts"
    expect.keys(found, ("vocabulary", "tokens", "offsets", "texts"), what)
    expect.type_of(found["vocabulary"], dict, "the vocabulary of the tokenizer")
    expect.at_most(len(found["vocabulary"]), size, f"the number of tokens for size={size}")
    for name in ("tokens", "offsets", "texts"):
        expect.length(found[name], len(unseen), f"the {name} of 30 texts")
    for tokens, offsets in zip(found["tokens"], found["offsets"], strict=True):
        expect.each_of(tokens, str, "the tokens of a text")
        expect.each_of(offsets, (list, tuple), "the offsets of a text")
        expect.length(offsets, len(tokens), "the offsets of a text")
        expect.at_least(len(tokens), 2, "the number of tokens of a text")
    _expect_learned(found, texts, size, unseen)
    with part("marks around, and within a word", points=1):
        for tokens in found["tokens"]:
            expect.equal(
                [tokens[0], tokens[-1]], ["[CLS]", "[SEP]"], "the first and the last token of a text"
            )
        every = [token for tokens in found["tokens"] for token in tokens]
        expect.true(
            any(token.startswith("##") for token in every),
            "tokens that continue a word to begin with ##",
            "none",
        )
        across = [token for token in every if token not in MARKS and _reaches_across(token)]
        expect.true(
            not across,
            "no token to reach across white space or punctuation",
            f"{across[0]!r}; which pre-tokenizer cuts at punctuation, too?" if across else "",
        )
    with part("the text comes back, in lower case", points=1):
        for text, back in zip(unseen, found["texts"], strict=True):
            expect.type_of(back, str, "what decoding gives")
            expect.equal(_squeezed(back), _squeezed(text.lower()), "what decoding gives, white space aside,")
    with part("every token knows where it comes from", points=1):
        for text, tokens, offsets in zip(unseen, found["tokens"], found["offsets"], strict=True):
            for token, place in list(zip(tokens, offsets, strict=True))[1:-1]:
                expect.each_of(place, int, f"the offsets of {token!r}")
                expect.length(place, 2, f"the offsets of {token!r}")
                if token != "[UNK]":
                    expect.equal(
                        text[slice(*place)].lower(), token.removeprefix("##"), f"the characters of {token!r}"
                    )


def cut(texts: list, size: int, unseen: list) -> dict:
    """What a tokenizer learned from `texts` does with `unseen` ones, and its vocabulary."""
    tokenizer = train_wordpiece(texts, size)  # type: ignore[arg-type, func-returns-value]
    encodings = [tokenizer.encode(text) for text in unseen]
    return {
        "vocabulary": tokenizer.get_vocab(),
        "tokens": [encoding.tokens for encoding in encodings],
        "offsets": [encoding.offsets for encoding in encodings],
        "texts": [tokenizer.decode(encoding.ids) for encoding in encodings],
    }


def _made_up(draw: Draw) -> str:
    """A word that only this draw has, of four syllables."""
    return "".join(draw.random.choice("bdfgklmnprst") + draw.random.choice("aeiou") for _ in range(4))


def _with_names(draw: Draw, text: str, names: list[str]) -> str:
    return f"{text} {' '.join(draw.sample(names, 8))}."


MARKS = ("[CLS]", "[SEP]", "[UNK]", "[PAD]")


def _reaches_across(token: str) -> bool:
    """Whether letters or digits stand in it beside something else."""
    kinds = {letter.isalnum() for letter in token.removeprefix("##")}
    return len(kinds) == 2


def _expect_learned(found: dict, texts: list[str], size: int, unseen: list[str]) -> None:
    """The tokens are those that the vocabulary gives, and the vocabulary is one for these texts."""
    every = [token for tokens in found["tokens"] for token in tokens]
    expect.at_most(every.count("[UNK]") / len(every), 0.02, "the share of unknown tokens")
    for tokens in found["tokens"]:
        for word in _in_words([token for token in tokens if token not in ("[CLS]", "[SEP]")]):
            wanted = _longest_first(word, found["vocabulary"])
            expect.equal(word, wanted, "the tokens of a word, the longest that the vocabulary has first,")
    ours = sum(len(tokens) for tokens in _cut_by_the_check(texts, size, unseen))
    expect.at_most(
        sum(map(len, found["tokens"])),
        LONGER * ours,
        f"the tokens of 30 texts whose words are in what was learned from ({ours} in the check's own)",
    )


LONGER = 1.15  # a right tokenizer's texts in tokens, against the check's own


def _in_words(tokens: list[str]) -> list[list[str]]:
    words: list[list[str]] = []
    for token in tokens:
        if token.startswith("##") and words:
            words[-1].append(token)
        else:
            words.append([token])
    return words


def _longest_first(tokens: list[str], vocabulary: dict) -> list[str]:
    """The word that these tokens make, cut again: at each position the longest token there is."""
    if tokens == ["[UNK]"]:
        return tokens
    word, cuts, place = "".join(token.removeprefix("##") for token in tokens), [], 0
    while place < len(word):
        mark = "##" if place else ""
        ends = [end for end in range(len(word), place, -1) if mark + word[place:end] in vocabulary]
        if not ends:
            return ["[UNK]"]
        cuts.append(mark + word[place : ends[0]])
        place = ends[0]
    return cuts


def _cut_by_the_check(texts: list[str], size: int, unseen: list[str]) -> list[list[str]]:
    """The tokens of texts, by a WordPiece tokenizer of this size that was learned from `texts`."""
    from tokenizers import BertWordPieceTokenizer

    tokenizer = BertWordPieceTokenizer(lowercase=True)
    tokenizer.train_from_iterator(texts, vocab_size=size, show_progress=False)
    return [["[CLS]", *tokenizer.encode(text, add_special_tokens=False).tokens, "[SEP]"] for text in unseen]


def _squeezed(text: str) -> str:
    return "".join(text.split())


# q5: labels down to tokens, names back up


@exercise.question(
    "q5",
    title="Labels down to tokens, names back up",
    points=3,
    difficulty=2,
    needs=("collate", "names_in"),
    lesson=TASKS + "#Names: one label for each token",
    hints=(
        "Down: three kinds of positions have no label of their own. Up: first make words of tokens, then "
        "names of words.",
        "A token begins a word if its word is not None and differs from the word of the token before. In "
        "names_in the first token of a word decides; the other tokens only move the end of the word.",
        "Joining neighbours that are equal:\n"
        "runs = []\nfor letter in text:\n    if runs and runs[-1][0] == letter:\n        runs[-1] += letter\n"
        "    else:\n        runs.append(letter)",
    ),
)
def labels_and_names(answer: Answer, draw: Draw) -> None:
    import torch

    examples = [_example(draw) for _ in range(4)]
    pad = draw.random.randrange(1, 9)  # not 0, which many would write instead of pad_id
    with part("collate: labels on first tokens only", points=1):
        found = answer.call("collate", examples, pad)
        expect.keys(found, ("input_ids", "attention_mask", "labels"), "collate(examples, pad_id)")
        longest = max(len(example["input_ids"]) for example in examples)
        for name, fill, rows in (
            ("input_ids", pad, [example["input_ids"] for example in examples]),
            ("attention_mask", 0, [[1] * len(example["input_ids"]) for example in examples]),
            ("labels", IGNORED, [_first_labels(example) for example in examples]),
        ):
            expect.type_of(found[name], torch.Tensor, f"{name} of the batch")
            expect.shape(found[name], (4, longest), f"{name} of the batch")
            for row, wanted in zip(found[name].tolist(), rows, strict=True):
                expect.equal(row, wanted + [fill] * (longest - len(wanted)), f"a row of {name}")
    with part("names_in: whole words, whole names", points=2):
        for words in (NEIGHBOURS, *(_any_labels(draw) for _ in range(11))):
            tokens = _tokens(draw, words)
            found = answer.call("names_in", tokens)
            expect.type_of(found, (list, tuple), "names_in(tokens)")
            wanted = _names(tokens)
            what = (
                f"names_in of the labels {[token['label'] for token in tokens]} "
                f"in the words {[token['word'] for token in tokens]}"
            )
            expect.length(found, len(wanted), what)
            for number, (name, right) in enumerate(zip(found, wanted, strict=True)):
                expect.type_of(name, (list, tuple), f"name {number} of names_in(tokens)")
                expect.equal(list(name), right, f"name {number} of {what}")


def _example(draw: Draw) -> dict[str, list]:
    words = draw.random.randrange(2, 8)
    word_ids: list[int | None] = [None]
    for word in range(words):
        word_ids += [word] * (2 if word == 0 else draw.random.choice((1, 1, 2, 3)))
    word_ids.append(None)
    return {
        "input_ids": [draw.random.randrange(10, 99) for _ in word_ids],
        "word_ids": word_ids,
        "tags": [draw.random.randrange(0, 9) for _ in range(words)],
    }


def _first_labels(example: Mapping[str, list]) -> list[int]:
    before, labels = None, []
    for word in example["word_ids"]:
        labels.append(IGNORED if word is None or word == before else example["tags"][word])
        before = word
    return labels


LABELS = ("O", "O", "B-PER", "I-PER", "B-LOC", "I-LOC", "I-ORG")
# two names side by side, a name that goes on, and names that begin with I: after another kind, after none,
# and after none that parts it from a name of its own kind
NEIGHBOURS = ("B-PER", "B-PER", "I-PER", "I-LOC", "O", "I-LOC", "O", "I-ORG", "B-LOC")


def _any_labels(draw: Draw) -> list[str]:
    """Labels of a few words as a model might give them, odd ones included."""
    return [draw.random.choice(LABELS) for _ in range(draw.random.randrange(3, 8))]


def _tokens(draw: Draw, words: Sequence[str]) -> list[dict[str, Any]]:
    """Tokens of words whose first tokens have these labels; the others have any."""
    tokens, place = [], 0
    for word, first in enumerate(words):
        for number in range(draw.random.choice((1, 1, 2, 3))):
            end = place + draw.random.randrange(2, 5)
            label = draw.random.choice(LABELS) if number else first
            tokens.append({"word": word, "label": label, "start": place, "end": end})
            place = end
        place += 1
    return tokens


def _names(tokens: Iterable[Mapping[str, Any]]) -> list[list]:
    words: list[dict[str, Any]] = []
    for token in tokens:
        if words and words[-1]["word"] == token["word"]:
            words[-1]["end"] = token["end"]
        else:
            words.append(dict(token))
    names: list[list] = []
    kind_before = None
    for word in words:
        begins, _, kind = word["label"].partition("-")
        if begins == "I" and kind == kind_before:
            names[-1][2] = word["end"]
        elif begins != "O":
            names.append([kind, word["start"], word["end"]])
        kind_before = kind or None
    return names


# q6: from logits to answers


@exercise.question(
    "q6",
    title="From logits to answers",
    points=3,
    difficulty=3,
    needs=("zero_shot", "best_answer"),
    lesson=TASKS + "#Extractive question answering: two logits a token",
    hints=(
        "Zero-shot: over what does softmax run, over the labels or within one label? Answers: not every "
        "pair of a start and an end is legal.",
        "The columns come from label2id. For multi_label take two columns and softmax over them. For the "
        "answer, go through all windows and all pairs first <= last < first + longest whose offsets are "
        "not None.",
        "The best pair of a starter and a dessert within a budget:\n"
        "max((joy[s] + joy[d], s, d) for s in starters for d in desserts if price[s] + price[d] <= 20)",
    ),
)
def logits_to_answers(answer: Answer, draw: Draw) -> None:
    numpy = draw.numpy()
    names = draw.sample(("contradiction", "neutral", "entailment"), 3)
    orders = [
        {name: (number + shift) % 3 for number, name in enumerate(names)} for shift in (0, 1)
    ]  # no column is the same in both
    logits = (3 * numpy.standard_normal((draw.random.randrange(3, 7), 3))).round(3).tolist()
    with part("zero-shot, one label or several", points=1):
        for (multi, meant), label2id in itertools.product(
            (
                (False, "softmax of the entailment logits over the candidates"),
                (True, "softmax over contradiction and entailment within each candidate"),
            ),
            orders,
        ):
            what = f"zero_shot(logits, {label2id}, {multi})"
            found = answer.call("zero_shot", logits, label2id, multi)
            expect.each_of(found, float, what)
            expect.length(found, len(logits), what)
            expect.all_close(found, _zero_shot(logits, label2id, multi), f"{what}, {meant},")
    with part("the best legal answer of all windows", points=1):
        for number in range(4):
            longest = draw.random.randrange(2, 5)
            windows = _windows(draw, longest, number % 3)
            best = _best(windows, longest)
            found = answer.call("best_answer", windows, longest, best[0] - 1.0)
            _expect_an_answer(found, best[0], best[0] - 1.0)
            what = f"best_answer's (start, end) in characters, of at most {longest} tokens"
            expect.equal(list(found), list(best[1]), what)
    with part("no answer below the threshold", points=1):
        for gap in (0.5, 0.0, -0.5):
            windows = _windows(draw, 3, 1)
            score, span = _best(windows, 3)
            found = answer.call("best_answer", windows, 3, score + gap)
            if gap > 0:
                expect.true(found is None, f"None from {_sums(score, score + gap)}", expect.show(found))
            else:
                _expect_an_answer(found, score, score + gap)
                expect.equal(list(found), list(span), _sums(score, score + gap))


def _sums(best: float, threshold: float) -> str:
    return f"best_answer where the best legal sum is {best:.2f} and threshold {threshold:.2f}"


def _expect_an_answer(found: Any, best: float, threshold: float) -> None:
    expect.true(found is not None, f"an answer from {_sums(best, threshold)}", "None")
    expect.type_of(found, (tuple, list), _sums(best, threshold))


def _zero_shot(logits: list[list[float]], label2id: Mapping[str, int], multi: bool) -> numpy.ndarray:
    import numpy

    scores = numpy.exp(numpy.asarray(logits))
    entailed = scores[:, label2id["entailment"]]
    return (
        entailed / (entailed + scores[:, label2id["contradiction"]]) if multi else entailed / entailed.sum()
    )


def _windows(draw: Draw, longest: int, best: int) -> list[dict[str, Any]]:
    """Three windows: two special tokens, a question, and a stretch of the text;
    offsets are None outside the text.

    The window number `best` has the best legal answer, of `longest` tokens. Larger sums elsewhere
    are not legal: a token outside the text, one token too many (in the next window), an end
    before its start (in the one after that).
    """
    windows, place = [], 0
    for number in range(3):
        before, inside = draw.random.randrange(2, 5), draw.random.randrange(5, 9)
        offsets = (
            [None] * before + [(place + 4 * step, place + 4 * step + 3) for step in range(inside)] + [None]
        )
        place += 4 * (inside - 2)  # the next window begins before this one ends
        starts, ends = ([_logit(draw) for _ in offsets] for _ in range(2))
        starts[0] = ends[0] = 20.0  # tempting, and outside the text
        first = draw.random.randrange(before, before + inside - longest)
        role = (number - best) % 3
        if role == 0:
            starts[first] = ends[first + longest - 1] = 9.0
        elif role == 1:
            starts[first] = ends[first + longest] = 12.0
        else:
            starts[first + 1] = ends[first] = 12.0
        windows.append({"starts": starts, "ends": ends, "offsets": offsets})
    return windows


def _logit(draw: Draw) -> float:
    return round(max(-5.0, min(5.0, draw.random.gauss(0, 3))), 3)


def _best(windows: Iterable[Mapping[str, list]], longest: int) -> tuple[float, tuple[int, int]]:
    """(sum of logits, (start, end)) of the best legal span, by looking at every one."""
    return max(
        (
            window["starts"][first] + window["ends"][last],
            (window["offsets"][first][0], window["offsets"][last][1]),
        )
        for window in windows
        for first in range(len(window["starts"]))
        for last in range(first, min(first + longest, len(window["ends"])))
        if window["offsets"][first] and window["offsets"][last]
    )


# q7: find the bugs, similar texts


@exercise.question(
    "q7",
    title="Find the bugs: a search that depends on the neighbours",
    points=3,
    difficulty=2,
    needs=("embed", "nearest"),
    lesson=TASKS + "#Feature extraction: texts as vectors",
    hints=(
        "Embed the shortest text alone and then together with a long one. Why do the vectors differ?",
        "Two things go wrong with padding: the model is not told of it, and the mean counts it. And in "
        "nearest, which text is always most similar to a text?",
        "The mean age of the people in a table with empty rows:\n"
        "sum(age * real for age, real in zip(ages, present)) / sum(present)",
    ),
)
def similar(answer: Answer, draw: Draw) -> None:
    import torch

    notices = [row["text"] for row in draw.rows("topics", 12)]
    texts = [notices[0].split(".")[0] + ".", *notices[1:6], " ".join(notices[6:9])]
    mine, bert = answer.given(embedded), (Asset("bert", "path"), Asset("bert", "tokenizer"))
    found = mine.call("embedded", texts, *bert)
    expect.type_of(found, torch.Tensor, "embed(texts, model, tokenizer)")
    expect.shape(found, (len(texts), 128), "embed(texts, model, tokenizer)")
    wanted = _vectors(texts)
    with part("a text's vector does not depend on its neighbours", points=1):
        alone = mine.call("embedded", texts[:1], *bert)
        expect.type_of(alone, torch.Tensor, "embed(texts, model, tokenizer)")
        expect.shape(alone, (1, 128), "embed(texts, model, tokenizer) of one text")
        expect.all_close(
            found[0].detach(),
            alone[0].detach(),
            "the vector of a text in a batch, as it is alone,",
            tolerance=1e-4,
        )
        expect.true(
            bool((found[0] - found[1]).abs().max() > 1e-3),
            "different vectors for different texts",
            "equal ones",
        )
    with part("it is the mean over the text's tokens, of length 1", points=1):
        expect.all_close(found.detach(), wanted, "embed(texts, …)", tolerance=1e-4)
    with part("the nearest is another text", points=1):
        close = wanted @ wanted.T
        close.fill_diagonal_(-2)
        _expect_nearest(answer, wanted, close.argmax(1).tolist())
        away = _all_pointing_away(draw)
        close = (away @ away.T).fill_diagonal_(-2)
        _expect_nearest(answer, away, close.argmax(1).tolist())


def _expect_nearest(answer: Answer, vectors: torch.Tensor, wanted: list[int]) -> None:
    import torch

    found = answer.call("nearest", vectors)
    found = found.tolist() if isinstance(found, torch.Tensor) else found
    lowest = (vectors @ vectors.T).min()
    expect.equal(found, wanted, f"nearest(vectors), whose products are between {lowest:.2f} and 1,")


def _all_pointing_away(draw: Draw) -> torch.Tensor:
    """Five vectors of length 1, shape (5, 5), any two of which have a negative product."""
    import torch

    generator = torch.Generator().manual_seed(draw.seed)
    corners = torch.eye(5) - 0.2 + 0.04 * torch.rand(5, 5, generator=generator)
    return torch.nn.functional.normalize(corners, dim=1)


def embedded(texts: list, path: str, tokenizer: Any) -> Any:
    """What `embed` makes of texts with BERT as it is in the folder."""
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(path, dtype=torch.float32).eval()
    return embed(texts, model, tokenizer)  # type: ignore[name-defined]  # noqa: F821 - the learner's


def _vectors(texts: list[str]) -> Any:
    import torch

    rows = []
    with torch.inference_mode():
        for text in texts:
            states = _twin("bert")(**_tokenizer("bert")(text, return_tensors="pt")).last_hidden_state[0]
            rows.append(torch.nn.functional.normalize(states.mean(0), dim=0))
    return torch.stack(rows).clone()


# q8: which token next


@exercise.question(
    "q8",
    title="Write it yourself, in a batch",
    points=3,
    difficulty=3,
    needs=("shares", "write"),
    lesson=WRITING + "#Sampling, and stopping",
    hints=(
        "shares: three steps, one after the other, and a sum of one in the end. write: on which side is "
        "the padding of a text that goes on?",
        "Top-k counts tokens, top-p adds up shares of what top-k left. In write, either pad on the left "
        "and give the mask to generate, or do one prompt after the other; cut the prompt off and stop at "
        "the end-of-sequence token.",
        "Keep the largest numbers until they reach half of the sum:\n"
        "kept = [x for x, before in zip(ordered, [0, *accumulate(ordered)]) if before < sum(ordered) / 2]",
    ),
)
def next_token(answer: Answer, draw: Draw) -> None:
    import torch

    with part("temperature, top-k, top-p", points=1):
        for _ in range(5):
            scores = [round(draw.random.gauss(0, 2), 3) for _ in range(30)]
            knobs = (
                round(draw.random.uniform(0.4, 2.0), 2),
                draw.random.randrange(2, 25),
                round(draw.random.uniform(0.3, 0.95), 2),
            )
            found = answer.call("shares", torch.tensor(scores), *knobs)
            expect.shape(found, (30,), "shares(scores, temperature, top_k, top_p)")
            what = "shares(scores, temperature={}, top_k={}, top_p={})".format(*knobs)
            expect.equal(
                int((found > 0).sum()),
                int((_shares(scores, *knobs) > 0).sum()),
                f"the number of tokens left by {what}",
            )
            expect.all_close(found, _shares(scores, *knobs), what)
    texts = [row["text"] for row in draw.rows("general-text", 6)]
    prompts = [" ".join(text.split()[:count]) for text, count in zip(texts, (2, 3, 4, 5, 6, 7), strict=True)]
    with part("greedy text, the same in a batch as alone", points=2):
        found = answer.call("write", Asset("gpt2", "model"), Asset("gpt2", "tokenizer"), prompts, 12)
        expect.each_of(found, str, "write(model, tokenizer, prompts, 12)")
        expect.length(found, len(prompts), "write(model, tokenizer, prompts, 12)")
        for prompt, text in zip(prompts, found, strict=True):
            what = f"what is written after {prompt!r} among five other prompts, as if it were alone,"
            expect.equal(text, _greedy(prompt, 12), what)


def _shares(scores: list[float], temperature: float, top_k: int, top_p: float) -> torch.Tensor:
    """By the library's own objects, in the order in which `generate` applies them."""
    import torch
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    bent = torch.tensor([scores])
    for warp in (TemperatureLogitsWarper(temperature), TopKLogitsWarper(top_k), TopPLogitsWarper(top_p)):
        bent = warp(None, bent)
    return bent[0].softmax(-1)


def _greedy(prompt: str, most: int) -> str:
    import torch

    tokenizer = _tokenizer("gpt2")
    tokens = tokenizer(prompt, return_tensors="pt")
    with torch.inference_mode():
        written = _twin("gpt2", "AutoModelForCausalLM").generate(
            **tokens, max_new_tokens=most, do_sample=False, pad_token_id=tokenizer.eos_token_id
        )
    return tokenizer.decode(written[0, tokens["input_ids"].shape[1] :], skip_special_tokens=True)


# q9: a pipeline of one's own


@exercise.question(
    "q9",
    title="A pipeline of your own",
    points=2,
    difficulty=2,
    needs=("CountingPipeline",),
    lesson=WRITING + "#A pipeline of our own",
    hints=(
        "Four methods: the options sorted, text to tensors, tensors to tokens, tokens to the answer. "
        "_sanitize_parameters is called with the options of one call only: put in no defaults there, or a "
        "later call undoes what the first was told.",
        "The tokens of T5 begin with a start token and, in a batch, end in padding; both are special, and "
        "the end token is too. Count what is none of tokenizer.all_special_ids.",
        "How many real words are in a row that is filled up?\n"
        'sum(word not in ("<start>", "<fill>") for word in row)',
    ),
)
def counting_pipeline(answer: Answer, draw: Draw) -> None:
    rows = draw.rows("translations", 3)
    texts, prefix = [row["en"] for row in rows], "Translate to French: "
    mine = answer.given(through_the_pipeline)
    found = mine.call("through_the_pipeline", Asset("flan-t5", "path"), texts, prefix, 40)
    expect.type_of(found, (list, tuple), "the answers to 3 texts")
    expect.length(found, len(texts), "the answers to 3 texts")
    for item in found:
        expect.keys(item, ("text", "tokens"), "each answer")
    written = [_translated(text, prefix, 40) for text in texts]
    with part("it writes what generate writes", points=1):
        expect.equal([item["text"] for item in found], [text for text, _ in written], "the texts")
        few = draw.random.randrange(3, 6)
        short = mine.call("through_the_pipeline", Asset("flan-t5", "path"), texts, prefix, few)
        expect.type_of(short, (list, tuple), "the answers to 3 texts")
        for item in short:
            expect.keys(item, ("text", "tokens"), "each answer")
        expect.equal(
            [item["text"] for item in short],
            [_translated(text, prefix, few)[0] for text in texts],
            f"the texts for max_new_tokens={few}",
        )
    with part("and counts its tokens", points=1):
        expect.equal(
            [item["tokens"] for item in found], [count for _, count in written], "the numbers of tokens"
        )


def through_the_pipeline(path: str, texts: list, prefix: str, most: int) -> Any:
    """The answers of a CountingPipeline that was registered and made by its task's name."""
    import torch
    from transformers import AutoModelForSeq2SeqLM, pipeline
    from transformers.pipelines import PIPELINE_REGISTRY

    kind = CountingPipeline  # type: ignore[name-defined]  # noqa: F821 - the learner's
    PIPELINE_REGISTRY.register_pipeline("course-counting", kind, pt_model=AutoModelForSeq2SeqLM)
    made = pipeline(
        "course-counting", model=path, tokenizer=path, dtype=torch.float32, device="cpu", prefix=prefix
    )
    return made(texts, max_new_tokens=most, batch_size=2)


def _translated(text: str, prefix: str, most: int) -> tuple[str, int]:
    import torch

    tokenizer = _tokenizer("flan-t5")
    with torch.inference_mode():
        tokens = (
            _twin("flan-t5", "AutoModelForSeq2SeqLM")
            .generate(**tokenizer(prefix + text, return_tensors="pt"), max_new_tokens=most, do_sample=False)[
                0
            ]
            .tolist()
        )
    return tokenizer.decode(tokens, skip_special_tokens=True), sum(
        token not in tokenizer.all_special_ids for token in tokens
    )


# q10: places for a picture


@exercise.question(
    "q10",
    title="Make room for a picture",
    points=2,
    difficulty=2,
    needs=("vectors_of", "with_pictures"),
    lesson=PICTURES + "#Put together from parts",
    hints=(
        "How many squares fit into the picture, and is there one vector more in front?",
        'With "full" the [CLS] vector stays, with "default" it is dropped. Each <image> becomes that many '
        "of itself; "
        "then the rows are filled on the left.",
        (
            "Write every 7 three times:\n"
            "[copy for number in row for copy in ([7] * 3 if number == 7 else [number])]"
        ),
    ),
)
def pictures(answer: Answer, draw: Draw) -> None:
    patch = draw.random.choice((4, 6, 8))
    size = patch * draw.random.randrange(2, 4)
    strategy = draw.random.choice(("full", "default"))
    with part("the number of vectors", points=1):
        for kept, more in (("full", 1), ("default", 0)):
            found = answer.call("vectors_of", size, patch, kept)
            expect.equal(found, (size // patch) ** 2 + more, f"vectors_of({size}, {patch}, {kept!r})")
    count = (size // patch) ** 2 + (strategy == "full")
    image, pad = 1, 0
    rows = [
        [image, *(draw.random.randrange(3, 20) for _ in range(length))]
        for length in draw.sample(range(2, 9), 3)
    ]
    rows[0] = [*rows[0][1:3], image, *rows[0][3:]]  # the picture need not come first
    found = answer.call("with_pictures", rows, count, image, pad)
    expect.keys(found, ("input_ids", "attention_mask"), "with_pictures(rows, vectors, image_id, pad_id)")
    longest = max(map(len, rows)) + count - 1
    for name in ("input_ids", "attention_mask"):
        expect.shape(found[name], (3, longest), f"{name} of with_pictures")
    with part("a picture talker says the same in the batch as alone", points=1):
        expect.equal(
            (found["input_ids"] == image).sum(1).tolist(), [count] * 3, "places for the picture in each row"
        )
        _says_the_same(found, rows, count, (size, patch, strategy), draw)


def _says_the_same(
    batch: Mapping[str, torch.Tensor],
    rows: Sequence[list[int]],
    count: int,
    eye: tuple[int, int, str],
    draw: Draw,
) -> None:
    import torch

    model = _talker(*eye)
    generator = torch.Generator().manual_seed(draw.seed)
    pixels = torch.randn(len(rows), 3, eye[0], eye[0], generator=generator)
    with torch.inference_mode():
        found = model(**{name: value.long() for name, value in batch.items()}, pixel_values=pixels).logits[
            :, -1
        ]
        for number, row in enumerate(rows):
            whole = [copy for token in row for copy in ([token] * count if token == 1 else [token])]
            alone = model(input_ids=torch.tensor([whole]), pixel_values=pixels[number : number + 1]).logits[
                0, -1
            ]
            difference = (found[number] - alone).abs().max().item()
            expect.true(
                difference <= 1e-4,
                f"the last place of row {number} to have the logits that the row has alone, within 1e-4",
                f"a difference of {difference:.2g}; is the padding on the left, and masked?",
            )


@cache
def _talker(size: int, patch: int, strategy: str) -> PreTrainedModel:
    """A tiny picture talker with random weights."""
    import torch
    from transformers import LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, ViTConfig

    small = {
        "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
        "initializer_range": 0.3,  # large, so that every place makes a difference
    }  # fmt: skip
    config = LlavaConfig(
        vision_config=ViTConfig(image_size=size, patch_size=patch, **small),
        text_config=LlamaConfig(
            vocab_size=24, num_key_value_heads=2, pad_token_id=0, bos_token_id=None, eos_token_id=2, **small
        ),
        image_token_index=1,
        vision_feature_layer=-1,
        vision_feature_select_strategy=strategy,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LlavaForConditionalGeneration(config).eval()


exercise.manual(
    "q11",
    title="Which part would you trust?",
    points=3,
    difficulty=2,
    lesson=TASKS + "#What we saw",
    hints=(
        "Read the three jobs again: in which can a wrong output be seen by the person who gets it?",
        (
            "Name the class you would load, how you would decode or choose, and one number you would want "
            "to see first."
        ),
        (
            "A bridge is tested by lorries and not by the engineer's confidence: what is your lorry, and how "
            "many of them?"
        ),
    ),
)
