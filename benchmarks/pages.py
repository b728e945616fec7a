"""How heavy a microscope's pages are, and how soon they show, in Chromium from the file system.

`python benchmarks/pages.py` makes a layer of 512 units: some are rendered, and their pictures stand
for the others. It then opens the layer's page in headless Chromium (playwright), and says how many
bytes are read before the first screen is full and after all has been scrolled through, when the
first picture is there, and the tasks that kept the page busy longest while it scrolled.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import urllib.parse
from pathlib import Path
from typing import Any

import onnxscope as osc
from onnxscope.pages.microscope import Site
from onnxscope.store.filling import fill
from onnxscope.store.plan import Plan, make_plan
from onnxscope.store.project import Project

WATCH = """
window.addEventListener("DOMContentLoaded", function () {
  var look = setInterval(function () {
    var first = document.querySelector("#units .sprite");
    if (!first) return;
    var source = first.style.backgroundImage.slice(5, -2), picture = new Image();
    clearInterval(look);
    picture.onload = function () { window.first = performance.now(); };
    picture.src = source;
  }, 5);
});
"""


def project_of(folder: Path, model: osc.Model, plan: Plan, rendered: int) -> Project:
    """Make a project whose first units are rendered, and stand for all others."""
    project = Project.create(folder, model)
    layer, kinds = plan.layers[0], plan.kinds
    order = [(layer, unit, kind) for kind in kinds for unit in range(rendered)]
    fill(plan, project, order=order)
    with project.writing() as writer:
        for kind in kinds:
            for unit in range(rendered, len(plan.units[0])):
                like = plan.wanted(layer, unit % rendered, kind).question
                question = plan.wanted(layer, unit, kind).question
                known = dict(project.answer(like) or {}) | {"unit": unit}
                beside = {
                    name: project.path_of(like, name).read_bytes()
                    for name in known.pop("files")
                    if name != ".png"
                }
                known.pop("asked")
                png = project.path_of(like, ".png").read_bytes()
                writer.keep(question, png, known, beside)
    return project


def measured(page: Path) -> dict[str, Any]:
    """Open a page in Chromium, scroll through it, and return what that took."""
    from playwright.sync_api import sync_playwright

    read: dict[str, int] = {}

    def took(request: Any) -> None:
        parts = urllib.parse.urlsplit(request.url)
        file = Path(urllib.parse.unquote(parts.path))
        if parts.scheme == "file" and file.is_file():
            read[str(file)] = file.stat().st_size

    with sync_playwright() as driver:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.on("request", took)
        tab.add_init_script(WATCH)
        tab.goto(page.as_uri())
        tab.wait_for_function("window.first !== undefined")
        tab.wait_for_timeout(1000)
        found: dict[str, Any] = {"first picture, ms": round(tab.evaluate("window.first"))}
        found["before the first screen, bytes"] = sum(read.values())
        browser.start_tracing(page=tab, categories=["toplevel"])
        height = tab.evaluate("document.documentElement.scrollHeight")
        for top in range(0, height, 300):
            tab.mouse.wheel(0, 300)
            tab.wait_for_timeout(40)
            assert top <= height
        tab.wait_for_timeout(500)
        wall, cpu = tasks(browser.stop_tracing())
        found["longest tasks while scrolling, ms"] = sorted(map(round, wall))[:-6:-1]
        found["… of the processor's time, ms"] = sorted(map(round, cpu))[:-6:-1]
        found["all of it with thumbnails, bytes"] = sum(read.values())
        browser.close()
    return found


def tasks(trace: bytes) -> tuple[list[float], list[float]]:
    """Return how long the page's main thread was busy with each task, in milliseconds.

    On a machine with much other work a task takes longer than its own time of the processor, which
    is what says whether a page is heavy.

    Args:
        trace: What Chromium recorded.

    Returns:
        The tasks' times on the clock, and of the processor.
    """
    events = json.loads(trace)["traceEvents"]
    main_threads = {
        (one["pid"], one["tid"])
        for one in events
        if one["name"] == "thread_name" and one["args"].get("name") == "CrRendererMain"
    }
    own = [
        one
        for one in events
        if one["name"].endswith("RunTask") and (one["pid"], one["tid"]) in main_threads
    ]
    return [one.get("dur", 0) / 1e3 for one in own], [one.get("tdur", 0) / 1e3 for one in own]


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layer", default="fire8")
    parser.add_argument("--rendered", type=int, default=32)
    parser.add_argument("--page", type=Path, help="a layer's page that is there, instead")
    parser.add_argument("--keep", type=Path, help="where the site is to stay; by default nowhere")
    given = parser.parse_args()
    if given.page is not None:
        found = measured(given.page.resolve())
    else:
        model = osc.load("squeezenet")
        plan = make_plan(model, [given.layer], kinds=["channel"], quality="draft")
        with tempfile.TemporaryDirectory() as folder:
            project = project_of(given.keep or Path(folder, "p"), model, plan, given.rendered)
            index = Site(plan, project).write()
            found = measured(index.with_name(f"{given.layer}.html"))
    for name, value in found.items():
        print(f"{name:36}{value:,}" if isinstance(value, int) else f"{name:36}{value}")


if __name__ == "__main__":
    main()
