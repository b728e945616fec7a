"""Scores of pictures whose worth is known: of fixed filters, and of a manipulated network."""

from __future__ import annotations

import json
from pathlib import Path

import fooling
import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError
from onnxscope.images import as_uint8
from onnxscope.studies.paths import PathLayer, Way, _standard_ranks, path_similarity
from onnxscope.studies.second_eye import agreement
from onnxscope.studies.superstimulus import drawn_views, ratio, seen_in
from PIL import Image

UNITS = range(fooling.PATTERNS)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("warm")
    fooling.write_photos(folder, 120)
    return folder


@pytest.fixture(scope="module")
def eye() -> osc.Model:
    # It sees what a unit's field holds, in its own size, and only whole patterns.
    seen = fooling.network(fooled=False, least=5.0, size=7)
    return osc.load(seen, input_range=(0, 1), compare=False)


def _scores(photos: Path, eye: osc.Model, *, fooled: bool) -> list[osc.Score]:
    model = osc.load(fooling.network(fooled=fooled), input_range=(0, 1), compare=False)
    found = osc.examples(model, "units", photos)
    scores = []
    for unit in UNITS:
        picture = osc.render(
            model, osc.neuron("units", unit), size=fooling.SIZE, steps=96, transforms=(),
            parameterization=osc.Pixels(), provider="cpu", progress=False,
        )  # fmt: skip
        scores.append(osc.score(model, f"units:{unit}", found, picture, eye=eye, provider="cpu"))
    return scores


@pytest.mark.slow
def test_fixed_filters_are_at_the_ceiling(photos, eye):
    scores = _scores(photos, eye, fooled=False)
    for one in scores:
        assert one.superstimulus > 1.1
        assert one.agreement > 0.95
        assert one.path > 0.95
        assert one.photos == (8, 32)
        assert {layer.layer for layer in one.layers} >= {"filters", "units"}
    assert json.loads(json.dumps(scores[0].to_json())) == scores[0].to_json()


@pytest.mark.slow
def test_a_manipulated_network_is_low(photos, eye):
    scores = _scores(photos, eye, fooled=True)
    for one in scores:
        # More than any photo, which says nothing of what the photos are.
        assert one.superstimulus > 1.1
        assert one.path < 0.1
    assert np.mean([one.agreement for one in scores]) < 0.65


@pytest.mark.slow
def test_what_is_rendered_and_what_is_given(photos, tmp_path):
    model = osc.load(fooling.network(fooled=False), input_range=(0, 1), compare=False)
    rendered = osc.score(model, "units:2", photos, steps=4, provider="cpu")
    assert (rendered.eye, rendered.agreement) == ("", None)
    picture = osc.render(model, "units:2", size=32, steps=4, provider="cpu", progress=False)
    found = osc.examples(model, ["units:2"], photos)
    saved = picture.save(tmp_path / "p.png")
    for given in (picture, picture.images[0], as_uint8(picture.images[0]), saved):
        assert osc.score(model, "units:2", found, given, provider="cpu") == rendered
    with pytest.raises(InputError, match="the picture is 8×8 and the photos"):
        osc.score(model, "units:2", found, np.zeros((8, 8, 3)))
    with pytest.raises(InputError, match="scores need 4 photos"):
        osc.score(model, "units:2", [photos / "001.png", photos / "002.png"], picture)


@pytest.mark.slow
def test_several_are_as_alone(photos, eye, monkeypatch):
    """Units share sessions, photographs and runs, and none of these is seen in the numbers."""
    from onnxscope.studies import scoring

    model = osc.load(fooling.network(fooled=False), input_range=(0, 1), compare=False)
    found = osc.examples(model, ["filters", "units"], photos)
    asked = ["units:1-3", "filters:0", "units:0"]
    names = ["units:0", "units:1", "units:2", "units:3", "filters:0"]
    settings = {"eye": eye, "steps": 3, "provider": "cpu"}
    alone = [osc.score(model, name, found, **settings) for name in names]
    monkeypatch.setattr(scoring, "_ON_CPU", 3)
    told = []
    several = list(osc.scores(model, asked, found, callback=told.append, **settings))
    assert several == alone
    assert {one.total for one in told} == {15}
    assert [one.done for one in told] == sorted(one.done for one in told)
    assert told[-1].done == 15
    given = osc.render(model, "units:2", size=32, steps=3, provider="cpu", progress=False)
    assert list(osc.scores(model, asked, found, {"units:2": given}, **settings)) == alone

    with pytest.raises(InputError, match=r"'units:7', which is none of the units .* 'units:"):
        osc.scores(model, asked, found, {"units:7": given})
    with pytest.raises(InputError, match="size is that of the examples, 32×32"):
        osc.scores(model, asked, found, size=16)
    with pytest.raises(KeyboardInterrupt):
        list(osc.scores(model, asked, found, callback=lambda _: False, **settings))


def test_views():
    views = drawn_views(8, 3)
    np.testing.assert_array_equal(views[0], [0, 0, 1])
    np.testing.assert_array_equal(views, drawn_views(8, 3))
    picture = (np.random.default_rng(0).random((20, 30, 3)) * 255).astype(np.uint8)
    seen = seen_in(views, picture)
    assert seen.shape == (8, 20, 30, 3)
    np.testing.assert_array_equal(seen[0], picture)
    # Moved by two whole pixels, and not scaled.
    moved = seen_in(np.array([[0.1, 0.0, 1.0]]) * [0.5, 1, 1], picture)[0]
    np.testing.assert_array_equal(moved[:19], picture[1:])
    assert ratio(3.0, np.array([1.0, 2.0])) == 1.5
    assert ratio(3.0, np.array([-1.0, 0.0])) is None


def test_agreement_by_hand():
    best, others = np.eye(4)[:2], np.eye(4)[2:]
    assert agreement(np.array([1.0, 1.0, 0, 0]), best, others) == 1
    assert agreement(np.array([0, 0, 1.0, 1.0]), best, others) == 0
    assert agreement(np.ones(4), np.ones((3, 4)), np.ones((2, 4))) == 0.5


@pytest.mark.slow
def test_paths_by_hand():
    scipy = pytest.importorskip("scipy.stats")
    rows = np.random.default_rng(1).integers(0, 4, (2, 50)).astype(np.float32)
    ranks = _standard_ranks(rows)
    assert ranks[0] @ ranks[1] == pytest.approx(scipy.spearmanr(*rows).statistic)
    assert not _standard_ranks(np.ones((1, 5))).any()
    telling = PathLayer("a", 0.5, 0.9, 0.1)
    assert telling.similarity == pytest.approx(0.5)
    assert PathLayer("b", 0.2, 0.3, 0.3).similarity is None
    assert path_similarity([telling, PathLayer("b", 0.9, 0.3, 0.3)]) == pytest.approx(0.5)
    assert path_similarity([PathLayer("b", 0.9, 0.3, 0.3)]) is None
    assert PathLayer("c", 2.0, 0.9, 0.1).similarity == 1
    assert PathLayer("c", -1.0, 0.9, 0.1).similarity == 0


def test_whole_layers_of_what_has_no_place():
    """A class is compared by whole layers, drawn from where large; others by their field."""
    way = object.__new__(Way)
    way._seed, way._chosen = 0, {}
    small = np.arange(2 * 9 * 9.0).reshape(2, 9, 9)
    np.testing.assert_array_equal(way._taken(small, None), small.reshape(-1))
    part = way._taken(small, np.array([0.0, 1 / 9, 0, 1 / 9]))
    np.testing.assert_array_equal(part, np.repeat([0.0, 81.0], 49))
    large = np.arange(3 * 64 * 64.0).reshape(3, 64, 64)
    drawn = way._taken(large, None)
    assert len(set(drawn)) == len(drawn) == 4096
    np.testing.assert_array_equal(drawn, way._taken(large, None))


def test_a_unit_that_sees_the_picture_from_its_middle_alone(tmp_path):
    """Its field is the whole picture there, and beyond the picture at the border."""
    from onnxscope.graph.builder import Builder
    from onnxscope.graph.finish import model_of

    builder = Builder("wide")
    op = builder.op
    rng = np.random.default_rng(0)
    image = builder.input("image", [1, 3, 16, 16], np.float32)
    inner = op.Relu(op.Conv(image, builder.constant(rng.random((4, 3, 1, 1)), np.float32)))
    kernel = np.zeros((1, 4, 16, 16))
    kernel[..., :8, :8] = 1 / 64
    wide = op.Conv(inner, builder.constant(kernel, np.float32), pads=[8, 8, 8, 8])
    builder.output("wide", op.Relu(wide))
    model = osc.load(model_of(builder), input_range=(0, 1), compare=False)
    for number in range(24):
        # A bright quarter, above or below: that is the one which the unit's cell looks at.
        photo = rng.integers(0, 60, (16, 16, 3), dtype=np.uint8)
        at = 8 * (number % 2)
        photo[at : at + 8, at : at + 8] += 150
        Image.fromarray(photo).save(tmp_path / f"{number:02}.png")
    found = osc.examples(model, "wide", tmp_path)
    assert {place.box for place in found.of("wide", 0).most} == {(0, 16, 0, 16), (8, 16, 8, 16)}
    scores = list(osc.scores(model, "wide", found, eye=None, steps=1, provider="cpu"))
    assert all(0 <= one.path <= 1 for one in scores if one.path is not None)


def test_branches_have_fields_of_their_own(tmp_path):
    """Units of a concatenation see what their own branch sees."""
    from onnxscope.graph.builder import Builder
    from onnxscope.graph.finish import model_of

    builder = Builder("branches")
    op = builder.op
    image = builder.input("image", [1, 3, 16, 16], np.float32)
    rng = np.random.default_rng(0)
    ways = [
        op.Relu(op.Conv(image, builder.constant(rng.random((2, 3, k, k)), np.float32),
                        pads=[k // 2] * 4))
        for k in (1, 3, 5)
    ]  # fmt: skip
    builder.output("joined", op.Concat(*ways, axis=1))
    model = osc.load(model_of(builder), input_range=(0, 1), compare=False)
    Image.fromarray((rng.random((16, 16, 3)) * 255).astype(np.uint8)).save(tmp_path / "a.png")
    found = osc.examples(model, "joined", tmp_path)
    for unit, width in zip(range(6), (1, 1, 3, 3, 5, 5), strict=True):
        place = found.of("joined", unit).most[0]
        top, bottom, left, right = place.box
        half = width // 2
        assert (top, bottom) == (max(place.y - half, 0), min(place.y + half + 1, 16))
        assert (left, right) == (max(place.x - half, 0), min(place.x + half + 1, 16))
