"""Complement objective training as a step: two passes, with an optimiser each."""

from torch import Tensor

from lossbook.losses.complement import ComplementStep as Passes
from lossbook.training.steps import Inputs, State, StepResult


class ComplementStep:
    """Two passes with an optimiser each: the run's loss, then the complement entropy.

    References:
        battash2021, Eq. 6; :class:`lossbook.losses.ComplementStep`, which does the work.
    """

    optimizers = 2

    def __call__(self, state: State, inputs: Inputs, targets: Tensor) -> StepResult:
        """Train on a batch."""
        first, second = state.optimizers
        passes = Passes(lambda given: state.forward(*given), state.loss, first, second)
        found = passes(inputs, targets)
        return StepResult(found.primary, found.logits)
