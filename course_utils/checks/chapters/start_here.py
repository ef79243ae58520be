"""The questions of chapter 00: the environment, a path, reading an output, attention, a training loop.

The exercise works with the bert twin whatever the profile, so that a mark means the same for everybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from course_utils import catalog
from course_utils.checks import expect
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.wire import Asset
from course_utils.wire.answer import Answer

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

if TYPE_CHECKING:  # what a learner's notebook holds, for the functions that are sent there
    train: Any = None

LESSONS = "lessons/00_start_here/"
HERE, HELLO, ATTENTION = (
    LESSONS + name for name in ("01_what_is_here.ipynb", "02_hello_world.ipynb", "03_attention_again.ipynb")
)

exercise = Exercise(
    "00_start_here",
    title="Start here",
    minutes=70,
    difficulty="easy",
    cost="about ten seconds on two cores",
)


@cache
def _tokenizer() -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(catalog.model_path("bert", "offline"))


@cache
def _twin() -> PreTrainedModel:
    """The bert twin: float32, CPU, eval mode, eager attention. Nothing here may change it."""
    import torch
    from transformers import AutoModelForMaskedLM

    path = catalog.model_path("bert", "offline")
    return AutoModelForMaskedLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()


# q1: a small doctor


@exercise.question(
    "q1",
    title="Examine an environment",
    points=4,
    difficulty=1,
    needs=("examine",),
    lesson=HERE + "#Three environment variables",
    hints=(
        "environment is a dict like os.environ: use the default for what is not in it.",
        'environment.get("HF_HUB_OFFLINE", "") is a text. Compare it in upper case with the four words; '
        '"0" is a text '
        "too, and a true one.",
        "Is the light on? Its switch says so in several ways:\n"
        'light = room.get("LIGHT", "").upper() in {"ON", "YES"}\n'
        'colour = room.get("COLOUR") or "white"     # not set, and set to nothing, are both the default',
    ),
)
def examine(answer: Answer, draw: Draw) -> None:
    cases = _environments(draw)

    def reports(*keys: str) -> Iterator[tuple[tuple[dict[str, str], ...], dict]]:
        """[(case, report), …]; what is asked for must be in the report."""
        found = [answer.call("examine", *case) for case in cases]
        for report in found:
            expect.keys(report, keys, "examine(…)")
        return zip(cases, found, strict=True)

    with part("offline or not", points=1):
        for (environment, _, _), report in reports("offline"):
            offline = environment.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
            expect.equal(report["offline"], offline, f"'offline' for {_shown(environment, 'HF_HUB_OFFLINE')}")
    with part("which Hub, and which cache", points=1):
        for (environment, _, _), report in reports("endpoint", "cache"):
            endpoint = (environment.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
            expect.equal(report["endpoint"], endpoint, f"'endpoint' for {_shown(environment, 'HF_ENDPOINT')}")
            home = environment.get("HF_HOME") or "~/.cache/huggingface"
            expect.equal(report["cache"], home + "/hub", f"'cache' for {_shown(environment, 'HF_HOME')}")
    with part("what is missing", points=1):
        for (_, installed, wanted), report in reports("missing"):
            missing = sorted(set(wanted) - set(installed))
            expect.equal(
                report["missing"], missing, "'missing', the wanted packages that are not there, sorted"
            )
    with part("what differs", points=1):
        for (_, installed, wanted), report in reports("differing"):
            both = {name: (installed[name], wanted[name]) for name in wanted if name in installed}
            differing = {
                name: list(pair)
                for name, pair in both.items()
                if len({version.partition("+")[0] for version in pair}) > 1
            }
            got = report["differing"]
            expect.type_of(got, dict, "'differing'")
            got = {name: list(pair) if isinstance(pair, tuple) else pair for name, pair in got.items()}
            expect.equal(
                got,
                differing,
                f"'differing', package -> [installed, wanted], for {both}; '+cpu' is no difference",
            )


def _environments(draw: Draw) -> list[tuple[dict[str, str], dict[str, str], dict[str, str]]]:
    """[(environment, installed, wanted), …] of imagined computers: each of the words for "offline" once.

    One of them is in small letters, one in capitals and one in both.
    """
    styles = draw.sample((str.lower, str.upper, str.capitalize), 3)
    words = ["1", *(style(word) for style, word in zip(styles, ("ON", "YES", "TRUE"), strict=True))]
    set_to = [None, *draw.sample(words, 4), draw.random.choice(("0", "no", "off", "False")), ""]
    return [_environment(draw, word, number) for number, word in enumerate(set_to)]


def _environment(
    draw: Draw, offline: str | None, number: int
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """(environment, installed, wanted) of a computer; `offline` is what HF_HUB_OFFLINE is set to."""
    pick = draw.random
    names = draw.sample(_PACKAGES, len(_PACKAGES))
    wanted = {name: f"{pick.randrange(1, 6)}.{pick.randrange(20)}.0" for name in names}
    installed = wanted | {"numpy": "2.3.1"}
    for name in names[:3]:  # three, so that hardly any order but the sorted one is sorted on every computer
        del installed[name]
    older, build, tested, later = names[3:7]
    installed[older] = f"0.{pick.randrange(1, 9)}.{pick.randrange(9)}+cpu"
    installed[build] += "+cpu"  # a build of the same version
    wanted[tested] += "+cpu"
    installed[later] += ".post1"  # it begins as the other does
    environment = {"PATH": "/usr/bin"}
    if offline is not None:
        environment["HF_HUB_OFFLINE"] = offline
    if offline == "":
        environment |= {"HF_ENDPOINT": "", "HF_HOME": ""}
    elif number % 2:
        environment["HF_HOME"] = f"/data/{pick.choice(('ada', 'lin', 'sam'))}/hf"
        environment["HF_ENDPOINT"] = f"https://hub{pick.randrange(100)}.example" + "/" * (number % 4 == 1)
    return environment, installed, wanted


_PACKAGES = ("torch", "datasets", "peft", "gradio", "evaluate", "tokenizers", "accelerate", "safetensors")


def _shown(environment: Mapping[str, str], name: str) -> str:
    return f"{name}={environment[name]!r}" if name in environment else f"{name} not set"


# q2: a path


@exercise.question(
    "q2",
    title="A path through chapters",
    points=4,
    difficulty=2,
    needs=("path",),
    lesson=HERE + "#Your path",
    hints=(
        "Begin with what is wanted, and ask of each chapter what it needs. When do you stop?",
        "Keep a set of chosen chapters and a list of those still to look at. What somebody knows need not "
        "be looked at, and neither need what it needs, unless something else asks for it. The order comes "
        "last: that of `chapters`.",
        "Everybody who has to be told when somebody hears the news:\n"
        "told, waiting = set(), [first]\n"
        "while waiting:\n"
        "    person = waiting.pop()\n"
        "    if person not in told:\n"
        "        told.add(person)\n"
        "        waiting += friends[person]",
    ),
)
def path(answer: Answer, draw: Draw) -> None:
    cases = [_chapters(draw) for _ in range(3)]
    with part("what is wanted, and what it needs", points=2):
        for chapters, (*_, last) in cases:
            _same_path(answer, chapters, [last], [])
            _same_path(answer, chapters, draw.sample(chapters, 2), [])
    with part("without what is known", points=1):
        for chapters, (_, second, *_, last) in cases:
            _same_path(answer, chapters, [last], [second])
    with part("what is wanted stays, known or not", points=1):
        for chapters, (_, second, _, fourth, *_, last) in cases:
            _same_path(answer, chapters, [last, second], [second, fourth])


def _chapters(draw: Draw) -> tuple[dict[str, list[str]], list[str]]:
    """Chapters, name -> the names it needs, all of them earlier; and the seven that hang together.

    Of those the second needs the first, the fourth the second and the third, and each later one the one
    before it. So a step back is not enough from the last one; the first and the third are needed by one
    chapter only, which may be known; and the last two are in another order than that of the alphabet.
    """
    *names, unrelated, aside = draw.sample(_WORDS, 9)
    names[5:] = sorted(names[5:], reverse=True)
    first, second, third, fourth, fifth, sixth, seventh = names
    needs = {first: [], unrelated: [], second: [first], third: [], fourth: sorted((second, third))}
    return needs | {aside: [fourth], fifth: [fourth], sixth: [fifth], seventh: [sixth]}, names


_WORDS = ("sea", "bread", "clocks", "maps", "boats", "wool", "salt", "glass", "bells", "roads", "tides")


def _same_path(answer: Answer, chapters: dict[str, list[str]], wanted: list[str], known: list[str]) -> None:
    found = answer.call("path", chapters, wanted, known)
    call = f"path(chapters, {wanted}, {known})"
    expect.each_of(found, str, call)
    expect.equal(list(found), _path(chapters, wanted, known), f"{call} with chapters = {chapters}")


def _path(chapters: Mapping[str, list[str]], wanted: list[str], known: list[str]) -> list[str]:
    chosen, waiting = set(), list(wanted)
    while waiting:
        name = waiting.pop()
        if name not in chosen:
            chosen.add(name)
            waiting += [needed for needed in chapters[name] if needed not in known]
    return [name for name in chapters if name in chosen]


# q3: read the output


@exercise.question(
    "q3",
    title="Read the output",
    points=3,
    difficulty=1,
    needs=("best_words",),
    lesson=HELLO + "#Reading the output",
    hints=(
        "Three steps: tokenizer, model, read. Print the shape of the logits.",
        "Find the place where input_ids equals tokenizer.mask_token_id; softmax along the words (dim=-1) "
        "of that place; topk gives the values and their numbers.",
        "The two tallest of a class, as shares of all heights:\n"
        "shares = heights / heights.sum()\n"
        "top = shares.topk(2)\n"
        '[{"name": names[i], "share": v} for v, i in zip(top.values.tolist(), top.indices.tolist())]',
    ),
)
def best_words(answer: Answer, draw: Draw) -> None:
    count = draw.random.choice((3, 4, 6))  # not 5, a pipeline's own choice
    texts = _masked_texts(draw, 4)
    found = [answer.call("best_words", *_bert(), text, count) for text in texts]
    for text, words in zip(texts, found, strict=True):
        call = f"best_words(model, tokenizer, {text!r}, {count})"
        expect.each_of(words, dict, call)
        expect.length(words, count, call)
        for word in words:
            expect.keys(word, ("word", "probability"), f"each entry of {call}")
            expect.number(word["probability"], "the probability")
    wanted = [_best_words(text, count) for text in texts]
    with part("the words, likeliest first", points=1):
        for text, words, right in zip(texts, found, wanted, strict=True):
            expect.equal(
                [word["word"] for word in words], [word for word, _ in right], f"the words for {text!r}"
            )
    with part("their probabilities", points=2):
        for text, words, right in zip(texts, found, wanted, strict=True):
            what = f"the probabilities for {text!r}"
            expect.all_close([word["probability"] for word in words], [share for _, share in right], what)


def _bert() -> tuple[Asset, Asset]:
    return Asset("bert", "model"), Asset("bert", "tokenizer")


def _masked_texts(draw: Draw, count: int) -> list[str]:
    """Passages of different lengths with one hidden word each, at different places."""
    texts: list[str] = []
    for row in draw.rows("general-text", 4 * count):
        words = row["text"].split()
        if len(words) > 5 and len(texts) < count:
            words = words[: draw.random.randrange(5, min(len(words), 30) + 1)]
            words[draw.random.randrange(1, len(words) - 1)] = "[MASK]"
            texts.append(" ".join(words))
    return texts


def _best_words(text: str, count: int) -> list[tuple[str, float]]:
    best = _mask_probabilities([text])[0].topk(count)
    words = [_tokenizer().decode([number]) for number in best.indices.tolist()]
    return list(zip(words, best.values.tolist(), strict=True))


def _mask_probabilities(texts: list[str]) -> torch.Tensor:
    """(texts, words): the probabilities at each text's hidden word, every text by itself."""
    import torch

    rows = []
    for text in texts:
        tokens = _tokenizer()(text, return_tensors="pt")
        place = (tokens["input_ids"][0] == _tokenizer().mask_token_id).nonzero()[0].item()
        with torch.inference_mode():
            rows.append(_twin()(**tokens).logits[0, place].softmax(-1))
    return torch.stack(rows)


# q4: attention


@exercise.question(
    "q4",
    title="Attention from scratch",
    points=5,
    difficulty=2,
    needs=("attention",),
    lesson=ATTENTION + "#From scratch",
    hints=(
        "Which two dimensions does a product of matrices use, and along which do the weights add up to 1?",
        "key.transpose(-2, -1) swaps the last two dimensions whatever comes before them. Forbidden places "
        "become -inf before the softmax (masked_fill with ~mask).",
        "Marks of pupils as shares of each pupil's total, where some tests do not count:\n"
        'counted = points.masked_fill(~counts, float("-inf"))\n'
        "shares = counted.softmax(dim=-1)      # a forbidden one has exactly 0",
    ),
)
def attention(answer: Answer, draw: Draw) -> None:
    import torch

    generator = torch.Generator().manual_seed(draw.seed)
    pick = draw.random
    asking, asked, width, passed = pick.randrange(3, 7), pick.randrange(7, 11), pick.choice((12, 16)), 3
    square = _vectors(generator, 3 * [(2, 3, asking, width)])
    oblong = _vectors(generator, [(2, asking, width), (2, asked, width), (2, asked, passed)])
    causal = torch.ones(asking, asking, dtype=torch.bool).tril()
    real = torch.arange(asked) < torch.tensor([[asked], [asked - 2]])
    with part("everybody may look everywhere", points=2):
        _same_attention(answer, square, None, "attention(query, key, value)")
        _same_attention(answer, oblong, None, "attention(query, key, value) with more keys than queries")
    with part("a causal mask", points=1):
        _same_attention(answer, square, causal, "attention(query, key, value, causal)")
    with part("a mask that hides padding", points=1):
        _same_attention(answer, oblong, real[:, None, :], "attention(query, key, value, padding)")
    with part("large comparisons stay finite", points=1):
        large = [part.clone() for part in square]
        large[0][..., 0] = large[1][..., 0] = (
            20  # adds 100 or more to all comparisons, which changes no weight
        )
        call = "attention(query, key, value, causal) with comparisons above 100"
        _same_attention(answer, large, causal, call)


def _vectors(generator: torch.Generator, shapes: Sequence[tuple[int, ...]]) -> list[torch.Tensor]:
    import torch

    return [torch.randn(shape, generator=generator) for shape in shapes]


def _same_attention(
    answer: Answer, vectors: list[torch.Tensor], mask: torch.Tensor | None, call: str
) -> None:
    import torch

    arguments = vectors if mask is None else [*vectors, mask]
    found = answer.call("attention", *arguments)
    wanted = torch.nn.functional.scaled_dot_product_attention(*vectors, attn_mask=mask)
    expect.type_of(found, torch.Tensor, call)
    expect.shape(found, tuple(wanted.shape), call)
    expect.all_close(found, wanted, f"{call}, compared with F.scaled_dot_product_attention,", tolerance=1e-4)


# q5: the first layer of a pre-trained model


@exercise.question(
    "q5",
    title="The first layer of a pre-trained model",
    points=4,
    difficulty=2,
    needs=("first_layer",),
    lesson=ATTENTION + "#The pre-trained model",
    hints=(
        "What goes into the first layer, and which three matrices does it meet there?",
        "entering = model.bert.embeddings(input_ids), in eval mode. Then query, key and value of "
        "model.bert.encoder.layer[0].attention.self, each split into heads; padding is hidden from every "
        "head and every asking place: attention_mask.bool()[:, None, None, :].",
        "Cutting rows of 12 into 3 groups of 4, and joining them again:\n"
        "groups = rows.view(texts, places, 3, 4).transpose(1, 2)     # (texts, 3, places, 4)\n"
        "rows = groups.transpose(1, 2).flatten(start_dim=2)          # (texts, places, 12)",
    ),
)
def first_layer(answer: Answer, draw: Draw) -> None:
    texts = [text.replace("[MASK]", "salt") for text in _masked_texts(draw, 3)]
    single = _tokenizer()(texts[:1], return_tensors="pt")
    batch = _tokenizer()(texts, padding=True, return_tensors="pt")
    with part("one text", points=2):
        _same_layer(answer, single, "first_layer(model, input_ids, attention_mask) for one text")
    with part("a batch with padding", points=2):
        _same_layer(answer, batch, "first_layer(model, input_ids, attention_mask) for three texts")


def _same_layer(answer: Answer, tokens: Mapping[str, torch.Tensor], call: str) -> None:
    import torch

    found = answer.call("first_layer", Asset("bert", "model"), tokens["input_ids"], tokens["attention_mask"])
    wanted = _first_layer(tokens)
    expect.type_of(found, torch.Tensor, call)
    expect.shape(found, tuple(wanted.shape), call)
    real = tokens["attention_mask"].bool()  # what stands at the padding is nobody's business
    expect.all_close(found[real], wanted[real], f"{call}, at the places that are no padding,", tolerance=1e-4)


def _first_layer(tokens: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """What the twin itself has there, caught on the way."""
    import torch

    caught = []
    module = _twin().bert.encoder.layer[0].attention.self
    hook = module.register_forward_hook(lambda module, inputs, output: caught.append(output[0]))
    try:
        with torch.inference_mode():
            _twin()(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
    finally:
        hook.remove()
    return caught[0]


# q6: find the bugs


@exercise.question(
    "q6",
    title="Find the bugs: another answer in company",
    points=4,
    difficulty=2,
    needs=("fill_in",),
    lesson=HELLO + "#Several texts at once",
    hints=(
        "Give her function one text, then the same text together with a longer one. What does the second "
        "call know that it should not, and which place does it read?",
        (
            "The tokenizer returns an attention_mask: pass it on. And the hidden word stands at another "
            "place in each text."
        ),
        "The last lap of each runner, when not all ran equally many:\n"
        "laps[torch.arange(len(laps)), counts - 1]     # row by row, each its own place",
    ),
)
def fill_in(answer: Answer, draw: Draw) -> None:
    texts = _masked_texts(draw, 5)
    with part("texts of one length, hidden words at different places", points=1):
        row = "the museum opens on friday at seven .".split()
        hidden = [
            " ".join([*row[:place], "[MASK]", *row[place + 1 :]]) for place in draw.sample(range(1, 7), 3)
        ]
        _same_guesses(answer, hidden)
    with part("texts of different lengths", points=3):
        _same_guesses(answer, texts)


def _same_guesses(answer: Answer, texts: list[str]) -> None:
    call = f"fill_in(model, tokenizer, texts) for {len(texts)} texts"
    found = answer.call("fill_in", *_bert(), texts)
    expect.each_of(found, dict, call)
    expect.length(found, len(texts), call)
    best = _mask_probabilities(texts).max(-1)
    for text, guess, share, number in zip(
        texts, found, best.values.tolist(), best.indices.tolist(), strict=True
    ):
        expect.keys(guess, ("word", "probability"), f"each entry of {call}")
        expect.equal(guess["word"], _tokenizer().decode([number]), f"the word for {text!r}")
        what = f"the probability for {text!r}, the same as when the text is alone,"
        expect.close(guess["probability"], share, what, tolerance=1e-4)


# q7: predict, then measure


@exercise.question(
    "q7",
    title="Predict before you measure",
    points=3,
    difficulty=2,
    needs=("weights_made", "longest_text"),
    lesson=ATTENTION + "#Where it looks",
    hints=(
        "How many rows and columns has the map of one head, and how many heads are there altogether?",
        "Every layer has its own heads, every head a square map, every text its own. In 32 bits a number "
        "takes 4 bytes. For longest_text turn the formula round; math.isqrt is a square root without "
        "rounding errors.",
        "Crates in a yard: 3 rows of 5 stacks of 4 make 3 * 5 * 4 crates. How wide may a square yard be "
        "for 100 flagstones? math.isqrt(100) stones.",
    ),
)
def weights_made(answer: Answer, draw: Draw) -> None:
    pick = draw.random
    shapes = [
        (pick.randrange(1, 5), pick.choice((1, 2, 4)), pick.randrange(1, 4), pick.randrange(5, 40))
        for _ in range(4)
    ]
    with part("how many weights", points=2):
        for layers, heads, texts, places in shapes:
            call = f"weights_made(layers={layers}, heads={heads}, texts={texts}, places={places})"
            found = answer.call("weights_made", layers, heads, texts, places)
            expect.equal(
                found, _measured_weights(layers, heads, texts, places), f"{call}, as counted in a model,"
            )
    with part("how long a text may be", points=1):
        for case in range(6):
            layers, heads, places = (
                pick.randrange(2, 40),
                pick.choice((4, 8, 12, 16)),
                pick.randrange(300, 3000),
            )
            # exactly enough, hardly more, and nearly enough for one place more: rounding up is wrong there
            spare = (0, pick.randrange(1, places // 2), 2 * places - pick.randrange(1, places // 2))[case % 3]
            memory = 4 * layers * heads * (places**2 + spare)
            call = f"longest_text(layers={layers}, heads={heads}, memory={memory})"
            found = answer.call("longest_text", layers, heads, memory)
            expect.equal(found, places, f"{call}, one text, 4 bytes a weight,")


def _measured_weights(layers: int, heads: int, texts: int, places: int) -> int:
    """The attention weights that a model of this shape really makes, counted."""
    import torch
    from transformers import BertConfig, BertModel

    shape = {
        "hidden_size": 4 * heads,
        "intermediate_size": 8,
        "vocab_size": 10,
        "max_position_embeddings": places,
    }
    config = BertConfig(
        num_hidden_layers=layers, num_attention_heads=heads, attn_implementation="eager", **shape
    )
    with torch.inference_mode():
        model = BertModel(config).eval()
        made = model(torch.ones(texts, places, dtype=torch.long), output_attentions=True).attentions
    return sum(weights.numel() for weights in made)


# q8: a loop with Accelerate


@exercise.question(
    "q8",
    title="A loop for any hardware",
    points=3,
    difficulty=2,
    needs=("train",),
    lesson=HELLO + "#One training loop for any hardware",
    hints=(
        "Write the five steps first, as in the lesson. Then: which two calls belong to the accelerator?",
        "prepare(model, optimizer, loader) returns three things, and from then on you use those. "
        "accelerator.backward(loss) takes the place of loss.backward(). loss.item() is the number.",
        "A kitchen that is not yours: hand your knives to the porter, who hands back what is used here:\n"
        "knife, pan = kitchen.prepare(knife, pan)\n"
        "for order in orders: kitchen.fire(pan(order))",
    ),
)
def loop(answer: Answer, draw: Draw) -> None:
    generator = draw.numpy()
    rows = generator.uniform(-1, 1, size=(6, 3, 4)).tolist()  # batches, rows of a batch, numbers of a row
    rate, scale, epochs = 0.1, draw.random.choice((0.25, 0.5, 2.0)), 3
    mine = answer.given(trained_elsewhere)
    batches = {share: rows[share::2] for share in (0, 1)}
    found = {share: mine.call("trained_elsewhere", rows, share, scale, rate, epochs) for share in (0, 1)}
    call = "train(accelerator, model, optimizer, loader, 3)"
    for result in found.values():
        expect.keys(result, ("losses", "weights"), call)
        expect.type_of(result["losses"], (list, tuple), call)
        for loss in result["losses"]:
            expect.number(loss, f"each loss of {call}")
    with part("the batches that prepare hands out", points=1):
        for result in found.values():
            what = f"{call}: one a batch of the prepared loader, of {len(rows)} batches every second is yours"
            expect.length(result["losses"], epochs * len(batches[0]), what)
    with part("the weights after the training", points=1):
        for share, result in found.items():
            weights, _ = _by_hand(batches[share], scale, rate, epochs)
            what = "the weights after 3 epochs, each step with the scaled gradients of its own batch alone"
            expect.all_close(result["weights"], weights, what, tolerance=1e-4)
    with part("the losses, as the model says them", points=1):
        for share, result in found.items():
            _, losses = _by_hand(batches[share], scale, rate, epochs)
            expect.all_close(list(result["losses"]), losses, f"the losses of {call}", tolerance=1e-4)


def trained_elsewhere(rows: list, share: int, scale: float, rate: float, epochs: int) -> dict:
    """What `train` makes of a linear model with an accelerator that hands out every second batch and scales
    the loss.
    """
    import contextlib

    import torch
    from transformers.utils import ModelOutput

    class Linear(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(3))

        def forward(self, x: torch.Tensor, labels: torch.Tensor) -> ModelOutput:
            return ModelOutput(loss=((x @ self.weight - labels) ** 2).mean())

    class Elsewhere:
        device = torch.device("cpu")
        num_processes = 2
        process_index = share
        is_main_process = is_local_main_process = share == 0
        sync_gradients = True

        def prepare(self, *things: object) -> object:
            made = [thing[share::2] if isinstance(thing, list) else thing for thing in things]
            return made[0] if len(made) == 1 else tuple(made)

        prepare_data_loader = prepare_model = prepare_optimizer = prepare

        def backward(self, loss: torch.Tensor) -> None:
            (loss * scale).backward()

        def accumulate(self, *models: object) -> object:
            return contextlib.nullcontext()

        def autocast(self) -> object:
            return contextlib.nullcontext()

        def unwrap_model(self, model: object) -> object:
            return model

        def print(self, *words: object) -> None:
            pass

        def wait_for_everyone(self) -> None:
            pass

    model = Linear()
    batches = [torch.tensor(batch) for batch in rows]
    loader = [{"x": batch[:, :3], "labels": batch[:, 3]} for batch in batches]
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    losses = train(Elsewhere(), model, optimizer, loader, epochs)
    return {"losses": losses, "weights": model.weight.detach()}


def _by_hand(
    batches: Sequence[Sequence[Sequence[float]]], scale: float, rate: float, epochs: int
) -> tuple[torch.Tensor, list[float]]:
    """The weights and the losses of gradient descent on the mean of squared errors, without autograd."""
    import torch

    weights, losses = torch.zeros(3), []
    for batch in (torch.tensor(batch) for _ in range(epochs) for batch in batches):
        errors = batch[:, :3] @ weights - batch[:, 3]
        losses.append((errors**2).mean().item())
        weights = weights - rate * scale * 2 * (errors[:, None] * batch[:, :3]).mean(0)
    return weights, losses


exercise.manual(
    "q9",
    title="Your path, and what the form did not ask",
    points=3,
    difficulty=1,
    lesson=HERE + "#Your path",
    hints=(
        "What will you do with all this in three months? Begin there.",
        "Compare two forms that differ in one answer, and look at what the path does.",
        (
            "A timetable that asks for your destination but not for your luggage: which train would "
            "it get wrong?"
        ),
    ),
)
