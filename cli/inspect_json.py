"""`onnxscope inspect --json`: what a model is, for scripts; docs/commands.md describes the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..network.layers.layer import Layer
    from ..network.model import Model
    from ..network.values import Value, Values


def model_as_json(model: Model) -> dict[str, Any]:
    """Return a model that takes pictures, with all of its layers."""
    height, width = model.usual_size
    form = model.form
    other = {
        "channels": form.channels,
        "colors": None if form.colors is None else list(form.colors),
        "depth": None if form.stack is None else form.depth,
    }
    preprocessing = model.preprocessing
    return {
        "name": model.name,
        "sha256": model.sha256,
        "pictures": {
            "size": [height, width],
            "fixed": model.fixed_size is not None,
            "batch": model.fixed_batch,
            "layout": model.expected_layout,
        }
        | ({} if form.is_rgb else other),
        "preprocessing": None if preprocessing is None else preprocessing.to_json(),
        "labels": list(model.labels),
        "layers": [layer_as_json(layer) for layer in model.layers.values()],
        "left_out": dict(model.layers.left_out),
    }


def layer_as_json(layer: Layer) -> dict[str, Any]:
    """Return a layer."""
    return {
        "name": layer.title,
        "value": layer.name,
        "shape": list(layer.shape),
        "units": layer.channels,
        "operator": layer.op_type,
        "main": layer.main,
        "branches": [
            {"name": branch.name, "start": branch.start, "stop": branch.stop}
            for branch in layer.branches
        ],
    }


def unit_as_json(layer: Layer, unit: int, label: str | None) -> dict[str, Any]:
    """Return a unit, in its layer."""
    branch = layer.branch_of(unit)
    return layer_as_json(layer) | {
        "unit": unit,
        "branch": None if branch is None else vars(branch),
        "label": label,
    }


def values_as_json(name: str, values: Values) -> dict[str, Any]:
    """Return a network of any inputs, with all of its values."""
    return {
        "name": name,
        "inputs": [value_as_json(value) for value in values.inputs.values()],
        "outputs": list(values.outputs),
        "values": [value_as_json(value) for value in values.computed.values()],
    }


def value_as_json(value: Value) -> dict[str, Any]:
    """Return a value; sizes that are open are text."""
    return {
        "name": value.title,
        "value": value.name,
        "shape": None if value.shape is None else list(value.shape),
        "type": value.dtype,
        "operator": value.op_type,
    }
