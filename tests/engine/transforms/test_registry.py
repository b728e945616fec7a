"""Every transform goes through a recipe, and declares what it draws."""

from __future__ import annotations

import json

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError
from onnxscope.forms import Form
from onnxscope.transforms import geometric, noise, registry
from onnxscope.transforms.base import Transform, size_behind, views_of
from onnxscope.transforms.composition import compose, to_json
from onnxscope.transforms.registry import from_json
from onnxscope.transforms.warp import Warp
from parts import seen

EXAMPLES: dict[str, list[Transform]] = {
    "pad": [osc.pad(12), osc.pad(3, color=0.25)],
    "jitter": [osc.jitter(0), osc.jitter(8)],
    "scale": [osc.scale([1]), osc.scale([0.9, 1, 1.1])],
    "rotate": [osc.rotate([-5, 0, 5])],
    "flip": [osc.flip(), osc.flip(False, True), osc.flip(vertical=True)],
    "homography": [osc.homography(0), osc.homography(0.5)],
    "crop": [osc.crop(0.2, 0.25), osc.crop(1)],
    "resize": [osc.resize(9), osc.resize(5, 7)],
    "views": [osc.views(1), osc.views(3)],
    "backdrop": [osc.backdrop(), osc.backdrop(0.5, decay=0)],
    "blur": [osc.blur(0), osc.blur(1.5)],
    "recolor": [osc.recolor(), osc.recolor(0, contrast=0.5)],
    "noise": [osc.noise(0), osc.noise(0.1)],
    "jitter_depth": [osc.jitter_depth(n).formed(Form("NDHW", 1, 3, None)) for n in (0, 2)],
}
"""Some of each kind; a kind without an example fails."""


@pytest.mark.parametrize("name", registry.kinds())
def test_every_kind_goes_through_a_recipe(name: str) -> None:
    for transform in EXAMPLES[name]:
        (written,) = to_json([transform])
        assert next(iter(written)) == name
        (again,) = from_json(json.loads(json.dumps([written], allow_nan=False)))
        assert again == transform
        assert type(again) is registry.kinds()[name]
        (again,) = from_json(json.loads(json.dumps([written], sort_keys=True)))
        assert again == transform


@pytest.mark.parametrize("name", registry.kinds())
def test_every_kind_draws_what_it_declares(name: str) -> None:
    for transform in EXAMPLES[name]:
        margin = [osc.pad(4)] if name == "jitter" else []
        for one in compose([*margin, transform]):
            for count, height, width in ((1, 9, 12), (3, 8, 5)):
                types = one.inputs(count, height, width)
                drawn = one.draw(np.random.default_rng(0), count, height, width)
                again = one.draw(np.random.default_rng(0), count, height, width)
                assert list(drawn) == list(types)
                for key, array in drawn.items():
                    assert (array.shape, array.dtype) == types[key]
                    np.testing.assert_array_equal(array, again[key])
                image = np.random.default_rng(1).random((count, 3, height, width), np.float32)
                size = size_behind(transform, height, width)
                shape = (count * views_of(transform), 3, *size)
                assert seen([*margin, transform], image).shape == shape


@pytest.mark.parametrize(
    ("text", "transforms"),
    [
        # Older recipes.
        (
            '[{"pad": [12.0], "color": 0.5}, {"jitter": [8.0]}, {"scale": [0.9, 1.0, 1.1]}, '
            '{"rotate": [-10.0, 0.0, 0.0, 10.0]}, {"jitter": [4.0]}]',
            (
                osc.pad(12),
                osc.jitter(8),
                osc.scale([0.9, 1, 1.1]),
                osc.rotate([-10, 0, 0, 10]),
                osc.jitter(4),
            ),
        ),
        ('[{"pad": [4.0], "color": 0.3}, {"jitter": [6.0]}]', (osc.pad(4, 0.3), osc.jitter(6))),
        ('[{"pad": [4]}]', (osc.pad(4),)),
        ("[]", ()),
        # Those of this version.
        (
            '[{"pad": 12, "color": 0.5}, {"flip": {"horizontal": true, "vertical": false}}, '
            '{"homography": 0.5}, {"noise": 0.1}]',
            (osc.pad(12), osc.flip(), osc.homography(0.5), osc.noise(0.1)),
        ),
    ],
)
def test_recipes_are_read(text: str, transforms: tuple[Transform, ...]) -> None:
    assert from_json(json.loads(text)) == transforms


def test_warps_are_written_as_their_steps() -> None:
    series = [osc.noise(0.1), *osc.lucid(), osc.noise(0.2), osc.flip()]
    joined = compose(series)
    assert [type(one) for one in joined] == [noise.Noise, Warp, noise.Noise, Warp]
    assert joined[1].steps == osc.lucid()
    assert to_json(joined) == to_json(series)
    assert from_json(to_json(joined)) == tuple(series)
    assert compose(joined) == joined
    assert compose([Warp(osc.lucid()), osc.flip()]) == compose([*osc.lucid(), osc.flip()])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            [{"shear": [1]}],
            r"transform .*shear.* is unknown; this version has .*pad, jitter",
        ),
        ([{}], "transform {} is unknown; this version has"),
        ([3], "transform 3 is unknown; this version has"),
        ([{"rotate": ["x"]}], "transform .* is damaged: its degrees must be a number, not 'x'"),
        (3, "transforms 3 are no list"),
        ("pad", "transforms 'pad' are no list"),
        ([{"scale": [0]}], "positive factors, not 0"),
        ([{"scale": []}], "scale takes a list of numbers"),
        ([{"pad": []}], "transform .* is damaged: its pixels must be a whole number"),
        ([{"pad": [4, 4]}], "transform .* is damaged: its pixels must be a whole number"),
        ([{"pad": [4.0], "color": 2}], r"color of pad must be in \[0, 1\], not 2"),
        ([{"pad": [4.0], "colour": 1}], "pad has no 'colour'; did you mean 'color'"),
        ([{"pad": [3.0]}, {"jitter": [2.5]}], "pixels must be a whole number, not 2.5"),
        ([{"rotate": [float("nan")]}], "must be finite, not nan"),
        ([{"flip": {"horizontal": 1}}], "horizontal must be true or false, not 1"),
        ([{"homography": 2}], r"strength of homography must be in \[0, 0.6\], not 2"),
        ([{"noise": -1}], "sd of noise must be at least 0, not -1"),
        ([{"custom": "Mine"}], "only name the transform 'Mine', .* to remake as transforms=…"),
    ],
)
def test_what_cannot_be_read_is_said(data: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        from_json(data)
    assert "\n" not in str(caught.value)


def test_code_of_the_users_own_is_named() -> None:
    class Brighter(Transform):
        def apply(self, image, data):
            return image * 2

    class Tilted(geometric.Rotate):
        pass

    assert to_json([Brighter(), Tilted((3,))]) == [{"custom": "Brighter"}, {"custom": "Tilted"}]
    assert [type(one) for one in compose([Brighter(), Tilted((3,))])] == [Brighter, Warp]
    np.testing.assert_array_equal(
        seen([Brighter()], np.ones((1, 3, 4, 4))), np.full((1, 3, 4, 4), 2, np.float32)
    )


def test_what_is_no_transform_is_said() -> None:
    class Half:
        def apply(self, image, data):
            return image

    for given, message in (
        (osc.pad(3), r"must be a list such as \[pad\(3\), jitter\(6\)\], not Pad"),
        ("pad", "must be a list such as"),
        ([3], r"must hold transforms such as pad\(3\), not 3"),
        ([osc.pad], r"must hold transforms such as pad\(3\), not <function pad"),
        ([geometric.Pad], r"must hold transforms such as pad\(3\), not <class"),
        ([Half()], "not <.*: it has no draw and no inputs"),
    ):
        with pytest.raises(InputError, match=message):
            compose(given)
