"""A process of its own for graphs of foreign files, the only one to end where ONNX Runtime ends it.

ONNX Runtime reads some files, and on some of their values it ends the process: by a segmentation
fault, or in an assertion. What it will end on cannot be known beforehand, so that no file runs as
it is in the process of the user. The process is started once and serves many files; it costs the
start of Python and of ONNX Runtime, a third of a second, most of it while others have work to do.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Timer
from typing import IO, Any

import numpy as np

from .. import errors
from ..errors import InputError, ModelError, OutOfTimeError
from ..patience import seconds_left
from .memory import available_memory

_MOST_SECONDS = 600.0
"""Without a limit of the whole work: what hangs is not waited for."""

_GRACE = 2.0
"""Seconds after which a run is ended with its process that should have stopped by itself."""

_IDLE = 30.0
"""Seconds without a file after which the process ends, and gives its memory back."""


class EndedError(ModelError):
    """ONNX Runtime has ended the process that ran a graph."""


Feeds = Mapping[str, np.ndarray | Sequence[np.ndarray]]
"""Inputs by name: arrays, and sequences of them."""


@dataclass(frozen=True)
class Run:
    """A graph to be run elsewhere.

    Attributes:
        model: The graph, as an ONNX file.
        feeds: Its inputs by name; `None` where only the types of its outputs are asked for.
        outputs: Which outputs are wanted.
        folder: Where weights are that the graph has in files of their own.
        seconds: After how many seconds the run is stopped.
    """

    model: bytes
    feeds: Feeds | None
    outputs: Sequence[str]
    folder: Path | None
    seconds: float


def prepare() -> None:
    """Start the process where it does not run yet, without waiting for it."""
    with contextlib.suppress(ModelError), _lock:
        _process()


def run_apart(
    model: bytes,
    feeds: Feeds,
    outputs: Sequence[str],
    folder: Path | None = None,
) -> dict[str, np.ndarray]:
    """Run a graph on the CPU in a process of its own.

    Args:
        model: The graph, as an ONNX file.
        feeds: Its inputs by name.
        outputs: Which outputs are wanted.
        folder: Where weights are that the graph has in files of their own.

    Returns:
        Those of the outputs that are arrays, by name.

    Raises:
        EndedError: ONNX Runtime ended the process.
        InputError: the memory did not suffice.
        ModelError: ONNX Runtime refuses the graph, or stopped in the middle of it.
        OutOfTimeError: it took too long.
    """
    found: dict[str, np.ndarray] = _answer(model, feeds, outputs, folder)
    return found


def types_apart(
    model: bytes, folder: Path | None = None
) -> dict[str, tuple[str, tuple[int | str | None, ...]]]:
    """Return the types of a graph's outputs, found by a process of its own.

    Args:
        model: The graph, as an ONNX file.
        folder: Where weights are that the graph has in files of their own.

    Returns:
        As `Session.output_types` has them.

    Raises:
        EndedError: ONNX Runtime ended the process.
        ModelError: ONNX Runtime refuses the graph.
        OutOfTimeError: it took too long.
    """
    found: dict[str, tuple[str, tuple[int | str | None, ...]]] = _answer(model, None, (), folder)
    return found


_lock = Lock()
_running: subprocess.Popen[bytes] | None = None


# What is answered is of the kind that was asked for.
def _answer(
    model: bytes,
    feeds: Feeds | None,
    outputs: Sequence[str],
    folder: Path | None,
) -> Any:
    limit = seconds_left()
    seconds = _MOST_SECONDS if limit is None else min(limit, _MOST_SECONDS)
    with _lock:
        answer = _exchanged(Run(model, feeds, outputs, folder, seconds))
    if isinstance(answer, _Failure):
        raise answer.error()
    return answer


def _exchanged(run: Run, *, again: bool = True) -> Any:
    """What the process answers; asked once more where one that was idle has just ended."""
    process = _process()
    late = Timer(run.seconds + _GRACE, process.kill)
    late.start()
    try:
        if _is_ready(process):
            return _sent(process, run)
    except (EOFError, OSError, pickle.UnpicklingError) as error:
        why = _end(1.0)
        if not late.is_alive():
            raise OutOfTimeError(f"a run was stopped after {run.seconds:.3g} s") from error
        raise EndedError(f"ONNX Runtime itself ends the process{why}") from error
    except BaseException:
        # What it would still answer nobody waits for.
        _end()
        raise
    finally:
        late.cancel()
    why = _end(1.0)
    if again:
        return _exchanged(run, again=False)
    raise ModelError(f"foreign files run in a process of their own, which ends{why}")


def _is_ready(process: subprocess.Popen[bytes]) -> bool:
    assert process.stdout is not None  # a pipe
    return process.stdout.read(1) == _READY


def _sent(process: subprocess.Popen[bytes], run: Run) -> Any:
    assert process.stdin is not None  # pipes
    assert process.stdout is not None
    pickle.dump(run, process.stdin, protocol=5)
    process.stdin.flush()
    return pickle.load(process.stdout)


def _process() -> subprocess.Popen[bytes]:
    """The process, started where none runs.

    Raises:
        ModelError: none can be started.
    """
    global _running
    if _running is not None and _running.poll() is None:
        return _running
    _end()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        "PYTHONSAFEPATH": "1",
    }
    try:
        _running = subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except (OSError, ValueError) as error:
        raise ModelError(
            f"foreign files are run in a process of their own, which does not start: {error}"
        ) from error
    return _running


def _end(seconds: float = 0.0) -> str:
    """End the process, if it runs, and say of what it had ended by itself, for messages.

    Args:
        seconds: How long to wait for it to end by itself.
    """
    global _running
    process, _running = _running, None
    if process is None:
        return ""
    code = None
    with contextlib.suppress(subprocess.TimeoutExpired):
        code = process.wait(seconds)
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        # What was not sent yet is not wanted any more.
        with contextlib.suppress(OSError):
            if pipe is not None:
                pipe.close()
    if code is None:
        return ""
    if code >= 0:
        return f" (exit status {code:#x})" if code > 255 else f" (exit status {code})"
    if code == -9:
        return " (SIGKILL, as for want of memory)"
    try:
        return f" ({signal.Signals(-code).name})"
    except ValueError:
        return f" (signal {-code})"


def _forget() -> None:
    """Leave the process to the one that this one was forked off."""
    global _running, _lock
    _lock = Lock()
    if _running is not None:
        _running.returncode = 0
    _running = None


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


# The other side: the process itself.

_READY = b"+"
"""Said before each file, so that a process that ends while it waits is told from one that dies."""


@dataclass(frozen=True)
class _Failure:
    """What was raised: the name of a class of `errors`, and the sentence."""

    name: str
    sentence: str

    def error(self) -> Exception:
        raised: Exception = getattr(errors, self.name)(self.sentence)
        return raised


def serve() -> None:
    """Run graphs that come through standard input, and answer through output: be that process."""
    # Whoever asks ends this process, and hears Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    # What libraries print is no answer.
    os.dup2(2, 1)
    with contextlib.suppress(OSError):
        # Where memory runs out, this process is the first to go; on Linux alone.
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    if sys.platform != "win32":
        import resource

        # That it may die is foreseen: nothing is to be left behind.
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    import onnxruntime  # noqa: F401  (loaded while nobody waits for it yet)

    with contextlib.suppress(BrokenPipeError):
        _answer_all(sys.stdin.buffer, answers)


def _answer_all(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Run what is asked for until nobody asks any more."""
    while True:
        idle = Timer(_IDLE, os._exit, (0,))
        idle.daemon = True
        idle.start()
        answers.write(_READY)
        answers.flush()
        try:
            run = pickle.load(requests)
        except EOFError:
            return
        finally:
            idle.cancel()
        pickle.dump(_done(run), answers, protocol=5)
        answers.flush()


def _done(run: Run) -> object:
    from .session import open_for

    try:
        with _memory_limited(available_memory()):
            session = open_for(lambda _: run.model, "cpu", folder=run.folder)
            if run.feeds is None:
                return session.output_types()
            results = session.run(run.feeds, list(run.outputs), seconds=run.seconds)
    except (InputError, ModelError, OutOfTimeError) as error:
        kind = next(c for c in (InputError, ModelError, OutOfTimeError) if isinstance(error, c))
        return _Failure(kind.__name__, str(error))
    except MemoryError:
        return _Failure("InputError", "there is not enough memory for the values of the file")
    return {n: np.asarray(a) for n, a in results.items() if isinstance(a, np.ndarray | np.generic)}


@contextlib.contextmanager
def _memory_limited(size: int | None) -> Iterator[None]:
    """Take no more memory than there is, where the system can be told so."""
    if size is None or sys.platform != "linux":
        yield
        return
    import resource

    taken = int(Path("/proc/self/statm").read_text("ascii").split()[5]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (taken + size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
