"""All optimisers by name: those of :mod:`lossbook.training.optim`, and Adam."""

from collections.abc import Callable

from lossbook.errors import UnknownNameError
from lossbook.training import optim
from lossbook.training.adam import adam


def get(name: str) -> Callable[..., optim.Optimizer]:
    """The optimiser of that name.

    Raises:
        UnknownNameError: An unknown name; the message names the nearest.
    """
    # Adam has a file of its own, as an entry in training.optim would make records of all others look old.
    known = {**optim._OPTIMIZERS, "adam": adam}
    if name not in known:
        raise UnknownNameError("optimizer", name, sorted(known))
    return known[name]
