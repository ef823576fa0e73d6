"""What the processor does well: which number format to compute in, decided by what it supports and gains by."""

from __future__ import annotations

import math
import os
import time
from contextlib import AbstractContextManager, nullcontext
from functools import cache

import torch

from ganvas.errors import UserError


@cache
def native_bf16(device: torch.device) -> str:
    """The unit that multiplies bfloat16 in hardware on this device ("AMX", "AVX512-BF16", "sm_90"), or ""."""
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        return f"sm_{major}{minor}" if major >= 8 else ""
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    if capabilities.get("amx_bf16"):
        return "AMX"
    return "AVX512-BF16" if capabilities.get("avx512_bf16") else ""


GAIN = 1.2
"""How much quicker bf16 must be to be worth its fewer digits."""


_gains: dict[torch.device, float] = {}


def bf16_gain(device: torch.device) -> float:
    """How much quicker than in fp32 a matrix product is in bf16 on this device: seconds by seconds, measured once.

    A processor may list the unit and be slower with it: Xeons of virtual machines that hide AMX took 2 to 4 times as
    long for bf16 as for fp32, where AMD's Zen 4 takes half. The shortest of some alternating trials is what counts,
    as other work on the machine can only lengthen one. A GPU that has the unit gains by it: there is nothing to time.
    """
    if device not in _gains:
        _gains[device] = _measured(device)
    return _gains[device]


def settle(device: torch.device, gain: float) -> None:
    """Takes another's measurement: processes that play together must choose alike."""
    _gains[device] = gain


def _measured(device: torch.device, side: int = 512) -> float:
    if not native_bf16(device):
        return 0.0
    if device.type == "cuda":
        return math.inf
    exact = torch.ones(side, side, dtype=torch.float32)  # whatever the default is
    least: dict[torch.dtype, float] = {}
    for _ in range(5):
        for x in (exact, exact.bfloat16()):
            began = time.perf_counter()
            torch.mm(x, x)
            least[x.dtype] = min(least.get(x.dtype, math.inf), time.perf_counter() - began)
    return least[torch.float32] / least[torch.bfloat16]


def choose(wanted: str, device: torch.device, *, worthwhile: bool = True) -> str:
    """`"bf16"` or `"fp32"` for `auto`: bf16 where it is measurably quicker here and the networks are large enough.

    An explicit wish is always met: bf16 without hardware support is slow, not wrong.
    """
    if wanted != "auto":
        return wanted
    return "bf16" if worthwhile and bf16_gain(device) >= GAIN else "fp32"


def autocast(precision: str, device: torch.device) -> AbstractContextManager:
    """The context in which networks run: matrix products and convolutions in bf16, sensitive operations in fp32."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def device_for(wanted: str) -> torch.device:
    """The device of `auto`, `cpu`, `cuda`, `cuda:1`; a GPU that is not there is told."""
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and "LOCAL_RANK" in os.environ:  # torchrun: a GPU for each process
        wanted = f"cuda:{os.environ['LOCAL_RANK']}"
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise UserError(f"--device {wanted} is not a device; give auto, cpu, cuda or cuda:N.") from None
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"--device {wanted} is not supported; give auto, cpu, cuda or cuda:N.")
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            build = "this PyTorch was built without CUDA" if torch.version.cuda is None else "no GPU was found"
            raise UserError(f"--device {wanted}: {build}; use --device cpu, or install a CUDA build of PyTorch.")
        if device.index is not None and device.index >= count:
            raise UserError(
                f"--device {wanted}: this machine has {count} GPU(s), numbered from 0; give a smaller number."
            )
    return device
