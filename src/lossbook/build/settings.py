"""What may be given to Snakemake's ``--config``."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lossbook.build.places import RECORDED, check_profile
from lossbook.errors import LossbookError, UnknownNameError

#: Seconds of replays unless another number is given, as in the Makefile.
REPLAY = 90


@dataclasses.dataclass(frozen=True)
class Settings:
    """What may be given to Snakemake's ``--config``.

    Attributes:
        profile: The book's profile.
        replay: Seconds for which recorded runs are replayed, all experiments together.
        shards: Into how many jobs each experiment is divided.
        threads: Processor cores a shard.
        device: Where an experiment trains: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        refresh: Whether to train again what was made by code that has since changed; by default at every
            profile but the paper's.
    """

    profile: str = RECORDED
    replay: int = REPLAY
    shards: int = 1
    threads: int = 1
    device: str = "auto"
    refresh: bool | None = None

    @property
    def one_at_a_time(self) -> bool:
        """Whether experiments would share a GPU, which may not have the memory for several."""
        gpu = any(Path(name).exists() for name in ("/dev/nvidiactl", "/dev/kfd"))
        return self.device.startswith("cuda") or (self.device == "auto" and gpu)

    def stamps(self, experiment: str) -> list[str]:
        """The stamps that the shards of an experiment write; none if it is not divided."""
        if self.shards == 1:
            return []
        return [f"shards/{experiment}/{i}-of-{self.shards}.json" for i in range(1, self.shards + 1)]

    def options(self, runtime: int | None = None) -> str:
        """Options of the steps ``shard`` and ``experiment``.

        Args:
            runtime: Minutes that a shard's job may run, so that it ends by itself before; None for no limit.
        """
        words = [f"--device {self.device}"]
        if self.refresh is not None:
            words.append("--refresh" if self.refresh else "--no-refresh")
        if runtime is not None:
            words.append(f"--budget {max(runtime - 10, runtime / 2):g}")
        return " ".join(words)


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Check what was given to ``--config``.

    Raises:
        UnknownNameError: An unknown setting or profile.
        LossbookError: A value of the wrong type.
    """
    known = [field.name for field in dataclasses.fields(Settings)]
    for name, value in config.items():
        if name not in known:
            raise UnknownNameError("setting", name, known)
        if name == "replay":
            right, wanted = type(value) is int and value >= 0, "a whole number of seconds"
        elif name in ("shards", "threads"):
            right, wanted = type(value) is int and value >= 1, "a whole number from 1"
        elif name == "refresh":
            right, wanted = isinstance(value, bool), "True or False"
        else:
            right, wanted = isinstance(value, str), "a name"
        if not right:
            raise LossbookError(f"setting {name!r} must be {wanted}; got {value!r}")
    given = Settings(**config)
    check_profile(given.profile)
    return given
