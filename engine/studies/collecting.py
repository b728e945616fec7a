"""`examples`: the photographs of folders of any size that excite units most and least."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError, LayerError, TargetError
from ..files import atomic_path
from ..identity import NoIdentityError, key_of
from ..network.class_scores import class_scores
from ..network.identified import identity_of
from ..network.loading import load
from ..network.model import Model
from ..network.photos import in_colour, pixels_of
from ..objectives.algebra import Objective, check_objective
from ..objectives.targets import resolve
from ..photo_files import PhotoFiles
from ..plain import a_function, flag, shown, text, whole
from ..plain import path as a_path
from ..runtime.session import check_provider
from .collection import Examples, LayerExamples, checked_quantiles
from .looking import Look, Part
from .measuring import HIGHEST, MEASURES, Aim, Measure, aims_of
from .ranking import NOWHERE, Ranking, drawn_sample
from .seen_cells import fields_of, no_fields

QUANTILES = (0.99, 0.9, 0.5, 0.1)
"""Between the strongest and the weakest."""

_SAMPLE = 2048
_SAMPLE_BYTES = 128 * 2**20
_SMALLEST_SAMPLE = 256

_SECONDS = 10.0
"""Between two states, and a share of the time that writing them may take."""
_SHARE = 0.05


@dataclass(frozen=True)
class Looked:
    """How far it is.

    Attributes:
        done: How many files were looked at.
        total: How many there are.
        skipped: Those of them that were left out since the last time, with the reason.
        resumed: How many of `done` were looked at in an earlier run.
    """

    done: int
    total: int
    skipped: tuple[tuple[str, str], ...] = ()
    resumed: int = 0


def examples(
    model: Model | str,
    targets: str | Objective | Sequence[str | Objective],
    photos: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    count: int = 8,
    by: str = "max",
    relevance: Objective | str | None = None,
    before_activation: bool = False,
    quantiles: Sequence[float] = QUANTILES,
    size: int | tuple[int, ...] | None = None,
    provider: str = "auto",
    batch_size: int | None = None,
    seed: int = 0,
    state: str | os.PathLike[str] | None = None,
    callback: Callable[[Looked], object] | None = None,
) -> Examples:
    """Find the photographs, and where in them the places, that excite units most and least.

    All units of all layers are looked at in one pass. Photographs are read one after the other, and
    none is kept: memory does not grow with their number.

    Args:
        model: A model, or what `onnxscope.load` takes.
        targets: One or several: a layer, which means all of its units, `"fire5:11"`,
            `"fire5:0-15"`, classes, or objectives.
        photos: Folders, with those inside, and files. Of each photo the middle is shown to the
            network, turned right and scaled as by `onnxscope.fit`.
        count: How many photos of each unit are kept at either end.
        by: What of a unit's cells counts: `max`, the strongest, or `mean`, over all.
        relevance: The objective or target to which relevance counts in the place of the activation:
            a cell's value times the gradient at it, as in Relevance Maximization (Achtibat et al.,
            2023, there with layer-wise relevance); `"highest"` is each photo's class with the
            highest score.
        before_activation: Whether to look at what the layers' activation functions are given: what
            a unit likes least is below 0.
        quantiles: Between the ends, each shown by one photo. They are exact up to 2,048 photos, and
            of more those of a sample drawn without replacement; of very many units a smaller one.
        size: Height and width that the photos are brought to, by default the model's usual size.
        provider: See `onnxscope.render`.
        batch_size: How many photos are computed at once, by default 4 on each core of the CPU and
            32 on a device.
        seed: Of the sample.
        state: A file, `.npz`, in which is kept how far it is, so that the same call goes on after
            it was interrupted or killed. It is for that very call: of another, or of photos that
            have changed since, it is begun anew.
        callback: Told how far it is.

    Returns:
        The examples. They are the same whatever interruptions there were.

    Raises:
        InputError: there is no picture, none can be read, or an argument is of another kind.
        LayerError: there is no such layer.
        TargetError: a target means nothing in the model, or has no gradient.
        OutputError: the state cannot be written.
        OnnxscopeError: see `onnxscope.load`.
    """
    count, seed = whole("count", count, 1), whole("seed", seed, 0)
    between = checked_quantiles(list(quantiles) if isinstance(quantiles, tuple) else quantiles)
    provider = check_provider(provider)
    if callback is not None:
        a_function("callback", callback, "one argument, a Looked", takes=1)
    kept = None if state is None else a_path("state", state)
    if kept is not None and kept.suffix != ".npz":
        raise InputError(f"the state is a file that ends in .npz, not {kept}")
    opened = in_colour(model if isinstance(model, Model) else load(model))
    aims = aims_of(opened, targets)
    measure = Measure(
        by, _relevant(opened, relevance), flag("before_activation", before_activation)
    )
    files = PhotoFiles.found(photos)
    pixels = pixels_of(opened, size)
    least = None if batch_size is None else whole("batch_size", batch_size, 1)
    look = Look(opened, aims, measure, pixels, provider, least)
    units = sum(len(aim.units) for aim in aims)
    sample = max(min(_SAMPLE, _SAMPLE_BYTES // (8 * units)), _SMALLEST_SAMPLE)
    work = _Work(aims, files, count, drawn_sample(len(files), sample, seed))
    if kept is not None:
        key = _key(opened, look, aims, measure, files, count, sample, seed)
        work = _State(kept, key).resumed(work)
    _look_at_all(look, work, callback)
    if not work.rankings[0].count:
        if len(files) == 1:
            raise InputError(work.skipped[0][1])
        raise InputError(
            f"none of {len(files)} files can be read as a picture: {work.skipped[0][1]}, and others"
        )
    return _result(opened, look, work, measure, between)


def _relevant(model: Model, given: Objective | str | None) -> Objective | str | None:
    if given is None or (isinstance(given, str) and given == HIGHEST):
        return given
    found = resolve(model, given) if isinstance(given, str) else check_objective(given)
    if found.mixes_pictures:
        raise InputError(f"{found} compares pictures; here each photo counts by itself")
    return found


class _Work:
    """What was found so far."""

    def __init__(
        self, aims: Sequence[Aim], files: PhotoFiles, count: int, slots: np.ndarray
    ) -> None:
        self.aims = aims
        self.files = files
        self.slots = slots
        self.rankings = [
            Ranking(len(aim.units), min(count, len(files)), int(slots.max()) + 1) for aim in aims
        ]
        self.done = self.resumed = 0
        self.skipped: list[tuple[str, str]] = []
        self.state: _State | None = None

    def add(self, part: Part) -> None:
        """Take in what the next files gave."""
        for ranking, values, places in zip(self.rankings, part.values, part.places, strict=True):
            ranking.add(part.photos, values, places, self.slots[part.photos])
        self.skipped += part.skipped
        self.done = part.stop


class _State:
    """A file in which is kept how far the work is."""

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._key = key
        self._written = time.monotonic()
        self._pause = _SECONDS

    def resumed(self, work: _Work) -> _Work:
        """Return the work as it is in the file, if that is of the same call."""
        work.state = self
        try:
            with np.load(self._path, allow_pickle=False) as file:
                facts = json.loads(file["facts"].tobytes())
                if facts["key"] != self._key:
                    return work
                work.rankings = [
                    Ranking.of(
                        {
                            name.partition("/")[2]: file[name]
                            for name in file.files
                            if name.startswith(f"{number}/")
                        }
                    )
                    for number in range(len(work.aims))
                ]
        except FileNotFoundError:
            return work
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise InputError(f"{self._path} is there, and holds no state of examples") from error
        work.done = work.resumed = facts["done"]
        work.skipped = [(path, reason) for path, reason in facts["skipped"]]
        return work

    def write(self, work: _Work, *, now: bool = False) -> None:
        """Keep how far it is, if it was not done a moment ago."""
        began = time.monotonic()
        soon = began - self._written < self._pause
        if (soon and not now) or not work.rankings[0].count:
            return
        facts = {"key": self._key, "done": work.done, "skipped": work.skipped}
        arrays = {"facts": np.frombuffer(json.dumps(facts).encode(), np.uint8)}
        for number, ranking in enumerate(work.rankings):
            arrays |= {f"{number}/{name}": array for name, array in ranking.arrays().items()}
        with atomic_path(self._path, own=True) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        self._written = time.monotonic()
        self._pause = max(_SECONDS, (self._written - began) / _SHARE)


def _look_at_all(look: Look, work: _Work, callback: Callable[[Looked], object] | None) -> None:
    total, said = len(work.files), len(work.skipped)

    def tell() -> None:
        nonlocal said
        if callback is not None:
            callback(Looked(work.done, total, tuple(work.skipped[said:]), work.resumed))
            said = len(work.skipped)

    tell()
    parts = look.at(work.files.files, work.done)
    try:
        for part in parts:
            work.add(part)
            if work.state is not None:
                work.state.write(work)
            tell()
    finally:
        parts.close()
        if work.state is not None and work.done > work.resumed:
            work.state.write(work, now=True)


def _key(
    model: Model,
    look: Look,
    aims: Sequence[Aim],
    measure: Measure,
    files: PhotoFiles,
    count: int,
    sample: int,
    seed: int,
) -> str:
    """What tells one call from others."""
    on_cpu = look.provider.name == "cpu"
    try:
        return key_of(
            model=_identity(model),
            aims=list(aims),
            measure=measure,
            photos=files.state(),
            # On the CPU a photo's numbers are the same whatever is computed beside it.
            numbers=[count, sample, seed, *look.size, 0 if on_cpu else look.batch],
            provider=look.provider.name,
        )
    except NoIdentityError as error:
        raise InputError(
            f"there can be no state: that it is the same next time cannot be told of {error}"
        ) from error


def _identity(model: Model) -> dict[str, object]:
    """What determines a model; of weights that are read when they are needed, what they are now.

    Raises:
        NoIdentityError: it is of a class of the user's.
    """
    if model.self_contained or type(model) is not Model:
        return identity_of(model)
    state = hashlib.sha256()
    for name, array in model.weights():
        state.update(f"{name}\0{array.dtype}\0{array.shape}\0".encode())
        state.update(np.ascontiguousarray(array).tobytes())
    return model.identity | {"weights": state.hexdigest()}


def _result(
    model: Model, look: Look, work: _Work, measure: Measure, quantiles: tuple[float, ...]
) -> Examples:
    """The examples, with the paths that they need alone."""
    needed = np.unique(np.concatenate([np.r_[r.photos.ravel(), r.sampled] for r in work.rankings]))
    needed = needed[needed != NOWHERE]
    new = np.full(len(work.files) + 1, NOWHERE, np.int64)  # the last is that of NOWHERE
    new[needed] = np.arange(len(needed))
    layers = {}
    for aim, ranking, cells in zip(work.aims, work.rankings, look.cells, strict=True):
        fields = no_fields(len(aim.units))
        if cells[1]:
            fields = fields_of(model, aim.layer, aim.units, look.size, cells)
        ranking.photos, ranking.sampled = new[ranking.photos], new[ranking.sampled]
        units = aim.units if aim.layer else None
        layers[aim.title] = LayerExamples(
            aim.title, units, _labels(model, aim), cells[1], fields, ranking
        )
    return Examples(
        model.name,
        model.sha256,
        measure.words,
        look.size,
        layers,
        tuple(str(work.files.files[at]) for at in needed),
        work.rankings[0].count,
        tuple(work.skipped),
        quantiles,
    )


def _labels(model: Model, aim: Aim) -> tuple[str, ...]:
    """The class that each unit is the score of."""
    none = ("",) * len(aim.units)
    if not aim.layer or not model.labels:
        return none
    try:
        scores = class_scores(model)
    except LayerError:
        return none
    if model.names.find(scores.layer) != aim.layer:
        return none
    named = [""] * scores.first + [label.split(",")[0] for label in model.labels]
    return tuple(named[unit] if unit < len(named) else "" for unit in aim.units)


def unit_of(model: Model, target: str) -> Aim:
    """Return the one unit that a target means.

    Raises:
        TargetError: it is none, or several.
        OnnxscopeError: it means nothing in the model.
    """
    aims = aims_of(model, text("target", target, "a unit such as 'fire5:11'"))
    if len(aims) != 1 or not aims[0].layer or len(aims[0].units) != 1:
        layer = next((aim.title for aim in aims if aim.layer), "") or next(iter(model.layers))
        raise TargetError(f"the target is one unit, such as {layer}:0, not {shown(target)}")
    return aims[0]


def measure_of(found: Examples, model: Model, size: int | tuple[int, ...] | None = None) -> Measure:
    """Return what examples were ranked by, to measure others likewise.

    Args:
        found: The examples.
        model: The model that they are for.
        size: Height and width that a user asks for; by default those of the examples.

    Raises:
        InputError: they are of another model or size, or ranked by relevance.
    """
    if found.sha256 != model.sha256:
        raise InputError(f"the examples are of another model, {found.model}, not of {model.name}")
    if size is not None and pixels_of(model, size) != found.size:
        raise InputError(f"size is that of the examples, {found.size[0]}×{found.size[1]}")
    for by in MEASURES:
        for before in (True, False):
            measure = Measure(by, before_activation=before)
            if measure.words == found.measure:
                return measure
    raise InputError(
        f"the examples are ranked by {found.measure}; by activation, found without relevance, they "
        "tell how strongly units are excited"
    )
