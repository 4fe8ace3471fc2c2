"""Set up .venv from requirements.lock, for `make`. Needs nothing but Python; says so when that is too old.

Repeating it installs nothing. One that was broken off is taken up where it was: what is done is noted last.
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

OLDEST = (3, 11)
VENV = Path(".venv")
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = str(BIN / "python")
UV = str(BIN / "uv")
DONE = VENV / "installed"
# Where it was made: its programs name that place, so it does not survive a move, and in a copy they would run
# the original's Python.
PLACE = VENV / "made-for"


def main():
    """Set up, or find that it is done."""
    wanted = state()
    # After an upgrade of the system its Python may be another one, which has none of the libraries.
    if DONE.exists() and DONE.read_text() == wanted and works([PYTHON, "-c", "import lossbook"]):
        return
    if sys.version_info < OLDEST:
        here = ".".join(map(str, sys.version_info[:2]))
        sys.exit(
            f"Python 3.11 or later is needed; {sys.executable} is {here}.\n"
            "If there is a newer one, name it: make book PYTHON=python3.12"
        )
    print("Setting up .venv from requirements.lock: once, some minutes, some gigabytes.", flush=True)
    make_venv()
    environment = dict(os.environ)
    if not os.access(str(Path.home()), os.W_OK):
        environment.update(PIP_NO_CACHE_DIR="1", UV_NO_CACHE="1")
    install_uv(environment)
    install = [UV, "pip", "install", "--python", PYTHON]
    run([*install, "--require-hashes", "-r", "requirements.lock"], environment, advice())
    # The build backend is in the lock too, so nothing that is not pinned is fetched.
    run([*install, "--no-deps", "--no-build-isolation", "--offline", "--editable", "."], environment)
    DONE.write_text(wanted)


def state():
    """What the environment is made from, and where."""
    made_from = [Path("requirements.lock"), Path("pyproject.toml"), Path(__file__)]
    return "\n".join(
        [str(Path.cwd()), *(hashlib.sha256(path.read_bytes()).hexdigest() for path in made_from)]
    )


def make_venv():
    """Make the virtual environment, unless there is one that was made here and works."""
    here = str(Path.cwd())
    made_here = PLACE.exists() and PLACE.read_text() == here
    if made_here and works([PYTHON, "-c", f"import pip, sys; sys.exit(sys.version_info < {OLDEST})"]):
        return
    if subprocess.call([sys.executable, "-m", "venv", "--clear", str(VENV)]):
        sys.exit(
            f"{sys.executable} cannot make a virtual environment.\n"
            "On Debian or Ubuntu: apt install python3-venv. Elsewhere, name a Python that has the modules\n"
            "venv and ensurepip: make book PYTHON=/path/to/python"
        )
    PLACE.write_text(here)


def install_uv(environment):
    """Install uv by pip, with the version and the hashes of the lock."""
    pinned = re.search(
        r"^uv==(\S+) .*\n(?:    --hash=.*\n)+", Path("requirements.lock").read_text(), re.MULTILINE
    )
    if pinned is None:
        sys.exit("requirements.lock does not pin uv; restore the file from git")
    if works([UV, "--version"], said="uv " + pinned.group(1)):
        return
    with tempfile.TemporaryDirectory() as folder:
        only_uv = Path(folder) / "uv.txt"
        only_uv.write_text(pinned.group(0))
        run([PYTHON, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(only_uv)], environment)


def works(command, said=""):
    """Whether a command can be run, succeeds, and begins its answer so."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.decode().startswith(said)


def advice():
    """What may help when the libraries cannot be installed."""
    said = ["The libraries are for Linux, and for macOS 14 or later on Apple silicon."]
    if sys.version_info >= (3, 14):
        said.append(
            "For Python 3.14 one of them has to be compiled: install a C compiler and Python's headers,\n"
            "or name an older Python: make book PYTHON=python3.13"
        )
    said.append(
        "uv does not read pip's settings: behind a mirror of packages, set UV_DEFAULT_INDEX to its address."
    )
    return "\n".join(said)


def run(command, environment, said=""):
    """Run a step; stop with its status when it fails."""
    status = subprocess.call(command, env=environment)
    if status:
        if said:
            print(said, file=sys.stderr)
        print("The set-up stopped, see above. The same command goes on where it was.", file=sys.stderr)
        sys.exit(status)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped. The same command goes on where it was.")
