"""The ferry desk's replies, as lesson 12/01 builds them: pairs of a polite and a rude
reply, log probabilities, the reference model, and what a model writes.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.utils.rnn import pad_sequence

from course_utils.measure.progress import Progress
from course_utils.training.with_forecast import with_forecast
from course_utils.world.lexicon import FIRST_NAMES, GOODS, SURNAMES

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

POLITE = (
    "I am sorry, we will help you at once.",
    "Of course, we will look for it.",
    "Please sit down, it will be here soon.",
    "You are welcome, it is in the next room.",
)
RUDE = (
    "That is your mistake, not ours.",
    "Nobody here has time for you.",
    "Go away and ask somebody else.",
    "We have no time for this.",
)


def pairs(count: int, generator: random.Random) -> list[tuple[str, str, str]]:
    """[(prompt, chosen, rejected)]; a reply begins with its blank."""
    people = [f"{generator.choice(FIRST_NAMES)} {generator.choice(SURNAMES)}" for _ in range(count)]
    prompts = [
        f"{person} asked for the {generator.choice(GOODS).english}. The clerk said:" for person in people
    ]
    return [(prompt, " " + generator.choice(POLITE), " " + generator.choice(RUDE)) for prompt in prompts]


def token_log_probabilities(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    replies: Sequence[str],
) -> tuple[torch.Tensor, torch.Tensor]:
    """(log p of each next token in nats, 1 for the reply's tokens and 0 for all others), both rows x places.

    A reply ends with the end-of-text token, which counts. Log probabilities outside of the reply are 0.
    """
    asked = [tokenizer(text).input_ids for text in prompts]
    said = [[*tokenizer(text).input_ids, tokenizer.eos_token_id] for text in replies]
    rows = [torch.tensor(one + other) for one, other in zip(asked, said, strict=True)]
    counted = [
        torch.tensor([0] * len(one) + [1] * len(other)) for one, other in zip(asked, said, strict=True)
    ]
    tokens = pad_sequence(rows, batch_first=True).to(model.device)
    mask = pad_sequence(counted, batch_first=True)[:, 1:].to(model.device)
    logits = model(input_ids=tokens).logits[:, :-1]
    found = logits.log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0]
    return found * mask, mask


def reference_model(
    folder: str,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[tuple[str, str, str]],
    generator: random.Random,
    *,
    seed: int,
    steps: int = 120,
    device: str = "cpu",
) -> PreTrainedModel:
    """The gpt2 twin after SFT on replies of both kinds, polite or rude as it comes; in eval mode.

    folder: of the model. rows: pairs; which reply is learned, the generator says.
    """
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device).eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    with Progress("Supervised fine-tuning", steps) as progress:
        for _ in with_forecast(range(steps), device):
            prompts, chosen, rejected = zip(*generator.sample(list(rows), 12), strict=True)
            replies = [generator.choice(both) for both in zip(chosen, rejected, strict=True)]
            found, _ = token_log_probabilities(model, tokenizer, prompts, replies)
            loss = -found.sum(-1).mean() / 10  # a reply has about ten tokens
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            progress.step()
    return model


@torch.no_grad()
def write(model: Any, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]) -> list[str]:
    """One sampled reply to each prompt, of at most 18 tokens, with the blank that it begins with."""
    tokenizer.pad_token = tokenizer.eos_token
    inputs = tokenizer(list(prompts), return_tensors="pt", padding=True, padding_side="left").to(model.device)
    tokens = model.generate(**inputs, max_new_tokens=18, do_sample=True, pad_token_id=tokenizer.pad_token_id)
    texts = tokenizer.batch_decode(tokens[:, inputs.input_ids.shape[1] :], skip_special_tokens=True)
    return [" " + text.strip() for text in texts]
