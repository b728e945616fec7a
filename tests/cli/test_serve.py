"""The command `serve`: begun, gone on with beside a batch run, ended by Ctrl-C."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from live_server import Caller

SMALL = ("--units", "0:6", "--size", "32", "--steps", "2", "--provider", "cpu")


@contextmanager
def serving(*given: str) -> Iterator[tuple[subprocess.Popen[str], Caller]]:
    """Run the command until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "onnxscope", "serve", *given, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+\?token=\S+", line)
        assert found is not None, line + process.communicate(timeout=60)[1]
        caller = Caller(found[0])
        caller.come_in()
        yield process, caller
    finally:
        process.kill()
        process.wait(60)


def ended(process: subprocess.Popen[str]) -> tuple[float, str]:
    """Press Ctrl-C, and return how long it took to end, and what was said."""
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    return time.monotonic() - began, said


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C goes to the whole console there")
def test_it_is_ended_by_ctrl_c_amid_its_work_and_goes_on_from_the_folder(tiny, folder):
    with serving(str(tiny), "mixed4a", *SMALL, "-o", "scope") as (process, caller):
        with caller.listening() as listener:
            listener.view(seen=[["mixed4a", 3, "channel"]])
            listener.until_done(1)
            _, answer = caller.post("/live/type", {"target": "mixed4a:1", "steps": 4096})
            listener.view(typed=[answer["key"]])
            listener.until_step(3)
            seconds, said = ended(process)
        assert process.returncode == 0, said
        assert seconds < 10
        assert "ended; 1 picture made" in said
        assert "Traceback" not in said
    assert not (folder / "scope" / ".unfinished").exists()
    # The batch run goes on while the folder is served, and each finds what the other made.
    with serving("scope") as (process, caller), caller.listening() as listener:
        assert listener.hello["size"] == "32"
        assert listener.view(seen=[["mixed4a", 3, "channel"]])[1] == {"waiting": 0}
        batch = [sys.executable, "-m", "onnxscope", "microscope", str(tiny), "mixed4a", *SMALL,
                 "-o", "scope", "--quality", "draft"]  # fmt: skip
        running = subprocess.Popen(batch, stdout=subprocess.PIPE, text=True)
        listener.view(seen=[["mixed4a", unit, "neuron"] for unit in range(6)])
        done = [one for one in listener.until_done(7) if one["state"] == "done"]
        assert len(done) == 7
        made = running.communicate(timeout=120)[0]
        assert running.returncode == 0
        counts = re.search(r"(\d+) made, (\d+) there already", made)
        assert counts is not None
        assert int(counts[1]) + int(counts[2]) == 24
        assert int(counts[2]) >= 1
        _, said = ended(process)
        assert process.returncode == 0, said
    answers = Path("scope", "answers")
    assert len(list(answers.rglob("*.json"))) == len(list(answers.rglob("*.png"))) == 24
    assert not list(Path("scope").rglob("*.tmp*"))


@pytest.mark.slow
def test_other_machines_reach_it_on_request_only_and_with_a_warning(tiny, folder):
    given = (str(tiny), "mixed4a", *SMALL, "-o", "scope", "--host", "0.0.0.0")
    with serving(*given) as (process, caller):
        assert caller.host.startswith(f"{socket.gethostname()}:".lower())
        assert caller.get("/", Host=f"127.0.0.1:{caller.port}")[0] == 200
        assert caller.get("/", Host=f"evil.example:{caller.port}")[0] == 403
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 0
    assert "0.0.0.0 is reached from other machines" in said
    assert "nothing is encrypted" in " ".join(said.split())


def test_a_port_in_use_is_a_sentence(run, tiny, folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = run("serve", tiny, "-o", "scope", "--port", port)
    assert result.exit_code == 2
    assert f"cannot listen on port {port} of 127.0.0.1" in result.stderr
    assert "--port 0" in result.stderr
    assert not (folder / "scope").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("mixed9",), "mixed9"),
        (("--quality", "god"), "did you mean 'good'"),
        (("--host", "nowhere.invalid"), "cannot listen"),
        (("-o", "."), "has files in it"),
    ],
)
def test_what_does_not_fit_is_a_sentence(run, tiny, folder, given, words):
    (folder / "file").touch()
    result = run("serve", tiny, "--port", "0", *given)
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_project_of_another_model_or_none(run, tiny, folder):
    result = run("serve", "nowhere", "--port", "0")
    assert result.exit_code == 2
    assert "nowhere" in result.stderr
    # Of its own: the file is moved below, and all tests share the other.
    own = shutil.copy(tiny, folder / "own.onnx")
    run("microscope", own, "mixed4a", *SMALL, "-o", "scope", "--time", "0s")
    result = run("serve", "scope", "-o", "other", "--port", "0")
    assert result.exit_code == 2
    assert "is a project itself" in result.stderr
    result = run("serve", "squeezenet", "-o", "scope", "--port", "0")
    assert result.exit_code == 2
    assert "the project of another model" in result.stderr
    own.rename(folder / "moved.onnx")
    result = run("serve", "scope", "--port", "0")
    assert result.exit_code == 2
    assert "give the model, and -o scope" in result.stderr
