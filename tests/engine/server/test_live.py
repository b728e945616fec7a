"""`osc.serve`: beside the code that began it, and gone at its end."""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path

import onnxscope as osc
import pytest
from onnxscope.errors import InputError

sys.path.append(str(Path(__file__).resolve().parents[1] / "helpers"))
from live_server import Caller

HOW = {"units": "0:4", "size": 48, "steps": 2, "provider": "cpu"}


def test_it_serves_beside_the_code_and_goes_on_from_the_folder(squeezenet: osc.Model, tmp_path):
    before = set(threading.enumerate())
    with osc.serve(squeezenet, tmp_path / "p", "fire3", **HOW) as server:
        caller = Caller(server.address)
        caller.come_in()
        with caller.listening() as listener:
            listener.view(seen=[["fire3", 1, "channel"]])
            listener.until_done(1)
        assert server.running
        assert "http://127.0.0.1" in repr(server)
    assert not server.running
    assert server.close() == 1
    assert "closed" in repr(server)
    assert set(threading.enumerate()) <= before
    # What was made is found by the other one, and a folder is gone on with as it is.
    made = osc.microscope(
        squeezenet, tmp_path / "p", "fire3", kinds="channel", quality="draft", seconds=0, **HOW
    )
    assert made.filling.there == 1
    with osc.serve(tmp_path / "p") as again:
        assert again.plan.settings["steps"] == 2
        assert again.plan.units == ((0, 1, 2, 3),)


def test_what_ends_it_is_said_by_who_waits(squeezenet: osc.Model, tmp_path):
    server = osc.serve(squeezenet, tmp_path / "p", "fire3", **HOW)
    waiting = threading.Thread(target=server.wait)
    waiting.start()
    assert server.close() == 0
    waiting.join(60)
    assert not waiting.is_alive()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"cannot listen on port {port}"):
            osc.serve(tmp_path / "p", port=port)
    with pytest.raises(InputError, match="is a project itself"):
        osc.serve(tmp_path / "p", tmp_path / "q")
