"""Calls that are right of what makes an objective."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
from right_calls import PLACE, Call


def calls() -> dict[str, Call]:
    """Objectives, and dictionaries of their directions."""
    wanted = osc.channel("c", 1)
    units = osc.dictionary(np.ones((3, 4)), "c")
    return {
        "Dictionary": Call(
            osc.Dictionary,
            {"layer": "c", "vectors": np.ones((3, 4))},
            {"layer": "text", "names": "[]; ()", "title": "text"},
        ),
        "Dictionary.find": Call(units.find, {"which": 1}, words={"which": "unit|no names"}),
        "Dictionary.unit": Call(
            units.unit, {"which": 1}, {"cosine": "3; 2.5"} | PLACE, {"which": "unit|no names"}
        ),
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
        "each_unit": Call(
            osc.each_unit,
            {"layer": "c", "units": [8]},
            {"layer": "text", "least": "True"} | PLACE,
            {"units": "units"},
        ),
        "diversity": Call(osc.diversity, {"layer": "c"}, {"layer": "text"}),
        "encoder": Call(
            osc.encoder,
            {"path": __file__, "layer": "c", "unit": 1},
            {"layer": "text", "unit": "3", "output": "text; empty text"} | PLACE,
            {"path": "a path|cannot read"},
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
        "dictionary": Call(
            osc.dictionary,
            {"source": np.ones((3, 4)), "layer": "c"},
            {"layer": "text", "names": "[]; ()"},
            {"source": "source|cannot read|directions|no file"},
        ),
        "each": Call(osc.each, {"objectives": [wanted]}, words={"objectives": "objective"}),
        "l1": Call(osc.l1, right={"constant": "3; 2.5; -1"}),
        "l2": Call(osc.l2, right={"constant": "3; 2.5; -1"}),
        "layer": Call(osc.layer, {"name": "c"}, {"name": "text"}),
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
        "opacity": Call(osc.opacity),
        "neuron": Call(
            osc.neuron,
            {"layer": "c", "unit": 1},
            {"layer": "text", "unit": "3", "y": "3", "x": "3", "token": "3", "z": "3"},
        ),
        "objective": Call(osc.objective, {"layers": "c"}, {"layers": "text"}),
    }
