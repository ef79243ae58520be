"""A device that is none: PyTorch's rules for an accelerator, on a machine without one.

After `begin()` there is a device "guarded". Its tensors say that they lie there; each keeps its numbers in a
tensor on the CPU that nobody else sees. PyTorch sends every operation on them through `_answer`, which refuses
what CUDA refuses: tensors of two devices in one operation (a number, a tensor without dimensions, may lie on
the CPU), indices that lie elsewhere, `.numpy()`, a generator of another device. It computes nothing faster and
shows nothing about precision or memory.

`begin` changes PyTorch for the whole process and can't be taken back, so tests call it in a process of their
own; and it comes after a first model of each kind was loaded: one that Transformers loads first afterwards
has positions that nobody filled in (seen with 5.x; why was not found).

Source: `torch.utils.backend_registration._setup_privateuseone_for_python_backend`, which is experimental, and
PyTorch's own test of it, test/test_privateuseone_python_backend.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "guarded"

#: These carry numbers from one device to another.
BETWEEN = {"aten::copy_", "aten::_to_copy", "aten::_copy_from", "aten::_copy_from_and_resize", "aten::set_"}

#: Of these the indices may lie on the CPU.
INDEXED = {"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"}

_kept: list[Any] = []  # the registration ends with this object


class There(torch.Tensor):
    """A tensor on the device."""

    kept: torch.Tensor

    @staticmethod
    def __new__(cls, kept: torch.Tensor) -> There:
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            kept.size(),
            strides=kept.stride(),
            storage_offset=kept.storage_offset(),
            dtype=kept.dtype,
            device=torch.device(NAME, 0),
        )
        made.kept = kept
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _answer(func, args, kwargs or {})

    def __repr__(self, *args: Any, **kwargs: Any) -> str:
        return f"There({self.kept!r})"

    def numpy(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"can't convert {NAME}:0 device type tensor to numpy. Use Tensor.cpu() first.")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        return self.numpy()

    def __format__(self, spec: str) -> str:
        return format(self.kept, spec)  # allowed, as `tolist` is: both copy

    def tolist(self) -> Any:
        return self.kept.tolist()


def _answer(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """What an operation gives, on the device if it has to do with it; RuntimeError where CUDA has one."""
    name = func._schema.name
    tensors = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, torch.Tensor)]
    there = [each for each in tensors if isinstance(each, There)]
    wanted = kwargs.get("device")
    made_there = wanted is not None and torch.device(wanted).type == NAME
    _refuse_two_devices(name, args, tensors, there)
    generator = kwargs.get("generator")
    if generator is not None and generator.device.type != NAME and (there or made_there):
        raise RuntimeError(
            f"Expected a {NAME!r} device type for generator but found {generator.device.type!r}"
        )
    came = func(*tree_map(_here, args), **tree_map(_here, kwargs))
    if name == "aten::_local_scalar_dense" or (wanted is not None and not made_there):
        return came
    given = {id(each.kept): each for each in there}  # what was changed in place comes back as it is

    def back(each: Any) -> Any:
        return given.get(id(each)) if id(each) in given else There(each) if _is_plain(each) else each

    return tree_map(back, came) if there or made_there else came


def _refuse_two_devices(name: str, args: Any, tensors: list[Any], there: list[Any]) -> None:
    if name in BETWEEN:
        return
    if name in INDEXED and isinstance(args[0], There):
        tensors = [each for each in (args[0], *args[2:3]) if isinstance(each, torch.Tensor)]
    elsewhere = [each for each in tensors if _is_plain(each) and each.dim() > 0]
    if there and elsewhere:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {NAME}:0 and "
            f"cpu! ({name})"
        )


def _is_plain(each: Any) -> bool:
    return isinstance(each, torch.Tensor) and not isinstance(each, There)


def _here(each: Any) -> Any:
    """An argument as the CPU takes it."""
    if isinstance(each, There):
        return each.kept
    return torch.device("cpu") if isinstance(each, torch.device) and each.type == NAME else each


def _on_the_cpu_first(make: Callable[..., Any]) -> Callable[..., Any]:
    """`torch.tensor` for the device: PyTorch's own makes the tensor without asking a device in Python."""

    def made(data: Any, *args: Any, device: Any = None, **kwargs: Any) -> Any:
        if device is None or torch.device(device).type != NAME:
            return make(data, *args, device=device, **kwargs)
        return make(data, *args, **kwargs).to(device)

    return made


def begin() -> None:
    """Make the device; see above."""
    _setup_privateuseone_for_python_backend(NAME)
    library = torch.library.Library("_", "IMPL")
    library.fallback(lambda func, *args, **kwargs: _answer(func, args, kwargs), "PrivateUse1")
    _kept.append(library)
    for name in ("tensor", "as_tensor"):
        setattr(torch, name, _on_the_cpu_first(getattr(torch, name)))
    torch.accelerator.synchronize = lambda device=None: None  # type: ignore[method-assign]
    torch.inference_mode = torch.no_grad  # type: ignore[misc,assignment]  # its tensors have no version counter
    torch.__future__.set_swap_module_params_on_conversion(True)  # tied weights stay tied
