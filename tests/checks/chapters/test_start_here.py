"""Every question of exercise 00: the solution, the stub, wrong answers with the words they get, other right ways."""

from functools import partial

import pytest

from course_utils.checks.testing import (
    answer_source,
    changed_answer,
    given_cells,
    judged_well,
    namespace,
    replaced,
)

EXERCISE = "00_start_here"
IMPORTS = "import math\nimport torch"
changed = partial(changed_answer, EXERCISE)


def test_examine():
    result = judged_well(
        EXERCISE,
        "q1",
        wrong={
            changed("q1", ('environment.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}', 'bool(environment.get("HF_HUB_OFFLINE"))')): "'offline' for HF_HUB_OFFLINE=",
            changed("q1", ('"").upper()', '"")')): "'offline' for HF_HUB_OFFLINE=",
            changed("q1", ('environment.get("HF_HOME") or "~/.cache/huggingface"', 'environment.get("HF_HOME", "~/.cache/huggingface")')): "'cache' for HF_HOME=''",
            changed("q1", ('endpoint.rstrip("/")', "endpoint")): "'endpoint' for HF_ENDPOINT=",
            changed("q1", ('{"1", "ON", "YES", "TRUE"}', '{"1", "TRUE"}')): "'offline' for HF_HUB_OFFLINE=",
            changed("q1", ("sorted(set(wanted) - set(installed))", "[name for name in wanted if name not in installed]")): "in another order",
            changed("q1", ("sorted(set(wanted) - set(installed))", "list(set(wanted) - set(installed))")): "in another order",
            changed("q1", ("release(installed[name]) != release(version)", "installed[name] != version")): "'+cpu' is no difference",
            changed("q1", ("!= release(version)", "!= version")): "'+cpu' is no difference",
            changed("q1", ("release(installed[name]) != release(version)", "not installed[name].startswith(release(version))")): ".post1",
            changed("q1", ("[installed[name], version]", "[release(installed[name]), version]")): "+cpu'",
            changed("q1", ("sorted(set(wanted) - set(installed))", "sorted(set(installed) - set(wanted))")): "not there, sorted",
            changed("q1", ("sorted(set(wanted) - set(installed))", "set(wanted) - set(installed)")): "to be a list",
            changed("q1", ("[installed[name], version]", "[version, installed[name]]")): "[installed, wanted]",
            "def examine(environment, installed, wanted): return True": "to be a dict",
            "def examine(environment, installed, wanted): return {'offline': False}": "'endpoint'",
            changed("q1", ('"missing": sorted(set(wanted) - set(installed)),', "")): "the key 'missing'",
        },
        right=[
            '''
import os.path
def examine(environment, installed, wanted):
    def setting(name, default):
        value = environment.get(name)
        return value if value else default
    report = {"offline": setting("HF_HUB_OFFLINE", "no").lower() in ("1", "on", "yes", "true")}
    report["endpoint"] = setting("HF_ENDPOINT", "https://huggingface.co").removesuffix("/")
    report["cache"] = os.path.join(setting("HF_HOME", "~/.cache/huggingface"), "hub")
    report["missing"] = sorted(name for name in wanted if name not in installed)
    plain, tested = ({n: v.partition("+")[0] for n, v in versions.items()} for versions in (installed, wanted))
    report["differing"] = {n: (installed[n], wanted[n]) for n in wanted.keys() & plain.keys() if plain[n] != tested[n]}
    return report
''',
            changed("q1", ('"offline": ', '"python": "3.11", "offline": ')),
        ],
    )  # fmt: skip
    assert result.wrong[0].points == 3, "only one part is lost"
    assert result.wrong[-1].points == 3, "a key that is missing costs its part"


def test_path():
    judged_well(
        EXERCISE,
        "q2",
        wrong={
            "def path(chapters, wanted, known): return [name for name in chapters if name in wanted]": "path(chapters, ",
            changed("q2", ("if needed not in known", "")): "path(chapters, ",
            changed("q2", ("list(wanted)", "[name for name in wanted if name not in known]")): "path(chapters, ",
            changed("q2", ("[name for name in chapters if name in chosen]", "list(chosen)")): "path(chapters, ",
            # one step back only
            "def path(chapters, wanted, known):\n    near = set(wanted) | {n for w in wanted for n in chapters[w] if n not in known}\n    return [name for name in chapters if name in near]": "path(chapters, ",
            # takes what is known away at the end: what only the known ones need stays
            changed("q2", ("if needed not in known", ""), ("if name in chosen]", "if name in chosen and (name in wanted or name not in known)]")): "path(chapters, ",
            changed("q2", ("[name for name in chapters if name in chosen]", "chosen")): "a list",
            changed("q2", ("[name for name in chapters if name in chosen]", "sorted(chosen)")): "path(chapters, ",
            # what is wanted is there, but not what it needs, where it is known
            changed("q2", ("waiting += [", "waiting += [] if name in known else [")): "missing: '",
            # names what is missing and what is too much
            changed("q2", ("if name in chosen]", "if name in chosen][1:] + ['moon']")): "missing: '",
        },
        right=[
            '''
def path(chapters, wanted, known):
    chosen = set()
    def visit(name):
        chosen.add(name)
        for needed in set(chapters[name]) - set(known) - chosen:
            visit(needed)
    for name in wanted:
        visit(name)
    return sorted(chosen, key=list(chapters).index)
''',
            '''
def path(chapters, wanted, known):
    chosen = dict.fromkeys(wanted)
    for name in reversed(chapters):
        if name in chosen:
            chosen.update(dict.fromkeys(needed for needed in chapters[name] if needed not in known))
    return [name for name in chapters if name in chosen]
''',
        ],
    )  # fmt: skip


def test_best_words(course):
    result = judged_well(
        EXERCISE,
        "q3",
        course=course,
        before=IMPORTS,
        wrong={
            changed("q3", (".softmax(dim=-1)", "")): "the probabilities for",
            changed("q3", (".softmax(dim=-1)", ".sigmoid()")): "the probabilities for",
            changed("q3", (".logits[0, place].softmax(dim=-1)", ".logits[0].softmax(dim=0)[place]")): "for '",
            changed("q3", ("[0, place]", "[0, -2]")): "the words for",
            changed("q3", ("[0, place]", "[0, place - 1]")): "the words for",
            changed("q3", ("tokenizer.decode([number])", "number")): "the words for",
            changed("q3", (".topk(count)", ".topk(5)")): "items",
            changed("q3", ('"probability": share', '"score": share')): "'probability'",
            changed("q3", ("with torch", "model.train()\n    with torch")): "the probabilities for",
        },
        right=[
            '''
def best_words(model, tokenizer, text, count):
    from transformers import pipeline
    found = pipeline("fill-mask", model=model, tokenizer=tokenizer, top_k=count)(text)
    return [{"word": tokenizer.decode([each["token"]]), "probability": each["score"]} for each in found]
''',
            '''
def best_words(model, tokenizer, text, count):
    numbers = tokenizer(text)["input_ids"]
    with torch.no_grad():
        logits = model(torch.tensor([numbers])).logits[0, numbers.index(tokenizer.mask_token_id)]
    shares = (logits - logits.logsumexp(0)).exp()
    order = shares.argsort(descending=True)[:count]
    return [{"word": tokenizer.decode(number), "probability": shares[number].item()} for number in order]
''',
        ],
    )  # fmt: skip
    assert result.wrong[0].points == 1, "the words are right without a softmax, too"


def test_attention():
    wrong = {
        changed("q4", (" / math.sqrt(query.shape[-1])", "")): "compared with F.scaled_dot_product_attention",
        changed("q4", (" / math.sqrt(query.shape[-1])", " / query.shape[-1]")): "compared with",
        changed("q4", ("math.sqrt(query.shape[-1])", "math.sqrt(key.shape[-2])")): "compared with",
        changed("q4", ("softmax(dim=-1)", "softmax(dim=-2)")): "compared with",
        changed("q4", ("masked_fill(~mask", "masked_fill(mask")): "causal",
        changed("q4", ('float("-inf")', "0.0")): "causal",
        changed("q4", ("return comparisons.softmax(dim=-1) @ value", "return comparisons.softmax(dim=-1)")): "the shape",
        changed("q4", ("key.transpose(-2, -1)", "key.transpose(0, 1)")): "to run",
        # the mask after the softmax: the rest no longer adds up to 1
        "def attention(query, key, value, mask=None):\n    weights = (query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])).softmax(-1)\n    return (weights if mask is None else weights * mask) @ value": "causal",
        # a softmax by hand that overflows
        "def attention(query, key, value, mask=None):\n    weights = (query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])).exp()\n    weights = weights if mask is None else weights * mask\n    return weights / weights.sum(-1, keepdim=True) @ value": "comparisons above 100",
    }  # fmt: skip
    result = judged_well(
        EXERCISE,
        "q4",
        before=IMPORTS,
        wrong=wrong,
        right=[
            "def attention(query, key, value, mask=None): return torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)",
            '''
def attention(query, key, value, mask=None):
    scores = torch.einsum("...id,...jd->...ij", query, key) * key.shape[-1] ** -0.5
    if mask is not None:
        scores = scores + torch.where(mask, 0.0, -1e9)
    scores = scores - scores.max(-1, keepdim=True).values
    weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
    return torch.einsum("...ij,...je->...ie", weights, value)
''',
        ],
    )  # fmt: skip
    assert result.wrong[-1].points == 4, "all but the large comparisons"


def test_first_layer(course):
    attention = (
        answer_source(EXERCISE, "q4").replace("### BEGIN SOLUTION", "").replace("### END SOLUTION", "")
    )
    result = judged_well(
        EXERCISE,
        "q5",
        course=course,
        before=f"{IMPORTS}\n{attention}",
        wrong={
            changed("q5", (", attention_mask.bool()[:, None, None, :]", "")): "three texts",
            changed("q5", ("model.bert.embeddings(input_ids)", "model.bert.embeddings.word_embeddings(input_ids)")): "one text",
            changed("q5", (".unflatten(-1, (heads, -1)).transpose(1, 2)", "[:, None]")): "one text",
            changed("q5", ("mixed.transpose(1, 2).flatten(start_dim=2)", "mixed.flatten(start_dim=2)")): "the shape",
            changed("q5", ("mixed.transpose(1, 2)", "mixed.reshape(mixed.shape[0], mixed.shape[2], heads, -1)")): "one text",
            changed("q5", ("with torch", "model.train()\n    with torch")): "one text",
            changed("q5", ("layer[0]", "layer[1]")): "one text",
        },
        right=[
            '''
def first_layer(model, input_ids, attention_mask):
    kept = {}
    layer = model.bert.encoder.layer[0].attention.self
    layer.register_forward_hook(lambda module, inputs, output: kept.update(found=output[0].detach()))
    model(input_ids=input_ids, attention_mask=attention_mask)
    return kept["found"]
''',
            '''
def first_layer(model, input_ids, attention_mask):
    layer = model.bert.encoder.layer[0].attention.self
    entering = model.bert.embeddings(input_ids)
    rows = []
    for text, mask in zip(entering, attention_mask.bool()):
        parts = [part(text) for part in (layer.query, layer.key, layer.value)]
        cut = [part.chunk(model.config.num_attention_heads, dim=-1) for part in parts]
        rows.append(torch.cat([attention(q, k, v, mask[None]) for q, k, v in zip(*cut)], dim=-1))
    return torch.stack(rows).detach()
''',
        ],
    )  # fmt: skip
    assert result.wrong[0].points == 2, "one text has no padding"


MASK_LOOKED_AT = ('model(batch["input_ids"])', "model(**batch)")
PLACES_FOUND = (
    "logits[:, place]",
    'logits[range(len(texts)), (batch["input_ids"] == tokenizer.mask_token_id).nonzero()[:, 1]]',
)


@pytest.mark.parametrize(
    ("mended", "wrong"),
    [
        ((), [True, True]),
        ((PLACES_FOUND,), [True, False]),
        ((MASK_LOOKED_AT,), [False, True]),
        ((PLACES_FOUND, MASK_LOOKED_AT), [False, False]),
    ],
)
def test_each_of_the_colleagues_bugs_shows_in_her_own_output(course, mended, wrong):
    """The first text is padded in company, and the second has its [MASK] at another place."""
    cells = [given_cells("00_start_here", name) for name in ("q3-data", "q6-colleague", "q6-run")]
    cells[1] = replaced(cells[1], *mended)
    imports = "import torch\nfrom transformers import AutoModelForMaskedLM, AutoTokenizer"
    held = namespace(imports, *cells, course=course)
    alone = [
        held["colleagues_fill_in"](held["model"], held["tokenizer"], [text])[0] for text in held["company"]
    ]
    pairs = zip(alone, held["together"], strict=True)
    assert [one["word"] != other["word"] for one, other in pairs] == wrong


def test_fill_in(course):
    both_bugs = changed(
        "q6",
        ("rows, places = (batch", "place = (batch"),
        (
            " == tokenizer.mask_token_id).nonzero(as_tuple=True)",
            "[0] == tokenizer.mask_token_id).nonzero().item()",
        ),
        ("model(**batch).logits[rows, places]", 'model(batch["input_ids"]).logits[:, place]'),
    )
    result = judged_well(
        EXERCISE,
        "q6",
        course=course,
        before=IMPORTS,
        wrong={
            both_bugs: "the word for",
            changed("q6", ("model(**batch)", 'model(batch["input_ids"])')): "the same as when the text is alone",
            changed(
                "q6",
                ("rows, places = (batch", "place = (batch"),
                (" == tokenizer.mask_token_id).nonzero(as_tuple=True)", "[0] == tokenizer.mask_token_id).nonzero().item()"),
                ("logits[rows, places]", "logits[:, place]"),
            ): "the word for",
            changed("q6", ("logits[rows, places]", "logits[rows][:, places]")): "to be a text",
            changed("q6", (".softmax(dim=-1)", "")): "the probability for",
            changed("q6", ("zip(best", "list(zip(best"), (".tolist())", ".tolist()))[:1]")): "items",
        },
        right=[
            '''
def fill_in(model, tokenizer, texts):
    found = []
    for text in texts:
        tokens = tokenizer(text, return_tensors="pt")
        with torch.inference_mode():
            shares = model(**tokens).logits[tokens["input_ids"] == tokenizer.mask_token_id][0].softmax(-1)
        found.append({"word": tokenizer.decode([shares.argmax().item()]), "probability": shares.max().item()})
    return found
''',
            '''
def fill_in(model, tokenizer, texts):
    batch = tokenizer(texts, padding="longest", return_tensors="pt")
    hidden = batch["input_ids"] == tokenizer.mask_token_id
    with torch.no_grad():
        shares = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits.softmax(-1)[hidden]
    return [{"word": tokenizer.decode([row.argmax().item()]), "probability": row.max().item()} for row in shares]
''',
        ],
    )  # fmt: skip
    assert result.wrong[1].points == 1, "without the mask, only texts of one length are right"


def test_weights_made():
    result = judged_well(
        EXERCISE,
        "q7",
        before=IMPORTS,
        wrong={
            changed("q7", ("places**2", "places")): "as counted in a model",
            changed("q7", ("layers * heads * texts", "heads * texts")): "as counted in a model",
            changed("q7", ("layers * heads * texts", "layers * texts")): "as counted in a model",
            changed("q7", ("places**2", "places * (places + 1) // 2")): "as counted in a model",
            changed("q7", ("4 * layers", "layers")): "4 bytes a weight",
            changed("q7", ("math.isqrt(memory // (4 * layers * heads))", "memory // (4 * layers * heads)")): "longest_text(",
            changed("q7", ("math.isqrt(memory // (4 * layers * heads))", "math.sqrt(memory / (4 * layers * heads))")): "longest_text(",
            changed("q7", ("math.isqrt(memory // (4 * layers * heads))", "math.isqrt(memory // (4 * layers * heads)) + 1")): "longest_text(",
            changed("q7", ("math.isqrt(memory // (4 * layers * heads))", "round(math.sqrt(memory / (4 * layers * heads)))")): "longest_text(",
            changed("q7", ("math.isqrt(memory // (4 * layers * heads))", "math.ceil(math.sqrt(memory / (4 * layers * heads)))")): "longest_text(",
        },
        right=[
            "def weights_made(layers, heads, texts, places): return sum(places for _ in range(layers * heads * texts * places))\n"
            "def longest_text(layers, heads, memory): return int(math.sqrt(memory / layers / heads) / 2)",
            '''
def weights_made(layers, heads, texts, places):
    return torch.empty(texts, heads, places, places).numel() * layers

def longest_text(layers, heads, memory):
    places = 0
    while 4 * weights_made(layers, heads, 1, places + 1) <= memory:
        places += 1
    return places
''',
        ],
    )  # fmt: skip
    assert result.wrong[0].points == 1


def test_a_loop_for_any_hardware():
    result = judged_well(
        EXERCISE,
        "q8",
        before=IMPORTS,
        wrong={
            changed("q8", ("model, optimizer, loader = accelerator.prepare(model, optimizer, loader)", "accelerator.prepare(model, optimizer, loader)")): "every second is yours",
            changed("q8", ("accelerator.backward(loss)", "loss.backward()")): "the scaled gradients of its own batch",
            changed("q8", ("            optimizer.zero_grad()\n", "")): "its own batch alone",
            changed("q8", ("            optimizer.step()\n            optimizer.zero_grad()", "            optimizer.zero_grad()\n            optimizer.step()")): "the weights after 3 epochs",
            changed("q8", ("for _ in range(epochs):", "for _ in range(1):")): "one a batch",
            changed("q8", ("return losses", "return sum(losses)")): "to be a list",
            changed("q8", ("losses.append(loss.item())", "losses.append(model(**batch).loss.item())")): "the losses of train(",
        },
        right=[
            """
def train(accelerator, model, optimizer, loader, epochs):
    losses = []
    model, optimizer = accelerator.prepare(model, optimizer)
    loader = accelerator.prepare(loader)
    model.train()
    for _ in range(epochs):
        for batch in loader:
            optimizer.zero_grad()
            with accelerator.accumulate(model):
                loss = model(**batch).loss
                accelerator.backward(loss)
                optimizer.step()
            losses.append(float(loss.detach()))
    return losses
""",
            """
def train(accelerator, model, optimizer, loader, epochs):
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    def step(batch):
        optimizer.zero_grad(set_to_none=True)
        output = model(x=batch["x"], labels=batch["labels"])
        accelerator.backward(output["loss"])
        optimizer.step()
        return output.loss.tolist()
    return [step(batch) for _ in range(epochs) for batch in loader]
""",
        ],
    )  # fmt: skip
    assert result.wrong[0].points == 0
    assert result.wrong[1].points == 1
    assert result.wrong[6].points == 2
