"""The replies of the ferry desk, as chapter 12 uses them in its second lesson."""

import random

import pytest
import torch
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

from course_utils import catalog
from course_utils.training import preferences

PROMPTS = ["Ada asked for the towel. The clerk said:", "Go on:"]
REPLIES = [" We have no time for this.", " Of course."]


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(catalog.model_path("gpt2", "offline"))


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=1, n_head=2)).eval()


def test_a_pair_is_a_prompt_a_polite_and_a_rude_reply():
    for prompt, chosen, rejected in preferences.pairs(20, random.Random(0)):
        assert prompt.endswith("The clerk said:")
        assert chosen.strip() in preferences.POLITE and rejected.strip() in preferences.RUDE


def test_the_replys_tokens_count_and_padding_changes_nothing(model, tokenizer):
    with torch.no_grad():
        found, mask = preferences.token_log_probabilities(model, tokenizer, PROMPTS, REPLIES)
        for place, (prompt, reply) in enumerate(zip(PROMPTS, REPLIES, strict=True)):
            asked = tokenizer(prompt).input_ids
            said = [*tokenizer(reply).input_ids, tokenizer.eos_token_id]
            logs = model(input_ids=torch.tensor([asked + said])).logits[0].log_softmax(-1)
            alone = sum(logs[len(asked) - 1 + number, token] for number, token in enumerate(said))
            assert mask[place].sum() == len(said)
            assert found[place].sum().item() == pytest.approx(alone.item(), abs=1e-4)


def test_it_writes_a_reply_to_each_prompt(model, tokenizer):
    torch.manual_seed(0)
    replies = preferences.write(model, tokenizer, PROMPTS)
    assert len(replies) == 2 and all(reply.startswith(" ") for reply in replies)


def test_the_reference_learns_the_replies(tokenizer):
    generator = random.Random(0)
    rows = preferences.pairs(40, generator)
    folder = catalog.model_path("gpt2", "offline")
    before, after = (
        preferences.reference_model(folder, tokenizer, rows, generator, seed=0, steps=steps)
        for steps in (0, 4)
    )
    prompts, chosen, _ = zip(*rows[:8], strict=True)
    with torch.no_grad():
        first, last = (
            preferences.token_log_probabilities(model, tokenizer, prompts, chosen)[0].sum().item()
            for model in (before, after)
        )
    assert last > first and not after.training
