"""Every question of exercise 22: the solution, the stub, wrong answers with the message they get, other right ways."""

from functools import partial

from course_utils.checks.chapters import memory
from course_utils.checks.framework import load_exercise
from course_utils.checks.testing import changed_answer, given_cells, judged_well, namespace

EXERCISE = "22_memory"
given = partial(given_cells, EXERCISE)
changed = partial(changed_answer, EXERCISE)


BY_TENSOR = """
import numpy as np


def owners(shapes, frozen, recipe):
    dtype = getattr(torch, recipe["dtype"])
    found = {"weights": 0, "gradients": 0, "optimizer": 0}
    for name, shape in shapes.items():
        numbers = torch.empty(shape, device="meta", dtype=dtype).numel()
        found["weights"] += numbers * dtype.itemsize
        if name in frozen:
            continue
        found["gradients"] += numbers * dtype.itemsize
        found["optimizer"] += 4 * numbers if recipe["master"] else 0
        if recipe["optimizer"] == "adamw8":
            found["optimizer"] += 2 * (numbers + 4 * -(-numbers // recipe["block"]))
        elif recipe["optimizer"] != "sgd":
            found["optimizer"] += numbers * (8 if recipe["optimizer"] == "adamw" else 4)
    return {name: np.int64(count) for name, count in found.items()}


def most_rows(shapes, frozen, recipe, row, memory):
    rows = 0
    while sum(owners(shapes, frozen, recipe).values()) + (rows + 1) * row <= memory:
        rows += 1
    return torch.tensor(rows)
"""


def test_owners():
    swap = partial(changed, "q1")
    blocks = 'sum(math.ceil(count / recipe["block"]) for count in trained)'
    result = judged_well(
        EXERCISE,
        "q1",
        before=given("imports", "q1-given"),
        wrong={
            swap(('"gradients": size * sum(trained)', '"gradients": size * sum(numbers.values())')): "gradients of frozen weights",
            swap(('"weights": size * sum(numbers.values())', '"weights": size * sum(trained)')): "there all the same",
            swap(('SIZES[recipe["dtype"]]', "4")): "whatever the dtype",
            swap(('"gradients": size *', '"gradients": 4 *')): "gradients in float32",
            swap(('SIZES[recipe["dtype"]]', "1")): "numbers, not bytes",
            swap(('    if recipe["master"]:\n        kept += 4 * sum(trained)\n', "")): "leaving out the copy",
            swap(('    if recipe["master"]:\n        kept', "    if True:\n        kept")): "where the recipe asks for none",
            swap(("kept += 4 * sum(trained)", "kept += size * sum(trained)")): "in the dtype of the weights",
            swap(("kept += 4 * sum(trained)", "kept += 4 * sum(numbers.values())")): "copies of frozen weights",
            swap(('[recipe["optimizer"]] * sum(trained)', '[recipe["optimizer"]] * sum(numbers.values())')): "owners(shapes",
            swap(('"adamw": 8', '"adamw": 4')): "one number for each weight",
            swap(('"momentum": 4, "adamw": 8', '"momentum": size, "adamw": 2 * size')): "in the dtype of the weights",
            swap(("kept += 2 * 4 * sum", "kept += 4 * sum")): "each of the two states has its own",
            swap((blocks, 'math.ceil(sum(trained) / recipe["block"])')): "each weight is cut by itself",
            swap((blocks, 'sum(count // recipe["block"] for count in trained)')): "where it is shorter",
            swap(('    if recipe["optimizer"] == "adamw8":\n        kept += 2 * 4 * ' + blocks + "\n", "")): "leaving out the scales",
            swap(("max(0, free // row)", "free // row")): "it is 0 then",
            swap(("max(0, free // row)", "max(0, -(-free // row))")): "round down",
            swap(("max(0, free // row)", "max(0, free / row)")): "not rounding",
            swap(("free = memory - sum(owners(shapes, frozen, recipe).values())", "free = memory")): "leaving out the other three",
            swap(("max(0, free // row)", "print(free // row)")): "a function without `return`",
        },
        right=[
            BY_TENSOR,
            BY_TENSOR.replace("return torch.tensor(rows)", "return float(rows)"),
            swap(("max(0, free // row)", "max(0, math.floor(free / row))"), ('    return {"weights"', '    return {"bytes": 0, "weights"')),
        ],
    )  # fmt: skip
    assert {report.points for report in result.wrong[16:20]} == {2}


WALKED = """
import numpy as np


def saved(layers, inputs):
    kept, current = {}, [0]
    ours = {t.untyped_storage()._cdata for t in [*layers.parameters(), *layers.buffers()]}

    def pack(tensor):
        kept.setdefault(tensor.untyped_storage()._cdata, (current[0], tensor))
        return tensor

    handles = [layer.register_forward_pre_hook(lambda *a, n=n: current.__setitem__(0, n)) for n, layer in enumerate(layers)]
    with saved_tensors_hooks(pack, lambda t: t):
        made = layers(inputs)
    for handle in handles:
        handle.remove()
    found = np.zeros(len(layers), dtype=int)
    for storage, (number, tensor) in kept.items():
        if storage not in ours:
            found[number] += tensor.untyped_storage().nbytes()
    return found
"""


def test_saved():
    swap = partial(changed, "q2")
    result = judged_well(
        EXERCISE,
        "q2",
        before=given("imports"),
        wrong={
            swap(("            seen.add(storage.data_ptr())\n", "")): "each time that it is saved",
            swap(("            counts.append(0)\n", "            counts.append(0)\n            seen = {tensor.untyped_storage().data_ptr() for tensor in held}\n"), ("    def pack", "    def pack_"), ("with saved_tensors_hooks(pack,", "with saved_tensors_hooks(lambda tensor: pack_in(seen, tensor),"), ("def pack_(tensor):", "def pack_in(seen, tensor):")): "once for each layer",
            swap(("counts[-1] += storage.nbytes()", "counts[-1] += tensor.nbytes")): "the bytes of a view",
            swap(("held = [*layers.parameters(), *layers.buffers()]", "held = []")): "counting weights",
            swap(("[*layers.parameters(), *layers.buffers()]", "list(layers.parameters())")): "counting buffers",
            swap(("[*layers.parameters(), *layers.buffers()]", "list(layers.buffers())")): "counting weights",
            swap(("[*layers.parameters(), *layers.buffers()]", "[*layers.parameters(), *layers.buffers(), inputs]")): "leaving out the inputs",
            swap(("return counts", "return sum(counts)")): "to have the shape",
            swap(("storage.nbytes()", "storage.nbytes() // 4")): "numbers, not bytes",
            swap(("return counts", "layers(inputs)\n    return counts")): "one call of each layer",
            swap(("return counts", "return counts[::-1]")): "item 0 of saved",
            swap(("return counts", "return [count for count in counts if count]")): "numbers",
        },
        right=[
            WALKED,
            WALKED.replace("return found", "return torch.from_numpy(found)"),
            swap(("return counts", "return tuple(torch.tensor(count) for count in counts)")),
        ],
    )  # fmt: skip
    assert [report.points for report in result.wrong[:6]] == [2, 2, 3, 3, 3, 3]


SEGMENTS = """
def forward(blocks, hidden, mask, size):
    blocks = list(blocks)
    while blocks:
        now, blocks = blocks[:size], blocks[size:]

        def run(hidden, mask, now=now):
            for block in now:
                hidden = block(hidden, mask)
            return hidden

        hidden = checkpoint(run, hidden, mask, use_reentrant=False)
    return hidden
"""


def test_computed_again():
    swap = partial(changed, "q3")
    call = "checkpoint(run, blocks[start : start + size], hidden, mask, use_reentrant=False)"
    result = judged_well(
        EXERCISE,
        "q3",
        before=given("imports"),
        wrong={
            swap((call, "run(blocks[start : start + size], hidden, mask)")): "in a step of training to be 2",
            swap(("use_reentrant=False", "use_reentrant=True")): "use_reentrant=True gives none",
            swap(("use_reentrant=False", "use_reentrant=False, preserve_rng_state=False")): "(preserve_rng_state)?",
            swap(("range(0, len(blocks), size)", "range(0, len(blocks))"), ("blocks[start : start + size]", "blocks[start : start + 1]")): "the bytes that the forward pass keeps",
            swap(("range(0, len(blocks), size)", "range(0, len(blocks) - size + 1, size)")): "the result of",
            swap((call, "checkpoint(lambda h, m: run(blocks[start : start + size], h, m), hidden, mask, use_reentrant=False)")): "a variable that has changed",
            swap((call, "run(blocks[start : start + size], hidden, mask).detach()")): "graph",
            swap((call, "checkpoint(run, blocks[start : start + size], hidden.detach(), mask, use_reentrant=False)")): "a gradient of each weight",
            swap(("hidden = block(hidden, mask)", "hidden = checkpoint(block, hidden, mask, use_reentrant=False)")): "the calls of each",
        },
        right=[
            SEGMENTS,
            swap((call, "checkpoint(run, tuple(blocks)[start : start + size], hidden, mask, use_reentrant=False, early_stop=False)")),
            SEGMENTS.replace("    blocks = list", "    if not torch.is_grad_enabled():\n        for block in blocks:\n            hidden = block(hidden, mask)\n        return hidden\n    blocks = list"),
        ],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (2, 5)] == [3, 1]


CUT = """
import numpy as np


def segment_peak(inputs, inside, size):
    largest, before = 0, 0
    for start in range(0, len(inputs), size):
        before += inputs[start]
        largest = max(largest, before + int(np.sum(inside[start : start + size])))
    return np.int64(largest)


def best_size(inputs, inside):
    peaks = np.array([segment_peak(inputs, inside, size) for size in range(1, len(inputs) + 1)])
    return torch.tensor(np.flatnonzero(peaks == peaks.min())[-1] + 1)


def keep(operators, room):
    best = {0: (0, [])}
    for name, (flops, size) in operators.items():
        for used, (worth, names) in list(best.items()):
            new = (worth + flops, names + [name])
            if used + size <= room and new[0] > best.get(used + size, (-1,))[0]:
                best[used + size] = new
    return max(best.values())[1]
"""


def test_where_to_cut():
    swap = partial(changed, "q4")
    judged_well(
        EXERCISE,
        "q4",
        before=given("imports"),
        wrong={
            swap(("inputs[: start + 1 : size]", "inputs[::size]")): "done with",
            swap(("inputs[: start + 1 : size]", "inputs[start : start + 1]")): "without those before it",
            swap(("sum(inputs[: start + 1 : size]) + ", "")): "leaving out the inputs",
            swap(("inputs[: start + 1 : size]", "inputs[:start:size]")): "the segment's own input",
            swap(("inputs[: start + 1 : size]", "inputs[: start + size]")): "the inputs of all blocks",
            swap(("return min(range(len(inputs), 0, -1), key=lambda size: segment_peak(inputs, inside, size))", "return round(math.sqrt(len(inputs)))")): "which is for equal blocks",
            swap(("range(len(inputs), 0, -1)", "range(1, len(inputs) + 1)")): "the smallest of several sizes",
            swap(("range(len(inputs), 0, -1)", "[size for size in range(len(inputs), 0, -1) if len(inputs) % size == 0]")): "sizes that divide the number",
            swap(("key=lambda size: segment_peak(inputs, inside, size))", "key=lambda size: max(inputs[s] + sum(inside[s : s + size]) for s in range(0, len(inputs), size)))")): "a peak with the input of the segment alone",
            swap(("return min(range(len(inputs), 0, -1), key=lambda size: segment_peak(inputs, inside, size))", "return min(segment_peak(inputs, inside, size) for size in range(1, len(inputs) + 1))")): "the peak, not the size",
            swap(("return min(range(len(", "return max(range(len(")): "the largest peak",
            swap(("operators[name][0] for name in names)))", "operators[name][0] / operators[name][1] for name in names)))")): "keep(",
            swap(("<= room]", "<= 2 * room]")): "keep(",
            swap(("    return set(max(", "    return set(operators) - set(max(")): "what is computed again",
        },
        right=[CUT, swap(("set(max(", "tuple(max(")), swap(("range(len(inputs), 0, -1)", "list(range(1, len(inputs) + 1))[::-1]"))],
    )  # fmt: skip


RECURSIVE = """
def largest_batch(model, optimizer, step, most):
    weights = {name: each.clone() for name, each in model.state_dict().items()}
    state, noise = copy.deepcopy(optimizer.state_dict()), torch.random.get_rng_state()

    def fits(rows):
        try:
            step(rows)
        except torch.cuda.OutOfMemoryError:
            return False
        return True

    def search():
        good = 0
        while good < most:
            rows = min(max(1, 2 * good), most)
            if not fits(rows):
                break
            good = rows
        else:
            return good
        while rows - good > 1:
            middle = good + (rows - good) // 2
            if fits(middle):
                good = middle
            else:
                rows = middle
        return good

    try:
        return search()
    finally:
        model.load_state_dict(weights)
        optimizer.load_state_dict(state)
        optimizer.zero_grad()
        torch.random.set_rng_state(noise)
"""


def test_largest_batch():
    swap = partial(changed, "q5")
    result = judged_well(
        EXERCISE,
        "q5",
        before=given("imports"),
        wrong={
            swap(("copy.deepcopy((model.state_dict(), optimizer.state_dict()))", "(model.state_dict(), optimizer.state_dict())")): "others: state_dict() does not copy",
            swap(("(weights, state), noise = copy.deepcopy(before[0]), before[1]", "(weights, state), noise = before")): "each loading needs a copy of its own",
            swap(("            model.zero_grad(set_to_none=True)\n", "")): "the gradients (none)",
            swap(("            torch.set_rng_state(noise)\n", "")): "PyTorch's random state",
            swap(("            optimizer.load_state_dict(state)\n", "")): "the optimizer's state",
            swap(("model.load_state_dict(weights)", "model.load_state_dict({n: w for n, w in weights.items() if 'running' not in n}, strict=False)")): "the buffers",
            swap(("except torch.OutOfMemoryError", "except RuntimeError")): "none: it was swallowed",
            swap(("except torch.OutOfMemoryError", "except Exception")): "none: it was swallowed",
            swap(("low, high = high, min(2 * high, most) if high < most else most + 1", "low, high = high, high + 1")): "the number of tries",
            swap(("    low, high = 0, 1  # low fits, high is tried next\n    while high <= most and fits(high):\n        low, high = high, min(2 * high, most) if high < most else most + 1\n", "    low, high = 0, most + 1\n")): "a try of at most",
            swap(("min(2 * high, most) if high < most else most + 1", "2 * high")): "(that is `most`)",
            swap(("    while high - low > 1:\n        middle = (low + high) // 2\n        low, high = (middle, high) if fits(middle) else (low, middle)\n", "")): "where",
            swap(("return low", "return high")): "where",
        },
        right=[RECURSIVE, RECURSIVE.replace("return search()", "return torch.tensor(search())"), swap(("(low + high) // 2", "(low + high + 1) // 2"))],
    )  # fmt: skip
    assert [report.points for report in result.wrong[:8]] == [3] * 8


HALVED = """
def careful_step(optimizer, loss_of, rows, size):
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    try:
        optimizer.zero_grad(set_to_none=True)
        summed = 0
        for start in range(0, len(rows), size):
            piece = rows[start : start + size]
            loss = loss_of(piece) * len(piece)
            loss.backward()
            summed += float(loss)
    except torch.OutOfMemoryError:
        optimizer.zero_grad()
        if size == 1:
            raise
        return careful_step(optimizer, loss_of, rows, size // 2)
    except Exception:
        optimizer.zero_grad()
        raise
    for weight in weights:
        weight.grad /= len(rows)
    optimizer.step()
    return [summed / len(rows), size]
"""


def test_in_pieces():
    swap = partial(changed, "q6")
    result = judged_well(
        EXERCISE,
        "q6",
        before=given("imports"),
        wrong={
            swap((" * (len(piece) / len(rows))", " / math.ceil(len(rows) / size)")): "the mean of the pieces' means",
            swap((" * (len(piece) / len(rows))", "")): "the sum of the pieces' means",
            swap(("    while True:\n        optimizer.zero_grad()\n", "    optimizer.zero_grad()\n    while True:\n"), ("            optimizer.zero_grad()\n            if not", "            if not")): "the mean loss of all",
            swap(("    while True:\n        optimizer.zero_grad()\n", "    while True:\n")): "the mean loss of all",
            swap(("                total += loss.item()\n", "                total += loss.item()\n                optimizer.step()\n")): "the number of steps",
            swap(("            optimizer.zero_grad()\n            if not", "            if not")): "no gradient after",
            swap(("not isinstance(error, torch.OutOfMemoryError) or size == 1", "size == 1")): "a ValueError comes to be passed on",
            swap(("size //= 2", "size -= 1")): "the size in",
            swap(("    while True:\n", "    size = min(size, len(rows))\n    while True:\n")): "rows are given to be",
            swap(("                raise\n", "                return total, size\n")): "an OutOfMemoryError comes to be passed on",
            swap(("return total, size", "return loss.item(), size")): "the loss in",
            swap(("return total, size", "return total")): "careful_step",
            swap(("not isinstance(error, torch.OutOfMemoryError) or size == 1", "not isinstance(error, RuntimeError) or size == 1")): "the exception where",
        },
        right=[HALVED, HALVED.replace("return [summed / len(rows), size]", "return torch.tensor(summed / len(rows)), size"), swap(("rows.split(size)", "torch.split(rows, size)"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (8, 9, 10)] == [3, 3, 3]


ROWS_OF_HISTORY = """
def states(steps):
    live = []
    for number, events in enumerate(steps):
        for event in events:
            if event["action"] == "alloc":
                for frame in event["frames"]:
                    if not "site-packages" in frame["filename"]:
                        break
                live.append((event["addr"], "%s:%d" % (frame["filename"], frame["line"]), event["size"]))
            if event["action"] == "free_completed":
                live = [each for each in live if each[0] != event["addr"]]
            table = defaultdict(int)
            for _, place, size in live:
                table[place] += size
            yield number, dict(table)
        yield number, {place: sum(size for _, where, size in live if where == place) for _, place, _ in live}


def peak(steps):
    best = (0, {})
    for _, table in states(steps):
        if sum(table.values()) > best[0]:
            best = sum(table.values()), table
    return list(best)


def leaks(steps, warm_up):
    ends = {}
    for number, table in states(steps):
        ends[number] = Counter(table)
    numbers = range(warm_up, len(steps))
    first, last = ends[numbers[0]], ends[numbers[-1]]
    return {
        place: torch.tensor((last[place] - first[place]) / (len(numbers) - 1), dtype=torch.float64)
        for place in last
        if all(ends[n][place] < ends[n + 1][place] for n in numbers[:-1])
    }
"""


def test_history():
    swap = partial(changed, "q7")
    judged_well(
        EXERCISE,
        "q7",
        before=given("imports"),
        wrong={
            swap(('event["action"] == "free_completed"', 'event["action"] == "free_requested"')): "giving back at free_requested: until",
            swap(('event["action"] == "free_completed"', 'event["action"] in ("free_requested", "free_completed")')): "at free_requested already",
            swap(('[{"action": "begin"}, *events]', "events")): "a step without events",
            swap(('next(each for each in event["frames"] if "site-packages" not in each["filename"])', 'event["frames"][0]')): "the innermost frame",
            swap(('next(each for each in event["frames"] if "site-packages" not in each["filename"])', 'event["frames"][-1]')): "the outermost frame",
            swap(('            totals.subtract(dict([held.pop(event["addr"])]))\n', "            pass\n")): "never giving back",
            swap(('event["action"] == "alloc"', 'event["action"] in ("alloc", "segment_alloc")')): "counting segments",
            swap(("for _, places in after_each(steps))", "for places in dict(after_each(steps)).values())")): "the ends of steps alone",
            swap(("all(later > earlier for earlier, later in itertools.pairwise(sizes))", "sizes[-1] > sizes[0]")): "with the first alone",
            swap(("(len(sizes) - 1)", "len(sizes)")): "by the number of steps",
            swap(("[warm_up:]", "")): "leaving out no step",
            swap((" / (len(sizes) - 1)", "")): "the whole growth",
            swap(("f\"{frame['filename']}:{frame['line']}\"", "frame['filename']")): "without its line",
            swap(("(sum(places.values()), places)", "[sum(places.values())]")): "peak(steps)",
        },
        right=[
            ROWS_OF_HISTORY,
            ROWS_OF_HISTORY.replace("return list(best)", "return best[0], dict(sorted(best[1].items()))"),
            swap(("(sum(places.values()), places)", "(float(sum(places.values())), Counter(places))")),
        ],
    )  # fmt: skip


DETACHED = """
def train(net, optimizer, batches, tests=None, watch=None):
    losses, scores, means = [], [], []
    handles = []
    if watch is not None:
        handles = [net[watch].register_forward_hook(lambda layer, given, made: means.append(made.detach().mean()) if layer.training else None)]
    for batch in batches:
        optimizer.zero_grad()
        loss = F.mse_loss(net(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
        if tests is not None:
            net.eval()
            with torch.inference_mode():
                scores.append(F.l1_loss(net(tests[0]), tests[1]))
            net.train()
    for handle in handles:
        handle.remove()
    return {"losses": [float(x) for x in losses], "scores": [float(x) for x in scores], "means": [float(x) for x in means]}
"""


def test_too_much():
    swap = partial(changed, "q8")
    leaky = given("q8-given").replace("def leaky_train", "def train")
    result = judged_well(
        EXERCISE,
        "q8",
        before=given("imports"),
        wrong={
            leaky: "as many living tensors with a graph",
            leaky.replace("[each.item() for each in some]", "[float(each) for each in some]"): "more; when each step begins",
            swap(('found["losses"].append(loss.item())', 'found["losses"].append(loss)'), ("    return found\n", '    return found | {"losses": [float(each) for each in found["losses"]]}\n')): "4 more; when each step begins",
            swap(('found["means"].append(made.mean().item())', 'found["means"].append(made)'), ("    return found\n", '    return found | {"means": [float(each.mean()) for each in found["means"]]}\n')): "while a layer is watched",
            swap(('found["means"].append(made.mean().item())', 'found["means"].append(made.detach())'), ("    return found\n", '    return found | {"means": [float(each.mean()) for each in found["means"]]}\n')): "the growth of the bytes",
            swap(("            hook.remove()\n", "            pass\n")): "the number of hooks",
            swap(("with torch.no_grad():", "if True:")): "an evaluation without a graph",
            swap(("        if layer.training:\n", "        if True:\n")): "train(…)['means']",
            swap(("                net.train()\n", "")): "train(…)",
            swap(("                net.eval()\n", "")): "train(…)",
            swap(("            optimizer.zero_grad()\n", "")): "train(…)",
            swap(("            if tests is not None:\n", "            if False:\n")): "['scores']",
        },
        right=[
            DETACHED,
            DETACHED.replace("losses.append(loss.detach())", "losses.append(loss.item())"),
            swap(("with torch.no_grad():", "with torch.inference_mode():"), ('found["losses"].append(loss.item())', 'found["losses"].append(loss.detach())')),
        ],
    )  # fmt: skip
    assert [report.points for report in result.wrong[:7]] == [1, 1, 3, 3, 3, 3, 3]


RANKED = """
import heapq

import numpy as np


def rank_bytes(weights, ranks, stage):
    return np.float64([16, 4 + 12 / ranks, 2 + 14 / ranks, 16 / ranks][stage] * weights)


def whole(sizes, ranks):
    heap, held = [(0, rank) for rank in range(ranks)], np.zeros(ranks, dtype=int)
    for size in sorted(sizes)[::-1]:
        some, rank = heapq.heappop(heap)
        held[rank] += size
        heapq.heappush(heap, (some + size, rank))
    return held


def row_shares(shapes, ranks):
    held = torch.zeros(ranks, dtype=torch.long)
    for shape in shapes:
        for rank, chunk in enumerate(torch.empty(shape).chunk(ranks)):
            held[rank] += chunk.numel()
    return held

"""


def test_ranks():
    swap = partial(changed, "q9")
    result = judged_well(
        EXERCISE,
        "q9",
        before=given("imports"),
        wrong={
            swap(("ranks if stage >= first else 1", "ranks if stage else 1")): "everything shared",
            swap(("for first in (3, 2, 1)", "for first in (1, 2, 3)")): "the optimizer last",
            swap(("zip((2, 2, 12), shares)", "zip((2, 2, 8), shares)")): "8 bytes in the optimizer",
            swap(("sorted(sizes, reverse=True)", "sizes")): "in which they came",
            swap(("sorted(sizes, reverse=True)", "sorted(sizes)")): "the smallest away first",
            swap(("held[held.index(min(held))] += size", "held[ranks - 1 - held[::-1].index(min(held))] += size")): "the highest number",
            swap(("    return held\n    ### END SOLUTION\n\ndef row_shares", "    return [sum(sizes) / ranks] * ranks\n    ### END SOLUTION\n\ndef row_shares")): "equal shares",
            swap(("max(0, min(each, first - rank * each))", "(first // ranks + (rank < first % ranks))")): "differ by one row",
            swap(("max(0, min(each, first - rank * each))", "each")): "padded",
            swap((" * math.prod(others)", "")): "not the numbers in them",
            swap(("max(0, min(each, first - rank * each))", "min(each, first - rank * each)")): "less than nothing",
        },
        right=[RANKED, RANKED.replace("return held\n", "return held.tolist()\n"), swap(("return held\n", "return tuple(held)\n"))],
    )  # fmt: skip
    assert {report.points for report in result.wrong[3:]} == {2}


PREDICTIONS = "def predictions(): return {name: name in ('length', 'relu') for name in NAMES}"


def test_predict():
    judged_well(
        EXERCISE,
        "q10",
        before=f"NAMES = {list(memory.FOUND)}",
        wrong={
            "def predictions(): return {'relu': True}": "to have the key",
            "def predictions(): return dict.fromkeys(NAMES, True)": "right predictions",
            "def predictions(): return dict.fromkeys(NAMES, False)": "right predictions",
            "def predictions(): return [True] * 6": "to be a dict",
            "def predictions(): return dict.fromkeys(NAMES, 1)": "True or False",
            PREDICTIONS.replace("'relu'", "'losses'"): "right predictions",
        },
        right=[PREDICTIONS, "def predictions(): return dict(zip(NAMES, [True] * 2 + [False] * 4))", "from collections import OrderedDict\ndef predictions(): return OrderedDict(reversed([(name, name in NAMES[:2]) for name in NAMES]))"],
    )  # fmt: skip


def test_what_is_predicted_is_measured():
    measured = namespace(given("imports"), given("q10-parts", "q10-more", "q10-measure"))["measure"]()
    assert {name: bool(found) for name, found in measured.items()} == memory.FOUND


def test_the_card():
    exercise = load_exercise(EXERCISE)
    assert len(exercise.questions) == 11
    assert exercise.points == 39
    assert [question.name for question in exercise.questions.values() if question.manual] == ["q11"]


def test_the_trial_of_question_8_keeps_nothing_alive():
    """An answer that leaves the last loss alive until the next one comes shows the same count in each step."""
    one = changed("q8", ("loss = F.mse_loss", "last = loss = F.mse_loss"))
    made = namespace(given("imports"), given("q8-given"), one, given("q8-try"))
    kept = made["seen"]
    assert kept[1:] == [kept[1]] * 4
