"""One process of this benchmark: export a network, and what PyTorch computes with it.

Writes `model.onnx` and `reference.npz` into a folder and prints one line of JSON. The reference
holds the input, the cotangent of the network's output, output and gradient in float64, and how far
PyTorch's own float32 is from them.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cases import Case, cases
from torch import nn

SEED = 0
CLASSES = 50


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
    reference = _reference(network, x)
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
        """Class scores (N, classes, H, W)."""
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


def _reference(network: nn.Module, x: torch.Tensor) -> dict[str, np.ndarray]:
    generator = torch.Generator().manual_seed(SEED + 1)
    y, dx, dy = _differentiate(network, x, None, generator)
    y64, dx64, _ = _differentiate(network.double(), x.double(), dy.double(), generator)
    return {
        "x": x.numpy(),
        "dy": dy.numpy(),
        "y": y64.numpy(),
        "dx": dx64.numpy(),
        "error_y": _distance(y, y64),
        "error_dx": _distance(dx, dx64),
    }


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
