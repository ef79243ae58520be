"""Which device, which dtype and which back end of torch.distributed: asked once, in one place.

Sources: PyTorch's documentation of torch.accelerator, of torch.distributed's back ends, of CUDA's and MPS's
semantics and of HIP (ROCm); PyTorch/XLA's of bfloat16 and of the back end `xla`.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Choice:
    """device: for `.to()`. dtype: for `torch.autocast`; float32 means none. backend: of torch.distributed.

    scaler: float16 needs a `torch.amp.GradScaler`. kind: what the machine is, in words.
    """

    kind: str
    device: str
    dtype: torch.dtype
    backend: str
    scaler: bool = False


def choose() -> Choice:
    """What this machine computes with best. Asks PyTorch, and torch_xla where it is installed."""
    if importlib.util.find_spec("torch_xla"):
        return Choice("TPU (XLA)", "xla", torch.bfloat16, "xla")
    found = torch.accelerator.current_accelerator(check_available=True)
    if found is None:
        return Choice("CPU", "cpu", torch.float32, "gloo")
    return {"cuda": _cuda, "mps": _mps, "xpu": _xpu}.get(found.type, _unknown)(found)


def _cuda(found: torch.device) -> Choice:
    """NVIDIA, and AMD: ROCm's PyTorch answers to the name cuda, and its RCCL to the name nccl."""
    kind = "AMD GPU (ROCm)" if torch.version.hip else "NVIDIA GPU (CUDA)"
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return Choice(kind, "cuda", torch.bfloat16, "nccl")
    return Choice(kind, "cuda", torch.float16, "nccl", scaler=True)


def _mps(found: torch.device) -> Choice:
    """Apple: one GPU, no float64. gloo passes tensors that lie on the CPU."""
    return Choice("Apple GPU (MPS)", "mps", torch.float32, "gloo")


def _xpu(found: torch.device) -> Choice:
    """Intel: xccl is its back end, bfloat16 its number where the hardware has it."""
    if torch.xpu.is_bf16_supported(including_emulation=False):
        return Choice("Intel GPU (XPU)", "xpu", torch.bfloat16, "xccl")
    return Choice("Intel GPU (XPU)", "xpu", torch.float32, "xccl")


def _unknown(found: torch.device) -> Choice:
    """Hardware that this file does not know: full precision, and the back end that PyTorch has for it."""
    backend = torch.distributed.get_default_backend_for_device(found.type)
    return Choice(found.type, found.type, torch.float32, backend)
