"""Every question of exercise 27: the solution, the stub, wrong answers with the message they get, other right ways."""

from functools import partial

from course_utils.checks.chapters import many_processes
from course_utils.checks.framework import load_exercise
from course_utils.checks.testing import changed_answer, given_cells, judged_well, namespace

EXERCISE = "27_many_processes"
given = partial(given_cells, EXERCISE)
changed = partial(changed_answer, EXERCISE)


def test_the_card():
    exercise = load_exercise(EXERCISE)
    assert len(exercise.questions) == 12
    assert exercise.points == 43
    assert [question.name for question in exercise.questions.values() if question.manual] == ["q12"]


OFFSETS = """
def chunks(size, world):
    few, more = divmod(size, world)
    ends = [0]
    for number in range(world):
        ends.append(ends[-1] + few + (number < more))
    return ends


def around(buffer, rank, world, send, receive, first, add):
    ends = chunks(len(buffer), world)
    for turn in range(world - 1):
        out, back = (first - turn) % world, (first - turn - 1) % world
        send(buffer[ends[out] : ends[out + 1]], (rank + 1) % world)
        came = receive((rank + world - 1) % world)
        if add:
            buffer[ends[back] : ends[back + 1]] += came
        else:
            buffer[ends[back] : ends[back + 1]] = came
    return ends


def reduce_scatter(tensor, rank, world, send, receive):
    buffer = tensor.clone()
    ends = around(buffer, rank, world, send, receive, rank - 1, True)
    return buffer[ends[rank] : ends[rank + 1]].numpy()


def all_reduce(tensor, rank, world, send, receive):
    buffer = tensor.reshape(-1).clone()
    around(buffer, rank, world, send, receive, rank, True)  # here the sums end one place further
    around(buffer, rank, world, send, receive, rank + 1, False)
    return buffer.reshape(tensor.size())
"""
TO_ALL = """
def all_reduce(tensor, rank, world, send, receive):
    others = [other for other in range(world) if other != rank]
    for other in others:
        send(tensor, other)
    return sum((receive(other) for other in others), tensor)


def reduce_scatter(tensor, rank, world, send, receive):
    return all_reduce(tensor, rank, world, send, receive).tensor_split(world)[rank]
"""
WHOLE = """
def all_reduce(tensor, rank, world, send, receive):
    total, passing = tensor, tensor
    for _ in range(world - 1):
        send(passing, (rank + 1) % world)
        passing = receive((rank - 1) % world)
        total = total + passing
    return total


def reduce_scatter(tensor, rank, world, send, receive):
    return all_reduce(tensor, rank, world, send, receive).tensor_split(world)[rank]
"""


def test_round_a_ring():
    swap = partial(changed, "q1")
    gather = "        send(pieces[(rank - turn) % world], (rank + 1) % world)\n        pieces[(rank - turn - 1) % world] = receive((rank - 1) % world)\n"
    result = judged_well(
        EXERCISE,
        "q1",
        before=given("imports"),
        wrong={
            swap(("pieces[place] + receive", "receive")): "reduce_scatter",
            swap(("pieces[place] = pieces[place] + receive", "pieces[place] += receive")): "changed in place",
            swap(("rank - 1 - turn", "rank - turn"), ("rank - 2 - turn", "rank - 1 - turn"), ("return pieces[rank]", "return pieces[(rank + 1) % world]")): "that of the right neighbour",
            swap(("    return pieces[rank]\n", "    return pieces[rank] / world\n")): "the mean, not the sum",
            swap(("range(world - 1):\n        send(pieces[(rank - 1 - turn)", "range(min(1, world - 1)):\n        send(pieces[(rank - 1 - turn)")): "reduce_scatter",
            swap(("range(world - 1):\n        send(pieces[(rank - turn)", "range(world - 2):\n        send(pieces[(rank - turn)")): "all_reduce",
            swap(("return torch.cat(pieces).view(tensor.shape)", "return torch.cat(pieces)")): "to have the shape",
            swap(("tensor.tensor_split(world)", "tensor.view(world, -1)")): "RuntimeError",
            swap(("receive((rank - 1) % world)\n    return pieces[rank]", "receive((rank + 1) % world)\n    return pieces[rank]")): "it comes no more",
            swap((gather, "        pieces[(rank - turn - 1) % world] = receive((rank - 1) % world)\n        send(pieces[(rank - turn) % world], (rank + 1) % world)\n")): "waits for a tensor from rank",
            swap(("send(pieces[(rank - turn) % world], (rank + 1) % world)", "send(pieces[(rank - turn) % world], rank + 1)")): "sends to rank",
            swap(("send(pieces[(rank - turn) % world]", "send(torch.cat(pieces)"), ("= receive((rank - 1) % world)\n    return torch", "= receive((rank - 1) % world).tensor_split(world)[(rank - turn - 1) % world]\n    return torch")): "the numbers in a message",
            TO_ALL: "to send to rank",
            WHOLE: "the messages that rank",
            "def reduce_scatter(tensor, rank, world, send, receive): return tensor.tensor_split(world)[rank]\ndef all_reduce(tensor, rank, world, send, receive): return tensor": "own numbers alone",
            "def reduce_scatter(tensor, rank, world, send, receive): pass\ndef all_reduce(tensor, rank, world, send, receive): pass": "reduce_scatter(…) on rank 0",
            "def reduce_scatter(tensor, rank, world, send, receive): return send(3, (rank + 1) % world)\ndef all_reduce(*given): return None": "has to be a tensor",
        },
        right=[
            OFFSETS,
            swap(("pieces[place] = pieces[place] + receive((rank - 1) % world)", "pieces[place] = torch.add(receive((rank - 1) % world), pieces[place])"), ("return torch.cat(pieces).view(tensor.shape)", "return torch.cat(pieces).reshape(tensor.shape)")),
            swap(("    pieces = list(tensor.tensor_split(world))\n", "    pieces = [piece.clone() for piece in torch.tensor_split(tensor, world)]\n"), ("pieces[place] = pieces[place] + receive", "pieces[place] += receive")),
        ],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (1, 6, 11, 12, 13)] == [0, 1, 3, 2, 2]


BY_SCALES = """
import numpy as np


def seconds(way, world, size, alpha, beta):
    rounds = {"everyone": world - 1, "tree": 2 * (world - 1).bit_length(), "ring": 2 * world - 2}[way]
    return np.float64(rounds * alpha + rounds * beta * (size / world if way == "ring" else size))


def crossing(world, alpha, beta):
    low, high = 0.0, 1e18
    for _ in range(300):
        middle = (low + high) / 2
        better = seconds("ring", world, middle, alpha, beta) <= seconds("tree", world, middle, alpha, beta)
        low, high = (low, middle) if better else (middle, high)
    return torch.tensor(high, dtype=torch.float64) if high > 1e-6 else 0


def fit(world, measured):
    a = b = c = d = e = 0.0
    for size, taken in measured:
        x, y = 2 * (world - 1) / taken, 2 * (world - 1) / world * size / taken
        a, b, c, d, e = a + x * x, b + x * y, c + y * y, d + x, e + y
    under = a * c - b * b
    return np.array([(d * c - e * b) / under, (a * e - b * d) / under])
"""


def test_two_numbers():
    swap = partial(changed, "q2")
    result = judged_well(
        EXERCISE,
        "q2",
        before=given("imports"),
        wrong={
            swap(('"everyone": world - 1', '"everyone": world * (world - 1)')): "those of different ranks go at the same time",
            swap(('2 * math.ceil(math.log2(world)), "ring"', 'math.ceil(math.log2(world)), "ring"')): "one way only",
            swap(('math.ceil(math.log2(world)), "ring"', 'math.log2(world), "ring"')): "log2 as it is",
            swap(('math.ceil(math.log2(world)), "ring"', 'int(math.log2(world)), "ring"')): "log2 rounded down",
            swap((' / (world if way == "ring" else 1)', "")): "whole tensors in the place of pieces",
            swap(("return rounds * (alpha + beta * size /", 'return (alpha if way == "ring" else rounds * alpha) + rounds * (beta * size /')): "one message, not 2(n − 1)",
            swap(('"ring": 2 * (world - 1)', '"ring": world - 1')): "one round of the ring only",
            swap(("    return alpha * (world - 1 - depth) / (beta", "    return alpha * (2 * world - 2 - depth) / (beta")): "crossing(2",
            swap(("depth = math.ceil(math.log2(world))", "depth = math.log2(world)")): "crossing(",
            swap(("alpha * (world - 1 - depth) / (beta", "beta * (world - 1 - depth) / (alpha")): "alpha and beta exchanged",
            swap((" / taken, 2", " + 0 * taken, 2"), ("* size / taken", "* size"), ("ones = torch.ones(len(rows), 1, dtype=torch.float64)", "ones = taken[:, None]")): "squared seconds, not squared shares",
            swap(("2 * (world - 1) / taken, 2 * (world - 1) / world * size", "1 / taken, size")): "the line as it is",
            swap(("2 * (world - 1) / world * size", "2 * (world - 1) * size")): "whole tensors in each message",
            swap((".tolist()", ".flip(0).tolist()")): "alpha and beta exchanged",
            swap((".tolist()", "[0].item()")): "fit(2, measured)",
        },
        right=[BY_SCALES, swap(("return (torch", "return tuple(torch"), (".tolist()", ""))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (2, 4, 7, 10)] == [3, 3, 3, 3]


BY_NUMPY = """
def shard(length, rank, world, seed, epoch, drop, seen):
    import numpy as np

    order = np.random.default_rng([seed, epoch]).permutation(length)[seen:]
    if drop:
        order = order[: len(order) - len(order) % world]
    else:
        order = np.resize(order, -(-len(order) // world) * world)
    return order.reshape(-1, world)[:, rank]
"""
ONE_BY_ONE = """
import random


def shard(length, rank, world, seed, epoch, drop, seen):
    rows = list(range(length))
    random.Random(f"{seed} {epoch}").shuffle(rows)
    rows = rows[seen:]
    whole = len(rows)
    while len(rows) % world:
        if drop:
            rows.pop()
        else:
            rows.append(rows[len(rows) - whole])
    return tuple(row for place, row in enumerate(rows) if place % world == rank)
"""


def test_who_sees_what():
    swap = partial(changed, "q3")
    cut = "    each = len(left) // world if drop else math.ceil(len(left) / world)\n"
    result = judged_well(
        EXERCISE,
        "q3",
        before=given("imports"),
        wrong={
            swap(("torch.randperm(length, generator=chance)", "torch.randperm(length)")): "that no rank sees",
            swap(("manual_seed(seed + epoch)", "manual_seed(seed + epoch + rank)")): "that no rank sees",
            swap(("manual_seed(seed + epoch)", "manual_seed(seed + epoch + 1000 * world)")): "2 ranks to take the rows in the same order as 4",
            swap(("manual_seed(seed + epoch)", "manual_seed(seed)")): "another order for another epoch",
            swap(("manual_seed(seed + epoch)", "manual_seed(epoch)")): "another order for another seed",
            swap(("torch.randperm(length, generator=chance).tolist()", "list(range(length))")): "another order",
            swap(("[rank::world]", "[rank * each : (rank + 1) * each]")): "blocks of the order",
            swap(("len(left) // world if drop else math.ceil(len(left) / world)", "math.ceil(len(left) / world)")): "the number of rows of rank 0",
            swap(("len(left) // world if drop else math.ceil(len(left) / world)", "len(left) // world")): "the number of rows of rank 0",
            swap((cut, ""), ("(left * world)[: each * world][rank::world]", "left[rank::world]")): "the number of rows of rank",
            swap(("(left * world)[: each * world]", "(left * 2)[: each * world]")): "the number of rows of rank",
            swap(("(left * world)[: each * world]", "(left + [left[-1]] * (each * world - len(left)))[: each * world]")): "no row more than",
            swap((".tolist()[seen:]", ".tolist()")): "after ",
            swap((".tolist()[seen:]", ".tolist()[seen * world:]")): "after ",
            swap(("torch.randperm(length, generator=chance).tolist()[seen:]", "torch.randperm(length - seen, generator=chance).tolist()")): "after ",
            swap(("[rank::world]", "[0::world]")): "that no rank sees",
        },
        right=[
            BY_NUMPY,
            ONE_BY_ONE,
            swap(("    return (left * world)[: each * world][rank::world]", "    return [left[(place * world + rank) % len(left)] for place in range(each)]")),
        ],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (2, 3, 6, 7, 8, 10, 12)] == [3, 3, 3, 2, 3, 3, 3]


AS_DDP = """
def rank_step(weight, batches, world, mean):
    counted = mean(torch.tensor(float(sum(int((labels != -100).sum()) for _, labels in batches)))) * world
    leaf = weight.clone().requires_grad_(True)
    total = 0.0
    for inputs, labels in batches:
        seen = labels >= 0
        if seen.any():
            part = F.cross_entropy(inputs[seen] @ leaf, labels[seen]) * seen.sum() * world / counted
            part.backward()
            total += float(part.detach())
    gradient = leaf.grad if leaf.grad is not None else torch.zeros_like(weight)
    return [mean(gradient).numpy(), mean(torch.tensor(total)).item()]


def trained_loss(sums, counts, way):
    import numpy as np

    sums, counts = np.array(sums), np.array(counts)
    return {"big batch": sums.sum() / counts.sum(), "mean of means": (sums / counts).mean(), "stock": (sums / counts).sum(1).mean() * len(sums)}[way]
"""
NAIVE = """
def rank_step(weight, batches, world, mean):
    leaf = weight.detach().requires_grad_()
    loss = sum((F.cross_entropy(inputs @ leaf, labels) for inputs, labels in batches), (leaf * 0).sum()) / max(1, len(batches))
    (gradient,) = torch.autograd.grad(loss, leaf)
    return mean(gradient), mean(loss.detach())
"""
EACH_TIME = """
def rank_step(weight, batches, world, mean):
    gradient, loss, count = torch.zeros_like(weight), torch.zeros(()), torch.zeros(())
    for inputs, labels in batches:
        leaf = weight.detach().requires_grad_()
        one = F.cross_entropy(inputs @ leaf, labels, reduction="sum")
        one.backward()
        gradient += mean(leaf.grad)
        loss += mean(one.detach())
        count += mean((labels >= 0).sum().float())
    return gradient / count, loss / count
"""


def test_one_big_batch():
    swap = partial(changed, "q4")
    rest = changed("q4").split("def trained_loss")[1]
    rest = "\n\ndef trained_loss" + rest
    result = judged_well(
        EXERCISE,
        "q4",
        before=given("imports"),
        wrong={
            NAIVE + rest: "a mean of the ranks' means",
            NAIVE.replace("cross_entropy(inputs @ leaf, labels)", "cross_entropy(inputs @ leaf, labels, reduction='sum')") + rest: "the mean over the ranks of a sum",
            EACH_TIME + rest: "the calls of mean(…)",
            swap(("count = count + (labels != -100).sum()", "count = count + len(labels)")): "counting the labels of −100",
            swap(("whole[:-2] / whole[-1]", "whole[:-2] * world / whole[-1]")): "a factor world too much",
            swap(("whole[:-2] / whole[-1]", "whole[:-2] / whole[-1] / world")): "a factor 1 / world that is left",
            swap(("whole[:-2] / whole[-1]", "whole[:-2] * world")): "the sum over the labels",
            swap(("whole = mean(torch.cat([gradient.flatten(), torch.stack([loss.detach(), count])]))", "whole = torch.cat([gradient.flatten(), torch.stack([loss.detach(), count])])")): "this rank's labels alone",
            swap(("loss, count = (leaf * 0).sum(), torch.zeros(())\n", "loss, count = (leaf * 0).sum(), torch.zeros(())\n    if not batches:\n        return torch.zeros_like(weight), torch.zeros(())\n")): "not all ranks come to",
            swap(('reduction="sum")', 'reduction="mean") * (labels != -100).sum()')): "nan",
            swap((", whole[-2] / whole[-1]", "")): "rank_step(…) on rank 0 of 2",
            swap((".view(weight.shape), whole", ", whole")): "to have the shape",
            swap(("(len(means) if way", "(len(sums) if way")): "the factor of the ranks is missing",
            swap(("(len(means) if way", "(len(sums[0]) if way")): "the factor of the micro-batches is missing",
            swap(("else 1)", "else len(sums))")): "the factor of the ranks is missing",
            swap(('== "mean of means" else 1', '!= "big batch" else 1')): "the mean of all means",
            swap(("return sum(map(sum, sums)) / sum(map(sum, counts))", "return sum(sum(a) / sum(b) for a, b in zip(sums, counts)) / len(sums)")): "each rank's own mean over its labels",
        },
        right=[AS_DDP, swap(("loss + F.cross_entropy(inputs @ leaf, labels, reduction=\"sum\")", "loss - F.log_softmax(inputs @ leaf, 1)[labels >= 0, labels[labels >= 0]].sum()"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (2, 8, 9, 12, 14)] == [2, 3, 3, 3, 3]


BY_INDEX = """
import torch.distributed as dist


def buckets(sizes, first, cap):
    names = list(sizes)[::-1]
    places, _ = dist._compute_bucket_assignment_by_size([torch.empty(sizes[name], dtype=torch.uint8) for name in names], [first, cap])
    return tuple(tuple(names[place] for place in bucket) for bucket in places)


def all_reduces(sizes, first, cap, micro_batches, accumulate):
    updates = sum(1 for one in range(1, micro_batches + 1) if one % accumulate == 0 or one == micro_batches)
    return torch.tensor(updates * len(buckets(sizes, first, cap)))
"""


def test_filled_buckets():
    swap = partial(changed, "q5")
    result = judged_well(
        EXERCISE,
        "q5",
        before=given("imports"),
        wrong={
            swap(("in reversed(sizes)", "in sizes")): "the last gradient is ready first",
            swap(("(cap if closed else first)", "cap")): "the limit `cap` for the first bucket",
            swap(("(cap if closed else first)", "first")): "the limit `first` for all buckets",
            swap(("held >= (cap", "held > (cap")): "reached its limit exactly",
            swap(("return [*closed, opened] if opened else closed", "return closed")): "leaving out the last bucket",
            swap(("return [*closed, opened] if opened else closed", "return [*closed, opened]")): "to be",
            swap(("        opened.append(name)\n        held += sizes[name]\n        if held >= (cap if closed else first):\n            closed.append(opened)\n            opened, held = [], 0\n", "        if opened and held + sizes[name] > (cap if closed else first):\n            closed.append(opened)\n            opened, held = [], 0\n        opened.append(name)\n        held += sizes[name]\n")): "before it goes beyond its limit",
            swap(("            opened, held = [], 0\n", "            opened = []\n")): "to be",
            swap(("math.ceil(micro_batches / accumulate)", "micro_batches")): "sending in every micro-batch",
            swap(("math.ceil(micro_batches / accumulate)", "(micro_batches // accumulate)")): "leaving out the last update",
            swap(("len(buckets(sizes, first, cap)) * math", "math")): "each of its buckets is one",
            swap(("len(buckets(sizes, first, cap)) * math", "len(sizes) * math")): "one message for each tensor",
            swap(("[*closed, opened] if opened else closed", "len(closed)")): "buckets(",
        },
        right=[BY_INDEX, swap(("-> a list of lists of names", "-> "), ("[*closed, opened] if opened else closed", "[one for one in [*closed, opened] if one]"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (3, 5, 8, 9)] == [2, 0, 2, 2]


SIMULATED = """
import numpy as np


def timeline(seconds, sizes, cuts, alpha, beta):
    times, sent = iter(zip(seconds, sizes)), []
    now = free = 0.0
    for cut in cuts:
        held = 0
        for _ in range(cut):
            taken, size = next(times)
            now, held = now + taken, held + size
        sent.append(max(now, free))
        free = sent[-1] + alpha + beta * held
    return {"starts": np.array(sent), "end": np.float64(free), "exposed": free - now}


def best_cuts(seconds, sizes, alpha, beta):
    count, ready, held = len(sizes), np.cumsum(seconds), np.concatenate([[0], np.cumsum(sizes)])
    over, back = np.zeros(count + 1), np.zeros(count + 1, dtype=int)
    for last in range(1, count + 1):
        ends = np.maximum(over[:last], ready[last - 1]) + alpha + beta * (held[last] - held[:last])
        back[last], over[last] = ends.argmin(), ends.min()
    cuts = []
    while count:
        cuts.insert(0, count - back[count])
        count = back[count]
    return tuple(cuts)
"""


def test_while_computing():
    swap = partial(changed, "q6")
    best = changed("q6").split("def best_cuts")[0] + "def best_cuts(seconds, sizes, alpha, beta):\n"
    result = judged_well(
        EXERCISE,
        "q6",
        before=given("imports"),
        wrong={
            swap(("max(ready[last - 1], free)", "ready[last - 1]")): "each waits for the one before it",
            swap(("max(ready[last - 1], free)", "max(ready[-1], free)")): "waits for the end of the backward pass",
            swap(("max(ready[last - 1], free)", "max(ready[first], free)")): "when its first gradient is ready",
            swap(("free = starts[-1] + alpha +", "free = starts[-1] + alpha * cut +")): "alpha for each gradient",
            swap(("free = starts[-1] + alpha +", "free = starts[-1] +")): "leaving out alpha",
            swap(('"exposed": free - ready[-1]', '"exposed": sum(alpha for _ in cuts) + beta * sum(sizes)')): "what is hidden behind the computing",
            swap(('"end": free', '"end": ready[-1]')): "the backward pass alone",
            swap((', "exposed": free - ready[-1]', "")): "to have the key",
            best + "    return [len(sizes)]": "as one bucket for all do",
            best + "    return [1] * len(sizes)": "as a bucket for each gradient do",
            best + "    return min(([each] * (len(sizes) // each) + [len(sizes) % each] * (len(sizes) % each > 0) for each in range(1, len(sizes) + 1)), key=lambda cuts: timeline(seconds, sizes, cuts, alpha, beta)['end'])": "to be a cut that ends at",
            best + "    return [len(sizes), 1]": "that add up to",
            best + "    return [len(sizes) - 0.5, 0.5]": "whole numbers above 0",
            best + "    return None": "best_cuts",
            swap(("max(before, ready[last - 1]) + alpha", "before + alpha")): "to be a cut that ends at",
            swap(("max(before, ready[last - 1]) + alpha", "max(before, ready[last - 1])")): "to be a cut that ends at",
            best + "    cuts, best = [], math.inf\n    for n in range(2 ** (min(len(sizes), 12) - 1)):\n        some, last = [], 0\n        for i in range(len(sizes) - 1):\n            if n >> i & 1:\n                some.append(i + 1 - last)\n                last = i + 1\n        some.append(len(sizes) - last)\n        end = timeline(seconds, sizes, some, alpha, beta)['end']\n        if end < best:\n            cuts, best = some, end\n    return cuts": "to be a cut that ends at",
        },
        right=[SIMULATED, swap(("over.append(min(ways))", "over.append(min(ways, key=lambda way: way[0]))"), ("return over[-1][1]", "return torch.tensor(over[-1][1])"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 3, 5, 8, 16)] == [2, 2, 3, 2, 3]


SORTED = """
class TopK:
    def __init__(self, share):
        self.share, self.left = share, None

    def compress(self, gradient):
        if self.left is None:
            self.left = torch.zeros_like(gradient)
        self.left = self.left + gradient
        flat = self.left.reshape(-1)
        count = max(1, math.ceil(flat.numel() * self.share))
        places = sorted(range(len(flat)), key=lambda place: -abs(float(flat[place])))[:count]
        values = [float(flat[place]) for place in places]
        for place in places:
            flat[place] = 0.0
        return places, values


def mean_of(pairs, shape):
    rows = torch.stack([torch.zeros(math.prod(shape)).scatter(0, places, values) for places, values in pairs])
    return rows.mean(0).reshape(shape).numpy()


def largest_k(numbers, world):
    k = 0
    while 12 * (k + 1) * (world - 1) * world < 8 * (world - 1) * numbers:
        k += 1
    return torch.tensor(k)
"""


def test_largest_few():
    swap = partial(changed, "q7")
    result = judged_well(
        EXERCISE,
        "q7",
        before=given("imports"),
        wrong={
            swap(("whole.abs().topk", "whole.topk")): "not the largest absolute ones",
            swap(("return indices, whole[indices]", "return indices, whole[indices].abs()")): "values without their sign",
            swap(("math.ceil(self.share", "int(self.share")): "round up",
            swap(("math.ceil(self.share * len(whole))", "max(1, round(self.share * len(whole) + 1))")): "to send",
            swap(("        self.rest = whole.index_fill(0, indices, 0.0).view(gradient.shape)\n", "")): "forgetting what was left",
            swap((".index_fill(0, indices, 0.0)", "")): "what was sent is still there",
            swap(("whole.index_fill", "gradient.flatten().index_fill")): "the rest of the last step alone",
            swap(("return indices, whole[indices]", "return indices, gradient.flatten()[indices]")): "where its rest counts as well",
            swap(("(gradient + self.rest).flatten()", "gradient.add_(self.rest).flatten()")): "the gradients, unchanged",
            swap(("self.share, self.rest = share, 0.0", "self.share = share"), ("class TopK:\n", "class TopK:\n    rest = 0.0\n"), ("self.rest = whole", "TopK.rest = whole")): "must match the size",
            swap(("return indices, whole[indices]", "return indices")): "compress(gradient) of TopK",
            swap(("total.index_add_(0, indices, values)", "total[indices] += values"), ("len(pairs)", "1")): "the sum, not the mean",
            swap(("total.index_add_(0, indices, values)", "total[indices] = values")): "they add up",
            swap(("    total = torch.zeros(math.prod(shape))\n", "    total, counts = torch.zeros(math.prod(shape)), torch.zeros(math.prod(shape))\n"), ("        total.index_add_(0, indices, values)\n", "        total.index_add_(0, indices, values)\n        counts[indices] += 1\n"), ("len(pairs)", "counts.clamp(min=1).view(shape)")): "a rank that sent nothing counts with 0",
            swap(("total.view(shape) /", "total /")): "to have the shape",
            swap(("(2 * numbers - 1) //", "(2 * numbers) //")): "they have to be fewer",
            swap(("(2 * numbers - 1) // (3 * world)", "(2 * numbers - 1) // world")): "leaving out the indices",
            swap(("(2 * numbers - 1) // (3 * world)", "(numbers - 1) // world")): "indices of 4 bytes",
            swap(("(2 * numbers - 1) // (3 * world)", "(numbers - 1) // (3 * world)")): "an all-reduce has two",
            swap(("(2 * numbers - 1) // (3 * world)", "(2 * numbers - 1) // 3")): "the pairs of all ranks pass each of them",
        },
        right=[SORTED, swap(("total.index_add_(0, indices, values)", "total[indices] += values")), swap(("(2 * numbers - 1) // (3 * world)", "max(0, math.ceil(8 * numbers / (12 * world)) - 1)"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (4, 5, 8, 12, 15)] == [3, 3, 3, 3, 3]


OTHERWISE = """
def half_mean(tensor, world, total):
    return total((tensor / world).to(torch.float16)).to(torch.float32)


def low_rank(matrix, guess, world, mean):
    product = mean(matrix @ guess)
    columns = torch.linalg.svd(product, full_matrices=False)[0]
    other = mean(columns.T @ matrix)
    return (columns @ other).numpy()


def low_rank_bytes(shapes, rank, least):
    total = 0
    for shape in shapes:
        n, *others = shape
        m = math.prod(others)
        r = min(n, m, rank)
        total += (n + m) * r if n * m > (n + m) * r * least else n * m
    return float(4 * total)
"""
GRAM = """
def low_rank(matrix, guess, world, mean):
    columns = mean(torch.mm(matrix, guess))
    found = []
    for column in columns.T:
        for other in found:
            column = column - (column @ other) * other
        found.append(column / column.norm())
    columns = torch.stack(found, 1)
    return torch.einsum("nr,mr->nm", columns, mean(torch.einsum("nm,nr->mr", matrix, columns)))
"""


def test_half_and_low():
    swap = partial(changed, "q8")
    result = judged_well(
        EXERCISE,
        "q8",
        before=given("imports"),
        wrong={
            swap(("total(tensor.half() / world).float()", "(total(tensor.half()) / world).float()")): "divide before it, not after",
            swap(("total(tensor.half() / world).float()", "total(tensor.half()).float()")): "the sum, not the mean",
            swap(("total(tensor.half() / world).float()", "total(tensor / world)")): "the dtype of what",
            swap(("total(tensor.half() / world).float()", "total(tensor.half() / world)")): "the dtype of what",
            swap(("total(tensor.half() / world).float()", "total(tensor.bfloat16() / world).float()")): "half_mean(…) on rank 0",
            swap(("total(tensor.half() / world).float()", "(total(tensor.half() / world) / world).float()")): "dividing twice",
            swap(("total(tensor.half() / world).float()", "tensor")): "this rank's own numbers alone",
            swap(("total(tensor.half() / world).float()", "torch.stack([total(one.half() / world).float() for one in tensor.flatten()]).view(tensor.shape)")): "the calls of total(…)",
            swap(("torch.linalg.qr(mean(matrix @ guess))[0]", "mean(matrix @ guess)")): "columns that are not orthonormal",
            swap(("torch.linalg.qr(mean(matrix @ guess))[0]", "F.normalize(mean(matrix @ guess), dim=0)")): "not at right angles",
            swap(("torch.linalg.qr(mean(matrix @ guess))[0]", "torch.linalg.qr(matrix @ guess)[0]")): "low_rank(…) on rank 0",
            swap(("mean(matrix.T @ columns).T", "(matrix.T @ columns).T")): "this rank's matrix in the second half",
            swap(("    columns = torch.linalg.qr(mean(matrix @ guess))[0]\n", "    matrix = mean(matrix)\n    columns = torch.linalg.qr(matrix @ guess)[0]\n"), ("mean(matrix.T @ columns).T", "(matrix.T @ columns).T")): "sends in all",
            swap(("columns @ mean(matrix.T @ columns).T", "columns @ mean(matrix.T @ columns).T * world")): "a sum in the place of a mean",
            swap(("    return columns @ mean(matrix.T @ columns).T", "    return mean(matrix)")): "nobody should have to send",
            swap(("    columns = torch.linalg.qr(mean(matrix @ guess))[0]\n    return columns @ mean(matrix.T @ columns).T", "    return mean(matrix @ guess) @ guess.T")): "the columns are those of matrix · guess",
            swap(("thin if least * thin < n * m else n * m", "thin")): "also where it saves too little",
            swap(("least * thin < n * m", "thin < n * m")): "leaving out `least`",
            swap(("min(n, m, rank)", "rank")): "larger than a side of the matrix",
            swap(("(n + m) * min", "n * min")): "one of the two thin matrices alone",
            swap(("4 * (thin", "(thin")): "numbers, not bytes",
            swap(("n, m = shape[0], math.prod(shape[1:])", "n, m = math.prod(shape[:-1]), shape[-1]")): "the last dimension as one side",
        },
        right=[OTHERWISE, swap(("(matrix.T @ columns).T", "(columns.T @ matrix)")), GRAM + "\n\n" + "\n\n".join([changed("q8").split("\n\n\n")[0], changed("q8").split("\n\n\n")[2]])],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 2, 12, 16)] == [3, 2, 3, 3]


COUNTED = """
import numpy as np


def environments(hosts, counts, port):
    made, world = [], sum(counts)
    for host in range(len(hosts)):
        for local in range(counts[host]):
            one = dict(RANK=f"{len(made)}", WORLD_SIZE=f"{world}", LOCAL_RANK=f"{local}", LOCAL_WORLD_SIZE=f"{counts[host]}")
            made.append({**one, "GROUP_RANK": f"{host}", "MASTER_ADDR": hosts[0], "MASTER_PORT": f"{port}", "OMP_NUM_THREADS": "1"})
    return tuple(made)


def place(environment, cards):
    names = {"RANK", "LOCAL_RANK", "WORLD_SIZE"} & set(environment)
    if len(names) in (1, 2):
        raise ValueError
    rank, world, local = (int(environment.get(name, other)) for name, other in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0)))
    if rank < 0 or rank >= world:
        raise ValueError(rank)
    device = "cpu"
    if cards:
        device = [f"cuda:{number}" for number in range(cards)][local] if local < cards else None
    if device is None:
        raise ValueError(local)
    return {"rank": np.int64(rank), "world": world, "device": device, "writes": np.bool_(rank == 0), "local": local}
"""


def test_launched():
    swap = partial(changed, "q9")
    result = judged_well(
        EXERCISE,
        "q9",
        before=given("imports"),
        wrong={
            swap(("{name: str(value) for name, value in numbers.items()}", "numbers")): "to be a text",
            swap(('"RANK": rank', '"RANK": local')): "RANK of item",
            swap(('"LOCAL_RANK": local,', '"LOCAL_RANK": rank,')): "LOCAL_RANK of item",
            swap(('"WORLD_SIZE": len(places)', '"WORLD_SIZE": len(hosts)')): "WORLD_SIZE of item",
            swap(('"LOCAL_WORLD_SIZE": counts[group]', '"LOCAL_WORLD_SIZE": counts[0]')): "LOCAL_WORLD_SIZE of item",
            swap(('"MASTER_ADDR": hosts[0]', '"MASTER_ADDR": hosts[group]')): "MASTER_ADDR of item",
            swap(('"GROUP_RANK": group, ', "")): "to have the key 'GROUP_RANK'",
            swap(("return found", "return found[:len(hosts)]")): "to hold",
            swap(('f"cuda:{local}"', 'f"cuda:{rank}"')): "that is RANK",
            swap((' if cards else "cpu"', "")): "'cpu'",
            swap(('"writes": rank == 0', '"writes": local == 0')): "'writes' of",
            swap(('"writes": rank == 0', '"writes": int(rank == 0)')): "True or False",
            swap(('"rank": rank, "world"', '"rank": environment.get("RANK", "0"), "world"')): "'rank' of",
            swap(("    if None in there and any(value is not None for value in there):\n        raise ValueError(\"some of RANK, LOCAL_RANK and WORLD_SIZE are missing\")\n", "")): "there is no WORLD_SIZE, so ValueError",
            swap(("any(value is not None for value in there)", "there[0] is not None")): "so ValueError",
            swap(("not 0 <= rank < world or ", "")): "no rank 4 is among 4 ranks",
            swap(("not 0 <= rank < world", "rank >= world")): "a rank is not below 0",
            swap((" or 0 < cards <= local", "")): "there is no third card",
            swap((" or 0 < cards <= local", " or cards <= local")): "ValueError",
            swap(("(0, 0, 1) if None in there else", "")): "TypeError",
        },
        right=[COUNTED, swap(("None in there else map(int, there)", "None in there else [int(value) for value in there]"), ("return found", "return list(found)"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 8, 13, 17)] == [2, 2, 2, 2]


PREDICTIONS = "def predictions(): return {name: name in ('order', 'padded', 'launch') for name in NAMES}"


def test_predict():
    judged_well(
        EXERCISE,
        "q10",
        before=f"NAMES = {list(many_processes.FOUND)}",
        wrong={
            "def predictions(): return {'order': True}": "to have the key",
            "def predictions(): return dict.fromkeys(NAMES, True)": "right predictions",
            "def predictions(): return dict.fromkeys(NAMES, False)": "right predictions",
            "def predictions(): return [True] * 6": "to be a dict",
            "def predictions(): return dict.fromkeys(NAMES, 1)": "True or False",
            PREDICTIONS.replace("'order', ", ""): "all six",
        },
        right=[
            PREDICTIONS,
            "import numpy as np\ndef predictions(): return {name: np.bool_(name in ('order', 'padded', 'launch')) for name in NAMES}",
            "predictions = lambda: dict(zip(NAMES, (True, False, True, False, False, True)))",
        ],
    )  # fmt: skip


def test_what_is_predicted_is_measured():
    cells = given("imports"), given("q10-buckets"), given("q10-measure"), given("q10-compare")
    measured = namespace("def predictions(): return {}", *cells)["measured"]
    assert measured == many_processes.FOUND


BY_HALVES = """
def tree_all_reduce(tensor, rank, world, send, receive):
    total = tensor * 1
    level = 1
    while level < world and rank % (2 * level) == 0:
        if rank + level < world:
            total += receive(rank + level)
        level *= 2
    if rank:
        send(total, rank - level)
        total = receive(rank - level)
    while level > 1:
        level //= 2
        if rank + level < world:
            send(total, rank + level)
    return total
"""
A_CHAIN = """
def tree_all_reduce(tensor, rank, world, send, receive):
    total = tensor if rank == world - 1 else tensor + receive(rank + 1)
    if rank:
        send(total, rank - 1)
        total = receive(rank - 1)
    if rank < world - 1:
        send(total, rank + 1)
    return total
"""
A_STAR = """
def tree_all_reduce(tensor, rank, world, send, receive):
    if rank:
        send(tensor, 0)
        return receive(0)
    total = tensor
    for other in range(1, world):
        total = total + receive(other)
    for other in range(1, world):
        send(total, other)
    return total
"""
A_BUTTERFLY = """
def tree_all_reduce(tensor, rank, world, send, receive):
    whole = 1 << (world.bit_length() - 1)
    total = tensor
    if rank >= whole:
        send(total, rank - whole)
        return receive(rank - whole)
    if rank + whole < world:
        total = total + receive(rank + whole)
    step = 1
    while step < whole:
        send(total, rank ^ step)
        total = total + receive(rank ^ step)
        step *= 2
    if rank + whole < world:
        send(total, rank + whole)
    return total
"""


def test_up_a_tree():
    swap = partial(changed, "q11")
    result = judged_well(
        EXERCISE,
        "q11",
        before=given("imports"),
        wrong={
            A_CHAIN: "the rounds of",
            A_STAR: "the rounds of",
            A_BUTTERFLY: "the messages of all",
            swap(("        total = receive(parent)\n", "        pass\n")): "own numbers alone",
            swap(("reversed(mine)", "mine")): "the rounds of",
            swap((" and rank + step < world", "")): "",
            swap(("    return total\n", "    return total / world\n")): "the mean, not the sum",
            swap(("total = total + receive", "total += receive")): "changed in place",
            swap(("send(total, parent)\n        total", "total")): "it comes no more",
            "def tree_all_reduce(tensor, rank, world, send, receive): return tensor": "own numbers alone",
            "def tree_all_reduce(tensor, rank, world, send, receive): return None": TREE,
        },
        right=[BY_HALVES, swap(("total = total + receive(rank + step)", "total = torch.stack([receive(rank + step), total]).sum(0)"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1, 2, 4)] == [2, 2, 2, 2]


TREE = "tree_all_reduce(…) on rank"
