"""Complement objective training: two losses, two optimisers, two passes over a batch (Chen et al., 2019)."""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor
from torch.optim import Optimizer

from lossbook.losses.softmax import complement_entropy_loss

Loss = Callable[[Tensor, Tensor], Tensor]


class ComplementResult(NamedTuple):
    """What a :class:`ComplementStep` found, free of the graph.

    Attributes:
        primary: The primary loss, before any update.
        complement: The complement loss, between the two updates, scaled as it was minimised.
        logits: The logits of the first pass, for the accuracy in training.
    """

    primary: Tensor
    complement: Tensor
    logits: Tensor


class ComplementStep:
    r"""Train on a batch twice: on a primary loss, then on the complement entropy.

    The first pass minimises the primary loss. The second runs the network again, with the weights that the
    first left, and evens out the probabilities of the wrong classes,

    .. math:: \frac{1}{K} \sum_{k \ne y} q_k \log q_k, \quad q_k = \frac{p_k}{1 - p_y}

    Each pass has an optimiser of its own, so that momentum and weight decay are kept apart. Twice the passes
    make twice the work. With two classes there is one wrong class and nothing to even out: the second pass
    then has gradient zero. ::

        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
        complement = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
        step = ComplementStep(model, nn.CrossEntropyLoss(), optimizer, complement)
        for input, target in loader:
            loss, complement_loss, logits = step(input, target)

    These are the settings of the original's code on CIFAR-10: 200 epochs, both learning rates divided by 10
    at epochs 100 and 150. Learning-rate schedules stay with the caller, one for each optimiser. Layers with
    state of their own, such as batch normalisation, see each batch twice.

    References:
        battash2021, Eq. 6; Chen et al., Complement Objective Training, 2019, and its code.
    """

    def __init__(
        self,
        model: Callable[[Any], Tensor],
        primary: Loss,
        optimizer: Optimizer,
        complement_optimizer: Optimizer,
        *,
        complement: Loss = complement_entropy_loss,
        scale: float | None = None,
    ) -> None:
        """Hold what a step needs.

        Args:
            model: Gives logits, shape ``[B, K]`` or ``[B, K, d1, ...]``. Its mode, training or evaluation, is
                the caller's.
            primary: The loss of the first pass, a scalar of logits and targets.
            optimizer: Updates after the first pass.
            complement_optimizer: Updates after the second pass.
            complement: The loss of the second pass; a :class:`lossbook.losses.ComplementEntropyLoss`
                with settings of its own, for example.
            scale: What the complement loss is multiplied with. If not given, 1 / K for K classes, as in the
                original's code.
        """
        self.model = model
        self.primary = primary
        self.optimizer = optimizer
        self.complement_optimizer = complement_optimizer
        self.complement = complement
        self.scale = scale

    def __call__(self, input: Any, target: Tensor) -> ComplementResult:
        """Train on a batch.

        Args:
            input: What the model takes.
            target: What the losses take, class indices of shape ``[B]`` or ``[B, d1, ...]``.

        Returns:
            Both losses, and the logits of the first pass.
        """
        logits = self.model(input)
        primary = self.primary(logits, target)
        self.update(self.optimizer, primary)

        again = self.model(input)
        scale = 1 / again.shape[1] if self.scale is None else self.scale
        complement = scale * self.complement(again, target)
        self.update(self.complement_optimizer, complement)
        return ComplementResult(primary.detach(), complement.detach(), logits.detach())

    def update(self, optimizer: Optimizer, loss: Tensor) -> None:
        """Minimise a loss; both passes call it, so override it to clip gradients or to scale them.

        Args:
            optimizer: The optimiser of the pass.
            loss: A scalar.
        """
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
