"""The number format of a network's matrix products and convolutions; weights and loss stay in float32."""

import functools
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

#: What a run may ask for besides float32. ``native`` is bfloat16 where the machine multiplies it faster than
#: float32, and float32 elsewhere; a record states which it was.
FORMATS = ("bfloat16", "native")

#: Instructions of a processor that multiply bfloat16, as Linux names them.
_FLAGS = ("amx_bf16", "avx512_bf16")


def used(asked: str | None, device: torch.device) -> str:
    """The format that a run's products have on a device, ``float32`` or ``bfloat16``.

    Args:
        asked: One of :data:`FORMATS`, or None.
        device: Where the run is trained.
    """
    if asked == "native":
        return "bfloat16" if native(device) else "float32"
    return asked or "float32"


def native(device: torch.device) -> bool:
    """Whether a device has instructions of its own for bfloat16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and any(flag in _processor_flags() for flag in _FLAGS)


@functools.cache
def _processor_flags() -> frozenset[str]:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("flags"):
                return frozenset(line.partition(":")[2].split())
    except OSError:
        pass
    return frozenset()


def forward(network: nn.Module, asked: str | None, device: torch.device) -> Callable[..., Tensor]:
    """The network as it is called: in the format asked for, with a result in float32 for the loss.

    bfloat16 has float32's range, so gradients need no scaling.

    Args:
        network: The network.
        asked: One of :data:`FORMATS`, or None.
        device: Where the run is trained.
    """
    if used(asked, device) == "float32":
        return network

    def mixed(*inputs: Tensor) -> Tensor:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            output: Tensor = network(*inputs)
        return output.float()

    return mixed
