"""The equations of li2020: what computes each, and the tests that hold it."""

from lossbook.papers import Equation

EQUATIONS = (
    Equation(
        "li2020-eq-1",
        "weighted loss",
        ("lossbook.training.imbalance.ClassWeighted",),
        (
            "tests/training/test_imbalance.py::test_in_the_batch_it_is_pytorchs_weighted_mean",
            "tests/training/test_imbalance.py::test_an_example_counts_the_same_in_every_batch",
        ),
    ),
    Equation("li2020-eq-2", "output layer"),
    Equation("li2020-eq-3", "necessary condition"),
    Equation("li2020-eq-4", "chain rule for one parameter"),
    Equation("li2020-eq-5", "derivative of the softmax"),
    Equation("li2020-eq-6", "derivative by any parameter"),
    Equation(
        "li2020-eq-7",
        "derivative by the bias",
        ("lossbook.analysis.balance",),
        (
            "tests/analysis/test_balance.py::test_the_residual_is_minus_the_gradient_of_the_bias_softmax",
            "tests/analysis/test_balance.py::test_the_residual_is_minus_the_gradient_of_the_bias_logistic",
        ),
    ),
    Equation(
        "li2020-eq-8",
        "balance of probabilities",
        ("lossbook.analysis.balance",),
        (
            "tests/analysis/test_balance.py::test_softmax_by_hand",
            "tests/analysis/test_balance.py::test_a_trained_model_balances_if_its_bias_is_free",
        ),
    ),
    Equation(
        "li2020-eq-9",
        "system for expected probabilities",
        ("lossbook.analysis.mean_confusion", "lossbook.analysis.confusion_balance"),
        (
            "tests/analysis/test_balance.py::test_mean_confusion_by_hand",
            "tests/papers/li2020/test_simulations.py::test_eq_9_is_the_packages",
        ),
    ),
    Equation(
        "li2020-eq-10",
        "two classes",
        ("lossbook.analysis.confusion_balance",),
        ("tests/analysis/test_balance.py::test_confusion_balance_by_hand_and_eq_10",),
    ),
    Equation(
        "li2020-table-1",
        "Table 1: simulations for Eq. 10",
        ("lossbook.papers.li2020.simulations.left_side",),
        (
            "tests/papers/li2020/test_simulations.py::test_left_side_by_hand",
            "tests/papers/li2020/test_simulations.py::test_a_free_bias_balances_the_training_data_exactly",
        ),
    ),
    Equation(
        "li2020-eq-11",
        "LGL-INR",
        ("lossbook.losses.lgl_inr_loss",),
        (
            "tests/losses/test_lgl_inr.py::test_numbers_worked_out_by_hand",
            "tests/losses/test_lgl_inr.py::test_autograd_of_the_printed_formula",
        ),
    ),
    Equation(
        "li2020-lambda",
        "weights within the negative class",
        ("lossbook.losses.lgl_inr_loss",),
        (
            "tests/losses/test_lgl_inr.py::test_how_uneven_the_weights_can_get",
            "tests/losses/test_lgl_inr.py::test_a_large_beta_leaves_the_hardest_class_alone",
        ),
    ),
    Equation(
        "li2020-lambda-gradient",
        "gradient through the weights",
        ("lossbook.losses.lgl_inr_loss",),
        (
            "tests/losses/test_lgl_inr.py::test_the_gradient_through_the_weights_in_closed_form",
            "tests/losses/test_lgl_inr.py::test_an_easy_class_beside_a_hard_one_is_pushed_up",
        ),
    ),
    Equation(
        "li2020-scale",
        "sum over classes and the learning rate",
        ("lossbook.losses.lgl_inr_loss",),
        ("tests/losses/test_lgl_inr.py::test_the_scale_at_the_start_of_training",),
    ),
)
