"""What climbers of every kind need: sessions that fit into memory, pictures, choices by picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..runtime.creation import Cuda
from ..runtime.finished import Graph
from ..runtime.memory import Use, check_memory
from ..runtime.session import Provider, Session, open_for
from .graphs import Graphs

Arrays = dict[str, np.ndarray]


class Viewer:
    """From parameters to pictures; the session opens when a picture is asked for."""

    def __init__(self, graphs: Graphs, provider: Provider) -> None:
        self._graphs = graphs
        self._provider = provider
        self._session: Session | None = None

    def of(self, parameters: Arrays) -> np.ndarray:
        """Return the pictures of an ascent's parameters, as `Form.as_arrays` has them."""
        if self._session is None:
            # Made once, so that exactness costs nothing.
            exact = Cuda(tf32=False)
            graph = self._graphs.image()
            self._session = open_for(lambda _: graph.model, self._provider, cuda=exact)
        return self._graphs.form.as_arrays(self._session.run(parameters)["image"])


def open_checked(
    build: Callable[[str], Graph],
    use: Use | None,
    provider: str | Provider,
    cuda: Cuda,
    threads: int | None = None,
) -> Session:
    """Return a session of a graph, unless the memory that there is cannot hold it.

    Args:
        build: The graph for a provider, by name.
        use: How it will be run; `None` where the memory is known to suffice.
        provider: See `onnxscope.render`.
        cuda: How CUDA computes.
        threads: Of the CPU; by default all.

    Raises:
        MemoryShortageError: it cannot.
    """

    def checked(name: str) -> bytes:
        graph = build(name)
        if use is not None:
            check_memory(graph.footprint, use, name)
        return graph.model

    return open_for(checked, provider, threads, cuda)


def is_finite(value: np.ndarray, largest: np.ndarray) -> bool:
    """Return whether a step is to count: every objective and every gradient's largest magnitude."""
    return bool(np.isfinite(value).all() and np.isfinite(largest).all())


def has_moved(largest: np.ndarray, data: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return which pictures have a gradient of the objective's own that can move them, (N,) bool.

    Below the smallest normal number digits are lost, and squares of such gradients are zero. Where
    a gradient leaks, it tells nothing of the objective's own.

    Args:
        largest: Of each picture's gradient the largest magnitude, (N,).
        data: Of the step.
    """
    if "leak" in data and data["leak"].any():
        return np.zeros(len(largest), bool)
    moved: np.ndarray = largest >= np.finfo(np.float32).tiny
    return moved


def with_prefix(prefix: str, outputs: Mapping[str, np.ndarray]) -> Arrays:
    """Return the outputs with this prefix, without it."""
    return {n.removeprefix(prefix): a for n, a in outputs.items() if n.startswith(prefix)}


def largest_of(array: np.ndarray) -> np.ndarray:
    """Return each picture's largest magnitude, (N,); not a number where there is one."""
    result: np.ndarray = np.abs(array.reshape(len(array), -1)).max(axis=1)
    return result


def choose(
    where: np.ndarray, yes: Mapping[str, np.ndarray], no: Mapping[str, np.ndarray]
) -> Arrays:
    """Take each picture's part of `yes` where `where` (N,) says so, else of `no`, by name."""
    return {
        name: np.where(where.reshape(-1, *([1] * (array.ndim - 1))), yes[name], array)
        for name, array in no.items()
    }
