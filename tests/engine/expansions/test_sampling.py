"""Regions, deformable convolutions, grids and Fourier transforms: as ONNX Runtime has them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnxscope as osc
import pytest
from drawing import generator
from graphs import model, operators, session
from onnx import helper
from onnx.reference import ReferenceEvaluator
from onnxscope.errors import OperatorError

RNG = generator(4)


@dataclass(frozen=True)
class Expanded:
    """One node whose expansion must give what the operator gives, and its gradient.

    Attributes:
        op: Operator.
        label: What is special about it.
        inputs: Arrays; floating-point ones are differentiated with respect to where they move.
        attributes: Of the node.
        fixed: Inputs that are constants.
        opset: Version of the standard operators.
        dtype: Of the floating-point inputs.
        oracle: "onnxruntime", or "reference" where the runtime has no kernel.
    """

    op: str
    label: str
    inputs: tuple[np.ndarray | None, ...]
    attributes: dict[str, object] = field(default_factory=dict)
    fixed: tuple[int, ...] = ()
    opset: int = 20
    dtype: type = np.float32
    oracle: str = "onnxruntime"

    def __str__(self) -> str:
        return f"{self.op} {self.label}".replace(" ", "_")

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        return {
            f"x{i}": a.astype(self.dtype) if a.dtype.kind == "f" else a
            for i, a in enumerate(self.inputs)
            if a is not None
        }

    @property
    def feeds(self) -> dict[str, np.ndarray]:
        return {
            name: array
            for name, array in self.arrays.items()
            if int(name[1:]) not in self.fixed and array.dtype.kind == "f"
        }

    def model(self, *, open_shapes: bool = False):
        names = ["" if array is None else f"x{i}" for i, array in enumerate(self.inputs)]
        node = helper.make_node(self.op, names, ["y"], **self.attributes)
        # How many parts a number has must be known.
        last = [self.inputs[0].shape[-1]] if self.op in ("DFT", "STFT") else [None]
        given = {
            name: (array.dtype, [None] * (array.ndim - 1) + (last if name == "x0" else [None]))
            if open_shapes
            else array
            for name, array in self.feeds.items()
        }
        constants = {n: a for n, a in self.arrays.items() if n not in self.feeds}
        return model([node], given, ["y"], constants, opset=self.opset)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def distinct(*shape: int) -> np.ndarray:
    """Numbers that are further apart than differences move them."""
    return RNG.permutation(int(np.prod(shape))).reshape(shape) / 10


CASES: list[Expanded] = []


def add(op: str, label: str, *inputs: np.ndarray | None, **options: object) -> None:
    known = {k: options.pop(k) for k in list(options) if k in Expanded.__dataclass_fields__}
    CASES.append(Expanded(op, label, inputs, options, **known))


# Regions: away from whole pixels, one of them beyond the picture.
_ROIS = np.array([[0.83, 0.61, 5.27, 4.42], [1.37, 1.21, 3.71, 3.43], [-2.3, 2.17, 3.71, 8.3]])
_OF = np.array([0, 1, 0])
for mode in ("avg", "max"):
    for half in ("half_pixel", "output_half_pixel"):
        for ratio in (0, 1, 2):
            add("RoiAlign", f"{mode} {half} {ratio}", normal(2, 3, 6, 7), _ROIS, _OF, mode=mode,
                coordinate_transformation_mode=half, sampling_ratio=ratio, output_height=2,
                output_width=3, spatial_scale=0.9, dtype=np.float64)  # fmt: skip
add("RoiAlign", "defaults", normal(1, 2, 5, 5), _ROIS, np.zeros(3, np.int64),
    dtype=np.float64)  # fmt: skip
add("RoiAlign", "single precision", normal(1, 2, 5, 5), _ROIS, np.zeros(3, np.int64), fixed=(1,))
_BOXES = np.array([[0, 0.0, 1, 4, 5], [1, 2, 0, 5, 3], [0, 3, 3, 3, 3], [1, 4, 4, 9, 12]])
for scale in (1.0, 0.5):
    add("MaxRoiPool", f"scale {scale}", distinct(2, 3, 6, 7), _BOXES, pooled_shape=[2, 3],
        spatial_scale=scale, fixed=(1,))  # fmt: skip
add("MaxRoiPool", "one bin", distinct(1, 2, 4, 4), np.array([[0.0, 0, 0, 2, 3]]),
    pooled_shape=[1, 1], fixed=(1,))  # fmt: skip

# Deformable convolutions; offsets keep away from whole pixels.
for x, w, shape, options in (
    ((1, 2, 5, 6), (3, 2, 3, 3), (3, 4), {}),
    ((2, 4, 5, 6), (4, 2, 3, 2), (3, 3),
     {"group": 2, "offset_group": 2, "strides": [2, 2], "pads": [1, 1, 1, 0]}),
    ((1, 4, 7, 7), (2, 4, 2, 3), (5, 5),
     {"dilations": [2, 2], "offset_group": 4, "pads": [0, 1, 0, 1]}),
):  # fmt: skip
    count = w[2] * w[3] * options.get("offset_group", 1)
    offset = np.round(normal(x[0], 2 * count, *shape)) + RNG.uniform(
        0.15, 0.85, (x[0], 2 * count, *shape)
    )
    mask = RNG.uniform(0.1, 1, (x[0], count, *shape))
    for label, rest in (("", ()), (" bias", (normal(w[0]),)), (" mask", (normal(w[0]), mask))):
        add("DeformConv", f"{x} {w}{label}", normal(*x), normal(*w), offset, *rest,
            kernel_shape=w[2:], **options)  # fmt: skip

for align in (0, 1):
    add("AffineGrid", f"2-d align {align}", normal(2, 2, 3), np.array([2, 3, 4, 5]),
        align_corners=align)  # fmt: skip
    add("AffineGrid", f"3-d align {align}", normal(2, 3, 4), np.array([2, 1, 3, 2, 4]),
        align_corners=align)  # fmt: skip

for opset in (17, 20):
    for inverse in (0, 1):
        for parts in (1, 2):
            axis = {"axis": 1} if opset == 17 else {}
            where = () if opset == 17 else (np.array(1),)
            for length in (None, 4, 9):
                given = None if length is None else np.array(length)
                add("DFT", f"opset {opset} inverse {inverse} parts {parts} length {length}",
                    normal(2, 6, parts), given, *where, inverse=inverse, dtype=np.float64,
                    opset=opset, **axis)  # fmt: skip
    axis = {"axis": 2} if opset == 17 else {}
    where = () if opset == 17 else (np.array(-2),)
    for size in (6, 7):
        add("DFT", f"opset {opset} one-sided {size}", normal(2, 3, size, 1), None, *where,
            onesided=1, dtype=np.float64, opset=opset, **axis)  # fmt: skip
add("DFT", "long", normal(1, 600, 2), None, np.array(1), dtype=np.float64)
add("DFT", "long and one-sided", normal(1, 1000, 1), None, np.array(1), onesided=1,
    dtype=np.float64)  # fmt: skip
add("DFT", "long and inverse", normal(1, 521, 2), None, np.array(1), inverse=1, dtype=np.float64)
for length in (None, 7):
    add("DFT", f"real inverse {length}", normal(2, 4, 2), None if length is None else
        np.array(length), np.array(1), inverse=1, onesided=1, dtype=np.float64,
        oracle="reference")  # fmt: skip
for one_sided in (0, 1):
    add("STFT", f"window, one-sided {one_sided}", normal(2, 20, 1), np.array(3), normal(8),
        onesided=one_sided, dtype=np.float64)  # fmt: skip
add("STFT", "length", normal(2, 20, 1), np.array(5), None, np.array(6), dtype=np.float64)
add("STFT", "complex", normal(2, 20, 2), np.array(4), normal(8), np.array(8), onesided=0,
    dtype=np.float64)  # fmt: skip


@pytest.mark.sample(6)
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("open_shapes", [False, True], ids=["known", "open"])
def test_expanded(case: Expanded, open_shapes: bool) -> None:
    if open_shapes and "real inverse None" in case.label:
        pytest.skip("the length of a real inverse must be known")
    proto = case.model(open_shapes=open_shapes)
    wrt = list(case.feeds)
    graph = osc.differentiate(proto, of="y", wrt=wrt)
    assert case.op not in operators(graph)
    if case.oracle == "reference":
        evaluator = ReferenceEvaluator(case.model())
        evaluate = lambda feeds: evaluator.run(None, feeds)[0]  # noqa: E731
    else:
        opened = session(proto)
        evaluate = lambda feeds: opened.run(None, feeds)[0]  # noqa: E731
    y = evaluate(case.feeds)
    cotangent = RNG.normal(size=y.shape).astype(y.dtype)
    names = [output.name for output in graph.graph.output]
    results = dict(
        zip(names, session(graph).run(None, case.feeds | {"grad_y": cotangent}), strict=True)
    )
    double = case.dtype == np.float64
    scale = np.abs(y).max()
    # ONNX Runtime's own transform is good to some 1e-7 in double precision.
    np.testing.assert_allclose(
        results["y"] / scale, y / scale, rtol=0, atol=1e-6 if double else 3e-6
    )
    for name in wrt:
        gradient, x = results[f"grad_{name}"].astype(float), case.feeds[name].astype(float)
        assert gradient.shape == x.shape
        for _ in range(3):
            u, step = RNG.uniform(-1, 1, x.shape), 1e-4 if double else 0.01

            def along(t: float, u=u, x=x, name=name) -> float:
                moved = (x + t * u).astype(case.dtype)
                given = evaluate(case.feeds | {name: moved}).astype(float)
                return float((given * cotangent).sum())

            near, far = along(step) - along(-step), along(2 * step) - along(-2 * step)
            difference, terms = (8 * near - far) / (12 * step), gradient * u
            size = np.linalg.norm(terms) + 1e-3 * np.linalg.norm(cotangent)
            assert abs(terms.sum() - difference) <= (1e-4 if double else 5e-3) * size, name


def test_what_must_be_known() -> None:
    case = Expanded("DFT", "", (normal(1, 4, 3),), {}, opset=20)
    with pytest.raises(OperatorError, match="two, real and imaginary, not 3"):
        osc.differentiate(case.model(), of="y", wrt=["x0"])
