"""Calls that are right of what makes pictures of every unit, and of what that gives."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnxscope as osc
from right_calls import Call, small_model

UNIT = {"target": "target|unit|layer", "kind": "kind"}


def calls() -> dict[str, Call]:
    """What makes pictures of every unit, and what comes from it."""
    folder = Path(tempfile.mkdtemp())
    asked = {"model": small_model(), "folder": folder, "layers": "c", "size": 8, "steps": 1}
    made = osc.microscope(**asked, kinds=["channel"], provider="cpu")
    numbers = dict.fromkeys(("size", "steps", "batch_size"), "3")
    return {
        "Microscope.export": Call(made.export, words={"form": "form|exported"}),
        "Microscope.known": Call(made.known, {"target": "c:1"}, words=UNIT),
        "Microscope.picture": Call(made.picture, {"target": "c:1"}, words=UNIT),
        # Only what is wrong is tried: what is right would go on serving.
        "serve": Call(
            osc.serve,
            asked | {"provider": "cpu"},
            numbers | {"folder": "text", "seed": "3", "port": "3"},
            {
                "model": "model|file",
                "folder": "the folder|folder must|is no project|cannot write",
                "layers": "layer",
                "host": "host|listen",
            },
        ),
        "microscope": Call(
            osc.microscope,
            asked | {"kinds": ["channel"], "provider": "cpu"},
            numbers
            | {
                "folder": "text",
                "kinds": "None; []; ()",
                "seed": "3",
                "seconds": "3; 2.5",
                "callback": "function; class",
                "progress": "True",
            },
            {
                "folder": "the folder|folder must|is no project|cannot write",
                "layers": "layer",
                "kinds": "kinds|picture",
                "photos": "photos|photographs",
                "eye": "eye|model",
            },
        ),
    }
