"""What is known of a network without its graph: names, sizes, what it expects of a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..forms import Form, checked_colors, plane_of, stack_of, usual_sizes
from ..graph.metadata import Metadata
from ..plain import whole
from .inputs.expectations import Expectation, find_axes, find_labels, find_size
from .inputs.preprocessing import Preprocessing
from .layers.layer import LayerNames

if TYPE_CHECKING:
    from pathlib import Path

    from .reading import Reading


class Described:
    """A network as far as the facts about its file tell; `Model` says what the attributes are."""

    def __init__(
        self,
        reading: Reading,
        preprocessing: Preprocessing | None = None,
        channel_axis: Mapping[str, int] | None = None,
        *,
        compared: bool = True,
        labels: Sequence[str] | None = None,
        colors: Sequence[int] | str | None = None,
    ) -> None:
        """Take the facts; the graph is read when something needs it.

        Raises:
            OnnxscopeError: see `onnxscope.load`.
        """
        self.name = reading.name
        self.compared = compared
        self._reading = reading
        self._facts = facts = reading.facts
        self.sha256 = facts.sha256
        self.opset = facts.opset
        self.metadata = Metadata.from_props(facts.props)
        self.expectation = facts.expectation
        self._given: Preprocessing | None = None
        if preprocessing is not None and self.metadata is None:
            self._given = replace(preprocessing, layout=facts.layout, channels=facts.channels)
            self.expectation = Expectation(self._given, "as given")
        self.preprocessing = self.expectation.preprocessing
        stack = stack_of(facts.layout)
        usual = 1 if stack is None else usual_sizes(facts.layout)[stack.letter]
        self.form = Form(
            facts.layout,
            facts.channels,
            facts.fixed_depth or usual,
            checked_colors(colors, facts.layout, facts.channels),
        )
        self._given_colors = colors
        own = find_labels(facts.props) if self.metadata is None else self.metadata.labels
        self._labels = own if labels is None else tuple(labels)
        self._named_size = find_size(facts.props)
        self._given_axes = {
            self.names.find(layer): whole(f"the channel axis of {layer}", axis, 1)
            for layer, axis in (find_axes(facts.props) | dict(channel_axis or {})).items()
        }

    @property
    def identity(self) -> dict[str, object]:
        """All that determines what the model computes, as plain data."""
        return {
            "sha256": self.sha256,
            "layout": self._facts.layout,
            "preprocessing": self.preprocessing,
            "channel axes": self._given_axes,
            "form": self.form,
            "image input": self._facts.image_input,
            "inputs": dict(self._reading.inputs),
        }

    @property
    def given(self) -> Preprocessing | None:
        """What `onnxscope.load` was given of pictures; `None` where the file says it, if any."""
        return self._given

    @property
    def self_contained(self) -> bool:
        """Whether its weights are all in memory: none in files beside its own, which may change."""
        return self._facts.self_contained

    @property
    def path(self) -> Path | None:
        """The file that it was read from; `None` where it was given otherwise."""
        return self._reading.path

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names in the order of the logits; empty where they are unknown."""
        return self._labels

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """The height and width where the file accepts one picture size only, else `None`."""
        return self._facts.fixed_size

    @property
    def fixed_batch(self) -> int | None:
        """How many pictures the file takes at a time, where it says a number; else `None`."""
        return self._facts.fixed_batch

    @property
    def expected_layout(self) -> str:
        """How pictures lie in the file's input, such as `NCHW` (see `forms.Form`)."""
        return self._facts.layout

    @property
    def size(self) -> int:
        """The usual picture size in pixels: the file's, its metadata's, or 224."""
        if self.metadata is not None:
            return self.metadata.size
        usual = usual_sizes(self.form.layout)[plane_of(self.form.layout)[0].letter]
        return self.fixed_size[0] if self.fixed_size else self._named_size or usual

    @property
    def usual_size(self) -> tuple[int, int]:
        """The usual height and width: what the file fixes of them, `size` for what is open."""
        rows, columns = self._facts.sides
        if self.form.turns:
            return rows or self.size, columns or self.size
        usual = usual_sizes(self.form.layout)
        return rows or usual["F"], columns or usual["T"]

    @cached_property
    def names(self) -> LayerNames:
        """What may be written for a layer. A converted model's own names need no aliases."""
        return LayerNames(self.name, self._facts.layer_names, self._facts.naming)

    @property
    def layer_names(self) -> list[str]:
        """The names of the layers' values, from the image to the output, not supported ones too.

        Aliases are in `names`.
        """
        return list(self._facts.layer_names)

    def arguments(self) -> dict[str, Any]:
        """Return what `onnxscope.load` needs besides the file, as plain data."""
        found: dict[str, Any] = {} if self.preprocessing is None else self.preprocessing.to_json()
        if self._given_colors is not None:
            colors = self.form.colors
            found["colors"] = "none" if colors is None else list(colors)
        inputs = self._reading.inputs
        if self._given_axes:
            found["channel_axis"] = dict(self._given_axes)
        if inputs:
            found["inputs"] = {name: array.tolist() for name, array in inputs.items()}
        if self._facts.several_inputs:
            found["image_input"] = self._facts.image_input
        return found

    def _preprocessing_in_words(self) -> str:
        if self.metadata is not None:
            return self.metadata.preprocessing or "in the graph"
        if self.preprocessing is None:
            return (
                "unknown: give input_range, mean and std to load"
                f"{in_brackets(self.expectation.words)}"
            )
        words = self.expectation.words
        return f"{self.preprocessing}{in_brackets(words)}"

    @property
    def _unchanged(self) -> Preprocessing:
        """What leaves pictures as they are."""
        return Preprocessing(layout=self.form.layout, channels=self.form.channels)


def in_brackets(words: str) -> str:
    """Return words in brackets, behind a blank; nothing for none."""
    return f" ({words})" if words else ""


def labels_in_words(labels: Sequence[str]) -> str:
    """Return how many labels there are, with the first and the last."""
    if not labels:
        return "none"
    first, last = (label.split(",")[0] for label in (labels[0], labels[-1]))
    return f"{len(labels):,}, from {first} to {last}"
