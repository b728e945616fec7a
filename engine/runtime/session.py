"""ONNX Runtime: choosing a provider, opening a session, running it.

A provider is taken whole or not at all. ONNX Runtime by itself moves to the CPU whatever node (or
whole session) a provider cannot run, in silence; here that is refused.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import io
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ModelError, OutOfTimeError, ProviderError, nearest
from ..patience import seconds_left
from ..plain import text
from .creation import SUFFIX, USUAL, Cuda, create
from .reasons import readable_errors, reason_of
from .small_types import run_with_values, small_types

if TYPE_CHECKING:
    import onnx
    import onnxruntime as ort

_DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"

_SYNONYMS = {"gpu": "cuda", "nvidia": "cuda", "directml": "dml"}


@dataclass(frozen=True)
class Provider:
    """The provider that was chosen.

    Attributes:
        name: As users write it: `cpu`, `cuda`, …
        reason: Why `auto` did not take CUDA; empty where it did, or where the user chose.
        note: What it does without, and why; empty where all is as it should be.
    """

    name: str
    reason: str = ""
    note: str = ""


class Session:
    """One graph, ready to run.

    Attributes:
        provider: Where it runs.
        inputs: The names of what it is fed.
        uncaptured: Opens the same without CUDA graphs, where this one captures them.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        provider: Provider,
        uncaptured: Callable[[str], Session] | None = None,
    ) -> None:
        self._session = session
        self.provider = provider
        self.uncaptured = uncaptured
        self._outputs = [output.name for output in session.get_outputs()]
        self.inputs = frozenset(given.name for given in session.get_inputs())
        self._small = small_types([*session.get_inputs(), *session.get_outputs()])

    def new_binding(self) -> ort.IOBinding:
        """Return inputs and outputs that are to be bound to buffers."""
        return self._session.io_binding()

    def run_bound(self, binding: ort.IOBinding, number: int = 0) -> None:
        """Run on bound buffers.

        Args:
            binding: The buffers.
            number: Of the binding: each has a CUDA graph of its own.
        """
        import onnxruntime

        options = None
        if self.uncaptured is not None:
            options = onnxruntime.RunOptions()
            options.add_run_config_entry("gpu_graph_id", str(number + 1))
        with readable_errors():
            self._session.run_with_iobinding(binding, options)

    def output_shapes(self, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """Return the shapes of some outputs, which the graph knows."""
        shapes = {output.name: tuple(output.shape) for output in self._session.get_outputs()}
        return {name: shapes[name] for name in names}

    def output_types(self) -> dict[str, tuple[str, tuple[int | str | None, ...]]]:
        """Return what ONNX Runtime infers of its outputs.

        Returns:
            By name the type, such as `tensor(float)`, and the shape, empty where it is unknown.
        """
        return {
            output.name: (output.type, tuple(output.shape))
            for output in self._session.get_outputs()
        }

    def run(
        self,
        feeds: Mapping[str, np.ndarray | Sequence[np.ndarray]],
        outputs: Sequence[str] | None = None,
        *,
        seconds: float | None = None,
    ) -> dict[str, np.ndarray]:
        """Return all outputs, or those asked for, by name.

        Args:
            feeds: The inputs by name.
            outputs: Which outputs; by default all.
            seconds: After how many seconds the run is stopped, as soon as a node is done; by
                default when the time is up that there is for the whole work, if it is limited.

        Raises:
            OutOfTimeError: it was.
        """
        import onnxruntime

        names = self._outputs if outputs is None else list(outputs)
        seconds = seconds_left() if seconds is None else seconds
        if seconds is None:
            results = self._results(names, feeds, None)
            return dict(zip(names, results, strict=True))
        options = onnxruntime.RunOptions()
        timer = Timer(max(seconds, 0.0), setattr, (options, "terminate", True))
        timer.start()
        try:
            results = self._results(names, feeds, options)
        except ModelError as error:
            if options.terminate:
                raise OutOfTimeError(f"a run was stopped after {seconds:.3g} s") from error
            raise
        finally:
            timer.cancel()
        return dict(zip(names, results, strict=True))

    def _results(
        self,
        names: Sequence[str],
        feeds: Mapping[str, np.ndarray | Sequence[np.ndarray]],
        options: ort.RunOptions | None,
    ) -> Sequence[np.ndarray]:
        with readable_errors():
            if self._small.keys().isdisjoint([*names, *feeds]):
                results: Sequence[np.ndarray] = self._session.run(names, dict(feeds), options)
                return results
            return run_with_values(self._session, names, feeds, self._small, options)


def available_providers() -> list[str]:
    """Return the providers that this build of ONNX Runtime has, as users write them."""
    import onnxruntime

    names = onnxruntime.get_available_providers()
    return [name.removesuffix(SUFFIX).lower() for name in names]


def check_provider(wanted: str) -> str:
    """Return a provider's name, or `auto`, in small letters; whether it works is not tried.

    Raises:
        ProviderError: this build of ONNX Runtime has none of that name.
    """
    text("provider", wanted, "a name such as 'auto' or 'cpu'", ProviderError)
    name = wanted.lower().removesuffix(SUFFIX.lower())
    name = _SYNONYMS.get(name, name)
    known = available_providers()
    if name != "auto" and name not in known:
        raise ProviderError(
            f"this build of ONNX Runtime has no provider {wanted!r}; it has "
            f"{', '.join(known)}{nearest(name, known)}"
        )
    return name


def choose_provider(wanted: str) -> Provider:
    """Return the provider that a name stands for.

    Args:
        wanted: `auto` (CUDA where it works, else the CPU), or a provider's name; `gpu` is `cuda`.

    Raises:
        ProviderError: it is not there.
    """
    name = check_provider(wanted)
    if name == "auto":
        reason = _cuda_problem()
        return Provider("cpu", reason) if reason else Provider("cuda")
    if name == "cuda":
        reason = _cuda_problem()
        if reason:
            raise ProviderError(f"the provider cuda does not work here: {reason}")
    return Provider(name)


def open_session(
    model: onnx.ModelProto, provider: str | Provider = "auto", folder: Path | None = None
) -> Session:
    """Open a session that runs wholly on one provider (see `open_for`).

    Args:
        model: The graph.
        provider: Its name, `auto`, or one that was chosen before.
        folder: Where weights are that the model has in files of their own.
    """
    return open_for(lambda _: model, provider, folder=folder)


def open_for(
    build: Callable[[str], onnx.ModelProto | bytes],
    provider: str | Provider,
    threads: int | None = None,
    cuda: Cuda = USUAL,
    folder: Path | None = None,
) -> Session:
    """Return a session that runs wholly on one provider, of a graph made for it.

    With `auto`, a graph that CUDA cannot run whole goes to the CPU whole, and the reason is kept in
    the session's `provider`.

    Args:
        build: From a provider's name to the graph, which may be an ONNX file.
        provider: Its name, `auto`, or one that was chosen before.
        threads: How many threads of the CPU a node may take; by default all.
        cuda: How CUDA computes. Where it refuses CUDA graphs, they are done without, and the
            session's `provider` notes why.
        folder: Where weights are that the graph has in files of their own.

    Raises:
        ProviderError: the provider is not there, or cannot run every node of the graph.
        ModelError: ONNX Runtime refuses the graph.
    """
    chosen = provider if isinstance(provider, Provider) else choose_provider(provider)
    try:
        return _open(build(chosen.name), chosen, threads, cuda, folder)
    except ProviderError as error:
        if provider != "auto":
            raise
        return _open(build("cpu"), Provider("cpu", str(error)), threads, cuda, folder)


def _open(
    model: onnx.ModelProto | bytes,
    provider: Provider,
    threads: int | None,
    cuda: Cuda,
    folder: Path | None,
) -> Session:
    def uncaptured(why: str) -> Session:
        note = f"CUDA graphs are not used, which makes small steps slower: {why}"
        plain = replace(cuda, graphs=False)
        return _open(model, replace(provider, note=note), threads, plain, folder)

    if provider.name != "cuda" or not cuda.graphs:
        return Session(create(model, provider.name, threads, cuda, folder), provider)
    try:
        created = create(model, provider.name, threads, cuda, folder)
        return Session(created, provider, uncaptured)
    except ProviderError as error:
        return uncaptured(str(error))


@functools.cache
def has_gpu() -> bool:
    """Return whether there is the driver of an NVIDIA GPU, whether CUDA works or not."""
    try:
        ctypes.CDLL(_DRIVER)
    except OSError:
        return False
    return True


def _cuda_problem() -> str:
    """Why CUDA does not work here, found by running something on it; empty where it works."""
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "this build of ONNX Runtime has no CUDA provider"
    # Asked first: without a driver there is no need to load gigabytes of libraries.
    if not has_gpu():
        return f"there is no NVIDIA driver ({_DRIVER})"
    messages = io.StringIO()
    with contextlib.redirect_stdout(messages), contextlib.redirect_stderr(messages):
        onnxruntime.preload_dlls()
    missing = re.search(r"Failed to load (\S+?):", messages.getvalue())
    try:
        session = create(_probe(), "cuda")
        one = np.ones((1, 1, 1, 1), np.float32)
        session.run(None, {"x": one, "w": one})
    except Exception as error:
        # ONNX Runtime's classes share no base but Exception, and any of them means the same here.
        if missing is not None:
            return f"the library {missing[1]} is missing; pip install 'onnxscope[cuda]' brings it"
        return reason_of(error)
    return ""


def _probe() -> onnx.ModelProto:
    """The smallest graph that needs cuDNN: one convolution of one pixel."""
    import onnx

    from ..graph.versions import IR_VERSION, OPSET

    values = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 1, 1, 1])
        for name in "xwy"
    ]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["x", "w"], ["y"])], "probe", values[:2], values[2:]
    )
    opset = onnx.helper.make_opsetid("", OPSET)
    return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
