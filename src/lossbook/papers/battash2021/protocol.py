"""What the image experiments of battash2021 share: recipes, the paper's four regimes, cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lossbook.evidence import claims
from lossbook.evidence.contrasts import Select
from lossbook.evidence.select import Evidence, dataset_name
from lossbook.experiments.grid import PAPER, Cell, Profile
from lossbook.papers.recipe import RECIPE
from lossbook.results import Record
from lossbook.training import RunSpec

#: The paper's four regimes: a loss, and the schedule of F for the mixture.
CE, CONSTANT, TWO_PHASE, GRADUAL = ("ce", ""), ("ceel", "0"), ("ceel", "0,0.5"), ("ceel", "0-0.5")
MIXTURES = (CONSTANT, TWO_PHASE, GRADUAL)
#: In the order that runs are made: what is claimed first, then what takes part in it.
REGIMES = (CE, GRADUAL, CONSTANT, TWO_PHASE)
#: Losses and networks on pages.
LOSS_NAMES = {
    "ce": "CE",
    "ceel": "CE+EL",
    "el": "EL",
    "cot": "COT",
    "ce_target": "CE sized by Eq. 21",
    "ce_square": "CE sized by Eq. 22",
    "ce_without_lost": "CE without lost images",
    "ce_without_random": "CE without random images",
}
NETWORK_NAMES = {
    "resnet110": "ResNet-110",
    "preact_resnet18": "PreAct ResNet-18",
    **{f"resnet{depth}": f"ResNet-{depth}" for depth in (18, 20, 32, 34, 44, 50, 101)},
    **{f"resnext{depth}": f"ResNeXt-{depth}" for depth in (29, 50, 101)},
    "shufflenet": "ShuffleNet",
    "shufflenetv2": "ShuffleNetV2",
    "reference_small": "reference network",
    "cifar_resnet20": "ResNet-20",
    "cifar_resnet32": "ResNet-32",
    "cifar_resnet44": "ResNet-44",
    "cifar_resnet110": "ResNet-110",
    "small_resnet34": "ResNet-34",
    "small_resnet50": "ResNet-50",
    "small_resnet101": "ResNet-101",
    "small_shufflenet_v2": "ShuffleNetV2",
    "li2020_resnet18": "ResNet-18",
    "imagenet_resnet18": "ResNet-18",
    "imagenet_resnet34": "ResNet-34",
    "imagenet_resnet50": "ResNet-50",
    "imagenet_resnet101": "ResNet-101",
    "imagenet_shufflenet_v2": "ShuffleNet",
    "imagenet_resnext50": "ResNeXt-50",
    "imagenet_resnext101": "ResNeXt-101",
    "keras_mnist_cnn": "a small CNN",
    "li2020_cnn2c": "CNN2C",
    "cnn2c_dropout": "CNN2C",
    "lstm": "LSTM",
}
FOCUS_NAMES = {"": "–"}
#: The paper's sets of images.
DATASETS = ("cifar100", "cinic10", "tiny_imagenet", "imagenet")

#: The profile of CNN2C on a part of Fashion-MNIST.
SMALL_RUNS = "cnn2c"
#: What counts as the paper's protocol, and the runs made with the reference network or a shorter schedule.
DECISIVE = (PAPER, "reference", "resnet20", SMALL_RUNS)
REDUCED = "one small network cannot show a general rule"
#: Where what has not been run is listed.
MISSING = "../reproduce.html"

#: The recipe of the reference network at one rate: the paper's mixtures have "the exact same training
#: configuration". Twelve epochs, not nine: the gradual mixture has six phases of equal length.
REFERENCE = replace(RECIPE, dataset="cifar100", epochs=12)
#: "Recognition in CIFAR100 and CINIC10". Batch sizes are those of the published code. The paper's 180,000
#: training images of CINIC-10 are its training and its validation part; the loader trains on the first alone.
CIFAR = RunSpec(
    dataset="cifar100",
    model="cifar_resnet20",
    loss="ce",
    optimizer="sgd",
    optimizer_options={"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4},
    schedule={"name": "steps", "at": [120, 160, 200]},
    augmentation="crop_flip",
    pixels="standardised",
    batch_size=128,
    epochs=240,
)
CINIC = replace(
    CIFAR,
    dataset="cinic10",
    schedule={"name": "steps", "at": [30, 60]},
    batch_size=256,
    epochs=90,
)
#: Where a run takes less than a minute: many seeds, and curvature after every epoch.
SMALL = RunSpec(
    dataset="fashion_mnist",
    model="li2020_cnn2c",
    loss="ce",
    optimizer="sgd",
    optimizer_options={"lr": 0.05, "momentum": 0.9},
    schedule={"name": "cosine"},
    batch_size=64,
    epochs=12,
    train_size=6000,
)
#: Small versions, to try everything.
QUICK: dict[str, Any] = {"train_size": 2000, "test_size": 1000, "batch_size": 128, "epochs": 6}
DIGITS: dict[str, Any] = {
    "dataset": "digits",
    "model": "keras_mnist_cnn",
    "train_size": 128,
    "test_size": 50,
    "batch_size": 32,
    "epochs": 6,
    "optimizer_options": {"lr": 0.05, "momentum": 0.9},
}

_CODE: dict[str, tuple[str, Mapping[str, Any]]] = {
    "cot": ("ce", {}),
    "ce_target": ("ce_scaled", {"reading": "target"}),
    "ce_square": ("ce_scaled", {"reading": "square"}),
    "ce_without_lost": ("ce_without_lost", {"schedule": "lost"}),
    "ce_without_random": ("ce_without_lost", {"schedule": "random"}),
}


def cell(
    base: RunSpec,
    regime: tuple[str, str],
    *,
    lr: float | None = None,
    labels: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Cell:
    """A cell of a grid: a recipe with a regime, and what else it is changed in.

    Args:
        base: The recipe.
        regime: A loss and the schedule of F.
        lr: The learning rate; the recipe's own for None.
        labels: What the cell is besides data set, network, regime, learning rate and epochs.
        **changes: Other settings of the run.
    """
    loss, schedule = regime
    code, options = _CODE.get(loss, (loss, {}))
    spec = replace(base, **changes, loss=code, loss_options={**options, **_scheduled(regime)})
    if loss == "cot":
        spec = replace(spec, step="complement")
    if lr is not None:
        spec = replace(spec, optimizer_options={**spec.optimizer_options, "lr": lr})
    common = {
        "dataset": spec.dataset,
        "network": spec.model,
        "loss": loss,
        "schedule": schedule,
        "lr": spec.optimizer_options["lr"],
        "epochs": spec.epochs,
    }
    return Cell({**common, **(labels or {})}, spec)


def _scheduled(regime: tuple[str, str]) -> dict[str, Any]:
    return {"schedule": regime[1]} if regime[1] else {}


def by_name(*profiles: Profile) -> dict[str, Profile]:
    """Profiles by their names, in the order given."""
    return {profile.name: profile for profile in profiles}


def title(regime: tuple[str, str]) -> str:
    """The printed name of a regime: ``"CE"``, ``"CE+EL 0-0.5"``."""
    loss, schedule = regime
    return f"{LOSS_NAMES[loss]} {schedule if loss == 'ceel' else ''}".strip()


def select(regime: tuple[str, str], **more: Any) -> Select:
    """The runs of a regime; ``metric`` and ``value`` as for a selection, the rest are labels."""
    how = {name: more.pop(name) for name in ("metric", "value") if name in more}
    return Select({"loss": regime[0], "schedule": regime[1], **more}, **how)


def places(evidence: Evidence, profile: str) -> list[dict[str, Any]]:
    """Data set and network of the runs at a profile, each pair once."""
    found = (
        (str(r.labels["dataset"]), str(r.labels["network"])) for r in evidence.by_profile.get(profile, ())
    )
    return [{"dataset": dataset, "network": network} for dataset, network in dict.fromkeys(found)]


def place(evidence: Evidence, profile: str) -> str:
    """Network and data of a profile's runs, as pages name them: ``"CNN2C on Fashion-MNIST"``."""
    each = (
        f"{NETWORK_NAMES[where['network']]} on {dataset_name(where['dataset'])}"
        for where in places(evidence, profile)
    )
    return ", ".join(dict.fromkeys(each))


def basis(records: Sequence[Record]) -> str:
    """On what runs a finding rests: networks, data, length and seeds, and whether that is the paper's."""
    parts = []
    for profile in dict.fromkeys(r.profile for r in records):
        mine = [r for r in records if r.profile == profile]
        networks = ", ".join(dict.fromkeys(NETWORK_NAMES[str(r.labels["network"])] for r in mine))
        sets = ", ".join(dict.fromkeys(dataset_name(str(r.labels["dataset"])) for r in mine))
        epochs = " or ".join(str(n) for n in sorted({int(r.labels["epochs"]) for r in mine}))
        seeds = claims.seeds_text(mine)
        own = all(str(r.labels["dataset"]) in DATASETS for r in mine)
        reduced = f"not the paper's {'' if own else 'data, '}networks or length"
        how = "the paper's protocol" if profile == PAPER else reduced
        parts.append(f"{networks} on {sets}, {epochs} epochs, {seeds}: {how}")
    return "; ".join(parts) or "no runs"
