"""Boots the guest, has the suite run in it, and checks what comes back: 0 when all of it holds.

Usage: `tox run -e guest`, or `python -m studies.guest [--backends onnxruntime,pytorch] [--keep DIR]`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from baselines.judging.wording import counted
from fixtures.model import cache
from fixtures.process.environment import REPOSITORY
from studies.guest import checks, image, machine
from studies.guest.image import GuestError

MODEL: Final = "bert-tiny"
PROBLEM_SIZES: Final = "1x32,8x32,4x32,2x32"
"""All that the questions ask for, with the shares of 1, 2 and 4 instances."""
OUT_MIB: Final = 64


def main() -> int:
    """Runs everything; 1 when something does not hold, 2 when the guest cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m studies.guest", description=__doc__.partition("\n")[0])
    parser.add_argument("--backends", default="onnxruntime", metavar="A,B", help="measured inside (default: %(default)s)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where to leave what came back (default: the cache)")
    parser.add_argument("--time-out", type=float, default=1800, metavar="SECONDS", help="default: %(default)g")
    options = parser.parse_args()
    kept = options.keep or cache.root() / "guest" / "last"
    try:
        if missing := image.missing_tools():
            raise GuestError(f"tools are missing: {missing}")
        shutil.rmtree(kept, ignore_errors=True)
        seconds = run_guest(options.backends, kept, options.time_out)
    except GuestError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print((kept / "log.txt").read_text(errors="replace") if (kept / "log.txt").exists() else "(the guest left no log)")
    complaints = list(complaints_about(kept))
    for complaint in complaints:
        print(f"WRONG: {complaint}")
    print(summary(kept) if not complaints else f"{len(complaints)} things are wrong; all that came back is in {kept}")
    print(f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC, {seconds:.0f} s from power on to power off")
    return 1 if complaints else 0


def run_guest(backends: str, kept: Path, time_out_s: float) -> float:
    """Boots the guest with a job and copies what it left; returns the seconds that it was on."""
    kernel, root = image.kernel(), image.root_image()
    with tempfile.TemporaryDirectory(prefix="bert-guest-") as name:
        folder = Path(name)
        job, out = folder / "job.ext4", folder / "out.ext4"
        image.tell(f"preparing {MODEL} and copying the checkout")
        write_job(folder / "job", backends)
        image.write_image(folder / "job", job)
        (folder / "empty").mkdir()
        image.write_image(folder / "empty", out, size_bytes=OUT_MIB << 20)
        image.tell(f"starting the guest: {machine.SOCKETS} sockets x {machine.CORES} cores x {machine.THREADS} threads")
        started = time.monotonic()
        try:
            machine.boot(machine.command(kernel, root, job, out, folder / "console.txt"), time_out_s=time_out_s)
        finally:
            image.read_image(out, kept)
            if (folder / "console.txt").exists():
                shutil.copy(folder / "console.txt", kept / "console.txt")
        return time.monotonic() - started


def write_job(folder: Path, backends: str) -> None:
    """What the guest is given: the checkout as it is here, the prepared model, and what to run."""
    checkout = folder / "checkout"
    listed = image.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=REPOSITORY)
    for name in filter(None, listed.split("\0")):
        if (REPOSITORY / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, checkout / name)
    image.run(
        [sys.executable, "-m", "fixtures.model", "--model", MODEL, "--problem-sizes", PROBLEM_SIZES],
        cwd=REPOSITORY,
        variables={"XDG_CACHE_HOME": str(folder / "cache")},
    )
    words = (Path(__file__).parent / "job.sh").read_text(encoding="utf-8")
    (folder / "run.sh").write_text(f"BACKENDS={backends}\n{words}", encoding="utf-8")


def complaints_about(kept: Path) -> Iterator[str]:
    """Everything that does not hold in what the guest left."""
    status = kept / "status"
    if not status.exists() or status.read_text().strip() != "0":
        yield f"the job's exit status is {status.read_text().strip() if status.exists() else 'missing'}"
    try:
        machine_said = json.loads((kept / "machine.json").read_text())
        questions, limits, wrong = (run_of(kept, name) for name in ("questions", "limits", "wrong_node"))
        code, text = int((kept / "wrong_node.code").read_text()), (kept / "wrong_node.txt").read_text(errors="replace")
    except (OSError, ValueError, StopIteration) as error:
        yield f"something did not come back: {error!r}"
        return
    yield from checks.topology_complaints(machine_said)
    yield from checks.run_complaints(questions)
    yield from checks.sibling_complaints(questions)
    yield from checks.limit_complaints(limits)
    yield from checks.wrong_node_complaints(text, code, wrong)


def run_of(kept: Path, name: str) -> dict[str, Any]:
    """The run.json of a step."""
    content: dict[str, Any] = json.loads(next((kept / "runs" / name).glob("*/run.json")).read_text())
    return content


def summary(kept: Path) -> str:
    """What was seen, in a table of instances."""
    lines = ["", "benchmark: CPUs, memory policy, pages by node", ""]
    for one in run_of(kept, "questions")["benchmarks"]:
        extra = one["extra_info"]
        for instance in extra["per_instance"]:
            policy, nodes = extra["configuration"]["memory_policy"], extra["configuration"]["memory_nodes"]
            asked = policy if nodes is None else f"{policy} {','.join(map(str, nodes))}"
            pages = ", ".join(f"node {node}: {count}" for node, count in (instance["memory_pages"] or {}).items())
            lines.append(f"{one['name']}: CPUs {','.join(map(str, instance['cpus']))}; {asked}; {pages}")
    lines += ["", f"all {len(lines) - 3} instances are where they should be", "", "benchmark: threads, stopped periods", ""]
    for one in run_of(kept, "limits")["benchmarks"]:
        (instance,), limit = one["extra_info"]["per_instance"], one["extra_info"].get("cpu_limit")
        stopped = f"stopped in {limit['throttled']} of {limit['periods']}" if limit else f"CPUs {instance['cpus']}"
        lines.append(f"{one['name']}: {counted(instance['threads_observed'], 'thread')}; {stopped}")
    return "\n".join([*lines, "", "each limit held, by what the kernel counted"])


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
