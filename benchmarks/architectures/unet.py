"""A small U-Net, as segmentation and diffusion use it."""

from __future__ import annotations

import torch
from torch import nn


class UNet(nn.Module):
    """Encoder and decoder with skips; transposed convolutions, group norm, bilinear resizing."""

    def __init__(self, width: int = 24, classes: int = 5) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width]
        self.down = nn.ModuleList(
            [_block(before, after) for before, after in zip([3, *widths], widths, strict=False)]
        )
        self.pool = nn.MaxPool2d(2)
        self.middle = _block(widths[-1], widths[-1])
        self.widen = nn.ConvTranspose2d(widths[-1], widths[-1], 2, stride=2)
        self.up = nn.ModuleList(
            [_block(8 * width, 2 * width), _block(4 * width, width), _block(2 * width, width)]
        )
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return class scores (N, classes, H, W)."""
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
            x = self.pool(x)
        x = self.widen(self.middle(x))
        for number, block in enumerate(self.up):
            skip = skips[-1 - number]
            if number:
                x = nn.functional.interpolate(
                    x, size=skip.shape[2:], mode="bilinear", align_corners=False
                )
            x = block(torch.cat([x, skip], 1))
        return self.head(x)


def _block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1),
        nn.GroupNorm(4, after),
        nn.SiLU(),
        nn.Conv2d(after, after, 3, padding=1),
        nn.GroupNorm(4, after),
        nn.ELU(),
    )
