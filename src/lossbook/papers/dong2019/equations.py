"""The equations of dong2019: what computes each, and the tests that hold it."""

from lossbook.papers import Equation

EQUATIONS = (
    Equation("dong2019-eq-1", "one sigmoid per class", ("torch.sigmoid",)),
    Equation("dong2019-eq-2", "softmax", ("torch.softmax",)),
    Equation(
        "dong2019-eq-3",
        "logistic regression, LR",
        ("lossbook.losses.lr_loss",),
        (
            "tests/losses/test_logistic.py::test_autograd_of_the_printed_formula",
            "tests/losses/test_logistic.py::test_lr_is_k_times_the_mean_of_pytorch",
        ),
    ),
    Equation(
        "dong2019-eq-4",
        "softmax regression, SR",
        ("torch.nn.functional.cross_entropy",),
        ("tests/losses/test_phi.py::test_cross_entropy_is_in_the_table",),
    ),
    Equation(
        "dong2019-distraction",
        "negative class distraction",
        ("lossbook.analysis.distraction",),
        (
            "tests/analysis/test_distraction.py"
            "::test_at_initialisation_the_negatives_of_lr_outweigh_the_positive_by_their_number",
        ),
    ),
    Equation(
        "dong2019-ratio",
        "gradient ratio",
        ("lossbook.analysis.distraction",),
        (
            "tests/analysis/test_distraction.py::test_the_ratio_of_lr_from_its_probabilities",
            "tests/analysis/test_distraction.py"
            "::test_where_the_negatives_sum_to_the_rest_the_gradients_balance",
        ),
    ),
    Equation(
        "dong2019-eq-5",
        "hard selection, HS-LR",
        ("lossbook.losses.hs_lr_loss",),
        (
            "tests/losses/test_logistic.py::test_autograd_of_the_printed_formula",
            "tests/losses/test_logistic.py::test_ends_of_the_options_meet",
        ),
    ),
    Equation(
        "dong2019-code",
        "number selected by the published code",
        ("lossbook.losses.hs_lr_loss",),
        ("tests/losses/test_logistic.py::test_how_many_are_selected",),
    ),
    Equation(
        "dong2019-start",
        "start of training with HS-LR",
        ("lossbook.losses.hs_lr_loss",),
        (
            "tests/losses/test_logistic.py::test_at_zero_the_gradient_divides_as_the_paper_says",
            "tests/analysis/test_distraction.py"
            "::test_at_initialisation_of_hs_lr_only_the_selected_negatives_count",
        ),
    ),
    Equation(
        "dong2019-eq-6",
        "soft selection, SS-LR",
        ("lossbook.losses.ss_lr_loss",),
        (
            "tests/losses/test_logistic.py::test_autograd_of_the_printed_formula",
            "tests/losses/test_logistic.py::test_finite_differences_of_first_and_second_order",
        ),
    ),
    Equation(
        "dong2019-focal",
        "SS-LR and the focal loss",
        ("lossbook.losses.ss_lr_loss",),
        ("tests/losses/test_logistic.py::test_the_negative_term_of_ss_lr_is_that_of_the_focal_loss",),
    ),
    Equation(
        "dong2019-multi-label",
        "several labels per image",
        ("lossbook.losses.ss_lr_loss",),
        ("tests/losses/test_logistic.py::test_several_labels",),
    ),
)
