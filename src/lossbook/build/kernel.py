"""The kernel that notebooks run in, whatever kernels the user's home has."""

import json
import os
import subprocess
import sys
from pathlib import Path

from lossbook import paths


def kernel() -> str:
    """Set up a kernel of this very interpreter; its name."""
    home = paths.build_dir() / "jupyter"
    command = [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    # Errors in cells arrive as messages. All that a kernel itself logs as one is the interrupt that ends it.
    command += ["--log-level=CRITICAL", "--HistoryManager.enabled=False"]
    spec = {"argv": command, "display_name": "Python 3", "language": "python"}
    text = json.dumps(spec)
    target = home / "kernels" / "python3" / "kernel.json"
    if not target.is_file() or target.read_text(encoding="utf-8") != text:
        paths.atomic_write(target, text)
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(home), os.environ.get("JUPYTER_PATH")]))
    os.environ["JUPYTER_RUNTIME_DIR"] = str(home / "runtime")
    os.environ["JUPYTER_CONFIG_DIR"] = str(home / "config")
    os.environ["IPYTHONDIR"] = str(home / "ipython")
    os.environ["MPLCONFIGDIR"] = str(matplotlib_folder())
    return "python3"


def matplotlib_folder() -> Path:
    """A folder with matplotlib's list of fonts, made beforehand: else a page shows that it is made."""
    folder = Path(os.environ.get("MPLCONFIGDIR") or paths.build_dir() / "jupyter" / "matplotlib")
    if not list(folder.glob("fontlist-*.json")):
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-c", "import matplotlib.font_manager"]
        environment = {**os.environ, "MPLCONFIGDIR": str(folder)}
        subprocess.run(command, env=environment, stderr=subprocess.DEVNULL, check=False)
    return folder
