"""Finished graphs with what running them takes: kept on disk, or built."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from threading import Lock
from typing import TYPE_CHECKING

from .. import errors
from ..cache import GraphCache
from ..identity import NoIdentityError, key_of
from .memory import Footprint

if TYPE_CHECKING:
    import onnx

_SIZE = 4

# Warnings are collected for the whole process: climbers side by side do so one after the other.
_COLLECTING = Lock()


@dataclass(frozen=True)
class Graph:
    """A finished graph.

    Attributes:
        model: An ONNX file.
        footprint: What running it takes.
        warnings: What its user should know, said when it was built: kinds of `errors`, and texts.
    """

    model: bytes
    footprint: Footprint
    warnings: tuple[tuple[str, str], ...] = ()


def kept(
    cache: GraphCache | None,
    kind: str,
    parts: Callable[[], dict[str, object]],
    build: Callable[[], onnx.ModelProto],
    batch: int,
    stacklevel: int,
) -> Graph:
    """Take a graph from the cache, or build and keep it; warnings are raised in either case."""
    if cache is None:
        return _finished(build(), batch)
    try:
        key = key_of(kind=kind, **parts())
    except NoIdentityError:
        return _finished(build(), batch)
    kept = cache.get(key)
    if kept is not None:
        graph = _unpacked(kept)
    else:
        proto, said = _built(build)
        graph = _finished(proto, batch, said)
        # Weights are most of a graph, and the same for all units of a layer.
        cache.put(key, _packed(graph), (t.raw_data for t in proto.graph.initializer))
    for name, text in graph.warnings:
        warnings.warn(text, getattr(errors, name), stacklevel=stacklevel)
    return graph


def _built(build: Callable[[], onnx.ModelProto]) -> tuple[onnx.ModelProto, list[tuple[str, str]]]:
    """A graph, and this package's warnings; others are passed on."""
    with _COLLECTING, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        proto = build()
    said: dict[tuple[str, str], None] = {}
    for warning in caught:
        if issubclass(warning.category, errors.OnnxscopeWarning):
            said[warning.category.__name__, str(warning.message)] = None
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    return proto, list(said)


def _finished(proto: onnx.ModelProto, batch: int, said: Sequence[tuple[str, str]] = ()) -> Graph:
    return Graph(proto.SerializeToString(), Footprint.of(proto, batch), tuple(said))


def _packed(graph: Graph) -> bytes:
    known = {"footprint": asdict(graph.footprint), "warnings": graph.warnings}
    facts = json.dumps(known).encode()
    return len(facts).to_bytes(_SIZE, "little") + facts + graph.model


def _unpacked(data: bytes) -> Graph:
    """Read back what `_packed` wrote; the cache has checked it."""
    end = _SIZE + int.from_bytes(data[:_SIZE], "little")
    facts = json.loads(data[_SIZE:end])
    said = tuple((kind, text) for kind, text in facts["warnings"])
    return Graph(data[end:], Footprint(**facts["footprint"]), said)
