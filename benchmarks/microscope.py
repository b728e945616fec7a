"""How many units a minute a microscope makes, beside rendering them one by one, and beside Lucent.

`python benchmarks/microscope.py fire6 --units 16 --rounds 3` makes channel pictures of units that
no round has made before, as many in each: by a project's own filling, as a draft (one graph for
all units of a layer) and with a graph each; by `onnxscope.render` in a loop; and, where PyTorch and
Lucent are installed, by Lucent's `render_vis`, of the same network written for PyTorch. They take
turns, so that other work on the machine falls on all alike; beside units a minute stands the time
of the processor, which other work changes less. What is counted is all of it: graphs, ascents, what
is known of each picture, and files on disk. Medians over the rounds; with ONNXSCOPE_GRAPH_CACHE=off
no earlier run's graphs are found.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import onnxscope as osc
from onnxscope.store.filling import fill
from onnxscope.store.plan import make_plan
from onnxscope.store.project import Project


def filled(
    model: osc.Model, layer: str, quality: str, size: int, steps: int
) -> Callable[..., None]:
    """Return what fills a new project with some units."""

    def work(units: range) -> None:
        plan = make_plan(
            model,
            [layer],
            units=f"{units.start}:{units.stop}",
            kinds=["channel"],
            quality=quality,
            size=size,
            steps=steps,
        )
        with tempfile.TemporaryDirectory() as folder:
            fill(plan, Project.create(Path(folder, "p"), model))

    return work


def alone(model: osc.Model, layer: str, size: int, steps: int) -> Callable[..., None]:
    """Return what renders some units one by one."""

    def work(units: range) -> None:
        for unit in units:
            osc.render(model, f"{layer}:{unit}", size=size, steps=steps, progress=False)

    return work


def by_lucent(model: osc.Model, layer: str, size: int, steps: int) -> Callable[..., None] | None:
    """Return what renders as many units by Lucent; `None` where it is not installed."""
    if find_spec("torch") is None or find_spec("lucent") is None:
        return None
    import torch
    from lucent.optvis import objectives, param
    from lucent.optvis import render as lucent
    from onnxscope.benchmarks.torch_network import torch_network

    network = torch.nn.Sequential(torch_network(model, layer, (1, 3, size, size))).eval()
    for buffer in network.buffers():
        buffer.requires_grad_(False)

    def work(units: range) -> None:
        for unit in units:
            lucent.render_vis(
                network,
                objectives.channel("0", unit),
                lambda: param.image(size),
                thresholds=(steps,),
                preprocess=False,
                # Else it enlarges what is smaller than 224, and computes four times as much.
                fixed_image_size=size,
                show_image=False,
                progress=False,
            )

    return work


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layer", nargs="?", default="fire6")
    parser.add_argument("--model", default="squeezenet")
    parser.add_argument("--units", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--steps", type=int, default=48)
    given = parser.parse_args()
    model = osc.load(given.model)
    size, steps = given.size, given.steps
    contestants = {
        "draft: one graph for all": filled(model, given.layer, "draft", size, steps),
        "good: a graph each": filled(model, given.layer, "good", size, steps),
        "render, one by one": alone(model, given.layer, size, steps),
        "Lucent, the same network": by_lucent(model, given.layer, size, steps),
    }
    times: dict[str, list[float]] = {name: [] for name, work in contestants.items() if work}
    busy: dict[str, list[float]] = {name: [] for name in times}
    for turn in range(given.rounds):
        units = range(turn * given.units, (turn + 1) * given.units)
        for name, work in contestants.items():
            if work is None:
                continue
            began, before = time.perf_counter(), time.process_time()
            work(units)
            times[name].append(time.perf_counter() - began)
            busy[name].append(time.process_time() - before)
            print(f"  round {turn + 1}, {name}: {times[name][-1]:.1f} s", flush=True)
    print(f"{given.model} {given.layer}, {size}×{size} pixels, {steps} steps, {given.units} units")
    print(f"  {'':28}{'units/min':>10}{'':>9}{'CPU s a unit':>14}")
    base = statistics.median(times["render, one by one"])
    base_busy = statistics.median(busy["render, one by one"])
    for name, found in times.items():
        middle, used = statistics.median(found), statistics.median(busy[name])
        print(
            f"  {name:28}{60 * given.units / middle:10.1f}{base / middle:7.2f} ×"
            f"{used / given.units:14.2f}{base_busy / used:7.2f} ×"
        )


if __name__ == "__main__":
    main()
