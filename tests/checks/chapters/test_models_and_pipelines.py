"""Every question of exercise 03: the solution, the stub, wrong answers with the message they get, other right ways."""

from functools import partial

from course_utils.checks.draw import Draw
from course_utils.checks.testing import changed_answer, given_cells, judge_source, judged_well, replaced

EXERCISE = "03_models_and_pipelines"
changed, given = partial(changed_answer, EXERCISE), partial(given_cells, EXERCISE)


def without_use(*names):
    """Given cells down to the line that tries the answer out, which is not there yet when they run before it."""
    return "\n".join(given(name).partition("\n\n\ntry:")[0].partition("\n\n\nnetwork,")[0] for name in names)


IMPORTS = "import tempfile\nimport torch\nfrom torch import nn\n"


def test_parameters_of(course):
    judged_well(
        EXERCISE,
        "q1",
        course=course,
        wrong={
            changed("q1", ("4 * (d * d + d)", "4 * d * d")): "what one layer adds",
            changed("q1", ("+ 2 * (2 * d)", "+ 2 * d")): "what one layer adds",
            changed("q1", ("* d + 2 * d\n", "* d\n")): "parameters_of(",
            changed("q1", ("(d + 1) *", "d *")): "parameters_of(",
            changed("q1", ("head = d * d + d +", "head =")): "parameters_of(",
            changed("q1", ("return embeddings", "return 1.0 * embeddings")): "a whole number",
            """
def parameters_of(sizes):
    from transformers import DistilBertConfig, DistilBertForSequenceClassification
    return DistilBertForSequenceClassification(DistilBertConfig(**sizes)).num_parameters()
""": "allocate",
        },
        right=[
            """
def parameters_of(sizes):
    def linear(inputs, outputs):
        return (inputs + 1) * outputs
    d, f = sizes["dim"], sizes["hidden_dim"]
    total = (sizes["vocab_size"] + sizes["max_position_embeddings"] + 2) * d
    for _ in range(sizes["n_layers"]):
        total += 4 * linear(d, d) + linear(d, f) + linear(f, d) + 4 * d
    return total + linear(d, d) + linear(d, sizes["num_labels"])
""",
            """
def parameters_of(s):
    d, f, n = s["dim"], s["hidden_dim"], s["n_layers"]
    return (s["vocab_size"] + s["max_position_embeddings"] + 2) * d + n * (4*d*d + 9*d + 2*d*f + f) + d*d + d + (d + 1) * s["num_labels"]
""",
        ],
    )


PREPARE = """
from transformers import BertForSequenceClassification

def prepare(path, names, frozen):
    model = BertForSequenceClassification.from_pretrained(path, num_labels=len(names), dtype=torch.float32)
    model.config.id2label = {number: name for number, name in enumerate(names)}
    model.config.label2id = {name: number for number, name in enumerate(names)}
    for name, weight in model.named_parameters():
        below = any(f"layer.{number}." in name for number in range(frozen))
        weight.requires_grad = not (below or "embeddings" in name)
    return model
"""


def test_prepare(course):
    judged_well(
        EXERCISE,
        "q2",
        course=course,
        before=IMPORTS,
        wrong={
            changed("q2", ("(model.bert.embeddings, *model.bert.encoder.layer[:frozen])", "model.bert.encoder.layer[:frozen]")): "frozen weights to be the same",
            changed("q2", ("layer[:frozen]", "layer[:frozen - 1]")): "frozen weights to be the same",
            changed("q2", ("layer[:frozen]", "layer[: frozen + 1]")): "to change in three steps",
            changed("q2", ("layer[:frozen]", "layer")): "to change in three steps",
            changed("q2", ("(model.bert.embeddings, *", "(model.bert.embeddings, model.bert.pooler, *")): "['pooler.dense.weight'] as it was",
            changed("q2", ("id2label=dict(enumerate(names))", "num_labels=len(names)")): "config.id2label",
            changed("q2", ("{name: number for number, name in enumerate(names)}", "{}")): "config.label2id",
            changed("q2", ("model = AutoModelForSequenceClassification.from_pretrained(\n        path, dtype=torch.float32",
                           "from transformers import AutoConfig\n    model = AutoModelForSequenceClassification.from_config(\n        AutoConfig.from_pretrained(path")).replace("enumerate(names)},\n    )", "enumerate(names)}))"): "the body's weights as they are in the file",
        },
        right=[
            PREPARE,
            changed("q2", ("part.requires_grad_(False)", "[weight.requires_grad_(False) for weight in part.parameters()]")),
        ],
    )  # fmt: skip


def test_reader(course):
    use = without_use("q3-plain", "q3-config")
    auto = "from transformers import AutoModelForSequenceClassification\n"
    judged_well(
        EXERCISE,
        "q3",
        course=course,
        before=IMPORTS + auto + use,
        wrong={
            changed("q3", ('.replace("2.", "head.")', "")): "the names that adopt(weights) gives",
            changed("q3", (": weights[name]", ": weights[name].T")): "adopt(weights)['",
            changed("q3", ('"course-reader", ReaderConfig', '"course-book", ReaderConfig')): "crashed",
            changed("q3", ("config.num_labels)", "2)")): "expected",
            changed("q3", ("config.num_labels)", "3)")): "expected",
            changed("q3", ("self.post_init()", "self.init_weights()")): "self.post_init() at the end of __init__",
            changed("q3", ("self.hidden = nn.Linear(config.width, config.width)", "self.hidden = nn.Linear(config.width, config.width, bias=False)")): "crashed",
            changed("q3", ("AutoModelForSequenceClassification.register(ReaderConfig, ReaderForSequenceClassification, exist_ok=True)", "pass")): "crashed",
        },
        right=[
            changed("q3", ("return {name.replace", 'homes = {"0": "words", "1": "hidden", "2": "head"}\n    return {homes[name[0]] + name[1:]: weight for name, weight in weights.items()}\n    return {name.replace')),
            changed("q3", ("self.post_init()", "nn.init.zeros_(self.head.bias)\n        self.post_init()")),
        ],
    )  # fmt: skip


def test_train_wordpiece(course):
    judged_well(
        EXERCISE,
        "q4",
        course=course,
        wrong={
            changed("q4", ("    tokenizer.decoder = decoders.WordPiece()\n", "")): "what decoding gives",
            changed("q4", ("    tokenizer.normalizer = normalizers.Lowercase()\n", "")): "what decoding gives",
            changed("q4", ('single="[CLS] $A [SEP]"', 'single="[CLS] $A"')): "the first and the last token",
            changed("q4", ('single="[CLS] $A [SEP]"', 'single="$A"')): "the first and the last token",
            changed("q4", ("pre_tokenizers.BertPreTokenizer()", "pre_tokenizers.WhitespaceSplit()")): "no token to reach across white space or punctuation",
            changed("q4", ("vocab_size=size", "vocab_size=2 * size")): "the number of tokens",
            changed("q4", ("    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()\n", "")): "expected",
            changed("q4", ("models.WordPiece(", "models.WordLevel("), ("trainers.WordPieceTrainer", "trainers.WordLevelTrainer")): "the share of unknown tokens",
        },
        right=[
            """
from tokenizers import BertWordPieceTokenizer
from tokenizers.processors import BertProcessing
from tokenizers.decoders import WordPiece

def train_wordpiece(texts, size):
    trained = BertWordPieceTokenizer(lowercase=True)
    trained.train_from_iterator(texts, vocab_size=size, show_progress=False, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    tokenizer = trained._tokenizer
    tokenizer.post_processor = BertProcessing(("[SEP]", tokenizer.token_to_id("[SEP]")), ("[CLS]", tokenizer.token_to_id("[CLS]")))
    tokenizer.decoder = WordPiece()
    return tokenizer
""",
            changed("q4", ("normalizers.Lowercase()", "normalizers.BertNormalizer(lowercase=True)")),
        ],
    )  # fmt: skip


COLLATE = """
def collate(examples, pad_id):
    longest = max(len(example["input_ids"]) for example in examples)
    batch = {"input_ids": [], "attention_mask": [], "labels": []}
    for example in examples:
        labels, before = [], None
        for word in example["word_ids"]:
            labels.append(-100 if word is None or word == before else example["tags"][word])
            before = word
        gap = longest - len(labels)
        batch["input_ids"].append(example["input_ids"] + [pad_id] * gap)
        batch["attention_mask"].append([1] * len(labels) + [0] * gap)
        batch["labels"].append(labels + [-100] * gap)
    return {name: torch.tensor(rows) for name, rows in batch.items()}
"""
NAMES = """
def names_in(tokens):
    names, word_before, kind_before = [], None, None
    for token in tokens:
        if token["word"] == word_before:
            if kind_before:
                names[-1][2] = token["end"]
            continue
        begins, _, kind = token["label"].partition("-")
        if begins == "I" and kind == kind_before:
            names[-1][2] = token["end"]
        elif kind:
            names.append([kind, token["start"], token["end"]])
        word_before, kind_before = token["word"], kind
    return [tuple(name) for name in names]
"""


def test_labels_and_names(course):
    judged_well(
        EXERCISE,
        "q5",
        course=course,
        before=IMPORTS,
        wrong={
            replaced(COLLATE, ("word is None or word == before", "word is None")) + NAMES: "a row of labels",
            replaced(COLLATE, ("labels + [-100] * gap", "labels + [pad_id] * gap")) + NAMES: "a row of labels",
            replaced(COLLATE, ("[1] * len(labels) + [0] * gap", "[1] * longest")) + NAMES: "a row of attention_mask",
            replaced(COLLATE, ("[pad_id] * gap", "[0] * gap")) + NAMES: "a row of input_ids",
            replaced(COLLATE, ("torch.tensor(rows)", "rows")) + NAMES: "a torch tensor",
            COLLATE + replaced(NAMES, ('begins == "I" and kind == kind_before', "kind == kind_before and kind")): "names_in of the labels",
            COLLATE + replaced(NAMES, (' and kind == kind_before:', " and names:")): "names_in of the labels",
            COLLATE + replaced(NAMES, ('        if token["word"] == word_before:', "        if False:")): "names_in of the labels",
            COLLATE + replaced(NAMES, ("elif kind:", 'elif begins == "B":')): "names_in",
            COLLATE + replaced(NAMES, ('        word_before, kind_before = token["word"], kind\n', '        word_before, kind_before = token["word"], kind or kind_before\n')): "names_in of the labels",
        },
        right=[COLLATE + NAMES, COLLATE + replaced(NAMES, ("[tuple(name) for name in names]", "names"))],
    )  # fmt: skip


ZERO_SHOT = """
import math

def zero_shot(logits, label2id, multi_label):
    yes, no = label2id["entailment"], label2id["contradiction"]
    if multi_label:
        return [1 / (1 + math.exp(row[no] - row[yes])) for row in logits]
    shares = [math.exp(row[yes]) for row in logits]
    return [share / sum(shares) for share in shares]
"""
BEST = """
def best_answer(windows, longest, threshold):
    found = [
        (window["starts"][first] + window["ends"][last], window["offsets"][first][0], window["offsets"][last][1])
        for window in windows
        for first in range(len(window["starts"]))
        for last in range(first, min(first + longest, len(window["ends"])))
        if window["offsets"][first] is not None and window["offsets"][last] is not None
    ]
    score, start, end = max(found)
    return (start, end) if score >= threshold else None
"""


def test_logits_to_answers(course):
    result = judged_well(
        EXERCISE,
        "q6",
        course=course,
        before=IMPORTS,
        wrong={
            replaced(ZERO_SHOT, ('label2id["entailment"], label2id["contradiction"]', "2, 0")) + BEST: "softmax",
            replaced(ZERO_SHOT, ("math.exp(row[no] - row[yes])", "math.exp(-row[yes])")) + BEST: "softmax over contradiction",
            replaced(ZERO_SHOT, ("if multi_label", "if not multi_label")) + BEST: "softmax",
            ZERO_SHOT + replaced(BEST, ("range(first, min(first + longest,", "range(0, min(first + longest,")): "in characters",
            ZERO_SHOT + replaced(BEST, ("first + longest,", "first + longest + 1,")): "of at most",
            ZERO_SHOT + replaced(BEST, ("for window in windows", "for window in windows[:1]")): "best_answer",
            ZERO_SHOT + replaced(BEST, ("for window in windows", "for window in windows[1:]")): "best_answer",
            ZERO_SHOT + replaced(BEST, ("first + longest,", "first + longest - 1,")): "an answer from best_answer",
            ZERO_SHOT + replaced(BEST, (" if score >= threshold else None", "")): "None from best_answer",
            ZERO_SHOT + replaced(BEST, ("score >= threshold", "score > threshold")): "threshold",
            replaced(ZERO_SHOT, ('label2id["entailment"], label2id["contradiction"]', "1, 0")) + BEST: "softmax",
            ZERO_SHOT + replaced(BEST, ("if window[\"offsets\"][first] is not None and window[\"offsets\"][last] is not None", "")): "crashed",
        },
        right=[ZERO_SHOT + BEST, ZERO_SHOT + replaced(BEST, ("return (start, end)", "return [start, end]"))],
    )  # fmt: skip
    assert result.wrong[4].points == 1


def test_an_answer_of_one_token_too_many_loses_the_same_on_every_draw():
    source = IMPORTS + ZERO_SHOT + replaced(BEST, ("first + longest,", "first + longest + 1,"))
    points = {judge_source(EXERCISE, "q6", source, secret=b"%d" % number).points for number in range(20)}
    assert points == {1}


EMBED = """
def embed(texts, model, tokenizer):
    with torch.no_grad():
        rows = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0) for text in texts]
    return torch.stack([row / row.norm() for row in rows])
"""
NEAREST = """
def nearest(vectors):
    close = vectors @ vectors.T - 3 * torch.eye(len(vectors))
    return close.argmax(1).tolist()
"""


def test_similar(course):
    judged_well(
        EXERCISE,
        "q7",
        course=course,
        before=IMPORTS,
        wrong={
            changed("q7", ("(states * present).sum(1) / present.sum(1)", "states.mean(1)")): "as it is alone",
            changed("q7", ("model(**batch)", "model(batch['input_ids'])")): "as it is alone",
            changed("q7", ("(states * present).sum(1) / present.sum(1)", "states[:, 0]")): "embed(texts, …)",
            changed("q7", ("nn.functional.normalize((states * present).sum(1) / present.sum(1), dim=-1)", "(states * present).sum(1) / present.sum(1)")): "embed(texts, …)",
            EMBED + replaced(NEAREST, (" - 3 * torch.eye(len(vectors))", "")): "nearest(vectors)",
            EMBED + replaced(NEAREST, ("argmax", "argmin")): "nearest(vectors)",
            EMBED + replaced(NEAREST, ("close = vectors @ vectors.T - 3 * torch.eye(len(vectors))", "close = (vectors @ vectors.T).fill_diagonal_(0)")): "nearest(vectors), whose products are between -",
            changed("q7", ("(states * present).sum(1) / present.sum(1), dim=-1", "states, dim=-1")): "to have the shape",
        },
        right=[EMBED + NEAREST, EMBED + replaced(NEAREST, (".tolist()", ""))],
    )  # fmt: skip


SHARES = """
def shares(scores, temperature, top_k, top_p):
    scores = scores / temperature
    scores = scores.masked_fill(scores < scores.topk(top_k).values[-1], -torch.inf)
    likely, places = scores.softmax(-1).sort(descending=True)
    kept = torch.zeros_like(scores)
    for share, place in zip(likely.tolist(), places.tolist()):
        if kept.sum() >= top_p:
            break
        kept[place] = share
    return kept / kept.sum()
"""
WRITE = """
def write(model, tokenizer, prompts, most):
    texts = []
    for prompt in prompts:
        tokens = tokenizer(prompt, return_tensors="pt")["input_ids"]
        length = tokens.shape[1]
        for _ in range(most):
            with torch.inference_mode():
                best = model(tokens).logits[:, -1].argmax(-1, keepdim=True)
            tokens = torch.cat([tokens, best], 1)
            if best.item() == tokenizer.eos_token_id:
                break
        texts.append(tokenizer.decode(tokens[0, length:], skip_special_tokens=True))
    return texts
"""


def test_next_token(course):
    judged_well(
        EXERCISE,
        "q8",
        course=course,
        before=IMPORTS,
        wrong={
            replaced(SHARES, ("scores / temperature", "scores * temperature")) + WRITE: "shares(scores",
            replaced(SHARES, ("kept / kept.sum()", "kept")) + WRITE: "shares(scores",
            replaced(SHARES, ("topk(top_k).values[-1]", "topk(top_k + 1).values[-1]"), (">= top_p", ">= 2")) + WRITE: "the number of tokens left",
            replaced(SHARES, ("if kept.sum() >= top_p", "if kept.sum() + share > top_p and kept.sum() > 0")) + WRITE: "the number of tokens left",
            changed("q8", ('padding_side="left"', 'padding_side="right"')): "what is written after",
            changed("q8", ("generate(**batch", "generate(batch['input_ids'], attention_mask=torch.ones_like(batch['input_ids'])")): "what is written after",
            changed("q8", ("tokens[:, batch[\"input_ids\"].shape[1] :]", "tokens")): "what is written after",
            changed("q8", ("do_sample=False", "do_sample=True, temperature=2.0")): "what is written after",
            SHARES + replaced(WRITE, ("skip_special_tokens=True", "")) .replace("range(most)", "range(most + 1)"): "what is written after",
        },
        right=[SHARES + WRITE, changed("q8", ("generate(**batch", "generate(**dict(batch)"))],
    )  # fmt: skip


def test_counting_pipeline(course):
    judged_well(
        EXERCISE,
        "q9",
        course=course,
        before=IMPORTS + given("q9-imports"),
        wrong={
            changed("q9", ("prefix + text", "text")): "the texts",
            changed("q9", ("max_new_tokens=max_new_tokens", "max_new_tokens=40")): "the texts for max_new_tokens",
            changed("q9", ('"tokens": len(tokens)', '"tokens": len(output["tokens"][0])')): "the numbers of tokens",
            changed("q9", ('"tokens": len(tokens)', '"tokens": len(self.tokenizer.decode(tokens).split())')): "the numbers of tokens",
            changed("q9", ('"text": self.tokenizer.decode(tokens)', '"text": self.tokenizer.decode(output["tokens"][0])')): "the texts",
            changed("q9", ('return {"text": self.tokenizer.decode(tokens), "tokens": len(tokens)}', "return self.tokenizer.decode(tokens)")): "each answer",
        },
        right=[
            """
class CountingPipeline(Pipeline):
    def _sanitize_parameters(self, prefix=None, max_new_tokens=None, **others):
        before = {} if prefix is None else {"prefix": prefix}
        during = {} if max_new_tokens is None else {"max_new_tokens": max_new_tokens}
        return before, during, {}

    def preprocess(self, text, prefix=""):
        return self.tokenizer([prefix + text], return_tensors="pt")

    def _forward(self, tensors, max_new_tokens=40):
        return self.model.generate(input_ids=tensors["input_ids"], attention_mask=tensors["attention_mask"],
                                   max_new_tokens=max_new_tokens, do_sample=False, num_beams=1)

    def postprocess(self, tokens):
        text = self.tokenizer.decode(tokens[0], skip_special_tokens=True)
        count = sum(int(token) not in self.tokenizer.all_special_ids for token in tokens[0])
        return {"text": text, "tokens": count}
""",
            changed("q9", ("**tensors, max_new_tokens", "**dict(tensors), max_new_tokens")),
        ],
    )  # fmt: skip


WITH_PICTURES = """
def vectors_of(size, patch, strategy):
    return (size // patch) ** 2 + (strategy == "full")

def with_pictures(rows, vectors, image_id, pad_id):
    longest = max(map(len, rows)) + vectors - 1
    tokens = torch.full((len(rows), longest), pad_id)
    mask = torch.zeros_like(tokens)
    for number, row in enumerate(rows):
        place = row.index(image_id)
        longer = row[:place] + [image_id] * vectors + row[place + 1 :]
        tokens[number, -len(longer) :] = torch.tensor(longer)
        mask[number, -len(longer) :] = 1
    return {"input_ids": tokens, "attention_mask": mask}
"""


def test_pictures(course):
    judged_well(
        EXERCISE,
        "q10",
        course=course,
        before=IMPORTS,
        wrong={
            replaced(WITH_PICTURES, ('+ (strategy == "full")', "")): "vectors_of(",
            replaced(WITH_PICTURES, ("(size // patch) ** 2", "size // patch")): "vectors_of(",
            replaced(WITH_PICTURES, ("-len(longer) :", ": len(longer)")): "is the padding on the left, and masked?",
            replaced(WITH_PICTURES, ("mask = torch.zeros_like", "mask = torch.ones_like")): "is the padding on the left, and masked?",
            replaced(WITH_PICTURES, ("* vectors +", "* (vectors - 1) + [pad_id] +")): "places for the picture",
            replaced(WITH_PICTURES, ("row[:place] + [image_id] * vectors", "[image_id] * vectors + row[:place]")): "the logits that the row has alone",
            replaced(WITH_PICTURES, ("+ vectors - 1", "+ vectors")): "to have the shape",
        },
        right=[WITH_PICTURES, replaced(WITH_PICTURES, ('{"input_ids": tokens, "attention_mask": mask}', 'dict(input_ids=tokens, attention_mask=mask.bool())'))],
    )  # fmt: skip


# Functions that the notebook gives, bound anew to say what the check wants to hear: it brings its own.

NOT_FROZEN = """
def prepare(path, names, frozen):
    from transformers import AutoModelForSequenceClassification
    return AutoModelForSequenceClassification.from_pretrained(path, num_labels=len(names), dtype=torch.float32)

def three_steps(path, names, frozen, *others):
    model = prepare(path, names, frozen)
    with torch.no_grad():
        for layer in model.bert.encoder.layer[frozen:]:
            for weight in layer.parameters():
                weight.add_(0.01)
    return model

descended = lambda model, *others: model
"""
NO_HOME = """
class ReaderForSequenceClassification(ReaderModel):
    def __init__(self, config):
        super().__init__(config)

def adopt(weights):
    return {}

def register():
    pass

def through_the_library(weights, input_ids, attention_mask):
    network = plain_network(*weights["0.weight"].shape, len(weights["2.bias"]))
    network.load_state_dict(weights)
    return {"logits": plain_forward(network, input_ids, attention_mask), "weights": weights, "config": {}}
"""
LETTERS = """
def train_wordpiece(texts, size):
    return None

def cut(texts, size, unseen):
    tokens = [["[CLS]", *(letter if start else "##" + letter for start, letter in enumerate(text.lower())), "[SEP]"] for text in unseen]
    return {"vocabulary": 60, "tokens": tokens, "offsets": [[(0, 0)] * len(row) for row in tokens], "texts": unseen}
"""
LETTERS_ONLY = changed("q4", ("vocab_size=size", "vocab_size=60"))
LEARNED_ELSEWHERE = changed("q4", ("train_from_iterator(texts,", "train_from_iterator(elsewhere,"))
SAME_FOR_ALL = """
def embed(texts, model, tokenizer):
    return torch.zeros(len(texts), 128)

def nearest(vectors):
    return [0] * len(vectors)

class Reader:
    config = None

reader = Reader()

def embedded(texts, path, tokenizer):
    from transformers import AutoModel
    model = AutoModel.from_pretrained(path, dtype=torch.float32).eval()
    rows = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0) for text in texts]
    return torch.stack([row / row.norm() for row in rows]).detach()
"""
NO_PIPELINE = """
class CountingPipeline:
    pass

def through_the_pipeline(path, texts, prefix, most):
    from transformers import AutoTokenizer
    tokenizer, model = AutoTokenizer.from_pretrained(path), AutoModelForSeq2SeqLM.from_pretrained(path)
    rows = [model.generate(**tokenizer(prefix + text, return_tensors="pt"), max_new_tokens=most)[0] for text in texts]
    return [{"text": tokenizer.decode(row, skip_special_tokens=True),
             "tokens": sum(int(token) not in tokenizer.all_special_ids for token in row)} for row in rows]
"""


def points_of(question, source, course, before=""):
    return judge_source(EXERCISE, question, IMPORTS + source, before=before, course=course).points


def test_steps_that_the_notebook_made_up(course):
    assert points_of("q2", NOT_FROZEN, course) == 0


def test_a_library_that_was_not_used(course):
    auto = "from transformers import AutoModelForSequenceClassification\n"
    before = IMPORTS + auto + without_use("q3-plain", "q3-config")
    assert points_of("q3", NO_HOME, course, before) == 0


def test_a_tokenizer_that_was_not_learned_from_these_texts(course):
    elsewhere = [row["text"] for row in Draw(b"elsewhere").rows("general-text", 400, split="train")]
    few = f"elsewhere = {['a few words'] * 9!r}\n{LEARNED_ELSEWHERE}"  # nearly all is unknown: few tokens
    for source in (LETTERS, LETTERS_ONLY, few, f"elsewhere = {elsewhere!r}\n{LEARNED_ELSEWHERE}"):
        assert points_of("q4", source, course) == 0


def test_vectors_that_embed_did_not_make(course):
    assert points_of("q7", SAME_FOR_ALL, course) == 0


def test_a_pipeline_that_is_none(course):
    assert points_of("q9", NO_PIPELINE, course, given("q9-imports")) == 0
