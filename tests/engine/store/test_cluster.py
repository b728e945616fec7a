"""Several processes fill one project: everything is there once, whoever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import onnxscope as osc
import pytest
from onnxscope.errors import InputError
from onnxscope.store.cluster import fill_on
from onnxscope.store.filling import fill
from onnxscope.store.plan import make_plan
from onnxscope.store.project import Project

pytestmark = pytest.mark.usefixtures("kept_graphs")


@pytest.fixture(autouse=True)
def _distributed() -> None:
    # Not above: its import takes a third of a second, of each process that collects tests.
    pytest.importorskip("distributed", reason="pip install 'onnxscope[cluster]'")


@pytest.fixture
def plan(squeezenet: osc.Model):
    return make_plan(
        squeezenet,
        ["fire3", "fire4"],
        units="0:6",
        kinds=["channel"],
        size=48,
        steps=2,
        settings={"provider": "cpu"},
    )


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
def test_a_worker_that_is_killed_costs_nothing(squeezenet: osc.Model, plan, tmp_path, count):
    """Neither does it where all are: what they were given is lost with them."""
    alone = tmp_path / "alone"
    fill(plan, Project.create(alone, squeezenet))
    project = Project.create(tmp_path / "shared", squeezenet)
    killed = []

    def done(wanted, answer):
        from distributed import get_client

        if not killed:
            workers = get_client().run(os.getpid)
            killed.extend(list(workers.values())[:count])
            for process in killed:
                os.kill(process, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)

    filling = fill_on("local:2", plan, project, done=done)
    assert len(killed) == count
    assert (filling.made, filling.left, filling.failed) == (12, 0, [])
    assert files(tmp_path / "shared") == files(alone)
    again = fill_on("local:1", plan, project)
    assert (again.made, again.there) == (0, 12)


@pytest.mark.slow
def test_without_workers_it_says_so_and_ends_in_time_and_without_scheduler(
    squeezenet: osc.Model, plan, tmp_path, monkeypatch
):
    import dask
    from distributed import LocalCluster

    monkeypatch.setattr("onnxscope.store.cluster._LOOK", 0.2)
    project = Project.create(tmp_path / "p", squeezenet)
    given = {"n_workers": 0, "host": "127.0.0.1", "dashboard_address": None}
    with LocalCluster(**given) as cluster:
        # As it is printed and as people type it.
        address = cluster.scheduler_address
        port = address.rpartition(":")[2]
        assert fill_on(f"localhost:{port}", plan, project, seconds=0).out_of_time
        said: list[str] = []
        filling = fill_on(address, plan, project, seconds=0.5, idle=said.append)
        assert (filling.made, filling.out_of_time) == (0, True)
        assert len(said) == 1
        assert "has no workers" in said[0]
        ending = threading.Thread(target=cluster.close, daemon=True)
        with (
            dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
            pytest.raises(InputError, match="does not answer any more"),
        ):
            fill_on(address, plan, project, idle=lambda _: ending.start())
        ending.join(60)


@pytest.mark.parametrize(
    ("scheduler", "words"),
    [
        ("local:0", "local:0 must be local:1 to"),
        ("local", "local must be local:1 to"),
        ("local:all", "local:all must be local:1 to"),
        ("tcp://127.0.0.1:1", "dask scheduler"),
        ("localhost:1", "there is no scheduler at localhost:1 "),
        ("localmachine:1", "there is no scheduler at localmachine:1 "),
        ("nowhere", "scheduler"),
    ],
)
def test_schedulers_that_are_not_there(
    squeezenet: osc.Model, plan, tmp_path, monkeypatch, scheduler, words
):
    monkeypatch.setattr("onnxscope.store.cluster._SECONDS_TO_CONNECT", 1)
    with pytest.raises(InputError, match=words):
        fill_on(scheduler, plan, Project.create(tmp_path / "p", squeezenet))


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform == "win32",
    reason="a terminal's Ctrl-C is sent by os.killpg, which Windows has not",
)
def test_a_terminals_ctrl_c_ends_it_in_a_sentence(tmp_path, ctrl_c_is_heard):
    """It comes to the workers as well, which once printed where they were."""
    start = [sys.executable, "-m", "onnxscope", "microscope", "squeezenet", "fire3", "fire4", "-q"]
    how = ["--units", "0:40", "--size", "48", "--steps", "60", "--provider", "cpu"]
    where = ["-o", str(tmp_path / "p"), "--scheduler", "local:2"]
    running = subprocess.Popen(
        [*start, *how, *where],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with running:
        while running.poll() is None and not any((tmp_path / "p").glob("answers/*/*.json")):
            time.sleep(0.1)
        os.killpg(running.pid, signal.SIGINT)
        _, said = running.communicate(timeout=300)
    assert running.returncode == 130
    assert said.startswith("error: interrupted: ")
    assert len(said.splitlines()) == 1
