"""Maps of exported torchvision networks beside those of Captum: how far apart, and how fast.

Weights are random, drawn so that signals keep their size; what a network does to its input first is
part of the module, so that both explain pictures in [0, 1]. Distances are relative, in the L2 norm,
between maps after the sum, or the largest magnitude, over the colours. Both run on all threads, in
turns, and the better of some rounds counts; graphs are built and sessions opened before.

    python -m onnxscope.benchmarks.attribution --only resnet18 --json attribution.json

Needs PyTorch, torchvision, Captum and onnxscript.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..network.loading import load
from ..studies.explaining import Explainer
from ..studies.methods import IntegratedGradients, Method

CLASS = 7
STEPS = 20


@dataclass(frozen=True)
class Network:
    """A network of torchvision.

    Attributes:
        name: In torchvision.
        layer: A module whose output is looked at.
        grid: Of tokens, whether a class token stands before the patches.
        relu: Whether every ReLU is a module of its own kind, which Captum can change.
        channels_last: Whether the layer's channels are its last axis.
    """

    name: str
    layer: str
    grid: bool = False
    relu: bool = False
    channels_last: bool = False


NETWORKS = (
    Network("alexnet", "features", relu=True),
    Network("resnet18", "layer4", relu=True),
    Network("vgg11", "features", relu=True),
    Network("squeezenet1_1", "features.12"),
    Network("densenet121", "features"),
    Network("mobilenet_v2", "features"),
    Network("mobilenet_v3_small", "features"),
    Network("shufflenet_v2_x0_5", "conv5", relu=True),
    Network("mnasnet0_5", "layers", relu=True),
    Network("regnet_y_400mf", "trunk_output", relu=True),
    Network("efficientnet_b0", "features"),
    Network("googlenet", "inception5b"),
    Network("convnext_tiny", "features"),
    Network("vit_b_16", "encoder.layers.encoder_layer_10", grid=True),
    Network("swin_t", "features", channels_last=True),
)


@dataclass(frozen=True)
class Row:
    """What was found of a method on a network.

    Attributes:
        network: In torchvision.
        method: Here.
        apart: The distance of the maps, relative.
        allowed: What it may be: 1e-4, or three times that of Captum's own map from the one that it
            gives in float64, where roundings decide which side of a kink a ReLU is on.
        ours_ms: Milliseconds for the pictures here.
        captum_ms: Milliseconds for them with Captum.
    """

    network: str
    method: str
    apart: float
    allowed: float
    ours_ms: float
    captum_ms: float


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="networks with this in their name")
    parser.add_argument("--methods", help="methods, with commas between them")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    chosen = [n for n in NETWORKS if options.only is None or options.only in n.name]
    if not chosen:
        print(f"no network has {options.only} in its name", file=sys.stderr)
        return 2
    methods = None if options.methods is None else options.methods.split(",")
    rows: list[Row] = []
    for network in chosen:
        for row in compared(network, options.size, options.batch, options.rounds, methods):
            ratio = row.captum_ms / row.ours_ms
            print(
                f"{row.network:20} {row.method:24} {row.apart:8.1e} {row.ours_ms:9.1f} ms "
                f"{row.captum_ms:9.1f} ms  {ratio:5.2f}×",
                flush=True,
            )
            rows.append(row)
        if options.json is not None:
            options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    far = [row for row in rows if not row.apart <= row.allowed]
    ratios = [row.captum_ms / row.ours_ms for row in rows]
    median = float(np.median(ratios))
    print(f"{len(rows)} maps, {len(far)} further apart than rounding; median {median:.2f}× as fast")
    return 1 if far else 0


def compared(
    network: Network, size: int, batch: int, rounds: int, methods: list[str] | None
) -> list[Row]:
    """Compare all methods, or some, on one network."""
    import torch

    torch.manual_seed(0)
    module = _module(network.name)
    x = torch.rand(batch, 3, size, size)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(module, (x,), path, dynamo=True, verbose=False, input_names=["image"])
        model = load(path, input_range=(0, 1), compare=False)
        logits = model.logits()
    pictures = np.ascontiguousarray(x.numpy().transpose(0, 2, 3, 1))
    found = []
    for name, (method, theirs) in _captum(network, module, x).items():
        if methods is not None and name not in methods:
            continue
        layer = f"net.{network.layer}" if method_looks(method) else None
        explainer = Explainer(
            model, f"{logits}:{CLASS}", method, layer=layer, size=size, provider="cpu",
            batch_size=batch,
        )  # fmt: skip
        ours = explainer(pictures).maps
        expected = theirs().numpy()
        # A map of nothing but zeros has no length.
        apart = float(np.linalg.norm(ours - expected) / (np.linalg.norm(expected) or 1.0))
        allowed = 1e-4
        if apart > allowed:
            double = _captum(network, copy.deepcopy(module).double(), x.double())[name][1]()
            double = double.numpy()
            own = float(np.linalg.norm(expected - double) / np.linalg.norm(double))
            allowed = max(allowed, 3 * own)
        times: tuple[list[float], list[float]] = ([], [])
        turns: tuple[Callable[[], Any], ...] = (partial(explainer, pictures), theirs)
        for _ in range(rounds):
            for taken, run in zip(times, turns, strict=True):
                began = time.perf_counter()
                run()
                taken.append((time.perf_counter() - began) * 1e3)
        found.append(Row(network.name, name, apart, allowed, min(times[0]), min(times[1])))
    return found


def method_looks(method: Method | str) -> bool:
    """Return whether a method looks at a layer."""
    return isinstance(method, str) and method in ("grad_cam", "layer_x_gradient")


def _module(name: str) -> Any:
    """A network with random weights, which takes pictures in [0, 1]."""
    import torch
    import torchvision
    from torch import nn

    given = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    network = torchvision.models.get_model(name, weights=None, **given)

    class Prepared(nn.Module):  # type: ignore[misc]  # PyTorch is not there when types are checked
        def __init__(self) -> None:
            super().__init__()
            self.net = network
            self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
            self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.net((image - self.mean) / self.std)

    for part in network.modules():
        if hasattr(part, "inplace"):
            part.inplace = False
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight)
        # Scales that start next to nothing would leave nothing of a block to compare.
        for scale in ("layer_scale",):
            if isinstance(getattr(part, scale, None), nn.Parameter):
                nn.init.constant_(getattr(part, scale), 0.5)
    return Prepared().eval().requires_grad_(False)


def _captum(
    network: Network, module: Any, x: Any
) -> dict[str, tuple[Method | str, Callable[[], Any]]]:
    """By name a method here, and the same of Captum's."""
    import torch
    from captum import attr

    taken = module.get_submodule(f"net.{network.layer}")
    side = tuple(x.shape[2:])

    def image() -> Any:
        return x.clone().requires_grad_(True)

    def picture(maps: Any) -> Any:
        scaled = torch.nn.functional.interpolate(maps[:, None], side, mode="bilinear")
        return scaled[:, 0].detach()

    def cells(values: Any) -> Any:
        if network.grid:
            patches = values[:, 1:]
            height = round(patches.shape[1] ** 0.5)
            return patches.reshape(len(patches), height, height, -1).permute(0, 3, 1, 2)
        return values.permute(0, 3, 1, 2) if network.channels_last else values

    def grad_cam() -> Any:
        if not (network.grid or network.channels_last):
            cam = attr.LayerGradCam(module, taken)
            return picture(cam.attribute(image(), CLASS, relu_attributions=True)[:, 0])
        # Captum takes axis 1 for the channels, wherever they are.
        kept: list[Any] = []
        hook = taken.register_forward_hook(lambda _m, _i, output: kept.append(output))
        score = module(image())[:, CLASS].sum()
        hook.remove()
        values, slopes = cells(kept[0]), cells(torch.autograd.grad(score, kept[0])[0])
        return picture(torch.relu((values * slopes.mean((2, 3), keepdim=True)).sum(1)))

    def layer_x_gradient() -> Any:
        found = attr.LayerGradientXActivation(module, taken).attribute(image(), CLASS)
        return picture(cells(found).sum(1))

    def integrated() -> Any:
        method = attr.IntegratedGradients(module)
        found = method.attribute(image(), target=CLASS, n_steps=STEPS, internal_batch_size=None)
        return found.sum(1).detach()

    methods: dict[str, tuple[Method | str, Callable[[], Any]]] = {
        "saliency": (
            "saliency",
            lambda: attr.Saliency(module).attribute(image(), CLASS).amax(1).detach(),
        ),
        "input_x_gradient": (
            "input_x_gradient",
            lambda: attr.InputXGradient(module).attribute(image(), CLASS).sum(1).detach(),
        ),
        "integrated_gradients": (IntegratedGradients(steps=STEPS), integrated),
        "grad_cam": ("grad_cam", grad_cam),
        "layer_x_gradient": ("layer_x_gradient", layer_x_gradient),
    }
    if network.relu:
        guided, deconvolution = attr.GuidedBackprop(module), attr.Deconvolution(module)
        methods["guided_backpropagation"] = (
            "guided_backpropagation",
            lambda: guided.attribute(image(), CLASS).abs().amax(1).detach(),
        )
        methods["deconvnet"] = (
            "deconvnet",
            lambda: deconvolution.attribute(image(), CLASS).abs().amax(1).detach(),
        )
    return methods


if __name__ == "__main__":
    sys.exit(main())
