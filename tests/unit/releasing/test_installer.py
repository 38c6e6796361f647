"""The installers: what they say, and what install.sh does on a machine with hardly any programs."""

import base64
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from fakes.hostile_proxy import HostileProxy, Trouble, hostile_proxy
from fakes.patience import PATIENCE
from fakes.releases import publisher
from fakes.store_server import serve_folder
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.errors import ReleaseError
from venvstacks.releases.release_format import Release
from venvstacks.releasing.installer import Installer, make_installers

ROOT = b'{"signed": {"comment": "it\'s $HOME `id` \\\\n @NAME@"}}\n'
TOOLS = ("sh", "tar", "gzip", "uname", "mkdir", "mv", "rm", "cp", "sleep", "sha256sum")
# stands for an interpreter: tells what it was started with, and which layer is beside its own
PYTHON = b"""#!/bin/sh
[ "$1" = -c ] && exit 0
printf '%s\\n' "$@"
for last; do :; done
while [ "$1" != --root ]; do shift; done
cat "$2"
cat "${0%/*}/../../cpython@1/lib/data"
"""


@dataclass(frozen=True)
class Machine:
    """A machine with few programs, and a store.

    Attributes:
        folder: For what is installed.
        store: The folder of the store; the script is in it.
        programs: The only folder on PATH.
    """

    folder: Path
    store: Path
    programs: Path

    def run(
        self, *arguments: str, script: Path | None = None, changes: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run the script."""
        return subprocess.run(
            [self.programs / "sh", script or self.store / "install.sh", *arguments],
            env={"PATH": str(self.programs), **(changes or {})},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )


def make_release(folder: Path, kind: ArchiveFormat = ArchiveFormat.TAR_GZ) -> tuple[Release, Path]:
    """Publish a runtime and an application that deploys; return the release, and the folder of a store with it."""
    publishing = publisher(folder / "published", kind)
    runtime = publishing.layer("cpython@1", {"lib/data": b"the runtime\n" * 3000})
    content: dict[str, bytes | str | None] = {"!bin/python": PYTHON, "lib/link": "../bin/python"}
    application = publishing.layer("app-updater", content, [runtime])
    store = folder / "store"
    for name, data in publishing.store.contents.items():
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).write_bytes(data)
    (store / "metadata").mkdir()
    return Release(format=1, version="1.4", platform="linux_x86_64", layers=(runtime, application)), store


def make_machine(folder: Path, **settings: str) -> Machine:
    """Make a store with a script, and a machine that has only what the script needs."""
    release, store = make_release(folder)
    (script,) = make_installers("updater", [release], ROOT, **settings)
    (store / script.name).write_bytes(script.content)
    programs = folder / "programs"
    programs.mkdir()
    for name in TOOLS:
        (programs / name).symlink_to(shutil.which(name) or name)
    (programs / "uname").unlink()
    (programs / "uname").write_text('#!/bin/sh\n[ "$1" = -s ] && echo ${SYSTEM-Linux} || echo ${MACHINE-x86_64}\n')
    (programs / "uname").chmod(0o755)
    (programs / "cat").symlink_to(shutil.which("cat") or "cat")
    (folder / "here").mkdir()
    return Machine(folder / "here", store, programs)


def with_program(machine: Machine, *names: str) -> Machine:
    for name in names:
        (machine.programs / name).symlink_to(shutil.which(name) or name)
    return machine


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[HostileProxy]:
    (tmp_path / "store").mkdir()
    with serve_folder(tmp_path / "store") as server, hostile_proxy(server.url) as running:
        (tmp_path / "store").rmdir()
        yield running


def leftovers(machine: Machine) -> list[str]:
    """Return what is in the folder of the deployment beside the archives that it will need."""
    return sorted(path.name for path in (machine.folder / "to").iterdir() if path.name != "downloads")


def test_installs_from_its_own_folder(tmp_path: Path) -> None:
    machine = make_machine(tmp_path, address="https://store.example.invalid/x", channel="stable")
    done = machine.run("--to", "to", "--app", "hello", "--app", "other", "--", "--keep", "5")
    assert done.returncode == 0, done.stderr
    words, root, runtime = done.stdout.partition(ROOT.decode())
    to = machine.folder / "to"
    started = words.splitlines()
    work = Path(started.pop(started.index("--root") + 1)).parent
    assert started == [
        *("-P", "-m", "venvstacks", "deploy", str(machine.store), "--to", str(to), "--root"),
        *("--channel=stable", "--app=hello", "--app=other", "--app=updater", "--keep", "5"),
    ]
    assert root  # to the last byte, whatever it contains
    assert runtime.startswith("the runtime\n")
    assert work.parent == to
    assert leftovers(machine) == []
    release, _ = make_release(tmp_path / "again")
    kept = {path.name for path in (to / "downloads").iterdir()}
    assert kept == {layer.archive.sha256 for layer in release.layers}  # the deployment does not fetch them again


@pytest.mark.parametrize("fetcher", ["curl", "wget"])
def test_installs_from_a_server(tmp_path: Path, proxy: HostileProxy, fetcher: str) -> None:
    machine = with_program(make_machine(tmp_path, address=proxy.url), fetcher)
    script = machine.folder / "install.sh"
    shutil.copy(machine.store / "install.sh", script)
    done = machine.run("--to", "to", "--release", "1.4", script=script)
    assert done.returncode == 0, done.stderr
    assert proxy.url in done.stdout.splitlines()
    assert "--release=1.4" in done.stdout.splitlines()
    again = machine.run("--to", "to", script=script)
    assert again.returncode == 0
    assert len(proxy.asked) == 2  # what is there is not fetched again


def test_shasum_will_do(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    (machine.programs / "sha256sum").rename(machine.programs / "hidden")
    shasum = machine.programs / "shasum"
    shasum.write_text('#!/bin/sh\n[ "$*" = "-a 256" ] && exec hidden\n')
    shasum.chmod(0o755)
    assert machine.run("--to", "to").returncode == 0


@pytest.mark.parametrize(
    "troubles",
    [
        (Trouble(cut=1000),),
        (Trouble(status=500),),
        (Trouble(silent=True),),
        (Trouble(flip=500),),
        (Trouble(cut=1000), Trouble(whole=True)),
        (Trouble(cut=500), Trouble(status=416), Trouble(status=416)),
    ],
)
@pytest.mark.parametrize("fetcher", ["curl", "wget"])
def test_servers_that_break_off(
    tmp_path: Path, proxy: HostileProxy, fetcher: str, troubles: tuple[Trouble, ...]
) -> None:
    machine = with_program(make_machine(tmp_path), fetcher)
    quick = machine.programs / "sleep"
    quick.unlink()
    quick.symlink_to(shutil.which("true") or "true")
    proxy.once(*troubles)
    done = machine.run("--to", "to", "--store", proxy.url)
    assert done.returncode == 0, done.stderr
    assert leftovers(machine) == []


def damage(path: Path) -> None:
    """Change a byte."""
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)


def test_wrong_bytes_are_refused(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    for path in (machine.store / "blobs").rglob("*"):
        if path.is_file():
            damage(path)
    done = machine.run("--to", "to")
    assert done.returncode == 1
    assert "is not what was published" in done.stderr
    assert leftovers(machine) == []
    assert list((machine.folder / "to/downloads").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "changes", "message"),
    [
        ((), {}, "usage:"),
        (("--to",), {}, "usage:"),
        (("--what", "x"), {}, "usage:"),
        (("--to", "to", "--app", "a;b"), {}, "the name of an application"),
        (("--to", "to"), {"MACHINE": "riscv64"}, "nothing for linux_riscv64"),
        (("--to", "to"), {"SYSTEM": "Darwin"}, "nothing for macosx_x86_64. hint: it is for linux_x86_64"),
        (("--to", "to"), {"SYSTEM": "MINGW64_NT-10.0"}, "hint: on Windows, run install.ps1"),
        (("--to", "to", "--store", "nowhere"), {}, "there is no store in nowhere"),
        (("--to", "to", "--store", "s3://bucket"), {}, "cannot fetch from s3://bucket"),
        (("--to", "to", "--store", "https://x.invalid"), {}, "neither curl nor wget"),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, arguments: tuple[str, ...], changes: dict[str, str], message: str
) -> None:
    done = make_machine(tmp_path).run(*arguments, changes=changes)
    assert done.returncode in (1, 2)
    assert message in done.stderr.replace("\n", " ").replace("install.sh: ", "")
    assert done.stdout == ""


@pytest.mark.parametrize("tool", ["tar", "gzip", "sha256sum"])
def test_missing_tools(tmp_path: Path, tool: str) -> None:
    machine = make_machine(tmp_path)
    (machine.programs / tool).unlink()
    done = machine.run("--to", "to")
    assert done.returncode == 1
    assert tool in done.stderr
    assert not (machine.folder / "to").exists()


def test_programs_that_do_not_run_here(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    (machine.programs / "sh").rename(machine.programs / "dash")  # of which the interpreter knows nothing
    unpacked = machine.programs / "tar"
    real = unpacked.readlink()
    unpacked.unlink()
    unpacked.write_text(f'#!/bin/sh\n{real} "$@"\nfor last; do :; done\nchmod 644 "$last"/*/bin/python || :\n')
    unpacked.chmod(0o755)
    with_program(machine, "chmod")
    (machine.programs / "sh").symlink_to(machine.programs / "dash")
    done = machine.run("--to", "to")
    assert done.returncode == 1
    assert "do not run on this system" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_stopped_while_it_fetches(tmp_path: Path, proxy: HostileProxy, number: signal.Signals) -> None:
    machine = with_program(make_machine(tmp_path, address=""), "curl")
    reached = tmp_path / "reached"
    os.mkfifo(reached)
    curl = machine.programs / "curl"
    curl.unlink()
    curl.write_text(f"#!/bin/sh\necho >{reached}\nexec {shutil.which('sleep')} 1000\n")
    curl.chmod(0o755)
    process = subprocess.Popen(
        [machine.programs / "sh", machine.store / "install.sh", "--to", "to", "--store", proxy.url],
        env={"PATH": str(machine.programs)},
        cwd=machine.folder,
        start_new_session=True,
    )
    reached.read_text()
    os.killpg(process.pid, number)
    assert process.wait(PATIENCE) in (-number, 128 + number)
    if number is not signal.SIGKILL:
        assert leftovers(machine) == []
    assert machine.run("--to", "to").returncode == 0  # from its own folder
    assert leftovers(machine) == []


def test_a_part_of_the_script_does_nothing(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    whole = (machine.store / "install.sh").read_text()
    script = machine.store / "part.sh"
    for end in range(len(whole) - len('main "$@"\n'), 0, -97):
        script.write_text(whole[:end])
        machine.run("--to", "to", script=script)
        assert not (machine.folder / "to").exists()


def test_credentials_of_the_address_are_left_out(tmp_path: Path) -> None:
    machine = make_machine(tmp_path, address="https://user:secret@store.example.invalid/x")
    text = (machine.store / "install.sh").read_text()
    assert "secret" not in text
    assert "'https://store.example.invalid/x'" in text or "STORE=https://store.example.invalid/x" in text


def test_address_that_no_script_fetches_from_is_left_out(tmp_path: Path) -> None:
    machine = make_machine(tmp_path, address="s3://bucket/x")
    assert "s3://bucket" not in (machine.store / "install.sh").read_text()
    shutil.copy(machine.store / "install.sh", machine.folder)
    done = machine.run("--to", "to", script=machine.folder / "install.sh")
    assert "name its folder or its address with --store" in done.stderr


def test_no_such_application(tmp_path: Path) -> None:
    release, _ = make_release(tmp_path)
    with pytest.raises(ReleaseError, match="no application 'other'") as caught:
        make_installers("other", [release], ROOT)
    assert caught.value.hint == "its applications there: 'updater'"


def test_formats_that_python_is_needed_for(tmp_path: Path) -> None:
    release, _ = make_release(tmp_path, ArchiveFormat.TAR_ZST)
    with pytest.raises(ReleaseError, match="without Python cannot unpack") as caught:
        make_installers("updater", [release], ROOT)
    assert "tar.gz" in str(caught.value.hint)


def for_windows(release: Release) -> Release:
    return msgspec.structs.replace(release, platform="win_amd64")


@pytest.fixture
def scripts(tmp_path: Path) -> dict[str, Installer]:
    release, _ = make_release(tmp_path)
    found = make_installers(
        "app-updater", [release, for_windows(release)], ROOT, channel="it's", address="http://h/s"
    )
    return {script.name: script for script in found}


def test_each_script_is_for_its_platforms(scripts: dict[str, Installer]) -> None:
    assert sorted(scripts) == ["install.ps1", "install.sh"]
    assert b"win_amd64) layers" not in scripts["install.sh"].content
    assert b"'linux_x86_64' = " not in scripts["install.ps1"].content


def test_powershell(tmp_path: Path, scripts: dict[str, Installer]) -> None:
    content = scripts["install.ps1"].content
    assert content.startswith(b"\xef\xbb\xbf")
    assert b"\n" not in content.replace(b"\r\n", b"")
    text = content.decode("utf-8-sig").replace("\r\n", "\n")
    release, _ = make_release(tmp_path / "again")
    for layer in release.layers:
        described = (
            f"'{layer.archive.sha256}', {layer.archive.size}, '{layer.install_target}', '{layer.archive_name}'"
        )
        assert f"        , @({described})\n" in text
    assert "$DefaultChannel = 'it''s'\n" in text
    assert "$Address = 'http://h/s'\n" in text
    assert "$Deployer = 'updater'\n" in text
    found = re.search(r"\$Root = '([A-Za-z0-9+/=]+)'", text)
    assert found
    assert base64.b64decode(found[1]) == ROOT
    assert not re.search("@[A-Z]+@", text)
    for opening, closing in ("()", "{}", "[]"):
        assert text.count(opening) == text.count(closing)
    assert text.endswith("\nInstall-Release\n")  # what is cut off does nothing


def test_sh_is_right_for_every_shell(tmp_path: Path, scripts: dict[str, Installer]) -> None:
    script = tmp_path / "install.sh"
    script.write_bytes(scripts["install.sh"].content)
    for shell in filter(shutil.which, ("sh", "dash", "bash", "busybox")):
        name = [shell, "sh"] if shell == "busybox" else [shell]
        subprocess.run([*name, "-n", script], check=True)
