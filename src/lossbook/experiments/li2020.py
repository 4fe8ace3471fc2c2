"""The experiments of li2020: Table 3 with Fig. 1 and 2, Tables 4 and 5, the scale of losses and of pixels."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from lossbook.experiments.grid import Cell, Experiment, Profile
from lossbook.training import RunSpec

#: The paper's names of its losses; the logistic loss in two readings.
LOSSES = ("sml", "lgl", "lgl_mean", "lgl_inr")
CLASSES = 10
#: LGL-INR with its first level of weights alone: positives as much as negatives, all negatives alike.
FIRST_LEVEL = "lgl_inr_0"
_CODE = {"sml": "ce", "lgl": "lr", "lgl_mean": "lr", "lgl_inr": "lgl_inr", FIRST_LEVEL: "lgl_inr"}
# The paper does not say whether the logistic loss is summed over the classes, as its own LGL-INR is in the
# published code, or averaged, as PyTorch's binary cross-entropy is by default. Under SGD without weight
# decay a K-th of the loss is a K-th of the learning rate.
_SHARE = {"lgl_mean": 1 / CLASSES}
# Each loss with its own probabilities: a softmax, or one sigmoid a class.
_MEASURES = {loss: "softmax" if loss == "sml" else "sigmoid" for loss in _CODE}

BETAS = (0, 1, 2, 4, 8, 16)
DETACHED = (1, 4, 16)

#: The length of a loss's gradient with respect to the logits of one example, over that of SML, where every
#: image is given the frequencies of ten classes of equal size: logits of zero for SML and LGL-INR, and of
#: -ln 9 for LGL. There the gradients point the same way, so any norm gives the same. At logits of zero LGL's
#: is longer, by a push that is common to all images and ends when the biases have learned the frequencies.
GRADIENT_SCALE = {"sml": 1.0, "lgl": 1.0, "lgl_inr": 50 / 9}
#: Learning rates times the gradient's scale. Equal ones are steps of equal length early in training.
STEPS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
#: Those at which the first level of LGL-INR's weights is tried alone.
FIRST_LEVEL_STEPS = (0.03, 0.1, 0.3)
SPLITS = ("validation", "test")

# "Implementation details".
SMALL = RunSpec(
    dataset="mnist",
    model="li2020_cnn2c",
    loss="ce",
    optimizer="sgd",
    optimizer_options={"lr": 0.01, "momentum": 0.5},
    batch_size=64,
    epochs=20,
)
LARGE = RunSpec(
    dataset="cifar10",
    model="li2020_resnet18",
    loss="ce",
    optimizer="sgd",
    optimizer_options={"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4},
    schedule={"name": "steps", "at": [50, 75]},
    batch_size=64,
    epochs=100,
    augmentation="crop_flip",
)


def _cell(
    base: RunSpec, named: str, network: str, loss: str, changes: Mapping[str, Any], beta: float = 1
) -> Cell:
    spec = replace(base, **{"dataset": named, **changes}, model=f"li2020_{network}", loss=_CODE[loss])
    spec = replace(spec, measures=_MEASURES[loss])
    labels: dict[str, Any] = {"dataset": named, "network": network, "loss": loss, "epochs": spec.epochs}
    if loss == FIRST_LEVEL:
        beta = 0
    if _CODE[loss] == "lgl_inr":
        labels["beta"] = beta
        spec = replace(spec, loss_options={"beta": beta})
    if loss in _SHARE:
        options = dict(spec.optimizer_options)
        spec = replace(spec, optimizer_options=options | {"lr": options["lr"] * _SHARE[loss]})
    return Cell(labels, spec)


def _table3(networks: Iterable[str], sets: Iterable[str], **changes: Any) -> tuple[Cell, ...]:
    sets = tuple(sets)
    return tuple(
        _cell(SMALL, dataset, network, loss, changes)
        for network in networks
        for dataset in sets
        for loss in LOSSES
    )


def _table4(**changes: Any) -> tuple[Cell, ...]:
    return tuple(
        _cell(LARGE, "cifar10", network, loss, changes)
        for network in ("mobilenet_v2", "resnet18")
        for loss in ("sml", "lgl", "lgl_inr")
    )


def _table5(
    named: str, betas: Iterable[int] = BETAS, detached: Iterable[int] = DETACHED, **changes: Any
) -> tuple[Cell, ...]:
    return tuple(
        _with(
            _cell(SMALL, named, "cnn2c", "lgl_inr", changes, beta),
            {"detach": detach},
            loss_options={"beta": beta, "detach": True} if detach else {"beta": beta},
        )
        for detach, chosen in ((False, betas), (True, detached))
        for beta in chosen
    )


def _pixels(sets: Iterable[str], **changes: Any) -> tuple[Cell, ...]:
    return tuple(
        _with(
            _cell(SMALL, named, "cnn2c", loss, changes),
            {"pixels": "standardised"},
            pixels="standardised",
        )
        for named in sets
        for loss in ("sml", "lgl", "lgl_inr")
    )


def _scale(
    sets: Iterable[str], steps: Iterable[float], validation_size: int, **changes: Any
) -> tuple[Cell, ...]:
    steps = tuple(steps)
    grid = [
        (split, loss, lr)
        for split in SPLITS
        for loss in GRADIENT_SCALE
        # Equal steps; and the paper's rate, where it is not among them.
        for lr in sorted({*(_rate(step, loss) for step in steps), 0.01})
    ]
    grid += [("test", FIRST_LEVEL, _rate(step, "lgl_inr")) for step in steps if step in FIRST_LEVEL_STEPS]
    return tuple(
        _with(
            _cell(SMALL, named, "cnn2c", loss, changes),
            {"lr": lr, "split": split},
            optimizer_options={"lr": lr, "momentum": 0.5},
            validation_size=validation_size if split == "validation" else None,
        )
        for named in sets
        for split, loss, lr in grid
    )


def _rate(step: float, loss: str) -> float:
    """The learning rate that makes steps of this length."""
    return float(f"{step / GRADIENT_SCALE[loss]:.4g}")


def _with(cell: Cell, labels: Mapping[str, Any], **changes: Any) -> Cell:
    return Cell({**cell.labels, **labels}, replace(cell.spec, **changes))


def _profiles(*profiles: Profile) -> dict[str, Profile]:
    return {profile.name: profile for profile in profiles}


_DIGITS = {"dataset": "digits", "train_size": 128, "test_size": 50, "batch_size": 32, "epochs": 2}

TABLE3 = Experiment(
    name="li2020/table3",
    title="Table 3 and Fig. 2: LGL, SML and LGL-INR on MNIST, Fashion-MNIST and KMNIST",
    profiles=_profiles(
        Profile(
            "paper",
            "the paper's protocol: CNN2C and CNN5C, 20 epochs on all training images",
            _table3(("cnn2c", "cnn5c"), ("mnist", "fashion_mnist", "kmnist")),
            seeds=5,
        ),
        Profile(
            "cnn2c",
            "the paper's protocol, CNN2C on MNIST and Fashion-MNIST alone",
            _table3(("cnn2c",), ("mnist", "fashion_mnist")),
            seeds=5,
            part_of="paper",
        ),
        Profile(
            "subset",
            "12,000 images of Fashion-MNIST for 10 epochs, CNN2C and CNN5C",
            _table3(("cnn2c", "cnn5c"), ("fashion_mnist",), train_size=12_000, epochs=10),
            seeds=3,
        ),
        Profile(
            "quick",
            "2,000 images of MNIST and of Fashion-MNIST for 5 epochs, CNN2C alone",
            _table3(("cnn2c",), ("mnist", "fashion_mnist"), train_size=2000, test_size=1000, epochs=5),
            seeds=2,
            embedded_fallback=True,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits for 2 epochs, to see that everything runs",
            _table3(("cnn2c", "cnn5c"), ("mnist",), **_DIGITS),
            seeds=2,
        ),
    ),
)

TABLE4 = Experiment(
    name="li2020/table4",
    title="Table 4: LGL, SML and LGL-INR on CIFAR-10",
    profiles=_profiles(
        Profile(
            "paper",
            "the paper's protocol: MobileNetV2 and ResNet-18, 100 epochs",
            _table4(),
            seeds=3,
        ),
        Profile(
            "quick",
            "64 images of CIFAR-10 for 1 epoch, a single step, to see that everything runs",
            _table4(train_size=64, test_size=100, epochs=1, schedule=None),
            seeds=1,
            embedded_fallback=True,
        ),
        Profile(
            "smoke",
            "64 of scikit-learn's digits for 1 epoch, to see that everything runs",
            _table4(**(_DIGITS | {"train_size": 64, "epochs": 1}), schedule=None),
            seeds=1,
        ),
    ),
)

TABLE5 = Experiment(
    name="li2020/table5",
    title="Table 5: the weight of hard classes, beta",
    profiles=_profiles(
        Profile(
            "paper",
            "the paper's protocol on KMNIST; besides, beta 0, 8 and 16",
            _table5("kmnist"),
            seeds=5,
        ),
        Profile(
            "fashion",
            "the paper's protocol, on Fashion-MNIST instead of KMNIST; besides, beta 0, 8 and 16",
            _table5("fashion_mnist"),
            seeds=5,
        ),
        Profile(
            "quick",
            "2,000 images of Fashion-MNIST for 5 epochs",
            _table5("fashion_mnist", train_size=2000, test_size=1000, epochs=5),
            seeds=2,
            embedded_fallback=True,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits for 2 epochs, to see that everything runs",
            _table5("fashion_mnist", (0, 1), (1,), **_DIGITS),
            seeds=2,
        ),
    ),
)

SCALE = Experiment(
    name="li2020/scale",
    title="What the learning rate does: the three losses at equal steps, and each at its best",
    profiles=_profiles(
        Profile(
            "paper",
            "the paper's protocol at six learning rates a loss; 10,000 training images held out to choose",
            _scale(("mnist", "fashion_mnist", "kmnist"), STEPS, 10_000),
            seeds=5,
        ),
        Profile(
            "subset",
            "12,000 images of Fashion-MNIST for 10 epochs, 10,000 others held out to choose a learning rate",
            _scale(
                ("fashion_mnist",),
                (0.01, 0.03, 0.1, 0.3, 1.0),
                10_000,
                train_size=12_000,
                test_size=5_000,
                epochs=10,
            ),
            seeds=3,
        ),
        Profile(
            "quick",
            "1,000 images of Fashion-MNIST for 5 epochs, 1,000 others held out to choose a learning rate",
            _scale(("fashion_mnist",), (0.03, 0.1, 0.3), 1000, train_size=1000, test_size=1000, epochs=5),
            seeds=2,
            embedded_fallback=True,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits for 2 epochs, to see that everything runs",
            _scale(("fashion_mnist",), (0.03, 0.1), 300, **_DIGITS),
            seeds=1,
        ),
    ),
)

# Beside Table 3, which has pixels from 0 to 1.
PIXELS = Experiment(
    name="li2020/pixels",
    title="Table 3 with CNN2C on standardised pixels",
    profiles=_profiles(
        Profile(
            "paper",
            "the paper's protocol on standardised pixels of Fashion-MNIST and MNIST",
            _pixels(("fashion_mnist", "mnist")),
            seeds=5,
        ),
        Profile(
            "quick",
            "2,000 images of Fashion-MNIST and of MNIST for 5 epochs",
            _pixels(("fashion_mnist", "mnist"), train_size=2000, test_size=1000, epochs=5),
            seeds=2,
            embedded_fallback=True,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits for 2 epochs, to see that everything runs",
            _pixels(("mnist",), **_DIGITS),
            seeds=2,
        ),
    ),
)

EXPERIMENTS = (TABLE3, TABLE4, TABLE5, SCALE, PIXELS)
