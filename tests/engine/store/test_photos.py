"""Photographs of a project: found once, in one pass, and what pictures are worth by them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError
from onnxscope.store.filling import fill
from onnxscope.store.kinds import KINDS
from onnxscope.store.photos import Photos, score_question, unit_question
from onnxscope.store.plan import make_plan
from onnxscope.store.project import Project, Writer
from onnxscope.store.questions import PHOTOS_SUFFIX
from onnxscope.store.scores import score_pictures
from onnxscope.store.sightings import look_at_photos
from PIL import Image

UNITS = "0,5"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty photographs of coloured squares, and a file that is none."""
    made = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(5)
    for number in range(20):
        squares = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        photo = Image.fromarray(squares).resize((96, 72), Image.Resampling.NEAREST)
        photo.save(made / f"{number:02}.png")
    (made / "none.png").write_bytes(b"no picture")
    return made


def planned(network: osc.Model, photos: Photos | None, **more):
    how = {"units": UNITS, "kinds": ["channel", "examples", "scores"], "size": 48, "steps": 2}
    return make_plan(
        network,
        ["fire2", "fire3"],
        settings={"provider": "cpu"},
        photos=photos,
        **how | more,
    )


def test_they_are_what_examples_finds_and_found_once(squeezenet: osc.Model, folder, tmp_path):
    plan = planned(squeezenet, Photos.found([folder]))
    project = Project.create(tmp_path / "p", squeezenet)
    looked = look_at_photos(plan, project)
    assert (looked.units, looked.made, looked.there) == (4, 4, 0)
    assert [Path(path).name for path, _ in looked.skipped] == ["none.png"]
    found = osc.examples(squeezenet, ["fire2:0,5", "fire3:0,5"], folder, count=9, size=48)
    for layer in plan.layers:
        for unit in (0, 5):
            question = unit_question(plan, layer, unit)
            known, one = project.answer(question), found.of(layer.title, unit)
            assert [most["name"] for most in known["most"]] == [Path(p.path).name for p in one.most]
            assert known["most"][0]["value"] == pytest.approx(one.most[0].value, rel=1e-4)
            assert known["most"][0]["box"] == list(one.most[0].box)
            assert known["positive"] == pytest.approx(one.positive)
            with Image.open(project.path_of(question, PHOTOS_SUFFIX)) as sheet:
                assert sheet.size == (5 * 96, 5 * 96)
    again = look_at_photos(plan, project)
    assert (again.made, again.there) == (0, 4)
    assert not list(project.folder.glob(".photos-*"))


def test_other_photographs_are_another_question(squeezenet: osc.Model, folder, tmp_path):
    before = Photos.found([folder])
    assert Photos.found([folder]).digest == before.digest
    assert before.count == 21
    other = tmp_path / "other"
    other.mkdir()
    for file in sorted(folder.glob("0*.png")):
        (other / file.name).write_bytes(file.read_bytes())
    assert Photos.found([other]).digest != before.digest
    plan = planned(squeezenet, before)
    project = Project.create(tmp_path / "p", squeezenet)
    with project.writing() as writer:
        writer.begin(plan)
    remembered = Photos.remembered(Project.open(project.folder))
    assert (remembered.digest, remembered.count, remembered.files) == (before.digest, 21, ())
    assert look_at_photos(planned(squeezenet, remembered), project).made == 0


@pytest.mark.slow
def test_time_that_is_up(squeezenet: osc.Model, folder, tmp_path):
    plan = planned(squeezenet, Photos.found([folder]))
    project = Project.create(tmp_path / "p", squeezenet)
    assert look_at_photos(plan, project, seconds=0).out_of_time
    assert look_at_photos(plan, project).made == 4


@pytest.mark.slow
def test_scores_are_those_of_the_pictures_that_are_there(squeezenet: osc.Model, folder, tmp_path):
    plan = planned(squeezenet, Photos.found([folder]))
    project = Project.create(tmp_path / "p", squeezenet)
    assert score_pictures(plan, project).waiting == 4
    look_at_photos(plan, project)
    fill(plan, project, order=[one for one in plan.order() if one[1] == 5])
    scoring = score_pictures(plan, project)
    assert (scoring.made, scoring.waiting, scoring.failed) == (2, 2, [])
    again = score_pictures(plan, project)
    assert (again.made, again.there) == (0, 2)
    found = osc.examples(squeezenet, ["fire2:0,5", "fire3:0,5"], folder, count=9, size=48)
    layer = plan.layers[1]
    picture = plan.wanted(layer, 5, KINDS["channel"]).question
    known = project.answer(score_question(plan, layer, 5, picture))
    alone = osc.score(squeezenet, "fire3:5", found, project.path_of(picture, ".png"))
    assert known["superstimulus"] == pytest.approx(alone.superstimulus)
    assert known["path"] == alone.path


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"photos": None, "kinds": ["examples"]}, r"photos='FOLDER' \(--photos FOLDER\)"),
        ({"kinds": ["neuron", "scores"]}, "channel,scores"),
        ({"kinds": ["example"]}, "did you mean 'examples'"),
    ],
)
def test_what_photographs_are_needed_for(squeezenet: osc.Model, folder, more, words):
    with pytest.raises(InputError, match=words):
        planned(squeezenet, **{"photos": Photos.found([folder]), **more})


def test_the_pictures_of_the_project_itself_are_no_photographs(folder, tmp_path):
    project = tmp_path / "scope"
    (project / "answers" / "3f").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(project / "answers" / "3f" / "3f.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.png")
    assert [p.name for p in Photos.found(tmp_path, besides=project).files] == ["photo.png"]
    with pytest.raises(InputError, match=r"of the project .* itself"):
        Photos.found(project, besides=project)


def test_some_of_the_units_are_scored_later(squeezenet: osc.Model, folder, tmp_path):
    project = Project.create(tmp_path / "p", squeezenet)
    found = planned(squeezenet, Photos.found([folder]), kinds=["channel", "examples"])
    assert look_at_photos(found, project).made == 4
    some = planned(squeezenet, Photos.found([folder]), units="5")
    fill(some, project)
    assert look_at_photos(some, project).made == 0
    scored = score_pictures(some, project, eye=None)
    assert (scored.made, scored.waiting) == (2, 0)


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_pass_that_is_killed_while_it_keeps_what_it_found(
    squeezenet: osc.Model, folder, tmp_path, monkeypatch, kept
):
    plan = planned(squeezenet, Photos.found([folder]))
    alone, project = (Project.create(tmp_path / name, squeezenet) for name in ("a", "p"))
    look_at_photos(plan, alone)
    keep, left = Writer.keep_file, [kept]

    def killed(writer, question, suffix, content):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= suffix == ".npz"
        keep(writer, question, suffix, content)

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "keep_file", killed)
        with pytest.raises(KeyboardInterrupt):
            look_at_photos(plan, project)
    looked = []
    assert look_at_photos(plan, project, callback=looked.append).made == 4
    # No photograph is looked at again, and nothing is left over.
    assert all(one.resumed == one.total for one in looked)
    there, other = (
        {file.relative_to(p.folder): file.read_bytes() for file in p.folder.rglob("*.*")}
        for p in (project, alone)
    )
    assert there == other
