"""What the papers measure of a loss: gradients, profiles, population minimisers; torch only."""

from lossbook.analysis.balance import Balance, Link, balance, confusion_balance, mean_confusion
from lossbook.analysis.checks import CheckFailed, check
from lossbook.analysis.distraction import Distraction, distraction
from lossbook.analysis.escaping import (
    EscapingBound,
    GradientVolumes,
    Model,
    escaping_bound,
    escaping_efficiency,
    example_gradients,
    gradient_volumes,
    mean_hessian,
    noise_covariance,
)
from lossbook.analysis.population import expected_loss, nllr_minimiser, population_minimiser
from lossbook.analysis.profile import (
    GradientProfile,
    Loss,
    gradient_profile,
    logit_gradient,
    logits_with_confidence,
)

__all__ = [
    "Balance",
    "CheckFailed",
    "Distraction",
    "EscapingBound",
    "GradientProfile",
    "GradientVolumes",
    "Link",
    "Loss",
    "Model",
    "balance",
    "check",
    "confusion_balance",
    "distraction",
    "escaping_bound",
    "escaping_efficiency",
    "example_gradients",
    "expected_loss",
    "gradient_profile",
    "gradient_volumes",
    "logit_gradient",
    "logits_with_confidence",
    "mean_confusion",
    "mean_hessian",
    "nllr_minimiser",
    "noise_covariance",
    "population_minimiser",
]
