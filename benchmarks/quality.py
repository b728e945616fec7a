"""How good the pictures are: the same units climbed here and by Lucent, seen by the same eyes.

    python benchmarks/quality.py model.onnx mixed_4:300 mixed_7:5 --steps 128 --sheet sheet.png

Both make one picture of each unit, of one size, with as many steps, by their own defaults; with
`--more` onnxscope makes another by more steps, such as take it as long as Lucent. What counts is
the unit's mean activation over random views that neither has seen: shifted, turned and scaled, by
smooth amounts and another resampling than either's. ONNX Runtime judges both. Without PyTorch and
torch-lucent only the pictures made here are measured.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxscope as osc
from onnxscope.benchmarks.machine import load_average, surroundings
from onnxscope.benchmarks.report import heading, publish
from onnxscope.errors import InputError, OnnxscopeError
from onnxscope.runtime.session import open_session
from PIL import Image

_MARGIN = 48
_AT_ONCE = 8


@dataclass(frozen=True)
class Quality:
    """What is measured of one picture.

    Attributes:
        views: The unit's mean activation over random views.
        plain: That of the picture as it is.
        contrast: The standard deviation of the picture's values, which are in [0, 1].
        fine: The share of its spectrum's energy above a quarter of the sampling rate, without the
            mean.
        seconds: Of the processor, of all cores together, for the whole picture.
    """

    views: float
    plain: float
    contrast: float
    fine: float
    seconds: float


def views_of(picture: np.ndarray, count: int, seed: int) -> Iterator[np.ndarray]:
    """Give random views: shifted by up to 10 pixels, turned by 8 degrees, scaled by 8 per cent.

    What is around the picture is its mirror image; pixels are cubic.

    Args:
        picture: (H, W, 3) in [0, 1].
        count: How many.
        seed: The same one gives the same views.

    Returns:
        Pictures of the same size.
    """
    rng = np.random.default_rng(seed)
    height, width = picture.shape[:2]
    around = np.pad(picture, ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)), mode="reflect")
    channels = [Image.fromarray(np.ascontiguousarray(around[..., c], np.float32)) for c in range(3)]
    for _ in range(count):
        angle, size = np.deg2rad(rng.uniform(-8, 8)), rng.uniform(0.92, 1.08)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / size
        middle = np.array([width / 2, height / 2])
        shift = middle + _MARGIN + rng.uniform(-10, 10, 2) - turn @ middle
        matrix = (*turn[0], shift[0], *turn[1], shift[1])
        seen = [
            np.asarray(c.transform((width, height), Image.Transform.AFFINE, matrix,
                                   Image.Resampling.BICUBIC))
            for c in channels
        ]  # fmt: skip
        yield np.clip(np.stack(seen, -1), 0, 1)


def fine_share(picture: np.ndarray) -> float:
    """Return the share of a picture's energy above a quarter of the sampling rate.

    Args:
        picture: (H, W, 3).
    """
    spectrum = np.abs(np.fft.fft2(picture - picture.mean((0, 1)), axes=(0, 1))) ** 2
    rows, columns = (np.fft.fftfreq(size) for size in picture.shape[:2])
    fine = np.hypot(rows[:, None], columns[None, :]) > 0.25
    whole = float(spectrum.sum())
    return float(spectrum[fine].sum()) / whole if whole else 0.0


class Judge:
    """Measures pictures of one unit."""

    def __init__(self, model: osc.Model, layer: str, channel: int, size: int, views: int) -> None:
        """Prepare the network up to the layer, for pictures of one size."""
        from onnxscope.gradient.objective import append_objective
        from onnxscope.graph.builder import Builder
        from onnxscope.graph.finish import model_of

        builder = Builder(opset=model.opset)
        image = builder.input("image", (_AT_ONCE, 3, size, size), np.float32)
        builder.output("value", append_objective(model, osc.channel(layer, channel), image))
        self._session = open_session(model_of(builder), "cpu")
        self._views = views

    def __call__(self, picture: np.ndarray, seconds: float) -> Quality:
        """Measure a picture (H, W, 3) in [0, 1] that took so many seconds."""
        seen = self._values([picture, *views_of(picture, self._views, seed=2**20)])
        return Quality(
            views=float(np.mean(seen[1:])),
            plain=seen[0],
            contrast=float(picture.std()),
            fine=fine_share(picture),
            seconds=seconds,
        )

    def _values(self, pictures: Sequence[np.ndarray]) -> list[float]:
        found: list[float] = []
        for start in range(0, len(pictures), _AT_ONCE):
            some = list(pictures[start : start + _AT_ONCE])
            batch = np.stack(some + some[-1:] * (_AT_ONCE - len(some))).transpose(0, 3, 1, 2)
            feeds = {"image": np.ascontiguousarray(batch, np.float32)}
            found += self._session.run(feeds)["value"][: len(some)].tolist()
        return found


Climb = Callable[[osc.Model, str, int, int, int, int], np.ndarray]
"""From model, layer, channel, size, steps and seed to a picture."""


def climb_here(
    model: osc.Model,
    layer: str,
    channel: int,
    size: int,
    steps: int,
    seed: int,
    leak: float | None = None,
) -> np.ndarray:
    """Make a picture with the defaults of `render`, perhaps but for `leak`, (H, W, 3)."""
    unit = osc.channel(layer, channel)
    picture = osc.render(model, unit, size=size, steps=steps, seed=seed, provider="cpu", leak=leak)
    image: np.ndarray = picture.images[0]
    return image


def climb_with_lucent(
    model: osc.Model, layer: str, channel: int, size: int, steps: int, seed: int
) -> np.ndarray:
    """Make a picture with the defaults of Lucent's `render_vis`, (H, W, 3).

    The network is the same one, written for PyTorch; its ReLUs are Lucent's, which let a tenth of
    the gradient through where they are off.
    """
    import torch
    from lucent.modelzoo.inceptionv1.helper_layers import RedirectedReLU
    from lucent.optvis import objectives, param, render
    from onnxscope.benchmarks.torch_network import torch_network

    network = torch_network(model, layer, (1, 3, size, size))
    for node in network.graph.nodes:
        if node.target is torch.nn.functional.relu:
            node.target = RedirectedReLU.apply
    for buffer in network.buffers():
        buffer.requires_grad_(False)
    interpreter = torch.fx.Interpreter(network)

    class Trunk(torch.nn.Module):  # type: ignore[misc]  # PyTorch need not be installed
        def forward(self, image: Any) -> Any:
            return interpreter.run(image)

    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (Lucent draws its transforms from there)
    images = render.render_vis(
        torch.nn.Sequential(Trunk()).eval(),
        objectives.channel("0", channel),
        param_f=lambda: param.image(size),
        thresholds=(steps,),
        preprocess=False,
        progress=False,
        show_image=False,
    )
    image: np.ndarray = images[0][0].astype(np.float32)
    return image


def climb_longer(more: int) -> Climb:
    """Return what climbs here by another number of steps than it is told."""

    def climb(
        model: osc.Model,
        layer: str,
        channel: int,
        size: int,
        steps: int,  # noqa: ARG001 (Lucent's)
        seed: int,
    ) -> np.ndarray:
        return climb_here(model, layer, channel, size, more, seed)

    return climb


def contestants(leak: float | None = None, more: int | None = None) -> dict[str, Climb]:
    """Return who makes pictures: Lucent where it is, and onnxscope.

    Args:
        leak: Of a further picture made here.
        more: The number of steps of a further picture made here.
    """
    found: dict[str, Climb] = {"onnxscope": climb_here}
    if more is not None:
        found[f"onnxscope, {more} steps"] = climb_longer(more)
    if leak is not None:
        found[f"onnxscope, leak {leak:g}"] = functools.partial(climb_here, leak=leak)
    if all(importlib.util.find_spec(name) for name in ("torch", "lucent")):
        found["Lucent"] = climb_with_lucent
    return found


def table(results: dict[str, dict[str, Quality]]) -> list[str]:
    """Return what was measured as a table in Markdown.

    Args:
        results: By unit and by who made the picture.
    """
    lines = [
        "| unit | by | views | plain | contrast | fine | CPU s | views, ratio | plain, ratio |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    ratios: dict[str, list[tuple[float, ...]]] = {}
    for unit, by_whom in results.items():
        other = by_whom.get("Lucent")
        for name, one in by_whom.items():
            numbers = f"{one.views:.3f} | {one.plain:.3f} | {one.contrast:.3f} | {one.fine:.3f}"
            compared = " | "
            if other is not None and one is not other:
                kinds = ("views", "plain", "contrast", "fine")
                every = tuple(_ratio(getattr(one, k), getattr(other, k)) for k in kinds)
                ratios.setdefault(name, []).append(every)
                compared = " | ".join(f"{ratio:.2f}" for ratio in every[:2])
            lines.append(f"| {unit} | {name} | {numbers} | {one.seconds:.1f} | {compared} |")
    for name, found in ratios.items():
        views, plain, contrast, fine = map(_geometric, zip(*found, strict=True))
        least = min(every[0] for every in found)
        lines += [
            "",
            f"{name}, geometric means over {len(found)} units: {views:.2f} times Lucent's over "
            f"views (least {least:.2f}), {plain:.2f} on the plain picture; of its contrast "
            f"{contrast:.2f}, of its fine detail {fine:.2f}.",
        ]
    return lines


def _ratio(ours: float, other: float) -> float:
    return ours / other if other > 0 and ours > 0 else math.nan


def _geometric(ratios: Sequence[float]) -> float:
    return float(np.exp(np.mean(np.log(ratios))))


def _unit(text: str) -> tuple[str, int]:
    layer, colon, channel = text.rpartition(":")
    if not colon or not channel.isdigit():
        raise InputError(f"a unit is LAYER:CHANNEL, such as mixed_4:300, not {text!r}")
    return layer, int(channel)


def main() -> None:
    """Measure the units of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("units", nargs="+", metavar="LAYER:CHANNEL")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--steps", type=int, default=128)
    parser.add_argument("--views", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--leak", type=float, help="also with another leak, such as 0")
    parser.add_argument("--more", type=int, metavar="STEPS", help="also with so many steps here")
    parser.add_argument("--sheet", type=Path, help="pictures side by side, a row for each unit")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    try:
        _measure(arguments)
    except OnnxscopeError as error:
        parser.exit(1, f"{error}\n")


def _measure(arguments: argparse.Namespace) -> None:
    units = {text: _unit(text) for text in arguments.units}
    model, before = osc.load(arguments.model), load_average()
    climbs = contestants(arguments.leak, arguments.more)
    results: dict[str, dict[str, Quality]] = {}
    rows: list[np.ndarray] = []
    for text, (layer, channel) in units.items():
        judge = Judge(model, layer, channel, arguments.size, arguments.views)
        results[text], pictures = {}, []
        for name, climb in climbs.items():
            start = time.process_time()
            picture = climb(model, layer, channel, arguments.size, arguments.steps, arguments.seed)
            seconds = time.process_time() - start
            results[text][name] = judge(picture, seconds)
            pictures.append(picture)
        rows.append(np.concatenate(pictures, 1))
        if arguments.sheet:
            sheet = np.rint(np.concatenate(rows) * 255).astype(np.uint8)
            Image.fromarray(sheet).save(arguments.sheet)
    facts = surroundings() | {"load_average": (before, load_average())}
    plain = {u: {n: asdict(q) for n, q in found.items()} for u, found in results.items()}
    print("\n".join([*heading(facts), "", *table(results)]))
    if arguments.json:
        publish(facts | {"steps": arguments.steps, "units": plain}, arguments.json)


if __name__ == "__main__":
    main()
