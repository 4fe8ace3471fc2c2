"""What the papers measure of a loss: gradients, profiles, population minimisers; torch only."""

from lossbook.analysis.balance import Balance, Link, balance, confusion_balance, mean_confusion
from lossbook.analysis.checks import CheckFailed, check
from lossbook.analysis.distraction import Distraction, distraction
from lossbook.analysis.population import expected_loss, nllr_minimiser, population_minimiser
from lossbook.analysis.profile import (
    PHI,
    GradientProfile,
    Loss,
    Phi,
    gradient_profile,
    logit_gradient,
    logits_with_confidence,
)

__all__ = [
    "PHI",
    "Balance",
    "CheckFailed",
    "Distraction",
    "GradientProfile",
    "Link",
    "Loss",
    "Phi",
    "balance",
    "check",
    "confusion_balance",
    "distraction",
    "expected_loss",
    "gradient_profile",
    "logit_gradient",
    "logits_with_confidence",
    "mean_confusion",
    "nllr_minimiser",
    "population_minimiser",
]
