"""A model that is read as far as it is needed: its facts first, the graph for those who ask."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from .cache import GraphCache
from .errors import InputError
from .facts import Facts
from .identity import NoIdentityError, key_of
from .model_file import ModelFile

if TYPE_CHECKING:
    import numpy.typing as npt
    import onnx
    import onnx_ir as ir

    from .graph.loading import LoadedModel
    from .network import Network


class Reading:
    """A model's source, and what was read of it so far.

    The facts of a file are kept in the cache, under its content and the arguments; those of a model
    that has weights in other files, or whose other inputs were given, are not.

    Attributes:
        name: The catalogue name, or where the file came from.
    """

    def __init__(
        self,
        source: ModelFile | onnx.ModelProto | ir.Model,
        name: str,
        *,
        layout: str | None = None,
        image_input: str | None = None,
        inputs: Mapping[str, npt.ArrayLike] | None = None,
        cache: GraphCache | None = None,
    ) -> None:
        """Read nothing yet.

        Args:
            source: What to read.
            name: What to call it.
            layout: As `onnxscope.load` takes it.
            image_input: As `onnxscope.load` takes it.
            inputs: As `onnxscope.load` takes it.
            cache: Where facts are kept.
        """
        self.name = name
        self._source: ModelFile | onnx.ModelProto | ir.Model | None = source
        self._file_sha256 = source.sha256 if isinstance(source, ModelFile) else ""
        self._loaded: LoadedModel | None = None
        self._layout = layout
        self._image_input = image_input
        self._inputs = dict(inputs or {})
        self._cache = cache
        # Climbers that work side by side may ask for the graph at the same time.
        self._lock = Lock()

    @cached_property
    def facts(self) -> Facts:
        """All that is known without the graph.

        Raises:
            OnnxscopeError: see `network`.
        """
        key = self._key()
        if self._cache is None or key is None:
            return Facts.of(self.loaded, self.network)
        kept = self._cache.get(key)
        if kept is not None:
            return Facts.from_bytes(kept)
        facts = Facts.of(self.loaded, self.network)
        # What was read from other files is in the model's hash, not in this file's.
        if facts.self_contained and facts.sha256 == self._file_sha256:
            self._cache.put(key, facts.to_bytes())
        return facts

    @property
    def loaded(self) -> LoadedModel:
        """The file's graph.

        Raises:
            ModelError: it is no model, or damaged.
            OperatorError: it holds operators of another domain.
        """
        from .graph.loading import load_graph

        with self._lock:
            if self._loaded is None:
                assert self._source is not None  # it goes when the graph is there
                self._loaded = load_graph(self._source)
                # The graph holds the weights; a second copy of them is not needed.
                self._source = None
            return self._loaded

    @cached_property
    def network(self) -> Network:
        """The graph with its input for pictures.

        Raises:
            OnnxscopeError: see `loaded`; or there is no input that certainly takes pictures.
        """
        from .network import Network

        graph = self.loaded.model.graph
        return Network(
            graph,
            self.name,
            layout=self._layout,
            picture=self._image_input,
            inputs=_typed(graph, self._inputs),
        )

    @property
    def inputs(self) -> Mapping[str, np.ndarray]:
        """The values of the other inputs, by name, in the types that the file says."""
        return self.network.inputs if self._inputs else {}

    def _key(self) -> str | None:
        """What determines the facts; `None` where that cannot be told."""
        if self._inputs or not self._file_sha256:
            return None
        try:
            return key_of(
                kind="facts",
                sha256=self._file_sha256,
                layout=self._layout,
                image_input=self._image_input,
            )
        except NoIdentityError:
            return None


def _typed(graph: ir.Graph, inputs: Mapping[str, npt.ArrayLike]) -> dict[str, np.ndarray]:
    types = {value.name: value.dtype for value in graph.inputs}
    arrays = {}
    for name, given in inputs.items():
        kind = types.get(name)
        array = np.asarray(given, None if kind is None else kind.numpy())
        if array.dtype == object:
            raise InputError(f"the input {name!r} takes numbers, not {given!r}")
        arrays[name] = array
    return arrays
