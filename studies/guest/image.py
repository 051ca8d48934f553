"""What the guest is made of: a kernel and a root file system from Debian's packages, with this project's own from PyPI.

Nothing is mounted and nothing installed here: packages are unpacked, and file systems made from folders. Both are cached by
what they are made of; a build takes minutes, the next start seconds.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fixtures.model import cache
from fixtures.process.environment import REPOSITORY

SUITE: Final = "bookworm"
PYTHON: Final = "3.11"
"""Of that release of Debian; the wheels are for it."""
MIRROR: Final = "http://deb.debian.org/debian"
PACKAGES: Final = ("git", "libgomp1", "numactl", "procps", "python3", "util-linux")
KERNEL_PACKAGE: Final = "linux-image-cloud-amd64"
"""ext4 and NVMe are built into it: no initial RAM disk, no modules."""
EXTRAS: Final = ("onnxruntime",)
RECIPE: Final = 1
"""Raise it when the same packages would make another image."""
SPACE: Final = 1.3
"""An image has so many times the bytes of its files, and a constant."""
SPACE_BYTES: Final = 512 << 20

TOOLS: Final = {
    "qemu-system-x86_64": "qemu-system-x86",
    "mmdebstrap": "mmdebstrap",
    "arch-test": "arch-test",
    "mkfs.ext4": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "dpkg-deb": "dpkg",
    "apt-get": "apt",
    "git": "git",
}
"""Command to the Debian package that has it."""

INIT: Final = """#!/bin/sh
# The guest's first process: mounts what it needs, runs the job, leaves its exit status, and is gone.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/shm && mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -o remount,rw /
ip link set lo up 2>/dev/null
mount -t ext4 /dev/nvme1n1 /job
mount -t ext4 /dev/nvme2n1 /out
echo 0 > /proc/sys/kernel/numa_balancing
cd /job && sh /job/run.sh > /out/log.txt 2>&1
echo $? > /out/status
sync
umount /out
echo o > /proc/sysrq-trigger
sleep 60
"""


class GuestError(Exception):
    """The guest cannot be built or did not do its job; one message says what, and what to do."""


def missing_tools() -> str | None:
    """What has to be installed first, as a line to type; None when all is there."""
    packages = sorted({package for tool, package in TOOLS.items() if shutil.which(tool, path=search_path()) is None})
    return f"sudo apt-get install --no-install-recommends {' '.join(packages)}" if packages else None


def search_path() -> str:
    """PATH, and where Debian keeps the tools of the file system, which an ordinary user's PATH leaves out."""
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def run(command: Sequence[str | Path], *, cwd: Path | None = None, variables: Mapping[str, str] | None = None) -> str:
    """Runs a tool, with variables over the shell's, and returns what it printed.

    Raises:
        GuestError: it failed; with its last lines.
    """
    environment = {**os.environ, "PATH": search_path(), **(variables or {})}
    words = list(map(str, command))
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", env=environment, cwd=cwd, check=False)
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-8:])
        raise GuestError(f"{' '.join(map(str, command))[:300]}: exit code {done.returncode}\n{last}")
    return done.stdout


def tell(line: str) -> None:
    """Prints what is being done."""
    print(f"-- {line}", flush=True)


def kernel() -> Path:
    """The kernel's file, from the newest package of its name."""
    found = re.search(r"Depends: (linux-image-\S+)", run(["apt-cache", "depends", KERNEL_PACKAGE]))
    if found is None:
        raise GuestError(f"{KERNEL_PACKAGE} is not among the packages of this machine: sudo apt-get update")
    package = found[1]

    def build(folder: Path) -> Path:
        tell(f"unpacking the kernel of {package}")
        run(["apt-get", "download", "-o", "APT::Sandbox::User=root", package], cwd=folder)
        (deb,) = folder.glob("*.deb")
        run(["dpkg-deb", "-x", deb, folder / "unpacked"])
        (image,) = (folder / "unpacked/boot").glob("vmlinuz-*")
        return image

    version = run(["apt-cache", "policy", package]).partition("Candidate: ")[2].split()[0]
    return made("vmlinuz", {"package": package, "version": version}, build)


def root_image() -> Path:
    """The image of the root file system, with Python, numactl, and this project's dependencies."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if here != PYTHON or platform.machine() != "x86_64":
        raise GuestError(f"the guest has Python {PYTHON} on x86_64, and this is Python {here} on {platform.machine()}")
    files = {name: (REPOSITORY / name).read_text(encoding="utf-8") for name in ("constraints.txt", "pyproject.toml")}

    def build(folder: Path) -> Path:
        tree = folder / "root"
        tell(f"making a root file system of Debian {SUITE}")
        mode = "--mode=root" if os.geteuid() == 0 else "--mode=unshare"
        run(["mmdebstrap", "--variant=minbase", mode, f"--include={','.join(PACKAGES)}", SUITE, tree, MIRROR])
        tell("installing the project's dependencies into it")
        pip: list[str | Path] = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile"]
        wanted = requirements(files["pyproject.toml"])
        run([*pip, "--target", tree / "opt/site-packages", "-c", REPOSITORY / "constraints.txt", *wanted])
        for name in ("job", "out"):
            (tree / name).mkdir()
        (tree / "sbin/guest-init").write_text(INIT, encoding="utf-8")
        (tree / "sbin/guest-init").chmod(0o755)
        tell("writing the image")
        write_image(tree, folder / "root.ext4")
        return folder / "root.ext4"

    words = {"recipe": RECIPE, "suite": SUITE, "packages": PACKAGES, "extras": EXTRAS, "init": INIT}
    return made("root.ext4", {**files, **words}, build)


def requirements(pyproject: str) -> list[str]:
    """This project's dependencies with EXTRAS, as pip takes them."""
    project = tomllib.loads(pyproject)["project"]
    return [*project["dependencies"], *(one for extra in EXTRAS for one in project["optional-dependencies"][extra])]


def write_image(tree: Path, image: Path, *, size_bytes: int | None = None) -> None:
    """Makes an ext4 image from a folder, without mounting anything."""
    if size_bytes is None:
        used = sum(path.lstat().st_size for path in tree.rglob("*") if not path.is_dir())
        size_bytes = int(SPACE * used) + SPACE_BYTES
    image.unlink(missing_ok=True)
    run(["mkfs.ext4", "-q", "-F", "-d", tree, "-E", "root_owner=0:0", image, f"{size_bytes >> 10}k"])


def read_image(image: Path, folder: Path) -> None:
    """Copies the files of an ext4 image into a folder, without mounting anything."""
    folder.mkdir(parents=True, exist_ok=True)
    run(["debugfs", "-R", f"rdump / {folder}", image])


def made(name: str, made_from: Mapping[str, Any], build: Callable[[Path], Path]) -> Path:
    """The cached file of that name; `build` makes it in a folder, where it was made from anything else."""
    target = cache.root() / "guest" / cache.key(made_from) / name
    if not target.exists():
        with cache.building(target.parent) as folder:
            cache.publish_file(build(folder), target)
    return target
