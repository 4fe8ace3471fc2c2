"""battash2021: mixing cross-entropy and the expectation loss."""

#: The items that train networks; each module has an ``EXPERIMENT``.
EXPERIMENTS = (
    "fig2",
    "table3",
    "table4",
)
