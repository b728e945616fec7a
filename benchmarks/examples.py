"""Photographs a second, beside a plain loop of ONNX Runtime and Pillow, and the memory needed.

The loop is what one writes: open, cut and scale with Pillow, run the model with the layer as its
output on all threads, take each unit's maximum with NumPy. Both do the same files in turns, a part
of the folder each round, and who begins changes; sessions are opened before. `--once` is one whole
call in a process of its own, with its peak of memory.

    python -m onnxscope.benchmarks.examples photos/ --model squeezenet --layer fire8
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from ..network.exposing import expose
from ..network.loading import load
from ..network.model import Model
from ..network.photos import pixels_of
from ..photo_files import PhotoFiles
from ..studies.collecting import examples
from ..studies.looking import Look
from ..studies.measuring import Measure, aims_of
from ..studies.ranking import Ranking, drawn_sample


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark, and print what was found.

    Args:
        arguments: Of the command line.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", type=Path, help="a folder")
    parser.add_argument("--model", default="squeezenet", help="a name of the catalogue")
    parser.add_argument("--layer", default="fire8")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--once", action="store_true", help="one call, and its peak of memory")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    if given.once:
        found = _once(given.model, given.layer, given.photos)
    else:
        found = _side_by_side(load(given.model), given.layer, given.photos, given.rounds)
        command = [sys.executable, "-m", "onnxscope.benchmarks.examples", str(given.photos)]
        command += ["--model", given.model, "--layer", given.layer, "--once", "--json"]
        alone = subprocess.run(command, check=True, capture_output=True, text=True)
        found |= json.loads(alone.stdout)
    if given.json:
        print(json.dumps(found, indent=1))
    else:
        for name, value in found.items():
            print(f"{name:28} {value:.4g}" if isinstance(value, float) else f"{name:28} {value}")
    return 0


def _once(model: str, layer: str, photos: Path) -> dict[str, float]:
    began = time.perf_counter()
    found = examples(model, layer, photos)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "whole call, seconds": seconds,
        "photos": found.seen,
        "peak of memory, MiB": peak / 2**20,
    }


def _side_by_side(model: Model, layer: str, photos: Path, rounds: int) -> dict[str, float]:
    files = PhotoFiles.found(photos).files
    aims = aims_of(model, layer)
    look = Look(model, aims, Measure(), pixels_of(model, None), "cpu", None)
    plain = _plain_loop(model, layer)
    rates: dict[str, list[float]] = {"onnxscope": [], "plain loop": []}
    apart = 0.0
    for number, part in enumerate(np.array_split(np.arange(len(files)), rounds)):
        chosen = [files[at] for at in part]
        ranking = Ranking(len(aims[0].units), 8, len(chosen))
        slots = drawn_sample(len(chosen), len(chosen), 0)

        def ours(
            chosen: list[Path] = chosen, ranking: Ranking = ranking, slots: np.ndarray = slots
        ) -> np.ndarray:
            for found in look.at(chosen, 0):
                ranking.add(found.photos, found.values[0], found.places[0], slots[found.photos])
            return ranking.sample

        runs: list[tuple[str, Callable[[], np.ndarray]]] = [
            ("onnxscope", ours),
            ("plain loop", partial(plain, chosen)),
        ]
        values = {}
        for name, run in runs if number % 2 else runs[::-1]:
            began = time.perf_counter()
            values[name] = run()
            rates[name].append(len(chosen) / (time.perf_counter() - began))
        apart = max(apart, float(np.abs(values["onnxscope"] - values["plain loop"]).max()))
    ratios = [a / b for a, b in zip(rates["onnxscope"], rates["plain loop"], strict=True)]
    return {
        **{f"{name}, photos/s": statistics.median(of) for name, of in rates.items()},
        "ratio, median of rounds": statistics.median(ratios),
        "ratio, least": min(ratios),
        "values differ by": apart,
    }


def _plain_loop(model: Model, layer: str) -> Callable[[Sequence[Path]], np.ndarray]:
    proto = expose(model, layer, cut=True)
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    size = model.size

    def run(files: Sequence[Path]) -> np.ndarray:
        strongest = []
        for file in files:
            with Image.open(file) as opened:
                image = opened.convert("RGB")
            side = min(image.size)
            left, top = (image.width - side) / 2, (image.height - side) / 2
            box = (left, top, left + side, top + side)
            image = image.resize((size, size), Image.Resampling.BICUBIC, box)
            array = np.asarray(image, np.float32).transpose(2, 0, 1)[None] / 255
            (values,) = session.run(None, {name: array})
            cells = values.reshape(values.shape[1], -1)
            cells.argmax(axis=1)
            strongest.append(cells.max(axis=1))
        return np.stack(strongest)

    return run


if __name__ == "__main__":
    sys.exit(main())
