"""What the page on Table 1 of li2020 computes, on a few runs."""

import pytest
import torch

from lossbook.errors import UnknownNameError
from lossbook.papers.li2020 import table1 as experiment
from lossbook.papers.li2020.simulations import CORRECTED, WEIGHTINGS

RUNS = range(2)


@pytest.fixture(scope="module")
def results():
    return experiment.table_one(RUNS)


def test_both_simulations_with_every_weighting(results):
    assert [(r.simulation, r.weighting) for r in results] == [
        (simulation, weighting) for simulation in ("sim1", "sim2") for weighting in WEIGHTINGS
    ]


def test_exact_on_training_data_and_not_on_test_data(results):
    for r in results:
        assert float((r.training / r.weighting.right_side - 1).abs().max()) < 1e-8
        off = (r.testing / r.weighting.right_side - 1).abs()
        assert 1e-4 < float(off.max()) < 0.7
        assert bool((r.sampling > 0).all())


def test_a_run_gives_the_same_alone_and_in_company(results):
    alone = experiment.table_one([1], weightings=WEIGHTINGS)
    for one, all_ in zip(alone, results, strict=True):
        # The hidden layer is trained in single precision.
        torch.testing.assert_close(one.testing, all_.testing[1:], rtol=1e-3, atol=0)


def test_another_seed_gives_other_runs(results):
    other = experiment.table_one(RUNS, seed=1, simulations=("sim1",), weightings=WEIGHTINGS[:1])
    assert not torch.equal(other[0].testing, results[0].testing)


def test_variants():
    found = {(r.simulation, r.condition, r.weighting): r for r in experiment.variants(RUNS)}
    assert len(found) == 2 * 5 * 3
    off = {key: float((r.training / r.weighting.right_side - 1).abs().max()) for key, r in found.items()}
    for (_, condition, _), distance in off.items():
        if condition in ("free", "weights"):
            assert distance < 1e-8
        else:
            assert distance > 1e-8
    assert off["sim1", "bias-large", CORRECTED[0]] > 0.2
    assert off["sim1", "none", CORRECTED[0]] > 0.8
    assert off["sim2", "none", CORRECTED[0]] < 0.05


def test_approach():
    paths, results = experiment.approach(RUNS)
    assert len(paths) == 9
    assert {(r.simulation, r.condition) for r in results} == {
        ("sim1", "early"),
        ("sim2", "early"),
        ("sim2", "constant"),
        ("sim2", "falling"),
    }
    for path in paths:
        assert path.steps[0] == 0
        assert path.training.shape == path.testing.shape == (len(path.steps), len(RUNS))
        off = (path.training / path.weighting.right_side - 1).abs()
        if path.condition == "descent":
            assert float(off[-1].max()) < 1e-3
            # All logits are zero at the start.
            torch.testing.assert_close(path.training[0], torch.ones(2, dtype=torch.float64))
        else:
            assert float(off[-1].max()) < 0.6


def test_ten_classes():
    found = experiment.ten_classes(range(12))
    assert [(each.weights, sum(each.counts)) for each in found] == [
        ("equal", 2044),
        ("inverse frequency", 2044),
        ("equal", 409),
        ("inverse frequency", 409),
    ]
    for each in found:
        assert float((each.training[0] / each.training[1] - 1).abs().max()) < 1e-8
        residual = each.testing[0] - each.testing[1]
        assert float(residual.sum(1).abs().max()) < 1e-10
        assert int(torch.linalg.matrix_rank(residual)) == 9
    # Fewer samples, further from the balance on new data.
    off = [float((each.testing[0] / each.testing[1]).log().square().mean()) for each in found]
    assert off[2] > 2 * off[0]
    assert off[3] > 2 * off[1]


def test_runs_of():
    assert experiment.runs_of("smoke") == range(5)
    assert experiment.runs_of("quick") == experiment.runs_of("paper") == range(100)
    assert experiment.runs_of("quick", 7) == range(7)
    for runs in (-1, 1):
        with pytest.raises(ValueError, match=f"2 or more, or 0 for the profile's own 5; got {runs}"):
            experiment.runs_of("smoke", runs)
    with pytest.raises(UnknownNameError, match="quick"):
        experiment.runs_of("quik")
