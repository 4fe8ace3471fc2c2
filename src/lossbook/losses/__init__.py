"""Classification losses, as functions and as modules; they need torch and nothing else.

Under ``torch.compile``, whose default backend writes C++ for a CPU, there has to be a C++ compiler too.
"""

import inspect
from typing import cast

from torch import nn

from lossbook.errors import UnknownNameError
from lossbook.losses._common import Weight, class_weight
from lossbook.losses.asymmetric import AsymmetricLoss, asymmetric_loss
from lossbook.losses.centers import MMCLoss, max_mahalanobis_centers, mmc_loss, mmc_scores
from lossbook.losses.complement import ComplementResult, ComplementStep
from lossbook.losses.hard_ce import HSCELoss, SelectedCELoss, hs_ce_loss, selected_ce_loss
from lossbook.losses.logistic import (
    HSLRLoss,
    LGLINRLoss,
    LRLoss,
    SSLRLoss,
    hs_lr_loss,
    lgl_inr_loss,
    lr_loss,
    ss_lr_loss,
)
from lossbook.losses.mixing import CEELLoss, MixingSchedule, Phase, mixing_factors
from lossbook.losses.softmax import (
    ComplementEntropyLoss,
    ExpectationLoss,
    FocalLoss,
    GCELoss,
    MAELoss,
    MPCELoss,
    NLLRLoss,
    Phi,
    SoftmaxBCELoss,
    TamedCELoss,
    ceel_loss,
    complement_entropy_loss,
    expectation_loss,
    focal_loss,
    gce_loss,
    mae_loss,
    mpce_loss,
    nllr_loss,
    phi,
    softmax_bce_loss,
    tamed_ce_loss,
)

__all__ = [
    "AsymmetricLoss",
    "CEELLoss",
    "ComplementEntropyLoss",
    "ComplementResult",
    "ComplementStep",
    "ExpectationLoss",
    "FocalLoss",
    "GCELoss",
    "HSCELoss",
    "HSLRLoss",
    "LGLINRLoss",
    "LRLoss",
    "MAELoss",
    "MMCLoss",
    "MPCELoss",
    "MixingSchedule",
    "NLLRLoss",
    "Phase",
    "Phi",
    "SSLRLoss",
    "SelectedCELoss",
    "SoftmaxBCELoss",
    "TamedCELoss",
    "asymmetric_loss",
    "available",
    "ceel_loss",
    "complement_entropy_loss",
    "expectation_loss",
    "focal_loss",
    "gce_loss",
    "get",
    "hs_ce_loss",
    "hs_lr_loss",
    "lgl_inr_loss",
    "lr_loss",
    "mae_loss",
    "max_mahalanobis_centers",
    "mixing_factors",
    "mmc_loss",
    "mmc_scores",
    "mpce_loss",
    "nllr_loss",
    "phi",
    "selected_ce_loss",
    "softmax_bce_loss",
    "ss_lr_loss",
    "tamed_ce_loss",
]

_MODULES: dict[str, type[nn.Module]] = {
    "asymmetric": AsymmetricLoss,
    "bce": SoftmaxBCELoss,
    "ce": nn.CrossEntropyLoss,
    "ceel": CEELLoss,
    "complement_entropy": ComplementEntropyLoss,
    "el": ExpectationLoss,
    "focal": FocalLoss,
    "gce": GCELoss,
    "hs_ce": HSCELoss,
    "hs_lr": HSLRLoss,
    "lgl_inr": LGLINRLoss,
    "lr": LRLoss,
    "mae": MAELoss,
    "mmc": MMCLoss,
    "mpce": MPCELoss,
    "nllr": NLLRLoss,
    "selected_ce": SelectedCELoss,
    "ss_lr": SSLRLoss,
    "tamed_ce": TamedCELoss,
}


def available() -> list[str]:
    """The names that :func:`get` knows."""
    return sorted(_MODULES)


def get(name: str, **options: object) -> nn.Module:
    """Make a loss module by name.

    Args:
        name: One of :func:`available`; or ``"cross_entropy"``, which is ``"ce"``.
        **options: Arguments of the module, for example ``reduction="sum"``.

    Raises:
        UnknownNameError: An unknown name or option; the message names the nearest.
        ValueError: An option out of its range, or one that the loss cannot do without.
    """
    name = "ce" if name == "cross_entropy" else name
    if name not in _MODULES:
        raise UnknownNameError("loss", name, available())
    module = _MODULES[name]
    known = inspect.signature(module).parameters
    for option in options:
        if option not in known:
            raise UnknownNameError(f"option of the loss {name!r}", option, known)
    missing = [o for o, p in known.items() if p.default is p.empty and o not in options]
    if missing:
        raise ValueError(f"the loss {name!r} needs the option {missing[0]!r}")
    if name == "ce" and "weight" in options:  # which takes tensors only
        options["weight"] = class_weight(cast(Weight | None, options["weight"]))
    return module(**options)
