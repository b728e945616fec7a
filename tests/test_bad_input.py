"""Every public function refuses every wrong argument in a sentence that names the argument.

All that `onnxscope` exports is gone through, and of it every parameter; each is given values of a
dozen kinds. What is right is listed here; all else has to raise an `OnnxscopeError`, before any
work.
"""

from __future__ import annotations

import inspect
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxscope as osc
import pytest
from onnx import parser
from onnxscope.graph.builder import Builder
from PIL import Image

_TEXT = """<ir_version: 8, opset_import: ["": 18]>
network (float[1,3,8,8] x) => (float[1,4] y) <float[4,3,3,3] w> {
    c = Conv<pads=[1,1,1,1]>(x, w)
    r = Relu(c)
    g = GlobalAveragePool(r)
    y = Flatten(g)
}"""

WRONG: dict[str, Any] = {
    "None": None,
    "3": 3,
    "2.5": 2.5,
    "True": True,
    "-1": -1,
    "nan": float("nan"),
    "huge": 10**6000,
    "text": "x",
    "empty text": "",
    "bytes": b"x",
    "[]": [],
    "()": (),
    "{}": {},
    "[object]": [object()],
    "[None]": [None],
    "{3: 3}": {3: 3},
    "{text: object}": {"x": object()},
    "object": object(),
    "function": len,
    "class": dict,
    "array of text": np.array(["a", "b"]),
    "array of complex": np.full((2, 2), 1j),
    "ragged": [[1], [1, 2]],
}

FLAG = {"True"}
NUMBER = {"3", "2.5", "-1", "huge"}


@cache
def _proto() -> onnx.ModelProto:
    proto = parser.parse_model(_TEXT)
    weights = np.linspace(-1, 1, 4 * 27, dtype=np.float32).reshape(4, 3, 3, 3)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    return proto


@cache
def _model() -> osc.Model:
    return osc.load(_proto(), input_range=(0, 1))


@cache
def _picture() -> osc.Picture:
    return osc.render(_model(), "c:1", steps=1, snapshots=(1,))


def _table() -> osc.RuleTable:
    table = osc.RuleTable()
    table.define("Relu", _rule)
    return table


def _rule(op: Any, dy: Any, x: Any) -> Any:
    return dy


@cache
def _photos() -> Path:
    """A folder with two photographs."""
    folder = Path(tempfile.mkdtemp())
    for number in (0, 200):
        Image.fromarray(np.full((9, 12, 3), number, np.uint8)).save(folder / f"{number}.png")
    return folder


def _units() -> osc.Dictionary:
    return osc.dictionary(np.ones((3, 4)), "c")


def _tensor() -> osc.Tensor:
    return Builder(opset=18).input("x", (2, 3), np.float32)


@dataclass(frozen=True)
class Call:
    """A call that is right, and what else would be.

    Attributes:
        function: What is called.
        given: Arguments by name, which are right. Of parameters like `*layers` a single one.
        right: Which of the values above are right as well, by parameter.
        words: What the message calls a parameter, where that is not its name: a pattern.
    """

    function: Callable[..., Any]
    given: Mapping[str, Any] = field(default_factory=dict)
    right: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)


PLACE = {"y": "3", "x": "3", "radius": "3", "token": "3", "box": "", "mask": ""}
_PHOTO = {"photo": "photo|picture", "photos": "photo|picture", "of": "Fourier"}
_GIVEN = {"shapes": "{}", "inputs": "{}", "compare": "True"}
_OPERAND = {"other": "other operand|does not accept"}
_OBJECTIVE = {"objective": "objective|target|layer"}
_PATH = {"path": "a path|cannot write"}


def _calls() -> dict[str, Call]:
    """All public functions, with arguments that are right."""
    model, wanted, x = _model(), osc.channel("c", 1), _tensor()
    rendering = {
        "size": "3",
        "steps": "3",
        "seed": "3; huge",
        "batch": "3",
        "batch_size": "3",
        "transforms": "[]; ()",
        "redirect_steps": "3",
        "starts": "3",
        "patience": "3",
        "snapshots": "[]; (); {}; {3: 3}",
        "callback": "function; class",
        "cache": "True",
        "progress": "True",
    }
    alone = ("batch", "batch_size", "snapshots", "progress", "redirect_steps", "transforms")
    study = {name: right for name, right in rendering.items() if name not in alone}
    aimed = "target|layer|objective"
    gradient = osc.Gradient(model, wanted)
    explainer = osc.Explainer(model, wanted, "saliency")
    explained = explainer(np.zeros((8, 8, 3)))
    explaining = {"size": "3", "batch_size": "3", "target": "", "top": "3"}
    photos = _photos()
    found = osc.examples(model, "c", photos)
    explained_by = {"target": "target|objective|layer", "photos": "photo|picture"}
    return {
        "Adam": Call(
            osc.Adam,
            right={"learning_rate": "3; 2.5", "epsilon": "3; 2.5"},
            words={"learning_rate": "learning.rate"},
        ),
        "Constant": Call(osc.Constant, right={"warmup": "3"}),
        "Cosine": Call(osc.Cosine, right={"warmup": "3", "last": "", "steps": "3"}),
        "Linear": Call(osc.Linear, right={"warmup": "3", "last": "", "steps": "3"}),
        "Momentum": Call(
            osc.Momentum,
            right={"learning_rate": "3; 2.5"},
            words={"learning_rate": "learning.rate"},
        ),
        "NAdam": Call(
            osc.NAdam,
            right={"learning_rate": "3; 2.5", "epsilon": "3; 2.5"},
            words={"learning_rate": "learning.rate"},
        ),
        "Dictionary": Call(
            osc.Dictionary,
            {"layer": "c", "vectors": np.ones((3, 4))},
            {"layer": "text", "names": "[]; ()", "title": "text"},
        ),
        "Dictionary.find": Call(_units().find, {"which": 1}, words={"which": "unit|no names"}),
        "Dictionary.unit": Call(
            _units().unit, {"which": 1}, {"cosine": "3; 2.5"} | PLACE, {"which": "unit|no names"}
        ),
        "Fourier": Call(
            osc.Fourier,
            right={"sd": "3; 2.5", "decay_power": "3; 2.5; -1", "decorrelate": "True"},
        ),
        "Gradient": Call(
            osc.Gradient, {"model": model, "objective": wanted}, {"cache": "True"}, _OBJECTIVE
        ),
        "Gradient.__call__": Call(gradient, words={"images": "picture|photograph"}),
        "Gradient.save": Call(
            gradient.save,
            {"path": "gradient.onnx"},
            {"path": "text", "size": "3", "batch": "3"},
            _PATH,
        ),
        "Gradient.to_onnx": Call(gradient.to_onnx, right={"size": "3", "batch": "3"}),
        "Maco": Call(
            osc.Maco, right={"contrast": "3; 2.5"}, words={"magnitudes": "magnitudes|spectrum"}
        ),
        "Model.activations": Call(
            model.activations,
            {"images": np.zeros((8, 8, 3)), "layers": "c"},
            {"layers": "[]; ()"},
            {"images": "picture|photograph", "layers": "layer"},
        ),
        "Model.layer_shape": Call(
            model.layer_shape,
            {"layer": "c", "pictures": 1, "height": 8, "width": 8},
            {"pictures": "3", "height": "3", "width": "3"},
        ),
        "Model.origin_of": Call(model.origin_of, {"name": "c"}, {"name": "text"}),
        "Model.receptive_field": Call(model.receptive_field, {"layer": "c"}),
        "Model.smallest_size": Call(
            model.smallest_size, {"layers": ["c"]}, {"layers": "[]; ()"}, {"layers": "layer"}
        ),
        "Picture.cropped": Call(_picture().cropped, right={"enlarge": "3"}),
        "Picture.grid": Call(_picture().grid, right={"columns": "3; huge", "captions": "text"}),
        "Picture.marked": Call(_picture().marked),
        "Picture.save": Call(
            _picture().save,
            {"path": "picture.png"},
            {"alpha": "True", "percentile": "3; 2.5"},
            _PATH | {"alpha": "alpha|importance"},
        ),
        "Picture.save_animation": Call(
            _picture().save_animation, {"path": "picture.gif"}, words=_PATH
        ),
        # Only what is wrong is tried: what is right would open a window.
        "Picture.show": Call(_picture().show, right={"columns": "3; huge"}),
        "Picture.save_strip": Call(_picture().save_strip, {"path": "picture.png"}, words=_PATH),
        "Pixels": Call(osc.Pixels, right={"sd": "3; 2.5", "decorrelate": "True"}),
        "Recipe.from_text": Call(
            osc.Recipe.from_text, {"text": _picture().recipe.to_text()}, words={"text": "recipe"}
        ),
        "RuleTable": Call(osc.RuleTable, right={"blocked": "True"}),
        "RuleTable.agrees": Call(
            _table().agrees, {"other": _table(), "op_type": "Relu"}, {"op_type": "text; empty text"}
        ),
        "RuleTable.declare_constant": Call(
            _table().declare_constant,
            {"reason": "flat", "op_types": "Mine", "domain": "mine"},
            {"reason": "text", "op_types": "text", "domain": "text; empty text"},
            {"op_types": "operator"},
        ),
        "RuleTable.define": Call(
            _table().define,
            {"op_type": "Tanh"},
            {"inputs": "None", "ignores": "[]; ()"},
            {"op_type": "operator", "inputs": "rule", "each": "rule"},
        ),
        "Tensor.astype": Call(x.astype, {"dtype": np.dtype(np.int32)}),
        "Tensor.greater": Call(
            x.greater, {"other": 1}, {"other": "3; 2.5; -1; nan; True"}, _OPERAND
        ),
        "Tensor.less": Call(x.less, {"other": 1}, {"other": "3; 2.5; -1; nan; True"}, _OPERAND),
        "Tensor.mean": Call(x.mean, right={"axes": "-1; []; ()", "keepdims": "True"}),
        "Tensor.number": Call(x.number, {"axis": 0}, {"axis": "-1"}),
        "Tensor.reshape": Call(x.reshape, {"shape": 6}, {"shape": "-1"}),
        "Tensor.sqrt": Call(x.sqrt),
        "Tensor.sum": Call(x.sum, right={"axes": "-1; []; ()", "keepdims": "True"}),
        "Tensor.transpose": Call(_tensor().sum(0).transpose, {"axes": 0}),
        "alignment": Call(
            osc.alignment, {"layer": "c"}, {"layer": "text", "decay_ratio": "3; 2.5"}
        ),
        "before_activation": Call(osc.before_activation, {"objective": wanted}),
        "channel": Call(
            osc.channel,
            {"layer": "c", "unit": 1},
            {"layer": "text", "unit": "3"},
        ),
        "boundary": Call(osc.boundary, right={"width": "3", "constant": "3; 2.5; -1"}),
        "channels": Call(
            osc.channels,
            {"layer": "c", "weights": {1: 1.0}},
            {"layer": "text", "weights": "{3: 3}"} | PLACE,
            {"weights": "weight|channel"},
        ),
        "cosine": Call(
            osc.cosine,
            {"layer": "c", "vector": [1.0]},
            {"layer": "text"} | PLACE,
            {"vector": "direction"},
        ),
        "direction": Call(
            osc.direction,
            {"layer": "c", "vector": [1.0]},
            {"layer": "text", "cosine": "3; 2.5"} | PLACE,
            {"vector": "direction"},
        ),
        "directions": Call(
            osc.directions,
            {"layer": "c", "vectors": [[1.0]]},
            {"layer": "text", "cosine": "3; 2.5"} | PLACE,
            {"vectors": "directions"},
        ),
        "diversity": Call(osc.diversity, {"layer": "c"}, {"layer": "text"}),
        "encoder": Call(
            osc.encoder,
            {"path": __file__, "layer": "c", "unit": 1},
            {"layer": "text", "unit": "3", "output": "text; empty text"} | PLACE,
            {"path": "a path|cannot read"},
        ),
        "fit": Call(
            osc.fit,
            {"photos": np.zeros((8, 8, 3)), "model": model},
            {"size": "3"},
            {"photos": "photo|picture"},
        ),
        "interpolate": Call(
            osc.interpolate,
            {"start": wanted, "stop": wanted, "count": 3},
            {"count": "3"},
            {"start": "objective", "stop": "objective"},
        ),
        "linf": Call(osc.linf, right={"constant": "3; 2.5; -1"}),
        "logit": Call(
            osc.logit, {"of": "cat"}, {"of": "text; 3", "layer": "text"}, {"of": "class"}
        ),
        "neurons": Call(
            osc.neurons,
            {"layer": "c", "unit": 1},
            {"layer": "text", "unit": "3", "y": "3", "x": "3", "radius": "3; None"},
        ),
        "probability": Call(
            osc.probability,
            {"of": "cat"},
            {"of": "text; 3", "layer": "text", "log": "True"},
            {"of": "class"},
        ),
        "toward": Call(osc.toward, {"objective": wanted, "value": 3}, {"value": "3; 2.5; -1"}),
        "check_rule": Call(
            osc.check_rule,
            {"op_type": "Relu", "rules": None, "inputs": [np.ones((2, 2))]},
            {
                "attributes": "None; {}",
                "rules": "None",
                "forward": "function; class",
                "constant": "[]; ()",
                "fed": "[]; ()",
                "seed": "3; huge",
            },
            {
                "op_type": "operator",
                "inputs": "input",
                "attributes": "attribute",
                "outputs": "output",
            },
        ),
        "dictionary": Call(
            osc.dictionary,
            {"source": np.ones((3, 4)), "layer": "c"},
            {"layer": "text", "names": "[]; ()"},
            {"source": "source|cannot read|directions|no file"},
        ),
        "differentiate": Call(
            osc.differentiate,
            {"model": _proto(), "of": "y", "wrt": ["x"]},
            {
                "of": "text",
                "wrt": "text; []; ()",
                "shapes": "{}",
                "inputs": "{}",
                "compare": "True",
            },
            {"model": "model|cannot read", "wrt": "wrt|no value", "inputs": "input"},
        ),
        "distill": Call(osc.distill),
        "each": Call(osc.each, {"objectives": [wanted]}, words={"objectives": "objective"}),
        "flip": Call(osc.flip, right={"horizontal": "True", "vertical": "True"}),
        "homography": Call(osc.homography, {"strength": 0.1}),
        "jitter": Call(osc.jitter, {"pixels": 3}, {"pixels": "3"}),
        "l1": Call(osc.l1, right={"constant": "3; 2.5; -1"}),
        "l2": Call(osc.l2, right={"constant": "3; 2.5; -1"}),
        "layer": Call(osc.layer, {"name": "c"}, {"name": "text"}),
        "load": Call(
            osc.load,
            {"source": _proto()},
            {
                "channel_axis": "{}",
                "inputs": "{}",
                "image_input": "text",
                "labels": "text; array of text",
                "cache": "True",
                "compare": "True",
            },
            {"source": "model|file", "inputs": "input", "channel_axis": "channel_axis|no layer"},
        ),
        "accentuate": Call(
            osc.accentuate,
            {
                "model": model,
                "objective": wanted,
                "photo": np.zeros((8, 8, 3)),
                "layer": "c",
                "steps": 1,
            },
            {name: right for name, right in rendering.items() if name != "batch_size"}
            | {"strength": "3; 2.5", "toward": "3; 2.5; -1"},
            _OBJECTIVE | {"photo": "photo|picture", "of": "Fourier", "toward": "toward|value"},
        ),
        "compare": Call(
            osc.compare,
            {"model": model, "target": "c:1", "steps": 1},
            study | {"transforms": "[]; ()"},
            {"target": aimed},
        ),
        "diversify": Call(
            osc.diversify,
            {"model": model, "target": "c:1", "count": 2, "steps": 1},
            study | {"count": "3", "strength": "3; 2.5"},
            {"target": aimed},
        ),
        "morph": Call(
            osc.morph,
            {"model": model, "start": "c:1", "stop": "c:2", "count": 2, "steps": 1},
            study | {"count": "3", "strength": "3; 2.5"},
            {"start": aimed, "stop": aimed},
        ),
        "arithmetic": Call(
            osc.arithmetic,
            {"model": model, "rows": "c:1", "columns": ["c:2"], "steps": 1},
            study,
            {"rows": f"rows|{aimed}", "columns": f"columns|{aimed}"},
        ),
        "invert": Call(
            osc.invert,
            {"model": model, "photo": np.zeros((8, 8, 3)), "layers": "c", "steps": 1},
            study | {"smooth": "3; 2.5; -1"},
            {"photo": "photo|picture", "layers": "layer"},
        ),
        "caricatures": Call(
            osc.caricatures,
            {"model": model, "photo": np.zeros((8, 8, 3)), "layers": "c", "steps": 1},
            study | {"cosine": "3; 2.5"},
            {"photo": "photo|picture", "layers": "layer"},
        ),
        "dream": Call(
            osc.dream,
            {"model": model, "photo": np.zeros((8, 8, 3)), "target": "c", "steps": 1},
            study | {"octaves": "3", "ratio": "3; 2.5", "strength": "3; 2.5", "tile": ""},
            {"photo": "photo|picture", "target": aimed},
        ),
        "stylize": Call(
            osc.stylize,
            {
                "model": model,
                "photo": np.zeros((8, 8, 3)),
                "style": np.ones((8, 8, 3)),
                "content": "c",
                "styles": "r",
                "steps": 1,
            },
            study | {"strength": "3; 2.5"},
            {
                "photo": "photo|picture",
                "style": "photo|picture",
                "styles": "styles|layer",
                "content": "content|layer",
            },
        ),
        "batch_norm_prior": Call(osc.batch_norm_prior, {"model": model}),
        "caricature": Call(
            osc.caricature,
            {"layer": "c", "photo": np.zeros((8, 8, 3))},
            {"layer": "text", "cosine": "3; 2.5"},
            {"photo": "photo|picture"},
        ),
        "difference": Call(
            osc.difference,
            {"layer": "c", "photo": np.zeros((8, 8, 3))},
            {"layer": "text"},
            {"photo": "photo|picture"},
        ),
        "distance": Call(
            osc.distance, {"photo": np.zeros((8, 8, 3))}, words={"photo": "photo|picture"}
        ),
        "distribution": Call(
            osc.distribution,
            {"layer": "c", "activations": np.ones((1, 2, 3))},
            {"layer": "text"},
            {"activations": "activations|distribution"},
        ),
        "inversion": Call(
            osc.inversion,
            {"layer": "c", "photo": np.zeros((8, 8, 3))},
            {"layer": "text"},
            {"photo": "photo|picture"},
        ),
        "statistics": Call(
            osc.statistics,
            {"layer": "c", "means": [1.0], "variances": [1.0]},
            {"layer": "text"},
        ),
        "style": Call(
            osc.style,
            {"layers": "c", "photo": np.zeros((8, 8, 3))},
            {"layers": "text"},
            {"layers": "layer", "photo": "photo|picture"},
        ),
        "blur": Call(osc.blur, {"most": 1}, {"most": "3; 2.5"}),
        "crop": Call(osc.crop, {"smallest": 0.2}),
        "recolor": Call(osc.recolor),
        "resize": Call(osc.resize, {"height": 3}, {"height": "3", "width": "3"}),
        "seen_by": Call(
            osc.seen_by,
            {"model": model, "objective": wanted},
            words={"objective": "objective|layer"},
        ),
        "views": Call(osc.views, {"count": 3}, {"count": "3"}),
        "Cppn": Call(osc.Cppn, right={"hidden": "3", "layers": "3"}),
        "Laplacian": Call(
            osc.Laplacian, right={"levels": "3", "sd": "3; 2.5", "decorrelate": "True"}
        ),
        "Shared": Call(
            osc.Shared, right={"cell": "3", "strength": "3; 2.5"}, words={"of": "Fourier"}
        ),
        "within": Call(
            osc.within,
            {"photo": np.zeros((8, 8, 3)), "mask": [[1.0]]},
            words={"photo": "photo|picture", "of": "Fourier"},
        ),
        "lucid": Call(osc.lucid),
        "neuron": Call(
            osc.neuron,
            {"layer": "c", "unit": 1},
            {"layer": "text", "unit": "3", "y": "3", "x": "3", "token": "3"},
        ),
        "noise": Call(osc.noise, {"sd": 0.1}, {"sd": "3; 2.5"}),
        "objective": Call(osc.objective, {"layers": "c"}, {"layers": "text"}),
        "pad": Call(osc.pad, {"pixels": 3}, {"pixels": "3"}),
        "read_recipe": Call(
            osc.read_recipe, {"path": "picture.png"}, words={"path": "a path|cannot read"}
        ),
        "remake": Call(
            osc.remake,
            {"recipe": _picture().recipe, "model": model},
            rendering,
            _OBJECTIVE,
        ),
        "render": Call(
            osc.render, {"model": model, "objective": wanted, "steps": 1}, rendering, _OBJECTIVE
        ),
        "rotate": Call(osc.rotate, {"degrees": [1]}, words={"degrees": "rotate"}),
        "scale": Call(osc.scale, {"factors": [1]}, words={"factors": "scale"}),
        "spectrum": Call(
            osc.spectrum,
            {"photos": np.zeros((8, 8, 3))},
            {"size": "3"},
            {"photos": "photo|picture"},
        ),
        "start": Call(
            osc.start,
            {"photo": np.zeros((8, 8, 3))},
            {"noise": "3; 2.5"},
            {"photo": "photo|picture", "of": "Fourier"},
        ),
        "named_rules": Call(osc.named_rules, {"names": ["linear"]}, words={"names": "names|rules"}),
        "standard_rules": Call(osc.standard_rules),
        "Explainer": Call(
            osc.Explainer,
            {"model": model, "target": wanted, "method": "saliency"},
            explaining,
            explained_by,
        ),
        "Explainer.__call__": Call(
            explainer, {"photos": np.zeros((8, 8, 3))}, words={"photos": "photo|picture"}
        ),
        "Explainer.save": Call(
            explainer.save, {"path": "explainer.onnx"}, {"path": "text", "batch": "3"}, _PATH
        ),
        "Explainer.to_onnx": Call(explainer.to_onnx, right={"batch": "3"}),
        "Explanation.heat": Call(
            explained.heat, right={"index": "-1"}, words={"index": "index|maps"}
        ),
        "Explanation.overlay": Call(
            explained.overlay, right={"index": "-1"}, words={"index": "index|maps"}
        ),
        "Explanation.save": Call(explained.save, {"path": "maps.npy"}, words=_PATH),
        "Explanation.sheet": Call(explained.sheet),
        "explain": Call(
            osc.explain,
            {
                "model": model,
                "photos": np.zeros((8, 8, 3)),
                "target": wanted,
                "method": "saliency",
            },
            explaining,
            explained_by,
        ),
        "examples": Call(
            osc.examples,
            {"model": model, "targets": "c", "photos": photos, "size": 8},
            {
                "count": "3",
                "quantiles": "[]; ()",
                "batch_size": "3",
                "seed": "3",
                "callback": "None; function; class",
                "before_activation": "True",
                "size": "3; None",
            },
            {"targets": "target|layer", "relevance": "objective|target|layer", "photos": "photo"},
        ),
        "read_examples": Call(
            osc.read_examples, {"path": found.save(photos / "e.npz")}, words={"path": "path|read"}
        ),
        "Examples.of": Call(
            found.of,
            {"layer": "c", "unit": 1},
            {"unit": "3"},
            {"unit": "unit", "layer": "layer|of"},
        ),
        "Examples.save": Call(found.save, {"path": photos / "e.json"}, words=_PATH),
        "Examples.sheet": Call(found.sheet, words={"names": "names|units|of"}),
        "Examples.sheets": Call(found.sheets),
        "Examples.to_json": Call(found.to_json),
        "expose": Call(
            osc.expose,
            {"model": model, "layers": "c"},
            {"cut": "True"},
            {"layers": "layers|value|input"},
        ),
        "unit_spectrum": Call(
            osc.unit_spectrum,
            {"model": model, "target": "c:1", "photos": photos, "steps": 1, "size": 8},
            {
                "size": "None",
                "steps": "3",
                "seed": "3; huge",
                "callback": "None; function; class",
                "photo_callback": "None; function; class",
                "cache": "True",
                "state": "text",
            },
            {
                "photos": "photo",
                "target": "target|layer",
                "photo_callback": "callback",
                "size": "size|8×8 pixels",
            },
        ),
        "verify": Call(
            osc.verify,
            {"model": _proto(), "timeout": 1, "directions": 1},
            {
                "wrt": "[]; (); text",
                "shapes": "{}",
                "at": "{}",
                "report": "function; class",
                "directions": "3",
                "timeout": "None; 3; 2.5",
                "seed": "3; huge",
            },
            {
                "target": "target|layer",
                "at": "picture|input x|at must",
                "size": "size|8×8 pixels",
                "wrt": "wrt|no value",
            },
        ),
    }


MADE = {
    "Examples": "examples makes it",
    "Explanation": "explain makes it",
    "Model": "load makes it",
    "Picture": "render makes it",
    "Progress": "render makes it",
    "Recipe": "a picture has it",
    "RuleCheck": "check_rule makes it",
    "Tensor": "an operator makes it",
    "UnitSpectrum": "unit_spectrum makes it",
    "Verification": "verify makes it",
    "Objective": "it is abstract",
    "OnnxscopeError": "it is raised",
    "OnnxscopeWarning": "it is warned of",
}
"""What nobody calls."""

PARTS = {
    "Adam",
    "Constant",
    "Cosine",
    "Cppn",
    "Fourier",
    "Laplacian",
    "Linear",
    "Maco",
    "Momentum",
    "NAdam",
    "Objective",
    "Pixels",
    "Shared",
}
"""Parts of an ascent, whose methods it calls itself."""

ASKED = {"Model.append", "RuleTable.find"}
"""What a graph under construction is given, by what makes it."""


def _public() -> Iterator[str]:
    """The names of all that can be called, methods as `Class.method`."""
    for name in osc.__all__:
        value = getattr(osc, name)
        if callable(value) and name not in MADE:
            yield name
        if inspect.isclass(value) and not issubclass(value, Exception) and name not in PARTS:
            for method, function in vars(value).items():
                public = not method.startswith("_") or method == "__call__"
                if public and (inspect.isfunction(function) or isinstance(function, staticmethod)):
                    yield f"{name}.{method}"


def _parameters() -> Iterator[tuple[str, str]]:
    for name in _public():
        if name in ASKED:
            continue
        function = getattr(osc, name) if "." not in name else _attribute(name)
        for parameter, kind in inspect.signature(function).parameters.items():
            if kind.kind is kind.VAR_KEYWORD:
                yield from ((name, place) for place in PLACE)
            elif parameter != "self":
                yield name, parameter


def _attribute(name: str) -> Any:
    owner, method = name.split(".")
    return getattr(getattr(osc, owner), method)


@pytest.fixture(scope="module")
def calls() -> dict[str, Call]:
    return _calls()


def test_nothing_public_is_forgotten(calls: dict[str, Call]) -> None:
    # What takes no arguments cannot be given wrong ones.
    without = {n for n in {*_public()} - ASKED if n not in {name for name, _ in _parameters()}}
    missing = {*_public()} - ASKED - without - {*calls}
    assert not missing, f"tell in _calls which arguments of {missing} are right"
    assert {*calls} <= {*_public()}
    assert {*_public()} >= ASKED


def _called(call: Call, parameter: str, value: object) -> None:
    parameters = inspect.signature(call.function).parameters
    given = {**call.given, parameter: value}
    positional: list[object] = []
    several = [name for name, kind in parameters.items() if kind.kind is kind.VAR_POSITIONAL]
    if several and several[0] in given:
        before = list(parameters)[: list(parameters).index(several[0]) + 1]
        positional = [given.pop(name) for name in before]
    call.function(*positional, **given)


@pytest.mark.parametrize(("name", "parameter"), list(_parameters()))
def test_what_is_wrong_is_named(
    calls: dict[str, Call],
    name: str,
    parameter: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    if name not in calls:
        pytest.skip("a test above says that it is forgotten")
    call = calls[name]
    right = {*filter(None, call.right.get(parameter, "").split("; "))}
    declared = inspect.signature(call.function).parameters.get(parameter)
    if declared is None or declared.default is None:
        right.add("None")
    words = call.words.get(parameter, parameter)
    faults = []
    for kind, value in WRONG.items():
        if kind in right:
            continue
        try:
            _called(call, parameter, value)
        except osc.OnnxscopeError as error:
            if not re.search(words, str(error)):
                faults.append(f"{kind}: does not say {words}: {error}")
            if len(str(error)) > 500:
                faults.append(f"{kind}: has {len(str(error))} characters")
        except Exception as error:
            faults.append(f"{kind}: {type(error).__name__}: {error}")
        else:
            faults.append(f"{kind}: taken")
    assert not faults, "\n".join(faults)
