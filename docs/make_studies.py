"""Make the pictures of docs/studies.md, on SqueezeNet: `python docs/make_studies.py [PHOTO]`.

Without a photograph it takes Chelsea, the cat of scikit-image (`pip install scikit-image`; by
Stéfan van der Walt, CC0). It takes some ten minutes on two cores; `--only NAME` makes one of them.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxscope as osc
from onnxscope.images import as_uint8, read_photo
from PIL import Image

FOLDER = Path(__file__).parent / "studies"
_MODEL = "squeezenet"
_BYTES = 40_000
_WIDTH = 800


def photo_of(path: Path | None) -> np.ndarray:
    """Read the photograph, or take scikit-image's."""
    if path is not None:
        return read_photo(path)
    from skimage import data

    return np.asarray(data.chelsea())


def studies(photo: np.ndarray) -> dict[str, Callable[[], Image.Image]]:
    """Name the pictures, and what makes each."""
    given = {"steps": 192, "size": 160}

    def texture() -> np.ndarray:
        return osc.render(_MODEL, "fire5:100", steps=128, size=224).images[0]

    return {
        "compare": lambda: osc.compare(_MODEL, "fire8:5").figure(),
        "diversity": lambda: osc.diversify(_MODEL, "fire8:5", 4, **given).figure(),
        "interpolate": lambda: osc.morph(_MODEL, "fire8:5", "fire5:100", 5, **given).figure(),
        "arithmetic": lambda: osc.arithmetic(
            _MODEL, ["fire8:5", "fire8:11"], ["fire5:100", "fire6:3"], **given
        ).figure(),
        "invert": lambda: osc.invert(_MODEL, photo, ["conv1", "fire3", "fire5", "fire8"]).figure(),
        "caricature": lambda: osc.caricatures(
            _MODEL, photo, ["conv1", "fire3", "fire5", "fire8"], steps=128
        ).figure(),
        "accentuate": lambda: osc.accentuate(
            _MODEL, "fire8:5", photo, layer="fire4", strength=2
        ).sheet(),
        "dream": lambda: osc.dream(_MODEL, photo, "fire8").sheet(),
        "style": lambda: side_by_side(
            pattern := texture(), osc.stylize(_MODEL, photo, pattern).images[0]
        ),
    }


def side_by_side(*images: np.ndarray) -> Image.Image:
    """Put pictures (H, W, 3) in [0, 1] next to each other, of the last one's height."""
    shown = [Image.fromarray(as_uint8(image)) for image in images]
    height = shown[-1].height
    scaled = [one.resize((round(one.width * height / one.height), height)) for one in shown]
    row = Image.new("RGB", (sum(one.width + 8 for one in scaled) - 8, height), "white")
    left = 0
    for one in scaled:
        row.paste(one, (left, 0))
        left += one.width + 8
    return row


def small(picture: Image.Image) -> bytes:
    """Write a picture as JPEG of at most 40 kB, as large and as good as that allows."""
    picture = picture.convert("RGB")
    width = min(picture.width, _WIDTH)
    while True:
        size = width, round(picture.height * width / picture.width)
        scaled = picture.resize(size, Image.Resampling.LANCZOS)
        for quality in (85, 75, 65, 55, 45):
            buffer = io.BytesIO()
            scaled.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
            if buffer.tell() <= _BYTES:
                return buffer.getvalue()
        width = round(width * 0.9)


def main() -> None:
    """Make all pictures, or one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", nargs="?", type=Path)
    parser.add_argument("--only")
    asked = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    for name, make in studies(photo_of(asked.photo)).items():
        if asked.only in (None, name):
            target = FOLDER / f"{name}.jpg"
            target.write_bytes(small(make()))
            print(target, target.stat().st_size)


if __name__ == "__main__":
    main()
