"""A disk that is full, and several processes in one folder: a clear stop, and nothing lost."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import onnxscope as osc
import pytest
from onnxscope.errors import InputError, OutputError
from onnxscope.pages.microscope import write_microscope
from onnxscope.store.filling import fill
from onnxscope.store.plan import make_plan
from onnxscope.store.project import Project

pytestmark = pytest.mark.usefixtures("kept_graphs")

HOW = ["--units", "0:4", "--size", "48", "--steps", "2", "--provider", "cpu", "-q"]


@pytest.fixture
def plan(squeezenet: osc.Model):
    return make_plan(
        squeezenet,
        ["fire3", "fire4"],
        units="0:4",
        kinds=["channel", "neuron"],
        size=48,
        steps=2,
        settings={"provider": "cpu"},
    )


def answers(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in (folder / "answers").rglob("*")
        if path.is_file()
    }


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for a few pictures."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mounting, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no `mount` here")
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_said_and_gone_on_from(squeezenet: osc.Model, plan, small_disk, tmp_path):
    folder = small_disk / "p"
    project = Project.create(folder, squeezenet)
    with pytest.raises(OutputError, match="No space left on device"):
        fill(plan, project)
    there = [one for one in plan.order() if project.has(plan.wanted(*one).question)]
    assert 0 < len(there) < plan.count()
    for one in there:
        assert project.answer(plan.wanted(*one).question)["kind"] in ("channel", "neuron")
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    again = fill(plan, Project.create(folder, squeezenet))
    assert (again.there, again.left) == (len(there), 0)
    alone = tmp_path / "alone"
    fill(plan, Project.create(alone, squeezenet))
    assert answers(folder) == answers(alone)
    assert not (folder / ".unfinished").exists()


@pytest.mark.slow
def test_two_processes_in_one_folder(squeezenet: osc.Model, plan, tmp_path):
    shared, alone = tmp_path / "shared", tmp_path / "alone"
    start = [sys.executable, "-m", "onnxscope", "microscope", "squeezenet", "fire3", "fire4", *HOW]
    what = ["--what", "channel,neuron", "-o", str(shared)]
    both = [subprocess.Popen([*start, *what]) for _ in range(2)]
    assert [one.wait(600) for one in both] == [0, 0]
    fill(plan, Project.create(alone, squeezenet))
    assert answers(shared) == answers(alone)
    assert not (shared / ".unfinished").exists()
    assert (shared / "index.html").is_file()


def test_writers_come_and_go(squeezenet: osc.Model, tmp_path):
    """None takes another one's folder for that of somebody who is dead."""
    folder = tmp_path / "p"
    Project.create(folder, squeezenet)
    wrong: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(60):
                with Project.open(folder).writing() as writer:
                    for number in range(3):
                        (writer.work / f"{number}").touch()
        except (OSError, OutputError) as error:
            wrong.append(error)

    writers = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert not wrong
    assert not any(writer.is_alive() for writer in writers)
    assert not (folder / ".unfinished").exists()


def test_what_is_lost_or_empty_is_made_again(squeezenet: osc.Model, tmp_path):
    """A picture that was deleted, and files that a machine left empty as it lost its power."""
    plan = make_plan(
        squeezenet, ["fire3"], units="0:3", kinds=["channel"], size=48, steps=1,
        settings={"provider": "cpu"},
    )  # fmt: skip
    project = Project.create(tmp_path / "p", squeezenet)
    assert fill(plan, project).made == 3
    whole = answers(project.folder)
    files = [project.path_of(plan.wanted(*one).question, "") for one in plan.order()]
    files[0].with_suffix(".png").unlink()
    files[1].with_suffix(".png").write_bytes(b"")
    files[2].with_suffix(".json").write_bytes(b"")
    assert 'class="unit"' in write_microscope(plan, project).with_name("fire3.html").read_text()
    again = fill(plan, project)
    assert (again.there, again.made) == (0, 3)
    assert answers(project.folder) == whole


@pytest.mark.parametrize("suffix", [".png", ".json", "-importance.webp"])
def test_a_damaged_file_is_named(squeezenet: osc.Model, tmp_path, suffix):
    how = {"kinds": "channel", "units": "0", "size": 48, "steps": 1, "provider": "cpu"}
    scope = osc.microscope(squeezenet, tmp_path / "p", "fire3", **how)
    picture = scope.picture("fire3:0")
    damaged = picture.with_name(picture.stem + suffix)
    damaged.write_bytes(b"\x89PNG\r\n\x1a\nno more")
    for sheet in (tmp_path / "p" / "sheets").iterdir():
        sheet.unlink()
    with pytest.raises(InputError, match=f"{damaged.name} is damaged.*remove it"):
        osc.microscope(squeezenet, tmp_path / "p", "fire3", **how)
    if suffix == ".json":
        damaged.write_text("{}")
        with pytest.raises(InputError, match=f"{damaged.name} is damaged.*remove it"):
            scope.known("fire3:0")
    damaged.unlink()
    again = osc.microscope(squeezenet, tmp_path / "p", "fire3", **how)
    assert again.picture("fire3:0").is_file()
