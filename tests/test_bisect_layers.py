"""Environments in layers: what differs is another, all else is the same, and what cannot be had is said in words."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from fixtures.asked import layers
from fixtures.asked.candidates import groups_of, releases_between
from fixtures.asked.changed import version_text
from fixtures.asked.layers import DiskFull, NotReached, completed, layered
from fixtures.asked.reference_state import StateRefused, unused_for
from fixtures.worker.installed import environment
from studies.wheels import write_wheel

SEEN = """
import json, sys
from importlib import metadata
import small, small.part, numpy
print(json.dumps({
    "small": small.VERSION, "part": small.part.VERSION, "ran": sorted(set(getattr(sys, "ran", []))),
    "numpy": numpy.__version__, "prefix": sys.prefix,
    "packages": sorted({(one.metadata["Name"], one.version) for one in metadata.distributions()}),
}))
"""


def files_of(version: str) -> dict[str, str]:
    """A package with a module that only its first version has, and a line that runs at every start."""
    files = {"small/__init__.py": f"VERSION = {version!r}\n", "small/part.py": f"VERSION = {version!r}\n"}
    files["small.pth"] = f"import sys; sys.ran = [*getattr(sys, 'ran', []), {version!r}]\n"
    return {**files, "small/gone.py": ""} if version == "1.0" else files


def told(line: str) -> None:
    """What is said meanwhile."""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four releases of a package; one that requires another of them."""
    folder = tmp_path_factory.mktemp("wheels")
    for version in ("1.0", "1.1", "1.2", "2.0"):
        write_wheel(folder, "small", version, files_of(version))
    write_wheel(folder, "needy", "1.0", {"needy.py": ""}, ["small<2"])
    write_wheel(folder, "needy", "2.0", {"needy.py": ""}, ["small>=2"])
    return folder


@pytest.fixture
def offline(wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pip knows these wheels and nothing else; the cache is this test's own."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")


def seen_by(python: str) -> dict[str, object]:
    """What an interpreter finds."""
    done = subprocess.run([python, "-c", SEEN], capture_output=True, text=True, check=True, cwd="/")
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.usefixtures("offline")
def test_a_layer_is_what_a_full_environment_would_be(tmp_path: Path, wheels: Path) -> None:
    """One package is another, all others are the same; a layer over a layer has nothing of the first one's release."""
    first = layered({"small": "1.0"}, told)
    one = seen_by(first)
    assert one["small"] == one["part"] == "1.0"
    assert one["ran"] == ["1.0"]
    packages = {tuple(pair) for pair in one["packages"]}  # type: ignore[attr-defined]
    ours = seen_by_us()
    assert packages == ours | {("small", "1.0")}
    # From inside the first layer, as where today's environment has the package.
    code = "from fixtures.asked.layers import layered; print(layered({'small': '1.2'}, lambda line: None))"
    done = subprocess.run([first, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    second = done.stdout.strip().splitlines()[-1]
    two = seen_by(second)
    assert (two["small"], two["part"], two["ran"]) == ("1.2", "1.2", ["1.2"])
    assert {tuple(pair) for pair in two["packages"]} == ours | {("small", "1.2")}  # type: ignore[attr-defined]
    assert subprocess.run([second, "-c", "import small.gone"], capture_output=True, check=False).returncode == 1
    # And one in which it is taken out.
    code = code.replace("'1.2'", "None")
    done = subprocess.run([first, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    without = done.stdout.strip().splitlines()[-1]
    said = subprocess.run([without, "-c", "import numpy, small"], capture_output=True, text=True, check=False)
    assert "No module named 'small'" in said.stderr
    assert layered({"small": "1.0"}, pytest.fail) == first, "built once"
    assert len(unused_for(0)) == 5, "two packages and three layers, which `clean` removes by their age"


def seen_by_us() -> set[tuple[str, str]]:
    """What this interpreter has installed; of two of a name the first on its path."""
    code = "import json\nfrom importlib.metadata import distributions\n"
    code += "print(json.dumps([(one.metadata['Name'], one.version) for one in distributions()]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    return set(dict(reversed(json.loads(done.stdout))).items())


@pytest.mark.usefixtures("offline")
def test_of_two_versions_on_the_path_the_first_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a distribution that two folders have: the one folder of links says the version that is imported."""
    for place, version in (("first", "7.0"), ("second", "3.0")):
        folder = tmp_path / place / "site-packages"
        installed_by_hand(folder, "twice", "numpy", "twice.py,,\n")
        (folder / "twice.py").write_text(f"VERSION = {version!r}\n")
        (folder / "twice-1.0.dist-info").rename(folder / f"twice-{version}.dist-info")
        metadata_file = folder / f"twice-{version}.dist-info" / "METADATA"
        metadata_file.write_text(metadata_file.read_text().replace("Version: 1.0", f"Version: {version}"))
    monkeypatch.setattr(layers, "base_folders", lambda: [tmp_path / one / "site-packages" for one in ("first", "second")])
    python = layered({"small": "1.0"}, told)
    code = "from importlib import metadata; import twice; print(twice.VERSION, metadata.version('twice'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.split() == ["7.0", "7.0"]


@pytest.mark.usefixtures("offline")
def test_what_cannot_be_had_says_why() -> None:
    """A release that no index has; one that does not go with what is beside it; and what then moves with it."""
    with pytest.raises(StateRefused, match=r"no index that pip was told of has small==1\.5"):
        layered({"small": "1.5"}, told)
    with pytest.raises(StateRefused, match=r"needy 1\.0 requires small<2, beside small 2\.0"):
        layered({"needy": "1.0", "small": "2.0"}, told)
    with pytest.raises(StateRefused, match=r"needy 1\.0 requires small<2, beside no small"):
        layered({"needy": "1.0"}, told)
    versions: Callable[[str], list[str]] = lambda name: ["1.0", "1.1", "1.2", "2.0"]  # noqa: E731
    assert completed({"needy": "1.0"}, {"small": "1.1"}, versions, told) == {"needy": "1.0", "small": "1.1"}
    assert completed({"needy": "2.0"}, {"small": "1.1"}, versions, told) == {"needy": "2.0", "small": "2.0"}


@pytest.mark.usefixtures("offline")
def test_the_releases_between_two_are_what_the_index_lists() -> None:
    """In the order from before to after, the ends among them whether the index has them or not."""
    assert releases_between("small", "1.0", "2.0") == ["1.0", "1.1", "1.2", "2.0"]
    assert releases_between("small", "2.0", "1.0.5") == ["2.0", "1.2", "1.1", "1.0.5"]
    assert releases_between("small", "1.1+cpu", "1.2") == ["1.1+cpu", "1.2"]
    with pytest.raises(StateRefused, match="the releases of nobody-has-this cannot be listed"):
        releases_between("nobody-has-this", "1", "2")


def nothing_required(name: str, version: str) -> list[Requirement]:
    """Of a version before: no requirement."""
    return []


def test_packages_that_differ_are_told_apart_and_kept_together() -> None:
    """What workers do not need is left alone unless it is asked for; what does not go with another's version moves, too."""
    here = {name: version_text(words) for name, words in environment()["packages"].items()}
    accepted = {**here, "numpy": "2.0.9", "tokenizers": "0.0.1", "matplotlib": "3.0.0"}
    groups, others = groups_of(accepted, {}, "pytorch", [], nothing_required)
    named = [set(group.before) for group in groups]
    assert {"numpy"} in named
    assert {"tokenizers", "transformers"} not in named, "transformers did not move"
    assert others == ["matplotlib"]
    groups, others = groups_of({**accepted, "transformers": "5.0.0"}, {}, "pytorch", ["all"], nothing_required)
    assert {"transformers", "tokenizers"} in [set(group.before) for group in groups]
    assert others == []


def test_a_group_of_three_is_led_by_the_one_that_requires_the_others() -> None:
    """Not by the first of the alphabet: huggingface-hub is required by both others."""
    here = {one.metadata["Name"]: one.version for one in metadata.distributions()}
    accepted = {**here, "transformers": "5.0.0", "tokenizers": "0.0.1", "huggingface_hub": "0.0.1"}
    groups, _ = groups_of(accepted, {}, "pytorch", ["all"], nothing_required)
    (group,) = [group for group in groups if "transformers" in group.before]
    assert len(group.before) == 3
    assert group.leader == "transformers"


def test_what_a_version_before_required_in_another_version_than_todays_moves_with_it() -> None:
    """Or that is not here any more, and what that required: without it the version before cannot be had."""
    here = {one.metadata["Name"]: one.version for one in metadata.distributions()}
    accepted = {**here, "transformers": "5.0.0", "numpy": "2.0.9", "gone": "1.0", "far": "1.0"}
    asked = {"transformers": "gone>=1", "gone": "far", "numpy": "regex<9000"}
    then = lambda name, _: [Requirement(asked[name])] if name in asked else []  # noqa: E731
    groups, _ = groups_of(accepted, {}, "pytorch", ["gone", "far"], then)
    assert [(group.leader, set(group.before)) for group in groups] == [
        ("transformers", {"transformers", "gone", "far"}),
        ("numpy", {"numpy"}),
    ]
    assert groups[0].after["gone"] is None
    groups, _ = groups_of(accepted, {}, "pytorch", [], lambda name, _: [Requirement("numpy<2.1")] if "trans" in name else [])
    assert [set(group.before) for group in groups] == [{"transformers", "numpy"}]


@pytest.mark.usefixtures("offline")
def test_what_a_release_requires_is_read_from_it() -> None:
    """One that cannot be had requires nothing that anybody knows."""
    (required,) = layers.required_by_release("needy", "1.0", told)
    assert str(required) == "small<2"
    assert layers.required_by_release("needy", "7.0", told) == []


@pytest.mark.usefixtures("offline")
def test_a_layer_is_of_the_index_that_its_package_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two indexes have two builds of one version: each has a layer of its own."""
    first = layered({"small": "1.0"}, told)
    files = {**files_of("1.0"), "small/part.py": "VERSION = 'another build'\n"}
    (tmp_path / "other").mkdir()
    write_wheel(tmp_path / "other", "small", "1.0", files)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "other"))
    second = layered({"small": "1.0"}, told)
    assert [seen_by(python)["part"] for python in (first, second)] == ["1.0", "another build"]


def installed_by_hand(folder: Path, name: str, requires: str, record: str | None) -> None:
    """A distribution in a folder, with a list of its files or without one."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / f"{name}.py").touch()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: {requires}\n")
    if record is not None:
        (info / "RECORD").write_text(record)


@pytest.mark.usefixtures("offline")
def test_a_package_without_a_list_of_its_files_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its old files would be found beside the new ones."""
    installed_by_hand(tmp_path / "site-packages", "small", "numpy", None)
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    with pytest.raises(StateRefused, match=r"small was installed without a list of its files .* install .*small==1\.0"):
        layered({"small": "2.0"}, told)


@pytest.mark.usefixtures("offline")
def test_a_requirement_that_cannot_be_read(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of somebody around it is nothing to a layer; of the release itself it is refused in words."""
    installed_by_hand(tmp_path / "site-packages", "around", "small (>=0.*", "around.py,,\n")
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    folders = [layers.package_of("small", "1.0", told)]
    assert layers.unmet({"small": "1.0"}, folders) is None
    assert groups_of({"around": "0.9"}, {}, "pytorch", ["around"], nothing_required)[0]
    installed_by_hand(tmp_path / "package", "own", "small (>=0.*", "own.py,,\n")
    with pytest.raises(StateRefused, match=r"own 1\.0 requires 'small .*', which cannot be read"):
        layers.unmet({"own": "1.0"}, [tmp_path / "package"])


@pytest.mark.usefixtures("offline")
def test_an_index_that_cannot_be_reached_is_no_releases_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a real pip, at a port where nothing listens: neither for a release nor for the list of them."""
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(NotReached, match=r"cannot be reached; start it again when it can: .*/simple/small/"):
        layered({"small": "1.0"}, told)
    with pytest.raises(NotReached):
        releases_between("small", "1.0", "2.0")


@pytest.mark.usefixtures("offline")
def test_a_full_disk_is_no_releases_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing half-built is left in the cache, and nothing is called impossible to install."""

    def full(*arguments: object, **words: object) -> subprocess.CompletedProcess[str]:
        print(
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", file=words["stdout"]
        )
        return subprocess.CompletedProcess([], 1)

    monkeypatch.setattr(layers.subprocess, "run", full)  # type: ignore[attr-defined]
    with pytest.raises(DiskFull, match="No space left on device"):
        layered({"small": "1.0"}, told)
    assert [path.name for path in (tmp_path / "cache").rglob("package-*") if path.is_dir()] == []


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="mounting a small file system takes root")
@pytest.mark.slow
@pytest.mark.usefixtures("offline")
def test_a_file_system_that_is_really_full(tmp_path: Path) -> None:
    """A tmpfs of 64 KiB."""
    (tmp_path / "cache").mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path / "cache")]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        with pytest.raises(DiskFull):
            layered({"small": "1.0"}, told)
    finally:
        subprocess.run(["umount", str(tmp_path / "cache")], check=True)
