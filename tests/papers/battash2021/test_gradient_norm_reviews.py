"""The control on reviews: what is declared, and differences whose answer is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from battash2021_runs import evidence, made
from said import numbers

from lossbook import experiments
from lossbook.evidence import recorded
from lossbook.papers.battash2021 import gradient_norm_reviews as reviews
from lossbook.papers.battash2021 import gradient_norm_reviews_figures as figures
from lossbook.papers.battash2021 import verdict
from lossbook.papers.battash2021.protocol import CE, GRADUAL, TWO_PHASE
from lossbook.papers.battash2021.table3 import CLEAN_EPOCHS
from lossbook.results import Store

ITEM = "gradient_norm_reviews"


def runs(points, noise=0.001, **where):
    """CE at 0.6, and so many points more for other regimes; noise by seed that the networks share."""

    def accuracy(seed, loss, schedule, **_):
        scatter = np.random.default_rng([seed, len(loss + schedule)]).normal() * noise
        return 0.6 + points.get((loss, schedule), 0.0) / 100 + (scatter if loss != "ce" else 0)

    return made(ITEM, "clean", accuracy, seeds=8, **where)


AS_SIZED = {TWO_PHASE: 1.0, GRADUAL: 1.0, reviews.TARGET_TWO: 1.0, reviews.TARGET_GRADUAL: 1.0}


def test_ce_and_the_mixtures_are_the_runs_of_table_3():
    mine = {spec.key for _, spec in experiments.get(reviews.REVIEWS_NORM).profile("clean").runs()}
    theirs = {spec.key for _, spec in experiments.get("battash2021/table3").profile("clean").runs()}
    assert len(mine & theirs) == 3 * 4 * 8
    assert len(mine - theirs) == (2 * 4 + 2) * 8


def test_the_control_differs_in_the_factor_alone():
    cells = experiments.get(reviews.REVIEWS_NORM).profile("clean").cells
    of = {(c.labels["architecture"], c.labels["loss"], c.labels["schedule"]): c.spec for c in cells}
    for network in reviews.NETWORKS:
        for mixture, (loss, schedule) in reviews.SIZED.items():
            control = of[network, loss, schedule]
            assert (control.loss, control.loss_options) == (
                "ce_scaled",
                {"reading": "target", "schedule": mixture[1]},
            )
            assert replace(control, loss="ce", loss_options={}) == of[network, *CE]


def test_the_factors_are_alpha_and_a_third_of_beta():
    frame = reviews.factors(CLEAN_EPOCHS)
    two = frame[frame["Mixture"] == "CE+EL 0,0.5"]
    assert two["Epochs"].tolist() == ["1 to 6", "7"]
    assert two["Eq. 21"].tolist() == ["1.33", "0.33"]  # CE + EL, and EL alone
    gradual = frame[frame["Mixture"] == "CE+EL 0-0.5"]
    assert gradual["Eq. 21"].tolist() == ["1.33", "1.42", "1.56", "1.83", "2.67", "0.33"]


def test_rates_are_chosen_by_the_mean_over_seeds_on_held_out_reviews():
    cells = experiments.get(reviews.REVIEWS_NORM).profile("rates").cells
    assert {c.spec.validation_size for c in cells} == {reviews.HELD_OUT}

    def accuracy(seed, lr, loss, **_):
        # The last seed alone would choose 0.03.
        return 0.5 + (0.2 if lr == 0.003 and seed < 2 else 0.1 if lr == 0.03 else 0)

    found = made(ITEM, "rates", accuracy, seeds=3)
    assert reviews.choose(found) == dict.fromkeys(reviews.TRIED, 0.003)
    frame = reviews.rates_table(evidence(ITEM, found))
    assert frame["Chosen"].tolist() == ["0.003"] * 4
    part = [r for r in found if (r.labels["loss"], r.labels["lr"]) != ("el", 0.001)]
    assert reviews.EL not in reviews.choose(part)
    assert reviews.same_rate(evidence(ITEM, found)) == ""
    shared = made(ITEM, "rates", lambda lr, **_: 0.5 + 0.1 * (lr == reviews.SHARED_RATE))
    assert reviews.same_rate(evidence(ITEM, shared)).startswith(
        "CE, CE+EL 0-0.5, CE+EL 0,0.5: with this network (3 seeds) each does best at 0.01"
    )


def test_means_over_the_networks_are_those_of_the_seeds():
    found = evidence(ITEM, runs({**AS_SIZED, TWO_PHASE: 1.5}))
    mean = reviews.over_networks(found, TWO_PHASE, CE)
    assert mean.interval.n == 8
    values = [
        100 * np.random.default_rng([seed, len("ceel0,0.5")]).normal() * 0.001 + 1.5 for seed in range(8)
    ]
    assert mean.interval.mean == pytest.approx(np.mean(values))
    assert mean.interval.half == pytest.approx(2.3646243 * np.std(values, ddof=1) / np.sqrt(8))
    frame = reviews.table(found)
    assert len(frame) == 6
    cell = frame.set_index("Difference")["After the last epoch"]["CE+EL 0,0.5 minus CE"]
    assert str(cell) == str(mean)
    assert f"{mean.interval.mean:+.2f}" in numbers(reviews.headline(found))
    # A network without runs leaves the mean open.
    part = runs(AS_SIZED, architecture="arch1") + runs(AS_SIZED, architecture="arch2")
    assert reviews.over_networks(evidence(ITEM, part), TWO_PHASE, CE) is None
    assert reviews.headline(evidence(ITEM, part)) == ""
    assert figures.figure(evidence(ITEM, part)) is None


def test_the_question_follows_from_the_runs():
    def judged(points, **more):
        return verdict.judge("size-on-reviews", evidence(ITEM, runs(points, **more)))

    ahead = judged({**AS_SIZED, TWO_PHASE: 3.0, GRADUAL: 3.0})
    assert (ahead.finding, ahead.count) == ("holds", (8, 8))
    level = judged(AS_SIZED)
    assert level.finding == "does not hold"
    assert judged(AS_SIZED, noise=0.05).finding == "not settled"


def test_what_follows_depends_on_the_control():
    def said(points):
        """Which mixtures gain what a gradient as large does not give, and which gain no more than it."""
        beyond, _, level = reviews.follows(evidence(ITEM, runs(points))).partition("CE alone")
        return [[m for m in ("CE+EL 0-0.5", "CE+EL 0,0.5") if m in part] for part in (beyond, level)]

    both = ["CE+EL 0-0.5", "CE+EL 0,0.5"]
    assert said(AS_SIZED) == [[], both]
    assert said({**AS_SIZED, TWO_PHASE: 3.0}) == [both[1:], both[:1]]
    assert said({TWO_PHASE: 1.0, GRADUAL: 1.0}) == [both, []]
    assert reviews.follows(evidence(ITEM, runs(dict.fromkeys(AS_SIZED, -1.0)))) == ""


def test_the_chapters_first_page_quotes_the_records(tmp_path):
    found = recorded(reviews.REVIEWS_NORM, store=Store(working=tmp_path))
    text = (Path(__file__).parents[3] / "book" / "battash2021.md").read_text(encoding="utf-8")
    sized, ahead = (
        reviews.over_networks(found, *pair)
        for pair in ((reviews.TARGET_TWO, CE), (TWO_PHASE, reviews.TARGET_TWO))
    )
    assert sized.interval.n == ahead.interval.n == 8
    assert f"{sized}, four networks" in " ".join(text.split())
    assert f"ahead of it by {ahead} after the last epoch" in " ".join(text.split())
    assert sized.interval.low < 0 < ahead.interval.low


def test_epoch_by_epoch_the_last_is_that_of_the_table():
    found = evidence(ITEM, runs(AS_SIZED))
    means = reviews.by_epoch(found, TWO_PHASE)
    assert len(means) == CLEAN_EPOCHS
    assert str(means[-1]) == str(reviews.over_networks(found, TWO_PHASE, CE))
    # The made-up curves rise in proportion.
    assert means[0].interval.mean == pytest.approx(means[-1].interval.mean / CLEAN_EPOCHS)
    drawn = figures.figure(found)
    assert [ax.get_title(loc="left") or ax.get_title() for ax in drawn.axes] == ["CE+EL 0-0.5", "CE+EL 0,0.5"]
    assert str(means[0]) in figures.alt(found)


def test_intervals_are_adjusted_for_their_number():
    judged = verdict.judge("size-on-reviews", evidence(ITEM, runs(AS_SIZED | {TWO_PHASE: 3.0})))
    p = sorted(d.interval.p for d in judged.differences)
    assert len(p) == 8
    # Holm: the smallest p-value times their number.
    said = numbers(reviews.adjusted(judged))
    assert said == ["8", "0.05", "4", f"{8 * p[0]:.3f}"]
    assert reviews.adjusted(verdict.judge("size-on-reviews", evidence(ITEM))) == ""
