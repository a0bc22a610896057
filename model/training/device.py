"""What the machine offers: where to compute, in which precision, with how many threads."""

from __future__ import annotations

import torch


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is computed in hardware. A CPU without it would emulate it, slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        capability = torch.backends.cpu.get_cpu_capability()
        return capability.startswith("AVX512") and bool(getattr(torch.cpu, "_is_avx512_bf16_supported", bool)())
    return False


def choose_device() -> torch.device:
    """The first GPU, if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast_precision(device: torch.device) -> torch.dtype | None:
    """The type to compute in under autocast; None for plain float32."""
    return torch.bfloat16 if has_fast_bfloat16(device) else None
