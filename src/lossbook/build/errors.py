"""Why a step stopped."""

#: Exit status of a shard that stopped before it was done: the same command goes on (EX_TEMPFAIL).
UNFINISHED = 75


class StepFailedError(Exception):
    """A notebook, or a build, stopped at an error; the message is what the user needs to see of it."""


class UnfinishedError(Exception):
    """A shard, or an experiment, stopped before all of its runs were done."""
