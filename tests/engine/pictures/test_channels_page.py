"""What docs/channels.md says to work with networks that are not RGB does, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import urlopen

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError, OnnxscopeError
from onnxscope.parameterizations import registry
from other_forms import loaded

PAGE = Path(__file__).parents[3] / "docs" / "channels.md"
KINDS = {
    "grey": "grey",
    "C channels": "four",
    "spectrograms": "sound",
    "volumes": "volume",
    "videos": "video",
}
QUICK: dict[str, Any] = {"steps": 3, "provider": "cpu"}


def table() -> dict[str, dict[str, bool]]:
    """Whether what is in the rows works with what is in the columns."""
    lines = PAGE.read_text("utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("| made of, or study"))
    head, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines[start:]
        if line.startswith("|")
    ]
    found = {}
    for first, *cells in rows:
        words = dict(zip(head[1:], cells, strict=True))
        assert set(words.values()) <= {"yes", "no"}
        for name in re.findall(r"`(\w+)`", first.split(":")[0]):
            found[name] = {column: word == "yes" for column, word in words.items()}
    return found


def photo_of(model: osc.Model) -> np.ndarray:
    form = model.form
    stack = (form.depth,) if form.stack else ()
    shape = (*stack, *model.usual_size, form.channels)
    return np.random.default_rng(0).random(shape, np.float32)


def rendered(make: Callable[[np.ndarray], Any], **given: Any) -> Callable[[Any, Any], Any]:
    def run(model: osc.Model, photo: np.ndarray) -> Any:
        return osc.render(model, "conv2/conv:1", parameterization=make(photo), **given, **QUICK)

    return run


MADE: dict[str, Callable[[Any, Any], Any]] = {
    "fourier": rendered(lambda _: osc.Fourier()),
    "pixels": rendered(lambda _: osc.Pixels()),
    "laplacian": rendered(lambda _: osc.Laplacian()),
    "shared": rendered(lambda _: osc.Shared(), batch=2),
    "cppn": rendered(lambda _: osc.Cppn(6, 2)),
    "maco": rendered(lambda _: osc.Maco()),
    "started": rendered(osc.start),
    "masked": rendered(lambda photo: osc.within(photo, [[0, 1]])),
    "fixed": rendered(lambda _: osc.fixed({0: 0.5})),
    "transparent": rendered(lambda _: osc.transparent()),
}

UNIT = "conv2/conv:1"


def every_unit(model: osc.Model) -> None:
    with TemporaryDirectory() as folder:
        one = osc.microscope(model, folder, ["conv2"], units="0:1", kinds=["channel"], **QUICK)
        assert one.finished
        assert one.picture("conv2:0").stat().st_size > 0


def live(model: osc.Model) -> None:
    with (
        TemporaryDirectory() as folder,
        osc.serve(model, folder, layers=["conv2"], provider="cpu", steps=3) as server,
        urlopen(server.address, timeout=60) as answer,
    ):
        assert answer.status == 200


STUDIES: dict[str, Callable[[Any, Any], Any]] = {
    "diversity": lambda m, _: osc.diversify(m, UNIT, 2, **QUICK).figure(),
    "interpolate": lambda m, _: osc.morph(m, UNIT, "conv2/conv:2", 3, **QUICK).figure(),
    "arithmetic": lambda m, _: osc.arithmetic(m, [UNIT], ["conv2/conv:2"], **QUICK).figure(),
    "invert": lambda m, photo: osc.invert(m, photo, **QUICK).figure(),
    "caricature": lambda m, photo: osc.caricatures(m, photo, ["conv2"], **QUICK).figure(),
    "accentuate": lambda m, photo: osc.accentuate(m, UNIT, photo, layer="conv1", **QUICK),
    "style": lambda m, photo: osc.stylize(m, photo, np.flip(photo, -2).copy(), **QUICK),
    "dream": lambda m, photo: osc.dream(m, photo, "conv2", octaves=2, **QUICK),
    "compare": lambda m, _: osc.compare(m, "conv2:1", **QUICK).figure(),
    "explain": lambda m, photo: osc.explain(m, photo, "scores:1", "saliency"),
    "examples": lambda m, photo: osc.examples(m, ["conv2"], [photo]),
    "blocks": lambda m, photo: osc.blocks(m, photo),
    "score": lambda m, photo: osc.score(m, UNIT, [photo]),
    "spectrum": lambda m, photo: osc.unit_spectrum(m, UNIT, [photo], **QUICK),
    "microscope": lambda m, _: every_unit(m),
    "serve": lambda m, _: live(m),
}


def test_every_parameterization_is_in_the_table() -> None:
    assert table().keys() == MADE.keys() | STUDIES.keys()
    assert MADE.keys() == registry.kinds().keys()


@pytest.mark.parametrize("column", KINDS)
@pytest.mark.parametrize("name", MADE)
def test_what_pictures_are_made_of(name: str, column: str) -> None:
    check(MADE[name], table()[name][column], loaded(KINDS[column]))


@pytest.mark.slow
@pytest.mark.parametrize("column", KINDS)
@pytest.mark.parametrize("name", STUDIES)
def test_studies(name: str, column: str) -> None:
    check(STUDIES[name], table()[name][column], loaded(KINDS[column]))


def check(make: Callable[[Any, Any], Any], works: bool, model: osc.Model) -> None:
    photo = photo_of(model)
    if works:
        made = make(model, photo)
        if isinstance(made, osc.Picture):
            assert made.images.min() >= 0
            assert made.images.max() <= 1
            assert np.isfinite(made.values).all()
        return
    with pytest.raises(OnnxscopeError) as caught:
        make(model, photo)
    assert isinstance(caught.value, InputError)
    assert "\n" not in str(caught.value)
