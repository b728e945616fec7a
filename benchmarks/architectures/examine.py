"""One process of this benchmark: differentiate an exported network, check and time the result.

Prints one line of JSON (see `__main__.py`).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import onnxscope as osc
from onnxscope.rules.by_provider import rules_for

TOLERANCE = 1e-4
TIMES_TORCH = 3.0
SLOW = 2.6
WARM_UP = 2
ROUNDS = (7, 31)

Feeds = dict[str, np.ndarray]


def main() -> None:
    """Examine the model that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True, help="of timing; 0 for none")
    parser.add_argument("--render", action="store_true")
    parser.add_argument("--onnx-ad", action="store_true")
    options = parser.parse_args()
    print(json.dumps(examine(options)))


def examine(options: argparse.Namespace) -> dict[str, Any]:
    """Return all that is recorded of one model."""
    model = onnx.load(options.folder / "model.onnx")
    with np.load(options.folder / "reference.npz") as file:
        references = [
            dict(zip(file, arrays, strict=True)) for arrays in zip(*file.values(), strict=True)
        ]
    _warm_up()
    result = _contents(model)
    forward = _session(model, options.threads)
    result |= _compare_all("y", references, lambda r: forward.run(None, {"input": r["x"]})[0])
    if result["error_y"] > result["limit_y"]:
        return {"status": "forward", "message": "PyTorch and the file differ"} | result
    try:
        result |= _differentiate(model, forward, references, options)
    except osc.OnnxscopeError as error:
        result |= {"status": "refused", "message": f"{type(error).__name__}: {error}"}
    if options.render:
        result |= _render(options.folder / "model.onnx", references[0]["x"].shape[-1])
    if options.onnx_ad:
        result |= _onnx_ad(model, forward, references, options)
    return result


def _warm_up() -> None:
    """Import what is imported late, so that it does not count as building."""
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2])
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [2])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    opsets = [onnx.helper.make_opsetid("", 18)]
    osc.differentiate(onnx.helper.make_model(graph, opset_imports=opsets), of="y", wrt=["x"])


def _contents(model: onnx.ModelProto) -> dict[str, Any]:
    counts = Counter(node.op_type for node in model.graph.node)
    return {
        "opset": next(entry.version for entry in model.opset_import if entry.domain == ""),
        "nodes": len(model.graph.node),
        "operators": dict(sorted(counts.items())),
    }


def _differentiate(
    model: onnx.ModelProto,
    forward: onnxruntime.InferenceSession,
    references: list[Feeds],
    options: argparse.Namespace,
) -> dict[str, Any]:
    name = model.graph.output[0].name
    began = time.perf_counter()
    gradient = osc.differentiate(model, of=name, wrt=["input"])
    build = time.perf_counter() - began
    result: dict[str, Any] = {
        "status": "ok",
        "build_s": round(build, 3),
        "gradient_nodes": len(gradient.graph.node),
    }
    result |= _check(gradient, name, references, options)
    if options.seconds == 0:
        return result
    fastest = osc.differentiate(model, of=name, wrt=["input"], rules=rules_for("cpu"))
    checked = _check(fastest, name, references, options)
    if checked.get("status") == "wrong":
        result |= checked | {"message": f"by the rules for the CPU, {checked['message']}"}
    given, feeds = {"input": references[0]["x"]}, _feeds(references[0], name)
    session = _session(fastest, options.threads)
    result |= _timing("", _interleaved([(forward, given), (session, feeds)], options.seconds))
    if result["ratio"] > SLOW:
        result["forward_profile"] = _profile(model, given, options.threads)
        result["gradient_profile"] = _profile(fastest, feeds, options.threads)
    return result


def _check(
    gradient: onnx.ModelProto,
    name: str,
    references: list[Feeds],
    options: argparse.Namespace,
) -> dict[str, Any]:
    """How far a gradient's graph is from PyTorch, and `wrong` where that is too far."""
    session = _session(gradient, options.threads)
    result = _compare_all(
        "dx", references, lambda r: session.run(["grad_input"], _feeds(r, name))[0]
    )
    if not result["error_dx"] <= result["limit_dx"]:
        result |= {"status": "wrong", "message": f"relative error {result['error_dx']:.1e}"}
    return result


def _feeds(reference: Feeds, name: str) -> Feeds:
    return {"input": reference["x"], f"grad_{name}": reference["dy"]}


def _compare_all(
    name: str, references: list[Feeds], compute: Callable[[Feeds], np.ndarray]
) -> dict[str, Any]:
    """The comparison on the picture where it is best, and on how many it is good.

    A wrong rule is wrong on all pictures. On a single one a unit may lie so near a kink that
    float32 cannot say on which side (see `export.py`).
    """
    compared = [_compare(name, compute(reference), reference) for reference in references]
    best = min(compared, key=lambda entry: entry[f"error_{name}"] / entry[f"limit_{name}"])
    good = sum(entry[f"error_{name}"] <= entry[f"limit_{name}"] for entry in compared)
    return best | {f"pictures_{name}": [good, len(compared)]}


def _compare(name: str, found: np.ndarray, reference: Feeds) -> dict[str, float]:
    expected = reference[name]
    if found.shape != expected.shape:
        raise ValueError(f"{name} has shape {found.shape}, not {expected.shape}")
    error = float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
    theirs = float(reference[f"error_{name}"])
    limit = max(TOLERANCE, TIMES_TORCH * theirs)
    return {f"error_{name}": error, f"torch_error_{name}": theirs, f"limit_{name}": limit}


def _session(
    model: onnx.ModelProto, threads: int, profile: Path | None = None
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    # Two sessions take turns: threads of one that wait in a loop would slow the other down.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _interleaved(
    runs: list[tuple[onnxruntime.InferenceSession, Feeds]], seconds: float
) -> list[list[float]]:
    """Milliseconds of each run, for at least 7 and at most 31 rounds."""
    times: list[list[float]] = [[] for _ in runs]
    began = time.perf_counter()
    fewest, most = ROUNDS
    for number in range(most + WARM_UP):
        if number >= fewest + WARM_UP and time.perf_counter() - began > seconds:
            break
        for taken, (session, feeds) in zip(times, runs, strict=True):
            start = time.perf_counter()
            session.run(None, feeds)
            taken.append((time.perf_counter() - start) * 1000)
    return [taken[WARM_UP:] for taken in times]


def _timing(prefix: str, times: list[list[float]]) -> dict[str, Any]:
    forward, gradient = (statistics.median(taken) for taken in times)
    return {
        f"{prefix}forward_ms": round(forward, 3),
        f"{prefix}gradient_ms": round(gradient, 3),
        f"{prefix}ratio": round(gradient / forward, 3),
        f"{prefix}rounds": len(times[0]),
    }


def _profile(model: onnx.ModelProto, feeds: Feeds, threads: int, runs: int = 5) -> dict[str, float]:
    """Milliseconds a run by operator, as the runtime names them, the eight longest."""
    with tempfile.TemporaryDirectory() as folder:
        session = _session(model, threads, Path(folder) / "run")
        for _ in range(runs):
            session.run(None, feeds)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    total: Counter[str] = Counter()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            total[event["args"]["op_name"]] += event["dur"]
    return {name: round(sum_ / runs / 1000, 2) for name, sum_ in total.most_common(8)}


def _render(path: Path, size: int) -> dict[str, Any]:
    """Two steps on a channel of a layer in the middle."""
    try:
        model = osc.load(
            str(path), input_range=(0, 1), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
        )
        names = [name for name, layer in model.layers.items() if layer.channels]
        name = names[len(names) // 2]
        picture = osc.render(model, osc.channel(name, 0), steps=2, size=size, provider="cpu")
    except osc.OnnxscopeError as error:
        return {"render": f"{type(error).__name__}: {error}"}
    finite = bool(np.isfinite(picture.images).all() and np.isfinite(picture.values).all())
    return {"render": "ok" if finite else "not finite", "render_layer": name}


def _onnx_ad(
    model: onnx.ModelProto,
    forward: onnxruntime.InferenceSession,
    references: list[Feeds],
    options: argparse.Namespace,
) -> dict[str, Any]:
    import onnx_ad

    name = model.graph.output[0].name

    def feeds_of(reference: Feeds) -> Feeds:
        return {"input": reference["x"], f"adj_{name}": reference["dy"][..., None]}

    try:
        began = time.perf_counter()
        adjoint = onnx_ad.reverse(model, inputs=["input"], outputs=[name], layout="onnx")
        build = time.perf_counter() - began
        session = _session(adjoint, options.threads)
        compared = _compare_all(
            "dx", references, lambda r: session.run(["adj_input"], feeds_of(r))[0][..., 0]
        )
    except Exception as error:
        # Another project's errors, and those of the runtime on its graph, are a result here.
        text = str(error).splitlines()[0] if str(error) else ""
        return {"onnx_ad_status": "refused", "onnx_ad_message": f"{type(error).__name__}: {text}"}
    right = compared["error_dx"] <= compared["limit_dx"]
    result = {
        "onnx_ad_status": "ok" if right else "wrong",
        "onnx_ad_error_dx": compared["error_dx"],
        "onnx_ad_build_s": round(build, 3),
    }
    if options.seconds > 0:
        given, feeds = {"input": references[0]["x"]}, feeds_of(references[0])
        times = _interleaved([(forward, given), (session, feeds)], options.seconds)
        result |= _timing("onnx_ad_", times)
    return result


if __name__ == "__main__":
    main()
