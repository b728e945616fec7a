"""The models that the onnx package ships as files with inputs and outputs, as a suite of gradients.

PyTorch's first exporter wrote most of them, in opset 6 and 9, with weights among the inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from graphs import session
from node_suite import REAL, Outcome, outcome
from onnx import numpy_helper
from version_checks import Reference, different_values

_DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
FOLDERS = ("simple", "pytorch-converted", "pytorch-operator")


@dataclass(frozen=True)
class StoredCase:
    """A model with example inputs and outputs, in the form of the package's other tests."""

    name: str
    model: onnx.ModelProto
    data_sets: list[tuple[list[np.ndarray], list[np.ndarray]]]

    @property
    def feeds(self) -> dict[str, np.ndarray]:
        """The example inputs, by name."""
        weights = {tensor.name for tensor in self.model.graph.initializer}
        names = [value.name for value in self.model.graph.input if value.name not in weights]
        if len(names) < len(self.data_sets[0][0]):
            # All inputs have values of their own, and the example gives others.
            names = [value.name for value in self.model.graph.input]
        return dict(zip(names, self.data_sets[0][0], strict=True))

    @property
    def outputs(self) -> dict[str, np.ndarray]:
        """The example outputs, by name."""
        names = [value.name for value in self.model.graph.output]
        return dict(zip(names, self.data_sets[0][1], strict=True))


def stored_tests(folder: str) -> Mapping[str, StoredCase]:
    """Return the tests of one folder, by name."""
    found = {}
    for path in sorted((_DATA / folder).glob("*/model.onnx")):
        arrays = [
            [_array(file) for file in _numbered(path.parent / "test_data_set_0", kind)]
            for kind in ("input", "output")
        ]
        name = path.parent.name.removeprefix("test_")
        found[name] = StoredCase(name, onnx.load(path), [(arrays[0], arrays[1])])
    return found


def judged(case: StoredCase) -> Outcome:
    """Compare values with the file's and the stored ones, and gradients with differences.

    The file is computed by ONNX Runtime, or by onnx's evaluator where it has no kernel of so early
    a version.
    """
    given = case.feeds
    if any(tensor.name in given for tensor in case.model.graph.initializer):
        # Inputs with values of their own keep them in a gradient: here they are given others.
        case = weights_as_inputs(case)
    kernel_of: type[Reference] | Callable[[onnx.ModelProto], Any] = session
    try:
        kernel = session(case.model)
    except Exception as error:  # ONNX Runtime has a dozen unrelated classes of them
        if "NOT_IMPLEMENTED" not in str(error):
            return Outcome("not run", str(error).splitlines()[0][:160])
        kernel_of, kernel = Reference, Reference(case.model)
    names = list(case.outputs)
    for wanted in (dict(zip(names, kernel.run(names, given), strict=True)), case.outputs):
        problem = different_values(case.model, given, wanted)
        if problem is not None:
            return Outcome(problem.kind, problem.reason)
    opened = weights_as_inputs(case)
    found = outcome(opened, kernel_of)
    if found.reason == "it is not finite":
        # Normally distributed numbers, some of which have no square root.
        arrays, outputs = opened.data_sets[0]
        positive = replace(opened, data_sets=[([np.abs(a) for a in arrays], outputs)])
        found = outcome(positive, kernel_of)
    return found


def weights_as_inputs(case: StoredCase) -> StoredCase:
    """Return the case with its weights as further inputs, whose gradients are compared as well."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    listed = {value.name for value in model.graph.input}
    weights = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.name in listed and (tensor.data_type in REAL or tensor.name in case.feeds)
    }
    kept = [tensor for tensor in model.graph.initializer if tensor.name not in weights]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    given = weights | case.feeds
    inputs = [value for value in model.graph.input if value.name in given]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.ir_version = max(model.ir_version, 4)  # where values need not be inputs as well
    arrays = [given[value.name] for value in inputs]
    return StoredCase(case.name, model, [(arrays, case.data_sets[0][1])])


def _numbered(folder: Path, kind: str) -> list[Path]:
    files = folder.glob(f"{kind}_*.pb")
    return sorted(files, key=lambda path: int(path.stem.removeprefix(f"{kind}_")))


def _array(path: Path) -> np.ndarray:
    return numpy_helper.to_array(onnx.load_tensor(path))
