"""Gradients of exported networks of timm, torchvision and others, against PyTorch's in float64.

Every case (`cases.py`) goes through two processes of its own, each with a time limit, so that one
that crashes does not stop the others:

- `export.py` makes the network (random weights, with scales that start at zero and statistics of
  batch normalisation set as after training), exports it with one of PyTorch's exporters, and writes
  the gradient of the same module in float64 for a random picture and a random cotangent of its
  output. What it writes is kept in `--folder` and found again by the next run.
- `examine.py` runs `onnxscope.differentiate(model, of=OUTPUT, wrt=["input"])` and the result in
  ONNX Runtime on the CPU. Distances are relative, in the L2 norm.

A case is `ok` where the distance of the gradient is at most three times that of PyTorch's own
float32 gradient, or 1e-4, whichever is larger; `wrong` where it is more; `refused` where onnxscope
says that it cannot; `failed` where anything else is raised, by ONNX Runtime for example; `forward`
where already the exported file does not compute what PyTorch does; `export` where the exporter
fails (no case of ours); `crash` and `timeout` speak for themselves.

The ratio is the median time of the gradient's graph in the forms for the CPU (`rules_for("cpu")`,
checked like the standard ones), which computes the output as well, over that of the exported file,
in turns on the same threads, which sleep while they wait. Building counts from the loaded
`ModelProto` to the finished one. Where the ratio is above 2.6, the JSON has the operators that take
longest in both.

    python benchmarks/architectures --json results.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cases import Case, cases

HERE = Path(__file__).parent
PACKAGES = ("onnxscope", "onnxruntime-gpu", "onnxruntime", "onnx", "torch", "timm", "torchvision")


def main() -> int:
    """Export what is missing, examine, print."""
    options = _options()
    chosen = [case for case in cases() if _is_chosen(case, options.only)]
    if not chosen:
        print(f"no case has {options.only} in its name", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(case.key for case in chosen))
        return 0
    with ThreadPoolExecutor(options.jobs) as pool:
        exports = list(pool.map(lambda case: _export(case, options), chosen))
    print(HEADER)
    results = []
    for case, export in zip(chosen, exports, strict=True):
        kept = options.folder / case.key / "result.json"
        if options.resume and kept.is_file():
            result = json.loads(kept.read_text(encoding="utf-8"))
        else:
            result = _examine(case, export, options)
            kept.write_text(json.dumps(result), encoding="utf-8")
        results.append(result)
        print(_line(result), flush=True)
    summary = summarise(results)
    print("\n" + "\n".join(f"{name}: {value}" for name, value in summary.items()))
    if options.json is not None:
        everything = _surroundings() | {"threads": options.threads} | summary | {"cases": results}
        options.json.write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")
    return 0 if all(result["status"] in ("ok", "export") for result in results) else 1


def summarise(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return counts and medians over all cases."""
    right = [result for result in results if result["status"] == "ok"]
    statuses = sorted({result["status"] for result in results})
    networks = sorted({f"{result['library']}/{result['name']}" for result in right})
    summary: dict[str, Any] = {
        "cases by status": {
            status: sum(result["status"] == status for result in results) for status in statuses
        },
        "architectures with the right gradient": len(networks),
        "of these, timm's": sum(name.startswith("timm/") for name in networks),
    }
    ratios = sorted(result["ratio"] for result in right if "ratio" in result)
    if ratios:
        summary["ratio, median and largest"] = [round(statistics.median(ratios), 2), ratios[-1]]
        summary["ratios above 4"] = sum(ratio > 4 for ratio in ratios)
    speeds = [result["build_s"] / result["nodes"] for result in right]
    if speeds:
        summary["seconds to build for 1,000 nodes, median and largest"] = [
            round(1000 * statistics.median(speeds), 2),
            round(1000 * max(speeds), 2),
        ]
    rival = [result["onnx_ad_status"] for result in results if "onnx_ad_status" in result]
    if rival:
        summary["onnx-ad by status"] = {
            status: rival.count(status) for status in sorted(set(rival))
        }
        theirs = [r["onnx_ad_ratio"] for r in results if r.get("onnx_ad_status") == "ok"]
        if theirs and all(ratios):
            summary["onnx-ad's ratio, median and largest"] = [
                round(statistics.median(theirs), 2),
                max(theirs),
            ]
    return summary


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="cases with one of these in the name")
    parser.add_argument("--list", action="store_true", help="print the cases and stop")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir()) / "onnxscope-architectures",
        help="where exported networks are kept",
    )
    parser.add_argument(
        "--resume", action="store_true", help="take results that the folder has, of whatever run"
    )
    parser.add_argument("--jobs", type=int, default=1, help="exports at a time")
    parser.add_argument("--threads", type=int, default=2, help="of ONNX Runtime")
    parser.add_argument("--limit", type=float, default=300, help="seconds for each process")
    parser.add_argument("--seconds", type=float, default=3, help="of timing; 0 for none")
    parser.add_argument("--onnx-ad", action="store_true", help="the same with onnx-ad")
    parser.add_argument("--json", type=Path, help="write the results to this file, too")
    options = parser.parse_args()
    for package in ("torch", "timm", "torchvision", "onnxscript", "onnxscope"):
        if not _version(package):
            parser.error(f"{package} is not installed; benchmarks/README.md says how")
    return options


def _is_chosen(case: Case, only: Sequence[str]) -> bool:
    return not only or any(part in case.key for part in only)


def _export(case: Case, options: argparse.Namespace) -> dict[str, Any]:
    """What the export printed, from the cache where it is there."""
    folder = options.folder / case.key
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "export.json"
    # The folder holds one export: of this case as it stands in the list, by these versions.
    made_of = {"case": repr(case), "torch": _version("torch"), "timm": _version("timm")}
    if record.is_file():
        kept: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        if kept.get("made_of") == made_of:
            return kept
    threads = max(1, options.threads // options.jobs)
    command = ["export.py", case.key, str(folder), "--threads", str(threads)]
    result = _run(command, options.limit) | {"made_of": made_of}
    # A timeout or a crash may be the machine's; it is tried again the next time.
    if result.get("status") not in ("timeout", "crash"):
        part = record.with_suffix(".part")
        part.write_text(json.dumps(result), encoding="utf-8")
        part.replace(record)
    return result


def _examine(case: Case, export: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    described = {
        "key": case.key,
        "library": case.library,
        "name": case.name,
        "exporter": case.exporter,
        "asked_opset": case.opset,
        "open_dims": list(case.open_dims),
        "size": case.size,
    }
    if "status" in export:
        return described | {"status": "export", "message": export["message"]}
    folder = str(options.folder / case.key)
    command = ["examine.py", folder, "--threads", str(options.threads)]
    command += ["--seconds", str(options.seconds)]
    command += ["--render"] * case.render + ["--onnx-ad"] * options.onnx_ad
    export = {name: export[name] for name in ("export_s", "parameters")}
    return described | export | _run(command, options.limit)


def _run(command: Sequence[str], limit: float) -> dict[str, Any]:
    """The last line that a process prints, or what became of it."""
    script, *arguments = command
    try:
        ended = subprocess.run(
            [sys.executable, str(HERE / script), *arguments],
            capture_output=True,
            text=True,
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        return {"status": "timeout", "message": f"more than {limit:.0f} s"}
    if ended.returncode == 0:
        answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return answer
    if ended.returncode < 0:
        return {"status": "crash", "message": f"ended by signal {-ended.returncode}"}
    # The error itself stands unindented at the end of a traceback.
    said = [x for x in ended.stderr.splitlines() if x[:1].strip() and ": " in x]
    return {"status": "failed", "message": said[-1][:400] if said else ended.stderr[-400:]}


HEADER = (
    f"{'case':44} {'nodes':>5} {'build s':>7} {'error':>8} {'torch':>8} "
    f"{'fwd ms':>7} {'grad ms':>8} {'ratio':>5}  status"
)


def _line(result: dict[str, Any]) -> str:
    def number(name: str, form: str, width: int) -> str:
        return f"{result[name]:{form}}".rjust(width) if name in result else " " * width

    said = "" if result["status"] == "ok" else f": {result['message']}"
    if result.get("render", "ok") != "ok":
        said += f"; render: {result['render']}"
    cells = [
        f"{result['key']:44}",
        number("nodes", "d", 5),
        number("build_s", ".2f", 7),
        number("error_dx", ".1e", 8),
        number("torch_error_dx", ".1e", 8),
        number("forward_ms", ".1f", 7),
        number("gradient_ms", ".1f", 8),
        number("ratio", ".2f", 5),
        f" {result['status']}{said}",
    ]
    return " ".join(cells)[:300]


def _surroundings() -> dict[str, Any]:
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), model)
    except OSError:
        pass
    return {
        "date": date.today().isoformat(),
        "cpu": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES if _version(name)},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    raise SystemExit(main())
