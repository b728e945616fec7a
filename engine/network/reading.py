"""A model that is read as far as it is needed: its facts first, the graph for those who ask."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..cache import GraphCache
from ..errors import ModelError, NoPictureError
from ..identity import NoIdentityError, key_of
from ..importer.model_file import ModelFile
from .facts import Facts

if TYPE_CHECKING:
    import numpy.typing as npt
    import onnx
    import onnx_ir as ir

    from ..importer.opsets import LoadedModel
    from .network import Network

_Found = TypeVar("_Found")


class Reading:
    """A model's source, and what was read of it so far.

    What was found out about a file is kept in the cache, under its content and the arguments; not
    where it has weights in other files, or its other inputs were given.

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
            cache: Where what was found out is kept.
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

    def __getstate__(self) -> dict[str, Any]:
        """Give what makes the same reading again: of a file where it is, else its content."""
        state = dict(vars(self))
        for name in ("_lock", "_source", "_loaded", "network"):
            state.pop(name, None)
        return state | {"portable": _portable(self._source, self._loaded)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the source anew; the graph is read when something needs it.

        Raises:
            ModelError: the file is gone, or is another by now.
        """
        portable = state.pop("portable")
        vars(self).update(state, _loaded=None, _lock=Lock())
        self._source = _source_of(portable)
        self._loaded = None

    @cached_property
    def facts(self) -> Facts:
        """All that is known without the graph.

        Raises:
            OnnxscopeError: see `network`.
        """
        return self.kept(
            "facts", lambda: Facts.of(self.loaded, self.network), Facts.to_json, Facts.from_json
        )

    @property
    def path(self) -> Path | None:
        """The file that it is read from; `None` where it was given otherwise."""
        if isinstance(self._source, ModelFile):
            return self._source.path
        return None if self._loaded is None else self._loaded.original.path

    @property
    def loaded(self) -> LoadedModel:
        """The file's graph.

        Raises:
            ModelError: it is no model, or damaged.
            OperatorError: it holds operators of another domain.
        """
        from ..importer.opsets import load_graph

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

        loaded = self.loaded
        try:
            return Network(
                loaded.model.graph,
                self.name,
                layout=self._layout,
                picture=self._image_input,
                inputs=_typed(loaded.model.graph, self._inputs),
            )
        except NoPictureError as error:
            error.loaded = loaded
            raise

    @property
    def inputs(self) -> Mapping[str, np.ndarray]:
        """The values of the other inputs, by name, in the types that the file says."""
        return self.network.inputs if self._inputs else {}

    def kept(
        self,
        kind: str,
        find: Callable[[], _Found],
        to_json: Callable[[_Found], Any],
        from_json: Callable[[Any], _Found],
        **parts: object,
    ) -> _Found:
        """Return what was found out about the graph before, or find it out now and keep it.

        Args:
            kind: What it is.
            find: Looks it up in the graph.
            to_json: It as plain data.
            from_json: The reverse.
            parts: What it depends on besides the source and the arguments.
        """
        key = self._key(kind=kind, **parts)
        if self._cache is None or key is None:
            return find()
        kept = self._cache.get(key)
        if kept is not None:
            return from_json(json.loads(kept))
        found = find()
        # What was read from other files is in the graph's hash, not in this file's.
        if self.network.self_contained and self.loaded.sha256 == self._file_sha256:
            self._cache.put(key, json.dumps(to_json(found)).encode())
        return found

    def _key(self, **parts: object) -> str | None:
        """A key of the source, the arguments and `parts`; `None` where these cannot be told."""
        if self._inputs or not self._file_sha256:
            return None
        try:
            return key_of(
                sha256=self._file_sha256,
                layout=self._layout,
                image_input=self._image_input,
                **parts,
            )
        except NoIdentityError:
            return None


def _portable(
    source: ModelFile | onnx.ModelProto | ir.Model | None, loaded: LoadedModel | None
) -> tuple[str, str | bytes, str]:
    """What a source is in another process: its kind, its path or bytes, and a file's hash."""
    if source is None:
        assert loaded is not None  # one of both is there
        original = loaded.original
        if original.path is not None:
            return "file", str(original.path.resolve()), original.sha256
        if isinstance(original.content, bytes):
            return "bytes", original.content, ""
        return "model", original.read().SerializeToString(deterministic=True), ""
    if isinstance(source, ModelFile):
        if source.path is not None:
            return "file", str(source.path.resolve()), source.sha256
        return "bytes", source.data, ""
    import onnx_ir as ir

    proto = ir.to_proto(source) if isinstance(source, ir.Model) else source
    return "model", proto.SerializeToString(deterministic=True), ""


def _source_of(portable: tuple[str, str | bytes, str]) -> ModelFile | onnx.ModelProto:
    kind, content, sha256 = portable
    if isinstance(content, str):
        file = ModelFile.read(content)
        if file.sha256 != sha256:
            raise ModelError(f"{content} has changed since it was read")
        return file
    if kind == "bytes":
        return ModelFile(content)
    import onnx

    return onnx.ModelProto.FromString(content)


def _typed(graph: ir.Graph, inputs: Mapping[str, npt.ArrayLike]) -> dict[str, np.ndarray]:
    """Values as the inputs take them; names that the model does not have are told later.

    Sequences of tensors no network of pictures is given.
    """
    from .inputs.given import as_input
    from .inputs.sequences import is_sequence

    by_name = {value.name: value for value in graph.inputs}
    return {
        name: as_input(by_name[name], given) if name in by_name else np.asarray(given)
        for name, given in inputs.items()
        if name not in by_name or not is_sequence(by_name[name])
    }
