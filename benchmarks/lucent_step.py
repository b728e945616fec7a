"""Lucent's own `render_vis`, its own Inception v1, its own picture and transforms."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any


def climb(target: str, size: int, batch: int, clock: Callable[[], bool]) -> None:
    """Run Lucent until the clock asks for the end.

    Lucent puts everything on CUDA where PyTorch has it. The network has random weights, which
    Lucent would otherwise download.

    Args:
        target: `LAYER:CHANNEL` by Lucid's names.
        size: Height and width of the pictures.
        batch: How many.
        clock: Called after each step; `False` asks for the end.
    """
    import torch
    from lucent.modelzoo import inceptionv1
    from lucent.optvis import param, render

    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = inceptionv1(pretrained=False).to(device).eval()
    # What Lucent warns of is between it and newer versions of PyTorch.
    warnings.simplefilter("ignore")
    with suppress(StopIteration):
        render.render_vis(
            network,
            target,
            param_f=lambda: param.image(size, batch=batch),
            optimizer=lambda parameters: _TimedOptimizer(
                torch.optim.Adam(parameters, lr=0.05), clock
            ),
            thresholds=(10**9,),
            progress=False,
            show_image=False,
        )


class _TimedOptimizer:
    """Lucent's default optimizer, with the clock behind each step."""

    def __init__(self, optimizer: Any, clock: Callable[[], bool]) -> None:
        self._optimizer, self._clock = optimizer, clock

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self._optimizer.zero_grad()

    def step(self, closure: Callable[[], Any]) -> None:
        """Make a step.

        Raises:
            StopIteration: the clock asks for the end.
        """
        # On CUDA the value waits for the step to be done.
        self._optimizer.step(closure).item()
        if not self._clock():
            raise StopIteration
