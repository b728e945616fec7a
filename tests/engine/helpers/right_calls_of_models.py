"""Calls that are right of what takes a model: pictures, gradients, explanations, checks."""

from __future__ import annotations

import tempfile
from functools import cache, wraps
from pathlib import Path
from typing import Any

import numpy as np
import onnxscope as osc
from PIL import Image
from right_calls import OBJECTIVE, PATH, Call, small_model, small_picture, small_proto, small_video


@cache
def _photos(count: int = 2) -> Path:
    """A folder with photographs of one colour each."""
    folder = Path(tempfile.mkdtemp())
    for number in range(0, 20 * count, 20):
        Image.fromarray(np.full((9, 12, 3), number, np.uint8)).save(folder / f"{number}.png")
    return folder


@wraps(osc.scores)
def _all_scores(*given: Any, **named: Any) -> list[osc.Score]:
    """Go through what is computed one after the other."""
    return list(osc.scores(*given, **named))


def calls() -> dict[str, Call]:
    """What takes a model, or comes from one."""
    model, wanted = small_model(), osc.channel("c", 1)
    rendering = {
        "size": "3",
        "steps": "3",
        "seed": "3; huge",
        "batch": "3",
        "batch_size": "3",
        "transforms": "[]; ()",
        "redirect_steps": "3",
        "fix": "",
        "show": "",
        "starts": "3",
        "patience": "3",
        "snapshots": "[]; (); {}; {3: 3}",
        "callback": "function; class",
        "cache": "True",
        "progress": "True",
    }
    alone = (
        "batch",
        "batch_size",
        "snapshots",
        "progress",
        "redirect_steps",
        "transforms",
        "fix",
        "show",
    )
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
        "Gradient": Call(
            osc.Gradient, {"model": model, "objective": wanted}, {"cache": "True"}, OBJECTIVE
        ),
        "Gradient.__call__": Call(gradient, words={"images": "picture|photograph"}),
        "Gradient.save": Call(
            gradient.save,
            {"path": "gradient.onnx"},
            {"path": "text", "size": "3", "batch": "3"},
            PATH,
        ),
        "Gradient.to_onnx": Call(gradient.to_onnx, right={"size": "3", "batch": "3"}),
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
        "Picture.cropped": Call(small_picture().cropped, right={"enlarge": "3"}),
        "Picture.grid": Call(
            small_picture().grid, right={"columns": "3; huge", "captions": "text"}
        ),
        "Picture.marked": Call(small_picture().marked),
        "Picture.save": Call(
            small_picture().save,
            {"path": "picture.png"},
            {"alpha": "True", "percentile": "3; 2.5"},
            PATH | {"alpha": "alpha|importance"},
        ),
        "Picture.save_frames": Call(small_video().save_frames, {"path": "picture.gif"}, words=PATH),
        "Picture.showing": Call(
            small_picture().showing, {"channels": 1}, words={"channels": "show"}
        ),
        "Picture.save_animation": Call(
            small_picture().save_animation, {"path": "picture.gif"}, words=PATH
        ),
        # Only what is wrong is tried: what is right would open a window.
        "Picture.show": Call(small_picture().show, right={"columns": "3; huge"}),
        "Picture.save_strip": Call(small_picture().save_strip, {"path": "picture.png"}, words=PATH),
        "Recipe.from_text": Call(
            osc.Recipe.from_text,
            {"text": small_picture().recipe.to_text()},
            words={"text": "recipe"},
        ),
        "fit": Call(
            osc.fit,
            {"photos": np.zeros((8, 8, 3)), "model": model},
            {"size": "3"},
            {"photos": "photo|picture"},
        ),
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
        "differentiate": Call(
            osc.differentiate,
            {"model": small_proto(), "of": "y", "wrt": ["x"]},
            {
                "of": "text",
                "wrt": "text; []; ()",
                "shapes": "{}",
                "inputs": "{}",
                "compare": "True",
            },
            {"model": "model|cannot read", "wrt": "wrt|no value", "inputs": "input"},
        ),
        "load": Call(
            osc.load,
            {"source": small_proto()},
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
            OBJECTIVE | {"photo": "photo|picture", "of": "Fourier", "toward": "toward|value"},
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
        "seen_by": Call(
            osc.seen_by,
            {"model": model, "objective": wanted},
            words={"objective": "objective|layer"},
        ),
        "read_recipe": Call(
            osc.read_recipe, {"path": "picture.png"}, words={"path": "a path|cannot read"}
        ),
        "remake": Call(
            osc.remake,
            {"recipe": small_picture().recipe, "model": model},
            rendering,
            OBJECTIVE,
        ),
        "render": Call(
            osc.render,
            {"model": model, "objective": wanted, "steps": 1},
            rendering | {"leak_steps": "3"},
            OBJECTIVE,
        ),
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
            explainer.save, {"path": "explainer.onnx"}, {"path": "text", "batch": "3"}, PATH
        ),
        "Explainer.to_onnx": Call(explainer.to_onnx, right={"batch": "3"}),
        "Explanation.heat": Call(
            explained.heat, right={"index": "-1"}, words={"index": "index|maps"}
        ),
        "Explanation.overlay": Call(
            explained.overlay, right={"index": "-1"}, words={"index": "index|maps"}
        ),
        "Explanation.save": Call(explained.save, {"path": "maps.npy"}, words=PATH),
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
        "relevance": Call(
            osc.relevance,
            {"model": model, "target": wanted, "layer": "c", "photos": np.ones((8, 8, 3))},
            {"size": "3; None"},
            {"photos": "photo|picture", "target": aimed},
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
        "Examples.save": Call(found.save, {"path": photos / "e.json"}, words=PATH),
        "Examples.sheet": Call(found.sheet, words={"names": "names|units|of"}),
        "Examples.sheets": Call(found.sheets),
        "Examples.to_json": Call(found.to_json),
        "expose": Call(
            osc.expose,
            {"model": model, "layers": "c"},
            {"cut": "True"},
            {"layers": "layers|value|input"},
        ),
        "Examples.drawn": Call(
            found.drawn,
            {"layer": "c", "unit": 1, "count": 1},
            {"unit": "3", "count": "3", "seed": "3"},
            {"unit": "unit", "layer": "layer|of"},
        ),
        "score": Call(
            osc.score,
            {
                "model": model,
                "target": "c:1",
                "photos": _photos(12),
                "picture": np.zeros((8, 8, 3)),
                "size": 8,
            },
            {
                "size": "None",
                "steps": "3",
                "seed": "3",
                "callback": "function; class",
                "photo_callback": "function; class",
                "cache": "True",
            },
            {
                "photos": "photo",
                "picture": "picture|photograph",
                "target": "target|layer",
                "photo_callback": "callback",
                "size": "size|8×8 pixels",
                "eye": "eye|model",
            },
        ),
        "scores": Call(
            _all_scores,
            {
                "model": model,
                "targets": "c:1",
                "photos": _photos(12),
                "pictures": {"c:1": np.zeros((8, 8, 3))},
                "size": 8,
            },
            {
                "pictures": "None; {}",
                "size": "None",
                "steps": "3",
                "seed": "3",
                "callback": "function; class",
                "photo_callback": "function; class",
                "cache": "True",
            },
            {
                "photos": "photo",
                "pictures": "picture|photograph",
                "targets": "target|layer",
                "photo_callback": "callback",
                "size": "size|8×8 pixels",
                "eye": "eye|model",
            },
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
            {"model": small_proto(), "timeout": 60, "directions": 1},
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
