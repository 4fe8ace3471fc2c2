"""dong2019: deep logistic regression, and its losses against the distraction by negative classes."""

#: The items that train networks; each module has an ``EXPERIMENT``.
EXPERIMENTS: tuple[str, ...] = ("table1", "table2", "table3", "classes", "selection")
