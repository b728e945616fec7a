"""Other eyes: pictures of classes, made by one network and read by another.

    python benchmarks/eyes.py --classes 50 --steps 256 --sheet sheet.png

A picture that shows a class shows it to a network too that was trained apart. Pictures of classes
of SqueezeNet are read by EfficientNet-Lite0, and the other way round, as random views that neither
has seen (see `quality`). What counts is the reader's log-probability of the class and how often it
is among its first five; and how many pictures stay grey. With PyTorch and torch-lucent installed,
Lucent makes pictures of the same classes of the same networks too.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxscope as osc
from onnxscope.benchmarks.machine import load_average, surroundings
from onnxscope.benchmarks.quality import climb_with_lucent, views_of
from onnxscope.benchmarks.report import heading, publish
from onnxscope.errors import InputError, OnnxscopeError, nearest
from PIL import Image

_GREY = 0.02
"""The deviation of the colours below which a picture counts as grey."""

_SMOOTH = 2e-4
"""The weight of total variation as a prior, for logits of some tens on a whole picture."""


@dataclass(frozen=True)
class Read:
    """How another network reads pictures of some classes.

    Attributes:
        log_probability: Of the class, the mean over views and classes, natural.
        top_five: How often the class is among the first five, in [0, 1].
        by_maker: The same by the network that the pictures were made with.
        grey: The share of pictures that stayed grey.
    """

    log_probability: float
    top_five: float
    by_maker: float
    grey: float


Kind = Callable[[osc.Model, Sequence[int], int, int, int], list[np.ndarray]]
"""From model, classes, size, steps and seed to a picture (H, W, 3) of each class."""


def kinds() -> dict[str, Kind]:
    """Return what is compared, by name: parameterizations, with a prior and without, Lucent."""

    def of(weight: float, **given: Any) -> Kind:
        def make(
            model: osc.Model, classes: Sequence[int], size: int, steps: int, seed: int
        ) -> list[np.ndarray]:
            wanted: list[osc.Objective] = [osc.channel("logits", number) for number in classes]
            if weight:
                wanted = [one - weight * osc.total_variation() for one in wanted]
            # One graph for all classes; each starts as it would alone.
            pictures = osc.render(
                model,
                wanted,
                size=size,
                steps=steps,
                seed=seed,
                provider="cpu",
                same_start=True,
                **given,
            )
            return list(pictures.images)

        return make

    def lucent(
        model: osc.Model, classes: Sequence[int], size: int, steps: int, seed: int
    ) -> list[np.ndarray]:
        return [climb_with_lucent(model, "logits", one, size, steps, seed) for one in classes]

    def maco() -> dict[str, Any]:
        return {"parameterization": osc.Maco(), "optimizer": osc.Adam(0.2)}

    found = {
        "Fourier": of(0),
        "Fourier, total variation": of(_SMOOTH),
        "Fourier as in Lucid": of(
            0,
            parameterization=osc.Fourier(decay_power=1, fine_decay=0),
            optimizer=osc.Adam(beta1=0.9, beta2=0.999),
            leak=0,
        ),
        "MACO": of(0, **maco()),
        "MACO, total variation": of(_SMOOTH, **maco()),
    }
    if all(importlib.util.find_spec(name) for name in ("torch", "lucent")):
        found["Lucent"] = lucent
    return found


def chosen(names: Sequence[str]) -> dict[str, Kind]:
    """Return kinds by name, all where none is named.

    Raises:
        InputError: there is none of a name.
    """
    known = kinds()
    for name in names:
        if name not in known:
            raise InputError(f"no pictures are called {name!r}{nearest(name, known)}")
    return {name: known[name] for name in names} or known


def log_probabilities(model: osc.Model, pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Return the logarithms of the probabilities of all classes, (N, classes).

    Args:
        model: A classifier with a layer `logits`.
        pictures: (H, W, 3) in [0, 1] each, which are scaled to the model's size.
    """
    height, width = model.size if isinstance(model.size, tuple) else (model.size, model.size)
    scaled = [_scaled(picture, height, width) for picture in pictures]
    logits = model.activations(np.stack(scaled), ["logits"])["logits"].astype(np.float64)
    logits = logits.reshape(len(pictures), -1)
    logits -= logits.max(1, keepdims=True)
    found: np.ndarray = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return found


def _scaled(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    if picture.shape[:2] == (height, width):
        return picture
    channels = [
        Image.fromarray(np.ascontiguousarray(picture[..., c], np.float32)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        for c in range(3)
    ]
    stacked: np.ndarray = np.stack([np.asarray(c) for c in channels], -1)
    return np.asarray(np.clip(stacked, 0, 1))


def read(
    pictures: Mapping[int, np.ndarray], maker: osc.Model, reader: osc.Model, views: int
) -> Read:
    """Measure pictures (H, W, 3) by class."""
    apart, own, hits = [], [], []
    for number, picture in pictures.items():
        seen = list(views_of(picture, views, seed=2**20))
        found = log_probabilities(reader, seen)
        apart.append(found[:, number].mean())
        hits.append((np.argsort(-found, axis=1)[:, :5] == number).any(1).mean())
        own.append(log_probabilities(maker, seen)[:, number].mean())
    grey = [picture.std((0, 1)).mean() < _GREY for picture in pictures.values()]
    return Read(*(float(np.mean(numbers)) for numbers in (apart, hits, own, grey)))


def table(results: Mapping[str, Mapping[str, Read]]) -> list[str]:
    """Return what was measured as a table in Markdown: by who reads whom, and by kind."""
    lines = [
        "| made by → read by | pictures | log-probability | first five | by their maker | grey |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for pair, by_kind in results.items():
        for kind, one in by_kind.items():
            lines.append(
                f"| {pair} | {kind} | {one.log_probability:.2f} | {one.top_five:.0%} | "
                f"{one.by_maker:.2f} | {one.grey:.0%} |"
            )
    return lines


def main() -> None:
    """Measure the classes that a seed draws."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", nargs=2, default=["squeezenet", "efficientnet_lite0"])
    parser.add_argument("--kinds", nargs="+", default=[], help="such as Fourier MACO; else all")
    parser.add_argument("--classes", type=int, default=50)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--steps", type=int, default=256)
    parser.add_argument("--views", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheet", type=Path, help="a row for each class, a column for each kind")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    try:
        _measure(arguments)
    except OnnxscopeError as error:
        parser.exit(1, f"{error}\n")


def _measure(arguments: argparse.Namespace) -> None:
    models, before = [osc.load(name) for name in arguments.models], load_average()
    compared, rng = chosen(arguments.kinds), np.random.default_rng(arguments.seed)
    classes = sorted(rng.choice(len(models[0].labels), arguments.classes, replace=False).tolist())
    results: dict[str, dict[str, Read]] = {}
    columns: list[list[np.ndarray]] = []
    for maker, reader in (models, models[::-1]):
        pair = f"{maker.name} → {reader.name}"
        results[pair] = {}
        for kind, make in compared.items():
            made = make(maker, classes, arguments.size, arguments.steps, arguments.seed)
            pictures = dict(zip(classes, made, strict=True))
            results[pair][kind] = read(pictures, maker, reader, arguments.views)
            columns.append(list(pictures.values()))
            if arguments.sheet:
                sheet = np.concatenate([np.concatenate(column) for column in columns], 1)
                Image.fromarray(np.rint(sheet * 255).astype(np.uint8)).save(arguments.sheet)
    facts = surroundings() | {"load_average": (before, load_average())}
    print("\n".join([*heading(facts), "", *table(results)]))
    if arguments.json:
        plain = {p: {k: asdict(r) for k, r in by_kind.items()} for p, by_kind in results.items()}
        publish(
            facts | {"steps": arguments.steps, "classes": classes, "read": plain}, arguments.json
        )


if __name__ == "__main__":
    main()
