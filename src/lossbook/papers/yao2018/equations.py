"""The equations of yao2018: what computes each, and the tests that hold it."""

from lossbook.papers import Equation

EQUATIONS = (
    Equation(
        "yao2018-eq-1",
        "expected risk",
        ("lossbook.analysis.expected_loss",),
        ("tests/analysis/test_population.py::test_expected_loss_is_the_weighted_sum",),
    ),
    Equation("yao2018-eq-2", "training set"),
    Equation("yao2018-eq-3", "empirical risk"),
    Equation(
        "yao2018-eq-4",
        "cross-entropy with true probabilities",
        ("lossbook.analysis.expected_loss", "lossbook.analysis.population_minimiser"),
        ("tests/analysis/test_population.py::test_proper_losses_ask_for_eta",),
    ),
    Equation("yao2018-eq-5", "one-hot targets"),
    Equation(
        "yao2018-eq-6",
        "cross-entropy of a sample",
        ("torch.nn.functional.cross_entropy",),
        ("tests/losses/test_phi.py::test_cross_entropy_is_in_the_table",),
    ),
    Equation("yao2018-eq-7", "from posterior to likelihood"),
    Equation(
        "yao2018-eq-8",
        "binary cross-entropy",
        ("lossbook.losses.softmax_bce_loss",),
        ("tests/losses/test_values.py::test_two_classes_are_binary",),
    ),
    Equation(
        "yao2018-eq-9",
        "binary cross-entropy of every class",
        ("lossbook.losses.softmax_bce_loss",),
        (
            "tests/losses/test_values.py::test_float64_values",
            "tests/losses/test_gradients.py::test_autograd_of_the_printed_formula",
        ),
    ),
    Equation(
        "yao2018-eq-10",
        "the same as a product",
        ("lossbook.losses.softmax_bce_loss",),
        ("tests/losses/test_identities.py::test_bce_lies_between_one_and_two_cross_entropies",),
    ),
    Equation(
        "yao2018-eq-11",
        "negative log likelihood ratio, NLLR",
        ("lossbook.losses.nllr_loss",),
        (
            "tests/losses/test_identities.py::test_nllr_and_cross_entropy",
            "tests/losses/test_identities.py::test_gradient_of_nllr",
        ),
    ),
    Equation(
        "yao2018-family",
        "one family: losses of the gap u",
        ("lossbook.losses.phi",),
        (
            "tests/losses/test_phi.py::test_it_is_the_loss_of_the_gap",
            "tests/losses/test_phi.py::test_the_slope_is_the_derivative",
        ),
    ),
    Equation(
        "yao2018-minimiser",
        "population minimiser of NLLR",
        ("lossbook.analysis.nllr_minimiser",),
        (
            "tests/analysis/test_population.py::test_the_equation_for_nllr_agrees_with_the_search",
            "tests/analysis/test_population.py::test_nllr_has_no_minimiser_from_one_half_on",
        ),
    ),
    Equation(
        "yao2018-numerics",
        "NLLR in floating point, and clipped",
        ("lossbook.losses.nllr_loss",),
        (
            "tests/losses/test_gradients.py::test_confident_mistakes_in_float32_keep_their_gradient",
            "tests/losses/test_identities.py::test_clipped_nllr_is_nllr_within_its_bound",
        ),
    ),
    Equation("yao2018-eq-12", "NLLR as a likelihood ratio"),
)
