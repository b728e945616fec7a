"""What networks that take no RGB refuse, in one sentence each."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError, NoPictureError
from other_forms import loaded, network


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (
            "four",
            {"fix": {3: np.zeros((4, 4))}},
            "channels are of 4×4, and .* 16 rows × 16 columns",
        ),
        ("four", {"fix": {4: 0.5}}, "no channel 4 to fix; there are 4 channels, 0 to 3"),
        (
            "four",
            {"fix": {3: np.full((16, 16), 7.0)}},
            r"must have values in \[0, 1\], .* not 7 to",
        ),
        ("four", {"fix": {3: np.zeros((16, 16), int)}}, "must be an array .* or unsigned integers"),
        ("four", {"fix": dict.fromkeys(range(4), 0.5)}, "all channels are fixed"),
        ("four", {"fix": {3: "nowhere.npy"}}, "cannot read nowhere.npy"),
        ("four", {"fix": []}, "fixed channels are arrays by number"),
        ("grey", {"fix": {0: 0.5}}, "all channels are fixed"),
        ("four", {"show": (0, 1)}, "show takes one channel, for grey, or three, .* not 2"),
        ("four", {"show": range(4)}, "show takes one channel, for grey, or three, .* not 4"),
        ("four", {"show": (1, 2, 4)}, "show names channel 4; there are 4 channels, 0 to 3"),
        ("grey", {"show": (1,)}, "show names channel 1; there is one channel, 0"),
        (
            "four",
            {"parameterization": osc.Maco(np.ones((3, 8, 5)))},
            r"magnitudes are \(C, H, K\) with C = 4, not .* \(3, 8, 5\): .* form=model.form",
        ),
        (
            "four",
            {"parameterization": osc.start(np.zeros((16, 16, 3)))},
            r"must be of shape \(H, W, 4\) .* not \(16, 16, 3\)",
        ),
        (
            "volume",
            {"parameterization": osc.start(np.zeros((3, 12, 12)))},
            r"of shape \(3, 12, 12\), and the network's are grey volumes as \(D, H, W, 1\), 8 sl",
        ),
        ("four", {"parameterization": osc.transparent()}, "grey and RGB pictures can be trans"),
        ("four", {"transforms": [osc.jitter_depth(1)]}, "moves the slices of volumes .* leave it"),
        ("grey", {"size": (1, 2, 3)}, "size"),
    ],
)
def test_bad_arguments_are_said(kind: str, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        osc.render(loaded(kind), "conv2:1", steps=1, provider="cpu", **arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"colors": (0, 1, 4)}, "colors names channel 4; there are 4 channels, 0 to 3"),
        ({"colors": (0, 1)}, "colors must be three channels"),
        ({"colors": (0, 1, 1)}, "colors must be three channels"),
        ({"colors": "all"}, "colors must be three channels such as"),
        ({"mean": (1, 2, 3)}, "mean must be one number or 4, one for each channel"),
        ({"input_range": [(0, 1)] * 3}, "pair for each of 4 channels, not 3 pairs"),
        ({"input_range": [(0, 1, 2)]}, "input_range takes two numbers"),
        ({"channel_order": "bgr"}, "channel_order is for three colours, and there are 4 channels"),
        ({"layout": "NCDHW"}, "not a picture of layout NCDHW, which has 5 axes, not 4"),
        ({"layout": "NCTF"}, None),
        ({"layout": "NDHW"}, None),
        ({"layout": "NHW"}, "which has 3 axes, not 4"),
        ({"layout": "NCXY"}, "layout must be 'NCHW' or 'NHWC', or another order of axes"),
        ({"layout": "NCFW"}, "layout must be"),
        ({"preprocessing": "imagenet"}, "mean must be one number or 4, one for each channel"),
    ],
)
def test_bad_words_about_the_input_are_said(arguments: dict[str, object], message: str) -> None:
    given = arguments if "preprocessing" in arguments else {"input_range": (0, 1)} | arguments
    if message is None:
        assert osc.load(network("four"), **given).form.layout == arguments["layout"]
        return
    with pytest.raises((InputError, NoPictureError), match=message) as caught:
        osc.load(network("four"), **given)
    assert "\n" not in str(caught.value)


def test_bad_arrays_are_said() -> None:
    model = loaded("four")
    for array, message in (
        (np.zeros((16, 16, 3), np.float32), r"must be of shape \(H, W, 4\) or \(N, H, W, 4\), not"),
        (np.full((16, 16, 4), 2.0), r"must have values in \[0, 1\], not 2 to 2"),
        (np.zeros((16, 16, 4), int), "float in .* or unsigned integers"),
    ):
        with pytest.raises(InputError, match=message):
            model.activations(array, "conv1")
    deep = np.full((16, 16, 4), 65535, np.uint16)
    one = np.ones((16, 16, 4), np.float32)
    for array in (deep, np.uint8(one * 255)):
        found = model.activations(array, "conv1")["conv1"]
        np.testing.assert_array_equal(found, model.activations(one, "conv1")["conv1"])


def test_what_is_of_photographs_says_so() -> None:
    with pytest.raises(InputError, match=r"photographs in three colours, and .* grey pictures"):
        osc.blocks(loaded("grey"), np.zeros((12, 12, 3)))
    volume = np.zeros((8, 12, 12))
    for make in (
        lambda model: osc.explain(model, volume, "scores:1"),
        lambda model: osc.compare(model, "conv2:1", steps=1),
        lambda model: osc.dream(model, volume, "conv2:1", steps=1),
    ):
        with pytest.raises(InputError, match=r"of flat pictures, and .* takes grey volumes"):
            make(loaded("volume"))
