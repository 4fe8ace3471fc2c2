"""What the papers measure of a loss: gradients, profiles, population minimisers; torch only."""

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
    "CheckFailed",
    "Distraction",
    "GradientProfile",
    "Loss",
    "Phi",
    "check",
    "distraction",
    "expected_loss",
    "gradient_profile",
    "logit_gradient",
    "logits_with_confidence",
    "nllr_minimiser",
    "population_minimiser",
]
