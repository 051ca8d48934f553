"""Run the `run:` steps of a workflow here, one after the other, as they stand: `.ci/steps.py nightly --set NAME=VALUE`.

Conditions, environments and shells are GitHub's; `actions/upload-artifact` copies into --artifacts, every other `uses:` is
left out and said. Of a matrix it is the first of each list, unless --set names another (`part=2`). The exit status is 1 when
the job would be red, 2 when the workflow says something not known here.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import yaml

REPOSITORY: Final = Path(__file__).resolve().parents[1]
EXPRESSION: Final = re.compile(r"\$\{\{.*?\}\}", re.DOTALL)
OF_THE_MATRIX: Final = re.compile(r"\$\{\{\s*matrix\.([\w-]+)\s*\}\}")
SHELLS: Final = {None: ("bash", "-e"), "bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail")}
UPLOAD: Final = "actions/upload-artifact@"


class NotKnown(ValueError):
    """The workflow says something that only GitHub understands."""


def read_job(name: str, job: str | None) -> tuple[str, dict[str, Any]]:
    """The job of a workflow, the first when none is named; raises NotKnown."""
    path = REPOSITORY / ".github" / "workflows" / f"{name}.yml"
    if not path.is_file():
        known = ", ".join(sorted(one.stem for one in path.parent.glob("*.yml")))
        raise NotKnown(f"there is no workflow {name}; there are: {known}")
    jobs: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    if job is not None and job not in jobs:
        raise NotKnown(f"{name} has no job {job}; it has: {', '.join(jobs)}")
    chosen = job or next(iter(jobs))
    return chosen, jobs[chosen]


def holds(condition: str | None, outcomes: dict[str, str], *, red: bool) -> bool:
    """Whether a step runs, after steps of these outcomes, the job red by then or not; raises NotKnown."""
    if condition is None:
        return not red
    parts = [part.strip() for part in EXPRESSION.sub(lambda found: found[0][3:-2], condition).split("&&")]
    values = []
    for part in parts:
        if part in ("always()", "failure()"):
            values.append(part == "always()" or red)
        elif asked := re.fullmatch(r"steps\.([\w-]+)\.outcome (!=|==) '(\w+)'", part):
            values.append((outcomes.get(asked[1]) == asked[3]) is (asked[2] == "=="))
        else:
            raise NotKnown(f"condition {part!r}")
    return all(values) and ("always()" in parts or "failure()" in parts or not red)


def with_matrix(job: dict[str, Any], given: dict[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The job with the values of its matrix filled in, and what of --set is none of them."""
    matrix = {str(name): str(values[0]) for name, values in job.get("strategy", {}).get("matrix", {}).items()}
    matrix = {name: given.get(name, value) for name, value in matrix.items()}

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(one) for key, one in value.items()}
        if isinstance(value, list):
            return [filled(one) for one in value]
        return OF_THE_MATRIX.sub(lambda found: matrix.get(found[1], found[0]), value) if isinstance(value, str) else value

    named: dict[str, Any] = filled(job)
    return named, {name: value for name, value in given.items() if name not in matrix}


def environment_of(*blocks: dict[str, Any] | None, given: dict[str, str]) -> dict[str, str]:
    """The variables of workflow, job and step; what --set names wins, an expression of GitHub's is empty otherwise."""
    found: dict[str, str] = {}
    for block in blocks:
        for name, value in (block or {}).items():
            text = str(value)
            found[name] = given.get(name, "" if EXPRESSION.search(text) else text)
    return {**found, **given}


def upload(step: dict[str, Any], artifacts: Path | None) -> str:
    """What upload-artifact would take, copied to a folder of its name; returns `success` or `failure`."""
    name, source = EXPRESSION.sub("", str(step["with"]["name"])).strip("-"), REPOSITORY / str(step["with"]["path"])
    files = [path for path in source.rglob("*") if path.is_file()] if source.is_dir() else []
    print(f"{UPLOAD.rstrip('@')}: {len(files)} files as {name}", flush=True)
    if artifacts is not None and files:
        shutil.copytree(source, artifacts / name, dirs_exist_ok=True)
    return "success"


def run_job(job: dict[str, Any], *, given: dict[str, str], skip: set[str], artifacts: Path | None) -> bool:
    """Runs the steps; returns whether all were green."""
    outcomes: dict[str, str] = {}
    red = False
    with tempfile.TemporaryDirectory() as temporary:
        summary = (artifacts or Path(temporary)) / "summary.md"
        files = {"GITHUB_STEP_SUMMARY": str(summary), "RUNNER_TEMP": temporary}
        for number, step in enumerate(job["steps"], start=1):
            name = str(step.get("name") or step.get("uses"))
            key = str(step.get("id", number))
            if not holds(step.get("if"), outcomes, red=red):
                outcomes[key] = "skipped"
            elif name in skip:
                print(f"--- {name}: left out, as asked", flush=True)
                outcomes[key] = "success"
            elif str(step.get("uses", "")).startswith(UPLOAD):
                outcomes[key] = upload(step, artifacts)
            elif "uses" in step:
                print(f"--- {name.partition('@')[0]}: left to GitHub", flush=True)
                outcomes[key] = "success"
            else:
                environment = {**os.environ, **files, **environment_of(job.get("env"), step.get("env"), given=given)}
                outcomes[key] = run_step(step, name, environment)
            if outcomes[key] == "skipped":
                print(f"--- {name}: skipped", flush=True)
            red = red or (outcomes[key] == "failure" and not step.get("continue-on-error", False))
    return not red


def run_step(step: dict[str, Any], name: str, environment: dict[str, str]) -> str:
    """Runs one step as GitHub's runner does, in a file given to its shell; returns `success` or `failure`."""
    text, shell = str(step["run"]), step.get("shell")
    if EXPRESSION.search(text):
        raise NotKnown(f"step {name!r} has an expression in its command")
    if shell not in SHELLS:
        raise NotKnown(f"step {name!r} asks for the shell {shell!r}")
    print(f"--- {name}\n{text.rstrip()}", flush=True)
    script = Path(environment["RUNNER_TEMP"]) / "step.sh"
    script.write_text(text, encoding="utf-8")
    code = subprocess.run([*SHELLS[shell], str(script)], cwd=REPOSITORY, env=environment, check=False).returncode
    print(f"--- {name}: exit {code}", flush=True)
    return "failure" if code else "success"


def assignment(text: str) -> tuple[str, str]:
    """`NAME=VALUE`."""
    name, equals, value = text.partition("=")
    if not (name.isidentifier() and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def main() -> int:
    """Runs the job that the command line names."""
    parser = argparse.ArgumentParser(prog="python .ci/steps.py", description=__doc__.splitlines()[0])
    parser.add_argument("workflow", help="nightly | ci")
    parser.add_argument("--job", help="default: the first")
    parser.add_argument("--set", action="append", default=[], type=assignment, metavar="NAME=VALUE", dest="given")
    parser.add_argument("--skip", action="append", default=[], metavar="STEP", help="a step to leave out, by its name")
    parser.add_argument("--artifacts", type=Path, metavar="DIR", help="where artifacts and the job's summary.md go")
    arguments = parser.parse_args()
    artifacts: Path | None = arguments.artifacts.resolve() if arguments.artifacts else None
    try:
        name, job = read_job(arguments.workflow, arguments.job)
        if unknown := set(arguments.skip) - {str(step.get("name")) for step in job["steps"]}:
            raise NotKnown(f"job {name} has no step {', '.join(sorted(unknown))}")
        if artifacts is not None:
            artifacts.mkdir(parents=True, exist_ok=True)
        job, given = with_matrix(job, dict(arguments.given))
        green = run_job(job, given=given, skip=set(arguments.skip), artifacts=artifacts)
    except (NotKnown, OSError) as error:
        print(f"python .ci/steps.py: {error}", file=sys.stderr)
        return 2
    print(f"{arguments.workflow}, {name}: {'green' if green else 'red'}")
    return 0 if green else 1


if __name__ == "__main__":
    sys.exit(main())
