"""Every question of exercise 15: the solution, the stub, wrong answers with the message they get, other right ways."""

from functools import partial

import pytest
import torch

from course_utils.checks.chapters import fast_inference
from course_utils.checks.draw import Draw
from course_utils.checks.framework import load_exercise
from course_utils.checks.testing import changed_answer, given_cells, judged_well, namespace, replaced

EXERCISE = "15_fast_inference"
given = partial(given_cells, EXERCISE)
changed = partial(changed_answer, EXERCISE)


def test_the_card():
    exercise = load_exercise(EXERCISE)
    assert len(exercise.questions) == 11
    assert exercise.points == 38
    assert [question.name for question in exercise.questions.values() if question.manual] == ["q11"]


BY_LENGTH = """
from collections import deque


def by_length(lengths, budget):
    order, made = deque(torch.tensor(lengths).argsort(descending=True).tolist()), []
    while order:
        first = order.popleft()
        room = max(1, budget // lengths[first]) - 1
        made.append(torch.tensor([first, *(order.popleft() for _ in range(min(room, len(order))))]))
    return tuple(made)


def padding(lengths, batches):
    wasted = places = 0
    for batch in batches:
        there = torch.tensor([lengths[row] for row in batch])
        places += there.max() * len(there)
        wasted += (there.max() - there).sum()
    return wasted / places


def scores(model, rows, budget):
    batches, made = by_length([len(row) for row in rows], budget), []
    for batch in batches:
        tensors = [torch.tensor(rows[row]) for row in batch]
        ids = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)
        mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in tensors], batch_first=True)
        made.append(model(input_ids=ids, attention_mask=mask))
    return torch.cat(made)[torch.cat(batches).argsort()]
"""


#: the steps one by one
BATCHED = '''
def by_length(lengths, budget):
    """-> lists of row numbers"""
    ### BEGIN SOLUTION
    batches = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        longest = lengths[batches[-1][0]] if batches else 0
        if batches and (len(batches[-1]) + 1) * longest <= budget:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches
    ### END SOLUTION


def padding(lengths, batches):
    """-> a number from 0 to 1"""
    ### BEGIN SOLUTION
    places = sum(len(batch) * max(lengths[row] for row in batch) for batch in batches)
    return 1 - sum(lengths) / places
    ### END SOLUTION


def scores(model, rows, budget):
    """-> a list of numbers, in the order of the rows"""
    ### BEGIN SOLUTION
    found = [0.0] * len(rows)
    for batch in by_length([len(row) for row in rows], budget):
        longest = len(rows[batch[0]])
        ids = torch.tensor([rows[row] + [0] * (longest - len(rows[row])) for row in batch])
        mask = torch.tensor([[1] * len(rows[row]) + [0] * (longest - len(rows[row])) for row in batch])
        for row, score in zip(batch, model(ids, mask).tolist()):
            found[row] = score
    return found
    ### END SOLUTION
'''


def test_batches():
    swap = partial(replaced, BATCHED)
    result = judged_well(
        EXERCISE,
        "q1",
        before=given("imports"),
        wrong={
            swap(("key=lambda row: -lengths[row]", "key=lambda row: lengths[row]")): "to cost more than",
            swap(("sorted(range(len(lengths)), key=lambda row: -lengths[row])", "range(len(lengths))")): "to cost more than",
            swap(("<= budget", "< budget")): "the lengths in the batches",
            swap(("(len(batches[-1]) + 1) * longest", "sum(lengths[row] for row in batches[-1]) + lengths[row]")): "to cost more than",
            swap(("(len(batches[-1]) + 1) * longest", "len(batches[-1]) * longest")): "to cost more than",
            swap(("and (len", "and len(batches[-1]) < 4 and (len")): "the lengths in the batches",
            swap(("            batches[-1].append(row)", "            batches[-1].append(lengths[row])")): "the rows in",
            swap(("    return batches", "    return [[lengths[row] for row in batch] for batch in batches]")): "the rows in",
            swap(("1 - sum(lengths) / places", "sum(lengths) / places")): "the share of tokens",
            swap(("1 - sum(lengths) / places", "places / sum(lengths) - 1")): "divided by tokens",
            swap(("max(lengths[row] for row in batch)", "max(lengths)")): "the longest row of all",
            swap(("            found[row] = score", "            order.append(score)"), ("    found = [0.0] * len(rows)", "    found = order = []")): "put them back",
            swap(("torch.tensor([[1] * len(rows[row]) + [0] * (longest - len(rows[row])) for row in batch])", "(ids != 0).long()")): "wherever the id is 0",
            swap(("by_length([len(row) for row in rows], budget)", "[[row] for row in range(len(rows))]")): "the shapes of input_ids",
            swap(("longest = len(rows[batch[0]])", "longest = max(map(len, rows))")): "the shapes of input_ids",
            swap(("model(ids, mask)", "model(ids, mask[:, :1])")): "of different shapes",
        },
        right=[BATCHED, BY_LENGTH, BY_LENGTH.replace("return tuple(made)", "return [batch.numpy() for batch in made]").replace("torch.cat(batches)", "torch.cat([torch.tensor(batch) for batch in batches])")],
    )  # fmt: skip
    assert result.wrong[11].points == 3, "all but the order is right there"


#: by the clock of each slot, with a heap
SCHEDULES = """
import heapq


def static(arrivals, lengths, slots):
    order = sorted(zip(arrivals, range(len(arrivals))))
    finished, clock = {}, 0
    while order:
        clock = max(clock, order[0][0])
        batch = [order.pop(0)[1] for _ in range(slots) if order and order[0][0] <= clock]
        clock += max(lengths[n] for n in batch)
        finished |= dict.fromkeys(batch, clock)
    return tuple(finished[n] for n in range(len(arrivals)))


def continuous(arrivals, lengths, slots):
    free, finished = [0] * slots, torch.zeros(len(arrivals))
    for arrival, n in sorted(zip(arrivals, range(len(arrivals)))):
        finished[n] = max(heapq.heappop(free), arrival) + lengths[n]
        heapq.heappush(free, int(finished[n]))
    return finished
"""


#: the steps one by one
STEPS = '''
def static(arrivals, lengths, slots):
    """-> a list of times"""
    ### BEGIN SOLUTION
    waiting = sorted(range(len(arrivals)), key=lambda request: (arrivals[request], request))
    now, finished = 0, [0] * len(arrivals)
    while waiting:
        now = max(now, arrivals[waiting[0]])
        batch = [request for request in waiting if arrivals[request] <= now][:slots]
        waiting = waiting[len(batch) :]
        now += max(lengths[request] for request in batch)
        for request in batch:
            finished[request] = now
    return finished
    ### END SOLUTION


def continuous(arrivals, lengths, slots):
    """-> a list of times"""
    ### BEGIN SOLUTION
    waiting = sorted(range(len(arrivals)), key=lambda request: (arrivals[request], request))
    now, left, finished = 0, {}, [0] * len(arrivals)
    while waiting or left:
        while waiting and len(left) < slots and arrivals[waiting[0]] <= now:
            request = waiting.pop(0)
            left[request] = lengths[request]
        now += 1
        left = {request: tokens - 1 for request, tokens in left.items()}
        for request in [request for request, tokens in left.items() if tokens == 0]:
            finished[request] = now
            del left[request]
    return finished
    ### END SOLUTION
'''


def test_schedules():
    swap = partial(replaced, STEPS)
    result = judged_well(
        EXERCISE,
        "q2",
        before=given("imports"),
        wrong={
            swap(("            finished[request] = now\n    return finished", "            finished[request] = now - max(lengths[each] for each in batch) + lengths[request]\n    return finished")): "the time of its own last token",
            swap(("        batch = [request for request in waiting if arrivals[request] <= now][:slots]\n", "        batch = ([n for n in waiting if arrivals[n] < now] or [n for n in waiting if arrivals[n] == now])[:slots]\n")): "just as a batch ends",
            SCHEDULES + "\nstatic = continuous": "letting requests join",
            SCHEDULES + "\ncontinuous = static": "a static batch",
            swap(("        now = max(now, arrivals[waiting[0]])\n", "        now = max(now, arrivals[waiting[min(slots, len(waiting)) - 1]])\n")): "as many requests as slots",
            swap(("            finished[request] = now\n            del", "            finished[request] = now - 1\n            del")): "the time before the last step",
            SCHEDULES.replace("+ lengths[n]\n", "+ lengths[n]\n        finished[n] += 0\n").replace("int(finished[n]))", "int(finished[n]) + 1)"): "a slot that stays empty",
            SCHEDULES.replace("max(heapq.heappop(free), arrival)", "heapq.heappop(free)"): "have not arrived yet",
            swap(("arrivals[waiting[0]] <= now:", "arrivals[waiting[0]] < now:")): "to be [",
            swap(("            request = waiting.pop(0)\n", "            there = [n for n in waiting if arrivals[n] <= now]\n            request = min(there, key=lambda n: lengths[n])\n            waiting.remove(request)\n")): "taking the shortest",
            swap(("    return finished\n    ### END SOLUTION\n\n\ndef cont", "    return max(finished)\n    ### END SOLUTION\n\n\ndef cont")): "static(",
            replaced(swap(("    return finished\n    ### END SOLUTION\n\n\ndef cont", "    return finished\n\n\ndef cont")).replace("    ### BEGIN SOLUTION\n", ""), ("    now, left, finished", "    waiting = list(range(len(arrivals)))\n    now, left, finished")): "taking the requests by their number, not",
            SCHEDULES.replace("for arrival, n in sorted(zip(arrivals, range(len(arrivals)))):", "for n, arrival in enumerate(arrivals):"): "keeping a slot for one",
        },
        right=[SCHEDULES, STEPS],
    )  # fmt: skip
    assert result.wrong[0].points == 2


ATTEND = """
class Keys(tuple):
    pass


def attend(hidden, weights, heads, cache=None):
    size = hidden.shape[-1] // heads
    q, k, v = (torch.stack((hidden @ weights[name]).split(size, -1), 1) for name in "qkv")
    if cache:
        k, v = (torch.cat([old, new], -2) for old, new in zip(cache, (k, v)))
    before = k.shape[-2] - q.shape[-2]
    scores = torch.einsum("bhis,bhjs->bhij", q, k) * size**-0.5
    places = torch.arange(k.shape[-2])
    scores = scores + torch.where(places > before + torch.arange(q.shape[-2])[:, None], -1e9, 0.0)
    return torch.cat(list((scores.softmax(-1) @ v).unbind(1)), -1) @ weights["o"], [k, v]


@torch.no_grad()
def greedy(model, ids, count, end):
    said = model(input_ids=ids, use_cache=True)
    rows = ids.tolist()
    for step in range(count):
        best = said.logits[:, -1].argmax(-1).tolist()
        best = [end if end in row[ids.shape[1]:] else token for row, token in zip(rows, best)]
        rows = [row + [token] for row, token in zip(rows, best)]
        if all(end in row[ids.shape[1]:] for row in rows):
            break
        said = model(torch.tensor(best)[:, None], past_key_values=said.past_key_values)
    return rows
"""


#: the steps one by one
SPLIT = '''
def attend(hidden, weights, heads, cache=None):
    """-> output, (keys, values)"""
    ### BEGIN SOLUTION
    batch, new, width = hidden.shape

    def split(name):
        return (hidden @ weights[name]).view(batch, new, heads, width // heads).transpose(1, 2)

    queries, keys, values = split("q"), split("k"), split("v")
    if cache is not None:
        keys, values = torch.cat([cache[0], keys], dim=2), torch.cat([cache[1], values], dim=2)
    total = keys.shape[2]
    seen = torch.ones(new, total, dtype=torch.bool).tril(total - new)
    mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=seen)
    return mixed.transpose(1, 2).reshape(batch, new, width) @ weights["o"], (keys, values)
    ### END SOLUTION


def greedy(model, ids, count, end):
    """-> all ids, batch x tokens"""
    ### BEGIN SOLUTION
    cache, new = None, ids
    ended = torch.zeros(len(ids), dtype=torch.bool)
    for _ in range(count):
        with torch.no_grad():
            said = model(input_ids=new, past_key_values=cache, use_cache=True)
        cache = said.past_key_values
        best = said.logits[:, -1].argmax(-1).masked_fill(ended, end)
        new = best[:, None]
        ids, ended = torch.cat([ids, new], dim=1), ended | (best == end)
        if ended.all():
            break
    return ids
    ### END SOLUTION
'''


@pytest.mark.slow
def test_a_cache():
    swap = partial(replaced, SPLIT)
    seen = ".tril(total - new)"
    result = judged_well(
        EXERCISE,
        "q3",
        before=given("imports"),
        wrong={
            swap((seen, ".tril()")): "a triangle in the upper left corner",
            swap((seen, "")): "see those after them",
            swap(("    if cache is not None:\n        keys", "    if False:\n        keys")): "leaving the cache out",
            swap(("attn_mask=seen)", "attn_mask=seen, scale=1.0)")): "divided by the root of a head's size",
            swap(("attn_mask=seen)", "attn_mask=seen, scale=width**-0.5)")): "of the width, not of a head's size",
            swap((' @ weights["o"], (keys', ", (keys")): "leaving the matrix o out",
            swap(("if cache is not None", "if cache is None"), ("torch.cat([cache[0], keys], dim=2), torch.cat([cache[1], values], dim=2)", "keys, values")): "leaving the cache out",
            swap((", heads, width // heads).transpose(1, 2)", ", width // heads, heads).permute(0, 3, 1, 2)")): "every so many columns",
            swap(("(keys, values)\n", "None\n")): "NoneType",
            swap(("past_key_values=cache", "past_key_values=None"), ("new = best[:, None]\n        ids, ended = torch.cat([ids, new], dim=1)", "ids = new = torch.cat([ids, best[:, None]], dim=1)\n        ended = ended"), (", ended | (best == end)", " | (best == end)")): "all ids each time",
            swap(("(keys, values)\n", "tuple(each[:, :, -new:] for each in (keys, values))\n")): "hold the old ones, too",
            swap(("attn_mask=seen)", "attn_mask=seen if cache is None else None)")): "several new tokens need one",
            swap(("ended = torch.zeros(len(ids), dtype=torch.bool)", "ended = (ids == end).any(1)")): "among the given ids",
            swap(("if ended.all()", "if ended[0]")): "until all of them have",
            swap(("    cache, new = None, ids\n", "    return model.generate(ids, max_new_tokens=count, do_sample=False, eos_token_id=end, pad_token_id=end)\n    cache, new = None, ids\n")): "without model.generate",
            swap((".masked_fill(ended, end)", "")): "has to say it from then on",
            swap(("        if ended.all():\n            break\n", "")): "to stop when all rows have said",
            swap(("new = best[:, None]", "new = best[:, None] if cache is None else ids[:, -1:]")): "the new ids of greedy",
            swap(("    return ids\n", "    return ids[:, -count:]\n")): "which were given",
            swap(("range(count)", "range(count - 1)")): "the new ids of greedy",
            swap(("argmax(-1).masked", "argmin(-1).masked")): "the new ids of greedy",
        },
        right=[SPLIT, ATTEND, swap(("attn_mask=seen)", "attn_mask=torch.zeros(new, total).masked_fill(~seen, -torch.inf))"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 9)] == [3, 3]


CACHE_BYTES = """
def cache_bytes(config, batch, tokens, source=0):
    import types
    c = types.SimpleNamespace(**{"num_key_value_heads": None, "head_dim": None, "layer_types": None, "is_encoder_decoder": False, **config})
    heads = c.num_key_value_heads or c.num_attention_heads
    size = c.head_dim or c.hidden_size / c.num_attention_heads
    bits = {"int8": 8, "float32": 32}.get(c.dtype, 16)
    own = sum(min(tokens, c.sliding_window) if kind.startswith("sliding") else tokens for kind in c.layer_types or ["full"] * c.num_hidden_layers)
    cross = source * c.num_hidden_layers * c.is_encoder_decoder
    return torch.tensor(2.0 * bits / 8 * batch * heads * size * (own + cross)).double()


def longest(config, batch, free):
    tokens = 0
    step = 1 << 20
    while step:
        if float(cache_bytes(config, batch, tokens + step)) <= free:
            tokens += step
        step //= 2
    return tokens
"""


def test_bytes_of_a_cache():
    swap = partial(changed, "q4")
    size = 'config.get("head_dim", config["hidden_size"] // config["num_attention_heads"])'
    judged_well(
        EXERCISE,
        "q4",
        before=given("imports"),
        wrong={
            swap(("2 * batch * kept", "batch * kept")): "keys without values",
            swap(('config.get("num_key_value_heads", config["num_attention_heads"])', 'config["num_attention_heads"]')): "the heads of the queries",
            swap(('config.get("num_key_value_heads", config["num_attention_heads"])', 'config["num_key_value_heads"]')): "KeyError",
            swap((size, 'config["hidden_size"] // config["num_attention_heads"]')): "though there is a head_dim",
            swap(('{"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}[config["dtype"]]', "4")): "whatever the dtype",
            swap(('{"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}[config["dtype"]]', "2")): "two bytes for every number",
            swap(('source if config.get("is_encoder_decoder") else 0', "source")): "False or missing",
            swap(('source if config.get("is_encoder_decoder") else 0', 'source if "is_encoder_decoder" in config else 0')): "False or missing",
            swap(("    return low\n", "    return max(1, low)\n")): "where one token takes",
            swap(('tokens if kind == "full_attention" else', 'tokens if "sliding_window" not in config else')): "would search without end",
            swap(("* size * each", "* size * each * 8")): "counting bits",
            swap(("2 * batch * kept", "2 * kept")): "one row",
            swap(('if kind == "full_attention" else min(tokens, config["sliding_window"])', "")): "windows that keep all tokens",
            swap(('source if config.get("is_encoder_decoder") else 0', "0")): "leaving the source out",
            swap(('source if config.get("is_encoder_decoder") else 0', 'min(source, config.get("sliding_window", source) if kind == "sliding_attention" else source) if config.get("is_encoder_decoder") else 0')): "also holds for the source",
            swap(('        kept += source if config.get("is_encoder_decoder") else 0\n', ""), ("    return 2 * batch", '    kept += source if config.get("is_encoder_decoder") else 0\n    return 2 * batch')): "not one in each",
            swap(("    return low\n", "    return high\n")): "too many",
            swap(("batch, middle) <= free", "1, middle) <= free"), ("batch, high) <= free", "1, high) <= free")): "too many",
            swap(("    low, high = 0, 1\n", "    return free // cache_bytes(config, batch, 1)\n    low, high = 0, 1\n")): "longest(",
            swap(("middle) <= free", "middle) < free"), ("high) <= free", "high) < free")): "longest(",
            swap(("* size * each", "* size * each / 2**20")): "cache_bytes(",
        },
        right=[CACHE_BYTES],
    )  # fmt: skip


def test_the_formula_gives_what_a_cache_of_the_library_holds():
    model = fast_inference.tiny_llama(1)
    with torch.no_grad():
        cache = model(input_ids=torch.ones(3, 7, dtype=torch.long), use_cache=True).past_key_values
    held = sum(tensor.nbytes for layer in cache.layers for tensor in (layer.keys, layer.values))
    assert fast_inference._cache_bytes(model.config.to_dict() | {"dtype": "float32"}, 3, 7) == held


#: blocks of the queries as well, and logsumexp
BLOCKWISE = """
def blockwise(q, k, v, block, keep):
    made = []
    for queries in q.split(2, dim=1):
        total = torch.full(queries.shape[:2], -math.inf)
        mixed = torch.zeros_like(queries)
        for keys, values, counts in zip(k.split(block, 1), v.split(block, 1), keep.split(block)):
            keys, values = keys[:, counts], values[:, counts]
            if keys.shape[1] == 0:
                continue
            scores = torch.einsum("hmd,hnd->hmn", queries, keys) / queries.shape[-1] ** 0.5
            here = torch.logsumexp(scores, -1)
            new = torch.logaddexp(total, here)
            mixed = mixed * (total - new).exp()[..., None] + torch.softmax(scores, -1) @ values * (here - new).exp()[..., None]
            total = new
        made.append(mixed)
    return torch.cat(made, 1)
"""


OTHER_BLOCKS = [
    changed("q5", ("    largest = torch.full", line + "    largest = torch.full"), *more)
    for line, more in (
        ("    k = k * 1.0\n", ()),
        ("    k = k * q.shape[-1] ** -0.5\n", ((" / math.sqrt(q.shape[-1])", ""),)),
        ("    k, v, keep = k[:, keep], v[:, keep], keep[keep]\n", ()),
        (
            "    q, k, v = q.double(), k.double(), v.double()\n",
            (("return above / below", "return (above / below).float()"),),
        ),
    )
]

#: products by broadcasting, without a matrix product
BROADCAST = """
def blockwise(q, k, v, block, keep):
    best = q.new_full(q.shape[:2], -1e9)
    below, above = torch.zeros_like(best), torch.zeros_like(q)
    for start in range(0, k.shape[1], block):
        keys, values, counts = (each.narrow(-2 if each.ndim == 3 else 0, start, min(block, len(keep) - start)) for each in (k, v, keep))
        scores = (q[:, :, None] * keys[:, None]).sum(-1).div(q.shape[-1] ** 0.5)
        scores = torch.where(counts, scores, -1e30)
        new = torch.maximum(best, scores.max(-1).values)
        shares = (scores - new[..., None]).exp() * counts
        below.mul_((best - new).exp()).add_(shares.sum(-1))
        above.mul_((best - new).exp()[..., None]).add_((shares[..., None] * values[:, None]).sum(2))
        best = new
    return above / below[..., None]
"""

#: each block by itself, put together in the end
PARTIAL = """
def blockwise(q, k, v, block, keep):
    results, weights = [], []
    for keys, values, counts in zip(k.split(block, 1), v.split(block, 1), keep.split(block)):
        scores = torch.einsum("hmd,hnd->hmn", q, keys[:, counts]) / q.shape[-1] ** 0.5
        results.append(scores.softmax(-1) @ values[:, counts])
        weights.append(scores.logsumexp(-1))
    return torch.einsum("bhm,bhmd->hmd", torch.stack(weights).softmax(0), torch.stack(results))
"""

#: the scores of all blocks in a list, the largest, and then the sums
KEPT_ALL = """
def blockwise(q, k, v, block, keep):
    rows, best = [], torch.full((*q.shape[:2], 1), -torch.inf)
    for keys, counts in zip(k.split(block, 1), keep.split(block)):
        scores = (q @ keys.transpose(1, 2) / q.shape[-1] ** 0.5).masked_fill(~counts, -torch.inf)
        rows.append(scores)
        best = torch.maximum(best, scores.amax(-1, keepdim=True))
    above = below = 0
    for scores, values in zip(rows, v.split(block, 1)):
        shares = (scores - best).exp()
        above, below = above + shares @ values, below + shares.sum(-1, keepdim=True)
    return above / below
"""


def test_blocks():
    swap = partial(changed, "q5")
    whole = "def blockwise(q, k, v, block, keep):\n    "
    result = judged_well(
        EXERCISE,
        "q5",
        before=given("imports"),
        wrong={
            whole + "return F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=keep.expand(q.shape[1], -1))[0]": "PyTorch's own attention",
            whole + "rows = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).masked_fill(~keep, -torch.inf)\n    return rows.softmax(-1) @ v": "in no operation",
            whole + "rows = [((row @ k.transpose(1, 2)) / q.shape[-1] ** 0.5).masked_fill(~keep, -torch.inf).softmax(-1) @ v for row in q.split(1, 1)]\n    return torch.cat(rows, 1)": "in no operation",
            whole + "rows = torch.cat([q @ keys.transpose(1, 2) for keys in k.split(block, 1)], -1) / q.shape[-1] ** 0.5\n    rows = rows.masked_fill(~keep, -torch.inf)\n    return rows.softmax(-1) @ v": "in no operation",
            swap((" / math.sqrt(q.shape[-1])", "")): "divided by the root of the size",
            swap(("        scores = scores.masked_fill(~counts, -torch.inf)\n", "")): "and are looked at",
            swap(("range(0, k.shape[1], block)", "range(0, k.shape[1] - block + 1, block)")): "that do not fill a block",
            swap(("below = below * shrink + ", "below = below + "), ("above = above * shrink + ", "above = above + ")): "not scaled",
            swap(("        if not counts.any():\n            continue\n", "")): "NaN",
            swap(("torch.maximum(largest, scores.amax(-1, keepdim=True))", "torch.zeros_like(largest)"), ("shrink = torch.exp(scores - higher), torch.exp(largest - higher)", "shrink = torch.exp(scores), torch.ones_like(largest)")): "scores in the hundreds",
            swap(("    largest = torch.full", "    made = []\n    largest = torch.full"), ("        higher =", "        made.append(scores.softmax(-1) @ v[:, start : start + block])\n        higher ="), ("return above / below", "return torch.stack(made).mean(0)")): "a mean of the blocks' results",
            swap(("return above / below", "return above")): "blockwise",
            swap(("torch.full((*q.shape[:2], 1), -torch.inf)", "torch.zeros(*q.shape[:2], 1)")): "begins below every score, not at 0",
            swap(("scores.amax(-1, keepdim=True)", "scores.amax()")): "one for each query",
            KEPT_ALL: "those of each block kept",
            whole + "block = 2 * block\n    " + given("q5-answer").split('"""\n', 1)[1].lstrip(): "in no operation",
            whole + "import numpy as np\n    q, k, v = q.double().numpy(), k.double().numpy(), v.double().numpy()\n    rows = np.where(keep.numpy(), q @ k.transpose(0, 2, 1) / q.shape[-1] ** 0.5, -np.inf)\n    rows = np.exp(rows - rows.max(-1, keepdims=True))\n    return torch.tensor(rows @ v / rows.sum(-1, keepdims=True)).float()": "not NumPy",
            swap(("scores = q @ k[:, start : start + block].transpose(1, 2)", "scores = (q @ k.transpose(1, 2))[..., start : start + block]")): "in no operation",
        },
        right=[BLOCKWISE, *OTHER_BLOCKS, BROADCAST, PARTIAL, swap(("largest = torch.full((*q.shape[:2], 1), -torch.inf)", "largest = torch.full((*q.shape[:2], 1), -1e30)"), ("        if not counts.any():\n            continue\n", ""), ("masked_fill(~counts, -torch.inf)", "masked_fill(~counts, -1e38)"), ("shares, shrink = torch.exp(scores - higher)", "shares, shrink = torch.exp(scores - higher) * counts"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 2)] == [3, 3]


SCORER = """
class Scorer(torch.nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.inner = torch.nn.Linear(*weight.shape, bias=False)
        self.inner.weight.data = weight.T.clone()
        self.register_buffer("ten", torch.tensor(10.0))

    def forward(self, inputs):
        large = (inputs.abs().amax() > self.ten).float()
        return torch.clamp(self.inner(inputs * (1 - 0.9 * large)), min=0)
"""


@pytest.mark.slow
def test_one_graph():
    swap = partial(changed, "q6")
    where = "inputs = torch.where(inputs.abs().max() > 10, inputs / 10, inputs)"
    result = judged_well(
        EXERCISE,
        "q6",
        before=given("imports"),
        wrong={
            given("q6-colleague").replace("ColleaguesScorer", "Scorer"): "a graph ends",
            swap((where, "if inputs.abs().max() > 10:\n            inputs = inputs / 10")): "a graph ends",
            swap(("return torch.relu(inputs @ self.weight)", "return torch.stack([torch.relu(row @ self.weight) for row in inputs])")): "something is another thing",
            swap(("self.weight = torch", "self.calls, self.weight = 0, torch"), (where, where + "\n        self.calls += 1")): "something is another thing",
            swap((where + "\n", "")): "dividing no numbers",
            swap(("inputs.abs().max() > 10", "inputs.max() > 10")): "not the largest number",
            swap(("inputs.abs().max() > 10", "inputs.abs().max() > 50")): "the bound is 10",
            swap(("inputs.abs().max() > 10", "inputs.abs().mean() > 10")): "the bound is 10",
            swap((where, "inputs = inputs / 10")): "dividing small numbers",
            swap(("inputs.abs().max() > 10", "inputs.abs() > 10")): "deciding for each number",
            swap(("inputs.abs().max() > 10", "inputs.abs().amax(1, keepdim=True) > 10")): "for each row",
            swap(("torch.relu(inputs @ self.weight)", "inputs @ self.weight")): "leaving relu out",
            swap(("    def forward", "    @torch.compiler.disable\n    def forward")): "nothing of it was compiled",
            swap((where, where + "\n        inputs = torch.tensor(inputs.tolist())")): "a graph ends",
        },
        right=[SCORER],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 2)] == [1, 2]


INT8 = """
import numpy as np


def quantise(rows):
    numbers = rows.numpy().astype("float64")
    scales = np.abs(numbers).max(axis=1, keepdims=True) / 127
    scales[scales == 0] = 1
    return torch.tensor(np.rint(numbers / scales)).to(torch.int8), torch.tensor(scales)


def int8_linear(inputs, whole, scales, bias):
    mine, steps = quantise(inputs)
    sums = torch.stack([(whole.long() * row.long()).sum(1) for row in mine])
    return (sums * (steps.reshape(-1, 1) * scales.reshape(1, -1)) + bias).float()
"""


def test_eight_bits():
    swap = partial(changed, "q7")
    sums = "sums = mine.to(torch.int32) @ whole.to(torch.int32).T"
    judged_well(
        EXERCISE,
        "q7",
        before=given("imports"),
        wrong={
            swap((".round()", "")): "not rounding",
            swap(("rows.abs().amax(dim=1)", "rows.abs().max().repeat(len(rows))")): "one scale for the whole matrix",
            swap(("largest / 127", "largest / 128")): "dividing by 128",
            swap(("largest / 127", "largest / 255")): "dividing by 255",
            swap(("rows.abs().amax(dim=1)", "rows.amax(dim=1)")): "not the largest magnitude",
            swap(("rows.abs().amax(dim=1)", "rows.abs().amax(dim=0)"), ("scales[:, None])", "scales)")): "a scale for each column",
            swap((".to(torch.int8), scales", ", scales")): "torch.int8",
            swap(("torch.where(largest > 0, largest / 127, 1.0)", "largest / 127")): "one of whose rows is zeros",
            swap(("torch.where(largest > 0, largest / 127, 1.0)", "(largest / 127).clamp(min=1e-8)")): "one of whose rows is zeros",
            swap((sums, "sums = mine @ whole.T")): "sums in int8",
            swap((sums, "sums = mine.float() @ whole.float().T")): "up to 2**24 only",
            swap((sums, "sums = mine.to(torch.int16) @ whole.to(torch.int16).T")): "sums in int16",
            swap(("sums * steps[:, None] * scales", "sums * scales")): "the scales of the inputs",
            swap(("sums * steps[:, None] * scales", "sums * steps[:, None]")): "the scales of the weight",
            swap((" + bias", "")): "leaving out the bias",
            swap(("    return sums", "    return inputs @ (whole * scales[:, None]).T + bias\n    return sums")): "were not quantised",
            swap(("mine, steps = quantise(inputs)", "mine, steps = quantise(inputs.reshape(1, -1))\n    mine, steps = mine.reshape(inputs.shape), steps.repeat(len(inputs))")): "one scale for all inputs",
            swap(("+ bias\n", "+ bias.double()\n")): "torch.float32",
        },
        right=[INT8, swap((sums, "sums = mine.double() @ whole.double().T"), ("+ bias\n", "+ bias).float()\n"), ("return sums", "return (sums"))],
    )  # fmt: skip


@pytest.mark.slow
def test_a_program():
    swap = partial(changed, "q8")
    result = judged_well(
        EXERCISE,
        "q8",
        before=given("imports"),
        wrong={
            swap((", dynamic_shapes=shapes", "")): "the program to take",
            swap(('1: torch.export.Dim("tokens", min=1, max=64)', "1: None")): "the program to take",
            swap(('"rows", min=1)', '"rows", min=1, max=32)')): "to take 300 rows",
            swap(("torch.ones(2, 8", "torch.ones(1, 8")): "Constraints violated",
            swap(("model.eval()", "model.train()")): "exported in training mode",
            swap(("    torch.export.save(program, path)\n", "")): "FileNotFoundError",
            swap(("torch.export.save(program, path)", "torch.save(model.state_dict(), path)")): "Error",
            swap(("    program = ", "    model.words.weight.data *= 0\n    program = ")): "to be what the model says",
        },
        right=[
            swap(('{0: torch.export.Dim("rows", min=1), 1: torch.export.Dim("tokens", min=1, max=64)}', "{0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.AUTO}")),
            swap(("(ids, torch.ones_like(ids)), dyn", "(), {'input_ids': ids, 'attention_mask': torch.ones_like(ids)}, dyn")),
        ],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1, 2, 4)] == [2, 2, 2, 2]


BENCH = """
import numpy as np


def write_bench(path, runs, warmup, least):
    names, rng = list(runs), np.random.default_rng(1)
    times = {name: np.array(runs[name]["ms"][warmup:]) for name in names}
    middles = {name: np.median(rng.choice(ms, (3000, len(ms))), axis=1) for name, ms in times.items()}
    base, made = names[0], {}
    for name in names[1:]:
        low, high = np.percentile(middles[base] / middles[name], [2.5, 97.5])
        agreement = np.mean(np.array(runs[base]["labels"]) == np.array(runs[name]["labels"]))
        made[name] = dict(
            speedup=float(np.median(times[base]) / np.median(times[name])), low=float(low), high=float(high),
            agreement=float(agreement), faster=bool(low > 1 and agreement >= least),
        )
    with open(path, "w") as file:
        json.dump({"baseline": base, "median_ms": {n: float(np.median(t)) for n, t in times.items()}, "variants": made}, file, indent=1)
"""


def test_a_bench():
    swap = partial(changed, "q9")
    draws = "resampled(baseline) / resampled(name)"
    result = judged_well(
        EXERCISE,
        "q9",
        before=given("imports"),
        wrong={
            swap(('["ms"][warmup:]', '["ms"]')): "counting the warm-up",
            swap(("statistics.median(ms) for", "statistics.fmean(ms) for")): "a mean, not a median",
            swap(("statistics.median(times[baseline]) / statistics.median(times[name])", "statistics.fmean(times[baseline]) / statistics.fmean(times[name])")): "means, not medians",
            swap(("statistics.median(times[baseline]) / statistics.median(times[name])", "statistics.median(times[name]) / statistics.median(times[baseline])")): "the variant's median divided by",
            swap(("statistics.median(times[baseline]) / statistics.median(times[name])", "min(times[baseline]) / min(times[name])")): "the best times",
            swap(("statistics.median(times[baseline]) / statistics.median(times[name])", "statistics.median(runs[baseline]['ms']) / statistics.median(times[name])")): "on one side only",
            swap((draws, "statistics.median(times[baseline]) / resampled(name)")): "drawing from the variant's times only",
            swap((draws, "resampled(baseline) / statistics.median(times[name])")): "drawing from the baseline's times only",
            swap((draws, "resampled(name) / resampled(baseline)")): "the variant's median divided by",
            swap(("return statistics.median(draw", "return statistics.fmean(draw")): "dividing means",
            swap(('"low": ratios[50], "high": ratios[1949]', '"low": ratios[100], "high": ratios[1899]')): "an interval of 90 %",
            swap(('"low": ratios[50], "high": ratios[1949]', '"low": ratios[1949], "high": ratios[50]')): "to be at most 'high'",
            swap(("sum(one == other for one, other in pairs) / len(pairs)", "sum(one == other for one, other in pairs)")): "a count, not a share",
            swap(("one == other for", "one != other for")): "the share that is different",
            swap(("ratios[50] > 1 and agreement >= least", "ratios[50] > 1")): "'faster' of 'int8' to be false",
            swap(("ratios[50] > 1 and", "speedup > 1 and")): "'faster' of 'padded' to be false",
            swap(('"low": ratios[50], "high": ratios[1949]', '"low": 0.95 * speedup, "high": 1.05 * speedup')): "the same share of the speedup",
            swap(("k=len(times[name])", "k=len(times[baseline])")): "as many of the variant's times as the baseline has",
            swap(("agreement >= least", "agreement > least")): "'faster' of 'compiled' to be true",
            swap(("for name in others:", "for name in runs:")): "which is the baseline",
            swap(("Path(path).write_text(json.dumps(", "Path(path).write_text(str(")): "a file of JSON",
            swap(('"median_ms": medians, ', "")): "to have the key 'median_ms'",
            swap(("    Path(path).write_text", "    return json.dumps")): "FileNotFoundError",
        },
        right=[BENCH],
    )  # fmt: skip
    assert result.wrong[6].points == 3


PREDICTIONS = "def predictions(): return {name: name in ('sorted', 'outlier') for name in NAMES}"


def test_predict():
    judged_well(
        EXERCISE,
        "q10",
        before=f"NAMES = {list(fast_inference.FOUND)}",
        wrong={
            "def predictions(): return {'rows': True}": "to have the key",
            "def predictions(): return dict.fromkeys(NAMES, True)": "right predictions",
            "def predictions(): return dict.fromkeys(NAMES, False)": "right predictions",
            "def predictions(): return [True] * 6": "to be a dict",
            "def predictions(): return dict.fromkeys(NAMES, 1)": "True or False",
        },
        right=[PREDICTIONS],
    )


@pytest.mark.slow
def test_what_is_predicted_is_measured():
    measured = namespace(given("imports"), given("q10-parts", "q10-measure"))["measure"]()
    assert {name: bool(found) for name, found in measured.items()} == fast_inference.FOUND


@pytest.mark.parametrize("number", range(3))
def test_every_draw_tells_the_mistakes_apart(number):
    draw = Draw(b"draw %d" % number)
    fast_inference._requests(draw, at_once=True)
    fast_inference._requests(draw, at_once=False)
    case = fast_inference._greedy_case(draw)
    assert 3 <= len(fast_inference._ended(case, case["end"])[0]) < case["count"]
