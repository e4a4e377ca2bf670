"""Globals of torch that change results, including the order of summation.

Where a public setter may refuse (the frozen flags of `torch.backends`), the code calls the private one beneath it.
"""

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import _C

from zoo.surroundings.setting import Setting

PRECISIONS = [
    ("generic", "all"),
    *((where, what) for where in ("cuda", "mkldnn") for what in ("all", "matmul", "conv", "rnn")),
]
FLAGS = (
    "cudnn_enabled",
    "cudnn_benchmark",
    "cudnn_deterministic",
    "mkldnn_enabled",
    "mkldnn_deterministic",
    "nnpack_enabled",
    "cublas_allow_fp16_accumulation",
    "cublas_allow_fp16_reduced_precision_reduction",
    "cublas_allow_bf16_reduced_precision_reduction",
    "cpu_allow_fp16_reduced_precision_reduction",
    "math_sdp_allow_fp16_bf16_reduction",
    "sdp_priority_order",
)
ATTENTIONS = ("flash", "mem_efficient", "math", "cudnn")
DEVICES = ("cpu", "cuda")

_left_behind: list[Any] = []
"""Guards that are never exited, because exiting would undo their setting."""


def _set_device(device: torch.device) -> None:
    torch.set_default_device(None if device.type == "cpu" else device)  # None has no cost; "cpu" installs a mode


def _set_inference_mode(enabled: bool) -> None:
    guard = torch.inference_mode(enabled)
    guard.__enter__()
    _left_behind.append(guard)


def _read_deterministic() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _set_deterministic(mode: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(mode[0], warn_only=mode[1])


def _read_precisions() -> dict[str, str]:
    found = {f"{where} {what}": _C._get_fp32_precision_getter(where, what) for where, what in PRECISIONS}
    with suppress(RuntimeError):  # torch refuses if its older and newer settings were mixed
        found["matmul"] = torch.get_float32_matmul_precision()
    return found


def _set_precisions(precisions: Mapping[str, str]) -> None:
    if "matmul" in precisions:
        torch.set_float32_matmul_precision(precisions["matmul"])  # first: it sets some of the others
    _C._set_cudnn_allow_tf32(precisions["cuda conv"] == precisions["cuda rnn"] == "tf32")
    for where, what in PRECISIONS:  # without the older flag torch 2.13 would refuse to read it, as torch.export does
        _C._set_fp32_precision_setter(where, what, precisions[f"{where} {what}"])


def _read_flags() -> dict[str, Any]:
    return {name: getattr(_C, f"_get_{name}")() for name in FLAGS}


def _set_flags(flags: Mapping[str, Any]) -> None:
    for name, value in flags.items():
        getattr(_C, f"_set_{name}")(*value if isinstance(value, tuple) else (value,))


def _read_attentions() -> dict[str, bool]:
    return {name: getattr(_C, f"_get_{name}_sdp_enabled")() for name in ATTENTIONS}


def _set_attentions(enabled: Mapping[str, bool]) -> None:
    for name, value in enabled.items():
        getattr(_C, f"_set_sdp_use_{name}")(value)


def _read_autocast() -> dict[str, Any]:
    return {name: (torch.is_autocast_enabled(name), torch.get_autocast_dtype(name)) for name in DEVICES}


def _set_autocast(states: Mapping[str, Any]) -> None:
    for name, (enabled, dtype) in states.items():
        torch.set_autocast_enabled(name, enabled)
        torch.set_autocast_dtype(name, dtype)


def _read_einsum() -> tuple[bool, str | None]:
    return torch.backends.opt_einsum.enabled, torch.backends.opt_einsum.strategy


def _set_einsum(found: tuple[bool, str | None]) -> None:
    with torch.backends.__allow_nonbracketed_mutation():
        torch.backends.opt_einsum.enabled, torch.backends.opt_einsum.strategy = found


def _flushes_denormals() -> bool:
    """Return whether denormals are flushed. torch has no getter; Python's floats obey the same processor flag."""
    return sys.float_info.min / 2 == 0


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


ARITHMETIC = (
    Setting("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype, show=_short),
    Setting("torch's default device", torch.get_default_device, _set_device),
    Setting("torch's inference mode", torch.is_inference_mode_enabled, _set_inference_mode),
    Setting("torch's gradients", torch.is_grad_enabled, torch._C._set_grad_enabled),
    Setting("torch's deterministic algorithms", _read_deterministic, _set_deterministic),
    Setting("torch's float32 precision ({})", _read_precisions, _set_precisions),
    Setting("torch's flag {}", _read_flags, _set_flags),
    Setting("torch's {} attention", _read_attentions, _set_attentions),
    Setting("torch's autocast on {}", _read_autocast, _set_autocast),
    Setting("torch's opt_einsum", _read_einsum, _set_einsum),
    Setting(
        "torch's fast path of attention",
        torch.backends.mha.get_fastpath_enabled,
        torch.backends.mha.set_fastpath_enabled,
    ),
    Setting("flushing of denormal numbers", _flushes_denormals, torch.set_flush_denormal),
)


def describe_arithmetic() -> tuple[str, ...]:
    """Return every setting as "name: value", for the fingerprint of a run."""
    found: dict[str, str] = {}
    for setting in ARITHMETIC:
        value = setting.read()
        values = value if isinstance(value, dict) else {"": value}
        found |= {setting.name.format(key): str(part) for key, part in values.items()}
    return tuple(f"{name}: {value}" for name, value in found.items())
