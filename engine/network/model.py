"""A loaded model: its layers, what it expects of a picture, its activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..errors import EmptyError, InputError, LayerError, ModelError, OperatorError
from ..notebook import working
from ..plain import text, texts, whole
from ..planes import as_planes
from .described import Described, in_brackets, labels_in_words
from .layers.layer import Layers

if TYPE_CHECKING:
    from ..graph.tensor import Tensor
    from ..images import Photo
    from ..importer.faithfulness import Faithfulness
    from ..importer.opsets import Original
    from .activations import Activations
    from .network import Network
    from .normalized import ChannelStatistics

_Found = TypeVar("_Found")


class Model(Described):
    """A network as onnxscope sees it: pictures (N, P, H, W), in [0, 1], to named layers.

    P is 3, for RGB, where the network takes pictures in three colours; else see `form`.

    Made by `onnxscope.load`. It can be pickled, and so goes to other processes: there it is read
    again from its file, which must be the same, or from the bytes or object that it was made of.

    Attributes:
        name: The catalogue name, or where the file came from.
        sha256: Hash of the model file.
        metadata: What a converted model says of itself; `None` for files of other origin.
        preprocessing: What the picture goes through before the graph, `None` where that is unknown.
        expectation: Where that was found, and what of it is assumed.
        form: What it takes for a picture.
        compared: Whether its values are compared with the file's before it is differentiated.
    """

    def __repr__(self) -> str:
        height, width = self.usual_size
        return f"<onnxscope model {self.name}: {len(self.layers)} layers, {height}×{width}>"

    def _repr_html_(self) -> str:
        """For notebooks: what is known of the model, and its main layers."""
        from ..tables import facts, panel

        height, width = self.usual_size
        only = " only" if self.fixed_size else ", by default"
        pixels = f"{height}×{width} pixels"
        known = (
            ("pictures", (pixels if self.form.is_rgb else self.form.words((height, width))) + only),
            ("preprocessing", self._preprocessing_in_words()),
            ("labels", labels_in_words(self.labels)),
        )
        return panel(self.name, facts(known), self.layers._repr_html_())

    def weights(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the names and values of the constants that the file holds.

        Raises:
            OnnxscopeError: see `onnxscope.load`.
        """
        for name, value in self._reading.loaded.model.graph.initializers.items():
            if value.const_value is not None:
                yield name, value.const_value.numpy()

    @property
    def original(self) -> Original:
        """The file as it is, to be read once more.

        Raises:
            OnnxscopeError: see `onnxscope.load`.
        """
        return self._reading.loaded.original

    @cached_property
    def layers(self) -> Layers:
        """The layers by name, from the image to the output, with shapes at the usual size.

        Values that cannot be written, such as those behind an unknown operator, are left out.
        """

        def find() -> Layers:
            image = self._pictures(*self.usual_size)
            with working(f"finding the layers of {self.name}"):
                return self._network.describe(
                    self._prepared(image), self.names, self.layer_names, self._given_axes
                )

        return self._kept(
            "layers", find, Layers.to_json, lambda data: Layers.from_json(data, self.names)
        )

    @cached_property
    def faithfulness(self) -> Faithfulness:
        """How its values compare with those that ONNX Runtime gives for the file as it is.

        They are computed at a random picture of the usual size, once on a machine.
        """
        from ..importer.faithfulness import Faithfulness
        from .comparison import compare_pictures, runtime_versions

        def find() -> Faithfulness:
            preprocessing = self.preprocessing or self._unchanged
            loaded, network = self._reading.loaded, self._network
            with working(f"comparing {self.name} with the file as ONNX Runtime reads it"):
                return compare_pictures(
                    loaded, network, preprocessing, self.usual_size, self.form.planes
                )

        return self._kept(
            "comparison",
            find,
            Faithfulness.to_json,
            Faithfulness.from_json,
            runtime=runtime_versions(),
        )

    def layer_shape(
        self, layer: str, pictures: int, height: int, width: int, depth: int | None = None
    ) -> tuple[int, ...]:
        """Return a layer's shape for pictures of that size, without the batch.

        Args:
            layer: Its name.
            pictures: How many.
            height: In pixels.
            width: In pixels.
            depth: How many slices or frames; by default the usual number.

        Raises:
            OnnxscopeError: see `append`.
        """
        text("layer", layer, "the name of a layer", LayerError)
        pictures, height = whole("pictures", pictures, 1), whole("height", height, 1)
        width = whole("width", width, 1)
        if depth is not None:
            depth = whole("depth", depth, 1)
            if self.form.stack is None and depth != 1:
                raise InputError(
                    f"depth is how many slices or frames there are; {self.name} takes "
                    f"{self.form.words()}: leave depth={depth} out"
                )
        planes = self.form.with_depth(depth).planes

        def find() -> tuple[int, ...]:
            from ..graph.builder import Builder

            image = Builder(opset=self.opset).input(
                "image", (pictures, planes, height, width), np.float32
            )
            return self.append(image, [layer])[layer].shape[1:]

        return self._kept("shape", find, list, tuple, of=(layer, pictures, planes, height, width))

    def on_plain_pictures(self) -> Model:
        """Return the same model, which takes plain pictures where it is unknown what it expects."""
        if self.preprocessing is not None:
            return self
        plain = copy(self)
        plain.preprocessing = self._unchanged
        return plain

    def append(
        self, image: Tensor, wanted: Sequence[str], *, check_preprocessing: bool = True
    ) -> Activations:
        """Append the network to the graph that `image` belongs to.

        Args:
            image: Symbolic pictures (N, P, H, W), in [0, 1]; of three colours P is 3, for RGB.
            wanted: Names of layers, or their aliases; where none is called `logits`, that is the
                layer of class scores (see `logits`).
            check_preprocessing: Refuse to go on where it is not known what the input expects.

        Returns:
            The layers' activations (N, C, H, W), (N, C, D, H, W) of volumes and videos, (N, C, L)
            for L tokens, or (N, C), in float32, by the names that were given.

        Raises:
            LayerError: a layer is not there.
            InputError: the preprocessing is unknown, or the picture does not fit the network.
        """
        if self.preprocessing is None and check_preprocessing:
            raise InputError(
                f"{self.name} does not say what its input {self._facts.image_input!r} expects of "
                f"a picture{in_brackets(self.expectation.words)}: give "
                'preprocessing="imagenet", or give input_range, such as (0, 1), (-1, 1) or '
                "(0, 255), and mean, std and channel_order where the model was trained with them"
            )
        planes, height, width = image.shape[1:]
        self._check_size(planes, height, width)
        named = {name: self._value_of(name) for name in wanted}
        for name, reason in self._network.missing(named.values()).items():
            raise InputError(f"{name} of {self.name} cannot be computed: {reason}")
        try:
            found = self._network.append(self._prepared(image), dict.fromkeys(named.values()))
        except EmptyError as error:
            raise InputError(self._too_small(wanted, height, width)) from error
        except OperatorError:
            raise
        except ModelError as error:
            raise InputError(
                f"{self.name} does not accept {_counted(image)} of "
                f"{self._pixels_in_words(planes, height, width)}: "
                f"{error}{self._network.batch_advice(image.dims[0])}"
                f"{self._network.layout_advice}"
            ) from error
        return self._network.present(named, found, image.dims[0], self._given_axes)

    def activations(
        self, images: Photo | Sequence[Photo], layers: Sequence[str] | str, provider: str = "cpu"
    ) -> dict[str, np.ndarray]:
        """Return the activations of layers on pictures.

        Args:
            images: (H, W, 3) or (N, H, W, 3), float in [0, 1] or uint8, as they are; or a path, or
                an image of Pillow's, or a list of these, of which the middle is brought to the
                model's usual size as by `onnxscope.fit`. Where the network takes others than RGB,
                (H, W, C), or (D, H, W, C) of volumes and videos, or several of these, and files
                that hold them: .npy, and what Pillow reads.
            layers: Layer names.
            provider: Where to compute (see `onnxscope.render`).

        Returns:
            By layer, (N, C, H, W), (N, C, D, H, W) of volumes and videos, or (N, C) float32.

        Raises:
            LayerError: a layer is not there.
            InputError: the pictures are of another shape, type or range, or do not fit the network.
            ProviderError: the provider is not there.
        """
        from ..graph.builder import Builder
        from ..graph.finish import model_of
        from ..runtime.session import check_provider, open_session

        names = texts("layers", layers, "names of layers", LayerError)
        provider = check_provider(provider)
        batch = as_planes(images, self.form, fit=self.usual_size)
        builder = Builder(opset=self.opset)
        with working(f"computing activations of {self.name}"):
            image = builder.input("image", batch.shape, np.float32)
            for name, tensor in self.append(image, names).items():
                builder.output(f"activations/{name}", tensor)
            session = open_session(model_of(builder), provider)
            outputs = session.run({"image": batch})
        return {name: outputs[f"activations/{name}"] for name in names}

    def origin_of(self, name: str) -> tuple[str, tuple[str, ...]]:
        """Return the operator that computes a value, and what it reads that pictures change.

        Args:
            name: Of a value, as the file has it.

        Returns:
            No operator for what is not computed from pictures.

        Raises:
            LayerError: the name is no text.
        """
        text("name", name, "the name of a value", LayerError)
        return self._origins.get(name, ("", ()))

    @cached_property
    def _origins(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """See `origin_of`, of all values; why a picture is grey is asked without the graph."""

        def find() -> dict[str, tuple[str, tuple[str, ...]]]:
            producers = self._network.producers
            found = {}
            for name, node in producers.items():
                read = (value.name for value in node.inputs if value is not None and value.name)
                found[name] = node.op_type, tuple(one for one in read if one in producers)
            return found

        return self._kept(
            "origins",
            find,
            lambda found: found,
            lambda data: {name: (op, tuple(read)) for name, (op, read) in data.items()},
        )

    def smallest_size(self, layers: Sequence[str]) -> int:
        """Return the least side of square pictures for which all `layers` have cells.

        Raises:
            LayerError: a layer is not there.
            ModelError: no size is large enough.
        """
        layers = texts("layers", layers, "names of layers", LayerError)
        low, high = 0, max(self.size, 1)
        while not self._fits(layers, high):
            low, high = high, high * 2
            if high > 16384:
                raise ModelError(f"no picture size up to {high // 2} fits {', '.join(layers)}")
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._fits(layers, middle) else (middle, high)
        return high

    def receptive_field(self, layer: str) -> tuple[int, int] | None:
        """Return height and width of what the middle cell of a layer sees, in pixels.

        It is taken at the usual picture size and ends at the picture's border.

        Returns:
            `None` where the layer has no cells.

        Raises:
            LayerError: the layer is not there.
        """
        text("layer", layer, "the name of a layer", LayerError)
        from ..graph.passes.crop import needed_part

        image = self._pictures(*self.usual_size)
        builder = image.builder
        cells = self.append(image, [layer], check_preprocessing=False)[layer]
        if cells.rank != 4:
            return None
        y, x = (size // 2 for size in cells.shape[2:])
        builder.output("cell", cells[:, :, y : y + 1, x : x + 1])
        box = needed_part(builder, image)
        return None if box is None else (box.bottom - box.top, box.right - box.left)

    def logits(self) -> str:
        """Return the name of the layer of class scores before the softmax.

        Raises:
            LayerError: the model does not end in classes.
        """
        # Imported here: a picture of a unit does without.
        from .class_scores import logits_of

        return logits_of(self)

    def expected_statistics(self) -> dict[str, ChannelStatistics]:
        """Return the means and variances that channels had in training, by layer.

        They are known behind the batch normalisations that the file holds.
        """
        from .normalized import found_statistics

        every = found_statistics(self._network.graph)
        layers = set(self.layer_names)
        return {name: kept for name, kept in every.items() if name in layers}

    # ---------------------------------------------------------------------------------------------

    @property
    def _network(self) -> Network:
        return self._reading.network

    def _kept(
        self,
        kind: str,
        find: Callable[[], _Found],
        to_json: Callable[[_Found], Any],
        from_json: Callable[[Any], _Found],
        **parts: object,
    ) -> _Found:
        """See `Reading.kept`; what a class of the user's finds is not kept."""
        if type(self) is not Model:
            return find()
        parts |= {"preprocessing": self.preprocessing, "axes": self._given_axes}
        return self._reading.kept(kind, find, to_json, from_json, **parts)

    def _pictures(self, height: int, width: int) -> Tensor:
        """A symbolic picture of that size in a graph of its own, or as many as the file takes."""
        from ..graph.builder import Builder
        from .alone import input_for_one

        return input_for_one(Builder(opset=self.opset), self, (height, width))

    def _prepared(self, image: Tensor) -> Tensor:
        """Pictures as the file's input takes them."""
        return (self.preprocessing or self._unchanged).apply(image)

    def _check_size(self, planes: int, height: int, width: int) -> None:
        """See that the file takes pictures of that size.

        Raises:
            InputError: it does not.
        """
        rows, columns = self._facts.sides
        form, depth = self.form, planes // self.form.channels
        if planes % form.channels or (form.stack is None and depth != 1):
            raise InputError(f"{self.name} takes {form.words()}, not pictures of {planes} channels")
        if self.fixed_size not in (None, (height, width)) and form.stack is None and form.turns:
            fixed = "×".join(str(n) for n in self.fixed_size or ())
            raise InputError(
                f"{self.name} takes pictures of {fixed} pixels only, not {height}×{width}"
            )
        fixed_sides = (self._facts.fixed_depth or depth, rows or height, columns or width)
        if fixed_sides != (depth, height, width):
            only = form.with_depth(fixed_sides[0]).words(fixed_sides[1:])
            given = form.with_depth(depth).sizes_in_words((height, width))
            raise InputError(f"{self.name} takes {only} only, not {given}")

    def _pixels_in_words(self, planes: int, height: int, width: int) -> str:
        if self.form.stack is None and self.form.turns:
            return f"{height}×{width} pixels"
        sized = self.form.with_depth(planes // self.form.channels)
        return sized.sizes_in_words((height, width))

    def _value_of(self, name: str) -> str:
        """The value that a layer's name stands for; `logits` is that of class scores, if no other.

        Raises:
            LayerError: there is none, or there are several.
        """
        if name == "logits" and not self.names.meanings(name):
            return self.logits()
        return self.names.find(name)

    def _fits(self, layers: Sequence[str], size: int) -> bool:
        rows, columns = self._facts.sides
        image = self._pictures(rows or size, columns or size)
        try:
            self._network.append(self._prepared(image), [self.names.find(n) for n in layers])
        except ModelError:
            return False
        return True

    def _too_small(self, wanted: Sequence[str], height: int, width: int) -> str:
        least = self.smallest_size(wanted)
        return (
            f"a picture of {height}×{width} pixels is too small for {', '.join(wanted)}; "
            f"the smallest is {least}×{least}"
        )


def _counted(image: Tensor) -> str:
    return "a picture" if image.dims[0] == 1 else f"{image.dims[0]} pictures"
