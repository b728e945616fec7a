"""ONNX Runtime's own sessions, with the options that serve here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, ModelError, ProviderError
from ..plain import turned_off
from .reasons import reason_of

if TYPE_CHECKING:
    import onnx
    import onnxruntime as ort

SPINNING = "ONNXSCOPE_SPINNING"
"""The environment variable that lets idle threads sleep: `off`, `no`, `false` or `0`."""

THREADS = "ONNXSCOPE_THREADS"
"""The environment variable that says how many threads of the CPU a process may take."""

SUFFIX = "ExecutionProvider"
"""Behind the names of providers, as ONNX Runtime has them."""


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


USUAL = Cuda()
"""How it computes where nobody says otherwise."""


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


def create(
    model: onnx.ModelProto | bytes,
    name: str,
    threads: int | None = None,
    cuda: Cuda = USUAL,
    folder: Path | None = None,
) -> ort.InferenceSession:
    """Open ONNX Runtime's own session.

    Args:
        model: The graph, which may be an ONNX file.
        name: Of the provider, which is to run every node.
        threads: How many threads of the CPU a node may take; by default all that may be used.
        cuda: How CUDA computes.
        folder: Where weights are that the graph has in files of their own.

    Raises:
        ProviderError: the provider does not start, or cannot run every node.
        ModelError: ONNX Runtime refuses the graph.
    """
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
        if full.removesuffix(SUFFIX).lower() == name:
            return str(full)
    raise ProviderError(f"this build of ONNX Runtime has no provider {name!r}")
