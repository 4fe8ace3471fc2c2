"""The critical difference diagram."""

from lossbook.pages import style
from lossbook.pages.diagram import Diagram, critical_difference, describe

STYLES = [style.loss_style(loss) for loss in ("ce", "bce", "nllr")]


def test_diagram_draws_ranks_and_bars() -> None:
    names, places = ["A", "B", "C"], [1.5, 1.75, 2.75]
    diagram = Diagram("Title", places, [(0, 1)])
    figure = critical_difference([diagram], names, STYLES)
    ax = figure.axes[0]
    texts = [text.get_text() for text in ax.texts]
    assert {"A  1.50", "B  1.75", "2.75  C"} <= set(texts)
    dots = {line.get_marker(): tuple(line.get_xdata()) for line in ax.lines if line.get_marker() in "os^"}
    assert dots == {"o": (1.5,), "s": (1.75,), "^": (2.75,)}
    bars = [line.get_xdata() for line in ax.lines if line.get_linewidth() > 3]
    assert len(bars) == 1
    assert (bars[0][0] < 1.5, 1.75 < bars[0][1] < 2) == (True, True)
    # All that there is lies between the whole ranks 1 and 3.
    ticks = [text.get_text() for text in ax.texts if text.get_text().isdigit()]
    assert ticks == ["1", "2", "3"]
    light, dark = style.svg(figure)
    assert light != dark
    assert describe(diagram, names) == ("Title: mean ranks A 1.50, B 1.75, C 2.75. Not told apart: A to B.")


def test_diagrams_of_a_figure_share_an_axis() -> None:
    first = Diagram("A", [2.5, 3.0, 3.5], [])
    second = Diagram("B", [2.2, 3.3, 4.5], [])
    figure = critical_difference([first, second], ["x", "y", "z"], STYLES)
    spans = [ax.get_xlim() for ax in figure.axes]
    assert spans[0] == spans[1]
    ticks = [[t.get_text() for t in ax.texts if t.get_text().isdigit()] for ax in figure.axes]
    assert ticks == [["2", "3", "4", "5"]] * 2
    tied = critical_difference([Diagram("C", [2.0, 2.0, 2.0], [])], ["x", "y", "z"], STYLES)
    assert [t.get_text() for t in tied.axes[0].texts if t.get_text().isdigit()] == ["2", "3"]
