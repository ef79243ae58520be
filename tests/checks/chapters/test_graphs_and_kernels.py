"""Every question of exercise 26: the solution, the stub, wrong answers with the message they get, other right ways."""

from functools import partial

from course_utils.checks.chapters import graphs_and_kernels
from course_utils.checks.testing import changed_answer, given_cells, judged_well

EXERCISE = "26_graphs_and_kernels"
given = partial(given_cells, EXERCISE)
changed = partial(changed_answer, EXERCISE)

UNTIL_NOTHING_CHANGES = """
def without_dead(module):
    changed = True
    while changed:
        changed = False
        for node in module.graph.nodes:
            keeps = node.op in {"placeholder", "output"} or str(node.target).rstrip("_") + "_" == str(node.target)
            if len(node.users) == 0 and not keeps:
                module.graph.erase_node(node)
                changed = True
                break
    return fx.GraphModule(module, module.graph)
"""


BY_NAME = """
def without_dead(module):
    for node in reversed(list(module.graph.nodes)):
        if not node.users and node.name.split("_")[0] in ("ceil", "floor", "add"):
            module.graph.erase_node(node)
    module.recompile()
    return module
"""


def test_dead_code():
    swap = partial(changed, "q1")
    result = judged_well(
        EXERCISE,
        "q1",
        before=given("imports"),
        wrong={
            swap(("reversed(list(module.graph.nodes))", "list(module.graph.nodes)")): "what is left",
            swap((" or in_place", "")): "to be right up to rounding",
            swap(('("placeholder", "output")', '("output",)')): "",
            swap(("    module.recompile()\n", "")): "is compiled anew",
            swap(("            module.graph.erase_node(node)\n", "            pass\n")): "what is left",
            "def without_dead(module):\n    module.graph.eliminate_dead_code()\n    module.recompile()\n    return module": "",
            BY_NAME: "what is left",
        },
        right=[UNTIL_NOTHING_CHANGES, swap(("    return module\n", ""))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1)] == [3, 3]


ALL_IN_ONE_CALL = """
def folded(module):
    new = fx.Graph()
    x = new.placeholder("x")
    root = nn.Module()
    root.whole = module
    new.output(new.call_module("whole", (x,)))
    return fx.GraphModule(root, new)
"""


def test_constants():
    swap = partial(changed, "q2")
    judged_well(
        EXERCISE,
        "q2",
        before=given("imports") + "\n\n" + given("q1-answer"),
        wrong={
            swap(("called(*arguments, **words)", "called(*arguments)")): "crashed",
            swap(('node.op in ("call_function", "call_method")', 'node.op == "call_function"')): "operations to be left",
            swap(("            node.replace_all_uses_with(kept)\n", "")): "operations to be left",
            swap(("            constant[kept] = constant[node]\n", "")): "",
            swap(("and all(each in constant", "and any(each in constant")): "",
            "def folded(module): return module": "operations to be left",
            ALL_IN_ONE_CALL: "operations to be left",
        },
        right=[swap(("module.register_buffer(", "setattr(module, "), (", constant[node])\n            with", ", nn.Parameter(constant[node], requires_grad=False))\n            with"))],
    )  # fmt: skip


BY_THE_LIBRARY = """
from torch.nn.utils.fusion import fuse_linear_bn_eval


def fused(module):
    for node in list(module.graph.nodes):
        if node.op != "call_module" or type(module.get_submodule(node.target)) is not nn.BatchNorm1d:
            continue
        (source,) = node.all_input_nodes
        norm = module.get_submodule(node.target)
        if source.op == "call_module" and len(source.users) == 1 and not norm.training:
            linear = module.get_submodule(source.target)
            if type(linear) is nn.Linear:
                name = node.target.replace(".", "_") + "_taken_in"
                module.add_module(name, fuse_linear_bn_eval(linear, norm))
                with module.graph.inserting_after(source):
                    new = module.graph.call_module(name, source.args)
                node.replace_all_uses_with(new)
                module.graph.erase_node(node)
                module.graph.erase_node(source)
    module.recompile()
"""


WRAPPED = """
class Other(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.norm = norm
    def forward(self, x):
        return self.norm(x)
def fused(module):
    for node in list(module.graph.nodes):
        if node.op == "call_module" and type(module.get_submodule(node.target)) is nn.BatchNorm1d:
            norm = module.get_submodule(node.target)
            (source,) = node.all_input_nodes
            if source.op == "call_module" and type(module.get_submodule(source.target)) is nn.Linear and len(source.users) == 1 and not norm.training:
                name = node.target + "_other"
                module.add_module(name, Other(norm))
                node.target = name
    module.recompile()
    return module
"""


def test_two_in_one():
    swap = partial(changed, "q3")
    result = judged_well(
        EXERCISE,
        "q3",
        before=given("imports"),
        wrong={
            swap((" or len(before.users) > 1", "")): "batch norms to be left",
            swap((" and not norm.training", "")): "batch norms to be left",
            swap((" + norm.eps", "")): "to be right up to rounding",
            swap(("(bias - norm.running_mean)", "bias")): "to be right up to rounding",
            swap(("* s.data[:, None]", "* s.data.mean()")): "to be right up to rounding",
            swap(("bias = 0 if linear.bias is None else linear.bias", "bias = linear.bias")): "TypeError",
            swap(("both = nn.Linear(linear.in_features, linear.out_features)", "both = linear")): "",
            "def fused(module): return module": "no batch norm to be left",
            WRAPPED: "no batch norm to be left",
        },
        right=[BY_THE_LIBRARY],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1)] == [3, 3]


PREDICTIONS = "def predictions(): return {name: name not in ('scripted', 'guarded') for name in NAMES}"


def test_predict():
    judged_well(
        EXERCISE,
        "q4",
        before=f"NAMES = {list(graphs_and_kernels.FOUND)}",
        wrong={
            "def predictions(): return {'loop': True}": "to have the key",
            "def predictions(): return dict.fromkeys(NAMES, True)": "right predictions",
            "def predictions(): return dict.fromkeys(NAMES, False)": "right predictions",
            "def predictions(): return dict.fromkeys(NAMES, 1)": "True or False",
            PREDICTIONS.replace("'scripted', ", ""): "all six",
        },
        right=[
            PREDICTIONS,
            "import numpy as np\ndef predictions(): return {name: np.bool_(name not in ('scripted', 'guarded')) for name in NAMES}",
        ],
    )  # fmt: skip


def test_what_is_predicted_is_measured(tmp_path):
    """From a file: TorchScript wants to read the source."""
    import importlib.util

    file = tmp_path / "measured.py"
    cells = [given(name) for name in ("imports", "q4-measure", "q4-compare")]
    file.write_text("\n\n".join([cells[0], "def predictions(): return {}", *cells[1:]]), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("measured", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.measured == graphs_and_kernels.FOUND


ASIDE = """
class Bounded(nn.Module):
    def __init__(self, most):
        super().__init__()
        self.most = most
    def forward(self, x):
        torch.cond(x.norm() > self.most, lambda x: x * 2, lambda x: x.clone(), (x,))
        return x * torch.clamp(self.most / x.norm().clamp(min=1e-12), max=1.0)
"""


def test_decision():
    swap = partial(changed, "q5")
    cond = "torch.cond(length > most, lambda x: x * (most / x.norm()), lambda x: x.clone(), (x,))"
    result = judged_well(
        EXERCISE,
        "q5",
        before=given("imports"),
        wrong={
            swap((cond, "x * (most / length) if length > most else x.clone()")): "to work",
            swap((cond, "x * torch.clamp(most / length.clamp(min=1e-12), max=1.0)")): "one node cond",
            swap(("length > most", "length < most")): "",
            ASIDE: "one node cond",
            swap(("lambda x: x.clone()", "lambda x: x * 0")): "of a vector that is short",
            swap(("x * (most / x.norm())", "x / x.norm()")): "of a vector that is long",
        },
        right=[
            swap((cond, "torch.cond((length - most) > 0, self.long, self.short, (x,))"), ("    def forward", "    def long(self, x):\n        return self.most * torch.nn.functional.normalize(x, dim=0)\n\n    def short(self, x):\n        return x + 0\n\n    def forward")),
        ],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1)] == [1, 2]


WITH_NUMPY = """
import numpy as np


class Kept:
    @staticmethod
    def keep(ctx, inputs, output):
        ctx.save_for_backward(inputs[0], output)
        ctx.factor = inputs[1]

    @staticmethod
    def back(ctx, gradient):
        x, _ = ctx.saved_tensors
        root = torch.sqrt(1 + ctx.factor * x * x)
        return gradient / (root * root * root), None


def by_numpy(x: torch.Tensor, a: float) -> torch.Tensor:
    values = x.detach().numpy()
    made = torch.empty_like(x)
    made.copy_(torch.from_numpy(np.divide(values, np.sqrt(1 + a * values * values))))
    return made


def squash_operator():
    made = torch.library.custom_op("answer::squash", by_numpy, mutates_args=())
    made.register_fake(lambda x, a: torch.empty_like(x))
    torch.library.register_autograd("answer::squash", Kept.back, setup_context=Kept.keep)
    return made
"""


def test_operator():
    swap = partial(changed, "q6")
    registered = "    squash.register_autograd(backward, setup_context=keep)\n"
    named = '    @torch.library.custom_op("answer::squash", mutates_args=())\n'
    result = judged_well(
        EXERCISE,
        "q6",
        before=given("imports"),
        wrong={
            swap(("return torch.empty_like(x)", "return x.new_empty(x.shape)")): "opcheck",
            swap(("return torch.empty_like(x)", "return torch.empty_like(x, dtype=torch.float32)")): "for fake tensors",
            swap(("** -1.5, None", "** -0.5, None")): "gradcheck to be content",
            swap(("gradient * (1 + ctx", "(1 + ctx")): "gradcheck to be content",
            swap((registered, "")): "gradcheck to be content",
            swap(("        return x / (1 + a * x**2).sqrt()", "        made = x / (1 + a * x**2).sqrt()\n        x.mul_(0)\n        return made")): "leave x as it is",
            swap((named, ""), ("    @squash.register_fake\n", ""), (registered, "")): "a custom operator",
        },
        right=[WITH_NUMPY],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 2)] == [4, 4]


def test_bytes():
    swap = partial(changed, "q7")
    judged_well(
        EXERCISE,
        "q7",
        before=given("imports"),
        wrong={
            swap(('[*each["reads"], each["writes"]]', 'each["reads"]')): "leaving out what is written",
            swap(('[*each["reads"], each["writes"]]', '[each["writes"]]')): "leaving out what is read",
            swap(('sum(sizes[name] for each in operations for name in [*each["reads"], each["writes"]])', 'sum(sizes[name] for name in {name for each in operations for name in each["reads"]}) + sum(sizes[each["writes"]] for each in operations)')): "each tensor read once",
            swap(("outside | set(needed)", 'outside | {operations[-1]["writes"]}')): "only the last result written",
            swap(("outside | set(needed)", "outside | made")): "all results written",
            swap(("outside | set(needed)", "set(needed)")): "leaving out what is read",
            swap(("sum(sizes[name] for name in outside | set(needed))", 'sum(sizes[name] for each in operations for name in each["reads"] if name not in made) + sum(sizes[name] for name in needed)')): "read anew by each operation",
        },
        right=[swap(("return sum(sizes[name] for name in outside", "return torch.tensor(0) + sum(sizes[name] for name in outside"))],
    )  # fmt: skip


ROW_BY_ROW = """
def loss_and_gradient(logits, labels):
    gradient, total, count = torch.zeros_like(logits), 0.0, int((labels >= 0).sum())
    for row, label in enumerate(labels.tolist()):
        if label >= 0:
            gradient[row] += logits[row]
            gradient[row] -= logits[row].max()
            own = gradient[row, label].item()
            gradient[row].exp_()
            total += gradient[row].sum().log().item() - own
            gradient[row] /= gradient[row].sum()
            gradient[row, label] -= 1
    return torch.tensor(total / count), gradient.div_(count)
"""
BY_AUTOGRAD = """
def loss_and_gradient(logits, labels):
    logits = logits.clone().requires_grad_()
    loss = nn.functional.cross_entropy(logits, labels)
    loss.backward()
    return loss.detach(), logits.grad
"""


TABLE_OF_NUMPY = """
import numpy as np
def loss_and_gradient(logits, labels):
    z, y = logits.detach().numpy().astype(np.float64), labels.numpy()
    counts = y >= 0
    z = z - z.max(1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(1, keepdims=True))
    table = np.zeros_like(logp)
    table[np.arange(len(y)), y.clip(0)] = 1.0
    loss = -(table * logp).sum(1)[counts].mean()
    gradient = (np.exp(logp) - table) * counts[:, None] / counts.sum()
    return float(loss), torch.from_numpy(gradient.astype(np.float32))
"""
IN_A_THREAD = """
import threading
def loss_and_gradient(logits, labels):
    out = []
    def work():
        z = logits.clone().requires_grad_()
        loss = nn.functional.cross_entropy(z, labels)
        loss.backward()
        out.extend([loss.item(), z.grad])
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return tuple(out)
"""


def test_no_table():
    swap = partial(changed, "q8")
    result = judged_well(
        EXERCISE,
        "q8",
        before=given("imports"),
        wrong={
            BY_AUTOGRAD: "1.3 times the logits",
            TABLE_OF_NUMPY: "NumPy's memory",
            TABLE_OF_NUMPY.replace("torch.from_numpy(", "torch.tensor("): "NumPy's memory",
            IN_A_THREAD: "another thread's",
            swap(("logits - logits.amax(1, keepdim=True)", "logits.clone()")): "that are finite",
            swap(("gradient = logits - logits.amax(1, keepdim=True)", "gradient = logits.sub_(logits.amax(1, keepdim=True))")): "the logits to stay as they are",
            swap((")[counts].mean()", ").mean()")): "the loss",
            swap(("gradient.mul_(counts[:, None] / counts.sum())", "gradient.div_(counts.sum())")): "the gradient for the logits",
            swap(("gradient.mul_(counts[:, None] / counts.sum())", "gradient.mul_(counts[:, None] / len(labels))")): "the gradient for the logits",
            swap(("    gradient.scatter_add_(1, places, -torch.ones_like(places, dtype=gradient.dtype))\n", "    gradient = gradient - nn.functional.one_hot(places[:, 0], logits.shape[1])\n")): "1.3 times the logits",
        },
        right=[ROW_BY_ROW],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1)] == [3, 3]


def test_other_sizes():
    swap = partial(changed, "q9")
    judged_well(
        EXERCISE,
        "q9",
        before=given("imports"),
        wrong={
            swap((', dynamic_shapes={"ids": {0: rows, 1: length}}', "")): "the program to take",
            swap(("{0: rows, 1: length}", "{0: rows}")): "the program to take",
            swap(("{0: rows, 1: length}", "{0: Dim.AUTO, 1: Dim.AUTO}")): "to refuse",
            swap(("model.eval()", "model")): "",
            "def exported(model, most_rows, most_length): return model.eval()": "an ExportedProgram",
        },
        right=[swap(('Dim("rows", min=1, max=most_rows)', 'Dim("r", max=most_rows)'), ('{"ids": {0: rows, 1: length}}', "({0: rows, 1: length},)"))],
    )  # fmt: skip
