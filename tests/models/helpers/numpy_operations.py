"""What the published networks are made of, in NumPy and float64, and the weights by name."""

from __future__ import annotations

import math

import numpy as np

VALID = (0, 0, 0, 0)


class Store:
    """Tensors by published name; the missing ones are drawn at their first use."""

    def __init__(self, tensors=None, seed=0):
        self.tensors = dict(tensors or {})
        self.random = np.random.default_rng(seed)

    def normal(self, name, shape, scale=1.0, mean=0.0):
        if name not in self.tensors:
            drawn = self.random.standard_normal(shape, np.float32)
            self.tensors[name] = drawn * np.float32(scale) + np.float32(mean)
        return self.tensors[name].astype(np.float64)

    def positive(self, name, size):
        if name not in self.tensors:
            self.tensors[name] = self.random.uniform(0.5, 1.5, size).astype(np.float32)
        return self.tensors[name].astype(np.float64)

    def hwio(self, name, out, ins, kernel):
        return self.normal(name, (*kernel, ins, out), he(ins, kernel)).transpose(3, 2, 0, 1)

    def oihw(self, name, out, ins, kernel):
        return self.normal(name, (out, ins, *kernel), he(ins, kernel))

    def bias(self, name, out):
        return self.normal(name, (out,), 0.2)


def he(ins, kernel):
    return math.sqrt(2 / (ins * kernel[0] * kernel[1]))


def same(x, kernel, stride):
    """TensorFlow's SAME: ceil(size / stride) outputs, the odd pixel of padding at the end."""
    pads = []
    for size, side in zip(x.shape[2:], kernel, strict=True):
        total = max((-(-size // stride) - 1) * stride + side - size, 0)
        pads.append((total // 2, total - total // 2))
    (top, bottom), (left, right) = pads
    return top, left, bottom, right


def padded(x, pads, value):
    top, left, bottom, right = pads
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)


def taps(x, kernel, stride):
    """For every tap of the window its row, its column and the pixels under it."""
    height = (x.shape[2] - kernel[0]) // stride + 1
    width = (x.shape[3] - kernel[1]) // stride + 1
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            yield (
                row,
                column,
                x[
                    :,
                    :,
                    row : row + (height - 1) * stride + 1 : stride,
                    column : column + (width - 1) * stride + 1 : stride,
                ],
            )


def conv(x, weights, stride=1, pads=VALID, depthwise=False):
    total = 0.0
    for row, column, pixels in taps(padded(x, pads, 0.0), weights.shape[2:], stride):
        tap = weights[:, :, row, column]
        if depthwise:
            total = total + pixels * tap.reshape(1, -1, 1, 1)
        else:
            product = tap @ pixels.reshape(*pixels.shape[:2], -1)
            total = total + product.reshape(len(x), len(tap), *pixels.shape[2:])
    return total


def channels(values):
    return np.reshape(values, (1, -1, 1, 1))


def relu(x):
    return np.maximum(x, 0)


def max_pool(x, side, stride, pads=VALID):
    return np.maximum.reduce(
        [pixels for *_, pixels in taps(padded(x, pads, -np.inf), (side, side), stride)]
    )


def max_pool_ceil(x, side, stride):
    """Caffe's and PyTorch's ceil mode: a last window may hang over the end."""
    over = [(-(-(size - side) // stride)) * stride + side - size for size in x.shape[2:]]
    return max_pool(x, side, stride, (0, 0, *over))


def average_pool(x, count_padding):
    """3×3 at stride 1, padded by one."""
    total = sum(pixels for *_, pixels in taps(padded(x, (1, 1, 1, 1), 0.0), (3, 3), 1))
    if count_padding:
        return total / 9
    ones = padded(np.ones((1, 1, *x.shape[2:])), (1, 1, 1, 1), 0.0)
    return total / sum(pixels for *_, pixels in taps(ones, (3, 3), 1))


def lrn(x, radius, alpha, beta, bias):
    """`alpha` times the sum over 2 · radius + 1 channels, as TensorFlow defines it."""
    squares = np.pad(x**2, ((0, 0), (radius, radius), (0, 0), (0, 0)))
    total = sum(squares[:, at : at + x.shape[1]] for at in range(2 * radius + 1))
    return x / (bias + alpha * total) ** beta


def softmax(x):
    powers = np.exp(x - x.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def normalized(x, scale, shift, mean, variance, epsilon):
    return channels(scale) * (x - channels(mean)) / np.sqrt(channels(variance) + epsilon) + (
        channels(shift)
    )


def torch_norm(store, module, x, epsilon=1e-3):
    count = x.shape[1]
    return normalized(
        x,
        store.positive(f"{module}.weight", count),
        store.bias(f"{module}.bias", count),
        store.bias(f"{module}.running_mean", count),
        store.positive(f"{module}.running_var", count),
        epsilon,
    )
