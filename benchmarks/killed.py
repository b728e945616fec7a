"""Kills a microscope's run at random moments until it is through, and compares what there is.

`python benchmarks/killed.py --kills 50` runs the command on a few units, sends it SIGKILL after a
random time, runs it again, and so on; where it came to its end, three quarters of what is known are
taken away, so that units are made with others beside them. Then it runs once undisturbed. All files
of both have to be the same, byte for byte, none cut off, and none left over; of those that are not
it says in which fields.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

UNITS = ("fire3", "fire4", "--units", "0:6", "--size", "48", "--steps", "3", "--provider", "cpu")
_SHOWN = 8


def command(folder: Path, photos: Path | None, quality: str = "good") -> list[str]:
    """Return what is run."""
    start = [sys.executable, "-m", "onnxscope", "microscope", "squeezenet", *UNITS]
    given = ["--photos", str(photos)] if photos else []
    return [*start, "--quality", quality, "-q", "-o", str(folder), *given]


def taken_away(folder: Path, rng: random.Random) -> None:
    """Remove three quarters of what a project knows, of units and of whole layers."""
    there = sorted(f for suffix in ("json", "npz") for f in folder.rglob(f"answers/*/*.{suffix}"))
    for file in rng.sample(there, len(there) * 3 // 4):
        file.unlink()


def differing_fields(one: object, other: object, name: str = "") -> Iterator[str]:
    """Yield where two answers differ, with what stands there."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from differing_fields(one.get(key), other.get(key), f"{name}.{key}")
    elif one != other:
        yield f"{name}: {one!r:.200} instead of {other!r:.200}"


def files(folder: Path) -> dict[str, bytes]:
    """Return all files of a project, by their paths in it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def main() -> int:
    """Run it; 0 where all files are the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--photos", type=Path, help="a folder of photographs as well")
    parser.add_argument("--quality", default="good", help="with draft units share graphs")
    parser.add_argument("--keep", type=Path, help="a new folder, in which both projects stay")
    parser.add_argument("--longest", type=float, default=6.0, help="seconds before a kill, at most")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with nullcontext(given.keep) if given.keep else tempfile.TemporaryDirectory() as name:
        killed, alone = Path(name, "killed"), Path(name, "alone")
        kills = ended = 0
        began = time.perf_counter()
        while kills < given.kills:
            process = subprocess.Popen(
                command(killed, given.photos, given.quality), stdout=subprocess.DEVNULL
            )
            try:
                process.wait(rng.uniform(0.3, given.longest))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
                for file in killed.rglob("answers/*/*.json"):
                    json.loads(file.read_bytes())  # whole, at any moment
                continue
            if process.returncode:
                raise SystemExit(f"a run behind {kills} kills failed, with {process.returncode}")
            ended += 1
            taken_away(killed, rng)
        for folder in (killed, alone):
            run = command(folder, given.photos, given.quality)
            subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
        one, other = files(killed), files(alone)
        differing = sorted(n for n in one.keys() | other.keys() if one.get(n) != other.get(n))
        print(
            f"{kills} kills in {time.perf_counter() - began:.0f} s, {ended} runs came to their "
            f"end; {len(other)} files, of which {len(differing)} differ: {differing[:_SHOWN]}"
        )
        for path in differing[:_SHOWN]:
            if path.endswith(".json") and path in one and path in other:
                known = json.loads(one[path]), json.loads(other[path])
                print(path, known[1].get("kind"), known[1].get("layer"), known[1].get("unit"))
                print(*(f"  {line}" for line in differing_fields(*known)), sep="\n")
    return 1 if differing else 0


if __name__ == "__main__":
    raise SystemExit(main())
