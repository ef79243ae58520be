from transformers import GPT2Config

from tests.models.contract import ModelContract


class TestGPT2(ModelContract):
    name = "gpt2"
    hub_config = GPT2Config  # the library's defaults are gpt2
    buffers = 12 * 1024 * 1024 * 4 / 1e6  # the file stores an attention mask a layer, 4 bytes a position
