"""How much memory a graph will take, known before it runs, and how much there is."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MemoryShortageError

if TYPE_CHECKING:
    import onnx

# Measured on ONNX Runtime 1.31's CPU provider for ascents with three networks, 1 to 64 pictures, as
# what the process takes more at its peak than before: from 0 to 16 % above it in every case.
#
# ONNX Runtime itself, and its threads.
_BASE = 16 * 2**20
# A graph's constants: as read, as parsed, as initializers, and laid out anew for the kernels.
_CONSTANTS = 3.1
# What is made of constants alone: as initializers, and laid out anew for the kernels.
_COMPUTED = 2.0
# Of the values that are alive together: copies in the layout of the convolutions, what kernels
# allocate while they run, and the gaps between blocks of many sizes.
_VALUES = 1.65

# Not filled in from other constants: as large as the pictures are many.
_FILLED = frozenset({"ConstantOfShape", "Expand"})

_NO_LIMIT = 2**60


@dataclass(frozen=True)
class Footprint:
    """A forecast of what running a graph takes on the CPU, beyond what the process has already.

    Attributes:
        fixed: Bytes that do not depend on how many pictures there are.
        each: Bytes for each picture.
        kept: How many of these are for what goes in and out, also while it does not run.
    """

    fixed: int
    each: int
    kept: int = 0

    @staticmethod
    def of(model: onnx.ModelProto, batch: int) -> Footprint:
        """Forecast for a graph whose shapes are numbers; what is left open counts as nothing.

        Args:
            model: The graph.
            batch: How many pictures it is for.
        """
        sizes = _sizes(model.graph)
        constants = {tensor.name for tensor in model.graph.initializer}
        weights = sum(_tensor_bytes(tensor) for tensor in model.graph.initializer)
        running, computed = _split(model.graph, constants)
        # ONNX Runtime computes once and keeps what is read as the graph runs.
        read = {name for node in running for name in node.input}
        folded = copied = 0
        for node in computed:
            size = sum(sizes.get(name, 0) for name in node.output if name in read)
            if node.op_type in _FILLED:
                folded += size
            else:
                copied += size
        outside = [*model.graph.input, *model.graph.output]
        # What goes in and out is there twice: as the climber's arrays and as the session's.
        bound = sum(sizes.get(value.name, 0) for value in outside)
        outputs = {value.name for value in model.graph.output}
        alive = _most_alive(_in_running_order(running), sizes, constants, outputs)
        scaling = folded + bound + _VALUES * alive
        fixed = _BASE + _CONSTANTS * weights + _COMPUTED * copied
        return Footprint(round(fixed), math.ceil(scaling / batch), math.ceil(bound / batch))

    def total(self, use: Use) -> int:
        """Return the bytes for so many pictures."""
        waiting = use.pictures - use.running
        return use.sessions * self.fixed + use.running * self.each + waiting * self.kept

    def fitting(self, use: Use, free: int) -> int:
        """Return how many of the pictures fit into so many bytes, fewer than there are."""
        fewer = use.pictures - 1
        if use.sessions == use.pictures:
            # Each picture has a session of its own.
            return min(free // max(self.fixed + self.each, 1), fewer)
        for sessions in (use.sessions, 1):
            left = free - sessions * self.fixed
            if use.running < use.pictures and left > use.running * self.each:
                waiting = (left - use.running * self.each) // max(self.kept, 1)
                return min(use.running + waiting, fewer)
            if left >= self.each:
                return min(left // max(self.each, 1), fewer)
        return 0


@dataclass(frozen=True)
class Use:
    """How a graph is run.

    Attributes:
        pictures: How many there are.
        running: How many of them are computed at the same time; the others wait.
        sessions: How many sessions of the graph are open.
    """

    pictures: int
    running: int
    sessions: int = 1

    @staticmethod
    def whole(batch: int) -> Use:
        """Return one session for so many pictures at once."""
        return Use(batch, batch)


def _split(
    graph: onnx.GraphProto, constants: set[str]
) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto]]:
    """The nodes that run each time, and those of constants alone, whose outputs join these."""
    running: list[onnx.NodeProto] = []
    computed: list[onnx.NodeProto] = []
    for node in graph.node:
        if all(name in constants or not name for name in node.input):
            constants.update(node.output)
            computed.append(node)
        else:
            running.append(node)
    return running, computed


def check_memory(footprint: Footprint, use: Use, provider: str, what: str = "") -> None:
    """See, before any work, that the main memory suffices.

    Only on the CPU: what a graph takes on another device has not been measured.

    Args:
        footprint: Of a graph.
        use: How it is run.
        provider: Where, by name.
        what: What the graph is, in words; by default it is for the pictures.

    Raises:
        MemoryShortageError: it does not; says how many pictures fit.
    """
    free = available_memory() if provider == "cpu" else None
    needed = footprint.total(use)
    if free is None or needed <= free:
        return
    if what:
        raise MemoryShortageError(
            f"{what} needs about {amount(needed)} and {amount(free)} are free: give a smaller size "
            "or shape",
            0,
        )
    fitting = footprint.fitting(use, free)
    if fitting:
        remedy = f"{fitting} {'fits' if fitting == 1 else 'fit'}"
    else:
        remedy = "a smaller size, or a layer nearer to the picture, needs less"
    what = "a picture needs" if use.pictures == 1 else f"{use.pictures} pictures need"
    raise MemoryShortageError(
        f"{what} about {amount(needed)} and {amount(free)} are free: {remedy}", fitting
    )


def require_memory(size: int, what: str) -> None:
    """See, before it is taken, that the main memory suffices for some arrays.

    Args:
        size: Of all of them, in bytes.
        what: What they are, in words.

    Raises:
        MemoryShortageError: it does not.
    """
    free = available_memory()
    if free is not None and size > free:
        raise MemoryShortageError(
            f"{what} needs about {amount(size)} and {amount(free)} are free: give a smaller size "
            "or shape",
            0,
        )


def available_memory() -> int | None:
    """Return the main memory that can be taken, in bytes; `None` where it is not known.

    On Linux: what is free or can be freed, and swap, but no more than the limits of the control
    groups of the process leave it.
    """
    free = _free_by_meminfo(_read(Path("/proc/meminfo")))
    if free is None:
        return None
    return min([free, *_left_by_groups(_read(Path("/proc/self/cgroup")), Path("/sys/fs/cgroup"))])


def _free_by_meminfo(text: str) -> int | None:
    values = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if value.endswith(" kB"):
            values[name] = int(value.removesuffix(" kB")) * 1024
    available = values.get("MemAvailable")
    return None if available is None else available + values.get("SwapFree", 0)


def _left_by_groups(membership: str, root: Path) -> Iterator[int]:
    """What each limit on the process leaves; groups are nested, and the tightest one counts.

    Args:
        membership: The content of `/proc/self/cgroup`.
        root: Where control groups are mounted.
    """
    for line in membership.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            top, names = root, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            top = root / "memory"
        else:
            continue
        # In a container the path may be that outside of it; its own group is then the mounted one.
        inner = top / path.lstrip("/")
        for group in [inner, *inner.parents]:
            left = _left_by_group(group, *names)
            if left is not None:
                yield left
            if group == top:
                break


def _left_by_group(group: Path, limit_name: str, usage_name: str, cache_name: str) -> int | None:
    try:
        limit = int(_read(group / limit_name))
        used = int(_read(group / usage_name))
    except ValueError:  # not there, or "max"
        return None
    if limit >= _NO_LIMIT:
        return None
    reclaimable = 0
    for line in _read(group / "memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if name == cache_name:
            reclaimable = int(value)
    return max(limit - used + reclaimable, 0)


def _read(path: Path) -> str:
    """The text of a file of the system; empty where there is none."""
    with contextlib.suppress(OSError):
        return path.read_text("ascii", "replace")
    return ""


def amount(size: int) -> str:
    """Return bytes in words, such as `1.5 GiB`."""
    gibibytes = size / 2**30
    return f"{gibibytes:.0f} GiB" if gibibytes >= 10 else f"{gibibytes:.1f} GiB"


def _sizes(graph: onnx.GraphProto) -> dict[str, int]:
    """Bytes of each value of known shape."""
    from onnx import helper

    sizes = {}
    for value in (*graph.value_info, *graph.input, *graph.output):
        tensor = value.type.tensor_type
        dims = [dim.dim_value for dim in tensor.shape.dim if dim.HasField("dim_value")]
        if tensor.HasField("shape") and len(dims) == len(tensor.shape.dim):
            itemsize = helper.tensor_dtype_to_np_dtype(tensor.elem_type).itemsize
            sizes[value.name] = math.prod(dims) * itemsize
    return sizes


def _tensor_bytes(tensor: onnx.TensorProto) -> int:
    from onnx import helper

    return math.prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize


def _in_running_order(nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The nodes in the order in which ONNX Runtime runs them.

    That is not the order of the file: from the last node back, each behind what it needs, of which
    the last in the file comes first. So the masks that a gradient needs are computed with the
    forward pass, and kept beside the values themselves.
    """
    producer = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    needs = [sorted({producer[name] for name in node.input if name in producer}) for node in nodes]
    needed = {index for indices in needs for index in indices}
    stack = [(index, False) for index in range(len(nodes)) if index not in needed]
    order: list[onnx.NodeProto] = []
    seen: set[int] = set()
    while stack:
        index, done = stack.pop()
        if done:
            order.append(nodes[index])
        elif index not in seen:
            seen.add(index)
            stack.append((index, True))
            stack += [(earlier, False) for earlier in needs[index] if earlier not in seen]
    return order


def _most_alive(
    nodes: list[onnx.NodeProto],
    sizes: Mapping[str, int],
    constants: set[str],
    outputs: set[str],
) -> int:
    """Bytes of the values that are alive together at most, each from its node to its last reader.

    Constants and the graph's outputs, which have memory of their own, do not count.
    """
    last = {name: index for index, node in enumerate(nodes) for name in node.input}
    alive: dict[str, int] = {}
    now = most = 0
    for index, node in enumerate(nodes):
        for name in node.output:
            if name and name not in outputs and name not in constants:
                alive[name] = sizes.get(name, 0)
                now += alive[name]
        most = max(most, now)
        for name in {*node.input, *node.output}:
            if last.get(name, -1) <= index:
                now -= alive.pop(name, 0)
    return most
