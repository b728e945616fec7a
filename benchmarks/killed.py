"""Kills a microscope's run at random moments until it is through, and compares what there is.

`python benchmarks/killed.py --kills 50` runs the command on a few units, sends it SIGKILL after a
random time, runs it again, and so on; then it runs once undisturbed. All files of both have to be
the same, byte for byte, none cut off, and none left over.
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
from pathlib import Path

UNITS = ("fire3", "fire4", "--units", "0:6", "--size", "48", "--steps", "3", "--provider", "cpu")


def command(folder: Path, photos: Path | None) -> list[str]:
    """Return what is run."""
    given = ["--photos", str(photos), "--what", "channel,neuron,diversity,examples"]
    start = [sys.executable, "-m", "onnxscope", "microscope", "squeezenet", *UNITS]
    return [*start, "-q", "-o", str(folder), *(given if photos else [])]


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
    parser.add_argument("--longest", type=float, default=6.0, help="seconds before a kill, at most")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as name:
        killed, alone = Path(name, "killed"), Path(name, "alone")
        kills = ended = 0
        began = time.perf_counter()
        while kills < given.kills:
            process = subprocess.Popen(command(killed, given.photos), stdout=subprocess.DEVNULL)
            try:
                process.wait(rng.uniform(0.3, given.longest))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
                for file in killed.rglob("answers/*/*.json"):
                    json.loads(file.read_bytes())  # whole, at any moment
                continue
            ended += 1
            # It is through: what it made is taken away again, but for a part.
            there = sorted(killed.rglob("answers/*/*.json"))
            for file in rng.sample(there, len(there) * 3 // 4):
                file.unlink()
        subprocess.run(command(killed, given.photos), check=True, stdout=subprocess.DEVNULL)
        subprocess.run(command(alone, given.photos), check=True, stdout=subprocess.DEVNULL)
        one, other = files(killed), files(alone)
        differing = sorted(n for n in one.keys() | other.keys() if one.get(n) != other.get(n))
        print(
            f"{kills} kills in {time.perf_counter() - began:.0f} s, {ended} runs came to their "
            f"end; {len(other)} files, of which {len(differing)} differ: {differing[:8]}"
        )
    return 1 if differing else 0


if __name__ == "__main__":
    raise SystemExit(main())
