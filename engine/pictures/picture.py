"""What `render` gives: pictures, the values on the way, and the recipe."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, PngImagePlugin

from ..errors import InputError, OnnxscopeError
from ..forms import RGB, Form
from ..notebook import in_notebook, show_below
from ..objectives.algebra import Objective
from ..objectives.own_objectives import Each
from ..plain import flag, texts, whole
from ..plain import path as a_path
from ..plain import shown as in_words
from ..runtime.session import Provider
from .arrays import write_array
from .display import checked_show, frames, is_held_by_png, seen
from .fields import cut, framed, seen_part, whole_picture
from .formats import MOVING, check_suffix, chunk_of, save_image, save_moving
from .importance import checked_percentile, with_opacity
from .recipe import Recipe
from .tiles import as_image, image_of, joined

if TYPE_CHECKING:
    import numpy.typing as npt

    from ..graph.passes.crop import Box
    from ..network.model import Model

_FRAME_MS = 60
_LAST_FRAME_MS = 1500
_SLICE_MS = 100


@dataclass(frozen=True, eq=False)
class Picture:
    """Rendered pictures.

    Attributes:
        images: (N, H, W, 3) float32 in [0, 1]; of other forms than RGB (N, H, W, C), and of volumes
            and videos (N, D, H, W, C); of transparent pictures the last channel is the opacity.
        values: The objective before each step: (steps,), or (steps, N) for several pictures.
        snapshots: Pictures after the steps that were asked for, (N, H, W, 3), by step.
        recipe: What it takes to make them again.
        provider: Where they were computed, and why not on CUDA.
        interrupted: Whether Ctrl-C ended the ascent early.
        warnings: What a user should know: a unit that stayed off, a neuron at the border.
        warnings_by_picture: Those of each picture, where each has an objective of its own.
        model: The model, while it is in memory: it does not go along to other processes.
        objective: What was maximised, likewise.
        importance: Where the objective felt the picture, (N, H, W) float32 in [0, 1]: the magnitude
            of its gradient in each pixel, the sum over colours and steps, by its largest (Fel et
            al., *MACO*, 2023).
        form: What the pictures are.
        shown: Which channels are looked at: one, in grey, or three as red, green and blue; `None`
            for all, side by side where they are no colours.
    """

    images: np.ndarray
    values: np.ndarray
    recipe: Recipe
    provider: Provider
    snapshots: Mapping[int, np.ndarray] = field(default_factory=dict)
    interrupted: bool = False
    warnings: tuple[str, ...] = ()
    warnings_by_picture: tuple[tuple[str, ...], ...] = ()
    model: Model | None = field(default=None, repr=False)
    objective: Objective | None = field(default=None, repr=False)
    importance: np.ndarray | None = field(default=None, repr=False)
    form: Form = RGB
    shown: tuple[int, ...] | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Code of the user's and files that may move: the recipe has what can be written down.
        return vars(self) | {"model": None, "objective": None}

    def __len__(self) -> int:
        return len(self.images)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Picture]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, which: int | slice) -> Picture:
        """Return one of the pictures, or some of them.

        The recipe stays that of all: each has its own random numbers, by its place among them.

        Raises:
            IndexError: there is none of that number.
        """
        if isinstance(which, slice):
            numbers = list(range(len(self)))[which]
            if not numbers:
                raise IndexError(
                    f"there are {len(self)} pictures, 0 to {len(self) - 1}, and none in {which}"
                )
        else:
            numbers = [range(len(self))[which]]
        values = self.values.reshape(len(self.values), -1)[:, numbers]
        return replace(
            self,
            images=self.images[numbers],
            values=values[:, 0] if len(numbers) == 1 else values,
            snapshots={step: images[numbers] for step, images in self.snapshots.items()},
            warnings_by_picture=self.warnings_by_picture
            if len(self.warnings_by_picture) != len(self)
            else tuple(self.warnings_by_picture[number] for number in numbers),
            objective=self._part(numbers),
            importance=None if self.importance is None else self.importance[numbers],
        )

    def _part(self, numbers: Sequence[int]) -> Objective | None:
        """The objective of some of the pictures; `None` where it compares them, or is gone."""
        if self.objective is None or self.objective.mixes_pictures:
            return self.objective if len(numbers) == len(self) else None
        start, stop = numbers[0], numbers[-1] + 1
        if list(numbers) == list(range(start, stop)):
            return self.objective.part(start, stop)
        parts = [self.objective.part(number, number + 1) for number in numbers]
        return Each(tuple(parts))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        """Give the pixels to NumPy, as `images` has them: of one picture without its first axis."""
        images = self.images[0] if len(self) == 1 else self.images
        return np.array(images, dtype, copy=copy)

    def showing(self, *channels: int) -> Picture:
        """Return the same pictures, of which others of the channels are looked at.

        Args:
            channels: One, from 0, in grey, or three as red, green and blue; none for all.

        Raises:
            InputError: there are no such channels.
        """
        show = checked_show(channels or None, self.form)
        return replace(self, shown=show, recipe=replace(self.recipe, show=show))

    def seen(self) -> np.ndarray:
        """Return the pictures as they are looked at: for RGB `images`.

        Returns:
            (N, h, w, 3), or (N, h, w, 1) where all is grey: slices in rows from left to right,
            channels that are no colours side by side or, of slices, below each other; transparent
            pictures in front of a checkerboard.
        """
        return seen(self.images, self.form, self.shown)

    def cropped(self, model: Model | str | None = None, *, enlarge: int = 1) -> Picture:
        """Cut out what the objective sees: the exact receptive field of its neurons.

        What lies around it no gradient reaches, but for the random transforms, which move it about.

        Args:
            model: The model, where the picture was read from elsewhere; by default what it was made
                of, or what its recipe names.
            enlarge: How many pixels one becomes, in both directions.

        Returns:
            The same pictures, smaller; the recipe is that of the whole ones. Where an objective
            sees all of a picture, such as a channel, nothing is cut off.

        Raises:
            InputError: the pictures are cropped already, or see parts of different sizes.
            OnnxscopeError: the recipe's model is not there.
        """
        enlarge = whole("enlarge", enlarge, 1, 64)
        boxes = self._fields(model)
        sizes = {(box.bottom - box.top, box.right - box.left) for box in boxes}
        if len(sizes) > 1:
            shown = " and ".join(f"{height}×{width}" for height, width in sorted(sizes)[:3])
            raise InputError(
                f"these pictures show what is seen in parts of different sizes, {shown}: crop each "
                "by itself, as picture[0].cropped()"
            )
        kept = {step: cut(images, boxes, enlarge) for step, images in self.snapshots.items()}
        felt = self.importance
        return replace(
            self,
            images=cut(self.images, boxes, enlarge),
            snapshots=kept,
            importance=None if felt is None else cut(felt[..., None], boxes, enlarge)[..., 0],
        )

    def marked(self, model: Model | str | None = None) -> Picture:
        """Frame what the objective sees, as `cropped` cuts it out.

        Args:
            model: As `cropped` takes it.

        Raises:
            OnnxscopeError: see `cropped`.
        """
        boxes, clear = self._fields(model), self.form.opacity
        kept = {
            step: framed(images, boxes, opacity=clear) for step, images in self.snapshots.items()
        }
        return replace(self, images=framed(self.images, boxes, opacity=clear), snapshots=kept)

    def _fields(self, model: Model | str | None) -> list[Box]:
        """What each picture's objective sees of it."""
        from ..network.loading import load
        from ..network.model import Model

        if self.form.stack is not None:
            raise InputError(
                f"what an objective sees is cut out of flat pictures, and these are "
                f"{self.form.words()}"
            )
        if self.images.shape[1:3] != tuple(self.recipe.size):
            raise InputError("the picture is cropped already: crop the whole one")
        if model is None:
            model = self.model or self.recipe.model["name"]
        if not isinstance(model, Model):
            model = load(model, **self.recipe.model.get("preprocessing", {}))
        objective = self._whole_objective()
        height, width = self.recipe.size[-2:]
        if objective.mixes_pictures:
            return [whole_picture(height, width)] * len(self)
        seen: dict[str, Box] = {}
        boxes = []
        for number in range(len(self)):
            part = objective.part(number, number + 1)
            key = str(part)
            if key not in seen:
                seen[key] = seen_part(model, part, (height, width), transparent=self.form.opacity)
            boxes.append(seen[key])
        return boxes

    def _whole_objective(self) -> Objective:
        if self.objective is not None:
            return self.objective
        if len(self) != self.recipe.batch:
            raise InputError("the picture was taken from several in another process: crop it there")
        # Not at the start: this imports every kind of objective.
        from ..objectives import registry

        return registry.from_json(self.recipe.objective)

    def __repr__(self) -> str:
        count, *sizes, channels = self.images.shape
        last = np.array2string(self.values[-1], precision=4) if len(self.values) else "–"
        pictures = "picture" if count == 1 else "pictures"
        size = "×".join(map(str, sizes))
        also = "" if self.form.is_rgb else f", {channels} channel{'s' * (channels > 1)},"
        return f"<{count} {pictures} of {size}{also} after {len(self.values)} steps, value {last}>"

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        image = self.sheet() if len(self) == 1 else self.grid()
        image.save(buffer, "PNG")
        return buffer.getvalue()

    def save(
        self, path: str | os.PathLike[str], *, alpha: bool = False, percentile: float = 80.0
    ) -> Path:
        """Write the picture, several as a sheet; a PNG carries the recipe.

        What a PNG cannot hold, such as four channels or the slices of a volume, is written beside
        it as well: a file of the same name that ends in .npy holds `images`, exactly, and the
        recipe. As .gif or .webp volumes and videos are animations.

        Args:
            path: The suffix chooses the format: .png, .jpg, .webp and what else Pillow writes, or
                .npy for the exact values alone, of one picture without the first axis of `images`.
            alpha: Whether the importance is the picture's opacity, so that only what the objective
                felt is to be seen; for .png and .webp.
            percentile: With `alpha`, from which percentile of each picture's importance on a pixel
                is opaque, in (0, 100]; below, opacity is in proportion.

        Raises:
            InputError: the picture holds no importance, or the percentile is out of range.
            OutputError: the file cannot be written, or the suffix names no format, or one without
                opacity.
        """
        percentile, alpha = checked_percentile(percentile), flag("alpha", alpha)
        target = a_path("path", path)
        if target.suffix.lower() == ".npy":
            return write_array(target, np.asarray(self), self.recipe.to_text())
        if alpha and self.form.opacity:
            raise InputError(
                "the picture has an opacity of its own, which save writes; leave alpha out"
            )
        if alpha or self.is_transparent:
            check_suffix(target, "RGBA")
        if alpha:
            opaque = with_opacity(self._in_one_tile(), self.importance, percentile)
            save_image(as_image(opaque), target, self._text())
        elif self.form.stack is not None and target.suffix.lower() in MOVING:
            self.save_frames(target)
        elif self.is_transparent:
            save_image(as_image(self.images), target, self._text())
        else:
            save_image(self.sheet(), target, self._text())
        if not self.held:
            write_array(target.with_suffix(".npy"), np.asarray(self), self.recipe.to_text())
        return target

    def _in_one_tile(self) -> np.ndarray:
        """The pictures in colours, (N, H, W, 3), where they are looked at in one piece.

        Raises:
            InputError: they are not.
        """
        seen_ones = self.seen()
        if seen_ones.shape[1:3] != self.images.shape[1:3] or self.form.stack is not None:
            raise InputError(
                f"alpha makes parts of one picture transparent, and {self.form.words()} are looked "
                "at as several, side by side; show one channel, or three as colours"
            )
        return np.broadcast_to(seen_ones, (*seen_ones.shape[:-1], 3))

    @property
    def is_transparent(self) -> bool:
        """Whether the picture is written with an opacity of its own (see `transparent`)."""
        return self.form.opacity and self.shown is None

    @property
    def held(self) -> bool:
        """Whether a PNG holds all of it, so that `save` writes no array beside it."""
        return is_held_by_png(self.form, self.shown)

    def save_frames(self, path: str | os.PathLike[str]) -> Path:
        """Write slices or frames as an animation, several pictures beside each other.

        Args:
            path: Ends in .gif, .webp or .png.

        Raises:
            InputError: the pictures have none.
            OutputError: see `save`.
        """
        if self.form.stack is None:
            raise InputError(
                f"these are {self.form.words()}, without slices or frames; save writes them, and "
                "save_animation how they came about"
            )
        images = [as_image(one) for one in frames(self.images, self.form, self.shown)]
        return save_moving(images, path, _SLICE_MS, self._text())

    def save_strip(self, path: str | os.PathLike[str]) -> Path:
        """Write the snapshots side by side, the earliest first; a row for each picture.

        Raises:
            InputError: no snapshots were kept.
            OutputError: see `save`.
        """
        stages = self._stages()
        rows = [list(row) for row in zip(*stages, strict=True)]
        return save_image(image_of(joined(rows)), path, self._text())

    def save_animation(self, path: str | os.PathLike[str]) -> Path:
        """Write the snapshots as an animation: .gif, .webp or .png.

        Raises:
            InputError: no snapshots were kept.
            OutputError: see `save`.
        """
        images = [as_image(stage) for stage in self._stages()]
        durations = [_FRAME_MS] * (len(images) - 1) + [_LAST_FRAME_MS]
        return save_moving(images, path, durations)

    def _stages(self) -> list[np.ndarray]:
        """The snapshots as they are looked at."""
        if not self.snapshots:
            raise InputError("no snapshots were kept; ask render for them: snapshots=(1, 32, 128)")
        return [
            seen(self.snapshots[step], self.form, self.shown) for step in sorted(self.snapshots)
        ]

    def sheet(self) -> Image.Image:
        """Return the picture, several in a grid."""
        return as_image(self.seen())

    @property
    def captions(self) -> tuple[str, ...]:
        """What each picture shows, in a few words: its objective; of several starts, which."""
        count = len(self)
        try:
            objective = self._whole_objective()
        except OnnxscopeError:
            # It was code of the user's, of which the recipe has the name.
            name = str(self.recipe.objective.get("custom", "pictures"))
            return tuple([name] if count == 1 else [f"{name}, {n}" for n in range(count)])
        if objective.mixes_pictures:
            return tuple(f"{objective}, {number}" for number in range(count))
        parts = [str(objective.part(number, number + 1)) for number in range(count)]
        again = {part for part in parts if parts.count(part) > 1}
        return tuple(
            f"{part}, start {parts[:number].count(part)}" if part in again else part
            for number, part in enumerate(parts)
        )

    def grid(
        self, *, columns: int | None = None, captions: Sequence[str] | None = None
    ) -> Image.Image:
        """Return the pictures in a grid, each with a caption below it.

        Args:
            columns: How many stand in a row; by default so many that the grid is about square.
            captions: One for each picture; by default `captions`.

        Returns:
            An image of Pillow's, which a notebook shows and `save` writes.

        Raises:
            InputError: there are more or fewer captions than pictures.
        """
        # What draws text is not needed for a picture.
        from .sheet import contact_sheet

        if columns is not None:
            columns = whole("columns", columns, 1)
        words = self.captions
        if captions is not None:
            words = tuple(texts("captions", captions, "texts such as ['one', 'two']"))
        if len(words) != len(self):
            raise InputError(
                f"captions must be {len(self)} texts, one for each picture, not "
                f"{in_words(captions)}"
            )
        images = [as_image(one[None]) for one in self.seen()]
        return contact_sheet(images, words, columns=columns)

    def show(self, *, columns: int | None = None) -> None:
        """Show the pictures: below the cell of a notebook, elsewhere in a window of the system.

        Args:
            columns: As `grid` takes it.
        """
        image = self.grid(columns=columns)
        if in_notebook():
            show_below(image)
        else:
            image.show()

    def _text(self) -> PngImagePlugin.PngInfo:
        return chunk_of(self.recipe)
