"""Parameterizations and transforms by name and as calls."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.cli.parts import optimizer_for, parse_optimizer, parse_parameterization
from onnxscope.errors import InputError
from onnxscope.transforms.written import parse_transforms
from PIL import Image


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("fourier", osc.Fourier()),
        ("pixels", osc.Pixels()),
        ("laplacian", osc.Laplacian()),
        ("shared", osc.Shared()),
        ("cppn", osc.Cppn()),
        ("maco", osc.Maco()),
        ("maco()", osc.Maco()),
        ("fourier(sd=0.1, decorrelate=False)", osc.Fourier(0.1, decorrelate=False)),
        ("shared(laplacian(3), cell=4)", osc.Shared(osc.Laplacian(3), 4)),
        ("maco(contrast=0.5)", osc.Maco(contrast=0.5)),
        ("transparent", osc.transparent()),
        ("transparent(maco(), pixels())", osc.transparent(osc.Maco(), osc.Pixels())),
    ],
)
def test_parameterizations(text: str, made: object) -> None:
    assert parse_parameterization(text, decorrelate=True) == made


def test_plain_colours() -> None:
    for name, kind in (("fourier", osc.Fourier), ("laplacian", osc.Laplacian)):
        assert parse_parameterization(name, decorrelate=False) == kind(decorrelate=False)


def test_photos_of_files(tmp_path, flower: np.ndarray) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(flower).save(path)
    found = parse_parameterization(
        f"start('{path}', maco('{tmp_path}'), noise=1)", decorrelate=True
    )
    assert found == osc.start(flower, osc.Maco(osc.spectrum(flower)), noise=1)
    found = parse_parameterization(f"within('{path}', [[0, 1]])", decorrelate=True)
    assert found == osc.within(flower, [[0, 1]])


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("lucid", osc.lucid()),
        ("distill", osc.distill()),
        ("none", ()),
        ("pad(8)", (osc.pad(8),)),
        (
            "views(16), crop(0.3, 0.6), resize(224), noise(0.08)",
            (osc.views(16), osc.crop(0.3, 0.6), osc.resize(224), osc.noise(0.08)),
        ),
        ("[blur(2), lucid(), recolor()]", (osc.blur(2), *osc.lucid(), osc.recolor())),
        ("rotate([-5, 0, 5])", (osc.rotate([-5, 0, 5]),)),
    ],
)
def test_transforms(text: str, made: tuple[object, ...]) -> None:
    assert parse_transforms(text) == made


@pytest.mark.parametrize(
    ("text", "rate", "made"),
    [
        ("adam", None, osc.Adam()),
        ("adam", 0.1, osc.Adam(0.1)),
        ("nadam", None, osc.NAdam()),
        ("momentum", 2, osc.Momentum(2)),
        ("lbfgs", None, osc.LBFGS()),
        ("lbfgs(0.1, history=3)", None, osc.LBFGS(0.1, 3)),
        ("adam(0.1, schedule=cosine(5))", None, osc.Adam(0.1, schedule=osc.Cosine(5))),
        ("nadam(schedule=linear())", None, osc.NAdam(schedule=osc.Linear())),
    ],
)
def test_optimizers(text: str, rate: float | None, made: object) -> None:
    assert parse_optimizer(text, rate) == made


@pytest.mark.parametrize(
    ("text", "rate", "made_of", "made"),
    [
        (None, None, osc.Fourier(), osc.Adam(0.075, schedule=osc.Linear(last=0.1, hold=0.5))),
        (None, 0.1, osc.Fourier(), osc.Adam(0.1, schedule=osc.Linear(last=0.1, hold=0.5))),
        (None, 0.1, osc.Pixels(), osc.Adam(0.1)),
        (None, None, osc.Cppn(), osc.Adam(0.005, 0.9, 0.999)),
        (None, 0.01, osc.Cppn(), osc.Adam(0.01, 0.9, 0.999)),
        (None, None, osc.transparent(osc.Maco()), osc.Adam(0.2)),
        # What is asked for by name is as in Python.
        ("adam", None, osc.Cppn(), osc.Adam()),
        ("nadam", 0.1, osc.Maco(), osc.NAdam(0.1)),
    ],
)
def test_optimizers_that_fit(
    text: str | None, rate: float | None, made_of: osc.Parameterization, made: object
) -> None:
    assert optimizer_for(text, rate, made_of) == made


def test_what_compares_values_sees_no_random_transforms(run, refused, tiny) -> None:
    unit = ("render", tiny, "mixed4a:11", "--steps", 3, "--size", 32, "--provider", "cpu")
    result = run(*unit, "--optimizer", "lbfgs", "-o", "a.png")
    assert result.exit_code == 0, result.output
    recipe = osc.read_recipe("a.png")
    assert "lbfgs" in recipe.optimizer
    assert recipe.transforms == []
    assert run("render", "--recipe", "a.png", "-o", "b.png").exit_code == 0
    lucid = ("--transforms", "lucid", "-o", "c.png")
    assert "draws anew in each step" in refused(*unit, "--optimizer", "lbfgs", *lucid)


def test_at_the_command_line(run, tiny) -> None:
    result = run(
        "render", tiny, "mixed4a:11", "--steps", 2, "--size", 32, "--provider", "cpu",
        "--parameterization", "laplacian(2)", "--transforms", "views(2), crop(0.5)", "-o", "a.png",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    recipe = osc.read_recipe("a.png")
    assert recipe.parameterization["laplacian"]["levels"] == 2
    assert [next(iter(one)) for one in recipe.transforms] == ["views", "crop"]


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("--parameterization", "furier", "no parameterization 'furier'; known are fourier"),
        ("--parameterization", "maco(", "cannot be read; it is made of calls such as maco()"),
        ("--parameterization", "'x'", "is no parameterization such as maco()"),
        ("--parameterization", "start('none.png')", "none.png"),
        ("--parameterization", "laplacian(0)", "levels must be at least 1, not 0"),
        ("--optimizer", "adan", "no optimizer 'adan'; known are adam"),
        ("--optimizer", "cosine()", "'cosine()' is no optimizer such as lbfgs"),
        ("--optimizer", "adam(-1)", "the learning rate must be positive, not -1"),
        ("--transforms", "lucit", "no transform 'lucit'; known are lucid"),
        ("--transforms", "pad(3) + 1", "cannot be read; it is made of calls such as pad(8)"),
        ("--transforms", "3", "transforms must hold transforms such as pad(3), not 3"),
    ],
)
def test_what_is_refused(refused, tiny, option: str, text: str, message: str) -> None:
    said = refused("render", tiny, "mixed4a:11", "--steps", 1, option, text, "-o", "a.png")
    assert message in said


def test_no_decorrelate_is_of_names() -> None:
    with pytest.raises(InputError, match="is for fourier, pixels and laplacian, not for maco"):
        parse_parameterization("maco", decorrelate=False)
