"""Random numbers that depend on a run's seed, on what they are for and on the epoch, and on nothing else."""

import hashlib

import torch


def derive(seed: int, stream: str, epoch: int) -> int:
    """A seed of 56 bits for one stream of random numbers in one epoch.

    Args:
        seed: The run's seed.
        stream: What the numbers are for, for example ``order``.
        epoch: The epoch, 0-based.
    """
    digest = hashlib.sha256(f"{seed}/{stream}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


def generator(seed: int, stream: str, epoch: int) -> torch.Generator:
    """A generator on the CPU, seeded by :func:`derive`."""
    return torch.Generator().manual_seed(derive(seed, stream, epoch))
