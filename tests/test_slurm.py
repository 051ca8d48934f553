"""The array of docs/many-machines.md on a real Slurm: two nodes of one CPU each, started for the test and ended after it."""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.suite import wait_until
from tests.test_story_of_a_baseline import Checkout

CPUS = sorted(os.sched_getaffinity(0))
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
ABSENT = [
    name for name in ("munged", "slurmctld", "slurmd", "sbatch", "sinfo", "squeue") if not shutil.which(name, path=PATH)
]
PLAN = ("-k", "(onnxruntime-fp32 or pytorch-fp32) and (core_count_scaling or out_of_the_box)")
CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/linear
SlurmdParameters=config_overrides
MpiDefault=none
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1
NodeName=two NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1
PartitionName=all Nodes=one,two Default=YES MaxTime=INFINITE
"""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A Slurm of this user: what its commands have to be told, as variables."""
    if ABSENT:
        pytest.skip(f"no {', '.join(ABSENT)} here: apt-get install slurm-wlm munge")
    if len(CPUS) < 2:
        pytest.skip("two nodes need a CPU each")
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("munge", "state", "one", "two"):
        (folder / name).mkdir(mode=0o700)
    (folder / "munge" / "key").touch(0o600)
    (folder / "munge" / "key").write_bytes(secrets.token_bytes(1024))
    words = {"folder": folder, "host": socket.gethostname(), "ports": free_ports(3)}
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    (folder / "slurm.conf").write_text(CONFIGURATION.format(**words, user=user))
    variables = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": PATH}
    munge = [
        f"--{what}={folder}/munge/{name}" for what, name in (("socket", "socket"), ("key-file", "key"), ("pid-file", "pid"))
    ]
    munge += [f"--seed-file={folder}/munge/seed", f"--log-file={folder}/munge/log", "--force"]
    daemons = [
        ["munged", "--foreground", *munge],
        ["slurmctld", "-D"],
        *(["taskset", "-c", str(cpu), "slurmd", "-D", "-N", node] for node, cpu in zip(("one", "two"), CPUS, strict=False)),
    ]
    started: list[subprocess.Popen[bytes]] = []

    def ready(condition: str) -> bool:
        said = subprocess.run(
            ["sinfo", "-h", "-o", "%t %D"], env={**os.environ, **variables}, capture_output=True, text=True
        )
        return condition in said.stdout

    try:
        for command in daemons:
            with (folder / "daemons.txt").open("ab") as output:
                program = [str(shutil.which(command[0], path=PATH)), *command[1:]]
                environment = {**os.environ, **variables}
                started.append(
                    subprocess.Popen(program, stdout=output, stderr=output, env=environment, start_new_session=True)
                )
            if command[0] == "munged":
                wait_until((folder / "munge" / "socket").exists, "munged", 10)
        wait_until(lambda: ready("idle 2"), f"two idle nodes:\n{(folder / 'daemons.txt').read_text()}", 60)
        yield variables
    finally:
        for process in reversed(started):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def recipe(page: Path) -> tuple[str, str, str]:
    """The two scripts of the page, and what is typed."""
    section = page.read_text().split("\n## Slurm\n")[1].split("\n## ")[0]
    measure, merge, typed = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return measure, merge, typed


@pytest.mark.slow
@pytest.mark.every_cpu
def test_the_recipe(tmp_path: Path, cache_home: Path, slurm: dict[str, str]) -> None:
    """As on the page, but of two nodes: an array, each task a part on a node of its own, then one merged report."""
    checkout = Checkout(tmp_path, cache_home)
    (checkout.root / ".venv").symlink_to(sys.prefix)
    measure, merge, typed = recipe(checkout.root / "docs" / "many-machines.md")
    (checkout.root / "measure.sbatch").write_text(measure)
    (checkout.root / "merge.sbatch").write_text(merge)
    (checkout.root / ".git" / "info" / "exclude").write_text(".venv\n*.sbatch\n")
    assert "--array=1-3" in typed
    addopts = f"{shlex.join(PLAN)} --no-limit --benchmark-max-time=0.05 -p no:cacheprovider"
    variables = {
        **checkout.environment,
        **slurm,
        "PRESET": "quick",
        "BENCH_OPTIONS": "--budget=none",
        "PYTEST_ADDOPTS": addopts,
    }

    def asked(*command: str) -> str:
        done = subprocess.run(command, cwd=checkout.root, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    told = asked("bash", "-ec", typed.replace("--array=1-3", "--array=1-2"))
    number = re.findall(r"Submitted batch job (\d+)", told)[-1]
    wait_until(lambda: not asked("squeue", "-h"), "the jobs", 300)
    runs = checkout.root / "runs"
    output = "".join(path.read_text() for path in sorted(runs.glob("slurm-*.txt")))
    folders = list(runs.glob("merged/*Z_*"))
    assert len(folders) == 1, output
    content = json.loads((folders[0] / "run.json").read_text())
    measured = {one["extra_info"]["part"]: one["extra_info"]["configuration"]["cpus"] for one in content["benchmarks"]}
    assert [one["index"] for one in content["run"]["parts"]] == [1, 2]
    assert sorted(measured.values()) == [[CPUS[0]], [CPUS[1]]], output
    assert content["run"]["bridges"]["degrees_of_freedom"] == 2
    assert "merged from 2 parts" in (folders[0] / "report" / "report.md").read_text()
    assert "bridges differ by" in (runs / f"slurm-{number}.txt").read_text()
    assert not content["run"]["partial"]
