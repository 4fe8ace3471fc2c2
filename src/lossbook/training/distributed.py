"""One run on several processes, by torch's DistributedDataParallel; started by ``torchrun``.

Each process takes every n-th example of a batch, and the gradients are summed, so that a step is that of the
whole batch, up to rounding, for a loss that is a mean over examples. It is another one for a loss that looks
at the batch as a whole, such as LGL-INR, for batch normalisation, which sees a process's share, and where
dropout or augmentation draw random numbers, which each process does by itself.
"""

import os
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


def world() -> int:
    """Number of processes that train a run together; 1 where nothing was started."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def started_by_torchrun() -> bool:
    """Whether ``torchrun`` started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "LOCAL_RANK" in os.environ


def start() -> None:
    """Join the processes that ``torchrun`` started."""
    # What the processes agree on, they agree on without waiting for a GPU.
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")


def stop() -> None:
    """Leave the other processes."""
    distributed.destroy_process_group()


def wrap(network: nn.Module) -> nn.Module:
    """The network with its gradients averaged over the processes; itself for a single one."""
    return network if world() == 1 else DistributedDataParallel(network)


def share(rows: Tensor) -> Tensor:
    """This process's part of a batch.

    Raises:
        ValueError: Fewer rows than processes.
    """
    if len(rows) < world():
        raise ValueError(
            f"a batch of {len(rows)} examples cannot be divided among {world()} processes; start fewer, "
            "or choose "
            "a batch size that leaves more for the last batch"
        )
    return rows[rank() :: world()]


def agree(value: Any) -> Any:
    """The first process's value, in all processes."""
    if world() == 1:
        return value
    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


def total(value: Tensor) -> Tensor:
    """The sum over the processes."""
    if world() > 1:
        distributed.all_reduce(value)
    return value
