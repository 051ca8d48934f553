"""`baselines explain`: what is named, what adds up, what it refuses and in which words, and that a report shows it."""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from baselines.commands.explain import explain
from baselines.comparing.comparison import compare
from baselines.explaining import profile_run
from baselines.explaining.chosen import meant
from baselines.explaining.explanation import CLASSES, FRAMEWORK, Explanation, explained
from baselines.explaining.explanation_file import keep, read_explanations
from baselines.explaining.profiles import read_profile
from baselines.explaining.wording import headline, lines
from baselines.files.reading_runs import read_run
from baselines.files.run_folder import RunFileError
from baselines.judging.parts import PartsPolicy, differences
from baselines.report.formats.markdown import markdown
from baselines.report.formats.page import page
from fixtures.profiling import classes
from studies import tables
from tests.builders import ONE, THREE, TWO, answer, benchmark, run_folder, view_of_runs
from tests.test_report_page import HOSTILE, Page

Parts = Mapping[tuple[str, str | None], float]
PARTS: Parts = {
    ("matrix products", "layer 0"): 0.6e-3,
    ("matrix products", "layer 1"): 0.6e-3,
    ("attention", "layer 0"): 0.2e-3,
    ("attention", "layer 1"): 0.2e-3,
    (FRAMEWORK, None): 0.4e-3,
}
"""Seconds of a forward pass of 2 ms."""
NAME = benchmark(TWO)["fullname"]


def side(parts: Parts, chance: random.Random, *, noise: float, cost: float = 0.02) -> dict[str, Any]:
    """What a side says in a launch: its parts, each with noise; profiling adds `cost` to the plain rounds."""
    noisy = {part: seconds * chance.gauss(1, noise) for part, seconds in parts.items()}
    wall_s = sum(noisy.values())
    return {
        "wall_s": wall_s,
        "plain_s": wall_s / (1 + cost),
        "rounds": 80,
        "parts": [[kind, layer, f"op of {kind}", seconds, 1.0] for (kind, layer), seconds in noisy.items()],
        "trace": "measured-1.trace.json",
    }


def profile(
    folder: Path, measured: Parts, beside: Parts | None = None, *, launches: int = 8, noise: float = 0.004, **words: Any
) -> Explanation:
    """What launches say of which the parts are known; `words` replace those of the file."""
    chance = random.Random(f"{folder.name} {launches} {noise}")  # noqa: S311 - chance, not secrecy
    content = {
        "schema": 1,
        "fullname": NAME,
        "configuration": {"backend": "pytorch"},
        "reference": None if beside is None else {"what": "old/bin/python"},
        "asked": launches,
        "not_told": None,
        "launches": [
            {
                "measured_first": number % 2 == 0,
                "measured": side(measured, chance, noise=noise),
                **({} if beside is None else {"reference": side(beside, chance, noise=noise)}),
            }
            for number in range(launches)
        ],
        **words,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "profile.json"
    path.write_text(json.dumps(content))
    return explained(read_profile(path), f"explanation/{folder.name}")


def with_more(more: Parts) -> Parts:
    """The parts, some of them longer."""
    return {part: seconds + more.get(part, 0.0) for part, seconds in PARTS.items()}


def test_the_classes_are_those_of_the_workers() -> None:
    """A worker and the judge each have the list: neither imports the other."""
    assert classes.CLASSES == CLASSES


def test_what_became_slower_is_named(tmp_path: Path) -> None:
    """The class and the layer with the difference, its share of the whole, and that all parts add up."""
    said = profile(tmp_path / "a", with_more({("attention", "layer 1"): 0.1e-3}), PARTS)
    assert [row.name for row in said.named] == ["attention"]
    assert [row.name for row in said.named_layers] == ["layer 1"]
    assert said.adds_up
    assert said.cost == pytest.approx(0.02)
    whole, named = said.whole, said.named[0]
    assert whole is not None
    assert whole.difference is not None
    assert named.difference is not None
    assert named.difference.low < 0.1e-3 < named.difference.high
    together = sum(row.difference.seconds for row in said.classes if row.difference)
    assert said.not_explained is not None
    assert together + said.not_explained.seconds == pytest.approx(whole.difference.seconds)
    text = headline(said)
    assert text.startswith("attention +0.")
    assert "(op of attention); framework between the kernels " in text
    assert "most in layer 1; not explained " in text


def test_an_environment_with_itself_names_nothing() -> None:
    """Of 400 comparisons of equal sides few name anything: as many as the level says, whatever their number of parts."""
    chance, wrong, policy = random.Random(1), 0, PartsPolicy(level=0.05)  # noqa: S311 - chance, not secrecy
    for _ in range(400):
        parts = {str(number): [chance.gauss(0, 1e-5) for _ in range(8)] for number in range(20)}
        found = differences(parts, [number % 2 == 0 for number in range(8)], whole_s=1e-3, policy=policy)
        wrong += any(one.named for one in found.values())
    assert 400 * 0.05 / 3 < wrong < 400 * 0.05 * 1.6


def test_nothing_is_named_of_too_little(tmp_path: Path) -> None:
    """A difference that launches spread by more than is not named, and three launch pairs say nothing at all."""
    said = profile(tmp_path / "a", with_more({("attention", "layer 1"): 0.01e-3}), PARTS, noise=0.05)
    assert said.named == []
    assert headline(said).startswith("nothing is named: no class differs by more than launches do (the whole: ")
    with pytest.raises(ValueError, match="3 launch pairs are too few to know how far they spread: it takes 4"):
        profile(tmp_path / "b", PARTS, PARTS, launches=3)


def test_parts_that_do_not_add_up_are_said(tmp_path: Path) -> None:
    """Where profiling costs one side more, the parts differ by what plain rounds do not."""
    said = profile(tmp_path / "a", PARTS, PARTS)
    path = tmp_path / "a" / "profile.json"
    content = json.loads(path.read_text())
    for launch in content["launches"]:
        launch["measured"]["plain_s"] *= 0.8
    path.write_text(json.dumps(content))
    said = explained(read_profile(path), "")
    assert not said.adds_up
    assert "THE PARTS DO NOT ADD UP" in "\n".join(lines(said))


def test_one_side_alone(tmp_path: Path) -> None:
    """Shares of the time, the largest first; no name, because nothing is compared."""
    said = profile(tmp_path / "a", PARTS, launches=2)
    assert headline(said) == "matrix products 60%, attention 20%, framework between the kernels 20%"
    text = "\n".join(lines(said))
    assert text.startswith("pytorch-fp32-batch1-seq32: 1.96")
    assert "2 profiled launches" in text
    assert "profiling costs +2.0% of a forward pass" in text


def test_layers_are_told_in_their_order(tmp_path: Path) -> None:
    """Where they run beside each other, a profile has them in another."""
    names = ["after the layers", "layer 11", "layer 2", "layer 0", "embeddings"]
    said = profile(tmp_path / "a", {("matrix products", name): 1e-4 for name in names}, launches=2)
    assert [row.name for row in said.layers] == ["embeddings", "layer 0", "layer 2", "layer 11", "after the layers"]


def test_a_row_of_the_table_of_findings(tmp_path: Path) -> None:
    """All classes are in it once, and the share of the limit is of the arithmetic by the time of what does it."""
    said = profile(tmp_path / "a", {**PARTS, ("embedding", None): 0.1e-3, ("other", None): 0.3e-3}, launches=2, noise=0.0)
    measured = benchmark(TWO)
    measured["extra_info"] |= {"work": {"share_of_limit": 0.5}, "latency_s": {"median": 2.4e-3}}
    cells = tables.part_row(said, measured)
    assert [cells[name] for name in ("all", "matrix products", "attention", "other kernels", FRAMEWORK)] == [
        *("2.4", "1.2", "0.4", "0.4", "0.4")
    ]
    assert (cells["share of the limit"], cells["in products and attention"]) == ("50%", "75%")


def test_kept_beside_the_run(tmp_path: Path) -> None:
    """What is read is what was kept; a benchmark that is explained again takes the place of its older one."""
    run = read_run(run_folder(tmp_path, benchmark(TWO)) / "run.json")
    first = profile(tmp_path / "a", PARTS, launches=2)
    second = profile(tmp_path / "b", with_more({(FRAMEWORK, None): 1e-3}), PARTS)
    keep(run, [first])
    assert read_explanations(run) == [first]
    keep(run, [second])
    assert read_explanations(run) == [second]
    path = run.path.parent / "explanation.json"
    path.write_text(path.read_text().replace("2026", "2025"))
    with pytest.raises(RunFileError, match="it is not about this run"):
        read_explanations(run)


def explained_view(folder: Path, *found: Explanation) -> Any:
    """The view of a run that has been explained."""
    run = read_run(run_folder(folder / "runs", benchmark(TWO), started_day=30) / "run.json")
    keep(run, found)
    from baselines.comparing.comparison import compare
    from baselines.report.view import view_of

    return view_of(compare(run.path.parent, [], folder / "no store", demand_baseline=False))


def test_the_report_shows_it(tmp_path: Path) -> None:
    """A section with a table and a figure, and a line in the summary; no sections without an explanation."""
    said = profile(tmp_path / "a", with_more({("attention", "layer 1"): 0.1e-3}), PARTS)
    view = explained_view(tmp_path, said)
    text = page(view)
    assert 'id="explained"' in text
    assert "attention *" in "".join(Page(text).cells)
    assert "by row" in text  # a bar figure in words
    assert "- **explained** pytorch-fp32-batch1-seq32: attention +0." in markdown(view)
    assert 'id="explained"' not in page(view_of_runs(tmp_path / "other", [benchmark(TWO)]))


def test_what_comes_from_profiles_is_text(tmp_path: Path) -> None:
    """Names of operators, layers and benchmarks come from files: in the page they add no element."""
    hostile = {(HOSTILE, HOSTILE): 1e-3, **PARTS}
    tame = {("other", "layer 9"): 1e-3, **PARTS}
    pages = []
    for number, parts in enumerate((hostile, tame)):
        name = HOSTILE if parts is hostile else "tame"
        said = profile(
            tmp_path / str(number), parts, PARTS, fullname=f"benchmarks/x.py::test_x[{name}]", reference={"what": name}
        )
        view = explained_view(tmp_path / f"view{number}", said)
        pages.append(Page(page(view)))
        assert "<script" not in markdown(view)
    assert pages[0].tags == pages[1].tags
    assert any("<script>" in cell for cell in pages[0].cells)


REGRESSED = {"verdict": "regressed", "ratio": 1.2, "interval": [1.1, 1.3], "launches": [], "reference": {}}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            {"benchmark": "batch9"},
            "--benchmark batch9: no benchmark of .* is called so; it has onnxruntime-fp32-batch1-seq32, ",
        ),
        ({"benchmark": "fp32"}, r"--benchmark fp32: 3 benchmarks of .* fit: .*Give more of the name"),
        ({"benchmark": "instances2"}, "2 instances beside each other cannot be profiled; explain the same backend and size"),
        ({"reference": "main"}, "nothing regressed in it, so that nothing says which benchmark is meant: name one: python"),
        ({"reference": "main", "launches": 5}, "--launches 5 with --reference: launch pairs come in twos, and it takes 4"),
    ],
)
def test_what_is_refused(tmp_path: Path, words: dict[str, Any], message: str) -> None:
    """Before anything is started, with what is possible instead."""
    several = answer("instance_scaling", backend="openvino", instances=2)
    several["extra_info"]["configuration"]["precision"] = "int8"
    several["fullname"] = several["fullname"].replace("fp32", "int8")
    several["name"], several["param"] = (several[key].replace("fp32", "int8") for key in ("name", "param"))
    run = run_folder(tmp_path, benchmark(ONE), benchmark(TWO), benchmark(THREE), several)
    with pytest.raises(RunFileError, match=message):
        explain(run, tmp_path / "store", **words)


def test_the_only_benchmark_of_a_run_is_meant(tmp_path: Path) -> None:
    """It need not be named, though it regressed in nothing."""
    run = run_folder(tmp_path, benchmark(ONE))
    (only,) = meant(compare(run, [], tmp_path / "store", demand_baseline=False))
    assert only.id == ONE


def test_no_such_run(tmp_path: Path) -> None:
    """The message names the path."""
    with pytest.raises(RunFileError, match="nowhere"):
        explain(tmp_path / "nowhere", tmp_path / "store")


class Pytest:
    """In place of the pytest that profiles: leaves profiles as it would, and ends as it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int, *launches: int, **words: Any) -> None:
        self.code, self.launches, self.words = code, launches, words
        self.command: list[str] = []
        monkeypatch.setattr(subprocess, "run", self)

    def __call__(self, command: Sequence[str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.command = list(command)
        folder = Path(command[list(command).index("--profile") + 1])
        for number, count in enumerate(self.launches):
            reference = PARTS if "--reference" in command else None
            profile_of_session(folder / str(number), count, reference, **self.words)
        return subprocess.CompletedProcess(command, self.code)


def profile_of_session(folder: Path, count: int, reference: Parts | None, **words: Any) -> None:
    """A profile as a session leaves it, of so many launches."""
    if count >= 4 or reference is None:
        profile(folder, with_more({("attention", "layer 1"): 0.1e-3}), reference, launches=count, **words)
    else:
        with pytest.raises(ValueError, match="too few"):
            profile(folder, PARTS, reference, launches=count, **words)


def test_from_a_run_to_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pytest profiles the benchmark and judges nothing; what it left is explained, printed and kept beside the run."""
    run = run_folder(tmp_path, benchmark(TWO))
    ran = Pytest(monkeypatch, 0, 8)
    text, code = explain(run, tmp_path / "store", benchmark=TWO, reference="old/bin/python")
    assert code == 0
    assert "attention *" in text
    assert "the report shows it: python -m baselines report" in text
    assert {NAME, "--benchmark-disable", "--reference", "old/bin/python", "--launches"} <= set(ran.command)
    assert "--benchmark-only" not in ran.command
    (said,) = read_explanations(read_run(run / "run.json"))
    assert (run / said.folder / "profile.json").exists()
    assert not list((run / "explanation" / "new").iterdir())


def test_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C: how far it came, where that is, that nothing is explained, and what to type."""
    run = run_folder(tmp_path, benchmark(TWO))
    Pytest(monkeypatch, 2, 3)
    with pytest.raises(RunFileError, match=r"interrupted after 3 of 3 launches; .* is in .*new, and nothing is explained"):
        explain(run, tmp_path / "store", benchmark=TWO, reference="self")
    assert not (run / "explanation.json").exists()


def test_pytest_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own words are above; ours say that there is nothing."""
    run = run_folder(tmp_path, benchmark(TWO))
    Pytest(monkeypatch, 4)
    with pytest.raises(RunFileError, match="pytest ended with exit code 4 and profiled nothing"):
        explain(run, tmp_path / "store", benchmark=TWO)


def test_a_backend_that_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reason is printed and kept, and the exit code is 1."""
    run = run_folder(tmp_path, benchmark(TWO))
    Pytest(monkeypatch, 1, 0, not_told="the card of mine has no profiler")
    text, code = explain(run, tmp_path / "store", benchmark=TWO)
    assert code == 1
    assert text.startswith("pytorch-fp32-batch1-seq32: not told: the card of mine has no profiler")


def test_too_few_launches_are_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A side that failed on its way leaves too few: nothing is kept."""
    run = run_folder(tmp_path, benchmark(TWO))
    Pytest(monkeypatch, 1, 2)
    with pytest.raises(RunFileError, match=r"1 benchmark could not be explained: .*2 launch pairs are too few"):
        explain(run, tmp_path / "store", benchmark=TWO, reference="self")
    assert not (run / "explanation.json").exists()


def test_a_launch_that_failed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the launches before it say is explained; the exit code says that it is not all."""
    run = run_folder(tmp_path, benchmark(TWO))
    Pytest(monkeypatch, 1, 6, asked=8)
    text, code = explain(run, tmp_path / "store", benchmark=TWO, reference="self")
    assert code == 1
    assert f"{benchmark(TWO)['name']}: 6 of 8 launches were profiled to their end" in text
    assert len(read_explanations(read_run(run / "run.json"))) == 1


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be kept is said with its reason, and the profiles stay."""
    run = run_folder(tmp_path, benchmark(TWO))
    Pytest(monkeypatch, 0, 2)

    def full(*_: Any, **__: Any) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("baselines.explaining.explanation_file.put_in_place", full)
    text, code = explain(run, tmp_path / "store", benchmark=TWO)
    assert code == 2
    assert text.startswith("pytorch-fp32-batch1-seq32"), "what was found is said all the same"
    assert re.search(r"not kept: .*explanation\.json: No space left on device; the profiles are kept", text)
    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(RunFileError, match="explanation: No space left on device; profiles have to be kept beside the run"):
        explain(run, tmp_path / "store", benchmark=TWO)


def test_another_file_in_the_place_of_explanations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not touched, and what was found is said."""
    run = run_folder(tmp_path, benchmark(TWO))
    Pytest(monkeypatch, 0, 2)
    (run / "explanation.json").write_text("[]")
    text, code = explain(run, tmp_path / "store", benchmark=TWO)
    assert code == 2
    assert text.startswith("pytorch-fp32-batch1-seq32")
    assert "not what `python -m baselines explain` writes" in text
    assert (run / "explanation.json").read_text() == "[]"


def test_what_cannot_be_profiled_keeps_others_from_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two regressed, and one of them has two instances: the other is explained, and the exit code is 1."""
    one, several = answer("out_of_the_box", backend="pytorch"), answer("instance_scaling", backend="pytorch", instances=2)
    for slower in (one, several):
        slower["extra_info"]["duet"] = REGRESSED
    run = run_folder(tmp_path, one, several)
    ran = Pytest(monkeypatch, 0, 8)
    text, code = explain(run, tmp_path / "store", reference="main")
    assert code == 1
    assert "2 instances beside each other cannot be profiled" in text
    assert "attention *" in text
    assert one["fullname"] in ran.command
    assert several["fullname"] not in ran.command


def test_one_of_each_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a name: of each backend one, of the question and size that most of them have."""
    alike = [answer("out_of_the_box", backend=name, length=32) for name in ("pytorch", "onnxruntime", "openvino")]
    run = run_folder(tmp_path, answer("out_of_the_box", backend="pytorch", length=128), *alike)
    ran = Pytest(monkeypatch, 0, 2)
    explain(run, tmp_path / "store")
    assert set(ran.command) >= {one["fullname"] for one in alike}
    assert int(ran.command[ran.command.index("--launches") + 1]) == profile_run.LAUNCHES
    assert not any("seq128" in word for word in ran.command)
