"""What a file itself says of the pictures that its network expects, and where it says so.

Means and deviations stand in the metadata of some files, in the words of the libraries that wrote
them; other networks normalise their input themselves, by constants right behind it. What neither
says is not assumed from the fame of a network's name.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import InputError
from .preprocessing import Preprocessing, Range

if TYPE_CHECKING:
    import onnx_ir as ir

    from .normalization import Normalization

_MEANS = ("mean", "image_mean", "img_mean", "norm_mean", "pixel_mean")
_DEVIATIONS = ("std", "image_std", "img_std", "norm_std", "pixel_std")
_ORDERS = ("channel_order", "color_space", "color_format", "color_order", "input_space")
_RANGES = ("input_range", "value_range", "pixel_range")
_LABELS = ("labels", "classes", "class_names", "label_names", "names", "id2label", "categories")
_SIZES = ("input_size", "imgsz", "image_size", "img_size")

# What Ultralytics writes into every export, and for which tasks pictures are divided by 255 alone:
# its classifiers also subtracted ImageNet's mean for a while.
_ULTRALYTICS = ("names", "imgsz", "task")
_TASKS = ("detect", "segment", "pose", "obb")

AXES = "channel_axis"
"""The metadata's key of layers' channel axes; only `onnxscope prepare` writes it."""

# Of ImageNet, of 1; in this order they stand for red, green, blue (Russakovsky et al. 2015).
_IMAGENET_MEAN = (0.485, 0.456, 0.406)


@dataclass(frozen=True)
class Expectation:
    """What is known of the pictures that a file expects.

    Attributes:
        preprocessing: What to do to a picture; `None` where that remains open.
        words: Where it was found, and what of it is assumed, for people.
    """

    preprocessing: Preprocessing | None = None
    words: str = ""


def find_expectation(
    graph: ir.Graph, image: ir.Value, layout: str, channels: int, props: Mapping[str, str]
) -> Expectation:
    """Look into the metadata, and behind the input.

    Args:
        graph: The network.
        image: Its input.
        layout: Of the input, such as `NCHW`.
        channels: How many there are.
        props: The file's metadata.
    """
    from .normalization import find_normalization

    said = _from_metadata(props, layout, channels)
    normalization = None
    if "C" in layout:
        normalization = find_normalization(graph, image, layout.index("C"), channels)
    done = None if normalization is None else _from_graph(normalization, layout, channels)
    if done is not None and done.preprocessing is not None:
        if said is None or said.preprocessing is None:
            return done
        if _says_the_same(said.preprocessing, normalization, done.preprocessing.ranges[0][1]):
            return Expectation(done.preprocessing, f"{done.words}, as its metadata says")
        return Expectation(
            None, f"contradictory: {said.words} says {said.preprocessing}, but {done.words}"
        )
    if image.dtype is not None and image.dtype.name == "UINT8":
        preprocessing = Preprocessing((0.0, 255.0), layout=layout, channels=channels)
        return Expectation(preprocessing, f"its input takes bytes{_assumed('', channels)}")
    return said or done or _of_ultralytics(props, layout, channels) or Expectation()


def find_labels(props: Mapping[str, str]) -> tuple[str, ...]:
    """Find the names of classes in the metadata, in the logits' order; empty for none."""
    for key, value in _flat(props).items():
        if key in _LABELS:
            labels = _as_labels(_parsed(value))
            if labels:
                return labels
    return ()


def find_axes(props: Mapping[str, str]) -> dict[str, int]:
    """Find the axes of layers' channels in the metadata, by the layers' names; empty for none.

    Such an entry is read where it is a JSON object of numbers, and is somebody else's where not.
    """
    said = _parsed(props.get(AXES, ""))
    if not isinstance(said, dict) or not all(isinstance(name, str) for name in said):
        return {}
    whole = all(isinstance(axis, int) and not isinstance(axis, bool) for axis in said.values())
    return said if whole else {}


def find_size(props: Mapping[str, str]) -> int | None:
    """Return the size of pictures in pixels that the metadata names."""
    for key, value in _flat(props).items():
        numbers = _numbers(value) if key in _SIZES else ()
        if numbers and numbers[-1] == int(numbers[-1]) and 8 <= numbers[-1] <= 4096:
            return int(numbers[-1])
    return None


# Metadata ----------------------------------------------------------------------------------------


def _from_metadata(props: Mapping[str, str], layout: str, channels: int) -> Expectation | None:
    facts = _flat(props)
    mean = next((_numbers(facts[key]) for key in _MEANS if key in facts), ())
    std = next((_numbers(facts[key]) for key in _DEVIATIONS if key in facts), ())
    limits = next((_limits(facts[key]) for key in _RANGES if key in facts), ())
    if not mean and not std and not limits:
        return None
    names = [key for key in (*_MEANS, *_DEVIATIONS, *_RANGES, *_ORDERS) if key in facts]
    where = f"in the file's metadata ({', '.join(names)})"
    mean, std = mean or (0.0,), std or (1.0,)
    known = _range_of(mean, std, facts)
    ranges = limits or (() if known is None else (known,))
    if not ranges:
        return Expectation(None, f"{where}, which leaves open what black and white are")
    said = next((str(_parsed(facts[key])).lower() for key in _ORDERS if key in facts), "")
    order = said if said in ("rgb", "bgr") else _order_of(mean, ranges[0][1])
    assumed = _assumed(order, channels)
    try:
        bounds = ranges if len(ranges) > 1 else ranges[0]
        preprocessing = Preprocessing(bounds, mean, std, order or "rgb", layout, channels)
    except InputError as error:
        return Expectation(None, f"{where}, but it is no preprocessing: {error}")
    return Expectation(preprocessing, where + assumed)


def _of_ultralytics(props: Mapping[str, str], layout: str, channels: int) -> Expectation | None:
    """What the exports of Ultralytics take, which all write down the same facts."""
    if any(key not in props for key in _ULTRALYTICS) or props["task"] not in _TASKS:
        return None
    preprocessing = Preprocessing((0.0, 1.0), layout=layout, channels=channels)
    return Expectation(
        preprocessing,
        "in the file's metadata, which is Ultralytics' (names, imgsz, task): divided by 255 alone",
    )


def _range_of(
    mean: tuple[float, ...], std: tuple[float, ...], facts: Mapping[str, object]
) -> tuple[float, float] | None:
    """What black and white are before the mean is subtracted, by the size of the numbers."""
    factor = _numbers(facts.get("rescale_factor"))
    if factor and math.isclose(factor[0], 1 / 255, rel_tol=1e-3):
        return 0.0, 1.0
    # Of timm's configurations, which are for pictures from 0 to 1.
    if "crop_pct" in facts and "interpolation" in facts:
        return 0.0, 1.0
    if max(mean) > 2 or max(std) > 2:
        return 0.0, 255.0
    trivial = not any(mean) and all(value == 1 for value in std)
    return None if trivial else (0.0, 1.0)


def _flat(props: Mapping[str, str]) -> dict[str, object]:
    """All facts by the last part of their names, also from within JSON objects."""
    facts: dict[str, object] = {}
    for key, value in props.items():
        parsed = _parsed(value)
        if isinstance(parsed, dict) and all(isinstance(name, str) for name in parsed):
            for name, inner in parsed.items():
                facts.setdefault(name.lower(), inner)
        facts[re.split(r"[./:]", key)[-1].lower()] = value
    return facts


def _parsed(value: object) -> object:
    """A value written as JSON or in Python's notation; text where it is neither."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        pass
    try:
        return ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value


def _numbers(value: object) -> tuple[float, ...]:
    """A number or a list of numbers, also as text with commas or spaces; else nothing."""
    parsed = _parsed(value)
    if isinstance(parsed, str):
        parsed = [_parsed(part) for part in re.split(r"[\s,;]+", parsed.strip("[]() \n"))]
    if isinstance(parsed, int | float) and not isinstance(parsed, bool):
        parsed = [parsed]
    if not isinstance(parsed, list | tuple):
        return ()
    numbers = [float(n) for n in parsed if isinstance(n, int | float) and not isinstance(n, bool)]
    return tuple(numbers) if len(numbers) == len(parsed) else ()


def _limits(value: object) -> tuple[Range, ...]:
    """What black and white are: two numbers, or two for each channel; else nothing."""
    parsed = _parsed(value)
    parts: Sequence[object] = parsed if isinstance(parsed, list | tuple) else ()
    nested = len(parts) > 0 and all(isinstance(part, list | tuple) for part in parts)
    found = [_numbers(part) for part in parts] if nested else [_numbers(value)]
    if any(len(pair) != 2 for pair in found):
        return ()
    return tuple((pair[0], pair[1]) for pair in found)


def _as_labels(parsed: object) -> tuple[str, ...]:
    if isinstance(parsed, dict):
        by_number = {int(k): v for k, v in parsed.items() if str(k).strip().isdecimal()}
        if len(by_number) != len(parsed) or sorted(by_number) != list(range(len(by_number))):
            return ()
        parsed = [by_number[number] for number in range(len(by_number))]
    if isinstance(parsed, str):
        parsed = parsed.splitlines() if "\n" in parsed else parsed.split(",")
    if not isinstance(parsed, list | tuple) or len(parsed) < 2:
        return ()
    if not all(isinstance(label, str) and label.strip() for label in parsed):
        return ()
    return tuple(label.strip() for label in parsed)


# The graph ---------------------------------------------------------------------------------------


def _assumed(order: str, channels: int) -> str:
    """What is assumed of the colours, where three channels are not told apart."""
    return "" if order or channels != 3 else "; RGB is assumed"


def _from_graph(found: Normalization, layout: str, channels: int) -> Expectation | None:
    """Of a network that normalises its input itself: what it takes, by what comes out."""
    steps = ", ".join(found.nodes)
    fitting = [white for white in (1.0, 255.0) if _is_normal(found, white)]
    if len(fitting) != 1:
        return Expectation(
            None, f"open: the graph begins with {steps}, which does not tell the range it takes"
        )
    white = fitting[0]
    mean = tuple(-shift / scale for scale, shift in zip(found.scale, found.shift, strict=True))
    order = _order_of(mean, white)
    if order and found.reversed:
        order = "bgr" if order == "rgb" else "rgb"
    low, high = found.ends(white)
    words = f"in the graph: {steps} make {low:.3g} to {high:.3g} of 0 to {white:g}".replace(
        "-", "−"
    ) + _assumed(order, channels)
    expected = Preprocessing(
        (0.0, white), channel_order=order or "rgb", layout=layout, channels=channels
    )
    return Expectation(expected, words)


def _is_normal(found: Normalization, white: float) -> bool:
    """Whether pictures up to `white` come out as networks take them.

    That is some units around 0, or the range of bytes, from 0 or with a mean subtracted.
    """
    low, high = found.ends(white)
    if low > 0.01 or high <= 0:
        return False
    spread = high - low
    bytes_ = 200 <= spread <= 300 and (low < -50 or not any(found.shift))
    return 0.5 <= spread <= 10 or bytes_


def _order_of(mean: tuple[float, ...], white: float) -> str:
    """The order of colours, where the means are ImageNet's; else empty."""
    if len(mean) != 3:
        return ""
    for order, expected in (("rgb", _IMAGENET_MEAN), ("bgr", _IMAGENET_MEAN[::-1])):
        if all(abs(m / white - e) < 0.01 for m, e in zip(mean, expected, strict=True)):
            return order
    return ""


def _says_the_same(said: Preprocessing, done: Normalization | None, white: float) -> bool:
    """Whether the metadata describes what the graph does."""
    if done is None:
        return False
    scale, shift = said.affine()
    return all(
        math.isclose(a, b * white, rel_tol=1e-3) for a, b in zip(scale, done.scale, strict=True)
    ) and all(
        math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-3)
        for a, b in zip(shift, done.shift, strict=True)
    )
