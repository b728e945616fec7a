"""Make docs/gallery.md and its pictures, on SqueezeNet: `python docs/make_gallery.py [PHOTO]`.

Every picture is made by the command that stands beside it. Without a photograph it takes Chelsea,
the cat of scikit-image (`pip install scikit-image`; by Stéfan van der Walt, CC0). It takes some ten
minutes on two cores; `--only NAME` makes one of them, `--page` the page alone.
"""

from __future__ import annotations

import argparse
import os
import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxscope as osc
from onnxscope.cli.app import app
from onnxscope.images import read_photo
from onnxscope.pictures.display import opaque
from PIL import Image
from typer.testing import CliRunner

HERE = Path(__file__).parent
FOLDER = HERE / "gallery"
SIDE = 160
_STEPS = 96
_QUALITY = 82


@dataclass(frozen=True)
class Shown:
    """One picture of the gallery.

    Attributes:
        name: Of its file.
        words: What it is.
        typed: The command behind `onnxscope`.
    """

    name: str
    words: str
    typed: str

    @property
    def file(self) -> Path:
        """Where the picture lies."""
        return FOLDER / f"{self.name}.jpg"


def unit(name: str, words: str, typed: str) -> Shown:
    """Show what `render` makes for a target, written with its options."""
    return Shown(name, words, f"render squeezenet {typed}")


GROUPS: dict[str, list[Shown]] = {
    "What a picture is for": [
        unit("channel", "A channel", "fire8:5"),
        unit("neuron", "A neuron, the middle one, as far as it sees",
             "fire6:9 --objective neuron --crop"),
        unit("layer", "A whole layer: the mean of its squares", "fire5"),
        unit("negative", "What a channel likes least", "fire8:5 --negative"),
        unit("before_activation", "A channel before its activation function",
             """'before_activation("fire8:11")'"""),
        unit("logit", "A class", """'logit("daisy")'"""),
        unit("probability", "A class, by the logarithm of its probability",
             """'probability("daisy", log=True)'"""),
        unit("channels", "Weighted channels", """'channels("fire8", {5: 1, 11: 1})'"""),
        unit("neurons", "A group of neighbouring neurons",
             """'neurons("fire6", 9, y=4, x=4, radius=1)'"""),
        unit("each", "To each picture its own", """'each(["fire8:5", "fire8:11"])'"""),
        unit("each_unit", "Units of one layer, in one graph", """'each_unit("fire8", [5, 11])'"""),
        unit("toward", "A value to reach, a third of what the channel can",
             """'toward("fire8:5", 60)'"""),
        unit("seen_by", "Two objectives in one, of one network or of two: up and down",
             """'"fire8:5" - 0.5 * seen_by("squeezenet", "fire8:11")'"""),
    ],
    "Directions": [
        unit("direction", "A direction: what the photo's cells have in common",
             """'direction("fire8", array("cat.npy"))'"""),
        unit("direction-cosine", "Dot and cosine to the fourth power: more of it alone",
             """'direction("fire8", array("cat.npy"), cosine=4)'"""),
        unit("direction-place", "At one cell",
             """'direction("fire8", array("cat.npy"), cosine=2, y=4, x=4, radius=1)'"""),
        unit("direction-region", "In the upper half",
             """'direction("fire8", array("cat.npy"), cosine=2, box=(0, 0, 0.5, 1))'"""),
        unit("direction-whitened", "Whitened: what is usual counts less",
             """'direction("fire8", array("cat.npy"), whitening=array("usual.npy"))'"""),
        unit("cosine", "The cosine alone", """'cosine("fire8", array("cat.npy"))'"""),
        unit("directions", "A direction for each picture",
             """'directions("fire8", array("parts.npy"))'"""),
        unit("dictionary", "A part of a dictionary, here of a matrix factorisation of the photo",
             "fire8@parts.npz:1"),
        unit("encoder", "A unit of an encoder behind a layer, a file as well",
             """'encoder("encoder.onnx", "fire8", 2)'"""),
    ],
    "Several pictures": [
        unit("diversity", "As different as they can be",
             """'"fire8:5" - 40 * diversity("fire8")' --batch 4"""),
        unit("interpolate", "From one unit to another, kept alike",
             """'interpolate("fire8:5", "fire5:100", 4) - 0.002 * alignment("fire5")' --batch 4"""),
        unit("alignment", "Two of a class, kept alike at a layer",
             """'"daisy" - 0.002 * alignment("fire5")' --batch 2"""),
    ],
    "With a photograph": [
        Shown("invert", "What layers keep of it", "invert squeezenet photo.jpg fire3 fire8"),
        unit("inversion", "The same as one objective, by L-BFGS",
             """'inversion("fire4", "photo.jpg") - 0.000001 * total_variation()' """
             "--optimizer lbfgs --steps 48"),
        unit("caricature", "What a layer sees in it, exaggerated",
             """'caricature("fire6", "photo.jpg")'"""),
        unit("difference", "A unit, near the photo at a layer",
             """'"fire8:5" - 300 * difference("fire4", "photo.jpg")'"""),
        Shown("accentuate", "More of what a unit sees in it",
              "accentuate squeezenet photo.jpg fire8:5 --strength 4"),
        Shown("dream", "A layer, dreaming", "dream squeezenet photo.jpg fire8"),
        Shown("style", "In the textures of another picture, the first one here",
              "style squeezenet photo.jpg channel.png"),
        unit("style-objective", "Textures alone",
             """'0 - style(["conv1", "fire3", "fire5"], "photo.jpg")'"""),
        unit("distance", "A unit, near the photo's pixels",
             """'"fire8:5" - 600 * distance("photo.jpg")' """
             """--parameterization 'start("photo.jpg")'"""),
        unit("distribution", "A class, its activations distributed as on the photo",
             """'"tabby" - 20 * distribution("fire5", "photo.jpg")'"""),
        unit("relevance", "The same, channels weighed by their relevance",
             """'"tabby" - 20 * distribution("fire5", "photo.jpg", """
             """weights=array("counts.npy"))'"""),
    ],
    "Penalties": [
        unit("total_variation", "Total variation", """'"fire5:11" - 0.05 * total_variation()'"""),
        unit("l1", "Nearer to grey, by the L1 norm", """'"fire5:11" - 0.05 * l1()'"""),
        unit("l2", "By the L2 norm", """'"fire5:11" - 10 * l2()'"""),
        unit("linf", "By the largest distance of a pixel", """'"fire5:11" - 2000 * linf()'"""),
        unit("sharpness", "Blur", """'"fire5:11" - 2 * sharpness()'"""),
        unit("boundary", "Nothing at the border", """'"fire5:11" - 0.5 * boundary(30)'"""),
        unit("statistics", "Usual means and variances, here those of the photo",
             """'"tabby" - 2 * statistics("fire3", array("means.npy"), array("variances.npy"))'"""),
        Shown("batch_norm_prior",
              "Usual to every batch normalisation, by what it has kept: EfficientNet-Lite0",
              """render normalized.onnx '"daisy" - 0.01 * batch_norm_prior()'"""),
        Shown("no-prior", "The same class without", "render normalized.onnx daisy"),
    ],
    "What pictures are made of": [
        unit("fourier", "A spectrum, which is the default", "fire8:11"),
        unit("natural", "The same, its amplitudes falling as those of photographs, and in Lucid",
             "fire8:11 --parameterization 'fourier(decay_power=1, fine_decay=0)'"),
        unit("pixels", "Pixels", "fire8:11 --parameterization pixels"),
        unit("no-decorrelate", "Plain colours", "fire8:11 --no-decorrelate"),
        unit("laplacian", "A pyramid", "fire8:11 --parameterization laplacian"),
        unit("shared", "A coarse picture in common",
             """'each(["fire8:5", "fire8:11"])' --parameterization shared"""),
        unit("cppn", "Painted by a small network",
             "fire8:11 --parameterization cppn --transforms none --steps 256"),
        unit("maco", "MACO: free phases", "fire8:11 --parameterization maco"),
        unit("maco-photo", "MACO, with a photo's magnitudes",
             """fire8:11 --parameterization 'maco("photo.jpg")'"""),
        unit("started", "From a photo", """fire8:11 --parameterization 'start("photo.jpg")'"""),
        unit("masked", "In a part of a photo",
             """fire8:11 --parameterization 'within("photo.jpg", [[0, 0], [0, 1]])'"""),
        unit("transparent", "Transparent: opaque where the unit needs it", "fire8:5 --transparent"),
        unit("opacity", "The same, with another weight of the opacity",
             """'"fire8:5" - 60 * opacity()' --transparent"""),
        unit("alpha", "The importance as opacity", "fire8:5 --alpha"),
        unit("fixed", "One colour given", "fire8:11 --fix 2=0.3"),
        unit("wide", "Another shape", "fire8:11 --size 96x160"),
    ],
    "Transforms": [
        unit("none", "None", "fire8:5 --transforms none"),
        unit("lucid", "Lucid's, the default: pad, jitter, scale, rotate",
             "fire8:5 --transforms lucid"),
        unit("distill", "The article's", "fire8:5 --transforms distill"),
        unit("jitter", "Moved alone", "fire8:5 --transforms 'pad(8), jitter(16)'"),
        unit("rotate", "Turned and scaled by much",
             "fire8:5 --transforms 'pad(30), scale([0.7, 1, 1.4]), rotate([-45, -20, 0, 20, 45])'"),
        unit("flip", "Mirrored", "fire8:5 --transforms 'lucid(), flip()'"),
        unit("homography", "Seen from the side", "fire8:5 --transforms 'pad(12), homography(0.3)'"),
        unit("views", "Eight windows a step",
             "fire8:5 --steps 48 --transforms "
             "'views(8), crop(0.4, 0.8), resize(160), noise(0.05)'"),
        unit("blur", "Blurred", "fire8:5 --transforms 'lucid(), blur(2)'"),
        unit("noise", "Noise", "fire8:5 --transforms 'lucid(), noise(0.2)'"),
        unit("recolor", "Brightness and contrast",
             "fire8:5 --transforms 'lucid(), recolor(0.2, 0.3)'"),
        unit("backdrop", "In front of darker pictures",
             "fire8:5 --transparent --transforms 'backdrop(2.5), lucid()'"),
    ],
    "Gradients and steps": [
        unit("leak", "ReLUs that leak in the first quarter of the steps, by default", "daisy"),
        unit("no-leak", "A plain gradient", "daisy --leak 0"),
        unit("smoothed_pooling", "Smoothed pooling", "daisy --rules smoothed_pooling"),
        unit("average_pooling", "Average pooling", "daisy --rules average_pooling"),
        unit("linear", "As if linear", "daisy --rules linear"),
        unit("redirected", "Redirected ReLUs", "daisy --rules redirected"),
        unit("straight_through", "Straight through what clips", "daisy --rules straight_through"),
        unit("guided", "Guided backpropagation", "daisy --rules guided"),
        unit("deconvnet", "As in a deconvnet", "daisy --rules deconvnet"),
        unit("constant", "Steps of one size", "daisy --optimizer adam"),
        unit("adam", "Adam with the memory of its paper, and of Lucid",
             "daisy --optimizer 'adam(0.05, 0.9, 0.999)'"),
        unit("nadam", "NAdam", "daisy --optimizer nadam"),
        unit("momentum", "Momentum", "daisy --optimizer momentum"),
        unit("cosine-schedule", "Steps that become smaller from the start",
             "daisy --optimizer 'adam(0.1, schedule=cosine(5))'"),
        unit("starts", "The best of four starts", "daisy --starts 4"),
    ],
}  # fmt: skip
"""All pictures, in groups."""


def photo_of(path: Path | None) -> np.ndarray:
    """Read the photograph, or take scikit-image's."""
    if path is not None:
        return read_photo(path)
    from skimage import data

    return np.asarray(data.chelsea())


def write_files(photo: np.ndarray) -> None:
    """Write into this folder what the commands read."""
    import onnx
    from onnx import helper
    from sklearn.decomposition import NMF

    Image.fromarray(photo).save("photo.jpg", quality=92)
    model = osc.load("squeezenet")
    fitted = osc.fit("photo.jpg", model)
    found = model.activations(fitted, ["fire3", "fire8"])
    cells = found["fire8"][0].reshape(found["fire8"].shape[1], -1).T.astype(np.float64)
    np.save("cat.npy", cells.mean(0).astype(np.float32))
    np.save("usual.npy", (cells.T @ cells / len(cells) + np.eye(cells.shape[1])).astype(np.float32))
    parts = NMF(4, init="nndsvda", max_iter=400, random_state=0).fit(cells).components_
    parts = parts.astype(np.float32)
    np.save("parts.npy", parts[:2])
    np.savez("parts.npz", directions=parts)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["units"])],
        "encoder",
        [helper.make_tensor_value_info("x", 1, ["M", parts.shape[1]])],
        [helper.make_tensor_value_info("units", 1, ["M", len(parts)])],
        [onnx.numpy_helper.from_array(np.ascontiguousarray(parts.T), "w")],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), "encoder.onnx")
    early = found["fire3"][0].reshape(found["fire3"].shape[1], -1)
    np.save("means.npy", early.mean(1))
    np.save("variances.npy", early.var(1))
    np.save("counts.npy", osc.relevance(model, "tabby", "fire5", fitted))
    write_normalized()


def write_normalized() -> None:
    """Write EfficientNet-Lite0 as it was trained: its batch normalisations are nodes.

    The converter folds them into the convolutions, where what they have kept is lost.
    """
    import onnx
    from onnx import helper, numpy_helper
    from onnxscope.models import load
    from onnxscope.models.conversion import entry_of, weights_file
    from onnxscope.models.efficientnet_lite import VARIANTS
    from onnxscope.models.reading import read_weights

    tensors = read_weights(weights_file(entry_of("efficientnet_lite0"))).tensors
    model = load("efficientnet_lite0")
    arrays = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        nodes.append(node)
        if node.op_type != "Conv":
            continue
        layer = node.input[1].removesuffix("/weights")
        names = VARIANTS[0].names(layer)
        norm = names.normalization
        assert norm is not None, layer
        kernel = np.asarray(tensors[names.kernel], np.float32)
        arrays[node.input[1]].CopyFrom(numpy_helper.from_array(kernel, node.input[1]))
        kept = []
        for tensor in (norm.scale, norm.shift, norm.mean, norm.variance):
            array = np.asarray(tensors[tensor], np.float32)
            model.graph.initializer.append(numpy_helper.from_array(array, tensor))
            kept.append(tensor)
        before = f"{layer}/before_normalization"
        nodes.append(
            helper.make_node(
                "BatchNormalization", [before, *kept], [node.output[0]], epsilon=norm.epsilon
            )
        )
        del node.input[2:]
        node.output[0] = before
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, "normalized.onnx")


def made(shown: Shown) -> Image.Image:
    """Run a command as it stands on the page, and return what it writes.

    Raises:
        RuntimeError: it fails.
    """
    words = shlex.split(shown.typed)
    output = f"{shown.name}.png"
    given = ["-o", output, "--provider", "cpu"]
    for option, value in (("--size", SIDE), ("--steps", _STEPS)):
        if option not in words and words[0] == "render":
            given += [option, str(value)]
    if words[0] in ("accentuate", "style", "dream"):
        given += ["--size", "160x240"]
    done = CliRunner().invoke(app, [*words, *given])
    if done.exit_code:
        raise RuntimeError(f"{shown.name}: {done.output}")
    with Image.open(output) as image:
        return opaque(image)


def write_picture(shown: Shown) -> None:
    """Make one of the pictures, and write it as JPEG."""
    image = made(shown)
    high = SIDE if shown.typed.startswith("render") else 2 * SIDE
    if image.height > high:
        width = round(image.width * high / image.height)
        image = image.resize((width, high), Image.Resampling.LANCZOS)
    FOLDER.mkdir(exist_ok=True)
    image.save(shown.file, quality=_QUALITY, optimize=True)


_ABOVE = f"""\
# Gallery

Every objective, every way to make a picture, every transform and trick, by the command beside it.
All but two are SqueezeNet's; the page and its pictures are made by `python docs/make_gallery.py`,
which adds `--size {SIDE} --steps {_STEPS}` where no others stand there. The cat, `photo.jpg`, is
Chelsea, by Stéfan van der Walt (CC0), from scikit-image; what else the commands read, directions
and weights, is measured on it by the same script, and `normalized.onnx` is a network of the
catalogue with its batch normalisations unfolded. What each is, and whose idea, says its docstring:
`help(onnxscope.direction)`. More is in [studies.md](studies.md) and, for pictures that are not RGB,
in [channels.md](channels.md)."""


def page() -> str:
    """Return the page: each picture with what it is, and its command."""
    lines = [_ABOVE]
    for title, group in GROUPS.items():
        lines += ["", f"## {title}", "", "| | |", "|---|---|"]
        for shown in group:
            command = f"onnxscope {shown.typed}".replace("|", "\\|")
            lines.append(
                f"| ![{shown.words}](gallery/{shown.file.name}) | {shown.words}<br>`{command}` |"
            )
    return "\n".join([*lines, ""])


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the page and the pictures that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", nargs="?", type=Path)
    parser.add_argument("--only", action="append", help="the name of a picture; repeat as needed")
    parser.add_argument("--page", action="store_true", help="the page alone")
    given = parser.parse_args(arguments)
    every = [shown for group in GROUPS.values() for shown in group]
    if not given.page:
        photo = photo_of(given.photo)
        before = Path.cwd()
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                write_files(photo)
                for shown in every:
                    # Some read what the first one writes.
                    if given.only is None or shown.name in (*given.only, "channel"):
                        write_picture(shown)
                        print(shown.name, shown.file.stat().st_size, flush=True)
            finally:
                os.chdir(before)
    (HERE / "gallery.md").write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
