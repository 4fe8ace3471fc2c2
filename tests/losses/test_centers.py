"""Max-Mahalanobis centres, the distance to them as a loss, and scores for prediction."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch

from lossbook.losses import MMCLoss, get, max_mahalanobis_centers, mmc_loss, mmc_scores

F64 = torch.float64


def example(count=7, classes=4, features=6, dtype=F64):
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(count, features, dtype=F64, generator=generator).to(dtype)
    target = torch.randint(classes, (count,), generator=generator)
    return features, target, max_mahalanobis_centers(classes, features.shape[1], 2.0, dtype=F64)


# --- the centres --------------------------------------------------------------------------------------------


def recursion(classes, features, norm):
    """The original's construction: each centre from its inner products with those before."""
    centers = np.zeros((classes, features))
    centers[0, 0] = 1
    for i in range(1, classes):
        for j in range(i):
            centers[i, j] = -(1 / (classes - 1) + centers[i] @ centers[j]) / centers[j, j]
        if i < classes - 1:  # The last is complete.
            centers[i, i] = math.sqrt(1 - centers[i] @ centers[i])
    return norm * centers


@pytest.mark.parametrize(("classes", "features"), [(2, 1), (2, 5), (3, 2), (10, 9), (10, 64), (50, 49)])
def test_they_are_the_originals(classes, features):
    got = max_mahalanobis_centers(classes, features, 3.0, dtype=F64)
    np.testing.assert_allclose(got.numpy(), recursion(classes, features, 3.0), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("classes", "features"), [(2, 1), (3, 2), (10, 9), (10, 64), (100, 99), (1000, 1024)]
)
@pytest.mark.parametrize("norm", [1.0, 10.0])
def test_inner_products(classes, features, norm):
    centers = max_mahalanobis_centers(classes, features, norm, dtype=F64)
    assert centers.shape == (classes, features)
    gram = torch.full((classes, classes), -(norm**2) / (classes - 1), dtype=F64)
    gram.fill_diagonal_(norm**2)
    torch.testing.assert_close(centers @ centers.T, gram, rtol=0, atol=1e-12 * norm**2)
    torch.testing.assert_close(centers.sum(0), torch.zeros(features, dtype=F64), rtol=0, atol=1e-11 * norm)


def test_a_triangle_by_hand():
    expected = [[1, 0], [-0.5, math.sqrt(0.75)], [-0.5, -math.sqrt(0.75)]]
    got = max_mahalanobis_centers(3, 2, 1.0, dtype=F64)
    torch.testing.assert_close(got, torch.tensor(expected, dtype=F64), rtol=1e-15, atol=1e-16)


def test_all_pairs_are_equally_far_apart():
    centers = max_mahalanobis_centers(7, 8, 3.0, dtype=F64)
    distances = torch.pdist(centers)
    torch.testing.assert_close(distances, torch.full_like(distances, 3 * math.sqrt(2 * 7 / 6)))


def test_no_set_of_points_on_the_sphere_has_a_larger_least_distance():
    """Their claim to the name, against random sets and sets near their own."""
    generator = torch.Generator().manual_seed(0)
    best = torch.pdist(max_mahalanobis_centers(4, 3, 1.0, dtype=F64)).min()
    for spread in (0.01, 0.1, 10.0):
        for _ in range(200):
            noise = spread * torch.randn(4, 3, dtype=F64, generator=generator)
            points = max_mahalanobis_centers(4, 3, 1.0, dtype=F64) + noise
            assert torch.pdist(points / points.norm(dim=1, keepdim=True)).min() < best


def test_type_and_device():
    assert max_mahalanobis_centers(3, 2).dtype == torch.get_default_dtype()
    assert max_mahalanobis_centers(3, 2, dtype=torch.float16).dtype == torch.float16
    assert max_mahalanobis_centers(3, 2, device="meta").device.type == "meta"
    # Rounded once, from double precision.
    wide = max_mahalanobis_centers(10, 20, dtype=F64)
    assert torch.equal(max_mahalanobis_centers(10, 20), wide.float())
    assert wide.norm(dim=1).tolist() == pytest.approx([10.0] * 10, rel=1e-14)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 5), "classes must be at least 2; got 1"),
        ((10, 8), "features must be at least 9 for 10 classes; got 8"),
        ((3, 2, 0.0), "norm must be positive and finite; got 0.0"),
        ((3, 2, -1.0), "norm must be positive"),
        ((3, 2, math.inf), "norm must be positive"),
        ((3, 2, math.nan), "norm must be positive"),
    ],
)
def test_centres_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        max_mahalanobis_centers(*arguments)


# --- the loss -----------------------------------------------------------------------------------------------


def test_by_hand():
    features = torch.tensor([[1.0, 2.0], [0.0, 0.0]])
    centers = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    losses = mmc_loss(features, torch.tensor([1, 1]), centers, reduction="none")
    assert losses.tolist() == [4.0, 12.5]
    scores = mmc_scores(features, centers)
    torch.testing.assert_close(scores, torch.tensor([[-2.5, -4.0], [0.0, -12.5]]), rtol=1e-6, atol=0)


def test_the_gradient_is_the_way_to_the_centre():
    """Half the distance itself, as battash2021 prints it, would have gradients all of one length."""
    features, target, centers = example()
    features.requires_grad_()
    mmc_loss(features, target, centers, reduction="sum").backward()
    torch.testing.assert_close(features.grad, features.detach() - centers[target], rtol=1e-14, atol=1e-15)


def test_at_its_centre_an_example_has_neither_loss_nor_gradient():
    _, target, centers = example()
    features = centers[target].clone().requires_grad_()
    loss = mmc_loss(features, target, centers)
    loss.backward()
    assert loss == 0
    assert (features.grad == 0).all()


def test_finite_differences():
    features, target, centers = example(3)
    target[0] = -100
    weight = torch.tensor([0.5, 1.0, 2.0, 3.0], dtype=F64)
    for centred in (centers, centers.clone().requires_grad_()):  # Centres may be trained as well.
        inputs = (features.requires_grad_(), centred)
        assert torch.autograd.gradcheck(lambda z, c: mmc_loss(z, target, c, weight=weight), inputs)
        assert torch.autograd.gradgradcheck(lambda z, c: mmc_loss(z, target, c, weight=weight), inputs)
    assert torch.autograd.gradcheck(mmc_scores, inputs)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignore_index", [-100, 2])
def test_each_reduction_from_the_losses_example_by_example(weighted, ignore_index):
    features, target, centers = example()
    target[1::3] = ignore_index
    weight = torch.tensor([0.25, 1.0, 3.0, 0.5], dtype=F64) if weighted else None
    expected, scales = [], []
    for row, y in zip(features.tolist(), target.tolist(), strict=True):
        scale = 0.0 if y == ignore_index else float(weight[y]) if weighted else 1.0
        center = centers[y].tolist() if scale else row
        distance = math.fsum((a - b) ** 2 for a, b in zip(row, center, strict=True))
        expected.append(scale * distance / 2)
        scales.append(scale)
    settings = {"weight": weight, "ignore_index": ignore_index}
    got = mmc_loss(features, target, centers, reduction="none", **settings)
    assert got.tolist() == pytest.approx(expected, rel=1e-13)
    total = mmc_loss(features, target, centers, reduction="sum", **settings)
    assert total.item() == pytest.approx(math.fsum(expected), rel=1e-13)
    mean = mmc_loss(features, target, centers, **settings)
    assert mean.item() == pytest.approx(math.fsum(expected) / math.fsum(scales), rel=1e-13)


def test_the_score_of_the_target_is_minus_the_loss_and_the_largest_is_nearest():
    features, target, centers = example(50)
    scores = mmc_scores(features, centers)
    assert scores.shape == (50, 4)
    at_target = scores.gather(1, target[:, None]).squeeze(1)
    torch.testing.assert_close(-at_target, mmc_loss(features, target, centers, reduction="none"))
    # Centres are equally long, so nearest is also where the inner product is largest.
    assert torch.equal(scores.argmax(1), (features @ centers.T).argmax(1))


def test_small_distances_between_long_vectors_are_kept_by_the_loss():
    centers = max_mahalanobis_centers(10, 64, 100.0)
    features = centers.clone()
    features[:, 20] = 2**-7  # A square of 2^-14, against squares of 10^4.
    losses = mmc_loss(features, torch.arange(10), centers, reduction="none")
    torch.testing.assert_close(losses, torch.full_like(losses, 2**-15), rtol=1e-6, atol=0)
    # The scores know it up to the rounding of 10^4, and are never positive.
    scores = mmc_scores(features, centers)
    assert scores.max() <= 0
    assert scores.diagonal().abs().max() < 4e4 * torch.finfo(torch.float32).eps
    assert torch.equal(scores.argmax(1), torch.arange(10))


@pytest.mark.parametrize("count", [3, 60])  # A few, and many.
def test_scores_in_single_precision(count):
    features, _, centers = example(count, 40, 64)
    exact = -(features[:, None] - centers).square().sum(2) / 2
    torch.testing.assert_close(mmc_scores(features, centers), exact, rtol=1e-12, atol=0)
    got = mmc_scores(features.float(), centers.float())
    torch.testing.assert_close(got.double(), exact, rtol=1e-6, atol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = mmc_scores(features.float(), centers)
    torch.testing.assert_close(under_autocast, got, rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    features, target, centers = example(dtype=dtype)
    features.requires_grad_()
    value = mmc_loss(features, target, centers, reduction="sum")
    value.backward()
    scores = mmc_scores(features, centers)
    assert value.dtype == features.grad.dtype == scores.dtype == dtype
    wide = features.detach().double()
    eps = torch.finfo(dtype).eps
    expected = mmc_loss(wide, target, centers, reduction="sum")
    torch.testing.assert_close(value.double(), expected, rtol=eps, atol=0)
    torch.testing.assert_close(features.grad.double(), wide - centers[target], rtol=eps, atol=eps / 100)
    torch.testing.assert_close(scores.double(), mmc_scores(wide, centers), rtol=eps, atol=0)


def test_squares_beyond_half_precision_do_not_overflow_on_the_way():
    features, centers = torch.tensor([[300.0]], dtype=torch.float16), torch.zeros(2, 1)
    # 300 squared is above 65504, half of it below; float16 has steps of 32 there.
    assert mmc_loss(features, torch.tensor([0]), centers).item() == pytest.approx(45000, abs=16)
    assert mmc_scores(features, centers)[0, 0].item() == pytest.approx(-45000, abs=16)


def test_under_autocast_the_loss_is_single_precision():
    features, target, centers = example(dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert mmc_loss(features, target, centers).dtype == torch.float32
        assert mmc_scores(features, centers).dtype == torch.float32


def test_inside_vmap_and_grad():
    features, target, centers = example(6)
    one = torch.func.grad(lambda z, y: mmc_loss(z[None], y[None], centers))
    slopes = torch.func.vmap(one)(features, target)
    torch.testing.assert_close(slopes, features - centers[target])


# --- the module ---------------------------------------------------------------------------------------------


def test_the_module_gives_what_the_functions_give():
    features, target, centers = example()
    target[0] = 2
    settings = {"weight": torch.arange(1.0, 5.0), "ignore_index": 2, "reduction": "sum"}
    loss = MMCLoss(centers, **settings)
    assert torch.equal(loss(features, target), mmc_loss(features, target, centers, **settings))
    assert torch.equal(loss.scores(features), mmc_scores(features, centers))
    assert torch.equal(get("mmc", centers=centers)(features, target), mmc_loss(features, target, centers))


def test_its_centres_are_constants():
    centers = max_mahalanobis_centers(3, 2).requires_grad_()
    loss = MMCLoss(centers)
    assert list(loss.parameters()) == []
    assert not loss.centers.requires_grad
    assert not loss.state_dict()
    for other in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert torch.equal(other.centers, centers)
    assert loss.to("meta").centers.device.type == "meta"


def test_print_shows_the_settings():
    assert repr(MMCLoss(torch.zeros(3, 2))) == (
        "MMCLoss(classes=3, features=2, ignore_index=-100, reduction='mean')"
    )


# --- bad input ----------------------------------------------------------------------------------------------

CENTERS = max_mahalanobis_centers(3, 4)
FEATURES = torch.zeros(5, 4)
TARGET = torch.zeros(5, dtype=torch.long)


@pytest.mark.parametrize(
    ("features", "centers", "error", "message"),
    [
        (FEATURES.long(), CENTERS, TypeError, "features must be a floating-point tensor; got torch.int64"),
        (FEATURES, [[0.0]], TypeError, "centers must be a floating-point tensor; got list"),
        (FEATURES[0, 0], CENTERS, ValueError, r"features must have shape \[B, D\]; got \[\]"),
        (FEATURES[..., None], CENTERS, ValueError, r"features must have shape \[B, D\]; got \[5, 4, 1\]"),
        (FEATURES, CENTERS[0], ValueError, r"centers must have shape \[K, D\]; got \[4\]"),
        (FEATURES[:, :3], CENTERS, ValueError, r"equally long; got .* \[5, 3\] and .* \[3, 4\]"),
    ],
)
def test_features_and_centres_that_do_not_fit(features, centers, error, message):
    with pytest.raises(error, match=message):
        mmc_loss(features, TARGET, centers)
    with pytest.raises(error, match=message):
        mmc_scores(features, centers)


def test_centres_of_one_class():
    with pytest.raises(ValueError, match="at least 2 of them"):
        mmc_loss(FEATURES, TARGET, CENTERS[:1])


def test_targets_are_checked_against_the_number_of_centres():
    target = TARGET.clone()
    target[2] = 3  # A class too many, though there are four features.
    with pytest.raises(ValueError, match=r"0\.\.2 or equal ignore_index \(-100\); found 3"):
        mmc_loss(FEATURES, target, CENTERS)
    with pytest.raises(TypeError, match="integer tensor; got torch.float32"):
        mmc_loss(FEATURES, TARGET.float(), CENTERS)
    with pytest.raises(ValueError, match=r"\[5\]; got \[4\]"):
        mmc_loss(FEATURES, TARGET[:4], CENTERS)


def test_weights_and_reductions_are_checked():
    with pytest.raises(ValueError, match=r"one entry per class, shape \[3\]; got \[4\]"):
        mmc_loss(FEATURES, TARGET, CENTERS, weight=torch.ones(4))
    with pytest.raises(ValueError, match="none, mean, sum; got 'avg'"):
        mmc_loss(FEATURES, TARGET, CENTERS, reduction="avg")
    with pytest.raises(ValueError, match="none, mean, sum; got 'avg'"):
        MMCLoss(CENTERS, reduction="avg")
    with pytest.raises(ValueError, match=r"centers must have shape \[K, D\]"):
        MMCLoss(CENTERS[0])
