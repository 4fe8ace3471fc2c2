"""What the four papers say together."""

#: The items that train networks; each module has an ``EXPERIMENT``.
EXPERIMENTS = ("head_to_head",)
