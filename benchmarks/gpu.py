"""Everything that a CUDA device shows, in one command.

    python benchmarks/gpu.py --json gpu.json

First whether it is right: gradients on CUDA against those on the CPU, for four architectures, three
objectives and three precisions; every graph must run on CUDA whole, and whole steps must let
themselves be captured. Then how fast it is: Inception v1, mixed4a:11, one picture and 64, against
PyTorch cut at the layer with frozen weights.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from onnxscope.ascent.compiled_climber import CompiledClimber, CompiledSessions
from onnxscope.ascent.optimizers import Adam
from onnxscope.ascent.streams import Streams
from onnxscope.benchmarks import graphs
from onnxscope.benchmarks.machine import load_average, surroundings
from onnxscope.benchmarks.report import Measurement, bench, heading, publish
from onnxscope.benchmarks.subject import Subject, save_random
from onnxscope.errors import DownloadError, ModelError, OnnxscopeError
from onnxscope.models import fetch
from onnxscope.network.loading import load
from onnxscope.runtime.session import choose_provider

_SIZE = 224
_CAPTURED = 6
_NAMES = (
    "onnxscope",
    "onnxscope-uncaptured",
    "torch",
    "torch-channels-last",
    "torch-compile",
    "onnxscope-network",
    "torch-network",
    "torch-network-channels-last",
    "onnxscope-forward",
    "peak",
)
_UNITS = {
    "inception_v1": ("mixed4a", 11),
    "inception_v3": ("mixed_4", 300),
    "squeezenet": ("fire5", 101),
    "efficientnet_lite0": ("blocks_10", 11),
}
_LIMITS = {"float32": (2e-2, 0.9998), "tf32": (0.5, 0.9), "float16": (0.5, 0.9)}
"""By precision, the largest relative difference and the least cosine. With ten bits, masks of ReLU
and winners of pools flip; that is bounded here, not judged."""


@dataclass(frozen=True)
class Check:
    """A gradient on CUDA against the CPU's.

    Attributes:
        architecture: Of the network.
        objective: Its kind.
        precision: On CUDA.
        value: Relative difference of the objective.
        distance: Relative L2 distance of the gradients.
        cosine: Of the angle between them.
        capture: `captured`, or why the whole step is not captured as a CUDA graph.
        problem: Why there is no comparison; empty where there is one.
    """

    architecture: str
    objective: str
    precision: str
    value: float = float("nan")
    distance: float = float("nan")
    cosine: float = float("nan")
    capture: str = ""
    problem: str = ""

    @property
    def good(self) -> bool:
        """Whether it is within the limits, and everything ran on CUDA."""
        most, least = _LIMITS[self.precision]
        return not self.problem and self.distance <= most and self.cosine >= least

    def line(self) -> str:
        """Write it for people."""
        head = f"{self.architecture:20} {self.objective:8} {self.precision:8}"
        if self.problem:
            return f"{head} FAILED: {self.problem}"
        return (
            f"{head} value {self.value:8.1e}  L2 {self.distance:8.1e}  cosine {self.cosine:.6f}  "
            f"{'ok' if self.good else 'TOO FAR':8} {self.capture}"
        )


def main() -> int:
    """Check, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=20, help="that count in each round")
    parser.add_argument("--batch", type=int, default=64, help="of the rows with many pictures")
    parser.add_argument("--only", choices=("checks", "speed"), help="half of it")
    parser.add_argument("--json", type=Path, help="also write it all to this file")
    options = parser.parse_args()
    try:
        choose_provider("cuda")
    except OnnxscopeError as error:
        print(f"nothing to measure: {error}", file=sys.stderr)
        return 2
    facts = surroundings()
    before = load_average()
    checks: list[Check] = []
    tables: list[Measurement] = []
    with tempfile.TemporaryDirectory() as folder:
        if options.only != "speed":
            checks = _checks(Path(folder))
        if options.only != "checks":
            tables = _tables(Path(folder), options)
    facts["load_average"] = [before, load_average()]
    print("\n".join(["", *heading(facts)]))
    for table in tables:
        print("\n".join(["", *table.lines()]))
    facts["checks"] = [asdict(check) | {"good": check.good} for check in checks]
    facts["measurements"] = [table.to_json() for table in tables]
    if options.json is not None:
        publish(facts, options.json)
    bad = sum(not check.good for check in checks)
    print(f"\n{len(checks) - bad} of {len(checks)} checks passed")
    return 1 if bad else 0


def _checks(folder: Path) -> list[Check]:
    found = []
    for architecture, (layer, unit) in _UNITS.items():
        source = _real_or_random(architecture, folder)
        for kind in ("channel", "neuron", "layer"):
            seen = _firing(source, layer) if kind == "neuron" else unit
            target = layer if kind == "layer" else f"{layer}:{seen}"
            for precision in _LIMITS:
                check = _check(architecture, source, target, kind, precision)
                print(check.line(), flush=True)
                found.append(check)
    return found


def _check(architecture: str, source: str, target: str, kind: str, precision: str) -> Check:
    here = Check(architecture, kind, precision)
    try:
        subject = Subject.of(
            source, target, kind=kind, size=_SIZE, provider="cuda", precision=precision
        )
        expected = _outputs(replace(subject, provider="cpu", precision="float32"))
        found = _outputs(subject)
        note = _capture(subject)
    except OnnxscopeError as error:
        return replace(here, problem=str(error))
    a, b = (np.float64(outputs["grad_image"]).ravel() for outputs in (found, expected))
    norm = np.linalg.norm(b)
    if norm == 0:
        return replace(here, problem="the gradient is zero: choose another unit")
    value, wanted = float(found["value"][0]), float(expected["value"][0])
    return replace(
        here,
        value=abs(value - wanted) / abs(wanted),
        distance=float(np.linalg.norm(a - b) / norm),
        cosine=float(a @ b / (norm * np.linalg.norm(a) + 1e-300)),
        capture=note or "captured",
    )


def _firing(source: str, layer: str) -> int:
    """The unit whose middle cell fires most: a neuron that is off has no gradient."""
    activations = load(source).activations(_picture()[0].transpose(1, 2, 0), layer)[layer]
    height, width = activations.shape[2:]
    return int(activations[0, :, height // 2, width // 2].argmax())


def _picture() -> np.ndarray:
    """A picture (1, 3, H, W) of coarse squares: on noise, deep units are off."""
    coarse = np.random.default_rng(0).random((1, 3, _SIZE // 16, _SIZE // 16), np.float32)
    return coarse.repeat(16, 2).repeat(16, 3)


def _outputs(subject: Subject) -> dict[str, np.ndarray]:
    """Value and gradient; a node that would go to the CPU is an error of the session."""
    runner = graphs.Runner(graphs.gradient(subject), subject.provider, subject.precision)
    runner.bind({"image": _picture()})
    runner.run()
    return runner.outputs()


def _capture(subject: Subject) -> str:
    """Why whole steps are not captured as CUDA graphs, found by making some; empty where they are.

    Both buffers of the state take their turns, and each is captured and replayed.
    """
    composition = graphs.composition(subject)
    streams = Streams(composition, 0)
    climber = CompiledClimber(CompiledSessions(composition, Adam(), "cuda"), streams.parameters())
    values = [climber.step(streams.data(), redirect=False)[0] for _ in range(_CAPTURED)]
    if not np.isfinite(values).all():
        raise ModelError("a captured step gave what is not finite")
    return climber.provider.note


def _tables(folder: Path, options: argparse.Namespace) -> list[Measurement]:
    source = save_random("inception_v1", folder)
    found = []
    for batch, precision in (
        (1, "tf32"),
        (1, "float16"),
        (options.batch, "tf32"),
        (options.batch, "float16"),
        (1, "float32"),
    ):
        subject = Subject.of(
            source,
            "mixed4a:11",
            size=_SIZE,
            batch=batch,
            provider="cuda",
            precision=precision,
        )
        table = bench(subject, rounds=options.rounds, steps=options.steps, say=_say, names=_NAMES)
        print("\n".join(["", *table.lines()]), flush=True)
        found.append(table)
    return found


def _real_or_random(name: str, folder: Path) -> str:
    if name not in ("squeezenet", "efficientnet_lite0"):
        # Real ones would be a download.
        return save_random(name, folder)
    try:
        return str(fetch(name))
    except DownloadError:
        return save_random(name, folder)


def _say(text: str) -> None:
    print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
