"""battash2021: mixing cross-entropy and the expectation loss."""

#: The items that train networks; each module has an ``EXPERIMENT``.
EXPERIMENTS = (
    "table3",
    "table4",
)
