"""The workflows: what they may do and where; and .ci/steps.py, which runs their steps here as GitHub would."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.suite import REPOSITORY

WORKFLOWS = {path.stem: path for path in (REPOSITORY / ".github" / "workflows").glob("*.yml")}


def jobs_of(workflow: str) -> dict[str, dict[str, Any]]:
    """The jobs of a workflow, by name."""
    jobs: dict[str, dict[str, Any]] = yaml.safe_load(WORKFLOWS[workflow].read_text())["jobs"]
    return jobs


JOBS = {(workflow, name): job for workflow in WORKFLOWS for name, job in jobs_of(workflow).items()}


def test_actions_are_pinned() -> None:
    """Every action stands at a full commit with its release beside it, the same one everywhere."""
    pins: dict[str, set[str]] = {}
    for path in WORKFLOWS.values():
        for line in re.findall(r"uses:.*", path.read_text()):
            found = re.fullmatch(r"uses: ([\w-]+/[\w/-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)", line)
            assert found, f"{path.name}: {line}"
            pins.setdefault(found[1], set()).add(found[2])
    assert pins
    assert {action: len(found) for action, found in pins.items()} == dict.fromkeys(pins, 1)


def test_permissions() -> None:
    """Nothing by default, and to each job what it needs: only one may write issues, only one branches and pull requests."""
    assert all(yaml.safe_load(path.read_text())["permissions"] == {} for path in WORKFLOWS.values())
    assert {name: job["permissions"] for (_, name), job in JOBS.items()} == {
        "suite": {"contents": "read"},
        "compare": {"contents": "read"},
        "measure": {"contents": "read"},
        "judge": {"contents": "read"},
        "issue": {"contents": "read", "issues": "write"},
        "accept": {"actions": "read", "contents": "write", "pull-requests": "write"},
    }


def test_what_runs_on_bare_metal() -> None:
    """One job, of main of a repository that is no fork, started by the clock or by hand, one at a time and to its end."""
    bare = {key: job for key, job in JOBS.items() if "self-hosted" in job["runs-on"]}
    assert list(bare) == [("nightly", "measure")]
    (job,) = bare.values()
    assert job["runs-on"] == ["self-hosted", "linux", "x64", "bare-metal", "c5.metal"]
    assert set(yaml.safe_load(WORKFLOWS["nightly"].read_text())[True]) == {"schedule", "workflow_dispatch"}  # YAML: on
    assert job["if"].startswith("github.event.repository.fork == false && github.ref == 'refs/heads/main' && ")
    assert job["concurrency"] == {"group": "bare-metal-c5.metal-${{ matrix.part }}", "cancel-in-progress": False}
    assert job["strategy"] == {"fail-fast": False, "matrix": {"part": [1], "of": [1]}}, "as it ships: one machine"
    configured = yaml.safe_load((REPOSITORY / ".github" / "actionlint.yaml").read_text())
    assert set(configured["self-hosted-runner"]["labels"]) == set(job["runs-on"]) - {"self-hosted", "linux", "x64"}


def test_accept_is_no_part_of_judging() -> None:
    """`accept` is in one job, which does not measure, and which needs no other."""
    accepting = {
        name for (_, name), job in JOBS.items() if any("baselines accept" in step.get("run", "") for step in job["steps"])
    }
    assert accepting == {"accept"}
    assert "needs" not in JOBS["nightly", "accept"]
    assert JOBS["nightly", "accept"]["if"].endswith("&& inputs.accept_run")
    assert JOBS["nightly", "measure"]["if"].endswith("&& !inputs.accept_run")


def test_suspects_are_decided_where_they_were_measured() -> None:
    """By the one command that measures, part by part; what comes after needs files alone, whatever became of a part."""
    steps = [step["name"] for step in JOBS["nightly", "measure"]["steps"] if "name" in step]
    assert steps == ["Check the machine", "Install", "Measure", "Upload"]
    assert not [step for step in JOBS["nightly", "measure"]["steps"] if "continue-on-error" in step]
    judge = JOBS["nightly", "judge"]
    assert (judge["needs"], judge["runs-on"]) == ("measure", "ubuntu-latest")
    assert judge["if"] == "always() && needs.measure.result != 'skipped'"
    commands = [step["run"] for step in judge["steps"] if "run" in step]
    assert [command.split("baselines ")[-1].split()[0] for command in commands[1:]] == ["merge", "report", "compare"]
    parts = {
        step["with"]["name"] for step in JOBS["nightly", "measure"]["steps"] if "upload-artifact" in step.get("uses", "")
    }
    taken = [step["with"] for step in judge["steps"] if "download-artifact" in step.get("uses", "")]
    assert (parts, taken) == ({"part-${{ matrix.part }}"}, [{"pattern": "part-*", "path": "runs", "merge-multiple": True}])
    assert JOBS["nightly", "issue"]["needs"] == "judge"


def test_no_logic_in_commands() -> None:
    """No command holds an expression of GitHub's, a condition or a loop: each can be typed."""
    commands = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]
    assert commands
    assert not [command for command in commands if re.search(r"\$\{\{|\bif\b|\bfor\b|\bwhile\b|\|\||&&", command)]


def test_raw_runs_are_uploaded_red_or_green() -> None:
    """What was measured is kept whatever came of it."""
    for key in (("ci", "suite"), ("nightly", "measure")):
        (upload,) = (step for step in JOBS[key]["steps"] if "upload-artifact" in step.get("uses", ""))
        assert upload["if"] == "always() && steps.measure.outcome != 'skipped'"
        assert upload["with"]["path"] == "runs/"
    (upload,) = (step for step in JOBS["nightly", "judge"]["steps"] if "upload-artifact" in step.get("uses", ""))
    assert upload["if"] == "always()"
    assert upload["with"] == {"name": "nightly", "path": "runs/", "retention-days": 90}


def test_every_supported_python() -> None:
    """The jobs of ci.yml are those that pyproject.toml allows."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    first, end = (int(minor) for minor in re.findall(r"3\.(\d+)", project["requires-python"]))
    assert JOBS["ci", "suite"]["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in range(first, end)]


def test_caches_follow_the_constraints() -> None:
    """The key of pip's cache is a file that is there."""
    (python,) = (step for step in JOBS["ci", "suite"]["steps"] if "setup-python" in step.get("uses", ""))
    assert (REPOSITORY / python["with"]["cache-dependency-path"]).is_file()


def test_recipes_of_many_machines() -> None:
    """The matrix of docs/many-machines.md fits the job, and the Job of Kubernetes measures as many parts as it has pods."""
    page = (REPOSITORY / "docs" / "many-machines.md").read_text()
    github, kubernetes = (
        yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    )
    strategy = JOBS["nightly", "measure"]["strategy"]
    assert github["strategy"] == {**strategy, "matrix": {"part": [1, 2, 3], "of": [3]}}
    assert github["strategy"]["matrix"].keys() == strategy["matrix"].keys()
    spec = kubernetes["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 3, 3)
    (container,) = spec["template"]["spec"]["containers"]
    assert container["command"] == ["sh", "-c"]
    (script,) = container["args"]
    typed = script.replace("exec python", "printf '%s ' python")
    environment = {"JOB_COMPLETION_INDEX": "2"}
    said = subprocess.run(["sh", "-c", typed], env=environment, capture_output=True, text=True, check=True).stdout
    assert " --shard 3/3 --runs /runs/parts " in said
    assert container["resources"]["requests"] == container["resources"]["limits"]
    mounted, volumes = container["volumeMounts"], spec["template"]["spec"]["volumes"]
    assert [one["name"] for one in mounted] == [one["name"] for one in volumes]


class Steps:
    """A repository with .ci/steps.py and one workflow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / ".ci").mkdir()
        (folder / ".github" / "workflows").mkdir(parents=True)
        shutil.copy(REPOSITORY / ".ci" / "steps.py", folder / ".ci")

    def __call__(self, steps: str, *arguments: str, job: str = "") -> subprocess.CompletedProcess[str]:
        """Runs the steps of a job; `job` is more of it."""
        text = f"jobs:\n  only:\n{job}    env:\n      WHO: job\n    steps:\n" + textwrap.indent(
            textwrap.dedent(steps), " " * 6
        )
        (self.folder / ".github" / "workflows" / "w.yml").write_text(text)
        command = [sys.executable, ".ci/steps.py", "w", *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def steps(tmp_path: Path) -> Steps:
    """A repository of its own."""
    return Steps(tmp_path)


def test_green(steps: Steps) -> None:
    """Commands run one after the other in the repository, with the environment of job and step; --set wins over both."""
    done = steps(
        """
        - run: echo "$WHO $PWD"
        - name: mine
          env: {WHO: step, TOKEN: "${{ github.token }}"}
          run: echo "$WHO [$TOKEN]"
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"job {steps.folder}\n" in done.stdout
    assert "step []\n" in done.stdout
    assert done.stdout.endswith("w, only: green\n")
    assert (
        "you [t]\n"
        in steps("- {env: {WHO: a, TOKEN: b}, run: 'echo $WHO [$TOKEN]'}", "--set", "WHO=you", "--set", "TOKEN=t").stdout
    )


def test_red(steps: Steps) -> None:
    """After a failure only steps that ask for it run; what needs a skipped step does not; the job is red."""
    done = steps(
        """
        - run: 'false'
        - {name: not reached, id: measure, run: touch measured}
        - {name: whatever, if: always(), run: touch whatever}
        - {name: needs it, if: "always() && steps.measure.outcome != 'skipped'", run: touch needed}
        - {name: if red, if: failure(), run: touch red}
        """
    )
    assert done.returncode == 1
    assert done.stdout.endswith("w, only: red\n")
    assert {path.name for path in steps.folder.iterdir() if path.is_file()} == {"whatever", "red"}


def test_shells(steps: Steps) -> None:
    """GitHub's default ends at the first command that fails, but sees only the end of a pipe; `bash` sees all of it."""
    assert steps("- run: 'false | true'").returncode == 0
    assert steps("- {run: 'false | true', shell: bash}").returncode == 1
    assert steps("- run: |\n    false\n    true\n").returncode == 1


def test_artifacts(steps: Steps) -> None:
    """What upload-artifact takes lies in a folder of its name, and the summary of the job beside it."""
    done = steps(
        """
        - run: mkdir -p runs/1 && touch runs/1/run.json && echo "## all well" >> "$GITHUB_STEP_SUMMARY"
        - {uses: actions/upload-artifact@v0, with: {name: "it-${{ matrix.python }}", path: runs/}}
        - {uses: actions/checkout@v0}
        """,
        "--artifacts",
        "out",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (Path(steps.folder) / "out/it/1/run.json").is_file()
    assert (Path(steps.folder) / "out/summary.md").read_text() == "## all well\n"
    assert "actions/checkout: left to GitHub" in done.stdout


def test_a_matrix(steps: Steps) -> None:
    """The first of each list, or what is named; it is no variable of the step, and other expressions stay empty."""
    text = """
        - {run: 'echo "[$SHARD] [$part] [$TOKEN]"', env: {SHARD: "${{ matrix.part }}/${{ matrix.of }}", TOKEN: "${{ a.b }}"}}
        - {uses: actions/upload-artifact@v0, with: {name: "part-${{ matrix.part }}", path: runs/}}
        """
    matrix = "    strategy: {matrix: {part: [1, 2, 3], of: [3]}}\n"
    assert "[1/3] [] []\n" in (done := steps(text, job=matrix)).stdout
    assert "0 files as part-1" in done.stdout
    assert "[2/3] [] []\n" in (done := steps(text, "--set", "part=2", job=matrix)).stdout
    assert "0 files as part-2" in done.stdout


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("- {run: 'true', if: github.actor == 'me'}", (), "condition \"github.actor == 'me'\""),
        ("- {name: a, run: 'echo ${{ github.actor }}'}", (), "step 'a' has an expression in its command"),
        ("- {name: a, run: 'true', shell: pwsh}", (), "step 'a' asks for the shell 'pwsh'"),
        ("- run: 'true'", ("--skip", "b"), "job only has no step b"),
        ("- run: 'true'", ("--job", "b"), "w has no job b; it has: only"),
    ],
)
def test_what_it_does_not_know(steps: Steps, text: str, arguments: tuple[str, ...], said: str) -> None:
    """It says so and exits with 2, instead of a guess."""
    done = steps(text, *arguments)
    assert (done.returncode, done.stderr) == (2, f"python .ci/steps.py: {said}\n")
