"""Training: one run or many, on a CPU or a GPU, with the same result whenever it is stopped and continued."""

from lossbook.training.engine import TrainingResult, train
from lossbook.training.plan import RunPlan, RunSpec, plan_run

__all__ = ["RunPlan", "RunSpec", "TrainingResult", "plan_run", "train"]
