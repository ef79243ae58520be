"""Attacks on the model that the trusted side rebuilds: folders that are not what they say they are."""

from tests.attacks.attack import Attack, family
from tests.attacks.attacked import MODEL

# A table reads best with one attack after another.
# fmt: off
# A good model's folder, then one thing in it is changed.
FOLDER = MODEL.replace("make_net", "good_net") + """
import json, os, shutil, struct
def make_net():
    shutil.rmtree("model", ignore_errors=True)
    good_net().save_pretrained("model")
    poison("model")
    return "model"
def configure(folder, **changes):
    path = folder + "/config.json"
    with open(path) as file:
        config = json.load(file)
    with open(path, "w") as file:
        json.dump(config | changes, file)
def weights(folder):
    return folder + "/model.safetensors"
def poison(folder):
"""


KEPT = {"earns": ("q4",), "keeps": ("q2", "q3", "q4")}  # the model is right; what was put beside it has no effect


def poisoned(name, aim, body, says="", **more):
    lines = "\n".join("    " + line for line in body.strip().splitlines())
    return Attack(name, aim, {"q1": "def double(number):\n    return 0", "q4": FOLDER + lines}, says=says, **more)


ATTACKS = family(
    "model",
    [
        poisoned("remote-code", "a config that names code of its own", """
configure(folder, auto_map={"AutoModel": "modeling.Evil"}, architectures=["Evil"], trust_remote_code=True)
open(folder + "/modeling.py", "w").write("open(" + repr(THE_DROP + "/remote") + ", 'w')")
"""),
        poisoned("pickled-weights", "pickled weights in place of safetensors", """
import torch
class Evil:
    def __reduce__(self): return open, (THE_DROP + "/unpickled", "w")
os.remove(weights(folder))
torch.save({"a": Evil()}, folder + "/pytorch_model.bin")
"""),
        poisoned("no-weights", "a folder without weights", "os.remove(weights(folder))", "missing"),
        poisoned("any-class", "a config that names another of Transformers' classes", "configure(folder, architectures=['GenerationMixin'])"),
        poisoned("deep-config", "a config nested a hundred thousand deep", "open(folder + '/config.json', 'w').write('{\"a\":' * 100_000 + '1' + '}' * 100_000)"),
        poisoned("huge-config", "a config of 30 MB", "configure(folder, x='x' * 30_000_000)"),
        poisoned("huge-sizes", "a config of a model of petabytes", "configure(folder, n_embd=2 ** 22, vocab_size=2 ** 22)"),
        poisoned("many-layers", "a config of a million layers", "configure(folder, n_layer=10 ** 6)"),
        poisoned("quadratic-buffer", "a few positions more, and a mask of their square", """
from safetensors.torch import load_file, save_file
state = load_file(weights(folder))
import torch
state["transformer.wpe.weight"] = torch.zeros(300_000, 8)
save_file(state, weights(folder), metadata={"format": "pt"})
configure(folder, n_positions=300_000)
""", wild=True),
        poisoned("quantized", "a config that asks for quantization and other kernels", "configure(folder, quantization_config={'quant_method': 'gptq', 'bits': 4}, attn_implementation='flash_attention_2', _attn_implementation='kernels-community/evil')", **KEPT),
        poisoned("other-weights-file", "a config that names another file for the weights", "configure(folder, transformers_weights='../../../../etc/passwd', name_or_path='/etc', _name_or_path='/etc')", **KEPT),
        poisoned("header-lies", "a safetensors header that is longer than its file", """
data = open(weights(folder), "rb").read()
open(weights(folder), "wb").write(struct.pack("<Q", 2 ** 62) + data[8:])
"""),
        poisoned("header-overlaps", "tensors that overlap and reach beyond the file", """
header = json.dumps({"transformer.wte.weight": {"dtype": "F32", "shape": [12, 8], "data_offsets": [0, 2 ** 40]}}).encode()
open(weights(folder), "wb").write(struct.pack("<Q", len(header)) + header)
"""),
        poisoned("header-noise", "random bytes for weights", "open(weights(folder), 'wb').write(os.urandom(5000))"),
        poisoned("tensors-missing", "half of the tensors", """
from safetensors.torch import load_file, save_file
state = load_file(weights(folder))
save_file(dict(list(state.items())[::2]), weights(folder), metadata={"format": "pt"})
""", "do not fit"),
        poisoned("tensors-not-numbers", "weights that are all NaN", """
from safetensors.torch import load_file, save_file
import torch
state = {name: torch.full_like(value, float("nan")) for name, value in load_file(weights(folder)).items()}
save_file(state, weights(folder), metadata={"format": "pt"})
"""),
        poisoned("files-many", "a folder of a thousand files", "for number in range(1000):\n    open(f'{folder}/{number}.json', 'w').close()", "files"),
        poisoned("files-odd", "files that a model does not need", "open(folder + '/evil.py', 'w').close()", "does not need"),
        poisoned("files-linked", "links to the grader's files in a model's folder", "os.symlink(THE_HOME + '/.netrc', folder + '/vocab.txt')\nos.symlink(THE_SEED, folder + '/README.md')", **KEPT),
        poisoned("generation-bomb", "a generation config that asks for a million beams", "json.dump({'num_beams': 10 ** 6, 'num_return_sequences': 10 ** 6, 'max_length': 10 ** 9, 'do_sample': True}, open(folder + '/generation_config.json', 'w'))", wild=True, **KEPT),
        poisoned("generation-code", "a generation config that names code", "json.dump({'custom_generate': THE_DROP, 'cache_implementation': 'offloaded', 'compile_config': {'backend': 'evil'}}, open(folder + '/generation_config.json', 'w'))", **KEPT),
        poisoned("activation-code", "an activation that is a path to code", "configure(folder, activation_function='os.system')"),
        poisoned("other-family", "a model of another family, which loads a backbone by its path", "configure(folder, architectures=['DPTForDepthEstimation'], model_type='dpt', backbone=THE_DROP, use_pretrained_backbone=True)"),
        Attack("model-lying-class", "a class that says it is a Transformers model", {"q1": "", "q4": """
class Fake:
    __module__ = "transformers.models.gpt2.modeling_gpt2"
    def save_pretrained(self, folder, **k): open(folder + "/config.json", "w").write("{}")
    def state_dict(self): return {}
def make_net(): return Fake()
"""}),
        Attack("model-subclass", "a subclass whose save_pretrained writes elsewhere", {"q1": "", "q4": MODEL + """
from transformers import GPT2LMHeadModel
class Mine(GPT2LMHeadModel):
    def save_pretrained(self, folder, **k):
        open(THE_DROP + "/saved", "w").write("x")
good = make_net
def make_net():
    net = good()
    net.__class__ = Mine
    return net
"""}),
        poisoned("adapter-imports", "an adapter that names a module to import", """
configure(folder)
os.makedirs(folder + "/base")
shutil.move(folder + "/config.json", folder + "/base/config.json")
shutil.move(weights(folder), folder + "/base/model.safetensors")
os.path.exists(folder + "/generation_config.json") and os.remove(folder + "/generation_config.json")
from safetensors.torch import save_file
import torch
save_file({"base_model.model.transformer.h.0.attn.c_attn.lora_A.weight": torch.zeros(1, 8), "base_model.model.transformer.h.0.attn.c_attn.lora_B.weight": torch.zeros(24, 1)}, folder + "/adapter_model.safetensors")
json.dump({"peft_type": "LORA", "r": 1, "target_modules": "((.*)*)*x", "megatron_config": {"a": 1}, "megatron_core": "antigravity", "auto_mapping": {"base_model_class": "x", "parent_library": "os"}, "init_lora_weights": "pissa"}, open(folder + "/adapter_config.json", "w"))
""", **KEPT),
        Attack("model-honest", "an honest model beside a dishonest answer: it keeps its points", {"q1": "def double(number):\n    return 0", "q4": MODEL}, keeps=("q2", "q3", "q4")),
    ],
)  # fmt: skip
