"""Where and in which precision a cell computes, and how its randomness is fixed."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import platform
from collections.abc import Iterator

import torch

from ..errors import UserError


def pick_device() -> torch.device:
    """The first GPU that this process sees when there is one, else the CPU."""
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


def describe_device(device: torch.device) -> str:
    """Name the hardware behind `device` for a record, e.g. "cpu x86_64 (2 cores)"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu {platform.machine()} ({os.cpu_count()} cores)"


TRIM_EVERY = 4  # training steps, or masks of a search, after which memory that they freed is given back
WIDE = 768  # hidden size from which bfloat16 products pay on a CPU that has them; a step of 384 takes as long in fp32


def has_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware: a GPU, or a CPU with AVX-512 BF16 or AMX."""
    return device.type == "cuda" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def check_precision(precision: str, device: torch.device) -> None:
    """Raises UserError where `precision` asks for bfloat16 and the device has none."""
    if precision == "bf16" and not has_bf16(device):
        raise UserError(
            "precision bf16: this processor has no bf16 instructions (AVX-512 BF16 or AMX), and there is no GPU; "
            "set precision=fp32, whose records have addresses of their own"
        )


def precision_of(model: torch.nn.Module, precision: str, device: torch.device | None = None) -> str:
    """The precision, "fp32" or "bf16", in which `model` computes where `precision` is asked for.

    "auto" is the faster one: bf16 on a GPU, and on a CPU that has it for models of BERT-base's width. `device`: where
    the model is going to be, None for where it is.
    """
    if precision != "auto":
        return precision
    device = device or next(model.parameters()).device
    wide = device.type == "cuda" or getattr(model.config, "hidden_size", 0) >= WIDE
    return "bf16" if wide and has_bf16(device) else "fp32"


def autocast(device: torch.device, precision: str, cache: bool | None = None) -> contextlib.AbstractContextManager:
    """Context for forward passes: bf16 autocast for "bf16", nothing for "fp32".

    `cache`: whether casts of weights are kept for their next use in the block (None: torch's own choice).
    """
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=cache)
    return contextlib.nullcontext()


def leaves_holes(model: torch.nn.Module) -> bool:
    """Whether computing with `model` leaves so much freed memory behind that it is worth returning: wide, on a CPU."""
    return next(model.parameters()).device.type == "cpu" and getattr(model.config, "hidden_size", 0) >= WIDE


def return_freed_memory() -> None:
    """Give memory that was freed back to the system, where the C library can (glibc).

    Activations of ever other sizes leave holes in the heap: after 24 steps of BERT-base's size on MRPC more than half
    of it was free, a worker that trained on grew to 9 GB, and a search on QQP from 3.2 to 6.1 GB (glibc 2.36).
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def derived_seed(*parts) -> int:
    """A 63-bit seed that depends on `parts` only, the same in every process."""
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Run a block under its own random state (dropout takes no generator); restore the caller's after it."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
