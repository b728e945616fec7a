"""Recipes for convolutions, pools, normalisations and sampling."""

from __future__ import annotations

from hypothesis import assume
from random_draft import Draft, UnwritableError, recipe

# Windows ----------------------------------------------------------------------------------------


def _spatial(g: Draft, low: int = 1, high: int = 3) -> list[int]:
    rank = g.choice([n for n in (2, 1, 3) if low <= n <= high])
    return g.numbers(rank, 2, 6 if rank < 3 else 4)


def _geometry(g: Draft, sizes, kernel, *, pool: bool, dilated: bool = True) -> dict:
    """Strides, dilations and padding of windows that fit."""
    rank = len(sizes)
    options: dict = {}
    dilations = g.numbers(rank, 1, 2) if dilated and g.flag() else [1] * rank
    if dilations != [1] * rank or (dilated and g.flag()):
        options["dilations"] = dilations
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    if g.flag():
        options["strides"] = g.numbers(rank, 1, 3)
    kind = g.choice(["pads", "nothing", "VALID", "SAME_UPPER", "SAME_LOWER", "pads"])
    if kind == "pads":
        # A window of nothing but padding is not defined.
        most = [k - 1 if pool else 2 for k in kernel]
        options["pads"] = [g.number(0, m) for m in [*most, *most]]
        sizes = [n + options["pads"][i] + options["pads"][rank + i] for i, n in enumerate(sizes)]
    elif kind != "nothing":
        options["auto_pad"] = kind
    if not kind.startswith("SAME"):
        assume(all(n >= span for n, span in zip(sizes, spans, strict=True)))
    else:
        # ONNX Runtime refuses windows that leave pixels out.
        strides = options.get("strides", [1] * rank)
        assume(all(k >= n for k, n in zip(kernel, strides, strict=True)))
        if dilations != [1] * rank and pool:
            raise UnwritableError
    return options


@recipe("Conv")
def _conv(g: Draft, op: str):
    sizes = _spatial(g)
    kernel = [g.number(1, min(3, n)) for n in sizes]
    group = g.choice([1, 1, 2, 3])
    inputs, outputs = g.number(1, 2), g.number(1, 2)
    x = g.shaped([g.number(1, 2), group * inputs, *sizes])
    w = g.shaped([group * outputs, inputs, *kernel])
    bias = g.shaped([group * outputs]) if g.flag() else None
    options = _geometry(g, sizes, kernel, pool=False) | g.some(kernel_shape=kernel)
    if options.get("auto_pad", "").startswith("SAME") and max(options.get("dilations", [1])) > 1:
        raise UnwritableError
    if group > 1 or g.flag():
        options["group"] = group
    return g.add(op, [x, w, bias], **options)


@recipe("ConvTranspose")
def _conv_transpose(g: Draft, op: str):
    sizes = _spatial(g)
    rank = len(sizes)
    kernel = g.numbers(rank, 1, 3)
    group = g.choice([1, 1, 2])
    inputs, outputs = g.number(1, 2), g.number(1, 2)
    strides = g.numbers(rank, 1, 3)
    dilations = g.numbers(rank, 1, 2) if g.flag() else [1] * rank
    options: dict = {"strides": strides, "group": group}
    if max(dilations) > 1 or g.flag():
        options["dilations"] = dilations
    kind = g.choice(["pads", "nothing", "shape", "VALID", "SAME_UPPER", "SAME_LOWER"])
    if kind == "pads":
        options["pads"] = [
            g.number(0, (k - 1) * d) for k, d in zip(kernel * 2, dilations * 2, strict=True)
        ]
    elif kind == "shape":
        options["output_shape"] = [n * s for n, s in zip(sizes, strides, strict=True)]
        assume(all(k >= s for k, s in zip(kernel, strides, strict=True)))
    elif kind != "nothing":
        options["auto_pad"] = kind
        assume(all(k >= s for k, s in zip(kernel, strides, strict=True)))
        assume(not kind.startswith("SAME") or max(dilations) == 1)
    if kind in ("pads", "nothing") and g.flag():
        options["output_padding"] = [g.number(0, s - 1) for s in strides]
    x = g.shaped([g.number(1, 2), group * inputs, *sizes])
    w = g.shaped([group * inputs, outputs, *kernel])
    bias = g.shaped([group * outputs]) if g.flag() else None
    full = [
        (n - 1) * s + (k - 1) * d + 1 - sum(options.get("pads", [0] * 2 * rank)[i::rank])
        for i, (n, s, k, d) in enumerate(zip(sizes, strides, kernel, dilations, strict=True))
    ]
    assume(min(full) > 0)
    return g.add(op, [x, w, bias], **options)


@recipe("MaxPool", "AveragePool", "LpPool")
def _pool(g: Draft, op: str):
    sizes = _spatial(g)
    kernel = [g.number(1, min(3, n)) for n in sizes]
    x = g.shaped([g.number(1, 2), g.number(1, 2), *sizes])
    dilated = g.opset >= {"MaxPool": 10, "AveragePool": 19, "LpPool": 18}[op]
    options = _geometry(g, sizes, kernel, pool=True, dilated=dilated)
    if g.opset >= 18 or op != "LpPool":
        options |= g.some(ceil_mode=g.number(0, 1)) if "auto_pad" not in options else {}
    outputs = 1
    if op == "AveragePool":
        options |= g.some(count_include_pad=g.number(0, 1))
    elif op == "LpPool":
        x = g.nonzero(x)
        options |= g.some(p=g.number(1, 3))
    else:
        options |= g.some(storage_order=g.number(0, 1))
        outputs = g.number(1, 2)
    return g.add(op, [x], outputs, kernel_shape=kernel, **options)


@recipe("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def _global_pool(g: Draft, op: str):
    x = g.value(3)
    if op == "GlobalLpPool":
        return g.add(op, [g.nonzero(x)], **g.some(p=g.number(1, 3)))
    return g.add(op, [x])


@recipe("MaxUnpool")
def _unpool(g: Draft, op: str):
    rank = g.number(1, 2)
    half = g.numbers(rank, 1, 2)
    x = g.shaped([1, g.number(1, 2), *(2 * n for n in half)])
    window = {"kernel_shape": [2] * rank, "strides": [2] * rank}
    pooled, where = g.add("MaxPool", [x], 2, **window)
    size = None
    if g.flag():
        size = g.ints([*g.values[x].shape[:2], *(2 * n for n in half)])
    return g.add(op, [pooled, where, size], **window)


# Normalisation ----------------------------------------------------------------------------------


@recipe("BatchNormalization")
def _batch(g: Draft, op: str):
    x = g.value(2)
    channels = g.values[x].shape[1]
    scale, bias, mean = (g.shaped([channels]) for _ in range(3))
    variance = g.positive(g.shaped([channels]))
    return g.add(op, [x, scale, bias, mean, variance], **g.some(epsilon=0.01, momentum=0.8))


@recipe("InstanceNormalization")
def _instance(g: Draft, op: str):
    x = g.value(3)
    channels = g.values[x].shape[1]
    parts = [g.shaped([channels]) for _ in range(2)]
    return g.add(op, [x, *parts], **g.some(epsilon=0.1))


@recipe("LayerNormalization")
def _layer(g: Draft, op: str):
    x = g.value(1)
    shape, axis = g.values[x].shape, g.axis(x)
    scale = g.shaped(shape[axis % len(shape) :])
    bias = g.shaped(shape[axis % len(shape) :]) if g.flag() else None
    outputs = g.number(1, 3)
    return g.add(op, [x, scale, bias], outputs, axis=axis, **g.some(epsilon=0.1))


@recipe("LRN")
def _local(g: Draft, op: str):
    x = g.value(4, 4)
    options = g.some(alpha=0.8, beta=g.choice([0.5, 0.75, 1.3]), bias=1.7)
    return g.add(op, [x], size=g.choice([1, 3, 5]), **options)


# Sampling ---------------------------------------------------------------------------------------


@recipe("Resize")
def _resize(g: Draft, op: str):
    sizes = g.numbers(2, 2, 5)
    x = g.shaped([1, g.number(1, 2), *sizes])
    mode = g.choice(["nearest", "linear", "cubic"])
    places = ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"]
    if g.opset >= 19:
        places.append("half_pixel_symmetric")
    options = {"mode": mode, **g.some(coordinate_transformation_mode=g.choice(places))}
    if mode == "nearest":
        rounding = ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"]
        options |= g.some(nearest_mode=g.choice(rounding))
    elif mode == "cubic":
        options |= g.some(cubic_coeff_a=g.choice([-0.5, -0.75]), exclude_outside=g.number(0, 1))
    axes = [2, 3]
    if g.opset >= 18 and g.flag():
        axes = g.choice([[2, 3], [3], [-2], [3, 2], [-2, -1]])
        options["axes"] = axes
        leading: list = []
        if mode != "nearest" and g.flag():
            options["antialias"] = 1
            options.pop("exclude_outside", None)
    else:
        leading = [1, 1]
    if g.flag():
        scales = [g.choice([1.0, 2.0, 3.0, 0.5, 1.5, 0.7]) for _ in axes]
        given = [x, None, g.constant([*leading, *scales], single=True)]
        assume(
            all(
                int(n * s) >= 1
                for n, s in zip([sizes[a % 4 - 2] for a in axes], scales, strict=True)
            )
        )
        return g.add(op, given, **options)
    wanted = [g.number(1, 7) for _ in axes]
    if leading:
        leading = list(g.values[x].shape[:2])
    if g.opset >= 18:
        policies = ["stretch", "stretch", "not_larger", "not_smaller"]
        # Of axes counted from the end ONNX Runtime does not find the sizes.
        if not leading and min(axes) > 0:
            options |= g.some(keep_aspect_ratio_policy=g.choice(policies))
    return g.add(op, [x, None, None, g.ints([*leading, *wanted])], **options)


@recipe("GridSample")
def _grid_sample(g: Draft, op: str):
    three = g.opset >= 20 and g.number(0, 3) == 3
    sizes = g.numbers(3 if three else 2, 2, 4)
    names = ["linear", "nearest", "cubic"] if g.opset >= 20 else ["bilinear", "nearest", "bicubic"]
    mode = g.choice(names[:2] if three else names)
    batch = g.number(1, 2)
    x = g.shaped([batch, g.number(1, 2), *sizes])
    outputs = g.numbers(len(sizes), 1, 3)
    grid = g.shaped([batch, *outputs, len(sizes)])
    padding = g.choice(["zeros", "border", "reflection"])
    options = g.some(padding_mode=padding, align_corners=g.number(0, 1))
    return g.add(op, [x, grid], mode=mode, **options)
