"""What networks of well-known origin were given as pictures, by name."""

from __future__ import annotations

from ...errors import InputError, nearest
from .preprocessing import Preprocessing

# RGB of 1, over the training set of ILSVRC 2012.
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# RGB of 1, over the pictures that CLIP was trained on (Radford et al. 2021).
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
# BGR of 255, over the training set of ILSVRC 2012.
_CAFFE = (103.939, 116.779, 123.68)

PRESETS = {
    "imagenet": Preprocessing((0.0, 1.0), *_IMAGENET),
    "clip": Preprocessing((0.0, 1.0), *_CLIP),
    "inception": Preprocessing((-1.0, 1.0)),
    "caffe": Preprocessing((0.0, 255.0), mean=_CAFFE, channel_order="bgr"),
    "tf": Preprocessing((-1.0, 1.0)),
    "none": Preprocessing((0.0, 1.0)),
    "yolo": Preprocessing((0.0, 1.0)),
}
"""Preprocessings by name.

- `imagenet`: what torchvision and most of timm use: RGB in [0, 1], ImageNet's mean and deviation.
- `clip`: OpenAI's CLIP and what follows it: RGB in [0, 1], its own mean and deviation.
- `inception`: TensorFlow's Inception, timm's `inception` and many ViTs of Google: RGB in [−1, 1].
- `caffe`: VGG and ResNet of Caffe, and Keras's mode `caffe`: BGR in [0, 255] minus the mean.
- `tf`: Keras's mode `tf`, as for MobileNet: the same as `inception`.
- `yolo`: Ultralytics and Darknet: RGB in [0, 1].
- `none`: RGB in [0, 1] as it is, as for networks that were trained on `ToTensor` alone.
"""


def preset(name: str) -> Preprocessing:
    """Return the preprocessing of a name.

    Raises:
        InputError: there is none of that name.
    """
    if name.lower() not in PRESETS:
        raise InputError(
            f"there is no preprocessing {name!r}; known are {', '.join(PRESETS)}"
            f"{nearest(name, PRESETS)}"
        )
    return PRESETS[name.lower()]


def preset_name(preprocessing: Preprocessing) -> str:
    """Return the first preset that is the same, whatever the layout; empty where none is."""
    for name, known in PRESETS.items():
        if _same(known, preprocessing):
            return name
    return ""


def _same(one: Preprocessing, other: Preprocessing) -> bool:
    if one.channel_order != other.channel_order:
        return False
    pairs = list(zip(one.affine(), other.affine(), strict=True))
    # Of another number of channels it is another one, whatever the numbers are.
    return all(a.shape == b.shape and bool((a == b).all()) for a, b in pairs)
