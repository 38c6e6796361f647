"""Applications as people have them, from the index: built, published, and run where they were unpacked."""

import json
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import venvstacks
from fakes.building import Project, application, framework, output, run, runtime

PLATFORM = "linux_x86_64"
BASE = runtime(platforms=[PLATFORM])


@pytest.fixture
def project(tmp_path: Path, root: Path) -> Project:
    return Project(tmp_path / "project", root)


def shipped(project: Project, *layers: dict[str, object]) -> Path:
    """Lock, build and publish; unpack elsewhere and take away the place where the layers were built.

    Returns:
        The folder that holds the unpacked layers.
    """
    project.define(BASE, *layers)
    project.build(no_index=False)
    (result,) = venvstacks.publish(project.stack(), level=1, options=project.options())
    place = project.folder.parent / "moved"
    venvstacks.unpack([archive.path for archive in result.layers], place)
    project.built.rename(project.folder / "away")
    return place


def program(stack: Path, name: str) -> Path:
    return stack / "app-app" / "bin" / name


@contextmanager
def serving(command: list[str | Path], path: str, home: Path) -> Iterator[str]:
    """Start a server with ``{port}`` in its command; give what it answers for a path."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    argv = [str(word).replace("{port}", str(port)) for word in command]
    variables = {"PATH": "/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8"}
    with subprocess.Popen(argv, cwd=home, env=variables, stderr=subprocess.PIPE, text=True) as server:
        try:
            yield answer(f"http://127.0.0.1:{port}{path}", server)
        finally:
            server.terminate()


def answer(address: str, server: "subprocess.Popen[str]") -> str:
    """Ask until the server listens; it has a minute."""
    until = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(address, timeout=20) as response:  # noqa: S310
                return str(response.read().decode())
        except OSError:
            stopped = server.poll() is not None
            if stopped or time.monotonic() > until:
                server.kill()
                assert server.stderr is not None
                pytest.fail(server.stderr.read()[-2000:])
            time.sleep(0.1)


NOTEBOOK = {
    "cells": [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# hi"}],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}
RUN_A_KERNEL = """
import sys
from jupyter_client.manager import start_new_kernel

manager, client = start_new_kernel()


def tell(message):
    print(message["content"].get("text", ""), end="")


reply = client.execute_interactive("import sys; print(sys.prefix)", output_hook=tell)
assert reply["content"]["status"] == "ok", reply
client.stop_channels()
manager.shutdown_kernel(now=True)
"""


def test_jupyterlab_below_two_applications(project: Project, tmp_path: Path) -> None:
    project.write("app.py", RUN_A_KERNEL)
    stack = shipped(
        project,
        framework("lab", "jupyterlab"),
        application("app", on=["lab"], entry_points=["jupyter*"]),
        application("other", "six", on=["lab"], entry_points=["jupyter-lab"]),
    )
    (tmp_path / "n.ipynb").write_text(json.dumps(NOTEBOOK))
    environ = {"HOME": str(tmp_path)}
    for name in ("app", "other"):
        lab = stack / f"app-{name}" / "bin" / "jupyter-lab"
        assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", run(lab, "--version", **environ).stdout)
        command: list[str | Path] = [lab, "--no-browser", "--port={port}", "--ServerApp.token=", "--allow-root"]
        with serving(command, "/lab", tmp_path) as page:
            assert "jupyter-config-data" in page
        with serving(command, "/lab/api/settings/@jupyterlab/notebook-extension:tracker", tmp_path) as settings:
            assert json.loads(settings)["id"].startswith("@jupyterlab")
    done = run(program(stack, "jupyter"), "nbconvert", "--to", "html", tmp_path / "n.ipynb", **environ)
    assert done.returncode == 0, done.stderr
    assert "<h1" in (tmp_path / "n.html").read_text()
    done = run(program(stack, "app"), **environ)
    assert done.stdout.strip() == str(stack / "app-app"), done.stderr


QT = """
import os
os.environ["QT_QPA_PLATFORM"] = "offscreen"
from PySide6.QtCore import QTimer
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QLabel
from PySide6.QtCharts import QChart

application = QApplication([])
label = QLabel("text")
label.resize(100, 30)
label.show()
chart = QChart()
QTimer.singleShot(0, application.quit)
application.exec()
print(label.grab().toImage().width(), application.platformName())
"""


def test_pyside6_in_two_layers(project: Project) -> None:
    project.write("app.py", QT)
    stack = shipped(
        project,
        framework("gui", "PySide6-Essentials", linux_target="glibc@2.34"),
        application("app", "PySide6-Addons", on=["gui"], linux_target="glibc@2.34"),
    )
    done = run(program(stack, "python"), "-m", "app")
    assert (done.returncode, done.stdout) == (0, "100 offscreen\n"), done.stderr


def test_opentelemetry_instruments_an_application(project: Project) -> None:
    project.write(
        "app.py",
        "import requests\nprint(hasattr(requests.Session.send, '__wrapped__'))\n",
    )
    stack = shipped(
        project,
        framework("net", "requests"),
        framework("traces", "opentelemetry-distro", "opentelemetry-instrumentation-requests", on=["net"]),
        application("app", on=["traces"], entry_points=["opentelemetry-instrument"]),
    )
    instrument = program(stack, "opentelemetry-instrument")
    exporters = {f"OTEL_{kind}_EXPORTER": "none" for kind in ("TRACES", "METRICS", "LOGS")}
    done = run(instrument, program(stack, "python"), "-m", "app", **exporters)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "True\n", done.stderr


JOBLIB = """
import numpy
from joblib import Parallel, delayed

def square(number):
    return numpy.square(number).item()

if __name__ == "__main__":
    print(Parallel(n_jobs=2)(delayed(square)(number) for number in range(4)))
"""


def test_joblib_starts_workers(project: Project) -> None:
    project.write("app.py", JOBLIB)
    stack = shipped(project, framework("num", "numpy"), application("app", "joblib", on=["num"]))
    assert output(program(stack, "app")) == "[0, 1, 4, 9]"
    assert output(program(stack, "python"), "-m", "app") == "[0, 1, 4, 9]"


SPACY = """
import spacy

nlp = spacy.load("xx_small_model")
print([token.text for token in nlp("one two")], nlp.meta["name"])
"""
MODEL = """
import sys
import spacy

spacy.blank("xx", meta={"name": "small_model", "version": "1.0.0"}).to_disk(sys.argv[1])
"""
LOADER = """
from pathlib import Path
from spacy.util import load_model_from_init_py

__version__ = "1.0.0"

def load(**overrides):
    return load_model_from_init_py(__file__, **overrides)
"""


def test_spacy_with_a_model(project: Project, tmp_path: Path) -> None:
    project.write("app.py", SPACY)
    project.define(BASE, framework("nlp", "spacy"))
    project.build(no_index=False)
    model = tmp_path / "model"
    output(project.built / "framework-nlp" / "bin" / "python", "-c", MODEL, model)
    saved = {path.relative_to(model).as_posix(): path.read_bytes() for path in model.rglob("*") if path.is_file()}
    files = {f"xx_small_model/xx_small_model-1.0.0/{name}": content for name, content in saved.items()}
    init = {"xx_small_model/__init__.py": LOADER, "xx_small_model/meta.json": saved["meta.json"]}
    project.wheel("xx_small_model", "1.0.0", files={**init, **files})
    stack = shipped(project, framework("nlp", "spacy"), application("app", "xx-small-model", on=["nlp"]))
    done = run(program(stack, "app"))
    assert done.stdout == "['one', 'two'] small_model\n", done.stderr


PLAYWRIGHT = """
from playwright.sync_api import sync_playwright

with sync_playwright() as started:
    print(started.chromium.name)
"""


def test_the_driver_of_playwright_starts(project: Project) -> None:
    project.write("app.py", PLAYWRIGHT)
    stack = shipped(
        project, framework("web", "playwright"), application("app", on=["web"], entry_points=["playwright"])
    )
    assert output(program(stack, "app")) == "chromium"
    assert output(program(stack, "playwright"), "--version").startswith("Version 1.")


def test_streamlit_serves(project: Project, tmp_path: Path) -> None:
    project.write("app.py", "import streamlit\nstreamlit.write('hello')\n")
    stack = shipped(
        project, framework("ui", "streamlit"), application("app", on=["ui"], entry_points=["streamlit"])
    )
    (script,) = (stack / "app-app" / "lib").glob("python3*/site-packages/app.py")
    command: list[str | Path] = [
        program(stack, "streamlit"),
        "run",
        script,
        "--server.headless=true",
        "--server.port={port}",
    ]
    with serving(command, "/", tmp_path) as page:
        assert "<title>Streamlit</title>" in page


ASYNCHRONOUS_TEST = """\
import asyncio
import os

import pytest


@pytest.mark.asyncio
async def test_it():
    assert await asyncio.sleep(0, os.environ["PYTEST_XDIST_WORKER"]) in {"gw0", "gw1"}
"""


def test_pytest_with_plugins_below(project: Project, tmp_path: Path) -> None:
    stack = shipped(
        project,
        framework("plugins", "pytest-xdist", "pytest-cov", "pytest-asyncio"),
        application("app", "pytest", on=["plugins"], entry_points=["pytest", "py.test"]),
    )
    (tmp_path / "test_it.py").write_text(ASYNCHRONOUS_TEST)
    done = run(
        program(stack, "pytest"), "-n", "2", "--cov=test_it", "--rootdir", tmp_path, tmp_path, HOME=str(tmp_path)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert re.search(r"test_it\.py +\d+ +0 +100%", done.stdout), done.stdout
