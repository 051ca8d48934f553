"""The guest itself: qemu in plain software emulation, two sockets of two cores of two threads, a NUMA node each."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from pathlib import Path
from typing import Final

from studies.guest.image import GuestError, search_path

SOCKETS, CORES, THREADS = 2, 2, 2
"""Sockets, cores of each, threads of each core."""
CPUS: Final = SOCKETS * CORES * THREADS
NODE_MIB: Final = 2048
DISTANCE: Final = 21
"""From one node to the other, as the firmware tells it; 10 is local."""

KERNEL_LINE: Final = (
    "root=/dev/nvme0n1 ro init=/sbin/guest-init console=ttyS0 panic=-1 mitigations=off nokaslr tsc=reliable quiet"
)
"""Without tsc=reliable an emulated clock falls back to hpet, whose every reading leaves the guest."""


def command(kernel: Path, root: Path, job: Path, out: Path, console: Path) -> list[str]:
    """The command line of qemu.

    Plain `-cpu max` shows one thread a core; with Intel as vendor the guest's kernel sees two. Changes to the root image
    are thrown away.
    """
    per_node = CPUS // SOCKETS
    words = [
        *("qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi,tb-size=512"),
        *("-cpu", "max,la57=off,vendor=GenuineIntel"),
        *("-smp", f"{CPUS},sockets={SOCKETS},cores={CORES},threads={THREADS},maxcpus={CPUS}"),
        *("-m", str(SOCKETS * NODE_MIB)),
    ]
    for node in range(SOCKETS):
        words += ["-object", f"memory-backend-ram,id=ram{node},size={NODE_MIB}M"]
        words += ["-numa", f"node,nodeid={node},cpus={node * per_node}-{(node + 1) * per_node - 1},memdev=ram{node}"]
    words += ["-numa", f"dist,src=0,dst=1,val={DISTANCE}"]
    for number, (image, snapshot) in enumerate(((root, "on"), (job, "on"), (out, "off"))):
        words += ["-drive", f"file={image},if=none,id=disk{number},format=raw,snapshot={snapshot}"]
        words += ["-device", f"nvme,drive=disk{number},serial=disk{number}"]
    words += ["-kernel", str(kernel), "-append", KERNEL_LINE, "-nic", "none", "-display", "none", "-no-reboot"]
    return [*words, "-serial", f"file:{console}", "-monitor", "none"]


def boot(words: list[str], *, time_out_s: float) -> None:
    """Runs the guest to its end; Ctrl-C ends it too.

    Raises:
        GuestError: it did not end in time, or qemu failed.
    """
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={"PATH": search_path()}
    ) as process:
        try:
            printed, _ = process.communicate(timeout=time_out_s)
        except subprocess.TimeoutExpired:
            raise GuestError(f"the guest was not ready within {time_out_s:g} s and was ended") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
    if process.returncode != 0:
        raise GuestError(f"qemu: exit code {process.returncode}\n{printed.decode(errors='replace')[-2000:]}")
