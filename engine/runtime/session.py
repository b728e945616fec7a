"""ONNX Runtime: choosing a provider, opening a session, running it.

A provider is taken whole or not at all. ONNX Runtime by itself moves to the CPU whatever node (or
whole session) a provider cannot run, in silence; here that is refused.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import io
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, ModelError, OutOfTimeError, ProviderError, nearest
from ..patience import seconds_left
from ..plain import text, turned_off
from .reasons import readable_errors, reason_of
from .small_types import run_with_values, small_types

if TYPE_CHECKING:
    import onnx
    import onnxruntime as ort

SPINNING = "ONNXSCOPE_SPINNING"
"""The environment variable that lets idle threads sleep: `off`, `no`, `false` or `0`."""

THREADS = "ONNXSCOPE_THREADS"
"""The environment variable that says how many threads of the CPU a process may take."""

_SUFFIX = "ExecutionProvider"
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


@dataclass(frozen=True)
class Cuda:
    """How CUDA computes; nothing to other providers.

    Attributes:
        tf32: Whether convolutions and matrix products may round what they multiply to ten bits.
        graphs: Whether bound runs are captured once and then replayed whole (CUDA graphs), which
            saves launching hundreds of kernels one by one.
    """

    tf32: bool = True
    graphs: bool = False


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
    return [name.removesuffix(_SUFFIX).lower() for name in names]


def check_provider(wanted: str) -> str:
    """Return a provider's name, or `auto`, in small letters; whether it works is not tried.

    Raises:
        ProviderError: this build of ONNX Runtime has none of that name.
    """
    text("provider", wanted, "a name such as 'auto' or 'cpu'", ProviderError)
    name = wanted.lower().removesuffix(_SUFFIX.lower())
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
    cuda: Cuda = Cuda(),
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
        return Session(_create(model, provider.name, threads, cuda, folder), provider)
    try:
        created = _create(model, provider.name, threads, cuda, folder)
        return Session(created, provider, uncaptured)
    except ProviderError as error:
        return uncaptured(str(error))


def allowed_threads() -> int | None:
    """Return how many threads this process may take, where `ONNXSCOPE_THREADS` says it.

    Raises:
        InputError: it says no number above 0.
    """
    said = os.environ.get(THREADS, "").strip()
    if not said:
        return None
    if not said.isdecimal() or int(said) == 0:
        raise InputError(f"{THREADS} must be a number of threads, such as 1, not {said!r}")
    return int(said)


def _left_cores() -> int | None:
    """How many cores a process may use that may not use all, as in a container or by `taskset`.

    ONNX Runtime starts a thread for each that the machine has, and those that wait take the time of
    those that compute: on one core of two a run took 1.4 times as long.
    """
    if not hasattr(os, "sched_getaffinity"):
        return None
    usable = len(os.sched_getaffinity(0))
    return usable if usable < (os.cpu_count() or 1) else None


def _create(
    model: onnx.ModelProto | bytes,
    name: str,
    threads: int | None = None,
    cuda: Cuda = Cuda(),
    folder: Path | None = None,
) -> ort.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    allowed = allowed_threads()
    if threads is None or (allowed is not None and allowed < threads):
        threads = allowed
    if threads is None:
        threads = _left_cores()
    if threads is not None:
        options.intra_op_num_threads = threads
    if folder is not None:
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(folder)
        )
    if turned_off(SPINNING):
        # Threads that wait for the next node ask for it without pause, which is fastest where
        # nobody else wants their cores, and slowest where somebody does.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Errors come back as exceptions; warnings about, say, unused initializers help no user.
    options.log_severity_level = 4
    # Before a session has options, the default logger speaks: of libraries that do not load.
    onnxruntime.set_default_logger_severity(4)
    full_name = _full_name(name)
    data = model if isinstance(model, bytes) else model.SerializeToString()
    if name == "cpu":
        # One block for all values of a run, planned ahead, saves no time here and takes up to
        # twice the memory of allocating them as they come.
        options.enable_mem_pattern = False
    else:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        session = onnxruntime.InferenceSession(
            data,
            options,
            providers=[(full_name, _options(name, cuda))],
            # Otherwise a provider that fails to start is replaced by the CPU, with a print.
            enable_fallback=0,
            disabled_optimizers=_harmful_optimizers(data) if name == "cpu" else [],
        )
    except Exception as error:
        # ONNX Runtime raises its own classes, which share no base but Exception.
        reason = reason_of(error, data)
        if name == "cpu":
            raise ModelError(f"ONNX Runtime refuses the graph: {reason}") from error
        raise ProviderError(f"the provider {name} cannot run this graph: {reason}") from error
    if session.get_providers()[0] != full_name:
        raise ProviderError(
            f"the provider {name} did not start, and ONNX Runtime would have used "
            f"{session.get_providers()[0]} instead"
        )
    return session


def _harmful_optimizers(model: bytes) -> list[str]:
    """Optimizers of ONNX Runtime that end the process on this graph.

    On the CPU, version 1.31 fuses a float16 Transpose that swaps the first axes with the MatMul
    behind it. Where the other factor is a constant, what then makes float32 of float16 constants
    crashes while the session is opened. Attention as PyTorch exports it has such nodes.
    """
    if b"Transpose" not in model or b"MatMul" not in model:
        return []
    from .half import computes_in_half

    return ["MatmulTransposeFusion"] if computes_in_half(model) else []


def _options(name: str, cuda: Cuda) -> dict[str, Any]:
    if name != "cuda":
        return {}
    return {
        # DEFAULT is the slow fallback, not the default.
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        "use_tf32": str(int(cuda.tf32)),
        "enable_cuda_graph": str(int(cuda.graphs)),
    }


def _full_name(name: str) -> str:
    import onnxruntime

    for full in onnxruntime.get_available_providers():
        if full.removesuffix(_SUFFIX).lower() == name:
            return str(full)
    raise ProviderError(f"this build of ONNX Runtime has no provider {name!r}")


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
        session = _create(_probe(), "cuda")
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
