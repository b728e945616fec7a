"""Maps of every method, against the same computed by hand from values and gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import onnxscope as osc
import pytest
from onnxscope.errors import LayerError, MemoryShortageError, TargetError
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.studies import explaining, methods
from onnxscope.studies.method import METHODS
from PIL import Image

SIZE = 16
RNG = np.random.default_rng(5)
W0 = RNG.standard_normal((6, 3, 3, 3)).astype(np.float32)
W1 = RNG.standard_normal((8, 6, 3, 3)).astype(np.float32) / 4
DENSE = RNG.standard_normal((8, 4)).astype(np.float32)


def _network() -> osc.Model:
    """Two convolutions with ReLU, the mean over all places, and four classes."""
    builder = Builder("small")
    op = builder.op
    image = builder.input("image", ["N", 3, SIZE, SIZE], np.float32)
    x = op.Relu(op.Conv(image, builder.constant(W0, np.float32), pads=[1] * 4))
    x = builder.output("first", x)
    x = op.Relu(op.Conv(x, builder.constant(W1, np.float32), pads=[1] * 4, strides=[2, 2]))
    x = builder.output("second", x)
    x = op.Flatten(op.GlobalAveragePool(x))
    scores = builder.output("scores", op.MatMul(x, builder.constant(DENSE, np.float32)))
    builder.output("softmax", op.Softmax(scores))
    return osc.load(model_of(builder), input_range=(0, 1), compare=False)


def _patches() -> osc.Model:
    """Patches with a class token, an attention, and classes of that token alone."""
    builder = Builder("patches")
    op = builder.op

    def weights(*shape: int) -> object:
        return builder.constant(RNG.standard_normal(shape) / np.sqrt(shape[0]), np.float32)

    image = builder.input("image", [1, 3, SIZE, SIZE], np.float32)
    x = op.Conv(image, builder.constant(RNG.standard_normal((8, 3, 4, 4)) / 7, np.float32),
                strides=[4, 4])  # fmt: skip
    x = op.Transpose(x.reshape(1, 8, 16), perm=[0, 2, 1])
    token = builder.constant(RNG.standard_normal((1, 1, 8)), np.float32)
    x = builder.output("embedded", op.Concat(token, x, axis=1))
    attention = op.Softmax(x @ op.Transpose(op.MatMul(x, weights(8, 8)), perm=[0, 2, 1]), axis=-1)
    x = builder.output("attended", x + op.MatMul(attention @ x, weights(8, 8)))
    x = builder.output(
        "block", x + op.MatMul(op.Relu(op.MatMul(x, weights(8, 16))), weights(16, 8))
    )
    builder.output("scores", op.MatMul(x[:, 0], weights(8, 4)))
    return osc.load(model_of(builder), input_range=(0, 1), compare=False)


@pytest.fixture(scope="module")
def model() -> osc.Model:
    return _network()


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    return (RNG.random((3, SIZE, SIZE, 3)) * 255).astype(np.uint8)


def _gradient(model: osc.Model, pictures: np.ndarray, target: str = "scores:2") -> np.ndarray:
    return osc.Gradient(model, target, provider="cpu", cache=False)(pictures)[1]


def _maps(model, photos, method, target="scores:2", **options) -> np.ndarray:
    return osc.explain(model, photos, target, method, provider="cpu", **options).maps


def _close(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_saliency(model, photos):
    _close(_maps(model, photos, "saliency"), np.abs(_gradient(model, photos)).max(-1))


def test_floats_are_seen_as_they_are(model):
    picture = RNG.random((SIZE, SIZE, 3), np.float32)
    found = osc.explain(model, picture, "scores:2", "saliency", provider="cpu")
    _close(found.maps[0], np.abs(_gradient(model, picture)).max(-1))
    assert found.photos.dtype == np.uint8


def test_input_x_gradient(model, photos):
    found = _maps(model, photos, methods.InputXGradient((0.5, 0.25, 0)))
    pictures = photos / np.float32(255)
    expected = ((pictures - [0.5, 0.25, 0]) * _gradient(model, photos)).sum(-1)
    _close(found, expected)


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ("rule", "places", "weights"),
    [
        ("riemann_left", [0, 0.25, 0.5, 0.75], [0.25] * 4),
        ("riemann_right", [0.25, 0.5, 0.75, 1], [0.25] * 4),
        ("riemann_middle", [0.125, 0.375, 0.625, 0.875], [0.25] * 4),
        ("riemann_trapezoid", [0, 1 / 3, 2 / 3, 1], [0.125, 0.25, 0.25, 0.125]),
        (
            "gausslegendre",
            [0.0694318442, 0.3300094782, 0.6699905218, 0.9305681558],
            [0.1739274226, 0.3260725774, 0.3260725774, 0.1739274226],
        ),
    ],
)
def test_integrated_gradients(model, photos, rule, places, weights):
    method = methods.IntegratedGradients((0.2, 0.4, 0.6), steps=4, rule=rule)
    colour = np.array([0.2, 0.4, 0.6], np.float32)
    way = photos / np.float32(255) - colour
    total = sum(
        weight * _gradient(model, np.asarray(colour + place * way, np.float32))
        for place, weight in zip(places, weights, strict=True)
    )
    _close(_maps(model, photos, method), (way * total).sum(-1))


def test_integrated_gradients_add_up(model, photos):
    found = osc.explain(model, photos, "scores:2", "integrated-gradients", provider="cpu")
    black = np.zeros((1, SIZE, SIZE, 3), np.float32)
    values = model.activations(photos, "scores")["scores"][:, 2]
    np.testing.assert_allclose(found.values, values, rtol=1e-5)
    rise = values - model.activations(black, "scores")["scores"][0, 2]
    np.testing.assert_allclose(
        found.maps.sum((1, 2), dtype=np.float64) - rise, found.completeness, atol=1e-5
    )
    # Without biases the network is linear on the way from black.
    assert np.all(np.abs(found.completeness) < 1e-5)
    far, near = (
        osc.explain(model, photos, "scores:2", methods.IntegratedGradients((1, 1, 0), n))
        for n in (1, 50)
    )
    assert np.abs(far.completeness).max() > 10 * np.abs(near.completeness).max()


def test_smooth_grad(model, photos):
    method = methods.SmoothGrad(count=3, noise=0.1, seed=4)
    noise = np.random.default_rng(4).standard_normal((3, 3, SIZE, SIZE), np.float32)
    found = osc.explain(model, photos, "scores:2", method, provider="cpu")
    gradient = osc.Gradient(model, "scores:2", provider="cpu", cache=False).to_onnx(batch=3)
    session = ort.InferenceSession(gradient.SerializeToString(), providers=["CPUExecutionProvider"])
    pictures = (photos / np.float32(255)).transpose(0, 3, 1, 2)
    span = pictures.max((1, 2, 3), keepdims=True) - pictures.min((1, 2, 3), keepdims=True)
    total = sum(
        session.run(["grad_image"], {"image": pictures + span * 0.1 * drawn})[0] for drawn in noise
    )
    _close(found.maps, np.abs(total / 3).max(1))
    values = model.activations(photos, "scores")["scores"][:, 2]
    np.testing.assert_allclose(found.values, values, rtol=1e-5)


def _upsampled(maps: np.ndarray) -> np.ndarray:
    """(N, 8, 8) bilinearly to (N, 16, 16), with pixels' centres apart alike."""
    matrix = np.zeros((SIZE, SIZE // 2))
    for y in range(SIZE):
        place = min(max((y + 0.5) / 2 - 0.5, 0), SIZE // 2 - 1)
        low = min(int(place), SIZE // 2 - 2)
        matrix[y, low], matrix[y, low + 1] = 1 - (place - low), place - low
    return np.einsum("yi,nij,xj->nyx", matrix, maps, matrix)


def test_maps_of_layers(model, photos):
    cells = model.activations(photos, "second")["second"]
    # Of a mean and a product the gradient is the same at all cells.
    slopes = np.broadcast_to(DENSE[:, 2, None, None] / 64, cells.shape)
    maps = {
        "grad_cam": np.maximum((slopes * cells).sum(1), 0),
        "layer_cam": (np.maximum(slopes, 0) * cells).sum(1),
        "layer_x_gradient": (slopes * cells).sum(1),
    }
    for name, expected in maps.items():
        found = osc.explain(model, photos, "scores:2", name, provider="cpu")
        assert found.layer == "second"
        _close(found.maps, _upsampled(expected))


def _relu_by_hand(photos: np.ndarray, *, guided: bool) -> np.ndarray:
    """The gradient of scores:2 back to the first convolution, whose product is the rest."""
    torch_free = _network()
    first = torch_free.activations(photos, "first")["first"]
    second = torch_free.activations(photos, "second")["second"]
    back = np.broadcast_to(DENSE[:, 2, None, None] / 64, second.shape)
    back = np.maximum(back, 0) * (second > 0 if guided else 1)
    back = _transposed(back, W1, 2)
    back = np.maximum(back, 0) * (first > 0 if guided else 1)
    return np.abs(_transposed(back, W0, 1)).max(1)


def _transposed(back: np.ndarray, weights: np.ndarray, stride: int) -> np.ndarray:
    """The transposed convolution with a kernel of 3, padded by 1, to (N, C, 16, 16)."""
    count, _, height, width = back.shape
    out = np.zeros((count, weights.shape[1], SIZE + 2, SIZE + 2))
    for y in range(height):
        for x in range(width):
            top, left = y * stride, x * stride
            out[:, :, top : top + 3, left : left + 3] += np.einsum(
                "no,ocij->ncij", back[:, :, y, x], weights
            )
    return out[:, :, 1:-1, 1:-1]


@pytest.mark.parametrize(
    ("name", "guided"), [("guided_backpropagation", True), ("deconvnet", False)]
)
def test_back_through_relu(model, photos, name, guided):
    _close(_maps(model, photos, name), _relu_by_hand(photos, guided=guided))


def test_occlusion(model, photos):
    method = methods.Occlusion((0.5, 0.5, 0.5), window=7, stride=4)
    value = model.activations(photos, "scores")["scores"][:, 2]
    total, covers = np.zeros((3, SIZE, SIZE)), np.zeros((SIZE, SIZE))
    for y in range(0, 13, 4):
        for x in range(0, 13, 4):
            covered = photos / np.float32(255)
            covered[:, y : y + 7, x : x + 7] = 0.5
            fall = value - model.activations(covered, "scores")["scores"][:, 2]
            total[:, y : y + 7, x : x + 7] += fall[:, None, None]
            covers[y : y + 7, x : x + 7] += 1
    _close(_maps(model, photos, method), total / covers)


@pytest.mark.sample(4)
@pytest.mark.parametrize("name", METHODS.kinds)
def test_exported_it_is_the_same(model, photos, name, tmp_path: Path):
    method = methods.Occlusion(window=8, stride=4) if name == "occlusion" else name
    explainer = osc.Explainer(model, None, method, provider="cpu")
    found = explainer(photos)
    path = explainer.save(tmp_path / "explainer.onnx", batch=3)
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [given.name for given in session.get_inputs()] == ["image"]
    pictures = (photos / np.float32(255)).transpose(0, 3, 1, 2)
    (heat,) = session.run(["map"], {"image": pictures})
    _close(heat, found.maps)


def test_each_photo_has_classes_of_its_own(model, photos):
    found = osc.explain(model, photos, None, "saliency", top=2, provider="cpu", batch_size=4)
    scores = model.activations(photos, "scores")["scores"]
    order = np.argsort(-scores, axis=1)[:, :2]
    assert found.targets == tuple(f"class {index}" for index in order.reshape(-1))
    np.testing.assert_allclose(
        found.values, np.take_along_axis(scores, order, 1).ravel(), rtol=1e-5
    )
    for at, index in enumerate(order.reshape(-1)):
        alone = _maps(model, photos[at // 2], "saliency", f"scores:{index}")
        _close(found.maps[at : at + 1], alone)


def test_any_objective(model, photos):
    objective = osc.neuron("second", 3, y=1, x=2) - osc.channel("first", 1)
    found = osc.explain(model, photos, objective, "saliency", provider="cpu")
    gradient = osc.Gradient(model, objective, provider="cpu", cache=False)(photos)[1]
    _close(found.maps, np.abs(gradient).max(-1))
    assert osc.explain(model, photos[0], "second:3", provider="cpu").layer == "first"


def test_a_layer_right_before_its_unit(model, photos):
    found = osc.explain(model, photos, "first:1", "layer-x-gradient", layer="conv", provider="cpu")
    cells = model.activations(photos, "first")["first"]
    _close(found.maps, cells[:, 1] / SIZE**2)


def test_a_pool_behind_a_relu():
    builder = Builder("pools")
    op = builder.op
    image = builder.input("image", [1, 3, SIZE, SIZE], np.float32)
    x = op.Relu(op.Conv(image, builder.constant(W0, np.float32), pads=[1] * 4))
    x = builder.output("pool", op.MaxPool(x, kernel_shape=[2, 2], strides=[2, 2]))
    x = op.Conv(x, builder.constant(W1, np.float32))
    builder.output("scores", op.Flatten(op.GlobalAveragePool(op.Relu(x))))
    model = osc.load(model_of(builder), input_range=(0, 1), compare=False)
    photo = (RNG.random((SIZE, SIZE, 3)) * 255).astype(np.uint8)
    found = osc.explain(model, photo, "scores:1", "grad-cam", layer="pool", provider="cpu")
    assert np.any(found.maps)


def test_patches_that_have_a_gradient():
    model = _patches()
    photos = (RNG.random((2, SIZE, SIZE, 3)) * 255).astype(np.uint8)
    explainer = osc.Explainer(model, "scores:1", "grad-cam", provider="cpu")
    found = explainer(photos)
    # Behind the attention the class reads its own token alone.
    assert found.layer == "embedded"
    assert found.maps.shape == (2, SIZE, SIZE)
    assert np.any(found.maps)
    with pytest.raises(TargetError, match="gradient"):
        osc.explain(model, photos, "embedded:1", "grad-cam", layer="block", provider="cpu")


def test_pictures(model, photos, tmp_path: Path):
    found = osc.explain(model, photos, "scores:2", "input-x-gradient", provider="cpu")
    assert found.overlay(1).shape == found.heat(-1).shape == (SIZE, SIZE, 3)
    assert found._repr_png_().startswith(b"\x89PNG")
    assert np.load(found.save(tmp_path / "m.npy")).shape == (3, SIZE, SIZE)
    with Image.open(found.save(tmp_path / "m.png")) as sheet:
        assert sheet.size == (3 * SIZE + 16, 3 * SIZE + 16)
    with pytest.raises(osc.OnnxscopeError, match="there are 3 maps"):
        found.overlay(3)


def test_models_that_are_not_known(photos):
    unknown = osc.load(model_of(_plain()), compare=False)
    with pytest.raises(osc.OnnxscopeError, match="give input_range"):
        osc.explain(unknown, photos, "y:1", "saliency", provider="cpu")


def _plain() -> Builder:
    builder = Builder("plain")
    image = builder.input("image", [1, 3, SIZE, SIZE], np.float32)
    weights = builder.constant(W0, np.float32)
    x = builder.op.Sigmoid(builder.op.Conv(image, weights))
    builder.output("y", builder.op.GlobalAveragePool(x))
    return builder


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (
            {"method": "grad_kam"},
            osc.OnnxscopeError,
            "no method 'grad_kam'.*did you mean 'grad_cam'",
        ),
        ({"layer": "scores"}, LayerError, "no cells"),
        ({"layer": "fist"}, LayerError, "did you mean 'first'"),
        ({"layer": "second", "target": "first:1"}, TargetError, "is not computed from second"),
        ({"method": "saliency", "layer": "first"}, osc.OnnxscopeError, "looks at no layer"),
        ({"target": "conv:1"}, LayerError, "no layer before the target"),
        ({"target": "scores:1", "top": 2}, osc.OnnxscopeError, "leave target out"),
        ({"top": 9}, osc.OnnxscopeError, "has 4 classes, not 9"),
        ({"method": "occlusion"}, osc.OnnxscopeError, "does not fit into 16×16"),
        ({"target": 'diversity("first")'}, TargetError, "compares pictures"),
        ({"photos": "nothing.jpg"}, osc.OnnxscopeError, "cannot read the photograph"),
    ],
)
def test_what_cannot_be_explained_is_refused(model, photos, arguments, error, said):
    with pytest.raises(error, match=said):
        osc.explain(model, **{"photos": photos, "provider": "cpu"} | arguments)


def test_without_relu_there_is_nothing_to_guide(photos):
    smooth = osc.load(model_of(_plain()), input_range=(0, 1), compare=False)
    with pytest.raises(TargetError, match="of which there is none"):
        osc.explain(smooth, photos[:1], "y:1", "guided-backpropagation", provider="cpu")


@pytest.mark.parametrize(
    "method",
    [
        methods.IntegratedGradients(steps=7, rule="riemann_middle"),
        methods.SmoothGrad(count=6),
        methods.Occlusion(window=6, stride=4),
    ],
)
def test_samples_together_are_as_one_by_one(model, photos, method):
    """However many samples are computed together, also where the last places stay empty."""
    alone = osc.explain(model, photos[:1], method=method, provider="cpu", batch_size=1)
    for together in (4, 5, None):
        found = osc.explain(model, photos[:1], method=method, provider="cpu", batch_size=together)
        np.testing.assert_allclose(found.maps, alone.maps, atol=1e-5 * np.abs(alone.maps).max())
        np.testing.assert_allclose(found.values, alone.values, rtol=1e-5)
    exported = osc.Explainer(model, method=method).to_onnx()
    values = next(value for value in exported.graph.output if value.name == "values")
    size = photos.shape[1:3]
    assert values.type.tensor_type.shape.dim[0].dim_value == method.samples(*size)


def test_fewer_samples_where_there_is_no_memory_for_more(model, photos, monkeypatch):
    method = methods.IntegratedGradients(steps=14)
    expected = osc.explain(model, photos[:2], method=method, provider="cpu")
    needed = []

    def check(footprint, use, provider):
        needed.append(footprint.each * use.pictures)
        if needed[-1] > needed[0] / 10:
            # Of two pictures, one is what there is memory for once samples are computed one by one.
            raise MemoryShortageError("too much", int(needed[0] / 10 >= footprint.each))

    monkeypatch.setattr(explaining, "check_memory", check)
    found = osc.explain(model, photos[:2], method=method, provider="cpu")
    np.testing.assert_allclose(found.maps, expected.maps, rtol=1e-4, atol=1e-6)
    assert needed == sorted(needed, reverse=True)
    assert needed[-1] <= needed[0] / 10
