from dataclasses import replace
from pathlib import Path

import pytest

from venvstacks.api.steps import open_runtimes
from venvstacks.definition.loading import load_stack
from venvstacks.errors import FilesystemError
from venvstacks.options import Options
from venvstacks.processes import CancelledError
from venvstacks.session import Session, open_session
from venvstacks.workspace import PRIVATE_FOLDER


@pytest.fixture
def session(tmp_path: Path) -> Session:
    (tmp_path / "venvstacks.toml").write_text("")
    with open_session(load_stack(tmp_path / "venvstacks.toml"), Options(), tmp_path) as session:
        return session


def test_only_a_clean_build_forgets_what_was_downloaded(session: Session) -> None:
    downloads = session.build_folder / PRIVATE_FOLDER / "pythons"
    downloads.mkdir(parents=True)
    assert open_runtimes(session)
    assert downloads.exists()
    clean = replace(session, options=Options(clean=True))
    assert open_runtimes(clean)
    assert not downloads.exists()


def test_work_that_is_left_is_cancelled(session: Session) -> None:
    with pytest.raises(CancelledError):
        session.work.cancellation.check()


def test_errors_of_the_operating_system_are_explained(session: Session) -> None:
    with (
        pytest.raises(FilesystemError, match=r"Cannot work in .*_build: No space left"),
        open_session(session.stack, Options(), session.scratch),
    ):
        raise OSError(28, "No space left on device")


def test_caches_of_uv_are_kept_where_they_are_wanted(session: Session, tmp_path: Path) -> None:
    with open_session(session.stack, Options(cache_dir="caches"), tmp_path) as other:
        assert other.options.environ["UV_CACHE_DIR"] == str(tmp_path / "caches" / "uv")
