"""Calls that are right of what takes photographs apart, and of what shows that."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnxscope as osc
from right_calls import Call, small_model

LAYER = {"layer": "looked at|name of a layer"}


def calls() -> dict[str, Call]:
    """What takes photographs apart, and what comes from it."""
    model, folder = small_model(), Path(tempfile.mkdtemp())
    taken = osc.blocks(model, np.ones((8, 8, 3)), ["c"], groups=(1,), steps=1, size=8)
    return {
        "Blocks.channels": Call(
            taken.channels, {"layer": "c"}, words=LAYER | {"which": "which|classes|speaks"}
        ),
        "Blocks.dictionary": Call(
            taken.dictionary,
            {"layer": "c", "y": 0, "x": 0},
            {"y": "3", "x": "3"},
            LAYER | {"y": "y must|cells", "x": "x must|cells"},
        ),
        "Blocks.grid": Call(taken.grid, {"layer": "c"}, {"magnitude": "True", "cell": ""}, LAYER),
        "Blocks.groups": Call(
            taken.groups, {"layer": "c", "count": 1}, words=LAYER | {"count": "count|groups"}
        ),
        "Blocks.heat": Call(
            taken.heat, {"layer": "c"}, {"which": "3"}, LAYER | {"which": "which|classes"}
        ),
        "Blocks.layer": Call(taken.layer, {"name": "c"}, words={"name": "name|looked at"}),
        "blocks": Call(
            osc.blocks,
            {
                "model": model,
                "photo": np.zeros((8, 8, 3)),
                "layers": ["c"],
                "groups": (),
                "steps": 1,
                "size": 8,
            },
            {
                "groups": "[]; ()",
                "classes": "3",
                "units": "3",
                "size": "None",
                "steps": "3",
                "seed": "3; huge",
                "report": "None; function; class",
            },
            {"photo": "photo|picture", "groups": "groups", "layers": "layer"},
        ),
        "write_blocks": Call(
            osc.write_blocks,
            {"every": [taken], "folder": folder / "page"},
            {"folder": "text"},
            {"every": "at least one|blocks", "folder": "folder|cannot write"},
        ),
    }
