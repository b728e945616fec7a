"""`verify`: is this model's gradient right, on this machine?"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from ..errors import InputError, ModelError, OutOfTimeError, RowsError, TargetError
from ..graph.advice import arguments_called
from ..importer.opsets import LoadedModel, ModelSource
from ..network.inputs.image_input import takes_rgb
from ..network.loading import open_model
from ..network.model import Model
from ..notebook import working
from ..objectives.algebra import Objective
from ..patience import limited_by
from ..plain import (
    a_function,
    by_name,
    height_and_width,
    of_kind,
    real,
    shown,
    texts,
    whole,
)
from ..plain import shapes as plain_shapes
from ..rules.table import RuleTable
from ..runtime.session import check_provider
from .budget import Budget, Report
from .subjects import Subject, picture_subject, tensor_subject
from .verdict import Verification
from .verifier import Verifier
from .widening import widen

# How many examples are tried, where that is open.
_EXAMPLES = (1, 8)


def verify(
    model: Model | ModelSource,
    target: str | Objective | None = None,
    *,
    provider: str = "auto",
    rules: RuleTable | None = None,
    at: npt.ArrayLike | Mapping[str, npt.ArrayLike] | None = None,
    size: int | tuple[int, int] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    wrt: Sequence[str] = (),
    directions: int = 3,
    seed: int = 0,
    timeout: float | None = 60.0,
    report: Report | None = None,
) -> Verification:
    """Check the gradient of this very model, on this machine, against central differences.

    Networks of one input that takes pictures, and those that `onnxscope.load` has given, are
    checked with respect to the picture, as `Gradient` computes it; others with respect to all their
    real inputs, as `differentiate` does, or, where they take tokens alone, to the tables that these
    are looked up in. Differences are of double precision, where all operators of the network have
    such a form. Where they disagree, every node is checked by itself.

    Args:
        model: A model, or what `onnxscope.load` takes.
        target: An objective or target, such as `"mixed4a:11"`; by default all class scores or the
            last main layer. For networks that do not take a picture: the name of a value, or
            `NAME:UNIT`, by default the first output.
        provider: See `onnxscope.render`.
        rules: Gradient rules; by default the standard ones, in the forms that are fastest on the
            provider.
        at: Where to check: a picture as `Gradient` takes it, or values by input as those of
            `onnxscope.load`. Given integers are constants of the network, and so are given real
            numbers that `wrt` does not name. What is not given is random: pictures as noise with
            the spectrum of photographs, numbers as normal ones, indices within their table, other
            integers 0 and 1.
        size: Height and width of a random picture.
        shapes: Shapes of inputs whose shape the model leaves open. With them, a network that takes
            pictures is checked as any other.
        wrt: Inputs, weights or values on the way to differentiate with respect to, as
            `differentiate` takes them; by default the real inputs, or tables. With them, too, a
            network that takes pictures is checked as any other.
        directions: How many for each input; with more than four inputs, one.
        seed: Of everything random.
        timeout: About how many seconds it may take; `None` for as long as it takes. Where that is
            too short, there are fewer directions, a random picture is smaller, or single precision
            serves; what was done without is in the result's `limits`.
        report: Is told what is being done, in words.

    Returns:
        What was found; see its `verdict`.

    Raises:
        OnnxscopeError: the model, target or shapes are not right, or an operator has no gradient
            rule.
    """
    seed = whole("seed", seed, least=0)
    count = whole("directions", directions, least=1, most=1000)
    provider = check_provider(provider)
    if timeout is not None:
        timeout = real("timeout", timeout, "a number of seconds above 0, or None")
        if not timeout > 0:
            raise InputError(f"timeout must be a number of seconds above 0, or None, not {timeout}")
    if report is not None:
        a_function("report", report, "text", takes=1)
    if rules is not None:
        of_kind("rules", rules, RuleTable, "standard_rules()")
    if target is not None and not isinstance(target, str | Objective):
        raise TargetError(
            'target must be text such as "mixed4a:11", or an objective such as '
            f'channel("mixed4a", 11), not {shown(target)}'
        )
    if size is not None:
        size = height_and_width("size", size)
    if isinstance(at, Mapping):
        at = by_name("at", at, "{'mask': 1}")
    if shapes is not None:
        shapes = plain_shapes("shapes", shapes)
    wrt = texts("wrt", wrt, "names of values, such as ['x']")
    with working("verifying") as say:
        budget = Budget(timeout, say if report is None else report)
        rng = np.random.default_rng(seed)
        limits: list[str] = []
        try:
            budget.begin("reading the network")
            # Networks and gradients that are not finite are a finding, not a reason to warn.
            with (
                limited_by(budget),
                np.errstate(all="ignore"),
                arguments_called(inputs="at"),
            ):
                subject = _subject(model, target, at, size, shapes, wrt, rng, limits)
                said = tuple(limits)
                verifier = Verifier(subject, provider, rules, rng, budget)
                while verifier.too_heavy and subject.smaller is not None:
                    smaller = subject.smaller(rng)
                    if smaller is None:
                        break
                    sizes = (
                        "×".join(map(str, s.point["image"].shape[2:])) for s in (smaller, subject)
                    )
                    instead = " instead of ".join(sizes)
                    limits = [*said, f"a picture of {instead}, for want of time or memory"]
                    subject = smaller
                    verifier = Verifier(subject, provider, rules, rng, budget)
                return verifier.run(count, seed, limits)
        except OutOfTimeError as error:
            raise InputError(
                f"the time of {timeout:g} s was up before anything could be compared: give more "
                "time, or a smaller picture or shape"
            ) from error


def takes_pictures(source: ModelSource, layout: str | None = None) -> bool:
    """Return whether a model reads one input, and that takes pictures in three colours.

    Others are verified as tensors, at plain random numbers, unless they are loaded.

    Raises:
        ModelError: there is no such model.
        InputError: the file leaves open where the channels are, and `layout` does not say it.
    """
    reading = open_model(source)
    return _takes_pictures(reading.loaded.model.graph, reading.name, layout)


def _takes_pictures(graph: ir.Graph, name: str, layout: str | None) -> bool:
    inputs = [value for value in graph.inputs if value.name not in graph.initializers]
    if len([value for value in inputs if value.uses()] or inputs) != 1:
        return False
    return takes_rgb(graph, name, layout)


def _surely_takes_pictures(graph: ir.Graph, name: str) -> bool:
    """Return whether a network takes pictures, where the file says it.

    Raises:
        InputError: it leaves that open, with what to do.
    """
    try:
        return _takes_pictures(graph, name, None)
    except InputError as error:
        raise InputError(
            f"{error}; layout is an argument of onnxscope.load, of which verify takes the model"
        ) from error


def _subject(
    model: Model | ModelSource,
    target: str | Objective | None,
    at: npt.ArrayLike | Mapping[str, npt.ArrayLike] | None,
    size: tuple[int, int] | None,
    shapes: Mapping[str, Sequence[int]] | None,
    wrt: Sequence[str],
    rng: np.random.Generator,
    limits: list[str],
) -> Subject:
    if not isinstance(model, Model):
        reading = open_model(model)
        loaded, name = reading.loaded, reading.name
        if widen(loaded.model.graph):
            limits.append("float32 instead of bfloat16, which ONNX Runtime hardly has on the CPU")
        as_tensors = shapes is not None or isinstance(at, Mapping) or bool(wrt)
        if as_tensors or not _surely_takes_pictures(loaded.model.graph, name):
            if isinstance(target, Objective):
                raise InputError(
                    f"{name} takes no picture that {target} could look at: give the name of a "
                    "value as the target"
                )
            if size is not None:
                why = f"{name} takes no picture of a size: give shapes"
                if as_tensors:
                    why = (
                        f"with wrt or shapes {name} is verified as a network of tensors, and not "
                        "asked for a picture's size: give shapes"
                    )
                raise InputError(why)
            if at is not None and not isinstance(at, Mapping):
                raise InputError(
                    f"{name} takes no picture: give at as arrays by the names of inputs"
                )
            return _of_tensors(model, loaded, target, at or {}, shapes or {}, wrt, rng)
        picture = None if isinstance(at, Mapping) else at
        try:
            return picture_subject(Model(reading), target, picture=picture, size=size, rng=rng)
        except RowsError:
            if at is not None or size is not None or isinstance(target, Objective):
                raise
            return _of_tensors(model, None, target, {}, {}, wrt, rng)
    if shapes is not None or isinstance(at, Mapping) or wrt:
        raise InputError(f"{model.name} is loaded to take pictures: give size, or a picture at")
    return picture_subject(model, target, picture=at, size=size, rng=rng)


def _of_tensors(
    source: ModelSource,
    loaded: LoadedModel | None,
    target: str | None,
    arrays: Mapping[str, npt.ArrayLike],
    shapes: Mapping[str, Sequence[int]],
    wrt: Sequence[str],
    rng: np.random.Generator,
) -> Subject:
    """A value of a network of tensors, for as many examples as it needs where that is open.

    One is enough for most, but not for the two largest of all examples.

    Args:
        source: What the network is read from.
        loaded: The network, where it was read before, and nothing of it was changed since.
        target: As `tensor_subject` takes it, and so all that follows.
        arrays: Inputs that are given.
        shapes: Of inputs.
        wrt: What it is differentiated with respect to.
        rng: Source of randomness.
    """
    refusal: ModelError | None = None
    for examples in _EXAMPLES:
        if loaded is None:
            # Anew: what was refused may have been changed.
            loaded = open_model(source).loaded
            widen(loaded.model.graph)
        try:
            return tensor_subject(
                loaded,
                target,
                arrays=arrays,
                shapes=shapes,
                wrt=wrt,
                rng=rng,
                examples=examples,
            )
        except ModelError as error:
            refusal = refusal or error
            if not any(_is_open(value, {*arrays, *shapes}) for value in loaded.model.graph.inputs):
                break
            loaded = None
    assert refusal is not None  # else there would be a subject
    raise refusal


def _is_open(value: ir.Value, given: Container[str | None]) -> bool:
    """Whether it is open how many examples an input is of."""
    if value.name in given or value.shape is None or not value.shape.rank():
        return False
    return not isinstance(value.shape[0], int)
