"""What may be typed, and that it is the same question wherever it is asked."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import onnxscope as osc
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxscope.errors import InputError, OnnxscopeError, TargetError
from onnxscope.server.asked import Asking
from onnxscope.store.plan import make_plan

LABELS = ["tench, Tinca tinca", "<b>goldfish</b>", *(f"class {n}" for n in range(2, 1000))]


@pytest.fixture(scope="module")
def asking() -> Asking:
    network = osc.load("squeezenet", labels=LABELS)
    layers = ["fire3", "fire3/squeeze1x1", "logits"]
    return Asking(make_plan(network, layers, units="0:20", size=48, steps=6))


def test_a_unit_of_the_plan_has_the_key_of_the_plan(asking):
    plan = asking.plan
    layer, kind = plan.layers[1], plan.kinds[1]
    asked = asking.of_plan(("fire3", 11, "neuron"))
    assert asked.key == plan.wanted(layer, 11, kind).question.key
    typed = asking.typed("fire3:11", kind="neuron")
    assert (typed.key, typed.place) == (asked.key, ("fire3", 11, "neuron"))
    assert asked.command == (
        "onnxscope render squeezenet fire3:11 --objective neuron --size 48 --steps 6"
    )


def test_other_settings_are_another_question(asking):
    usual = asking.typed("fire3:11")
    found = [
        asking.typed("fire3:11", size=64),
        asking.typed("fire3:11", steps=7),
        asking.typed("fire3:11", seed=1),
        asking.typed("fire3:11", transforms="pad(4), jitter(4)"),
        asking.typed("fire3:11", kind="diversity", size="", transforms=""),
        asking.typed("fire3:100"),
    ]
    assert len({one.key for one in [usual, *found]}) == 7
    assert [one.place for one in found] == [None] * 4 + [("fire3", 11, "diversity"), None]
    assert found[3].command.endswith("--transforms 'pad(4), jitter(4)'")
    assert found[0].wanted.settings["size"] == (64, 64)
    assert asking.plan.settings["size"] == (48, 48)


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        ("fire3:5 + 0.5*fire5:100", '"fire3:5" + 0.5 * "fire5:100"'),
        ("fire3/squeeze1x1:5 - fire5:100@3,2", '"fire3/squeeze1x1:5" - "fire5:100@3,2"'),
        ("fire3:5 - 0.1 * total_variation()", 'channel("fire3", 5) - 0.1 * total_variation()'),
        ("'tench' - fire3:5", '"logits:0" - "fire3:5"'),
    ],
)
def test_sums_need_no_quotation_marks(asking, typed, same):
    assert asking.typed(typed).objective == asking.typed(same).objective
    assert asking.typed(typed).wanted is None


def test_names_with_signs_in_them_need_none_either():
    names = ["stem-1", "stem-1-a", "/stem/1 b", "fire6"]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Conv", [before, f"w {name}"], [name], pads=[1, 1, 1, 1])
            for before, name in pairwise(["image", *names])
        ],
        "net",
        [value("image", TensorProto.FLOAT, [1, 3, 48, 48])],
        [value("fire6", TensorProto.FLOAT, [1, 8, 48, 48])],
        [
            numpy_helper.from_array(np.ones((8, before, 3, 3), np.float32), f"w {name}")
            for before, name in zip([3, 8, 8, 8], names, strict=True)
        ],
    )
    network = osc.load(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9),
        input_range=(0, 1),
        channel_order="rgb",
    )
    asking = Asking(make_plan(network, ["stem-1"], units="0:2", size=48, steps=6))
    for typed, same in (
        ("stem-1:5 - stem-1-a:7", '"stem-1:5" - "stem-1-a:7"'),
        ("2*/stem/1 b:3+stem-1:5@1,2", '2 * "/stem/1 b:3" + "stem-1:5@1,2"'),
        ("stem-1:5-fire6:4", '"stem-1:5" - "fire6:4"'),
    ):
        assert asking.typed(typed).objective == asking.typed(same).objective


def test_a_class_is_a_unit_and_a_layer_is_none(asking):
    tench = asking.typed("tench")
    assert (tench.wanted.layer.name, tench.wanted.unit) == ("logits", 0)
    assert tench.place == ("logits", 0, "channel")
    assert asking.typed("fire3").wanted is None
    assert asking.typed("fire3:5@2,3").wanted is None
    assert asking.typed("<b>goldfish</b>").wanted.unit == 1
    pictures = asking.typed("fire3:5 + diversity('fire3')").settings["batch"]
    assert pictures == 4


@pytest.mark.parametrize(
    ("target", "settings", "said"),
    [
        ("fire33:5", {}, "fire3"),
        ("fire3:5000", {}, "128 channels"),
        ("fire3:5 + 2*fire55:7", {}, "fire5"),
        ("tensh", {}, "tench"),
        ("", {}, "must be a text"),
        ("x" * 501, {}, "not 501"),
        (7, {}, "a text"),
        ("fire3:5", {"kind": "chanel"}, "channel"),
        ("fire3:5", {"kind": []}, "no picture [] of a unit"),
        ("fire3:5", {"size": 5000}, "at most 1024"),
        ("fire3:5", {"size": 0.5}, "whole number"),
        ("fire3:5", {"steps": 10**9}, "at most 4096"),
        ("fire3:5", {"transforms": "paint(3)"}, "no transform 'paint'"),
        ("logits:3", {"kind": "neuron"}, "channel is all there is"),
        ("fire3:5 + fire5:1", {"kind": "diversity"}, "of one unit"),
        ("(" * 400, {}, "("),
    ],
)
def test_what_does_not_fit_is_said(asking, target, settings, said):
    with pytest.raises(OnnxscopeError) as error:
        asking.typed(target, **settings)
    assert said in str(error.value)


@pytest.mark.parametrize(
    "target",
    [
        "fire3@/etc/passwd:3",
        "caricature('fire3', '/etc/passwd')",
        "difference('fire3', '/etc/hostname') - l2()",
        "seen_by('/tmp/other.onnx', 'fire3:5')",
        "'fire3@/etc/passwd:3' + l2()",
        "encoder('/tmp/sae.onnx', 'fire3', 4)",
        "distribution('fire3', '/etc/passwd')",
        "direction('fire3', array('/etc/passwd'))",
        "before_activation('fire3@/etc/passwd:3')",
    ],
)
def test_no_file_is_read(asking, target):
    with pytest.raises(TargetError, match="no files are read"):
        asking.typed(target)


@pytest.mark.parametrize(
    "place", [("fire9", 1, "channel"), ("fire3", 99, "channel"), ("logits", 1, "neuron")]
)
def test_places_that_are_not_there(asking, place):
    with pytest.raises(InputError, match=r"no layer|no unit|no pictures"):
        asking.of_plan(place)
