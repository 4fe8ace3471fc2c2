"""An experiment divided into jobs on a real Slurm, one of which is killed and goes on.

The cluster is started for this test alone, in a temporary folder, and stopped again.
"""

import contextlib
import getpass
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from lossbook.results import Store

ROOT = Path(__file__).parents[2]
EXPERIMENT = "toy/killed"
SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
MARK = 1e6  # Seconds that no run takes.

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel", "scontrol", "squeue")
if absent := [name for name in PROGRAMS if shutil.which(name, path=SEARCH) is None]:
    pytest.skip(f"no {', '.join(absent)} here (Debian: slurm-wlm, munge)", allow_module_level=True)
if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
    pytest.skip("no snakemake-executor-plugin-slurm here", allow_module_level=True)

# One long run, which will be killed, and a short one; the first is a shard, and the second is one.
DECLARED = """
from lossbook.experiments.grid import Cell, Experiment, Profile
from lossbook.training import RunSpec

def cell(loss, epochs):
    given = ("digits", "keras_mnist_cnn", loss, "keras_adadelta", 32, epochs)
    spec = RunSpec(*given, train_size=256, test_size=50)
    return Cell({"dataset": "digits", "loss": loss, "epochs": epochs}, spec)

cells = (cell("ce", 60), cell("nllr", 2))
EXPERIMENT = Experiment("toy/killed", "A toy", {"smoke": Profile("smoke", "two runs", cells, 1)})
"""

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
KillWait=2
# A node with more than this machine has: nothing is measured here, and nothing enforced.
SlurmdParameters=config_overrides
NodeName=here NodeAddr=127.0.0.1 CPUs=4 RealMemory=100000 State=UNKNOWN
PartitionName=all Nodes=here Default=YES MaxTime=INFINITE State=UP
"""


class Cluster:
    """A Slurm of one node, whose daemons are children of this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configuration = folder / "slurm.conf"
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("LOSSBOOK_", "SLURM_"))}
        path = os.pathsep.join([str(folder / "bin"), SEARCH])
        self.environment |= {"SLURM_CONF": str(self.configuration), "PATH": path}
        self._daemons: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start the daemons, and wait for the node."""
        for name in ("bin", "munge", "state", "spool"):
            (self.folder / name).mkdir(mode=0o755)
        key = self.folder / "munge" / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        # Within a job Snakemake hides the variable from srun, which then asks for the machine's own cluster.
        srun = self.folder / "bin" / "srun"
        program = shutil.which("srun", path=SEARCH)
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.configuration} exec {program} "$@"\n')
        srun.chmod(0o755)
        host = socket.gethostname().partition(".")[0]
        given = {"folder": self.folder, "user": getpass.getuser(), "host": host, "ports": _free_ports(2)}
        self.configuration.write_text(CONFIGURATION.format(**given))
        names = ("socket", "key-file", "pid-file", "log-file", "seed-file")
        places = [f"--{name}={self.folder / 'munge' / name.removesuffix('-file')}" for name in names]
        self._daemon("munged", "--foreground", "--force", *places)
        _wait((self.folder / "munge" / "socket").exists, "munge's socket")
        self._daemon("slurmctld", "-D", "-f", str(self.configuration))
        self._daemon("slurmd", "-D", "-N", "here", "-f", str(self.configuration))
        _wait(lambda: self.node_is("idle"), f"the node to be idle; logs are in {self.folder}", seconds=60)

    def _daemon(self, *command: str) -> None:
        with (self.folder / f"{command[0]}.out").open("wb") as out:
            self._daemons.append(
                subprocess.Popen(
                    command, env=self.environment, stdout=out, stderr=out, preexec_fn=_die_with_parent
                )
            )

    def call(self, *command: str) -> str:
        """What a command of Slurm's prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return done.stdout

    def node_is(self, state: str) -> bool:
        """Whether the node is in that state, as sinfo calls it."""
        return self.call("sinfo", "--noheader", "--format=%T").strip() == state

    def stop(self) -> None:
        """Cancel what runs, and end the daemons, and what they have left behind."""
        self.call("scancel", "--user", getpass.getuser())
        with contextlib.suppress(AssertionError):
            _wait(lambda: not self.call("squeue", "--noheader").strip(), "no job", seconds=10)
        for daemon in reversed(self._daemons):
            daemon.terminate()
        for daemon in reversed(self._daemons):
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def processes(self) -> list[int]:
        """Processes of this cluster, jobs and their keepers too."""
        mark, found = f"SLURM_CONF={self.configuration}".encode(), []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if mark in path.read_bytes().split(b"\0"):
                    found.append(int(path.parent.name))
        return found


def _die_with_parent() -> None:
    """Have the kernel end this process when the one that started it ends, however that happens."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _wait(found, what, seconds=120.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


@pytest.fixture
def cluster(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        made.start()
        yield made
    finally:
        made.stop()
    _wait(lambda: not made.processes(), "the end of all that was started", seconds=10)


@pytest.fixture
def checkout(tmp_path):
    """This checkout with the toy, and an engine that saves after every epoch."""
    top = tmp_path / "checkout"
    for name in ("src", "workflow", "data/published"):
        shutil.copytree(ROOT / name, top / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "pyproject.toml", "_toc.yml", "data/datasets.yaml"):
        shutil.copy(ROOT / name, top / name)
    package = top / "src" / "lossbook"
    toy = package / "papers" / "toy"
    toy.mkdir()
    (toy / "__init__.py").write_text('EXPERIMENTS = ("killed",)\n')
    (toy / "killed.py").write_text(DECLARED)
    _change(package / "training" / "engine.py", "_CHECKPOINT_SECONDS = 20.0", "_CHECKPOINT_SECONDS = 0.0")
    return top


def _change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _environment(checkout, build):
    known = {k: v for k, v in os.environ.items() if not k.startswith(("LOSSBOOK_", "SLURM_"))}
    return known | {
        "PYTHONPATH": str(checkout / "src"),
        "LOSSBOOK_BUILD": str(build),
        "XDG_CACHE_HOME": str(build / "cache"),
        "OMP_NUM_THREADS": "1",
    }


def _records(build):
    store = Store(build / "results", build / "none")
    return {record.labels["loss"]: record for record in store.records(EXPERIMENT, "smoke")}


def test_killed_job_is_submitted_again_and_goes_on_from_its_checkpoint(cluster, checkout, tmp_path):
    alone, build = tmp_path / "alone", tmp_path / "divided"
    run = ["lossbook.cli", "run", EXPERIMENT, "--profile", "smoke", "--device", "cpu"]
    subprocess.run([sys.executable, "-m", *run], env=_environment(checkout, alone), check=True)
    expected = _records(alone)

    command = [sys.executable, "-m", "snakemake", "--profile", str(checkout / "workflow/profiles/slurm")]
    command += ["--snakefile", str(checkout / "Snakefile"), "--directory", str(build / "smoke")]
    command += ["--config", "profile=smoke", "shards=2", "device=cpu"]
    # This Slurm has no accounting, and answers at once.
    command += ["--slurm-no-account", "--slurm-status-command", "squeue"]
    command += ["--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1"]
    command += ["--latency-wait", "20", f"experiments/{EXPERIMENT}.json"]
    environment = _environment(checkout, build) | cluster.environment
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    try:
        checkpoint = build / "checkpoints" / f"{expected['ce'].key}.pt"
        _wait(checkpoint.is_file, f"a checkpoint; see {log}")
        # Nothing starts until the node is back, so there is time to look.
        cluster.call("scontrol", "update", "NodeName=here", "State=DRAIN", "Reason=test")
        (job,) = _submitted(log, "1-of-2")
        cluster.call("scancel", "--signal=KILL", "--full", job)
        running = ("squeue", "--noheader", "--states=RUNNING,COMPLETING", "--format=%i")
        _wait(lambda: job not in cluster.call(*running).split(), "its end")
        state = torch.load(checkpoint, weights_only=True)
        assert 1 <= len(state["curves"]["train_loss"]) < 60
        torch.save(state | {"seconds": state["seconds"] + MARK}, checkpoint)
        cluster.call("scontrol", "update", "NodeName=here", "State=RESUME")
        assert process.wait(timeout=300) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()

    assert len(_submitted(log, "1-of-2")) == 2
    found = _records(build)
    assert found.keys() == expected.keys() == {"ce", "nllr"}
    for loss, record in found.items():
        assert (record.key, record.status) == (expected[loss].key, "finished")
        assert (record.metrics, record.curves) == (expected[loss].metrics, expected[loss].curves)
    # Only a run that went on from the checkpoint has its mark.
    assert found["ce"].provenance["seconds"] >= MARK > found["nllr"].provenance["seconds"]
    assert [path.name for path in (build / "results" / EXPERIMENT).iterdir()] == ["smoke.jsonl"]
    assert not list(checkpoint.parent.glob("*.pt"))


def _submitted(log, part):
    """Slurm's numbers of the jobs submitted for a shard."""
    pattern = rf"submitted with SLURM jobid (\d+) \(log: \S+_{part}/"
    return re.findall(pattern, log.read_text())
