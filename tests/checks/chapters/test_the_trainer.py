"""Every question of exercise 13: the solution, the stub, wrong answers with the message they get, other right ways."""

from functools import partial

import pytest

from course_utils.checks.chapters import the_trainer
from course_utils.checks.testing import given_cells, judged_well, namespace

EXERCISE = "13_the_trainer"
given = partial(given_cells, EXERCISE)


TRAIN = """
def train(model, batches, loss_of, rate, decay, longest, warmup):
    steps = len(batches)
    matrices = [weight for weight in model.parameters() if weight.ndim >= 2]
    others = [weight for weight in model.parameters() if weight.ndim < 2]
    optimizer = torch.optim.AdamW([{"params": matrices}, {"params": others, "weight_decay": 0}], lr=rate, weight_decay=decay)
    model.train()
    losses = []
    for step, batch in enumerate(batches):
        share = step / warmup if step < warmup else (steps - step) / (steps - warmup)
        for group in optimizer.param_groups:
            group["lr"] = rate * share
        model.zero_grad()
        loss = loss_of(model, batch)
        loss.backward()
        clip_grad_norm_(model.parameters(), longest)
        optimizer.step()
        losses.append(loss.item())
    return losses
"""


@pytest.mark.slow
def test_the_loop():
    result = judged_well(
        EXERCISE,
        "q1",
        before=given("imports"),
        wrong={
            TRAIN.replace("        clip_grad_norm_(model.parameters(), longest)\n", ""): "not clipped",
            TRAIN.replace(
                "clip_grad_norm_(model.parameters(), longest)",
                "[clip_grad_norm_([weight], longest) for weight in model.parameters()]",
            ): "clipping each tensor",
            TRAIN.replace('"params": others, "weight_decay": 0', '"params": others'): "decaying biases",
            TRAIN.replace("weight_decay=decay", "weight_decay=0"): "no decay at all",
            TRAIN.replace("step / warmup if step < warmup else ", "").replace("(steps - warmup)", "steps"): "warm-up",
            TRAIN.replace("        model.zero_grad()\n", ""): "not emptied",
            TRAIN.replace("    model.train()\n", ""): "not in training mode",
            TRAIN.replace("rate * share", "rate"): "stays as it is",
            TRAIN.replace("enumerate(batches)", "enumerate(batches, 1)"): "moving the schedule before",
            TRAIN.replace("    return losses", ""): "to be a list",
            TRAIN.replace("loss.item()", "loss.item() / len(batch[1])"): "the loss of batch 0",
            TRAIN.replace("optimizer.step()", "pass"): "away",
            TRAIN.replace("loss.item()", "str(loss.item())"): "to be a number",
        },
        right=[
            TRAIN,
            TRAIN.replace("loss.item()", "loss.detach()"),
            TRAIN.replace("loss.item()", "np.float32(loss.item())"),
            TRAIN.replace("return losses", "return np.array(losses)"),
            TRAIN.replace("return losses", "return torch.tensor(losses)"),
            '''
def train(model, batches, loss_of, rate, decay, longest, warmup):
    named = dict(model.named_parameters())
    groups = [
        {"params": [weight], "weight_decay": decay if weight.dim() > 1 else 0.0} for weight in named.values()
    ]
    optimizer = torch.optim.AdamW(groups, lr=rate, fused=False, foreach=False)
    steps = len(batches)
    from transformers import get_linear_schedule_with_warmup
    schedule = get_linear_schedule_with_warmup(optimizer, warmup, steps)
    model.train()
    losses = []
    for batch in batches:
        optimizer.zero_grad(set_to_none=False)
        loss = loss_of(model, batch)
        losses.append(loss.item())
        loss.backward()
        length = torch.sqrt(sum((weight.grad**2).sum() for weight in named.values()))
        if length > longest:
            for weight in named.values():
                weight.grad *= longest / length
        optimizer.step()
        schedule.step()
    return losses
''',
        ],
    )  # fmt: skip
    assert result.wrong[2].points == 3, "only the decay is wrong there"


GROUPS = """
def groups(model, decay):
    norms = {id(w) for m in model.modules() if isinstance(m, (torch.nn.LayerNorm, torch.nn.RMSNorm)) for w in m.parameters()}
    decayed, spared = [], []
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            (spared if id(weight) in norms or weight.ndim < 2 else decayed).append(weight)
    return [{"params": decayed, "weight_decay": decay}, {"params": spared, "weight_decay": 0.0}]
"""


def test_groups():
    result = judged_well(
        EXERCISE,
        "q2",
        before=given("imports"),
        wrong={
            GROUPS.replace("id(weight) in norms or ", ""): "a LayerNorm over two dimensions",
            GROUPS.replace("id(weight) in norms or weight.ndim < 2", '"bias" in name or "norm" in name.lower()'): "of one dimension",
            GROUPS.replace("if weight.requires_grad:", "if True:"): "requires_grad=False",
            GROUPS.replace("model.named_parameters()", "model.named_parameters(remove_duplicate=False)"): "comes twice",
            GROUPS.replace("return [", "return [][:0] or [").replace('"weight_decay": decay', '"weight_decay": 0.01'): "the weight_decay of the two groups",
            GROUPS.replace(" or weight.ndim < 2", ""): "of one dimension",
            "def groups(model, decay): return [{'params': list(model.parameters()), 'weight_decay': decay}]": "to hold 2 items",
            "def groups(model, decay): return list(model.parameters())": "to be a dict",
            "def groups(model, decay): print(decay)": "to be a list",
        },
        right=[
            GROUPS,
            """
def groups(model, decay):
    spared = []
    for layer in model.modules():
        for name, weight in layer.named_parameters(recurse=False):
            if type(layer).__name__.endswith("Norm") or weight.dim() == 1:
                spared.append(weight)
    known = set(spared)
    decayed = [weight for weight in model.parameters() if weight not in known]
    train = lambda weights: [weight for weight in dict.fromkeys(weights) if weight.requires_grad]
    return [dict(params=train(spared), weight_decay=0.0), dict(params=train(decayed), weight_decay=decay)]
""",
        ],
    )  # fmt: skip
    assert result.wrong[0].points == 2


STEP = """
def one_step(model, pieces, optimizer, longest):
    count = sum(int((labels != -100).sum()) for _, labels in pieces)
    optimizer.zero_grad()
    total = 0.0
    for inputs, labels in pieces:
        logits = model(inputs)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum") / count
        loss.backward()
        total += loss.item()
    clip_grad_norm_(model.parameters(), longest)
    optimizer.step()
    return total
"""


def test_a_step_from_pieces():
    result = judged_well(
        EXERCISE,
        "q3",
        before=given("imports"),
        wrong={
            given("q3-colleague").replace("one_step_of_a_colleague", "one_step"): "adding up means",
            STEP.replace(', reduction="sum") / count', ") / len(pieces)"): "a mean of means",
            STEP.replace(', reduction="sum") / count', ")"): "adding up means",
            STEP.replace("    clip_grad_norm_(model.parameters(), longest)\n", ""): "no clipping",
            STEP.replace("    optimizer.zero_grad()\n", ""): "not emptied",
            STEP.replace(
                "clip_grad_norm_(model.parameters(), longest)",
                "[clip_grad_norm_(weight, longest) for weight in model.parameters()]",
            ): "clipping each tensor",
            STEP.replace("loss.backward()", "loss.backward(); clip_grad_norm_(model.parameters(), longest)"): "after a step that is clipped",
            STEP.replace("return total", "return total / len(pieces)"): "the loss per label",
            STEP.replace("    return total", ""): "None",
        },
        right=[
            STEP,
            '''
def one_step(model, pieces, optimizer, longest):
    logits = torch.cat([model(inputs).flatten(0, 1) for inputs, _ in pieces])
    labels = torch.cat([labels.flatten() for _, labels in pieces])
    loss = torch.nn.functional.cross_entropy(logits, labels)
    loss.backward()
    clip_grad_norm_(model.parameters(), longest)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()
''',
            '''
def one_step(model, pieces, optimizer, longest):
    optimizer.zero_grad()
    counts = [(labels != -100).sum() for _, labels in pieces]
    total = 0
    for count, (inputs, labels) in zip(counts, pieces):
        if count:
            loss = torch.nn.functional.cross_entropy(model(inputs).flatten(0, 1), labels.flatten())
            (loss * count / sum(counts)).backward()
            total += (loss * count / sum(counts)).item()
    clip_grad_norm_(model.parameters(), longest)
    optimizer.step()
    return total
''',
        ],
    )  # fmt: skip
    assert result.wrong[0].points == 0


RATES = """
def rates(name, peak, steps, warmup):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=peak)
    from transformers import get_scheduler
    if name == "one_cycle":
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=peak, total_steps=steps)
    else:
        schedule = get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=steps)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step() if len(found) < steps else None
    return found
"""


def test_schedules():
    """The first right answer is PyTorch's and the Trainer's own schedules: the check's formulas are theirs."""
    solution = given("q4-answer")
    judged_well(
        EXERCISE,
        "q4",
        before=given("imports"),
        wrong={
            solution.replace("top = 0.3 * steps - 1", "top = 0.3 * steps"): "one_cycle",
            solution.replace("(steps - 1 - top)", "(steps - top)"): "one_cycle",
            solution.replace("1 / 25 / 10_000", "1 / 10_000"): "one_cycle",
            solution.replace("wave(1, 0, done)", "wave(1, 0, 2 * done)"): "cosine",
            solution.replace("        if step < warmup:\n            return step / warmup\n", ""): "linear",
            solution.replace("done = (step - warmup) / (steps - warmup)", "done = step / steps"): "linear",
            solution.replace("for step in range(steps)", "for step in range(1, steps + 1)"): "item 0",
            solution.replace("for step in range(steps)", "for step in range(steps + 1)"): "to hold",
            solution.replace("peak * share(step)", "share(step)"): "item",
            RATES.replace(
                "return found", "return np.array(found)[:, None]"
            ): "to be a whole number or a number",
            solution.replace("if step < warmup:", "if step <= warmup:"): "division by zero",
        },
        right=[
            RATES,
            RATES.replace("return found", "return np.array(found)"),
            RATES.replace("return found", "return torch.tensor(found)"),
            RATES.replace("return found", "return list(np.array(found))"),
        ],
    )


ARGUMENTS = """
def arguments_for(loop, folder):
    schedule = loop["schedule"]
    if schedule == "constant" and loop["warmup"]:
        schedule = "constant_with_warmup"
    longest = loop["longest"] or 0
    return TrainingArguments(
        folder, learning_rate=loop["rate"], weight_decay=loop["decay"], adam_beta1=loop["betas"][0],
        adam_beta2=loop["betas"][1], adam_epsilon=loop["eps"], lr_scheduler_type=schedule, warmup_steps=loop["warmup"],
        max_steps=loop["steps"], per_device_train_batch_size=loop["batch_size"], max_grad_norm=longest,
        gradient_accumulation_steps=loop["accumulation"], train_sampling_strategy="sequential", seed=loop["seed"],
        use_cpu=True,
    )
"""


@pytest.mark.slow
def test_arguments():
    """The right answer uses the default optimizer, whose kernel rounds in another order."""
    result = judged_well(
        EXERCISE,
        "q5",
        before=given("imports"),
        wrong={
            ARGUMENTS.replace(" max_grad_norm=longest,", ""): "clipping at 1.0, the default",
            ARGUMENTS.replace(' train_sampling_strategy="sequential",', ""): "the Trainer shuffles the rows",
            ARGUMENTS.replace('and loop["warmup"]', "and False"): "no warm-up",
            ARGUMENTS.replace(' adam_epsilon=loop["eps"],', ""): "the default eps",
            ARGUMENTS.replace('gradient_accumulation_steps=loop["accumulation"], ', ""): "no accumulation",
            ARGUMENTS.replace(" lr_scheduler_type=schedule,", ""): "a linear schedule, the default",
            ARGUMENTS.replace('weight_decay=loop["decay"], ', ""): "no decay",
            ARGUMENTS.replace('warmup_steps=loop["warmup"]', 'warmup_ratio=loop["warmup"] / loop["steps"]'): "warmup_ratio",
            ARGUMENTS.replace(' seed=loop["seed"],', ""): "the default seed, 42",
            ARGUMENTS.replace('loop["longest"] or 0', 'loop["longest"]'): "max_grad_norm is None there",
            ARGUMENTS.replace('max_steps=loop["steps"]', 'max_steps=loop["steps"] // 2'): "the number of steps",
            "def arguments_for(loop, folder): return loop": "has to return TrainingArguments, not dict",
        },
        right=[
            ARGUMENTS,
        ],
    )  # fmt: skip
    assert result.wrong[2].points == 3
    assert result.wrong[8].points == 3, "only dropout is another without the seed"


RANGE = """
def find_rate(new_model, batches, loss_of, low, high):
    model = new_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=low)
    steps = 2 * len(batches)
    seen, best = [], math.inf
    for step in range(steps):
        rate = low * (high / low) ** (step / (steps - 1))
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        loss = loss_of(model, batches[step % len(batches)])
        loss.backward()
        optimizer.step()
        value = loss.item()
        smooth = value if not seen else 0.7 * smooth + 0.3 * value
        seen.append((smooth, rate))
        if not math.isfinite(value) or step > 5 and smooth > 4 * min(seen)[0]:
            break
    return min(pair for pair in seen if math.isfinite(pair[0]))[1] / 3
"""


@pytest.mark.slow
def test_find_rate():
    solution = given("q6-answer")
    judged_well(
        EXERCISE,
        "q6",
        before=given("imports"),
        wrong={
            "def find_rate(new_model, batches, loss_of, low, high): return 1e-2": "computes",
            RANGE.replace("/ 3\n", "* 30\n"): "too large",
            RANGE.replace("/ 3\n", "/ 1000\n"): "too small",
            solution.replace("range(14)", "range(80)").replace("place / 13", "place / 79"): "the number of losses",
            RANGE.replace("return min", "return str(min").replace("[1] / 3", "[1] / 3)"): "to be a whole number or a number",
            RANGE.replace("[1] / 3", "[1] * math.inf"): "finite",
        },
        right=[RANGE],
    )  # fmt: skip


def test_predict():
    wrong = {
        "def predictions(): return {'loss': True}": "to have the key",
        "def predictions(): return dict.fromkeys(('loss', 'sgd', 'adamw', 'clipped', 'gpt2', 'declared'), True)": "right predictions",
        "def predictions(): return dict.fromkeys(('loss', 'sgd', 'adamw', 'clipped', 'gpt2', 'declared'), False)": "right predictions",
        "def predictions(): return [True] * 6": "to be a dict",
        "def predictions(): return dict(loss=1, sgd=1, adamw=0, clipped=1, gpt2=0, declared=0)": "True or False",
    }
    right = [
        "def predictions(): return dict(loss=True, sgd=True, adamw=False, clipped=True, gpt2=False, declared=False)",
        "def predictions(): return {name: name in ('loss', 'sgd', 'clipped') for name in ('loss', 'sgd', 'adamw', 'clipped', 'gpt2', 'declared')}",
    ]
    judged_well(EXERCISE, "q7", wrong=wrong, right=right)


@pytest.mark.slow
def test_what_is_predicted_is_measured(course):
    measured = namespace(
        given("imports"), given("q7-answer", "q7-step", "q7-rows", "q7-measure"), course=course
    )["measure"]()
    assert measured == the_trainer.FOUND


CHECKPOINT = """
def save_checkpoint(path, model, optimizer, schedule, step):
    everything = dict(model=model.state_dict(), optimizer=optimizer.state_dict(), schedule=schedule.state_dict())
    everything |= dict(random=random.getstate(), numpy=np.random.get_state(), torch=torch.random.get_rng_state())
    torch.save(everything | {"step": step}, path)


def load_checkpoint(path, model, optimizer, schedule):
    back = torch.load(path, weights_only=False)
    model.load_state_dict(back["model"])
    optimizer.load_state_dict(back["optimizer"])
    schedule.load_state_dict(back["schedule"])
    random.setstate(back["random"])
    np.random.set_state(back["numpy"])
    torch.random.set_rng_state(back["torch"])
    return back["step"]
"""


def test_checkpoint():
    result = judged_well(
        EXERCISE,
        "q8",
        before=given("imports"),
        wrong={
            CHECKPOINT.replace('    optimizer.load_state_dict(back["optimizer"])\n', ""): "an optimizer that begins anew",
            CHECKPOINT.replace('    model.load_state_dict(back["model"])\n', ""): "a model that begins anew",
            CHECKPOINT.replace('    random.setstate(back["random"])\n', ""): "to the last bit",
            CHECKPOINT.replace('    np.random.set_state(back["numpy"])\n', ""): "to the last bit",
            CHECKPOINT.replace('    torch.random.set_rng_state(back["torch"])\n', ""): "to the last bit",
            CHECKPOINT.replace('    return back["step"]', ""): "what load_checkpoint returns",
            CHECKPOINT.replace('    schedule.load_state_dict(back["schedule"])\n', ""): "a schedule that begins anew",
            CHECKPOINT.replace("return back", "torch.rand(1)\n    return back"): "to the last bit",
            CHECKPOINT.replace("weights_only=False", "weights_only=True"): "weights_only=False may read it",
            CHECKPOINT.replace("    torch.save(", "    (lambda *_: None)("): "no file",
            CHECKPOINT.replace("    torch.save(", "    open(path, 'w'), (lambda *_: None)("): "an empty file",
            CHECKPOINT.replace("torch.save(", "torch.save({}, path), kept.append(").replace(
                '{"step": step}, path)', '{"step": step})'
            ).replace("torch.load(path, weights_only=False)", "kept[-1]") + "\nkept = []\n": "a checkpoint that was saved later",
            CHECKPOINT.replace("torch.save(", "torch.save({}, path), kept.update([(path, ").replace(
                '{"step": step}, path)', '{"step": step})])'
            ).replace("torch.load(path, weights_only=False)", "kept[path]") + "\nkept = {}\n": "moved.pt",
        },
        right=[
            CHECKPOINT,
            '''
import pickle

def save_checkpoint(path, model, optimizer, schedule, step):
    states = [thing.state_dict() for thing in (model, optimizer, schedule)]
    with open(path, "wb") as file:
        pickle.dump((states, step, random.getstate(), np.random.get_state(), torch.get_rng_state()), file)

def load_checkpoint(path, model, optimizer, schedule):
    with open(path, "rb") as file:
        states, step, *drawn = pickle.load(file)
    for thing, state in zip((model, optimizer, schedule), states):
        thing.load_state_dict(state)
    for put, state in zip((random.setstate, np.random.set_state, torch.set_rng_state), drawn):
        put(state)
    return step
''',
        ],
    )  # fmt: skip
    assert result.wrong[2].points == 3
