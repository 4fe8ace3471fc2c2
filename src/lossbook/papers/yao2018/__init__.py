"""yao2018: the negative log likelihood ratio loss."""

#: The items that train networks; each module has an ``EXPERIMENT``.
EXPERIMENTS = ("table1",)
