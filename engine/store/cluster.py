"""Fills a project on many machines, or in many processes of one, by dask.distributed.

Workers make pictures and give them back; this process alone writes, so that machines share no
folder and each picture is written once. What a worker that dies was making, another one makes.
"""

from __future__ import annotations

import logging
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

from ..errors import InputError, OnnxscopeError
from ..plain import from_digits, text
from ..runtime.cores import cores
from .filling import Filling, Place, groups, still_wanted, what_is_missing
from .making import Answer, Maker
from .plan import Plan, Wanted
from .project import Project

if TYPE_CHECKING:
    from distributed import Client, Future

_PIECES = 2
"""So many pieces of work each thread of a worker has: one that it does, and the next one."""

_RETRIES = 2
_LOOK = 5.0
"""Seconds between two looks whether there are workers."""

_MOST = 256
_SECONDS_TO_CONNECT = 15


def fill_on(
    scheduler: str,
    plan: Plan,
    project: Project,
    *,
    order: Sequence[Place] | None = None,
    seconds: float | None = None,
    batch_size: int | None = None,
    begin: Callable[[Filling, Sequence[Wanted]], object] | None = None,
    done: Callable[[Wanted, Answer], object] | None = None,
    idle: Callable[[str], object] | None = None,
) -> Filling:
    """Make the pictures of a plan that a project does not have, on a scheduler's workers.

    Args:
        scheduler: An address such as `tcp://10.0.0.1:8786`, whose workers have onnxscope and, where
            the model is a file, that file at the same path; or `local:4` for as many processes on
            this machine.
        plan: What there shall be.
        project: Where, on this machine.
        order: As for `fill`.
        seconds: As for `fill`.
        batch_size: As for `render_each`, in each worker.
        begin: Called when a piece of work is sent, with how far it has come and with its pictures.
        done: As for `fill`.
        idle: Called with a sentence where it waits for workers, as there are none.

    Returns:
        How far it has come. Where no workers come, it ends when the time is up.

    Raises:
        InputError: there is no such scheduler, or not any more, or dask.distributed is not
            installed.
        OutputError: a picture cannot be kept.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    filling, missing = what_is_missing(plan, project, order)
    with _client(scheduler) as client, project.writing() as writer:
        writer.begin(plan)
        workers = _Workers(client, scheduler, deadline, idle)
        if missing and not workers.come():
            filling.out_of_time = True
            return filling
        # A result, not data that are sent: what a worker that dies had, another one makes anew.
        maker = client.submit(Maker, plan, pure=False)
        pieces = groups(plan, missing)
        running: dict[Future[Any], list[Wanted]] = {}
        group = next(pieces, None)
        try:
            while True:
                while group is not None and len(running) < _PIECES * max(workers.threads, 1):
                    if workers.time_is_up:
                        filling.out_of_time = True
                        break
                    wanted = still_wanted(plan, project, group, filling)
                    group = next(pieces, None)
                    if not wanted:
                        continue
                    if begin is not None:
                        begin(filling, wanted)
                    # Each has its own name: the same work sent again is done again.
                    future = client.submit(
                        _make, maker.key, maker, wanted, batch_size, retries=_RETRIES, pure=False
                    )
                    running[future] = wanted
                if not running:
                    return filling
                finished = workers.finished(list(running))
                if not finished:
                    filling.out_of_time = True
                    return filling
                for future in finished:
                    wanted = running.pop(future)
                    for answer in _answers(future, len(wanted)):
                        filling.take(wanted[answer.number], answer, writer)
                        if done is not None and done(wanted[answer.number], answer) is False:
                            filling.interrupted = True
                            return filling
        except KeyboardInterrupt:
            filling.interrupted = True
            return filling
        finally:
            client.cancel(list(running), force=True)


class _Workers:
    """The workers of a scheduler, which come and go."""

    def __init__(
        self,
        client: Client,
        scheduler: str,
        deadline: float | None,
        idle: Callable[[str], object] | None,
    ) -> None:
        self._client = client
        self._scheduler = scheduler
        self._deadline = deadline
        self._idle = idle

    @property
    def threads(self) -> int:
        """How many pieces of work they do at once."""
        return sum(self._client.nthreads().values())

    @property
    def time_is_up(self) -> bool:
        """Whether there was a limit, and it has passed."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def come(self) -> bool:
        """Wait until there are some, and say so; return whether there are before the time is up."""
        said = False
        while not self.threads:
            if self.time_is_up:
                return False
            if self._idle is not None and not said:
                self._idle(
                    f"{self._scheduler} has no workers, and is waited for; `dask worker ADDRESS` "
                    "starts one"
                )
            said = True
            left = _LOOK if self._deadline is None else self._deadline - time.monotonic()
            time.sleep(max(min(left, _LOOK), 0.0))
        return True

    def finished(self, running: list[Future[Any]]) -> list[Future[Any]]:
        """Wait until some are done; return none where the time is up and nobody does any."""
        from distributed import wait

        while True:
            try:
                return list(wait(running, timeout=_LOOK, return_when="FIRST_COMPLETED").done)
            except TimeoutError:
                if not self.come():
                    return []


_MAKERS: dict[str, Maker] = {}
"""The one that this worker has used last, by its name, with what is open."""


def _make(
    name: str, maker: Maker, wanted: Sequence[Wanted], batch_size: int | None
) -> list[Answer]:
    """What a worker does."""
    if name not in _MAKERS:
        # The scheduler has copies that nobody needs just now thrown away, and sends others.
        _MAKERS.clear()
        _MAKERS[name] = maker
    try:
        return list(_MAKERS[name].make(wanted, batch_size=batch_size))
    except OnnxscopeError as error:
        # Another try would end the same way.
        return [Answer(number, error=str(error)) for number in range(len(wanted))]


def _answers(future: Future[Any], count: int) -> list[Answer]:
    """What a worker gave back; where all tries failed, that for each picture."""
    from distributed.scheduler import KilledWorker

    if future.cancelled():
        reason = "the workers that had it ended, and what they were given with them"
        return [Answer(number, error=reason) for number in range(count)]
    error = future.exception()
    if error is None:
        answers: list[Answer] = future.result()
        return answers
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, KilledWorker):
        reason = "each worker that tried it ended: it may need more memory than there is"
    return [Answer(number, error=reason) for number in range(count)]


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Start processes and threads that Ctrl-C does not reach, until the block ends.

    A terminal sends it to all processes at once, and workers would print where they were; they end
    with this one, to which it comes behind the block. Windows has no such mask.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # To start it, Python lets Ctrl-C through again, in whichever thread.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _client(scheduler: str) -> Iterator[Client]:
    """Connect to a scheduler, or start one for this process.

    Raises:
        InputError: it is not there, or went away in the block.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise InputError(
            "work is divided by dask.distributed, which is not installed: "
            "pip install 'onnxscope[cluster]'"
        ) from error
    scheduler = text("scheduler", scheduler, "an address such as 'tcp://10.0.0.1:8786', or local:4")
    # An address may begin so as well, as localhost:8786 does.
    if scheduler == "local" or scheduler.startswith("local:"):
        local = re.fullmatch(r"local:(\d+)", scheduler)
        count = from_digits("the number of processes", local[1]) if local else 0
        if not 1 <= count <= _MOST:
            raise InputError(f"{scheduler} must be local:1 to local:{_MOST}, a process each")
        threads = str(max(cores() // count, 1))
        settings: dict[str, Any] = {
            "n_workers": count,
            "threads_per_worker": 1,
            "host": "127.0.0.1",
            "dashboard_address": None,
            # Without this its port is 8787, and a second one beside it warns of the first.
            "scheduler_kwargs": {"dashboard_address": "127.0.0.1:0", "dashboard": False},
            "env": {"ONNXSCOPE_THREADS": threads, "ONNXSCOPE_SPINNING": "off"},
            # That a worker takes seconds to end is nothing to be warned of.
            "silence_logs": logging.ERROR,
        }
        with _deaf_to_ctrl_c():
            started = LocalCluster(**settings)
        with started as cluster, Client(cluster) as client:
            yield client
        return
    try:
        client = Client(scheduler, timeout=_SECONDS_TO_CONNECT)
    except (OSError, ValueError) as error:
        raise InputError(
            f"there is no scheduler at {scheduler} ({error}); start one with `dask scheduler` and "
            "workers with `dask worker ADDRESS`, or use local:4"
        ) from error
    with client:
        try:
            yield client
        except OnnxscopeError:
            raise
        except Exception as error:
            if client.status == "running":
                raise
            raise InputError(
                f"the scheduler at {scheduler} does not answer any more; what was made is kept, "
                "and the same command goes on"
            ) from error
