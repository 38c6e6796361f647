import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.archiving import facts, pack, small_frames
from fakes.built_layers import make_tree
from venvstacks import files
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.archives.staging import DeployedLayer
from venvstacks.archives.unpack_plan import PlannedUnpack, UnpackAction, prepare_unpack, run_unpack
from venvstacks.errors import ArchiveError, FilesystemError, UsageError
from venvstacks.events import Event, Finished, Planned, Progressed, Started, Step
from venvstacks.processes import Cancellation, CancelledError
from venvstacks.work import Work

CONTENT: dict[str, bytes | str | None] = {
    "!bin/run": b"#!/bin/sh\n",
    "lib/large": os.urandom(300_000),
    "lib/small": b"small",
    "lib/link": "small",
    "share/empty": None,
}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    make_tree(tmp_path / "tree", CONTENT)
    pack(
        tmp_path / "tree",
        tmp_path / "x.tar.zst",
        ArchiveFormat.TAR_ZST,
        profile=small_frames(ArchiveFormat.TAR_ZST),
    )
    return tmp_path / "x.tar.zst"


def plan(*archives: Path, force: bool = False) -> tuple[PlannedUnpack, ...]:
    return prepare_unpack(archives, archives[0].parent / "out", force=force, work=Work(jobs=2))


def unpack(*archives: Path, force: bool = False, work: Work | None = None) -> tuple[DeployedLayer, ...]:
    return run_unpack(plan(*archives, force=force), work or Work(jobs=2))


def layer(archive: Path) -> Path:
    return archive.parent / "out" / "app@1"


def test_planning_writes_nothing(archive: Path) -> None:
    (planned,) = plan(archive)
    assert (planned.destination, planned.action) == (layer(archive), UnpackAction.CREATE)
    assert planned.size == sum(len(data) for data in CONTENT.values() if isinstance(data, bytes))
    assert not layer(archive).parent.exists()


def test_layers_appear_under_their_install_targets(archive: Path) -> None:
    (done,) = unpack(archive)
    assert (done.layer, done.source, done.path, done.created) == ("app", archive, layer(archive), True)
    assert done.content_hash.startswith("sha256:")
    assert facts(layer(archive)) == facts(archive.parent / "tree")


def test_what_is_right_already_is_left_alone(archive: Path) -> None:
    unpack(archive)
    inode = layer(archive).stat().st_ino
    (layer(archive) / "lib" / "__pycache__").mkdir()
    (layer(archive) / "lib" / "__pycache__" / "x.pyc").write_bytes(b"")
    (done,) = unpack(archive)
    assert done.created is False
    assert layer(archive).stat().st_ino == inode


def replace_file(path: Path, content: bytes) -> None:
    info = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(info.st_mtime_ns, info.st_mtime_ns))


def replace_link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def replace_by_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.touch()


def link_to_moved(folder: Path) -> None:
    folder.rename(folder.parent / "moved")
    folder.symlink_to("moved")


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (lambda root: (root / "lib/mine").touch(), "holds 'lib/mine', which the archive does not"),
        (lambda root: (root / "lib/small").unlink(), "lacks 'lib/small'"),
        (lambda root: replace_file(root / "lib/small", b"smalL"), "holds another 'lib/small'"),
        (lambda root: replace_file(root / "lib/small", b"smaller"), "holds another 'lib/small'"),
        (lambda root: (root / "lib/small").touch(), "holds another 'lib/small'"),
        (lambda root: (root / "bin/run").chmod(0o644), "holds another 'bin/run'"),
        (
            lambda root: replace_link(root / "lib/link", "large"),
            "holds another 'lib/link'",
        ),
        (lambda root: ((root / "lib/link").unlink(), (root / "lib/link").touch()), "holds another 'lib/link'"),
        (replace_by_file, "is not a folder"),
        (link_to_moved, "is not a folder"),
    ],
)
def test_anything_else_is_kept_unless_forced(
    archive: Path, change: Callable[[Path], object], difference: str
) -> None:
    unpack(archive)
    change(layer(archive))
    with pytest.raises(FilesystemError) as caught:
        unpack(archive)
    assert caught.value.message == f"Cannot unpack x.tar.zst: {layer(archive)} is there and {difference}."
    assert caught.value.hint == "use --force to replace it, or choose another folder"
    (planned,) = plan(archive, force=True)
    assert planned.action is UnpackAction.REPLACE
    unpack(archive, force=True)
    assert facts(layer(archive)) == facts(archive.parent / "tree")


def test_two_archives_of_one_folder(archive: Path) -> None:
    other = archive.with_name("y.tar.zst")
    pack(archive.parent / "tree", other, ArchiveFormat.TAR_ZST)
    with pytest.raises(UsageError, match=r"x\.tar\.zst and y\.tar\.zst are both unpacked as app@1"):
        plan(archive, other)


def test_missing_archive_is_explained(archive: Path) -> None:
    archive.unlink()
    with pytest.raises(FilesystemError, match=r"Cannot unpack x\.tar\.zst: No such file"):
        unpack(archive)


def test_not_enough_space(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(archive.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=300_000))
    with pytest.raises(FilesystemError, match=r"The layers need 300\.0 kB in .*out, and 300\.0 kB are free\."):
        unpack(archive)
    assert list(layer(archive).parent.iterdir()) == []


def test_damage_of_one_archive_leaves_the_others_whole(archive: Path) -> None:
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(data)
    with pytest.raises(ArchiveError):
        unpack(archive)
    assert list(layer(archive).parent.iterdir()) == []


def test_leftovers_of_killed_runs_go(archive: Path) -> None:
    left = layer(archive).parent / f"{files.TEMPORARY_PREFIX}0"
    left.mkdir(parents=True)
    unpack(archive)
    assert os.listdir(left.parent) == ["app@1"]  # noqa: PTH208 - hidden names count


def test_cancelled_work_leaves_nothing(archive: Path) -> None:
    cancellation = Cancellation()
    planned = plan(archive)
    cancellation.cancel()
    with pytest.raises(CancelledError):
        run_unpack(planned, Work(cancellation=cancellation))
    assert list(layer(archive).parent.iterdir()) == []


def test_events(archive: Path) -> None:
    events: list[Event] = []
    unpack(archive, work=Work(observe=events.append, jobs=2))
    assert events[:2] == [Planned(Step.UNPACK, ("app",)), Started(Step.UNPACK, "app", "linux_x86_64")]
    total = sum(len(data) for data in CONTENT.values() if isinstance(data, bytes))
    assert Progressed(Step.UNPACK, "app", total, total, "linux_x86_64") in events
    (end,) = [event for event in events if isinstance(event, Finished)]
    assert (end.layer, end.changed, end.summary) == ("app", True, "300.0 kB")


@pytest.mark.parametrize("jobs", [1, 2, 8])
@pytest.mark.parametrize("kind", ArchiveFormat)
def test_any_number_of_threads(tmp_path: Path, archive: Path, kind: ArchiveFormat, jobs: int) -> None:
    del archive
    pack(tmp_path / "tree", tmp_path / f"y.{kind}", kind, profile=small_frames(kind), jobs=jobs)
    unpack(tmp_path / f"y.{kind}", work=Work(jobs=jobs))
    assert facts(tmp_path / "out" / "app@1") == facts(tmp_path / "tree")
