"""Experiments on probabilities in li2020: the neglect of hard classes, the balance of Eq. 9, calibration."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from lossbook.experiments.grid import Cell, Experiment, Profile
from lossbook.experiments.li2020 import GRADIENT_SCALE, SMALL
from lossbook.training import RunSpec

LOSSES = ("sml", "lgl", "lgl_inr")
_CODE = {"sml": "ce", "lgl": "lr", "lgl_inr": "lgl_inr"}
_LINK = {"sml": "softmax", "lgl": "sigmoid", "lgl_inr": "sigmoid"}

#: How the losses are compared: at the paper's learning rate, or at one that makes their steps equal.
RATES = ("paper", "equal")
#: The learning rate of SML where steps are equal; that of another loss is divided by its scale.
EQUAL_STEP = 0.1

#: Sizes of the training classes relative to the largest. Step: the last five have a tenth of the first five.
#: Long-tailed: each class has the same fraction of the one before, the last a hundredth of the first.
DESIGNS: dict[str, tuple[float, ...] | None] = {
    "balanced": None,
    "step": (1.0,) * 5 + (0.1,) * 5,
    "long_tailed": tuple(round(100 ** (-k / 9), 6) for k in range(10)),
}
#: Class weights: none; by inverse frequency as in Eq. 1; the same with PyTorch's weighted mean over a batch.
WEIGHTS = {"none": None, "inverse": "inverse_frequency", "in_batch": "inverse_frequency_in_batch"}

_DIGITS: dict[str, Any] = {
    "dataset": "digits",
    "train_size": 128,
    "test_size": 50,
    "batch_size": 32,
    "epochs": 2,
}


def _spec(
    loss: str, rate: str, changes: Mapping[str, Any], *, epoch_measures: str | None = None, measures: str = ""
) -> RunSpec:
    spec = replace(SMALL, **{"dataset": "fashion_mnist", **changes}, loss=_CODE[loss])
    options = dict(spec.optimizer_options)
    if rate == "equal":
        options["lr"] = float(f"{EQUAL_STEP / GRADIENT_SCALE[loss]:.4g}")
    return replace(
        spec,
        loss_options={"beta": 1} if loss == "lgl_inr" else {},
        optimizer_options=options,
        measures=f"{measures}_{_LINK[loss]}" if measures else _LINK[loss],
        epoch_measures=f"{epoch_measures}_{_LINK[loss]}" if epoch_measures else None,
    )


def _labels(loss: str, rate: str, spec: RunSpec) -> dict[str, Any]:
    return {
        "dataset": "fashion_mnist",
        "network": "cnn2c",
        "loss": loss,
        "epochs": spec.epochs,
        "rate": rate,
        "lr": spec.optimizer_options["lr"],
    }


def _modality(**changes: Any) -> tuple[Cell, ...]:
    return _at_both_rates(changes, epoch_measures="modality")


def _calibration(**changes: Any) -> tuple[Cell, ...]:
    return _at_both_rates(changes, measures="reliability")


def _at_both_rates(changes: Mapping[str, Any], **measured: str) -> tuple[Cell, ...]:
    cells = []
    for rate in RATES:
        for loss in LOSSES:
            spec = _spec(loss, rate, changes, **measured)
            cells.append(Cell(_labels(loss, rate, spec), spec))
    return tuple(cells)


def _imbalance(
    rate: str, designs: Iterable[str], drop: int | None = None, **changes: Any
) -> tuple[Cell, ...]:
    cells = []
    for design in designs:
        shares = DESIGNS[design]
        for loss in LOSSES:
            spec = _spec(loss, rate, changes, epoch_measures="balance")
            if drop is not None:
                spec = replace(spec, schedule={"name": "steps", "at": [drop]})
            for weight in weights(design, loss):
                cells.append(
                    Cell(
                        {**_labels(loss, rate, spec), "design": design, "weight": weight},
                        replace(spec, class_shares=shares, class_weight=WEIGHTS.get(weight)),
                    )
                )
    return tuple(cells)


def weights(design: str, loss: str) -> tuple[str, ...]:
    """Return the class weights that a loss is trained with on a design; LGL-INR has its own.

    Args:
        design: One of :data:`DESIGNS`.
        loss: One of :data:`LOSSES`.
    """
    if loss == "lgl_inr":
        return ("own",)
    if design == "balanced":
        return ("none",)
    return ("none", "inverse", "in_batch") if loss == "sml" else ("none", "inverse")


def _profiles(*profiles: Profile) -> dict[str, Profile]:
    return {profile.name: profile for profile in profiles}


MODALITY = Experiment(
    name="li2020/modality",
    title="Multi-modality neglect: the hardest wrong class and the others during training",
    profiles=_profiles(
        Profile(
            "paper",
            "the paper's protocol on Fashion-MNIST, and the same at equal steps",
            _modality(),
            seeds=5,
        ),
        Profile(
            "subset",
            "12,000 images of Fashion-MNIST for 10 epochs, 5,000 test images",
            _modality(train_size=12_000, test_size=5000, epochs=10),
            seeds=3,
        ),
        Profile(
            "quick",
            "1,000 images of Fashion-MNIST for 3 epochs, 500 test images",
            _modality(train_size=1000, test_size=500, epochs=3),
            seeds=2,
            embedded_fallback=True,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits for 2 epochs, to see that everything runs",
            _modality(**_DIGITS),
            seeds=2,
        ),
    ),
)

IMBALANCE = Experiment(
    name="li2020/imbalance",
    title="Eq. 9 on trained networks: balanced and imbalanced classes, with and without class weights",
    profiles=_profiles(
        Profile(
            "paper",
            "the paper's protocol on Fashion-MNIST: all images, or as many as the class sizes allow",
            _imbalance("paper", DESIGNS),
            seeds=5,
        ),
        Profile(
            "subset",
            "about 8,250 images of Fashion-MNIST for 10 epochs, the learning rate a tenth in the last three; "
            "2,500 test images",
            _imbalance("equal", DESIGNS, 7, train_size=8250, test_size=2500, epochs=10),
            seeds=3,
        ),
        Profile(
            "quick",
            "about 550 images of Fashion-MNIST for 4 epochs, the learning rate a tenth in the last; 300 test "
            "images; balanced and 10:1 alone",
            _imbalance("equal", ("balanced", "step"), 3, train_size=550, test_size=300, epochs=4),
            seeds=2,
            embedded_fallback=True,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits for 2 epochs, to see that everything runs",
            _imbalance("equal", DESIGNS, **_DIGITS),
            seeds=2,
        ),
    ),
)

CALIBRATION = Experiment(
    name="li2020/calibration",
    title="Calibration: how far the probabilities of the three losses can be trusted",
    profiles=_profiles(
        Profile(
            "paper",
            "the paper's protocol on Fashion-MNIST, and the same at equal steps",
            _calibration(),
            seeds=5,
        ),
        Profile(
            "quick",
            "1,000 images of Fashion-MNIST for 5 epochs, 1,000 test images",
            _calibration(train_size=1000, test_size=1000, epochs=5),
            seeds=2,
            embedded_fallback=True,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits for 2 epochs, to see that everything runs",
            _calibration(**_DIGITS),
            seeds=2,
        ),
    ),
)

EXPERIMENTS = (MODALITY, IMBALANCE, CALIBRATION)
