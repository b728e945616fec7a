"""One process of this benchmark: export a network, and what PyTorch computes with it.

Writes `model.onnx` and `reference.npz` into a folder and prints one line of JSON. The reference
holds inputs, cotangents of the network's output, outputs and gradients in float64, and how far
PyTorch's own float32 is from them.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cases import Case, cases
from torch import nn
from torch.nn import functional

SEED = 0
CLASSES = 50
PICTURES, CANDIDATES = 3, 12
STEADY = 3e-4


def main() -> None:
    """Export the case that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("key")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    case = next(case for case in cases() if case.key == options.key)
    network = _network(case)
    shape = (_batch(case), 3, case.size, case.size)
    _enliven(network, shape)
    x = torch.randn(shape)
    began = time.perf_counter()
    _export(network, x, case, options.folder / "model.onnx")
    seconds = time.perf_counter() - began
    parameters = sum(parameter.numel() for parameter in network.parameters())
    reference = _reference(network, shape)
    np.savez(options.folder / "reference.npz", **reference)
    print(json.dumps({"export_s": round(seconds, 1), "parameters": parameters}))


def _batch(case: Case) -> int:
    return 2 if "batch" in case.open_dims else 1


def _network(case: Case) -> nn.Module:
    if case.library == "own":
        from unet import UNet

        network: nn.Module = UNet()
    elif case.library == "timm":
        network = _timm(case)
    else:
        import torchvision

        weights: dict[str, Any] = {"weights": None}
        if case.name.startswith(("deeplab", "lraspp", "fcn")):
            weights["weights_backbone"] = None
        made = torchvision.models.get_model(
            case.name, num_classes=CLASSES, **weights, **case.keywords
        )
        network = _Out(made) if "weights_backbone" in weights else made
    return network.eval().requires_grad_(False)


class _Out(nn.Module):
    """A segmentation network, which gives a dictionary, with its `out` alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return class scores (N, classes, H, W)."""
        return self.network(x)["out"]


def _timm(case: Case) -> nn.Module:
    import timm

    keywords = {"num_classes": CLASSES} | case.keywords
    configured = timm.models.get_pretrained_cfg(case.name)
    fixed = configured is not None and configured.fixed_input_size
    if fixed and configured.input_size[-1] != case.size:
        keywords["img_size"] = case.size
    try:
        return timm.create_model(case.name, exportable=True, **keywords)
    except TypeError:
        # Not all constructors know img_size; those with open sizes get by without.
        keywords.pop("img_size", None)
        return timm.create_model(case.name, exportable=True, **keywords)


@torch.no_grad()
def _enliven(network: nn.Module, shape: tuple[int, ...]) -> None:
    """Give a network that has just been initialised what training would have given it.

    Scales of residual branches that start at 0 or 1e-6, and last layers that start at zero, would
    hide most of a network from its gradient; weights drawn for training from small numbers would
    leave attention uniform. Statistics of batch normalisation come from random pictures.
    """
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            _enliven_parameter(module, name, parameter)
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    network(torch.randn(4, *shape[1:]))
    for norm in norms:
        norm.eval()


def _enliven_parameter(module: nn.Module, name: str, parameter: torch.Tensor) -> None:
    largest = parameter.abs().max()
    fan_in = parameter[0].numel() if parameter.ndim >= 2 else 1
    if name == "bias":
        parameter.add_(0.1 * torch.randn_like(parameter))
    elif isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d) and name == "weight":
        spread = parameter.std() * fan_in**0.5
        if not 0.5 <= spread <= 2:
            parameter.copy_(torch.randn_like(parameter) / fan_in**0.5)
    elif largest < 1e-2 and parameter.ndim >= 2 and parameter.squeeze().ndim >= 2:
        # Tables of positions and the like that start at zero.
        parameter.copy_(0.3 * torch.randn_like(parameter))
    elif largest < 1e-2 or (parameter.std() if parameter.numel() > 1 else 0) == 0:
        # Scales: of normalisations, of layers, of skipped initialisations.
        parameter.copy_(torch.empty_like(parameter).uniform_(0.5, 1.2))


def _export(network: nn.Module, x: torch.Tensor, case: Case, path: Path) -> None:
    axes = {}
    if "batch" in case.open_dims:
        axes[0] = "batch"
    if "size" in case.open_dims:
        axes |= {2: "height", 3: "width"}
    common: dict[str, Any] = {
        "input_names": ["input"],
        "output_names": ["output"],
        "opset_version": case.opset,
    }
    if case.exporter == "torchscript":
        dynamic = {"dynamic_axes": {"input": axes}} if axes else {}
        torch.onnx.export(network, (x,), str(path), dynamo=False, **common, **dynamic)
        return
    shapes = dict.fromkeys(axes, torch.export.Dim.DYNAMIC)
    dynamic = {"dynamic_shapes": (shapes,)} if axes else {}
    torch.onnx.export(
        network,
        (x,),
        str(path),
        dynamo=True,
        external_data=False,
        verbose=False,
        **common,
        **dynamic,
    )


def _reference(network: nn.Module, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Three pictures (first axis of all entries) with what PyTorch computes for them.

    Where a unit lies within rounding of the kink of a ReLU or of two equals in a maximum, every
    float32 computation has its own idea of the gradient. So pictures are drawn until three are
    found whose float64 gradient stands fast when they are moved by some float32 roundings; where
    there are none, those that move it least are taken.
    """
    functional.batch_norm = _batch_norm
    double = copy.deepcopy(network).double()
    generator = torch.Generator().manual_seed(SEED + 1)
    drawn: list[tuple[float, dict[str, np.ndarray]]] = []
    for _ in range(CANDIDATES):
        x = torch.randn(shape, generator=generator)
        y, dx, dy = _differentiate(network, x, None, generator)
        y64, dx64, _ = _differentiate(double, x.double(), dy.double(), generator)
        entry = {
            "x": x.numpy(),
            "dy": dy.numpy(),
            "y": y64.numpy(),
            "dx": dx64.numpy(),
            "error_y": _distance(y, y64),
            "error_dx": _distance(dx, dx64),
        }
        movement = float(entry["error_dx"])
        for _ in range(3):
            noise = torch.randn(shape, generator=generator)
            _, moved, _ = _differentiate(double, x * (1 + 1e-5 * noise.double()), dy, generator)
            movement = max(movement, float(_distance(moved, dx64)))
        drawn.append((movement, entry))
        if sum(movement < STEADY for movement, _ in drawn) == PICTURES:
            break
    drawn.sort(key=lambda pair: pair[0])
    best = [entry for _, entry in drawn[:PICTURES]]
    return {name: np.stack([entry[name] for entry in best]) for name in best[0]}


_torch_batch_norm = functional.batch_norm


def _batch_norm(*arguments: Any, **keywords: Any) -> torch.Tensor:
    """PyTorch's, with cotangents in the usual layout.

    PyTorch 2.13's backward pass on the CPU is wrong for one picture whose cotangent is a transposed
    view, as behind attention: it differs from finite differences by its own size.
    """
    y = _torch_batch_norm(*arguments, **keywords)
    if y.requires_grad:
        y.register_hook(torch.Tensor.contiguous)
    return y


def _differentiate(
    network: nn.Module, x: torch.Tensor, dy: torch.Tensor | None, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    x = x.detach().requires_grad_(True)
    y = network(x)
    if dy is None:
        dy = torch.randn(y.shape, generator=generator)
    (dx,) = torch.autograd.grad(y, x, dy.to(y.dtype))
    return y.detach(), dx, dy


def _distance(x: torch.Tensor, y: torch.Tensor) -> np.ndarray:
    """Relative, in the L2 norm."""
    return ((x.double() - y).norm() / y.norm()).numpy()


if __name__ == "__main__":
    main()
