"""Exercise 10: its solution, its stub, plausible wrong answers with the words they get, and other right ones."""

import copy
from functools import partial

import pytest

from course_utils.checks.chapters.lora_and_peft import FOUND, exercise
from course_utils.checks.testing import (
    answer_source,
    changed_answer,
    given_cells,
    judge_source,
    judged_objects_well,
    judged_well,
    namespace,
    replaced,
    run_cells,
    stub_source,
)
from course_utils.fetched import ready

EXERCISE = "10_lora_and_peft"
needs_files = pytest.mark.skipif(not ready("opinions"), reason="course fetch was not run here")
given = partial(given_cells, EXERCISE)
TORCH = "import torch"


def test_the_card():
    assert exercise.points == 37
    assert len([question for question in exercise.questions.values() if not question.manual]) == 12


# q1

FORWARD = """
def lora_forward(x, W, A, B, alpha):
    return x @ W.T + alpha / A.shape[0] * x @ A.T @ B.T

def lora_merge(W, A, B, alpha):
    return W + alpha / A.shape[0] * B @ A

def lora_unmerge(W, A, B, alpha):
    return W - alpha / A.shape[0] * B @ A
"""
THROUGH_THE_MERGED = """
def lora_merge(W, A, B, alpha):
    return W.add(B.mm(A), alpha=alpha / A.size(0))

def lora_forward(x, W, A, B, alpha):
    return torch.nn.functional.linear(x, lora_merge(W, A, B, alpha))

def lora_unmerge(W, A, B, alpha):
    return lora_merge(W, A, B, -alpha)
"""


def test_forward_and_merge():
    judged_well(
        EXERCISE,
        "q1",
        before=TORCH,
        wrong={
            FORWARD.replace("alpha / A.shape[0]", "alpha"): "of a layer with a low-rank update of rank",
            FORWARD.replace("A.shape[0]", "A.shape[1]"): "with alpha",
            FORWARD.replace("return x @ W.T +", "return"): "the output for x",
            FORWARD.replace("W - alpha", "W + alpha"): "before a low-rank update",
            FORWARD.replace("B @ A", "A.T @ B.T"): "lora_merge",
            FORWARD.replace(
                "x @ A.T @ B.T", "torch.mm(torch.mm(x, A.T), B.T)"
            ): "lora_forward",  # no batch of sequences
        },
        right=[FORWARD, THROUGH_THE_MERGED],
    )


def test_a_wrong_way_back_costs_one_point():
    report = judge_source(EXERCISE, "q1", FORWARD.replace("W - alpha", "W + alpha"), before=TORCH)
    assert report.points == 2


# q2

BUDGET = """
def trainable(shapes, r):
    return sum(r * out + r * into for out, into in shapes)

def largest_rank(shapes, budget):
    r = 0
    while trainable(shapes, r + 1) <= budget:
        r += 1
    return r
"""
COUNTED = """
def trainable(shapes, r):
    return sum(torch.empty(r, i).numel() + torch.empty(o, r).numel() for o, i in shapes)

def largest_rank(shapes, budget):
    return max([r for r in range(1, 40) if trainable(shapes, r) <= budget], default=0)
"""


def test_budget():
    judged_well(
        EXERCISE,
        "q2",
        before=TORCH,
        wrong={
            BUDGET.replace("r * out + r * into", "r * out * into"): "trainable([",
            BUDGET.replace("r * out + r * into", "r * out"): "trainable([",
            BUDGET.replace("<= budget", "< budget"): "which is hit exactly",
            BUDGET.replace("r = 0", "r = 1"): "too little for rank 1",
            BUDGET.replace("return r\n", "return r + 1\n"): "largest_rank([",
        },
        right=[BUDGET, COUNTED],
    )


# q3

LOW_RANK_UPDATE = """
class LowRankUpdate(torch.nn.Module):
    def __init__(self, base, r, alpha):
        super().__init__()
        self.base = base
        for value in base.parameters():
            value.requires_grad = False
        self.scale = alpha / r
        self.A = torch.nn.Parameter(torch.empty(r, base.in_features))
        self.B = torch.nn.Parameter(torch.zeros(base.out_features, r))
        torch.nn.init.kaiming_uniform_(self.A, a=5 ** 0.5)

    def forward(self, x):
        return self.base(x) + self.scale * (x @ self.A.T @ self.B.T)
"""
B_AT_RANDOM = """
class LowRankUpdate(torch.nn.Module):
    def __init__(self, base, r, alpha):
        super().__init__()
        base.weight.requires_grad_(False)
        self.base, self.r, self.alpha = base, r, alpha
        self.A = torch.nn.Parameter(torch.zeros(r, base.in_features))
        self.B = torch.nn.Parameter(torch.randn(base.out_features, r) * 0.1)

    def forward(self, x):
        change = self.B @ self.A * self.alpha / self.r
        return torch.nn.functional.linear(x, self.base.weight + change)
"""


ALL_ROWS_EQUAL = LOW_RANK_UPDATE.replace(
    "torch.nn.init.kaiming_uniform_(self.A, a=5 ** 0.5)",
    "torch.nn.init.normal_(self.A)\n        self.A.data[:] = self.A.data[0].clone()",
)


def test_find_the_bugs():
    judged_well(
        EXERCISE,
        "q3",
        before=TORCH,
        wrong={
            given("q3-colleague").replace(
                "ColleaguesLowRankUpdate", "LowRankUpdate"
            ): "the names of the trained parameters",
            LOW_RANK_UPDATE.replace(
                "torch.nn.init.kaiming_uniform_(self.A, a=5 ** 0.5)", "torch.nn.init.zeros_(self.A)"
            ): "nothing moves",
            LOW_RANK_UPDATE.replace("value.requires_grad = False", "pass"): "'base.weight'",
            LOW_RANK_UPDATE.replace("alpha / r", "r / alpha"): "the output with given A and B",
            LOW_RANK_UPDATE.replace(
                "torch.zeros(base.out_features, r)", "torch.ones(base.out_features, r)"
            ): "the output at the start",
            LOW_RANK_UPDATE.replace("self.base(x) + ", ""): "the output at the start",
            ALL_ROWS_EQUAL: "the rank of A as it begins",
            LOW_RANK_UPDATE.replace("self.A.T @", "self.A.detach().T @"): "A to have a gradient",
        },
        right=[LOW_RANK_UPDATE, B_AT_RANDOM],
    )


def test_a_probe_of_the_notebooks_own_is_not_believed():
    """`probe` bound anew: it looks at a right low-rank update, whatever the answer is."""
    colleagues = given("q3-colleague").replace("ColleaguesLowRankUpdate", "LowRankUpdate")
    right = LOW_RANK_UPDATE.replace("LowRankUpdate", "Right")
    says = f"{right}\n{given('q3-probe')}".replace("kind or LowRankUpdate", "Right") + f"\n{colleagues}"
    assert judge_source(EXERCISE, "q3", says, before=TORCH).points == 0


def test_equal_rows_are_told_in_every_draw():
    secrets = [f"draw {number}".encode() for number in range(20)]
    assert {
        judge_source(EXERCISE, "q3", ALL_ROWS_EQUAL, before=TORCH, secret=one).points for one in secrets
    } == {2}


# q4


OF_ITS_OWN_NAME = (
    ('target_modules=["query", "value"]', 'target_modules=["query", "value"], **patterns'),
    ("    config =", '    patterns = {"rank_pattern": {r".*\\.[0-2]\\..*query": 6}, "alpha_pattern": {r".*query": 24}}\n    config ='),
    ("get_peft_model(model, config)", 'get_peft_model(model, config, adapter_name="desks")'),
)  # fmt: skip
IA3 = (
    ('LoraConfig(task_type="SEQ_CLS", r=4, lora_alpha=16, target_modules=["query", "value"])', 'peft.IA3Config(task_type="SEQ_CLS")'),
    ("    config =", "    import peft\n    config ="),
    ("learning_rate=1e-2", "learning_rate=1e-1"),
)  # fmt: skip


@pytest.fixture(scope="module")
def notebook(course):
    """What the notebook holds ahead of question 4's answer."""
    return namespace(TORCH, given("q4-data"), given("q4-given"), course=course)


@pytest.mark.slow
def test_adapter(course, notebook):
    from peft import (
        LNTuningConfig,
        LoraConfig,
        PrefixTuningConfig,
        PromptTuningConfig,
        get_peft_model,
    )

    query_and_value = {"task_type": "SEQ_CLS", "target_modules": ["query", "value"], "r": 4}
    lora = LoraConfig(**query_and_value)

    def written(*changes):
        held = dict(notebook)
        run_cells([changed_answer(EXERCISE, "q4", *changes)], held)
        return held

    def untrained(config, before=lambda base: None):
        """An `adapt` that does something to the base, puts an adapter on it, and trains nothing."""

        def adapt(base, rows):
            before(base)
            return get_peft_model(base, copy.deepcopy(config))

        return {"adapt": adapt}

    def moved(base):
        base.bert.embeddings.word_embeddings.weight.data[5] += 1

    def pooler_and_head(base):
        base.bert.pooler.dense.weight.data += 0.1
        base.classifier.weight.data += 0.1

    def a_layer_more(base):
        base.bert.encoder.layer.append(copy.deepcopy(base.bert.encoder.layer[-1]))
        base.config.num_hidden_layers += 1

    def two_adapters(base, rows):
        model = get_peft_model(base, lora)
        model.add_adapter("other", lora)
        model.set_adapter("other")
        return model

    elsewhere = {}  # the adapter's own tensors, trained on notices whose desks have their usual numbers

    def brought(base, rows):
        model = get_peft_model(base, copy.deepcopy(lora))
        if not elsewhere:
            trained = notebook["train"](model, notebook["notices"], learning_rate=1e-2)
            held = trained.state_dict().items()
            elsewhere.update({name: value for name, value in held if ".lora_" in name or "to_save" in name})
        model.load_state_dict(elsewhere, strict=False)
        return model

    prompt = partial(PromptTuningConfig, task_type="SEQ_CLS")
    beginning = lambda name: untrained(LoraConfig(**query_and_value, init_lora_weights=name))  # noqa: E731
    reports = judged_objects_well(
        EXERCISE,
        "q4",
        course=course,
        right={
            "the solution": written(),
            "a name of its own, and patterns": written(*OF_ITS_OWN_NAME),
            "IA3": written(*IA3),
        },
        wrong={
            "not trained": (untrained(lora), "the accuracy on 300"),
            "a head that is left out": (
                untrained(LoraConfig(target_modules=["query", "value"], r=4)),
                'task_type="SEQ_CLS" adds it',
            ),
            "PiSSA, not trained": (beginning("pissa"), "the accuracy on 300"),
            "OLoRA, not trained": (beginning("olora"), "the accuracy on 300"),
            "two adapters, not trained": ({"adapt": two_adapters}, "the accuracy on 300"),
            "trained elsewhere": ({"adapt": brought}, "the accuracy on 300"),
            "merged": (
                {"adapt": lambda base, rows: get_peft_model(base, lora).merge_and_unload()},
                "without an adapter",
            ),
            "over the budget": (
                untrained(LoraConfig(task_type="SEQ_CLS", r=16, target_modules=["query", "key", "value"])),
                "the share of the adapter and the head",
            ),
            "whole layers saved": (
                untrained(
                    LoraConfig(task_type="SEQ_CLS", r=1, target_modules=["query"], modules_to_save=["dense"])
                ),
                "the share of the adapter and the head",
            ),
            "a base that moved": (untrained(lora, moved), "that have moved"),
            "pooler and head in full": (
                untrained(LoraConfig(**query_and_value | {"r": 1}), pooler_and_head),
                "that have moved",
            ),
            "a layer added": (untrained(lora, a_layer_more), "no tensors but the base's"),
            "a base of its own": (
                {"adapt": lambda base, rows: get_peft_model(notebook["fresh_base"](), lora)},
                "that have moved",
            ),
            "not a model": ({"adapt": lambda base, rows: "adapter"}, "plain data from `adapt`"),
            "a prompt that was not trained": (
                untrained(prompt(num_virtual_tokens=10)),
                "the accuracy on 300",
            ),
            "a prompt longer than the positions": (
                untrained(prompt(num_virtual_tokens=140)),
                "cannot read two tokens",
            ),
            "a prefix over the budget": (
                untrained(PrefixTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=20)),
                "the share of the adapter and the head",
            ),
            "a method that is not rebuilt": (
                untrained(LNTuningConfig(task_type="SEQ_CLS", target_modules=["LayerNorm"])),
                "only LORA, IA3",
            ),
        },
    )
    nothing_but_the_base = [
        "not trained",
        "PiSSA, not trained",
        "OLoRA, not trained",
        "two adapters, not trained",
        "trained elsewhere",
        "a prompt that was not trained",
    ]
    assert [reports[name].points for name in nothing_but_the_base] == [1] * 6
    for name in ("a base that moved", "pooler and head in full", "a layer added", "a base of its own"):
        assert reports[name].points == 0, name


def test_an_adapter_that_is_still_to_do(course):
    stub = stub_source(answer_source(EXERCISE, "q4"))
    assert judge_source(EXERCISE, "q4", stub, course=course).rung == "not started"


# q5

QUANTISE = """
def quantise(weights, levels, block):
    codes, scales = [], []
    for part in weights.split(block):
        scale = part.abs().max()
        relative = part / scale if scale > 0 else part
        codes.append((relative[:, None] - levels).abs().argmin(1))
        scales.append(scale)
    return torch.cat(codes), torch.stack(scales)

def dequantise(codes, scales, levels, block):
    return torch.cat([levels[part.long()] * scale for part, scale in zip(codes.split(block), scales)])
"""
SEARCHED = """
def quantise(weights, levels, block):
    scales = torch.stack([part.abs().max() for part in weights.split(block)])
    each = scales.clamp_min(1e-30).repeat_interleave(block)[: len(weights)]
    return torch.bucketize(weights / each, (levels[1:] + levels[:-1]) / 2).to(torch.uint8), scales

def dequantise(codes, scales, levels, block):
    each = scales[torch.arange(len(codes)) // block]
    return each * levels[codes.long()]
"""


IN_NUMPY = """
import numpy as np

def quantise(weights, levels, block):
    weights, levels = np.asarray(weights), np.asarray(levels)
    places = np.arange(0, len(weights), block)
    scales = np.maximum.reduceat(np.abs(weights), places)
    relative = weights / np.repeat(np.where(scales > 0, scales, 1), block)[: len(weights)]
    codes = np.abs(relative[:, None] - levels).argmin(1).astype(np.uint8)
    return codes, scales

def dequantise(codes, scales, levels, block):
    codes, scales = np.asarray(codes), np.asarray(scales)
    return np.asarray(levels)[codes] * np.repeat(scales, block)[: len(codes)]
"""


def test_four_bits():
    judged_well(
        EXERCISE,
        "q5",
        before=TORCH,
        wrong={
            QUANTISE.replace("part.abs().max()", "part.max()"): "the scales",
            QUANTISE.replace("part.abs().max()", "weights.abs().max()"): "the scales",
            QUANTISE.replace("part.abs().max()\n", "part.abs().max() or torch.tensor(1.0)\n"): "the scales",
            SEARCHED.replace("(levels[1:] + levels[:-1]) / 2", "levels[1:]"): "whose level is farther off",
            QUANTISE.replace(
                "for part in weights.split(block)",
                "for part in weights[: len(weights) // block * block].split(block)",
            ): "the shape",
            QUANTISE.replace(
                "levels[part.long()] * scale", "levels[part.long()]"
            ): "that given codes and scales stand for",
            SEARCHED.replace(", scales\n", ", [scales] * 2\n"): "the scales",
            "def quantise(*given): return 'codes', 'scales'\ndef dequantise(*given): return 0": "the codes of",
        },
        right=[
            QUANTISE,
            SEARCHED,
            IN_NUMPY,
            IN_NUMPY.replace("codes, scales\n", "codes.tolist(), scales.tolist()\n"),
        ],
    )


# q6

BYTES = """
def qlora_bytes(weights, trained, block, scale_block):
    scales = weights // block
    return {"frozen": weights / 2 + scales + 4 * (scales // scale_block), "adapter": 16 * trained}
"""


def test_memory():
    judged_well(
        EXERCISE,
        "q6",
        wrong={
            BYTES.replace("weights / 2", "4 * weights"): '["frozen"] in bytes',
            BYTES.replace("+ scales +", "+ 4 * scales +"): '["frozen"] in bytes',
            BYTES.replace("+ 4 * (scales // scale_block)", ""): '["frozen"] in bytes',
            BYTES.replace("16 * trained", "4 * trained"): '["adapter"] in bytes',
            BYTES.replace("16 * trained", "12 * trained"): '["adapter"] in bytes',
            BYTES.replace('"adapter": 16 * trained', '"total": 1'): "'adapter'",
        },
        right=[BYTES, BYTES.replace("weights / 2", "0.5 * weights").replace("16 *", "(4 + 4 + 8) *")],
    )


# q7

FAKE = """
def fake_quant(x, step, low, high):
    rounded = torch.round(x / step).clamp(low, high) * step
    cut = x.detach().clamp(low * step, high * step) != x.detach()
    passing = torch.where(cut, x.detach(), x)
    return passing + (rounded - passing).detach()
"""
FUNCTION = """
class Rounding(torch.autograd.Function):
    @staticmethod
    def forward(context, x, step, low, high):
        codes = torch.round(x / step)
        context.save_for_backward((codes >= low) & (codes <= high))
        return codes.clamp(low, high) * step

    @staticmethod
    def backward(context, gradient):
        return gradient * context.saved_tensors[0], None, None, None

def fake_quant(x, step, low, high):
    return Rounding.apply(x, step, low, high)
"""
LIBRARY = """
def fake_quant(x, step, low, high):
    return torch.fake_quantize_per_tensor_affine(x, step, 0, low, high)
"""


def test_rounding():
    result = judged_well(
        EXERCISE,
        "q7",
        before=TORCH,
        wrong={
            FAKE.replace("passing + (rounded - passing).detach()", "rounded"): "only rounded",
            FAKE.replace("torch.where(cut, x.detach(), x)", "x"): "cut off",
            FAKE.replace(".clamp(low, high)", ""): "the values of fake_quant",
            FAKE.replace("torch.round", "torch.floor"): "the values of fake_quant",
            FAKE.replace(") * step\n    cut", ")\n    cut"): "the values of fake_quant",
            FAKE.replace("return passing +", "return x.detach() +"): "values without one",
            FAKE.replace("+ (rounded", "* 2 - passing.detach() + (rounded"): "only rounded",
        },
        right=[FAKE, FUNCTION, LIBRARY],
    )
    assert [report.points for report in result.wrong[:3]] == [1, 1, 1]


def test_both_ways_of_the_notebooks_own_are_not_believed():
    """`both_ways` bound anew: it looks at a right function, whatever the answer is."""
    both = given("q7-probe").split("try:")[0].replace("fake_quant", "right")
    says = f"{FAKE.replace('fake_quant', 'right')}\n{both}\ndef fake_quant(x, step, low, high):\n    return x"
    assert judge_source(EXERCISE, "q7", says, before=TORCH).points == 0


# q8


def answers(**other):
    return f"def predictions():\n    return {FOUND | other}"


def test_predictions():
    wrong = {
        answers(linear=True): "all six",
        answers(activations=True): "all six",
        answers(decoder=False, prompt=True): "the number of right predictions",
        answers(off="yes"): "to be True or False",
        "def predictions():\n    return {'off': True}": "'prompt'",
    }
    judged_well(
        EXERCISE,
        "q8",
        wrong=wrong,
        right=[answers(), f"def predictions(): return dict({list(FOUND.items())})"],
    )
    assert judge_source(EXERCISE, "q8", answers(linear=True)).points == 1


def test_the_predictions_are_what_is_measured(course):
    held = namespace(
        TORCH,
        "from peft import LoraConfig, get_peft_model",
        given("q8-answer"),
        given("q8-measure"),
        given("q8-mixed"),
        given("q8-run"),
        course=course,
    )
    assert held["measure"]() == FOUND


# q9

MIX = """
def mix(adapters, weights):
    r = sum(len(one["A"]) for one in adapters)
    B = [w * one["alpha"] / len(one["A"]) * one["B"] for w, one in zip(weights, adapters)]
    return {"A": torch.vstack([one["A"] for one in adapters]), "B": torch.hstack(B), "alpha": r}
"""
SCALED_A = """
def mix(adapters, weights):
    A = [w * one["alpha"] / one["A"].shape[0] * one["A"] for w, one in zip(weights, adapters)]
    A, B = torch.cat(A, 0), torch.cat([one["B"] for one in adapters], 1)
    return {"A": A * 2, "B": B, "alpha": A.shape[0] / 2}
"""
DECOMPOSED = """
def mix(adapters, weights):
    change = sum(w * one["alpha"] / len(one["A"]) * one["B"] @ one["A"] for w, one in zip(weights, adapters))
    U, S, V = torch.linalg.svd(change.double())
    r = sum(len(one["A"]) for one in adapters)
    return {"A": V[:r].float(), "B": (U[:, :r] * S[:r]).float(), "alpha": r}
"""


MIXED_IN_NUMPY = """
import numpy as np

def mix(adapters, weights):
    A = np.vstack([one["A"].numpy() for one in adapters])
    B = [w * one["alpha"] / len(one["A"]) * one["B"].numpy() for w, one in zip(weights, adapters)]
    return {"A": A, "B": np.hstack(B), "alpha": np.float32(len(A))}
"""


def test_mixing():
    judged_well(
        EXERCISE,
        "q9",
        before=TORCH,
        wrong={
            MIX.replace('w * one["alpha"] / len(one["A"]) * one["B"]', 'w * one["B"]'): "the change that",
            MIX.replace('"alpha": r', '"alpha": 1'): "the change that",
            MIX.replace("w * one", "abs(w) * one"): "the change that",
            MIX.replace('one["alpha"] / len(one["A"])', 'one["alpha"] / r'): "the change that",
            MIX.replace("return {", 'return {"W": 0} if r else {'): "'A'",
            DECOMPOSED.replace("V[:r]", "V[:14]")
            .replace("U[:, :r] * S[:r]", "U[:, :14] * S[:14]")
            .replace('"alpha": r', '"alpha": 14'): "the rank of a mix",
            MIX.replace('torch.hstack(B), "alpha"', 'torch.hstack(B)[:, :0], "alpha"').replace(
                'torch.vstack([one["A"] for one in adapters])', 'torch.zeros(0, adapters[0]["A"].shape[1])'
            ): "the number of rows of the A",
        },
        right=[MIX, SCALED_A, DECOMPOSED, MIXED_IN_NUMPY],
    )


# q11

HOOKED = """
def bottleneck(hidden, down, up):
    return hidden + torch.nn.functional.linear(torch.nn.functional.linear(hidden, down).clamp_min(0), up)

class Adapter(torch.nn.Module):
    def __init__(self, size, width):
        super().__init__()
        self.down = torch.nn.Parameter(torch.randn(width, size) * 0.02)
        self.up = torch.nn.Parameter(torch.zeros(size, width))

    def forward(self, hidden):
        return bottleneck(hidden, self.down, self.up)

def add_adapters(model, width, parallel=False):
    model.requires_grad_(False)
    layers = model.bert.encoder.layer
    adapters = torch.nn.ModuleList(Adapter(model.config.hidden_size, width) for layer in layers)
    model.adapters = adapters
    for layer, adapter in zip(layers, adapters):
        def hook(layer, inputs, output, adapter=adapter):
            if parallel:
                return output + adapter(inputs[0]) - inputs[0]
            return adapter(output)
        layer.register_forward_hook(hook)
    return model
"""
WRAPPED = """
def bottleneck(hidden, down, up):
    return torch.relu(hidden @ down.mT) @ up.mT + hidden

class WithAdapter(torch.nn.Module):
    def __init__(self, layer, size, width, parallel):
        super().__init__()
        self.layer, self.parallel = layer, parallel
        self.into = torch.nn.Linear(size, width, bias=False)
        self.back = torch.nn.Linear(width, size, bias=False)
        torch.nn.init.zeros_(self.back.weight)

    def forward(self, hidden, *others, **named):
        output = self.layer(hidden, *others, **named)
        return output + self.back(torch.relu(self.into(hidden if self.parallel else output)))

def add_adapters(model, width, parallel=False):
    for weight in model.parameters():
        weight.requires_grad = False
    layers = model.bert.encoder.layer
    for place in range(len(layers)):
        layers[place] = WithAdapter(layers[place], model.config.hidden_size, width, parallel)
    return model
"""
FUNCTIONAL = """
import copy, functools

def bottleneck(hidden, down, up):
    return hidden + torch.einsum("...w,sw->...s", torch.einsum("...s,ws->...w", hidden, down).relu(), up)

def passed(forward, down, up, parallel, hidden, *others, **named):
    output = forward(hidden, *others, **named)
    return output + bottleneck(hidden, down, up) - hidden if parallel else bottleneck(output, down, up)

def add_adapters(model, width, parallel=False):
    model = copy.deepcopy(model).requires_grad_(False)
    size = model.config.hidden_size
    for layer in model.bert.encoder.layer:
        layer.down = torch.nn.Parameter(torch.nn.init.xavier_uniform_(torch.empty(width, size)))
        layer.up = torch.nn.Parameter(torch.zeros(size, width))
        layer.forward = functools.partial(passed, layer.forward, layer.down, layer.up, parallel)
    return model
"""
FROZEN_FIRST = "    model.requires_grad_(False)\n"


def changed(*pairs):
    """HOOKED with a mistake in it."""
    return replaced(HOOKED, *pairs)


MISTAKES = {
    "up is not zero": changed(("torch.zeros(size, width)", "torch.randn(size, width)")),
    "no residual": changed(("return hidden +", "return")),
    "no residual in the function only": replaced(WRAPPED, (" + hidden\n", "\n")),
    "no bend": changed((".clamp_min(0)", "")),
    "a base that is not frozen": changed((FROZEN_FIRST, "")),
    "everything frozen": changed((FROZEN_FIRST, ""), ("    return model", FROZEN_FIRST + "    return model")),
    "in front of the layer": changed(
        ("def hook(layer, inputs, output,", "def hook(layer, inputs,"),
        ("            return adapter(output)", "            return adapter(inputs[0]), *inputs[1:]"),
        ("register_forward_hook", "register_forward_pre_hook"),
        ("if parallel:", "if False:"),
    ),
    "the hook returns nothing": changed(("return adapter(output)", "adapter(output)")),
    "the last adapter only": changed((", adapter=adapter", "")),
    "not part of the model": changed(("    model.adapters = adapters\n", "")),
    "one adapter for all": changed(
        ("Adapter(model.config.hidden_size, width) for layer in layers", "[Adapter(128, width)] * 6")
    ),
    "down is zero, not up": changed(
        (
            ".clamp_min(0)",
            ".relu()",
        ),  # whose gradient at 0 is 0; that of clamp_min is 1, and there it would learn
        ("torch.randn(width, size) * 0.02", "torch.zeros(width, size)"),
        ("torch.zeros(size, width)", "torch.randn(size, width)"),
    ),
    "never parallel": changed(("if parallel:", "if False:")),
    "parallel with the input twice": changed((" - inputs[0]", "")),
    "always parallel": changed(("if parallel:", "if True:")),
    "the model is not returned": changed(("    return model", "    return")),
    "biases": replaced(WRAPPED, ("torch.nn.Linear(size, width, bias=False)", "torch.nn.Linear(size, width)")),
    "one layer only": changed(("zip(layers, adapters)", "list(zip(layers, adapters))[-1:]")),
    "equal rows": changed(
        ("torch.randn(width, size) * 0.02", "torch.randn(1, size).repeat(width, 1) * 0.02")
    ),
    "down does not learn": changed(("(hidden, self.down, self.up)", "(hidden, self.down.detach(), self.up)")),
}
SAYS = {
    "up is not zero": "which should be those of the model without any",
    "no residual": "what comes without adding the adapter's input",
    "no residual in the function only": "what comes without adding the adapter's input",
    "no bend": "what comes without the bend",
    "a base that is not frozen": "others that have a gradient",
    "everything frozen": "does not require grad",
    "in front of the layer": "in front of the layers",
    "the hook returns nothing": "does each hook return something",
    "the last adapter only": "no gradient for 5",
    "not part of the model": "does model.parameters() find the matrices",
    "one adapter for all": "one for each layer",
    "down is zero, not up": "no gradient for 6",
    "never parallel": "behind the layers",
    "parallel with the input twice": "the layer's input is added, too",
    "always parallel": "beside the layers",
    "the model is not returned": "'NoneType'",
    "biases": "nothing to learn but matrices",
    "equal rows": "the rank of",
    "down does not learn": "every adapter's matrices to have a gradient",
    "one layer only": "the logits with given matrices",
}
#: Of the four points: the bottleneck itself, only the adapters learn, behind the layers, and beside them.
EARNS = {
    "up is not zero": 2,
    "no residual": 0,  # nothing is left of the hidden states, so nothing can learn either
    "no residual in the function only": 3,
    "no bend": 1,
    "a base that is not frozen": 3,
    "everything frozen": 3,
    "the last adapter only": 3,
    "never parallel": 3,
    "parallel with the input twice": 3,
    "the model is not returned": 1,
    "biases": 1,
    "equal rows": 3,
    "down does not learn": 3,
}


def test_an_adapter_of_your_own(course):
    result = judged_well(
        EXERCISE,
        "q11",
        before=TORCH,
        wrong={source: SAYS[name] for name, source in MISTAKES.items()},
        right=[HOOKED, WRAPPED, FUNCTIONAL],
        course=course,
    )
    points = dict(zip(MISTAKES, (report.points for report in result.wrong), strict=True))
    assert {name: points[name] for name in EARNS} == EARNS, points


def test_looks_of_the_notebooks_own_are_not_believed(course):
    """`placed` and `five_steps` bound anew: they look at right adapters, whatever the answer is."""
    looks = given("q11-probe", "q11-steps").replace("add_adapters", "right")
    says = (
        f"{HOOKED.replace('add_adapters', 'right')}\n{looks}\ndef bottleneck(hidden, down, up): return hidden"
    )
    says += "\ndef add_adapters(model, width, parallel=False): return model.requires_grad_(False)"
    assert judge_source(EXERCISE, "q11", says, before=TORCH, course=course).points == 0


SOFT_PROMPT = """
def with_prompt(prompt, embeddings, mask, labels):
    rows, count = len(embeddings), len(prompt)
    return {
        "inputs_embeds": torch.cat([prompt.expand(rows, -1, -1), embeddings], dim=1),
        "attention_mask": torch.cat([mask.new_ones(rows, count), mask], dim=1),
        "labels": torch.cat([labels.new_full((rows, count), -100), labels], dim=1),
    }
"""


def test_a_prompt_in_front():
    result = judged_well(
        EXERCISE,
        "q12",
        before=TORCH,
        wrong={
            SOFT_PROMPT.replace(
                "[prompt.expand(rows, -1, -1), embeddings]", "[embeddings, prompt.expand(rows, -1, -1)]"
            ): "the prompt behind it",
            SOFT_PROMPT.replace("mask.new_ones", "mask.new_zeros"): "attention_mask, 1 for the prompt",
            SOFT_PROMPT.replace("(rows, count), -100", "(rows, count), 0"): "labels, -100 for the prompt",
            SOFT_PROMPT.replace("prompt.expand(rows, -1, -1)", "prompt[:1].expand(rows, count, -1)"): (
                "the prompt in front of each row's vectors"
            ),
            SOFT_PROMPT.replace(
                "torch.cat([mask.new_ones(rows, count), mask], dim=1)", "mask"
            ): "attention_mask",
            SOFT_PROMPT.replace('"labels"', '"targets"'): "labels",
        },
        right=[
            SOFT_PROMPT,
            SOFT_PROMPT.replace(
                "prompt.expand(rows, -1, -1)", "prompt.unsqueeze(0).repeat(rows, 1, 1)"
            ).replace("mask.new_ones(rows, count)", "torch.ones(rows, count, dtype=mask.dtype)"),
            "def with_prompt(prompt, embeddings, mask, labels):\n"
            "    pad = torch.nn.functional.pad\n"
            "    front = torch.stack([torch.cat([prompt, row]) for row in embeddings])\n"
            "    return dict(inputs_embeds=front, attention_mask=pad(mask, (len(prompt), 0), value=1),\n"
            "                labels=pad(labels, (len(prompt), 0), value=-100))",
        ],
    )
    assert [report.points for report in result.wrong[:3]] == [2, 2, 2]


# q13

NEIGHBOURS = """
def cosines(vectors):
    table = torch.cosine_similarity(vectors[:, None], vectors[None], dim=2)
    table[range(len(table)), range(len(table))] = -9.0
    return table

def same_source(vectors, sources):
    counted = []
    for place, row in enumerate(cosines(vectors)):
        if sources.count(sources[place]) > 1:
            counted.append(sources[int(row.argmax())] == sources[place])
    return sum(counted) / len(counted)

def neighbours_kept(before, after, k):
    old, new = (cosines(side).argsort(1, descending=True)[:, :k].tolist() for side in (before, after))
    return float(np.mean([len(set(a).intersection(b)) / k for a, b in zip(old, new)]))
"""
COSINE = "torch.cosine_similarity(vectors[:, None], vectors[None], dim=2)"


DIAGONAL = "    table[range(len(table)), range(len(table))] = -9.0\n"
SHARED = "len(set(a).intersection(b)) / k"


@needs_files
def test_neighbours():
    shares = "of their source were counted"
    result = judged_well(
        EXERCISE,
        "q13",
        before=TORCH + "\nimport numpy as np",
        wrong={
            NEIGHBOURS.replace(DIAGONAL, ""): "each row was its own nearest",
            NEIGHBOURS.replace(COSINE, "vectors @ vectors.T"): "not brought to one length",
            NEIGHBOURS.replace(COSINE, "-torch.cdist(vectors, vectors) / 1e4"): "distances were taken",
            NEIGHBOURS.replace("argmax()", "argmin()"): "same_source(",
            NEIGHBOURS.replace(" / len(counted)", ""): "same_source(",
            NEIGHBOURS.replace("sum(counted) / len(counted)", "100 * sum(counted) / len(counted)"): "same_source(",
            NEIGHBOURS.replace("return sum(counted) / len(counted)", "return counted"): "a number",
            NEIGHBOURS.replace("table = torch", "vectors /= vectors.norm(dim=1, keepdim=True)\n    table = torch"): "after the call",
            NEIGHBOURS.replace("cosines(vectors))", "cosines(vectors)[:20])"): "same_source(",
            NEIGHBOURS.replace("if sources.count(sources[place]) > 1", "if True"): shares,
            NEIGHBOURS.replace("cosines(vectors))", "cosines(vectors).masked_fill(torch.tensor([sources.count(s) == 1 for s in sources]), -9.0))"): "left out as neighbours",
            NEIGHBOURS.replace("return sum(counted) / len(counted)", "return sum(counted) / len(sources)"): "same_source(",
            NEIGHBOURS.replace("[:, :k]", ""): "neighbours_kept(",
            NEIGHBOURS.replace("[:, :k]", "[:, :k + 1]"): "neighbours_kept(",
            NEIGHBOURS.replace("argsort(1, descending=True)[:, :k]", "argsort(1)[:, 1:k + 1]"): "the least similar",
            NEIGHBOURS.replace("np.mean(", "np.sum("): "neighbours_kept(",
            NEIGHBOURS.replace("(before, after)", "(before, before)"): "neighbours_kept(",
            NEIGHBOURS.replace("[:, :k]", "[:, :1]"): "of several neighbours",
            NEIGHBOURS.replace("[:, :k]", "[:, :2]"): "of the nearest",
            NEIGHBOURS.replace(SHARED, "a == b"): "of several neighbours",
            NEIGHBOURS.replace(SHARED, "np.mean([x == y for x, y in zip(a, b)])"): "the order among the nearest",
            NEIGHBOURS.replace(SHARED, "len(set(a) & set(b)) / len(set(a) | set(b))"): "by all that occur",
            NEIGHBOURS.replace(SHARED, "bool(set(a) & set(b))"): "of several neighbours",
        },
        right=[
            NEIGHBOURS,
            NEIGHBOURS.replace("return sum(counted) / len(counted)", "return torch.tensor(counted).double().mean()"),
            NEIGHBOURS.replace("return sum(counted) / len(counted)", "return torch.tensor(counted).float().mean()"),
            NEIGHBOURS.replace("float(np.mean(", "np.float32(np.mean("),
            NEIGHBOURS.replace(COSINE, "torch.nn.functional.normalize(vectors) @ torch.nn.functional.normalize(vectors).T"),
            NEIGHBOURS.replace(COSINE, "torch.tensor(__import__('sklearn.metrics.pairwise').metrics.pairwise.cosine_similarity(vectors.numpy()))"),
            NEIGHBOURS.replace("vectors[:, None], vectors[None]", "vectors[:, None].double(), vectors[None].double()"),
        ],
    )  # fmt: skip
    assert [report.points for report in result.wrong[:4]] == [0, 0, 0, 2]
    assert [report.points for report in result.wrong[7:12]] == [2, 2, 3, 3, 3]
    assert [report.points for report in result.wrong[17:23]] == [3, 2, 3, 3, 3, 3]
