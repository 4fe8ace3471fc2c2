"""Training: one run or many, on a CPU or a GPU, with the same result whenever it is stopped and continued."""

from lossbook.training.engine import TrainingResult, train
from lossbook.training.plan import TABLE_NETWORKS, ReplicaPlan, RunPlan, RunSpec, plan_run
from lossbook.training.replicas import Replica, ReplicaResult, SplitArrays, train_replicas

__all__ = [
    "TABLE_NETWORKS",
    "Replica",
    "ReplicaPlan",
    "ReplicaResult",
    "RunPlan",
    "RunSpec",
    "SplitArrays",
    "TrainingResult",
    "plan_run",
    "train",
    "train_replicas",
]
