"""The table behind the slider of the atlas: its curves are the losses' own."""

import json
import re

import pytest
import torch
from said import numbers
from torch.nn import functional as F

from lossbook import losses
from lossbook.pages import LOSS_STYLE, explorer
from lossbook.pages.explorer import GAPS, PROBABILITIES, Family


@pytest.fixture
def families():
    return [
        Family(
            "focal",
            "γ",
            {g: losses.phi("focal", gamma=g) for g in (0.0, 2.0)},
            start=2.0,
            note="γ = 0 is CE.",
        ),
        Family("gce", "q", {q: losses.phi("gce", q=q) for q in (0.25, 1.0)}, start=0.25),
    ]


def _losses_at(gaps, name, **options):
    """The packaged loss of three logits with these gaps."""
    logits = torch.stack([-gaps, torch.zeros_like(gaps), torch.full_like(gaps, -torch.inf)], dim=1)
    target = torch.zeros(len(gaps), dtype=torch.long)
    return losses.get(name, reduction="none", **options)(logits, target)


@pytest.mark.parametrize(("number", "name", "option"), [(0, "focal", "gamma"), (1, "gce", "q")])
def test_rows_are_the_packaged_losses(families, number, name, option):
    rows = explorer.table(families)["families"][number]["rows"]
    for (loss, step), value in zip(rows, families[number].members, strict=True):
        expected = _losses_at(GAPS, name, **{option: value})
        assert torch.tensor(loss, dtype=torch.float64) == pytest.approx(expected, abs=0.00501)
        gaps = -torch.logit(PROBABILITIES).requires_grad_()
        (slope,) = torch.autograd.grad(_losses_at(gaps, name, **{option: value}).sum(), gaps)
        assert torch.tensor(step, dtype=torch.float64) == pytest.approx(slope, abs=0.000501)


def test_first_member_of_the_focal_family_is_cross_entropy(families):
    loss, step = explorer.table(families)["families"][0]["rows"][0]
    assert loss == [round(v, 2) for v in F.softplus(GAPS).tolist()]
    assert step == pytest.approx((1 - PROBABILITIES).tolist(), abs=0.000501)


def test_each_position_says_where_the_step_is_largest(families):
    texts = explorer.table(families)["families"][0]["texts"]
    # γ, the largest step size and the p where it is; then the note.
    assert numbers(texts[0]) == ["0", "1.00", "0", "0"]
    assert numbers(texts[1])[:3] == ["2", "1.13", "0.06"]
    assert all(text.startswith("Focal ") and text.endswith("γ = 0 is CE.") for text in texts)


def test_axes_run_up_the_page(families):
    for chart, grid in zip(explorer.table(families)["charts"], (GAPS, PROBABILITIES), strict=True):
        assert chart["x"] == sorted(chart["x"])
        assert len(chart["x"]) == len(grid)
        assert chart["y"][1] < chart["y"][0]


def test_what_is_shown_holds_the_table_and_is_hidden_until_the_script_runs(families, monkeypatch):
    shown = []
    monkeypatch.setattr(explorer, "display", lambda data, raw: shown.append(data["text/html"]))
    explorer.explore(families)
    (html,) = shown
    assert re.search(r'<div class="lossbook lossbook-explorer" hidden>', html)
    text = re.search(r'<script type="application/json" class="rows">(.*?)</script>', html)[1]
    assert json.loads(text) == json.loads(json.dumps(explorer.table(families)))
    assert html.count('type="radio"') == 2
    assert html.count(" checked") == 1
    assert f'stroke="{LOSS_STYLE["ce"].color}"' in html
    assert "http" not in html
