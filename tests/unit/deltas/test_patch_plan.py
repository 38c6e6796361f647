"""Nothing is made of an old folder or a delta that is not what was published."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.deltas import Pair, full_facts, make_pair
from venvstacks.deltas import patch_plan
from venvstacks.deltas.apply import apply_delta
from venvstacks.errors import DeltaError, FilesystemError, VenvstacksError

KEPT, MOVED, SOURCE, LARGE = "lib/pkg/same.py", "lib/moves.dat", "lib/pkg/a.py", "lib/large.so"


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return make_pair(tmp_path)


def refusal(pair: Pair) -> VenvstacksError:
    before = full_facts(pair.folder)
    with pytest.raises(VenvstacksError) as caught:
        pair.patch()
    after = full_facts(pair.folder)
    assert {name: facts for name, facts in after.items() if name != "."} == {
        name: facts for name, facts in before.items() if name != "."
    }
    return caught.value


def change_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("path", [KEPT, MOVED, SOURCE, LARGE])
@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (change_a_byte, "its content differs"),
        (shorten, "it has {} bytes, and had {}"),
        (Path.unlink, "it is not there"),
        (link, "it is no file"),
        (make_folder, "it is no file"),
        (make_pipe, "it is no file"),
    ],
)
def test_old_file_that_is_not_what_was_published(
    pair: Pair, path: str, damage: Callable[[Path], None], problem: str
) -> None:
    size = (pair.old / path).stat().st_size
    if damage is make_pipe:
        # not among what is compared, since reading it would wait for ever
        damage(pair.old / path)
        with pytest.raises(DeltaError) as caught:
            pair.patch()
        error: VenvstacksError = caught.value
        assert not (pair.folder / "patched").exists()
    else:
        damage(pair.old / path)
        error = refusal(pair)
    assert isinstance(error, DeltaError)
    said = problem.format(size - 1, size)
    assert error.message == (f"The delta cannot be applied: {pair.old / path} is not what was published: {said}.")
    assert error.hint == "fetch the whole archive, new.tar.zst, and unpack it"


def test_folder_above_is_a_file(pair: Pair) -> None:
    (pair.old / "lib").rename(pair.old / "other")
    (pair.old / "lib").write_bytes(b"")
    assert refusal(pair).message.endswith("it is not there.")


def test_wrong_folder(pair: Pair) -> None:
    with pytest.raises(DeltaError, match="is not what was published: it is not there"):
        pair.patch(old=pair.folder)
    with pytest.raises(DeltaError, match="there is no folder") as caught:
        pair.patch(old=pair.folder / "nowhere")
    assert caught.value.hint == "name the layer's own folder, as the old archive was unpacked"


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_destination_must_not_be_there(pair: Pair, kind: str) -> None:
    place = pair.folder / "patched"
    if kind == "file":
        place.write_bytes(b"precious")
    elif kind == "folder":
        place.mkdir()
    else:
        place.symlink_to("nowhere")
    error = refusal(pair)
    assert isinstance(error, FilesystemError)
    assert error.message == f"{pair.delta.name} cannot be applied: {place} is there already."


def test_destination_that_appears_meanwhile_is_left_alone(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    place = pair.folder / "patched"

    def slow(*arguments: object, **more: object) -> None:
        place.mkdir()
        apply_delta(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(patch_plan, "apply_delta", slow)
    with pytest.raises(FilesystemError, match="is there already"):
        pair.patch()
    assert list(place.iterdir()) == []


def test_there_must_be_room(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: os.terminal_size((0, 0)) and type("U", (), {"free": 12})())
    error = refusal(pair)
    assert error.message == f"The new layer needs 59.0 kB in {pair.folder}, and 12 bytes are free."


def test_missing_delta(pair: Pair) -> None:
    pair.delta.unlink()
    error = refusal(pair)
    assert isinstance(error, DeltaError)
    assert error.message == f"There is no delta {pair.delta}."


def test_what_a_killed_run_left_is_removed(pair: Pair) -> None:
    left = pair.folder / ".venvstacks-tmp-0123"
    (left / "lib").mkdir(parents=True)
    pair.patch()
    assert not left.exists()
