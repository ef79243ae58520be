"""Every link of the built site holds, nothing is loaded from elsewhere; and the check of that sees planted faults."""

import pytest

from course_utils.site import links
from tests.site import built

ELSEWHERE = (
    "https://www.deepspeed.ai/docs/config-json/",
    "https://arxiv.org/abs/2101.06840",
    "https://arxiv.org/abs/2104.07857",
    "https://www.sphinx-doc.org/",
    "https://pradyunsg.me",
    "https://github.com/pradyunsg/furo",
    "https://arxiv.org/abs/1908.10693",
    "https://sre.google/workbook/implementing-slos/",
    "https://arxiv.org/abs/2001.08361",
    "https://arxiv.org/abs/2203.15556",
    "https://arxiv.org/abs/2404.10102",
    "https://smc.co/mlperfv40/results/llama2-70b-lora",
    "https://arxiv.org/abs/2010.11929",
    "https://arxiv.org/abs/2210.09461",
    "https://arxiv.org/abs/2304.08485",
    "https://arxiv.org/abs/2310.03744",
    "https://docs.pytorch.org/docs/2.13/torch.compiler_aot_inductor.html",
    "https://docs.vllm.ai/en/latest/features/lora.html",
    "https://docs.sglang.io/advanced_features/lora.html",
    "https://discuss.huggingface.co",
    "https://huggingface.co/docs/trackio",
    "https://docs.pytorch.org/docs/2.13/generated/torch.compile.html",
    "https://docs.pytorch.org/tutorials/recipes/regional_compilation.html",
    "https://docs.ray.io",
    "https://docs.ray.io/en/latest/ray-security/token-auth.html",
    "https://www.doit.com/blog/aws-ec2-pricing",
    "https://arxiv.org/abs/1712.00409",
    "https://arxiv.org/abs/1801.06146",
    "https://arxiv.org/abs/1907.04829",
    "https://arxiv.org/abs/1909.10351",
    "https://arxiv.org/abs/1910.01108",
    "https://arxiv.org/abs/1910.10683",
    "https://arxiv.org/abs/1911.03090",
    "https://arxiv.org/abs/2003.11539",
    "https://arxiv.org/abs/2004.10964",
    "https://arxiv.org/abs/2205.12393",
    "https://arxiv.org/abs/2305.11206",
    "https://arxiv.org/abs/2305.14314",
    "https://arxiv.org/abs/2404.14047",
    "https://arxiv.org/abs/2405.09673",
    "https://arxiv.org/abs/2405.14394",
    "https://github.com/google-research/text-to-text-transfer-transformer/issues/539",
    "https://github.com/huggingface/peft/blob/main/examples/conditional_generation/peft_lora_seq2seq.ipynb",
    "https://github.com/huggingface/peft/pull/3419",
    "https://github.com/huggingface/peft/pull/3725",
    "https://github.com/huggingface/peft/tree/main/method_comparison/MetaMathQA",
    "https://github.com/huggingface/transformers/issues/14189",
    "https://github.com/huggingface/transformers/issues/5651",
    "https://github.com/huggingface/transformers/pull/20683",
    "https://github.com/huggingface/transformers/tree/main/examples/pytorch/text-classification",
    "https://huggingface.co/distilbert/distilbert-base-uncased-finetuned-sst-2-english",
    "https://huggingface.co/docs/setfit",
    "https://huggingface.co/docs/transformers/model_doc/t5",
    "https://huggingface.co/docs/trl/main/en/lora_without_regret",
    "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
    "https://docs.nvidia.com/deeplearning/transformer-engine/user-guide/api/common.html",
    "https://docs.nvidia.com/deeplearning/transformer-engine/user-guide/examples/fp8_primer.html",
    "https://docs.pytorch.org/docs/stable/amp.html",
    "https://docs.pytorch.org/docs/stable/notes/amp_examples.html",
    "https://github.com/jax-ml/ml_dtypes/issues/400",
    "https://github.com/pytorch/pytorch/pull/178817",
    "https://alpha-one-index.github.io/ai-infra-index/specs/networking-interconnects.html",
    "https://arxiv.org/abs/1809.07599",
    "https://arxiv.org/abs/1905.13727",
    "https://developer.nvidia.com/blog/massively-scale-deep-learning-training-nccl-2-4/",
    "https://doi.org/10.1016/j.jpdc.2008.09.002",
    "https://github.com/NVIDIA/nccl-tests/blob/master/doc/PERFORMANCE.md",
    "https://github.com/NVIDIA/nccl/blob/v2.28.7-1/src/graph/tuning.cc",
    "https://github.com/huggingface/accelerate/blob/main/src/accelerate/commands/launch.py",
    "https://github.com/huggingface/accelerate/issues/2741",
    "https://github.com/huggingface/transformers/issues/47688",
    "https://github.com/pytorch/pytorch/issues/135712",
    "https://nvidia.com/de-de/technologies/hopper-architecture",
    "https://www.coursera.org/learn/generative-ai-with-llms",
)
ABOUT_NOTEBOOKS = (
    f"https://github.com/{built.ORIGIN.name}/",
    "https://colab.research.google.com/github/",
    "https://www.kaggle.com/kernels/welcome?src=",
)


def test_every_link_holds_and_nothing_is_loaded(site):
    assert len(site.pages) > 15
    assert site.problems() == []


def test_links_to_elsewhere_are_those_that_are_known(site):
    unknown = {
        address: where
        for address, where in site.external.items()
        if address not in ELSEWHERE and not address.startswith(ABOUT_NOTEBOOKS)
    }
    assert unknown == {}
    assert any(address.startswith(ABOUT_NOTEBOOKS[1]) for address in site.external)


@pytest.mark.slow
@pytest.mark.exhaustive
def test_every_link_of_the_whole_site_holds(whole_site):
    assert whole_site.problems() == []
    assert set(whole_site.external) <= set(ELSEWHERE)


@pytest.mark.parametrize(
    ("body", "trouble"),
    [
        ('<a href="b.html">b</a>', ""),
        ('<a href="b.html#there">b</a>', ""),
        ('<a href="#top"></a><p id="top">', ""),
        ('<a href="https://example.org/">x</a>', ""),
        ('<img src="data:image/png;base64,AAAA">', ""),
        ('<a href="gone.html">x</a>', "no such file"),
        ('<a href="b.html#gone">x</a>', "no such section"),
        ('<a href="#gone">x</a>', "no such section"),
        ('<a href="../outside.html">x</a>', "outside the site"),
        ('<img src="gone.png">', "no such file"),
        ('<img src="https://example.org/x.png">', "loads https://example.org/x.png"),
        ('<img srcset="b.html 1x, //example.org/y.png 2x">', "loads //example.org/y.png"),
        ('<script src="https://example.org/x.js"></script>', "loads https://example.org/x.js"),
        ('<link rel="stylesheet" href="https://example.org/x.css">', "loads https://example.org/x.css"),
        ('<p style="background: url(https://example.org/z.png)">', "loads https://example.org/z.png"),
        ("<style>@import 'https://example.org/x.css';</style>", "loads https://example.org/x.css"),
    ],
)
def test_a_planted_fault_is_seen(tmp_path, body, trouble):
    folder = tmp_path / "site"
    folder.mkdir()
    (tmp_path / "outside.html").touch()
    (folder / "a.html").write_text(f"<html><body>{body}</body></html>")
    (folder / "b.html").write_text('<html><body><p id="there"></p></body></html>')
    problems = links.look_at(folder).problems()
    assert len(problems) == bool(trouble)
    assert all(trouble in each and each.startswith("a.html") for each in problems)


def test_a_style_sheet_that_loads_is_seen(tmp_path):
    (tmp_path / "a.css").write_text("p { background: url('https://example.org/x.png') }")
    assert links.look_at(tmp_path).problems() == ["a.css loads https://example.org/x.png"]
