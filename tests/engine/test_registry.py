"""Classes by the names that recipes call them: written down by their fields, and read back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from onnxscope.ascent.optimizers import OPTIMIZERS
from onnxscope.ascent.schedules import SCHEDULES
from onnxscope.errors import InputError, TargetError
from onnxscope.objectives.algebra import OBJECTIVES
from onnxscope.parameterizations.base import PARAMETERIZATIONS
from onnxscope.registry import DEEPEST, Registry
from onnxscope.transforms.base import TRANSFORMS


class Shape:
    """What the registry below holds."""


def _foreign(shape: Shape) -> dict[str, Any]:
    return {"custom": type(shape).__name__}


SHAPES: Registry[Shape] = Registry("shape", Shape, TargetError, argument="form", foreign=_foreign)


@SHAPES.add("dot")
@dataclass(frozen=True)
class Dot(Shape):
    size: float = 1.0
    filled: bool = False
    label: str | None = None
    _state: int = field(default=0, init=False)


@SHAPES.add("line", older=lambda under: [under, 0] if isinstance(under, int) else under)
@dataclass(frozen=True)
class Line(Shape):
    start: int
    stop: int
    dashes: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.start == self.stop:
            raise InputError("a line has two ends")


@SHAPES.add("around")
@dataclass(frozen=True)
class Around(Shape):
    inner: Shape
    second: Shape | None = None
    corner: tuple[str, int] = ("a", 1)


@SHAPES.add("group")
@dataclass(frozen=True)
class Group(Shape):
    members: tuple[Shape, ...]


@SHAPES.add("cloud")
@dataclass(frozen=True, eq=False)
class Cloud(Shape):
    points: np.ndarray


@pytest.mark.parametrize(
    ("shape", "data"),
    [
        (Dot(), {"dot": {"size": 1.0, "filled": False, "label": None}}),
        (Dot(2.5, True, "x"), {"dot": {"size": 2.5, "filled": True, "label": "x"}}),
        (Line(3, 5, (0.5, 1.0)), {"line": [3, 5], "dashes": [0.5, 1.0]}),
        (
            Around(Dot(), Line(1, 2), ("b", 2)),
            {"around": {"dot": {"size": 1.0, "filled": False, "label": None}}}
            | {"second": {"line": [1, 2], "dashes": []}, "corner": ["b", 2]},
        ),
        (
            Group((Line(0, 1), Group(()))),
            {"group": [{"line": [0, 1], "dashes": []}, {"group": []}]},
        ),
    ],
)
def test_written_down_and_read_back(shape: Shape, data: object) -> None:
    assert SHAPES.to_json(shape) == data
    again = SHAPES.from_json(json.loads(json.dumps(data, sort_keys=True)))
    assert again == shape
    assert type(again) is type(shape)


@pytest.mark.parametrize("dtype", ["float32", "<f8", "int64", "bool", ">f4"])
@pytest.mark.parametrize("size", [(), (0, 3), (2, 3)])
def test_arrays_keep_their_bits(dtype: str, size: tuple[int, ...]) -> None:
    points = np.asarray(np.random.default_rng(0).standard_normal(size) * 9).astype(dtype)
    again = SHAPES.from_json(json.loads(json.dumps(SHAPES.to_json(Cloud(points.T)))))
    assert isinstance(again, Cloud)
    assert again.points.dtype == points.dtype
    np.testing.assert_array_equal(again.points, points.T)


def test_what_is_left_out_has_its_default() -> None:
    assert SHAPES.from_json({"line": [3, 5]}) == Line(3, 5)
    assert SHAPES.from_json({"dot": {}}) == Dot()
    # What older versions wrote, and whole numbers that other writers make floats of.
    assert SHAPES.from_json({"line": 4}) == Line(4, 0)
    assert SHAPES.from_json({"line": [3.0, 5]}) == Line(3, 5)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (3, "the recipe's shape 3 is unknown; this version has dot, line, around, group, cloud"),
        ({"circle": {}}, "is unknown"),
        ({"circle": {}, "dot": {}, "line": []}, "is unknown"),
        (
            {"dot": {}, "size": 3},
            "'dot' must hold an object of size, filled, label, and stand alone",
        ),
        ({"dot": []}, "'dot' must hold an object of size, filled, label"),
        ({"dot": {"sise": 3}}, "dot has no 'sise'; did you mean 'size'"),
        ({"dot": {"_state": 3}}, "dot has no '_state'"),
        ({"dot": {3: 3}}, "dot has no 3"),
        ({"dot": {"size": "3"}}, "its size must be a number, not '3'"),
        ({"dot": {"filled": 1}}, "its filled must be true or false, not 1"),
        ({"dot": {"label": 1}}, "its label must be text, not 1"),
        ({"line": [1]}, "'line' must hold a list of start, stop"),
        ({"line": [1, 1]}, "shape .* is damaged: a line has two ends"),
        ({"line": [1, 2.5]}, "its stop must be a whole number"),
        ({"line": [1, 2], "dashes": 3}, "its dashes must be a list, not 3"),
        ({"line": [1, 2], "start": 3}, "'start' stands beside 'line', under which it is already"),
        ({"around": {"dot": {}}, "corner": ["a"]}, "its corner must have 2 items, not 1"),
        ({"around": None}, "shape None is unknown"),
        ({"around": {"dot": {}}, "second": 3}, "shape 3 is unknown"),
        ({"group": [{"line": []}]}, "'line' must hold a list of start, stop"),
        ({"cloud": [1, 2]}, "its points must be an array"),
        ({"cloud": {"dtype": "f4", "shape": [2], "base64": "?"}}, "its points is no array"),
        ({"cloud": {"dtype": "f4", "shape": [2], "base64": "AAAA"}}, "its points is no array"),
        ({"cloud": {"dtype": "f4", "shape": [-1], "base64": "AAAA"}}, "must be at least 0"),
        ({"cloud": {"dtype": "O", "shape": [1], "base64": "AAAAAAAAAAA="}}, "is no array"),
        ({"cloud": {"dtype": "what", "shape": [1], "base64": "AAAA"}}, "is no array"),
        ({"custom": None}, "'custom' is the name of code of its author's, which must be text"),
        ({"custom": "mine"}, "only name the shape 'mine', .* pass it to remake as form=…"),
        ({"group": [{"with": 1, "custom": "mine"}]}, "pass it to remake as form=…"),
    ],
)
def test_what_cannot_be_read_gets_one_clear_sentence(data: object, message: str) -> None:
    with pytest.raises(TargetError, match=message) as caught:
        SHAPES.from_json(data)
    assert "\n" not in str(caught.value)


def test_depth() -> None:
    shape: Shape = Dot()
    data: dict[str, Any] = {"dot": {}}
    for _ in range(DEEPEST // 2):
        shape, data = Group((Around(shape),)), {"group": [{"around": data}]}
    # As text: Python compares objects with more calls than there may be.
    text = json.dumps(SHAPES.to_json(shape))
    assert json.dumps(SHAPES.to_json(SHAPES.from_json(json.loads(text)))) == text
    assert json.dumps(SHAPES.to_json(SHAPES.from_json(data))) == text
    for _ in range(10_000):
        data = {"around": data}
    with pytest.raises(TargetError, match=f"nested more than {DEEPEST} deep"):
        SHAPES.from_json(data)


def test_code_of_the_users_is_named() -> None:
    class Mine(Dot):
        pass

    assert SHAPES.name_of(Mine()) is None
    assert SHAPES.to_json(Group((Mine(), Dot())))["group"][0] == {"custom": "Mine"}
    without: Registry[Shape] = Registry("shape", Shape)
    with pytest.raises(TypeError, match="no shape is a Dot; register the class"):
        without.to_json(Dot())


def test_what_no_recipe_can_hold() -> None:
    for value in (object(), np.array([None]), {1, 2}):
        with pytest.raises(TypeError, match="no recipe can hold"):
            SHAPES.to_json(Cloud(value))  # type: ignore[arg-type]


def test_a_class_is_imported_when_its_name_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    shapes: Registry[Shape] = Registry(
        "shape", Shape, homes={"shapes.round": ("dot",), "shapes.straight": ("line",)}
    )

    def imported(name: str) -> None:
        asked.append(name)
        kind = {"round": Dot, "straight": Line}[name.rpartition(".")[2]]
        monkeypatch.setattr(kind, "__module__", name)
        shapes.add("dot" if kind is Dot else "line")(kind)

    monkeypatch.setattr("onnxscope.registry.importlib.import_module", imported)
    assert shapes.names == ("dot", "line")
    with pytest.raises(InputError, match="this version has dot, line"):
        shapes.from_json({"circle": {}})
    assert asked == []
    for _ in range(2):
        assert shapes.from_json({"line": [3, 5]}) == Line(3, 5)
        assert asked == ["onnxscope.shapes.straight"]
    assert list(shapes.kinds) == ["dot", "line"]
    assert asked == ["onnxscope.shapes.straight", "onnxscope.shapes.round"]


@pytest.mark.parametrize(
    "registry", [OBJECTIVES, OPTIMIZERS, PARAMETERIZATIONS, SCHEDULES, TRANSFORMS]
)
def test_each_class_is_where_its_registry_says(registry: Registry[Any]) -> None:
    for name, kind in registry.kinds.items():
        assert kind.__module__ == f"onnxscope.{registry._homes[name]}"
    assert all(registry.kinds.values())
    with pytest.raises(ValueError, match="two kinds"):
        registry.add(next(iter(registry.names)))(Dot)


def test_no_two_kinds_have_one_name() -> None:
    assert list(SHAPES.kinds) == ["dot", "line", "around", "group", "cloud"]
    for name in ("dot", "custom"):
        with pytest.raises(ValueError, match=f"kinds of shape called '{name}'"):
            SHAPES.add(name)(Dot)
