"""Maps of exported torchvision networks beside those of Captum: how far apart, and how fast.

Weights are random, drawn so that signals keep their size; what a network does to its input first
is part of the module, so that both explain pictures in [0, 1]. Files are exported with an open
batch. Distances are relative, in the L2 norm, between maps after the sum, or the largest magnitude,
over the colours. Both run on all cores that the process may use, in turns, and the median of the
turns' ratios counts; graphs are built and sessions opened before. Where other work is done on the
machine, CPU time on one core is what can be compared: `taskset -c 0 …  --cpu-time`.

Roundings decide which side of a kink a ReLU is on that is next to zero, and then its whole gradient
is there or not. Where maps are further apart than 1e-4, both are compared with Captum's in float64
as well; integrated gradients at each point of the way, and without the points at which either of
both is on the other side.

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

from ..errors import LayerError
from ..network.loading import load
from ..network.model import Model
from ..studies.explaining import Explainer
from ..studies.method import Method
from ..studies.methods import IntegratedGradients

STEPS = 20
APART = 1e-4


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
    Network("convnext_tiny", "features.7.2"),
    Network("vit_b_16", "encoder.layers.encoder_layer_10", grid=True),
    Network("swin_t", "features.7.1", channels_last=True),
)


@dataclass(frozen=True)
class Row:
    """What was found of a method on a network.

    Attributes:
        network: In torchvision.
        method: Here.
        apart: The distance of the maps, relative.
        from_double: Where that is more than `APART`, ours and Captum's from what Captum gives in
            float64.
        kinks: Then, of integrated gradients, at how many points either of both is on another side
            of a kink than float64.
        rest: And how far apart they are without these points.
        ours_ms: Milliseconds for the pictures here, the median.
        captum_ms: Milliseconds for them with Captum, the median.
        ratio: The median over the turns of Captum's time over ours.
    """

    network: str
    method: str
    apart: float
    from_double: tuple[float, float] | None
    kinks: int | None
    rest: float | None
    ours_ms: float
    captum_ms: float
    ratio: float

    @property
    def same(self) -> bool:
        """Whether the maps are the same, but for kinks."""
        if self.rest is not None:
            return self.rest <= APART
        if self.from_double is not None:
            ours, captum = self.from_double
            return ours <= max(APART, 3 * captum)
        return self.apart <= APART


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="networks with this in their name")
    parser.add_argument("--methods", help="methods, with commas between them")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cpu-time", action="store_true", help="compare that, not what passes")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    chosen = [n for n in NETWORKS if options.only is None or options.only in n.name]
    if not chosen:
        print(f"no network has {options.only} in its name", file=sys.stderr)
        return 2
    methods = None if options.methods is None else options.methods.split(",")
    clock = time.process_time if options.cpu_time else time.perf_counter
    rows: list[Row] = []
    for network in chosen:
        for row in compared(network, options.size, options.batch, options.rounds, methods, clock):
            print(
                f"{row.network:20} {row.method:24} {row.apart:8.1e} {row.ours_ms:9.1f} ms "
                f"{row.captum_ms:9.1f} ms  {row.ratio:5.2f}×{_in_words(row)}",
                flush=True,
            )
            rows.append(row)
        if options.json is not None:
            options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    far = [row for row in rows if not row.same]
    for method in dict.fromkeys(row.method for row in rows):
        ratios = [row.ratio for row in rows if row.method == method]
        print(
            f"{method:24} {float(np.median(ratios)):5.2f}× as fast in the median of {len(ratios)} "
            f"networks, {min(ratios):.2f}× at least"
        )
    print(f"{len(rows)} maps, {len(far)} further apart than by kinks")
    return 1 if far else 0


def _in_words(row: Row) -> str:
    if row.from_double is None:
        return ""
    ours, captum = row.from_double
    text = f"  from float64: {ours:.1e} and Captum's {captum:.1e}"
    return text if row.rest is None else f"{text}; {row.kinks} kinks, {row.rest:.1e} without"


def compared(
    network: Network,
    size: int,
    batch: int,
    rounds: int,
    methods: list[str] | None,
    clock: Callable[[], float],
) -> list[Row]:
    """Compare all methods, or some, on one network."""
    import torch

    torch.manual_seed(0)
    module = _module(network.name, size)
    x = torch.rand(max(batch, 2), 3, size, size)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module,
                (x,),
                path,
                dynamo=True,
                verbose=False,
                input_names=["image"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
            )
        model = load(path, input_range=(0, 1), compare=False)
        logits = model.logits()
    x = x[:batch]
    # A class that is for sure: of another there may be nothing but zeros behind a ReLU.
    chosen = int(module(x)[0].argmax())
    pictures = np.ascontiguousarray(x.numpy().transpose(0, 2, 3, 1))
    found = []
    for name, (method, theirs) in _captum(network, module, x, chosen).items():
        if methods is not None and name not in methods:
            continue
        layer = f"net.{network.layer}" if method_looks(method) else None
        try:
            explainer = Explainer(
                model, f"{logits}:{chosen}", method, layer=layer, size=size, provider="cpu"
            )
        except LayerError as error:
            print(f"{network.name:20} {name:24} not compared: {error}", file=sys.stderr)
            continue
        ours = explainer(pictures).maps
        expected = theirs().numpy()
        apart = _apart(ours, expected)
        from_double = kinks = rest = None
        if apart > APART:
            double_module = copy.deepcopy(module).double()
            double = _captum(network, double_module, x.double(), chosen)[name][1]().numpy()
            from_double = _apart(ours, double), _apart(expected, double)
            if isinstance(method, IntegratedGradients):
                kinks, rest = _kinks(
                    model, f"{logits}:{chosen}", method, (module, double_module), x
                )
        times: tuple[list[float], list[float]] = ([], [])
        turns: tuple[Callable[[], Any], ...] = (partial(explainer, pictures), theirs)
        for turn in range(rounds):
            # By turns the first.
            for at in (0, 1) if turn % 2 else (1, 0):
                began = clock()
                turns[at]()
                times[at].append((clock() - began) * 1e3)
        ratios = [captum / own for own, captum in zip(*times, strict=True)]
        ours_ms, captum_ms = (float(np.median(taken)) for taken in times)
        ratio = float(np.median(ratios))
        found.append(
            Row(
                network.name, name, apart, from_double, kinks, rest, ours_ms, captum_ms, ratio
            )
        )  # fmt: skip
    return found


def _apart(found: np.ndarray, expected: np.ndarray) -> float:
    # A map of nothing but zeros has no length.
    return float(np.linalg.norm(found - expected) / (np.linalg.norm(expected) or 1.0))


def _kinks(
    model: Model, target: str, method: IntegratedGradients, modules: tuple[Any, Any], x: Any
) -> tuple[int, float]:
    """At how many points gradients are on another side of a kink, and the distance without them."""
    import torch
    from captum import attr

    places, weights = (array[1:-1] for array in method.path)
    index = int(target.rpartition(":")[2])
    ours = Explainer(model, target, "input_x_gradient", size=x.shape[2:], provider="cpu")
    total = np.zeros(x.shape[:1] + x.shape[2:])
    parts, kinks = np.zeros_like(total), 0
    for place, weight in zip(places, weights, strict=True):
        point = x * torch.tensor(place, dtype=x.dtype)
        found = ours(np.ascontiguousarray(point.numpy().transpose(0, 2, 3, 1))).maps
        single, double = (
            attr.InputXGradient(one).attribute(
                point.to(next(one.parameters()).dtype).requires_grad_(True), index
            ).sum(1).detach().numpy()
            for one in modules
        )  # fmt: skip
        total += double / place * weight
        if max(_apart(found, double), _apart(single, double)) > APART:
            kinks += 1
        else:
            parts += (found - single) / place * weight
    return kinks, float(np.linalg.norm(parts) / np.linalg.norm(total))


def method_looks(method: Method | str) -> bool:
    """Return whether a method looks at a layer."""
    return isinstance(method, str) and method in ("grad_cam", "layer_x_gradient")


def _module(name: str, size: int) -> Any:
    """A network with random weights, which takes pictures in [0, 1]."""
    import torch
    import torchvision
    from torch import nn

    given: dict[str, Any] = {}
    if name == "googlenet":
        given = {"init_weights": False, "aux_logits": False}
    elif name.startswith("vit"):
        given = {"image_size": size}
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
    network: Network, module: Any, x: Any, chosen: int
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
            return picture(cam.attribute(image(), chosen, relu_attributions=True)[:, 0])
        # Captum takes axis 1 for the channels, wherever they are.
        kept: list[Any] = []
        hook = taken.register_forward_hook(lambda _m, _i, output: kept.append(output))
        score = module(image())[:, chosen].sum()
        hook.remove()
        values, slopes = cells(kept[0]), cells(torch.autograd.grad(score, kept[0])[0])
        return picture(torch.relu((values * slopes.mean((2, 3), keepdim=True)).sum(1)))

    def layer_x_gradient() -> Any:
        found = attr.LayerGradientXActivation(module, taken).attribute(image(), chosen)
        return picture(cells(found).sum(1))

    def integrated() -> Any:
        method = attr.IntegratedGradients(module)
        found = method.attribute(image(), target=chosen, n_steps=STEPS, internal_batch_size=None)
        return found.sum(1).detach()

    methods: dict[str, tuple[Method | str, Callable[[], Any]]] = {
        "saliency": (
            "saliency",
            lambda: attr.Saliency(module).attribute(image(), chosen).amax(1).detach(),
        ),
        "input_x_gradient": (
            "input_x_gradient",
            lambda: attr.InputXGradient(module).attribute(image(), chosen).sum(1).detach(),
        ),
        "integrated_gradients": (IntegratedGradients(steps=STEPS), integrated),
        "grad_cam": ("grad_cam", grad_cam),
        "layer_x_gradient": ("layer_x_gradient", layer_x_gradient),
    }
    if network.relu:
        guided, deconvolution = attr.GuidedBackprop(module), attr.Deconvolution(module)
        methods["guided_backpropagation"] = (
            "guided_backpropagation",
            lambda: guided.attribute(image(), chosen).abs().amax(1).detach(),
        )
        methods["deconvnet"] = (
            "deconvnet",
            lambda: deconvolution.attribute(image(), chosen).abs().amax(1).detach(),
        )
    return methods


if __name__ == "__main__":
    sys.exit(main())
