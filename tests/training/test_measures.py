"""What is measured of a network and of a step, where the answer is known."""

import itertools
import math

import pytest
import torch
from sklearn.metrics import brier_score_loss, roc_auc_score

from lossbook import losses
from lossbook.analysis import distraction, mean_hessian, noise_covariance
from lossbook.errors import UnknownNameError
from lossbook.training import measures
from lossbook.training.clock import Clock
from lossbook.training.measures.curvature import _probe, estimate
from lossbook.training.measures.modality import auc
from lossbook.training.measures.reliability import ece, reliability
from lossbook.training.measures.retrieval import retrieval
from lossbook.training.measures.several_labels import ranked_labels


class Known:
    """A subject whose logits, targets and features are given, by part."""

    def __init__(self, logits=None, targets=None, features=None, groups=None):
        self.given = {"logits": logits or {}, "targets": targets or {}, "features": features or {}}
        self.given["groups"] = groups or {}
        self.num_classes = next(iter(logits.values())).shape[1] if logits else 10

    def parts(self):
        return tuple(self.given["targets"])

    def targets(self, part):
        return self.given["targets"][part]

    def groups(self, part):
        return self.given["groups"].get(part)

    def logits(self, part, rows=None):
        return self.given["logits"][part] if rows is None else self.given["logits"][part][rows]

    def features(self, part, rows=None):
        return self.given["features"][part] if rows is None else self.given["features"][part][rows]


def flat(found):
    """Arrays as single numbers: row 2, column 6 of ``count`` is ``count/2/6``."""
    numbers = {}
    for name, value in found.items():
        array = torch.as_tensor(value)
        for index in itertools.product(*map(range, array.shape)):
            numbers["/".join([name, *map(str, index)])] = float(array[index])
    return numbers


def examined(logits, labels, name):
    logits, labels = torch.as_tensor(logits, dtype=torch.float64), torch.as_tensor(labels)
    return flat(measures.get(name)(Known({"test": logits}, {"test": labels})))


# Rows of log p, so that the softmax gives p back.
P = [[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.25, 0.25, 0.5], [0.1, 0.8, 0.1]]
LABELS = [0, 0, 2, 1]


def test_softmax_probabilities_by_hand():
    found = examined(torch.tensor(P).log(), LABELS, "softmax")
    counts = {key: value for key, value in found.items() if key.startswith("count/") and value}
    assert counts == {"count/0/0": 1, "count/0/1": 1, "count/2/2": 1, "count/1/1": 1}
    assert found["probability/0/0"] == pytest.approx((0.7 + 0.3) / 2)
    assert found["probability/0/1"] == pytest.approx((0.2 + 0.6) / 2)
    assert found["probability/2/0"] == pytest.approx(0.25)
    # The hardest wrong class of each image, then the one other.
    assert found["hardest"] == pytest.approx((0.2 + 0.6 + 0.25 + 0.1) / 4)
    assert found["rest"] == pytest.approx((0.1 + 0.1 + 0.25 + 0.1) / 4)
    # Confidences .7, .6, .5 and .8 lie in four bins; the second is wrong.
    assert found["ece"] == pytest.approx((0.3 + 0.6 + 0.5 + 0.2) / 4)


def test_sigmoid_probabilities_need_not_sum_to_one():
    found = examined(
        torch.logit(torch.tensor([[0.9, 0.8], [0.3, 0.4]], dtype=torch.float64)), [0, 1], "sigmoid"
    )
    assert found["probability/0/1"] == pytest.approx(0.8)
    assert found["hardest"] == pytest.approx((0.8 + 0.3) / 2)
    assert found["rest"] == 0


def test_calibration_within_a_bin_is_a_difference_of_means():
    # All four in the bin (14/15, 1]: three of four right, mean confidence 0.96.
    confidence = torch.tensor([0.95, 0.95, 0.97, 0.97])
    right = torch.tensor([True, True, True, False])
    assert ece(confidence, right) == pytest.approx(0.96 - 0.75)
    # With one bin an over- and an under-confident half cancel, with two they do not.
    confidence, right = torch.tensor([0.4, 0.9]), torch.tensor([True, False])
    assert ece(confidence, right, bins=1) == pytest.approx(abs(0.65 - 0.5))
    assert ece(confidence, right, bins=2) == pytest.approx((0.6 + 0.9) / 2)


def test_the_edge_of_a_bin_belongs_to_it():
    # 1.0 is counted, and 0.5 lies in the lower of two bins.
    assert ece(torch.tensor([1.0]), torch.tensor([False])) == 1
    both = ece(torch.tensor([0.5, 0.3]), torch.tensor([True, False]), bins=2)
    assert both == pytest.approx(abs(1 - 0.8) / 2)


# None on the edge of a bin, whose rounding would decide.
CLEAR = [[0.7, 0.21, 0.09], [0.3, 0.61, 0.09], [0.25, 0.25, 0.5], [0.1, 0.81, 0.09]]


def flat_reliability(p, labels):
    return flat(reliability(p, labels))


def test_reliability_by_hand():
    found = flat_reliability(torch.tensor(CLEAR, dtype=torch.float64), torch.tensor(LABELS))
    # Bins of width 1/15: .7 lies in the eleventh.
    top = {b: found[f"top_count/{b}"] for b in range(15) if found[f"top_count/{b}"]}
    assert top == {10: 1, 9: 1, 7: 1, 12: 1}
    assert [found[f"top_right/{b}"] for b in (10, 9, 7, 12)] == [1, 0, 1, 1]
    assert found["top_probability/10"] == pytest.approx(0.7)
    # Every pair is counted once, and every image has one right class.
    assert sum(found[f"pair_count/{b}"] for b in range(15)) == 12
    assert sum(found[f"pair_right/{b}"] for b in range(15)) == 4
    assert sum(found[f"pair_probability/{b}"] for b in range(15)) == pytest.approx(4)
    # Of the wrong class: three of 0.09 and the 0.1.
    assert found["pair_count/1"] == 4
    assert found["pair_right/1"] == 0
    assert found["ece"] == pytest.approx((0.3 + 0.61 + 0.5 + 0.19) / 4)
    # Four images in 15 bins of equal numbers: each alone in one.
    assert found["ece_mass"] == pytest.approx((0.3 + 0.61 + 0.5 + 0.19) / 4)
    # Class by class; the three 0.09 of the last class share a bin.
    by_class = [0.3 + 0.7 + 0.25 + 0.1, 0.21 + 0.61 + 0.25 + 0.19, 0.27 + 0.5]
    assert found["ece_class"] == pytest.approx(sum(by_class) / 3 / 4)
    squares = [
        0.3**2 + 0.21**2 + 0.09**2,
        0.7**2 + 0.61**2 + 0.09**2,
        2 * 0.25**2 + 0.5**2,
        0.1**2 + 0.19**2 + 0.09**2,
    ]
    assert found["brier"] == pytest.approx(sum(squares) / 4)


def test_brier_is_that_of_scikit_learn():
    generator = torch.Generator().manual_seed(0)
    p = torch.randn(50, 4, generator=generator, dtype=torch.float64).softmax(1)
    labels = torch.randint(0, 4, (50,), generator=generator)
    expected = brier_score_loss(labels, p, labels=range(4), scale_by_half=False)
    assert flat_reliability(p, labels)["brier"] == pytest.approx(expected)


def test_bins_of_equal_numbers_keep_ties_in_order_and_cancel_within():
    # 30 images, two a bin: one right and one wrong at 0.5 cancel; none would with bins of one.
    p = torch.tensor([[0.5 + 1e-9, 0.5]], dtype=torch.float64).repeat(30, 1)
    labels = torch.tensor([0, 1] * 15)
    assert flat_reliability(p, labels)["ece_mass"] == pytest.approx(0, abs=1e-6)


def test_the_correction_takes_odds_of_nine_back():
    true = torch.rand(500, 10, generator=torch.Generator().manual_seed(0)).double()
    odds = 9 * true / (1 - true)
    found = examined(odds[:200].log(), [0] * 200, "reliability_sigmoid")
    again = flat_reliability(true[:200], torch.zeros(200, dtype=torch.long))
    for name, value in again.items():
        assert found[f"corrected_{name}"] == pytest.approx(value, abs=1e-9), name
    assert found["brier"] > again["brier"]


def test_reliability_of_a_softmax():
    p = torch.tensor(CLEAR, dtype=torch.float64)
    found = examined(p.log(), LABELS, "reliability_softmax")
    expected = flat_reliability(p, torch.tensor(LABELS))
    assert found == pytest.approx(expected, abs=1e-6)


def test_unknown_measure():
    with pytest.raises(UnknownNameError, match="did you mean 'softmax'"):
        measures.get("sofmax")


# --- after every epoch --------------------------------------------------------------------------------------


def trained_and_tested(logits, labels, test_logits, test_labels, name):
    known = {"train": torch.as_tensor(logits).double(), "test": torch.as_tensor(test_logits).double()}
    targets = {"train": torch.as_tensor(labels), "test": torch.as_tensor(test_labels)}
    return flat(measures.get(name)(Known(known, targets)))


def test_the_balance_by_hand():
    # Three images of class 0, one of class 1.
    p = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6]])
    found = trained_and_tested(p.log(), [0, 0, 0, 1], p[:1].log().repeat(2, 1), [0, 1], "balance_softmax")
    assert found["train_lacking/0"] == pytest.approx((0.1 + 0.2 + 0.3) / 3)
    assert found["train_received/0"] == pytest.approx(0.4 / 3)
    assert found["train_received_inverse/0"] == pytest.approx(0.4)
    assert found["train_lacking/1"] == pytest.approx(0.4)
    assert found["train_received/1"] == pytest.approx(0.6)
    assert found["train_received_inverse/1"] == pytest.approx(0.2)
    # Test probabilities, one image a class, weighed by the training images: three to one.
    assert found["test_lacking/1"] == pytest.approx(0.9)
    assert found["test_received/1"] == pytest.approx(3 * 0.1)
    assert found["test_received_inverse/1"] == pytest.approx(0.1)


def test_the_balance_of_sigmoids_takes_each_class_alone():
    p = torch.tensor([[0.9, 0.8], [0.3, 0.4]], dtype=torch.float64)
    found = trained_and_tested(torch.logit(p), [0, 1], torch.logit(p), [0, 1], "balance_sigmoid")
    assert found["train_lacking/0"] == pytest.approx(0.1)
    assert found["train_received/0"] == pytest.approx(0.3)
    assert found["test_lacking/1"] == pytest.approx(0.6)
    assert found["test_received/1"] == pytest.approx(0.8)


@pytest.mark.parametrize(("name", "loss"), [("softmax", "ce"), ("sigmoid", "lr")])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_sides_differ_by_the_gradient_of_the_biases(name, loss, weighted):
    """The derivative of the summed loss by a bias is minus the residual, times the weight of the class."""
    generator = torch.Generator().manual_seed(3)
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 2])
    z = torch.randn(7, 3, generator=generator, dtype=torch.float64)
    counts = torch.bincount(labels).double()
    weight = 1 / counts if weighted else torch.ones(3, dtype=torch.float64)
    bias = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    each = losses.get(loss, reduction="none")(z + bias, labels)
    (slope,) = torch.autograd.grad((weight[labels] * each).sum(), bias)
    found = trained_and_tested(z, labels, z, labels, f"balance_{name}")
    side = "received_inverse" if weighted else "received"
    for k in range(3):
        residual = found[f"train_lacking/{k}"] - found[f"train_{side}/{k}"]
        assert residual * float(weight[k] * counts[k]) == pytest.approx(-float(slope[k]), abs=1e-12)


def one_image_a_class(p, name="modality_sigmoid"):
    z = torch.logit(torch.as_tensor(p, dtype=torch.float64))
    labels = list(range(len(p)))
    return trained_and_tested(z, labels, z, labels, name)


def test_the_hardest_class_and_the_others_by_hand():
    p = torch.full((8, 8), 0.1)
    p.fill_diagonal_(0.9)
    p[2, 6], p[4, 6] = 0.5, 0.3  # a pullover, a coat as a shirt
    p[1, 6] = 0.2
    found = one_image_a_class(p)
    assert found["test_probability/2/6"] == pytest.approx(0.5)
    assert found["test_probability/6/6"] == pytest.approx(0.9)
    assert found["test_probability/0/6"] == pytest.approx(0.1)
    assert math.isnan(found["test_probability/1/6"])
    assert math.isnan(found["test_auc/6/6"])
    # 1, 3, 5 and 7 are not similar.
    assert found["test_probability/8/6"] == pytest.approx((0.2 + 3 * 0.1) / 4)
    # By image: rows 1, 2 and 4 hold a higher wrong probability than 0.1.
    assert found["test_hardest"] == pytest.approx((0.2 + 0.5 + 0.3 + 5 * 0.1) / 8)
    assert found["test_rest"] == pytest.approx(0.1)
    # By class: for class 6 the hardest is 0.5, the others 0.3, 0.2 and four times 0.1.
    assert found["test_hardest_class"] == pytest.approx((0.5 + 7 * 0.1) / 8)
    assert found["test_other_classes"] == pytest.approx((0.9 + 7 * 6 * 0.1) / 8 / 6)
    assert {name.partition("_")[0] for name in found} == {"train", "test"}
    assert found["train_hardest"] == found["test_hardest"]


def test_the_area_counts_pairs():
    assert auc(torch.tensor([3.0, 1.0]), torch.tensor([2.0, 0.0])) == pytest.approx(3 / 4)
    assert auc(torch.tensor([1.0]), torch.tensor([1.0, 1.0])) == pytest.approx(1 / 2)
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randint(0, 9, (n,), generator=generator).double() for n in (40, 30))
    which = torch.cat([torch.ones(40), torch.zeros(30)])
    assert auc(a, b) == pytest.approx(roc_auc_score(which, torch.cat([a, b])))
    assert math.isnan(auc(torch.tensor([]), b))


def test_the_area_is_that_of_the_class_against_the_others_images():
    p = torch.full((16, 8), 0.1)
    p[6, 6], p[14, 6] = 0.4, 0.8  # two shirts
    p[2, 6], p[10, 6] = 0.5, 0.2  # two pullovers
    z, labels = torch.logit(p.double()), [*range(8), *range(8)]
    found = trained_and_tested(z, labels, z, labels, "modality_sigmoid")
    assert found["test_auc/2/6"] == pytest.approx(3 / 4)
    assert found["test_auc/0/6"] == 1
    assert found["test_auc/8/6"] == 1
    assert found["test_auc/6/2"] == pytest.approx(1 / 2)


def test_too_few_classes_for_similar_ones():
    with pytest.raises(ValueError, match="needs 7 classes or more; got 2"):
        one_image_a_class(torch.full((2, 2), 0.5))


# --- of every step ------------------------------------------------------------------------------------------


def seen(loss, logits, targets):
    value = loss(logits, targets).detach()
    return measures.StepSeen(loss, value, logits, targets, Clock(0, 0, 1, 1))


@pytest.mark.parametrize("name", ["lr", "ss_lr", "hs_lr"])
def test_the_parts_of_a_one_vs_rest_loss_add_up_and_are_those_of_the_analysis(name):
    generator = torch.Generator().manual_seed(0)
    z, y = torch.randn(20, 9, generator=generator).double(), torch.randint(9, (20,), generator=generator)
    found = measures.get_step("parts")(seen(losses.get(name), z, y))
    assert float(found["positive"] + found["negative"]) == pytest.approx(float(found["loss"]))
    by_example = distraction(losses.get(name, reduction="none"), z, y)
    assert float(found["positive"]) == pytest.approx(float(by_example.positive.mean()))
    assert float(found["negative"]) == pytest.approx(float(by_example.negative.mean()))
    assert float(found["ratio"]) == pytest.approx(float(by_example.batch_ratio))


def test_the_gradient_of_cross_entropy_is_in_balance():
    generator = torch.Generator().manual_seed(0)
    z, y = torch.randn(20, 9, generator=generator).double(), torch.randint(9, (20,), generator=generator)
    found = measures.get_step("parts")(seen(losses.get("ce"), z, y))
    assert float(found["ratio"]) == pytest.approx(1)
    expected = (1 - z.softmax(1).gather(1, y[:, None])).mean()
    assert float(found["positive_gradient"]) == pytest.approx(float(expected))


def test_several_labels_are_all_targets():
    z = torch.zeros(2, 4, dtype=torch.float64)
    y = torch.tensor([[True, True, False, False], [False, False, False, True]])
    found = measures.get_step("parts")(seen(losses.get("lr"), z, y))
    # At zero every class has log 2 and half a unit of gradient: three targets, five others.
    assert float(found["positive"]) == pytest.approx(3 * math.log(2) / 2)
    assert float(found["negative"]) == pytest.approx(5 * math.log(2) / 2)
    assert float(found["ratio"]) == pytest.approx(3 / 5)


# --- of single examples and features ------------------------------------------------------------------------


def test_every_example_is_there():
    p = torch.tensor(P, dtype=torch.float64)
    subject = Known({part: p.log() for part in ("train", "test")}, dict.fromkeys(("train", "test"), LABEL))
    found = measures.get("examples")(subject)
    assert found["train_p"].tolist() == pytest.approx([0.7, 0.3, 0.5, 0.8])
    assert found["test_predicted"].tolist() == [0, 1, 2, 1]
    assert (found["train_p"].dtype, found["test_predicted"].dtype) == (torch.float32, torch.int16)


LABEL = torch.tensor(LABELS)


def test_the_quality_of_features_is_scikit_learns():
    from sklearn.metrics import silhouette_score
    from sklearn.neighbors import KNeighborsClassifier

    generator = torch.Generator().manual_seed(4)
    y = torch.randint(5, (120,), generator=generator)
    x = torch.randn(120, 7, generator=generator) + y[:, None] * torch.linspace(0, 1, 7)
    found = measures.get("feature_quality")(Known(targets={"test": y}, features={"test": x}))
    unit = torch.nn.functional.normalize(x.double(), dim=1).numpy()
    right = 0
    for i in range(120):
        others = [j for j in range(120) if j != i]
        one = KNeighborsClassifier(1).fit(unit[others], y[others])
        right += one.predict(unit[[i]])[0] == int(y[i])
    assert found["nearest_neighbour"] == pytest.approx(right / 120)
    assert found["silhouette"] == pytest.approx(silhouette_score(unit, y.numpy()))
    means = torch.stack([torch.as_tensor(unit)[y == k].mean(0) for k in range(5)])
    assert float(found["class_distance"][1, 3]) == pytest.approx(float((means[1] - means[3]).norm()))
    assert torch.isnan(found["class_distance"][7]).all()


def test_the_features_of_five_classes_are_those_of_their_test_examples():
    y = torch.arange(20).repeat(120)
    x = y.float().unsqueeze(1) + torch.arange(len(y)).unsqueeze(1) / 4096
    known = Known(targets={"test": y}, features={"test": x})
    known.num_classes = 20
    found = measures.get("class_features")(known)
    assert found["class_targets"].tolist() == [k for k in (0, 4, 8, 12, 16) for _ in range(100)]
    assert found["class_features"].dtype == torch.float16
    assert torch.equal(found["class_features"][:, 0].floor().long(), found["class_targets"])


def test_the_quality_of_features_by_class_is_of_all_classes_in_any_order():
    # One of each class after another: every fifth is of 20 of the 100 classes.
    y = torch.arange(100).repeat(100)
    x = torch.eye(100)[y] + 0.01 * torch.randn(len(y), 100, generator=torch.Generator().manual_seed(0))
    known = Known(targets={"test": y}, features={"test": x})
    known.num_classes = 100
    found = measures.get("class_quality")(known)
    assert found["nearest_neighbour"] == 1
    distance = found["class_distance"]
    assert not distance.isnan().any()
    first = torch.nn.functional.normalize(x.double(), dim=1)
    means = torch.stack([first[y == k][:20].mean(0) for k in (3, 77)])
    assert float(distance[3, 77]) == pytest.approx(float((means[0] - means[1]).norm()))


def test_features_are_evenly_spaced_and_not_more_than_two_thousand():
    x = torch.arange(5000.0)[:, None]
    found = measures.get("features")(
        Known(targets={"evaluation": torch.arange(5000)}, features={"evaluation": x})
    )
    assert len(found["features"]) == 2000
    assert found["targets"][:5].tolist() == [0, 2, 5, 7, 10]
    assert torch.equal(found["features"][:, 0].long(), found["targets"])


# --- curvature ----------------------------------------------------------------------------------------------


class Small:
    """A network of 15 weights with its examples, in float64."""

    def __init__(self, loss):
        generator = torch.Generator().manual_seed(5)
        self.x = torch.randn(150, 4, generator=generator).double()
        self.y = torch.randint(3, (150,), generator=generator)
        torch.manual_seed(5)
        self.network, self.loss, self.num_classes = torch.nn.Linear(4, 3).double(), loss, 3

    def targets(self, part):
        return self.y

    def batches(self, part, rows=None, size=1000):
        for some in rows.split(size):
            yield (self.x[some],), self.y[some]


@pytest.mark.parametrize("name", ["ce", "el", "ss_lr"])
def test_the_trace_is_that_of_the_matrices(name):
    subject = Small(losses.get(name))

    def model(w):
        return subject.x @ w[:12].view(3, 4).T + w[12:]

    w = torch.cat([p.detach().flatten() for p in subject.network.parameters()])
    single = losses.get(name, reduction="none")
    hessian = mean_hessian(single, model, w, subject.y)
    covariance = noise_covariance(single, model, w, subject.y)
    exact = float((hessian @ covariance).trace())
    found = estimate(subject, examples=150, probes=400)
    assert found["trace_error"] < 0.5 * abs(exact)
    assert abs(found["trace"] - exact) < 4 * found["trace_error"]
    # With signs along single weights in place of random ones it is exact: the mean of P probes e_i, times P.
    parameters = list(subject.network.parameters())
    total = 0.0
    for i in range(15):
        unit = torch.zeros(15, dtype=torch.float64)
        unit[i] = 1
        probe = [unit[:12].view(3, 4), unit[12:]]
        total += float(_probe(subject, torch.arange(150), parameters, probe))
    assert total == pytest.approx(exact, rel=1e-9)


def test_a_loss_that_cannot_be_taken_apart_is_refused():
    with pytest.raises(ValueError, match="has no reduction"):
        estimate(Small(torch.nn.Identity()), examples=10, probes=2)


# --- retrieval ----------------------------------------------------------------------------------------------


def naive(query, query_y, query_c, gallery, gallery_y, gallery_c, same, distance):
    """One query after another, by scikit-learn."""
    from sklearn.metrics import average_precision_score

    usual, trapezoid, first = [], [], []
    for i in range(len(query)):
        keep = gallery_y != -1
        if query_c is not None:
            keep &= ~((gallery_y == query_y[i]) & (gallery_c == query_c[i]))
        if same:
            keep &= torch.arange(len(gallery)) != i
        if distance == "cosine":
            score = torch.nn.functional.cosine_similarity(query[i : i + 1], gallery)[keep]
        else:
            score = -(query[i] - gallery[keep]).norm(dim=1)
        right = (gallery_y == query_y[i])[keep]
        if not right.any():
            continue
        usual.append(average_precision_score(right.numpy(), score.numpy()))
        hits = right[score.argsort(descending=True)]
        ranks = [r + 1 for r, hit in enumerate(hits.tolist()) if hit]
        pairs = [(j / r, (j - 1) / (r - 1) if r > 1 else 1.0) for j, r in enumerate(ranks, start=1)]
        trapezoid.append(sum((a + b) / 2 for a, b in pairs) / len(ranks))
        first.append(ranks[0])
    at = torch.tensor(first)
    return {
        **{f"rank_{k}": float((at <= k).double().mean()) for k in (1, 5, 10, 20)},
        "map": sum(usual) / len(usual),
        "map_trapezoid": sum(trapezoid) / len(trapezoid),
        "queries": len(first),
    }


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("cameras", [False, True])
@pytest.mark.parametrize("same", [False, True])
def test_retrieval_is_that_of_one_query_after_another(distance, cameras, same):
    generator = torch.Generator().manual_seed(6)

    def draw(count, low):
        y = torch.randint(low, 12, (count,), generator=generator)
        # Scores of either sign: many cosines are negative.
        x = torch.randn(count, 5, generator=generator).double() + 0.5 * torch.sin(
            y[:, None] * torch.arange(5)
        )
        return x, y, torch.randint(3, (count,), generator=generator) if cameras else None

    query = draw(300, 0)
    gallery = query if same else draw(90, -1)
    found = retrieval(*query, *gallery, distance=distance, same=same)
    assert found == pytest.approx(naive(*query, *gallery, same, distance), rel=1e-9)
    assert 0 < found["map"] < 1


def test_both_distances_have_names_that_tell_them_apart():
    # By angle the right one, 2, is nearest to 0; by distance the wrong one, 1.
    x = torch.tensor([[1.0, 0.0], [0.9, 0.3], [5.0, 0.5], [0.0, 4.0]])
    subject = Known(features={"evaluation": x}, targets={"evaluation": torch.tensor([0, 1, 0, 1])})
    both = measures.get("retrieval_both")(subject)
    angle, distance = (measures.get(f"retrieval_{name}")(subject) for name in ("cosine", "euclidean"))
    assert both == angle | {f"euclidean_{name}": value for name, value in distance.items()}
    assert both["rank_1"] > both["euclidean_rank_1"]


def test_retrieval_takes_the_parts_of_the_run():
    x, y = torch.eye(4)[[0, 0, 1, 1]].double(), torch.tensor([7, 7, 3, 3])
    found = measures.get("retrieval_cosine")(
        Known(targets={"train": y, "evaluation": y}, features={"evaluation": x})
    )
    assert (found["rank_1"], found["map"], found["queries"]) == (1, 1, 4)
    sides = dict.fromkeys(("train", "query", "gallery"), y)
    cameras = {"query": torch.tensor([0, 0, 0, 0]), "gallery": torch.tensor([0, 1, 0, 1])}
    known = Known(targets=sides, features={"query": x, "gallery": x}, groups=cameras)
    assert measures.get("retrieval_euclidean")(known)["map_trapezoid"] == 1
    with pytest.raises(ValueError, match="needs the parts query and gallery, or evaluation"):
        measures.get("retrieval_cosine")(Known(targets={"train": y}))


def test_nothing_to_find_is_said():
    x, y = torch.eye(3).double(), torch.arange(3)
    with pytest.raises(ValueError, match="nothing to retrieve"):
        retrieval(x, y, None, x, y, None, same=True)


# --- several labels -----------------------------------------------------------------------------------------


def test_several_labels_are_ranked_as_one_would_by_hand():
    generator = torch.Generator().manual_seed(7)
    z = torch.randn(60, 9, generator=generator).double()
    y = torch.rand(60, 9, generator=generator) < 0.2
    y[:, 8] = False  # A class that does not occur,
    y[3] = False  # and an example without a label.
    found = ranked_labels(z, y)

    def precision(scores, truth):
        order = truth[scores.argsort(descending=True)]
        ranks = [r + 1 for r, hit in enumerate(order.tolist()) if hit]
        return sum(j / r for j, r in enumerate(ranks, start=1)) / len(ranks)

    classes = [precision(z[:, k], y[:, k]) for k in range(9) if y[:, k].any()]
    examples = [precision(z[i], y[i]) for i in range(60) if y[i].any()]
    assert len(classes) == 8
    assert found["map_class"] == pytest.approx(sum(classes) / 8)
    assert found["map_example"] == pytest.approx(sum(examples) / len(examples))
    top = torch.zeros_like(y)
    for i in range(60):
        top[i, z[i].argsort(descending=True)[:5]] = True

    def balanced(predicted, truth):
        return float((predicted[truth].double().mean() + (~predicted[~truth]).double().mean()) / 2)

    by_class = [balanced(top[:, k], y[:, k]) for k in range(8)]
    by_example = [balanced(top[i], y[i]) for i in range(60) if y[i].any()]
    f1 = [2 * int((top[i] & y[i]).sum()) / (5 + int(y[i].sum())) for i in range(60) if y[i].any()]
    assert found["balanced_class"] == pytest.approx(sum(by_class) / 8)
    assert found["balanced_example"] == pytest.approx(sum(by_example) / len(by_example))
    assert found["f1_example"] == pytest.approx(sum(f1) / len(f1))


def test_labels_that_cannot_be_ranked_are_refused():
    with pytest.raises(ValueError, match="K at least 5"):
        ranked_labels(torch.zeros(2, 4), torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="no example has a label"):
        ranked_labels(torch.zeros(2, 6), torch.zeros(2, 6, dtype=torch.bool))


def test_every_name_leads_to_a_measure():
    assert all(callable(measures.get(name)) for name in measures.names())
