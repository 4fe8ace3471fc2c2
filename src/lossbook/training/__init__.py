"""Training: one run or many, on a CPU or a GPU, with the same result whenever it is stopped and continued."""

from lossbook.training.checkpoint import OutOfTimeError
from lossbook.training.loop import TrainingResult, train
from lossbook.training.plan import TABLE_NETWORKS, ReplicaPlan, RunPlan, plan_run
from lossbook.training.replicas import Replica, ReplicaResult, SplitArrays, train_replicas
from lossbook.training.selection import select
from lossbook.training.spec import RunSpec, SettingError

__all__ = [
    "TABLE_NETWORKS",
    "OutOfTimeError",
    "Replica",
    "ReplicaPlan",
    "ReplicaResult",
    "RunPlan",
    "RunSpec",
    "SettingError",
    "SplitArrays",
    "TrainingResult",
    "plan_run",
    "select",
    "train",
    "train_replicas",
]
