"""Every name that is accepted makes a folder of its own, and nothing but that."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from venvstacks.definition.names import name_problem
from venvstacks.definition.stack import LayerKind

TOML_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)  # TOML has no lone surrogates


@given(st.sampled_from(LayerKind), TOML_TEXT)
def test_accepted_names_make_folders(kind: LayerKind, name: str) -> None:
    if name_problem(kind, name):
        return
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / f"{kind.prefix}{name}"
        folder.mkdir()
        assert [entry.name for entry in Path(top).iterdir()] == [f"{kind.prefix}{name}"]
