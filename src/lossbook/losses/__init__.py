"""Classification losses, as functions and as modules; they need torch and nothing else."""

import inspect

from torch import nn

from lossbook.errors import UnknownNameError
from lossbook.losses.softmax import (
    ExpectationLoss,
    MAELoss,
    NLLRLoss,
    SoftmaxBCELoss,
    expectation_loss,
    mae_loss,
    nllr_loss,
    softmax_bce_loss,
)

__all__ = [
    "ExpectationLoss",
    "MAELoss",
    "NLLRLoss",
    "SoftmaxBCELoss",
    "available",
    "expectation_loss",
    "get",
    "mae_loss",
    "nllr_loss",
    "softmax_bce_loss",
]

_MODULES: dict[str, type[nn.Module]] = {
    "ce": nn.CrossEntropyLoss,
    "bce": SoftmaxBCELoss,
    "el": ExpectationLoss,
    "mae": MAELoss,
    "nllr": NLLRLoss,
}


def available() -> list[str]:
    """The names that :func:`get` knows."""
    return sorted(_MODULES)


def get(name: str, **options: object) -> nn.Module:
    """Make a loss module by name.

    Args:
        name: One of :func:`available`.
        **options: Arguments of the module, for example ``reduction="sum"``.

    Raises:
        UnknownNameError: A name or an option there is not; the message names the nearest.
    """
    if name not in _MODULES:
        raise UnknownNameError("loss", name, available())
    module = _MODULES[name]
    valid = [option for option in inspect.signature(module).parameters if option != "self"]
    for option in options:
        if option not in valid:
            raise UnknownNameError(f"option of the loss {name!r}", option, valid)
    return module(**options)
