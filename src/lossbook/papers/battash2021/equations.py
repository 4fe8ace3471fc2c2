"""The equations of battash2021: what computes each, and the tests that hold it."""

from lossbook.papers import Equation

EQUATIONS = (
    Equation(
        "battash2021-eq-1",
        "cross-entropy",
        ("torch.nn.functional.cross_entropy",),
        ("tests/losses/test_phi.py::test_cross_entropy_is_in_the_table",),
    ),
    Equation(
        "battash2021-eq-2",
        "focal loss",
        ("lossbook.losses.focal_loss",),
        (
            "tests/losses/test_values.py::test_float64_values",
            "tests/losses/test_identities.py::test_focal_is_cross_entropy_times_a_power_of_the_expectation_loss",
        ),
    ),
    Equation(
        "battash2021-eq-3",
        "mean absolute error",
        ("lossbook.losses.mae_loss",),
        ("tests/losses/test_identities.py::test_the_expectation_loss_by_other_names",),
    ),
    Equation(
        "battash2021-gce",
        "generalised cross-entropy",
        ("lossbook.losses.gce_loss",),
        (
            "tests/losses/test_identities.py::test_gce_tends_to_cross_entropy",
            "tests/losses/test_identities.py::test_truncated_gce_is_the_smaller_of_two",
        ),
    ),
    Equation(
        "battash2021-eq-4",
        "tamed cross-entropy",
        ("lossbook.losses.tamed_ce_loss",),
        (
            "tests/losses/test_values.py::test_float64_values",
            "tests/losses/test_identities.py::test_the_tamed_loss_tends_to_the_logarithm",
        ),
    ),
    Equation(
        "battash2021-eq-5",
        "Max-Mahalanobis centre loss",
        ("lossbook.losses.mmc_loss", "lossbook.losses.max_mahalanobis_centers"),
        (
            "tests/losses/test_centers.py::test_by_hand",
            "tests/losses/test_centers.py::test_they_are_the_originals",
        ),
    ),
    Equation(
        "battash2021-eq-6",
        "complement objective",
        ("lossbook.losses.complement_entropy_loss", "lossbook.losses.ComplementStep"),
        (
            "tests/losses/test_identities.py::test_complement_entropy_is_that_of_the_competitors_alone",
            "tests/losses/test_complement.py::test_two_steps_of_plain_descent_by_hand",
        ),
    ),
    Equation(
        "battash2021-eq-7",
        "maximum probability loss",
        ("lossbook.losses.mpce_loss",),
        (
            "tests/losses/test_values.py::test_float64_values",
            "tests/losses/test_identities.py::test_mpce_is_nothing_where_the_target_leads",
        ),
    ),
    Equation(
        "battash2021-eq-8",
        "gradient of cross-entropy",
        ("lossbook.analysis.logit_gradient",),
        (
            "tests/losses/test_phi.py::test_cross_entropy_is_in_the_table",
            "tests/analysis/test_profile.py::test_profile_of_cross_entropy",
        ),
    ),
    Equation(
        "battash2021-eq-9",
        "expectation loss, EL",
        ("lossbook.losses.expectation_loss",),
        (
            "tests/losses/test_values.py::test_float64_values",
            "tests/losses/test_identities.py::test_the_expectation_loss_by_other_names",
        ),
    ),
    Equation(
        "battash2021-eq-10",
        "gradient of the expectation loss",
        ("lossbook.losses.expectation_loss", "lossbook.losses.phi"),
        (
            "tests/losses/test_gradients.py::test_closed_form_of_the_family",
            "tests/analysis/test_profile.py::test_the_gradient_is_the_slope_times_the_direction",
        ),
    ),
    Equation(
        "battash2021-eq-11",
        "Taylor's remainder",
        ("lossbook.losses.expectation_loss",),
        (
            "tests/losses/test_identities.py"
            "::test_the_series_of_cross_entropy_begins_with_the_expectation_loss",
        ),
    ),
    Equation(
        "battash2021-mode",
        "population minimisers",
        ("lossbook.analysis.population_minimiser",),
        (
            "tests/analysis/test_population.py::test_proper_losses_ask_for_eta",
            "tests/analysis/test_population.py::test_the_search_says_when_it_runs_away",
        ),
    ),
    Equation(
        "battash2021-eq-12",
        "mixture, CE+EL",
        ("lossbook.losses.ceel_loss",),
        (
            "tests/losses/test_mixing.py::test_it_is_the_mix_of_its_parts",
            "tests/losses/test_identities.py::test_the_mix_is_linear_in_its_factors",
        ),
    ),
    Equation(
        "battash2021-eq-13",
        "gradient of the mixture",
        ("lossbook.losses.ceel_loss", "lossbook.losses.phi"),
        ("tests/losses/test_mixing.py::test_equation_13",),
    ),
    Equation(
        "battash2021-eq-14",
        "factors for a focus",
        ("lossbook.losses.mixing_factors",),
        (
            "tests/losses/test_mixing.py::test_equation_14",
            "tests/losses/test_mixing.py::test_the_gradient_at_the_target_is_largest_where_its_probability_is_f",
        ),
    ),
    Equation(
        "battash2021-schedules",
        "schedules of the mixture",
        ("lossbook.losses.MixingSchedule",),
        (
            "tests/losses/test_mixing.py::test_the_phases_of_the_papers_runs",
            "tests/losses/test_mixing.py::test_it_follows_its_schedule",
        ),
    ),
    Equation(
        "battash2021-eq-15",
        "descent as a stochastic process",
        ("lossbook.analysis.escaping_efficiency",),
        ("tests/analysis/test_escaping.py::test_escaping_efficiency_is_the_rise_of_a_noisy_quadratic",),
    ),
    Equation(
        "battash2021-eq-16",
        "covariance of the gradient noise",
        ("lossbook.analysis.noise_covariance",),
        (
            "tests/analysis/test_escaping.py::test_covariance_over_all_mini_batches",
            "tests/analysis/test_escaping.py::test_closed_form_with_one_parameter",
        ),
    ),
    Equation(
        "battash2021-eq-17",
        "escaping efficiency",
        ("lossbook.analysis.escaping_efficiency",),
        (
            "tests/analysis/test_escaping.py::test_closed_form_with_one_parameter",
            "tests/analysis/test_escaping.py::test_escaping_efficiency_is_the_rise_of_a_noisy_quadratic",
        ),
    ),
    Equation(
        "battash2021-eq-18",
        "bound on the mixture's efficiency",
        ("lossbook.analysis.escaping_bound",),
        (
            "tests/analysis/test_escaping.py::test_bound_with_one_parameter",
            "tests/analysis/test_escaping.py::test_bound_agrees_with_the_package_losses",
        ),
    ),
    Equation(
        "battash2021-eq-18-terms",
        "the bound term by term",
        ("lossbook.analysis.escaping_bound",),
        ("tests/analysis/test_escaping.py::test_a_multiple_of_the_loss_has_the_cube_of_its_efficiency",),
    ),
    Equation("battash2021-eq-19", "missing from the paper"),
    Equation(
        "battash2021-eq-20",
        "area under the gradient of cross-entropy",
        ("lossbook.analysis.gradient_volumes",),
        ("tests/analysis/test_escaping.py::test_volumes_against_numerical_integration",),
    ),
    Equation(
        "battash2021-eq-21",
        "area for the correct class",
        ("lossbook.analysis.gradient_volumes",),
        ("tests/analysis/test_escaping.py::test_volumes_against_numerical_integration",),
    ),
    Equation(
        "battash2021-eq-22",
        "area for another class",
        ("lossbook.analysis.gradient_volumes",),
        ("tests/analysis/test_escaping.py::test_volumes_against_numerical_integration",),
    ),
)
