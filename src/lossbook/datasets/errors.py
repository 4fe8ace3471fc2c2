"""What can be wrong with a data set."""

from lossbook.errors import LossbookError


class DataUnavailableError(LossbookError):
    """A data set is neither in the data root nor available from its servers."""


class DataDamagedError(LossbookError):
    """A file of a data set is there but is not what it should be."""
