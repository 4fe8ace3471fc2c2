"""battash2021: mixing cross-entropy and the expectation loss."""

#: The items that train networks; each module has an ``EXPERIMENT``.
EXPERIMENTS = (
    "table1",
    "motivation",
    "gradient_norm",
    "gradient_norm_reviews",
    "fig2",
    "table2",
    "table3",
    "table4",
    "table5",
    "table6",
    "escaping",
)
