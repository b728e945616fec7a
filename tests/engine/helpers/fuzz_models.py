"""Damage models in every way and see that each is used or refused in words; run as a program.

Prints one line for each model that raises anything but the package's own errors, and last how many
were tried. A crash of the interpreter ends it before that line.
"""

from __future__ import annotations

import resource
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import onnx
import onnxscope as osc
from google.protobuf.message import Message
from onnx import helper, numpy_helper

_MEMORY = 6 * 2**30
_SLOW = 20.0


def main(seed: int, count: int) -> None:
    """Try `count` damaged models."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(seed)
    originals = [make() for make in _MODELS]
    refused = 0
    for number in range(count):
        original = originals[rng.integers(len(originals))]
        damage = _DAMAGES[rng.integers(len(_DAMAGES))]
        data = damage(rng, original)
        began = time.process_time()
        try:
            _use(data)
        except osc.OnnxscopeError:
            refused += 1
        except Exception:
            where = traceback.format_exc().strip().splitlines()
            _say(f"FAIL {number} {damage.__name__}: {where[-1]} at {_last_own(where)}")
        took = time.process_time() - began
        if took > _SLOW:
            _say(f"FAIL {number} {damage.__name__}: took {took:.0f} s")
    _say(f"done: {count} models, {refused} refused")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _last_own(lines: list[str]) -> str:
    own = [line.strip() for line in lines if "/engine/" in line or "onnxscope" in line]
    return own[-1] if own else ""


def _use(data: bytes) -> None:
    """What a user does with a model: look at its layers, differentiate it."""
    len(osc.load(data, input_range=(0, 1)).layers)
    proto = onnx.load_model_from_string(data)
    outputs = [value.name for value in proto.graph.output]
    inputs = [value.name for value in proto.graph.input]
    if outputs and inputs:
        osc.differentiate(data, of=outputs[0], wrt=inputs[:1])


# Models ------------------------------------------------------------------------------------------


def convolutions() -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.normal(size=(8, 3, 3, 3)),
        "b1": rng.normal(size=8),
        "w2": rng.normal(size=(6, 8, 1, 1)),
        "w3": rng.normal(size=(4, 14)),
        "mean": rng.normal(size=8),
        "var": rng.uniform(0.5, 2, 8),
    }
    node = helper.make_node
    return _model(
        [
            node("Conv", ["x", "w1", "b1"], ["c1"], strides=[2, 2], pads=[1, 1, 1, 1]),
            node("BatchNormalization", ["c1", "mean", "b1", "mean", "var"], ["n1"]),
            node("Relu", ["n1"], ["r1"]),
            node("MaxPool", ["r1"], ["p1"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
            node("Conv", ["p1", "w2"], ["c2"], auto_pad="SAME_UPPER"),
            node("Concat", ["p1", "c2"], ["cat"], axis=1),
            node("GlobalAveragePool", ["cat"], ["g"]),
            node("Flatten", ["g"], ["f"]),
            node("Gemm", ["f", "w3"], ["logits"], transB=1),
            node("Softmax", ["logits"], ["y"]),
        ],
        {"x": [1, 3, 32, 32]},
        weights,
        opset=13,
    )


def _tokens() -> onnx.ModelProto:
    rng = np.random.default_rng(1)
    weights = {"w": rng.normal(size=(8, 24)), "s": np.ones(8), "b": np.zeros(8)}
    node = helper.make_node
    nodes = [
        node("LayerNormalization", ["x", "s", "b"], ["n"]),
        node("MatMul", ["n", "w"], ["qkv"]),
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "zero"], ["batch"]),
        node("Unsqueeze", ["batch", "zero"], ["batches"]),
        node("Concat", ["batches", "rest"], ["target"], axis=0),
        node("Reshape", ["qkv", "target"], ["split"]),
        node("Transpose", ["split"], ["parts"], perm=[2, 0, 3, 1, 4]),
        node("Split", ["parts"], ["q", "k", "v"], axis=0, num_outputs=3),
        node("Transpose", ["k"], ["kt"], perm=[0, 1, 2, 4, 3]),
        node("MatMul", ["q", "kt"], ["scores"]),
        node("Softmax", ["scores"], ["weights"], axis=-1),
        node("MatMul", ["weights", "v"], ["y"]),
    ]
    proto = _model(nodes, {"x": ["N", 5, 8]}, weights, opset=18)
    proto.graph.initializer.extend(
        numpy_helper.from_array(np.array(value), name)
        for name, value in {"zero": [0], "rest": [5, 3, 2, 4]}.items()
    )
    return proto


def _model(nodes, inputs, weights, opset) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "fuzzed",
        [helper.make_tensor_value_info(name, 1, shape) for name, shape in inputs.items()],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(np.asarray(a, np.float32), n) for n, a in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


_MODELS: tuple[Callable[[], onnx.ModelProto], ...] = (convolutions, _tokens)


# Damages -----------------------------------------------------------------------------------------


def _cut(rng: np.random.Generator, proto: onnx.ModelProto) -> bytes:
    data = proto.SerializeToString()
    return data[: rng.integers(len(data))]


def _flip_bits(rng: np.random.Generator, proto: onnx.ModelProto) -> bytes:
    data = bytearray(proto.SerializeToString())
    for place in rng.integers(len(data), size=rng.integers(1, 8)):
        data[place] ^= 1 << rng.integers(8)
    return bytes(data)


def _flip_structure(rng: np.random.Generator, proto: onnx.ModelProto) -> bytes:
    """Bits outside of the weights, which most of a file consists of."""
    data = bytearray(proto.SerializeToString())
    weights = [tensor.raw_data for tensor in proto.graph.initializer if len(tensor.raw_data) > 32]
    inside = set()
    for raw in weights:
        start = bytes(data).find(raw)
        inside.update(range(start, start + len(raw)))
    places = [place for place in range(len(data)) if place not in inside]
    for place in rng.choice(places, size=rng.integers(1, 4)):
        data[place] ^= 1 << rng.integers(8)
    return bytes(data)


def _change_field(rng: np.random.Generator, proto: onnx.ModelProto) -> bytes:
    """A field somewhere gets another value."""
    damaged = onnx.ModelProto()
    damaged.CopyFrom(proto)
    fields = list(_fields(damaged))
    for _ in range(rng.integers(1, 4)):
        message, field, index = fields[rng.integers(len(fields))]
        value = getattr(message, field) if index is None else getattr(message, field)[index]
        if isinstance(value, bool):
            other: object = not value
        elif isinstance(value, int):
            numbers = [0, 1, -1, 2**31, -(2**40), 2**62, value + 1, value - 1]
            other = int(rng.choice(numbers))
        elif isinstance(value, float):
            other = float(rng.choice([0.0, -1.0, np.inf, np.nan, 1e30]))
        elif isinstance(value, bytes):
            other = value[: rng.integers(len(value) + 1)]
        else:
            names = ["", "x", "y", "c1", "w", "Relu", "Loop", "com.example", value + value]
            other = str(rng.choice(names))
        try:
            if index is None:
                setattr(message, field, other)
            else:
                getattr(message, field)[index] = other
        except ValueError:
            continue  # an int32 or an enumeration that does not hold it
    return damaged.SerializeToString()


def _fields(message: Message) -> Iterator[tuple[Message, str, int | None]]:
    for descriptor, value in message.ListFields():
        if isinstance(value, Message):
            yield from _fields(value)
        elif isinstance(value, str | bytes | bool | int | float):
            yield message, descriptor.name, None
        else:
            for index, item in enumerate(value):
                if isinstance(item, Message):
                    yield from _fields(item)
                else:
                    yield message, descriptor.name, index


def _drop(rng: np.random.Generator, proto: onnx.ModelProto) -> bytes:
    """A node, a weight or an input is missing."""
    damaged = onnx.ModelProto()
    damaged.CopyFrom(proto)
    graph = damaged.graph
    kinds = (graph.node, graph.initializer, graph.input, graph.output)
    kind = kinds[rng.integers(len(kinds))]
    if kind:
        del kind[rng.integers(len(kind))]
    return damaged.SerializeToString()


def _rewire(rng: np.random.Generator, proto: onnx.ModelProto) -> bytes:
    """An input of a node is another value: a cycle, a contradiction of shapes or types."""
    damaged = onnx.ModelProto()
    damaged.CopyFrom(proto)
    nodes = damaged.graph.node
    node = nodes[rng.integers(len(nodes))]
    names = [name for other in nodes for name in (*other.input, *other.output)]
    node.input[rng.integers(len(node.input))] = names[rng.integers(len(names))]
    return damaged.SerializeToString()


_DAMAGES: tuple[Callable[[np.random.Generator, onnx.ModelProto], bytes], ...] = (
    _cut, _flip_bits, _flip_structure, _change_field, _drop, _rewire,
)  # fmt: skip

if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
