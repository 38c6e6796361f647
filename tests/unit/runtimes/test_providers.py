from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fakes.pythons import host
from venvstacks.definition.stack import Layer, LayerKind, PythonRequest
from venvstacks.errors import RuntimeProviderError, ToolError
from venvstacks.events import Event, Warned
from venvstacks.platforms.compatibility import Compatibility, PythonVersion
from venvstacks.platforms.targets import TARGETS
from venvstacks.runtimes.providers import choose_provider, choose_python
from venvstacks.work import Work

REQUEST = PythonRequest("cpython", "3.12")
NEWER = PythonVersion("cpython", "3.12.9")
OLDER = PythonVersion("cpython", "3.12.1")


@dataclass
class Source:
    """A provider that has one release, or fails."""

    name: str
    release: PythonVersion
    failure: Exception | None = None
    fetch_failure: Exception | None = None
    asked: list[str] = field(default_factory=list)

    def newest(self, request: PythonRequest, on: tuple[Compatibility, ...]) -> PythonVersion:
        self.asked.append(f"newest {request} of {len(on)}")
        if self.failure:
            raise self.failure
        return self.release

    def fetch(self, python: PythonVersion, on: Compatibility, folder: Path) -> None:
        self.asked.append(f"fetch {python.request} {on.target.name}")
        folder.mkdir()
        (folder / self.name).touch()
        if self.failure or self.fetch_failure:
            raise self.failure or self.fetch_failure or AssertionError

    def program(self, python: PythonVersion) -> Path:
        if self.failure:
            raise self.failure
        return Path(self.name, python.release)


@pytest.fixture
def managed() -> Source:
    return Source("managed", NEWER)


@pytest.fixture
def local() -> Source:
    return Source("local", OLDER)


@pytest.fixture
def events() -> list[Event]:
    return []


def test_never_and_always_are_the_one_or_the_other(managed: Source, local: Source, tmp_path: Path) -> None:
    assert choose_provider("never", managed, local, tmp_path, Work()) is managed
    assert choose_provider("always", managed, local, tmp_path, Work()) is local


def test_fallback_leaves_the_local_one_alone_where_a_managed_one_is_had(
    managed: Source, local: Source, events: list[Event], tmp_path: Path
) -> None:
    provider = choose_provider("fallback", managed, local, tmp_path / "downloads", Work(events.append))
    assert provider.newest(REQUEST, (host(),)) == NEWER
    provider.fetch(NEWER, host(), tmp_path / "runtime")
    assert [path.name for path in (tmp_path / "runtime").iterdir()] == ["managed"]
    assert not list((tmp_path / "downloads").iterdir())
    assert (local.asked, events) == ([], [])


def test_fallback_promises_no_release_that_cannot_be_downloaded(
    managed: Source, local: Source, events: list[Event], tmp_path: Path
) -> None:
    managed.fetch_failure = RuntimeProviderError("It cannot be had.")
    provider = choose_provider("fallback", managed, local, tmp_path / "downloads", Work(events.append))
    assert provider.newest(REQUEST, (host(),)) == OLDER
    assert not list((tmp_path / "downloads").iterdir())
    assert events == []  # building warns


def test_fallback_tries_no_download_for_other_machines(managed: Source, local: Source, tmp_path: Path) -> None:
    other = next(target for target in TARGETS.values() if target != host().target)
    provider = choose_provider("fallback", managed, local, tmp_path / "downloads", Work())
    assert provider.newest(REQUEST, (Compatibility(other),)) == NEWER
    assert managed.asked == ["newest cpython@3.12 of 1"]


@pytest.mark.parametrize("error", [RuntimeProviderError, ToolError])
def test_fallback_copies_with_one_warning_that_says_why(
    managed: Source, local: Source, events: list[Event], tmp_path: Path, error: type[RuntimeProviderError]
) -> None:
    managed.failure = error("Cannot be had. uv says:\nFailed to install\n  cause: x\n  cause: Connection refused")
    provider = choose_provider("fallback", managed, local, tmp_path / "downloads", Work(events.append))
    provider.fetch(OLDER, host(), tmp_path / "runtime")
    assert [path.name for path in (tmp_path / "runtime").iterdir()] == ["local"]
    (warning,) = events
    assert isinstance(warning, Warned)
    assert warning.message.startswith("No managed cpython@3.12.1 is available (Connection refused), so the one of")
    assert "publish from managed Pythons" in warning.message


def test_where_neither_serves_both_reasons_are_told(
    managed: Source, local: Source, events: list[Event], tmp_path: Path
) -> None:
    managed.failure = RuntimeProviderError("No server answers.", hint="name a mirror")
    local.failure = RuntimeProviderError("This machine has none.")
    provider = choose_provider("fallback", managed, local, tmp_path / "downloads", Work(events.append))
    with pytest.raises(RuntimeProviderError) as caught:
        provider.fetch(OLDER, host(), tmp_path / "runtime")
    assert (
        caught.value.message
        == "No server answers.\nNo interpreter of this machine can be used instead: This machine has none."
    )
    assert "--reset-lock" in (caught.value.hint or "")
    assert events == []


@pytest.mark.parametrize("error", [RuntimeProviderError, ToolError])
def test_fallback_gives_a_program_of_this_machine_where_no_managed_one_is_had(
    managed: Source, local: Source, tmp_path: Path, error: type[RuntimeProviderError]
) -> None:
    provider = choose_provider("fallback", managed, local, tmp_path / "downloads", Work())
    assert provider.program(OLDER) == Path("managed/3.12.1")
    managed.failure = error("No server answers.")
    assert provider.program(OLDER) == Path("local/3.12.1")
    local.failure = RuntimeProviderError("This machine has none.")
    with pytest.raises(RuntimeProviderError, match="This machine has none"):
        provider.program(OLDER)


def runtime(version: str) -> Layer:
    return Layer(LayerKind.RUNTIME, "base", (), (host(),), "base", (), PythonRequest("cpython", version))


def test_an_exact_version_is_taken_without_asking(managed: Source) -> None:
    assert choose_python(managed, runtime("3.12.4"), OLDER).release == "3.12.4"
    assert managed.asked == []


def test_an_earlier_choice_is_kept_until_it_is_forgotten(managed: Source) -> None:
    assert choose_python(managed, runtime("3.12"), OLDER) == OLDER
    assert managed.asked == []
    assert choose_python(managed, runtime("3.12"), None) == NEWER
