"""Calls that are right of what an ascent is put together from, and of what rules are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxscope as osc
from onnxscope.graph.builder import Builder
from right_calls import OPERAND, Call


def _table() -> osc.RuleTable:
    table = osc.RuleTable()
    table.define("Relu", _rule)
    return table


def _rule(op: Any, dy: Any, x: Any) -> Any:
    return dy


def _tensor() -> osc.Tensor:
    return Builder(opset=18).input("x", (2, 3), np.float32)


def calls() -> dict[str, Call]:
    """Parameterizations, transforms, optimizers; tables of rules, and the values in a rule."""
    x = _tensor()
    return {
        "Adam": Call(
            osc.Adam,
            right={"learning_rate": "3; 2.5", "epsilon": "3; 2.5"},
            words={"learning_rate": "learning.rate"},
        ),
        "Constant": Call(osc.Constant, right={"warmup": "3"}),
        "Cosine": Call(osc.Cosine, right={"warmup": "3", "last": "", "steps": "3", "hold": ""}),
        "LBFGS": Call(
            osc.LBFGS,
            right={"learning_rate": "3; 2.5", "history": "3"},
            words={"learning_rate": "learning.rate"},
        ),
        "Linear": Call(osc.Linear, right={"warmup": "3", "last": "", "steps": "3", "hold": ""}),
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
        "Fourier": Call(
            osc.Fourier,
            right={
                "sd": "3; 2.5",
                "decay_power": "3; 2.5; -1",
                "decorrelate": "True",
                "fine_decay": "3; 2.5; -1",
            },
        ),
        "Maco": Call(
            osc.Maco, right={"contrast": "3; 2.5"}, words={"magnitudes": "magnitudes|spectrum"}
        ),
        "Pixels": Call(osc.Pixels, right={"sd": "3; 2.5", "decorrelate": "True"}),
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
            x.greater, {"other": 1}, {"other": "3; 2.5; -1; nan; True"}, OPERAND
        ),
        "Tensor.less": Call(x.less, {"other": 1}, {"other": "3; 2.5; -1; nan; True"}, OPERAND),
        "Tensor.mean": Call(x.mean, right={"axes": "-1; []; ()", "keepdims": "True"}),
        "Tensor.number": Call(x.number, {"axis": 0}, {"axis": "-1"}),
        "Tensor.reshape": Call(x.reshape, {"shape": 6}, {"shape": "-1"}),
        "Tensor.sqrt": Call(x.sqrt),
        "Tensor.sum": Call(x.sum, right={"axes": "-1; []; ()", "keepdims": "True"}),
        "Tensor.transpose": Call(_tensor().sum(0).transpose, {"axes": 0}),
        "distill": Call(osc.distill),
        "flip": Call(osc.flip, right={"horizontal": "True", "vertical": "True"}),
        "homography": Call(osc.homography, {"strength": 0.1}),
        "jitter_depth": Call(osc.jitter_depth, {"slices": 3}, {"slices": "3"}),
        "jitter": Call(osc.jitter, {"pixels": 3}, {"pixels": "3"}),
        "blur": Call(osc.blur, {"most": 1}, {"most": "3; 2.5"}),
        "crop": Call(osc.crop, {"smallest": 0.2}),
        "recolor": Call(osc.recolor),
        "resize": Call(osc.resize, {"height": 3}, {"height": "3", "width": "3"}),
        "views": Call(osc.views, {"count": 3}, {"count": "3"}),
        "Cppn": Call(osc.Cppn, right={"hidden": "3", "layers": "3"}),
        "Laplacian": Call(
            osc.Laplacian, right={"levels": "3", "sd": "3; 2.5", "decorrelate": "True"}
        ),
        "Shared": Call(
            osc.Shared, right={"cell": "3", "strength": "3; 2.5"}, words={"of": "Fourier"}
        ),
        "fixed": Call(
            osc.fixed,
            {"channels": {0: 0.5}},
            words={"channels": "channel", "of": "Fourier"},
        ),
        "within": Call(
            osc.within,
            {"photo": np.zeros((8, 8, 3)), "mask": [[1.0]]},
            words={"photo": "photo|picture", "of": "Fourier"},
        ),
        "lucid": Call(osc.lucid),
        "noise": Call(osc.noise, {"sd": 0.1}, {"sd": "3; 2.5"}),
        "pad": Call(osc.pad, {"pixels": 3}, {"pixels": "3"}),
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
        "transparent": Call(osc.transparent, words={"of": "Fourier", "opacity": "Fourier"}),
        "Transparent": Call(osc.Transparent, words={"of": "Fourier", "opacity": "Fourier"}),
        "backdrop": Call(osc.backdrop, right={"sd": "3; 2.5", "decay": "3; 2.5"}),
        "named_rules": Call(osc.named_rules, {"names": ["linear"]}, words={"names": "names|rules"}),
        "standard_rules": Call(osc.standard_rules),
    }
