import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakes.patience import PATIENCE
from venvstacks.building.build_state import STATE_FILE
from venvstacks.errors import BusyError, FilesystemError
from venvstacks.events import Event, Waiting, silent
from venvstacks.files import TEMPORARY_PREFIX
from venvstacks.workspace import PRIVATE_FOLDER, hold_output, hold_workspace


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_workspace_is_made_and_its_scratch_removed(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "_build"
    with hold_workspace(folder, wait=True, observe=silent) as scratch:
        assert scratch.stat().st_mode & 0o777 == 0o700
        (scratch / "file").touch()
    assert _names(folder) == [PRIVATE_FOLDER]
    assert not scratch.exists()


def test_leftovers_of_killed_runs_are_removed_before_and_after(tmp_path: Path) -> None:
    (tmp_path / PRIVATE_FOLDER / f"{TEMPORARY_PREFIX}1").mkdir(parents=True)
    (tmp_path / f"{TEMPORARY_PREFIX}2").mkdir()
    (tmp_path / "layer").mkdir()

    def failing() -> None:
        with hold_workspace(tmp_path, wait=True, observe=silent):
            assert _names(tmp_path) == [PRIVATE_FOLDER, "layer"]
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    assert not [name for name in _names(tmp_path / PRIVATE_FOLDER) if name.startswith(TEMPORARY_PREFIX)]


def test_a_second_run_is_refused(tmp_path: Path) -> None:
    def second() -> None:
        with hold_workspace(tmp_path, wait=False, observe=silent):
            raise AssertionError

    with hold_workspace(tmp_path, wait=True, observe=silent) as scratch:
        with ThreadPoolExecutor() as pool:
            error = pool.submit(second).exception()
        assert isinstance(error, BusyError)
        assert error.message == f"Another run is using {tmp_path}."
        assert "--build-dir" in (error.hint or "")
        assert scratch.exists()  # the second has cleaned nothing up
    with hold_workspace(tmp_path, wait=False, observe=silent):
        pass  # free again


def test_a_second_run_waits_and_says_so(tmp_path: Path) -> None:
    waiting = threading.Event()
    events: list[Event] = []

    def observe(event: Event) -> None:
        events.append(event)
        waiting.set()

    def second() -> bool:
        with hold_workspace(tmp_path, wait=True, observe=observe):
            return first_is_over

    first_is_over = False
    with ThreadPoolExecutor() as pool:
        with hold_workspace(tmp_path, wait=True, observe=silent):
            running = pool.submit(second)
            assert waiting.wait(PATIENCE)
            first_is_over = True
        assert running.result(PATIENCE)
    assert events == [Waiting(str(tmp_path))]


def test_a_folder_that_cannot_be_used_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(FilesystemError, match=r"^Cannot use the build folder .*file: Not a directory"),
        hold_workspace(tmp_path / "file", wait=True, observe=silent),
    ):
        raise AssertionError

    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied", "lock")

    monkeypatch.setattr(os, "open", refuse)
    with (
        pytest.raises(FilesystemError, match=r"Permission denied \(lock\)"),
        hold_workspace(tmp_path / "fine", wait=True, observe=silent),
    ):
        raise AssertionError


def test_an_output_folder_that_cannot_be_opened_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with (
        pytest.raises(FilesystemError, match=f"^Cannot use the output folder {tmp_path}: Permission denied"),
        hold_output(tmp_path, wait=True, observe=silent),
    ):
        raise AssertionError


def test_errors_of_the_work_are_not_reworded(tmp_path: Path) -> None:
    with (
        pytest.raises(PermissionError, match="mine"),
        hold_workspace(tmp_path, wait=True, observe=silent),
    ):
        raise PermissionError("mine")


def test_what_a_killed_run_left_in_a_layer_beside_its_state_is_removed(tmp_path: Path) -> None:
    for layer in (tmp_path / "app-a", tmp_path / "win_amd64" / "app-a"):
        layer.mkdir(parents=True)
        (layer / STATE_FILE).touch()
        (layer / f"{TEMPORARY_PREFIX}1").touch()
    other = tmp_path / "not-a-layer" / f"{TEMPORARY_PREFIX}1"
    other.parent.mkdir()
    other.touch()
    with hold_workspace(tmp_path, wait=True, observe=silent):
        assert list(tmp_path.glob(f"**/app-a/{TEMPORARY_PREFIX}*")) == []
        assert other.exists()


def test_an_output_folder_is_held_without_a_file_in_it(tmp_path: Path) -> None:
    output = tmp_path / "_artifacts"

    def second() -> None:
        with hold_output(output, wait=False, observe=silent):
            raise AssertionError

    with hold_output(output, wait=True, observe=silent), ThreadPoolExecutor() as pool:
        error = pool.submit(second).exception()
        assert isinstance(error, BusyError)
        assert error.message == f"Another run is using {output}."
        assert "--output-dir" in (error.hint or "")
    assert _names(output) == []
    with hold_output(output, wait=False, observe=silent):
        pass  # free again


def test_a_second_run_waits_for_an_output_folder(tmp_path: Path) -> None:
    order: list[str] = []
    waiting = threading.Event()

    def observe(event: Event) -> None:
        assert event == Waiting(str(tmp_path))
        waiting.set()

    def second() -> None:
        with hold_output(tmp_path, wait=True, observe=observe):
            order.append("second")

    with ThreadPoolExecutor() as pool:
        with hold_output(tmp_path, wait=True, observe=silent):
            done = pool.submit(second)
            assert waiting.wait(PATIENCE)
            order.append("first")
        done.result(PATIENCE)
    assert order == ["first", "second"]
