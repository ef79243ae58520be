"""Chapter 28's files: orders of a pipeline on a clock, saves that are whole or not there, and ZeRO by hand."""

import importlib
import math
import sys
from pathlib import Path

import pytest
import torch

from course_utils.training.ranks import on_ranks

FOLDER = "lessons/28_models_in_pieces"
FILES = ("blocks", "cuts", "resume", "saved", "stages", "zero", "zero_says")


@pytest.fixture
def file(root, monkeypatch):
    """A function that imports one of the chapter's files, as a notebook beside it does."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(root / FOLDER)
    yield importlib.import_module
    for name in FILES:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(("stages", "micro"), [(1, 3), (2, 1), (3, 3), (4, 8)])
@pytest.mark.parametrize("costs", [(1, 1), (1, 2), (3, 5)])
def test_both_orders_take_as_long_as_the_formula_says(file, stages, micro, costs):
    pipeline = file("stages")
    for order in (pipeline.gpipe, pipeline.one_forward_one_backward):
        lanes = pipeline.clock([order(stage, stages, micro) for stage in range(stages)], *costs)
        assert max(lane[-1][2] for lane in lanes) == (micro + stages - 1) * sum(costs)
        assert math.isclose(pipeline.idle(lanes), (stages - 1) / (micro + stages - 1), abs_tol=1e-12)


def test_one_forward_one_backward_holds_as_many_as_there_are_stages_from_there_on(file):
    pipeline = file("stages")
    assert [pipeline.held(pipeline.gpipe(stage, 4, 8)) for stage in range(4)] == [8] * 4
    ours = [pipeline.held(pipeline.one_forward_one_backward(stage, 4, 8)) for stage in range(4)]
    assert ours == [4, 3, 2, 1]


def test_stages_that_wait_for_each_other_are_an_error(file):
    orders = [[("F", 0), ("B", 0), ("F", 1), ("B", 1)], [("F", 1), ("B", 1), ("F", 0), ("B", 0)]]
    with pytest.raises(ValueError, match="wait for each other"):
        file("stages").clock(orders)


def test_the_newest_save_is_one_that_got_its_name(file, tmp_path):
    saved = file("saved")
    assert saved.newest(tmp_path) == 0
    for name in ("step-3", "step-12", "step-15.part"):
        (tmp_path / name).mkdir()
    assert saved.newest(tmp_path) == 12


@pytest.fixture
def config():
    return {
        "train_batch_size": "auto",
        "gradient_clipping": "auto",
        "optimizer": {"type": "AdamW", "params": {"lr": "auto"}},
        "zero_optimization": {"stage": 2, "reduce_bucket_size": "auto"},
    }


@pytest.fixture
def arguments(file, tmp_path):
    made = file("zero").Arguments(tmp_path, per_device_train_batch_size=3, use_cpu=True, report_to=[])
    made.ranks = 4
    return made


@pytest.fixture
def model():
    from transformers import BertConfig

    return BertConfig(hidden_size=8)


def test_a_config_is_filled_from_the_arguments_and_the_model(file, config, arguments, model):
    found = file("zero").filled(config, arguments, model, steps=10)
    assert found["train_batch_size"] == 12
    assert found["gradient_clipping"] == arguments.max_grad_norm
    assert found["optimizer"]["params"]["lr"] == arguments.learning_rate
    assert found["zero_optimization"] == {"stage": 2, "reduce_bucket_size": 64}
    assert config["train_batch_size"] == "auto"


def test_a_config_that_disagrees_is_refused_with_each_place(file, config, arguments, model):
    wrong = config | {"train_batch_size": 13, "gradient_clipping": 0.5}
    with pytest.raises(ValueError, match=r"train_batch_size=13(.|\n)*gradient_clipping=0.5"):
        file("zero").filled(wrong, arguments, model, steps=10)


def test_what_deepspeed_says_of_a_config_is_one_line(file, monkeypatch):
    from types import SimpleNamespace

    def initialize(model, config):
        if "train_batch_size" in config:
            raise AssertionError("not\n  equal")
        stage, clip = config["zero_optimization"].get("stage", 0), config.get("gradient_clipping", 1.0)
        return SimpleNamespace(zero_optimization_stage=lambda: stage, gradient_clipping=lambda: clip), None

    monkeypatch.setitem(sys.modules, "deepspeed", SimpleNamespace(initialize=initialize))
    says = file("zero_says")
    answers = {name: says.answer(changes) for name, changes in says.CASES.items()}
    assert answers["nothing wrong"] == "taken: stage 2, clips at 0.5"
    assert answers["a batch of 33 = 16 x 2"] == "AssertionError: not equal"
    assert answers["state offloaded, no stage"] == "taken: stage 0, clips at 0.5"
    assert answers["clipping misspelled"] == "taken: stage 2, clips at 1.0"


def beside(folder, *names):
    """The chapter's files, on a rank."""
    sys.path.insert(0, folder)
    return [importlib.import_module(name) for name in names]


def steps_by_hand_and_by_ddp(folder, clip):
    """How far the weights of both are from each other and from their beginning, and the states that are kept."""
    import torch.distributed as dist

    blocks, zero = beside(folder, "blocks", "zero")

    begun = blocks.make()
    ours, theirs = blocks.make(), torch.nn.parallel.DistributedDataParallel(blocks.make())
    by_hand = zero.Stage2(ours, clip, lr=1e-3)
    plain = torch.optim.AdamW(theirs.parameters(), lr=1e-3)
    for step in range(3):
        x, y = (each[dist.get_rank() :: dist.get_world_size()] for each in blocks.batch(step))
        for model, optimizer in ((ours, by_hand), (theirs, plain)):
            model.zero_grad()
            (model(x) - y).square().mean().backward()
            if clip and optimizer is plain:
                torch.nn.utils.clip_grad_norm_(theirs.parameters(), clip)
            optimizer.step()

    def apart(one, other):
        return max(
            (a - b).abs().max().item() for a, b in zip(one.parameters(), other.parameters(), strict=True)
        )

    kept = sum(each.numel() for state in by_hand.optimizer.state.values() for each in state.values())
    return apart(ours, theirs), apart(ours, begun), kept, sum(w.numel() for w in ours.parameters())


@pytest.mark.slow
def test_stage_2_by_hand_is_ddp_with_and_without_clipping(root):
    for clip, world in ((0.0, 2), (0.5, 3)):
        for apart, moved, kept, count in on_ranks(
            steps_by_hand_and_by_ddp, str(root / FOLDER), clip, world=world
        ):
            assert apart < 1e-5 < moved
            assert kept <= 2 * -(-count // world) + 1


def cut_and_whole(folder):
    """A block cut over the ranks against the whole one: how far output and the gradient of x are apart."""
    blocks, cuts = beside(folder, "blocks", "cuts")
    whole = blocks.make()[0]
    part = cuts.CutBlock(whole)
    x, y = blocks.batch(0)
    found = []
    for block in (whole, part):
        given = x.clone().requires_grad_()
        output = block(given)
        (output - y).square().mean().backward()
        found.append((output.detach(), given.grad))
    return [(one - other).abs().max().item() for one, other in zip(*found, strict=True)]


@pytest.mark.slow
def test_a_block_that_is_cut_is_the_whole_one(root):
    for world in (2, 3):
        assert all(
            each < 1e-5 for rank in on_ranks(cut_and_whole, str(root / FOLDER), world=world) for each in rank
        )


def losses_from(folder, where, first, last, save_at):
    """The losses of some steps, from the newest save on; a save after one of them."""
    (saved,) = beside(folder, "saved")
    model, optimizer = saved.start()
    begun = saved.newest(Path(where))
    if begun:
        saved.load(Path(where), begun, model, optimizer)
    assert begun == first
    losses = []
    for step in range(begun, last):
        losses.append(saved.train(model, optimizer, step).item())
        if step + 1 == save_at:
            saved.save(Path(where), save_at, model, optimizer)
    return losses


@pytest.mark.slow
def test_a_save_of_two_ranks_goes_on_with_another_number(root, tmp_path):
    folder = str(root / FOLDER)
    whole = on_ranks(losses_from, folder, str(tmp_path / "none"), 0, 4, 0)[0]
    (tmp_path / "some").mkdir()
    on_ranks(losses_from, folder, str(tmp_path / "some"), 0, 2, 2)
    for world in (1, 4):  # as many rows for each: a mean of means is the mean then
        rest = on_ranks(losses_from, folder, str(tmp_path / "some"), 2, 4, 0, world=world)[0]
        assert rest == pytest.approx(whole[2:], abs=1e-5)
