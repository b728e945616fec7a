"""A project is filled once, whoever interrupts it, and what is in it is what `render` makes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError, OutputError
from onnxscope.objectives.targets import resolve
from onnxscope.pictures.recipe import read_recipe
from onnxscope.store.filling import fill
from onnxscope.store.plan import make_plan
from onnxscope.store.project import Project
from PIL import Image

pytestmark = pytest.mark.usefixtures("kept_graphs")

SMALL = {"size": 48, "steps": 2, "settings": {"provider": "cpu"}}


@pytest.fixture
def plan(squeezenet: osc.Model):
    return make_plan(squeezenet, ["fire3", "fire4"], units="0:2", **SMALL)


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.slow
def test_pictures_are_those_of_render(squeezenet: osc.Model, plan, tmp_path):
    project = Project.create(tmp_path / "p", squeezenet)
    filling = fill(plan, project)
    assert (filling.total, filling.made, filling.there, filling.left) == (16, 16, 0, 0)
    for layer, unit, kind in plan.order():
        wanted = plan.wanted(layer, unit, kind)
        alone = osc.render(
            squeezenet,
            kind.objective(layer, unit),
            size=48,
            steps=2,
            batch=kind.pictures,
            provider="cpu",
        )
        file = project.path_of(wanted.question, ".png")
        assert read_recipe(file) == alone.recipe
        with Image.open(file) as image:
            np.testing.assert_array_equal(np.asarray(image), np.asarray(alone.sheet()))
        known = project.answer(wanted.question)
        assert (known["layer"], known["unit"], known["kind"]) == (layer.name, unit, kind.name)
        assert len(known["looks"]) == kind.pictures
        assert known["curve"][-1] == [2, pytest.approx(alone.values[-1].mean(), rel=1e-4)]


def test_what_is_known_of_a_picture_is_what_the_layer_answers(
    squeezenet: osc.Model, plan, tmp_path
):
    project = Project.create(tmp_path / "p", squeezenet)
    fill(plan, project, order=plan.order()[:1])
    layer, unit, kind = plan.order()[0]
    known = project.answer(plan.wanted(layer, unit, kind).question)["looks"][0]
    picture = osc.render(squeezenet, kind.objective(layer, unit), size=48, steps=2, provider="cpu")
    cells = squeezenet.activations(picture.images, layer.name)[layer.name][0, unit]
    assert known["mean"] == pytest.approx(cells.mean(), rel=1e-4)
    assert known["max"] == pytest.approx(cells.max(), rel=1e-4)
    rows, columns = cells.shape
    assert known["middle"] == pytest.approx(cells[rows // 2, columns // 2], rel=1e-4, abs=1e-6)
    shades = np.reshape(known["map"]["shades"], (known["map"]["rows"], known["map"]["columns"]))
    assert shades.shape == cells.shape
    low, high = known["map"]["low"], known["map"]["high"]
    np.testing.assert_allclose(low + shades / 255 * (high - low), cells, atol=(high - low) / 250)


@pytest.mark.slow
def test_a_second_run_makes_nothing(squeezenet: osc.Model, plan, tmp_path):
    project = Project.create(tmp_path / "p", squeezenet)
    fill(plan, project)
    before = files(tmp_path)
    again = fill(plan, Project.create(tmp_path / "p", squeezenet))
    assert (again.made, again.there) == (0, 16)
    assert files(tmp_path) == before


def test_time_that_is_up_leaves_the_rest(squeezenet: osc.Model, plan, tmp_path):
    project = Project.create(tmp_path / "p", squeezenet)
    filling = fill(plan, project, seconds=0)
    assert filling.out_of_time
    assert (filling.made, filling.left) == (0, 16)


@pytest.mark.slow
def test_an_interruption_keeps_what_is_done(squeezenet: osc.Model, plan, tmp_path):
    project = Project.create(tmp_path / "p", squeezenet)
    steps = 0

    def callback(progress):
        nonlocal steps
        steps += 1
        if steps == 5:
            raise KeyboardInterrupt

    filling = fill(plan, project, callback=callback, batch_size=1)
    assert filling.interrupted
    assert 0 < filling.made < 16
    assert filling.left == 16 - filling.made
    assert fill(plan, project).made == 16 - filling.made


def test_what_a_killed_writer_left_is_removed_and_a_living_one_stays(
    squeezenet: osc.Model, plan, tmp_path
):
    project = Project.create(tmp_path / "p", squeezenet)
    left = project.folder / ".unfinished" / "left"
    left.mkdir(parents=True)
    (left / "lock").touch()
    (left / "half.png").write_bytes(b"half")
    with project.writing() as one:
        assert not left.exists()
        with project.writing() as other:
            assert one.work.is_dir()
            assert other.work != one.work
    assert not (project.folder / ".unfinished").exists()


def test_other_settings_are_told(squeezenet: osc.Model, plan, tmp_path):
    project = Project.create(tmp_path / "p", squeezenet)
    assert project.differences(plan) == []
    fill(plan, project, order=[])
    assert project.differences(plan) == []
    other = make_plan(squeezenet, ["fire3"], **{**SMALL, "steps": 1})
    assert project.differences(other) == ["steps 1, before 2"]


def test_a_folder_of_something_else(squeezenet: osc.Model, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="has files in it"):
        Project.create(tmp_path, squeezenet)
    with pytest.raises(InputError, match="no project"):
        Project.open(tmp_path)
    (tmp_path / "project.json").write_text('{"format": 99, "model": {}}')
    with pytest.raises(InputError, match="format 99"):
        Project.open(tmp_path)
    (tmp_path / "project.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        Project.open(tmp_path)
    (tmp_path / "project.json").write_text(
        '{"format": 1, "model": {"name": "other", "sha256": "0"}}'
    )
    with pytest.raises(InputError, match="another model, other"):
        Project.create(tmp_path, squeezenet)
    (tmp_path / "project.json").write_text(
        '{"format": 1, "model": {"name": "squeezenet", "sha256": "0"}}'
    )
    with pytest.raises(InputError, match="the file has changed since"):
        Project.create(tmp_path, squeezenet)


@pytest.mark.slow
def test_of_those_that_begin_a_project_at_once_all_have_it(squeezenet: osc.Model, tmp_path):
    failed: list[Exception] = []
    for number in range(10):
        gate = threading.Barrier(4)

        def begin(folder: Path, gate: threading.Barrier) -> None:
            gate.wait(30)
            try:
                Project.create(folder, squeezenet)
            except InputError as error:
                failed.append(error)

        given = tmp_path / str(number), gate
        threads = [threading.Thread(target=begin, args=given, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert [one.name for one in (tmp_path / str(number)).iterdir()] == ["project.json"]
    assert not failed


def test_what_a_beginner_that_was_killed_left_is_gone_on_from(squeezenet: osc.Model, tmp_path):
    for name in (".begun", ".project-x.json"):
        (tmp_path / name).touch()
    Project.create(tmp_path, squeezenet)
    Project.open(tmp_path).check(squeezenet)


def test_a_folder_that_cannot_be_written(squeezenet: osc.Model, tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(OutputError, match="cannot write"):
        Project.create(file / "below", squeezenet)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_killed_again_and_again_it_is_what_it_would_have_been(
    squeezenet: osc.Model, plan, tmp_path
):
    undisturbed = tmp_path / "undisturbed"
    fill(plan, Project.create(undisturbed, squeezenet))
    killed = tmp_path / "killed"
    command = [sys.executable, "-m", "onnxscope", "microscope", "squeezenet", "fire3", "fire4"]
    options = ["--units", "0:2", "--size", "48", "--steps", "2", "--provider", "cpu", "-q"]
    seen = 0
    for _ in range(3):
        process = subprocess.Popen([*command, *options, "-o", str(killed)])
        # As soon as there is a picture more than before.
        while process.poll() is None and len(list(killed.rglob("*.png"))) <= seen:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        seen = len(list(killed.rglob("*.png")))
    assert 0 < seen < 16
    subprocess.run([*command, *options, "-o", str(killed)], check=True)
    assert files(killed / "answers") == files(undisturbed / "answers")
    assert not (killed / ".unfinished").exists()


@pytest.mark.slow
def test_drafts_share_graphs_and_are_what_their_commands_say(squeezenet: osc.Model, tmp_path):
    plan = make_plan(
        squeezenet,
        ["fire3", "logits"],
        units="0:3,60",
        quality="draft",
        size=48,
        steps=2,
        settings={"provider": "cpu"},
    )
    assert plan.shared
    project = Project.create(tmp_path / "p", squeezenet)
    groups = []
    fill(plan, project, begin=lambda filling, wanted: groups.append([one.target for one in wanted]))
    assert groups[0] == ["fire3:0", "fire3:1", "fire3:2", "fire3:60"]
    for layer, unit, kind in plan.order():
        wanted = plan.wanted(layer, unit, kind)
        target, *options = kind.typed(layer, unit, shared=True)
        assert "--batch" in options or resolve(squeezenet, target) == wanted.objective
        alone = osc.render(
            squeezenet, wanted.objective, size=48, steps=2, batch=kind.pictures, provider="cpu"
        )
        file = project.path_of(wanted.question, ".png")
        assert read_recipe(file) == alone.recipe
        with Image.open(file) as image:
            np.testing.assert_array_equal(np.asarray(image), np.asarray(alone.sheet()))
