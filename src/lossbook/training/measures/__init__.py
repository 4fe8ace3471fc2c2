"""What is measured of a network, by name: at the end of its training, after every epoch, or at every step."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from lossbook.errors import UnknownNameError
from lossbook.training.measures.subject import StepSeen, Subject

__all__ = ["Measure", "StepMeasure", "StepSeen", "Subject", "get", "get_step", "names"]

#: Of a network: named numbers, and arrays, which keep their shape in the record.
Measure = Callable[[Subject], Mapping[str, float | Tensor]]
#: Of a step of training: named numbers.
StepMeasure = Callable[[StepSeen], Mapping[str, float | Tensor]]

# Module and function of each. They are imported when they are asked for: a record depends on the code of its
# own.
_MEASURES = {
    "balance_sigmoid": ("balance", "balance_sigmoid"),
    "balance_softmax": ("balance", "balance_softmax"),
    "class_features": ("class_features", "class_features"),
    "class_quality": ("class_features", "class_quality"),
    "examples": ("examples", "examples"),
    "feature_quality": ("features", "feature_quality"),
    "features": ("features", "features"),
    "modality_sigmoid": ("modality", "modality_sigmoid"),
    "modality_softmax": ("modality", "modality_softmax"),
    "noise_curvature": ("curvature", "noise_curvature"),
    "reliability_sigmoid": ("reliability", "reliability_sigmoid"),
    "reliability_softmax": ("reliability", "reliability_softmax"),
    "retrieval_both": ("retrieval_both", "retrieval_both"),
    "retrieval_cosine": ("retrieval", "retrieval_cosine"),
    "retrieval_euclidean": ("retrieval", "retrieval_euclidean"),
    "several_labels": ("several_labels", "several_labels"),
    "sigmoid": ("predictions", "sigmoid"),
    "softmax": ("predictions", "softmax"),
}
_STEP_MEASURES = {"parts": ("parts", "parts")}


def names() -> list[str]:
    """The names that :func:`get` knows."""
    return sorted(_MEASURES)


def get(name: str) -> Measure:
    """What is measured of a network under that name.

    Raises:
        UnknownNameError: An unknown name; the message names the nearest.
    """
    found: Measure = _import(name, _MEASURES, "measure")
    return found


def get_step(name: str) -> StepMeasure:
    """What is measured of a step under that name.

    Raises:
        UnknownNameError: An unknown name; the message names the nearest.
    """
    found: StepMeasure = _import(name, _STEP_MEASURES, "measure of a step")
    return found


def _import(name: str, known: Mapping[str, tuple[str, str]], what: str) -> Any:
    if name not in known:
        raise UnknownNameError(what, name, sorted(known))
    module, function = known[name]
    return getattr(importlib.import_module(f"{__name__}.{module}"), function)
