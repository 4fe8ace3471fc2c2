"""The book's look: every loss can be told apart, on light and dark pages, with and without colour vision."""

import itertools
import re

import numpy as np
import pytest
from matplotlib.figure import Figure

from lossbook.errors import UnknownNameError
from lossbook.pages import LOSS_STYLE, loss_style, style, theme

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
DEFICIENCIES = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def _linear(color: str) -> np.ndarray:
    srgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _luminance(color: str) -> float:
    return float(_linear(color) @ [0.2126, 0.7152, 0.0722])


def _contrast(one: str, other: str) -> float:
    bright, dim = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def _lab(linear: np.ndarray) -> np.ndarray:
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.clip(np.array(to_xyz) @ linear / [0.9505, 1.0, 1.089], 1e-6, None))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("loss", LOSS_STYLE)
@pytest.mark.parametrize("page", [style.LIGHT_PAGE, style.DARK_PAGE])
def test_every_loss_stands_out_from_the_page(loss: str, page: str) -> None:
    assert _contrast(LOSS_STYLE[loss].color, page) >= 3


@pytest.mark.parametrize("sight", ["full", *DEFICIENCIES])
def test_losses_differ_for_every_kind_of_colour_vision(sight: str) -> None:
    matrix = np.array(DEFICIENCIES.get(sight, np.eye(3)))
    colors = {look.color: name for name, look in reversed(LOSS_STYLE.items())}
    assert len(colors) == 11
    seen = {name: _lab(np.clip(matrix @ _linear(color), 0, 1)) for color, name in colors.items()}
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 15, (one, other)


def test_the_losses_of_one_paper_differ_clearly() -> None:
    colors = [LOSS_STYLE[loss].color for loss in ("ce", "lr", "lgl_inr", "lr_mean")]
    for one, other in itertools.combinations(colors, 2):
        assert one != other
        if LOSS_STYLE["lgl_inr"].color in (one, other):
            assert np.linalg.norm(_lab(_linear(one)) - _lab(_linear(other))) > 50


def test_losses_differ_without_colour() -> None:
    looks = list(LOSS_STYLE.values())
    for attribute in ("name", "marker", "dash"):
        assert len({getattr(look, attribute) for look in looks}) == len(looks), attribute


def test_the_ink_is_readable_and_reserved() -> None:
    theme()
    for ink, dark in style._DARK.items():
        assert ink not in {look.color for look in LOSS_STYLE.values()}
        if ink != style.GRID:
            assert _contrast(ink, style.LIGHT_PAGE) >= 4.5
            assert _contrast(dark, style.DARK_PAGE) >= 4.5


def test_an_unknown_loss_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="nllr"):
        loss_style("nlr")


def _figure() -> Figure:
    theme()
    figure = Figure(layout="constrained")
    ax = figure.add_subplot(title="Title", xlabel="epoch")
    ax.plot([0.123456789, 2, 3], [1, 2, 4], **loss_style("ce").line())
    ax.fill_between([1, 2, 3], [0, 1, 2], [2, 3, 5], color=loss_style("ce").color, alpha=0.2)
    figure.legend(loc="outside upper center")
    return figure


def test_the_same_figure_gives_the_same_bytes() -> None:
    assert style.svg(_figure()) == style.svg(_figure())
    assert style.pdf(_figure()) == style.pdf(_figure())
    assert re.search(r"20\d\d-\d\d-\d\d", style.svg(_figure())[0]) is None


def test_the_dark_variant_exchanges_ink_and_keeps_the_data() -> None:
    light, dark = style.svg(_figure())
    color = loss_style("ce").color
    assert light.count(color) == dark.count(color) > 0
    for ink in (style.INK, style.MUTED, style.GRID):
        assert ink in light
        assert ink not in dark
    # Nothing is drawn in a colour that the dark page would swallow.
    assert "#000000" not in light
    assert not re.search(r"fill: #ffffff|stroke: #ffffff", light)
