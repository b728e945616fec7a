"""The contact sheet of the README: Inception v3 and SqueezeNet, unit by unit.

    python examples/contact_sheet.py --inception-v3 inception_v3.onnx -o docs/contact_sheet.jpg

Every row of the first part is one unit of Inception v3 as a channel, as a neuron and as the
channel's negative; the second part shows eight channels of SqueezeNet. The Inception file is what
`onnxscope convert` makes of Google's weights.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxscope as osc
from PIL import Image, ImageDraw, ImageFont

INCEPTION = [("mixed_2", 50), ("mixed_4", 300), ("mixed_6", 5), ("mixed_6", 400)]
SQUEEZENET = [
    ("fire3", 40), ("fire4", 11), ("fire5", 100), ("fire6", 20),
    ("fire7", 33), ("fire8", 5), ("fire9", 300), ("fire9", 77),
]  # fmt: skip
KINDS: dict[str, Callable[[str, int], osc.Objective]] = {
    "channel": osc.channel,
    "neuron": osc.neuron,
    "negative": lambda layer, unit: -osc.before_activation(osc.channel(layer, unit)),
}
SIZE = 224
GAP = 6
CAPTION = 20


def main() -> None:
    """Render all pictures and join them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inception-v3", type=Path, required=True, help="the converted model")
    parser.add_argument("--steps", type=int, default=512)
    parser.add_argument("--provider", default="auto")
    parser.add_argument("-o", "--output", type=Path, default=Path("contact_sheet.png"))
    arguments = parser.parse_args()
    inception = osc.load(str(arguments.inception_v3))
    squeezenet = osc.load("squeezenet")
    parts = [
        [render(inception, *unit, kind, arguments) for unit in INCEPTION for kind in KINDS],
        [render(squeezenet, *unit, "channel", arguments) for unit in SQUEEZENET],
    ]
    sheet = join(parts, columns=[3, 2])
    sheet.save(arguments.output, quality=88)
    print(f"{arguments.output}: {sheet.width}×{sheet.height}")


def render(
    model: osc.Model, layer: str, unit: int, kind: str, arguments: argparse.Namespace
) -> tuple[str, Image.Image]:
    """One picture and its caption, with a line on how long it took."""
    start = time.perf_counter()
    picture = osc.render(
        model,
        KINDS[kind](layer, unit),
        size=SIZE,
        steps=arguments.steps,
        provider=arguments.provider,
    )
    seconds = time.perf_counter() - start
    caption = f"{layer}:{unit}" + ("" if kind == "channel" else f", {kind}")
    print(f"{model.name} {caption}: {picture.values[-1]:.4g} in {seconds:.1f} s")
    return caption, Image.fromarray(np.asarray(picture.images[0] * 255 + 0.5, np.uint8))


def join(parts: list[list[tuple[str, Image.Image]]], columns: list[int]) -> Image.Image:
    """Parts side by side on white, each a grid of captioned pictures."""
    step_x, step_y = SIZE + GAP, SIZE + CAPTION + GAP
    rows = max(-(-len(part) // count) for part, count in zip(parts, columns, strict=True))
    # Every part has a gutter behind it, the last one as well.
    width = sum(count * step_x for count in columns) + GAP * (len(parts) + 1)
    sheet = Image.new("RGB", (width, rows * step_y + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=13)
    left = GAP
    for part, count in zip(parts, columns, strict=True):
        for index, (caption, image) in enumerate(part):
            x, y = left + index % count * step_x, GAP + index // count * step_y
            sheet.paste(image, (x, y))
            draw.text((x + 1, y + SIZE + 2), caption, fill="#333", font=font)
        left += count * step_x + GAP
    return sheet


if __name__ == "__main__":
    main()
