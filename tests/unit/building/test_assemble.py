from dataclasses import replace
from pathlib import Path

from fakes.built_layers import make_built_layer, make_tree
from venvstacks.building.assemble import assemble


def test_pth_files_whose_names_cannot_be_seen_are_passed_over(tmp_path: Path) -> None:
    build = make_built_layer(tmp_path, "framework-one")
    build = replace(build, configuration={"pylib_dirs": [], "dynlib_dirs": []})
    staging = make_tree(tmp_path / "staging", {f"{build.layout.site}/{name}.pth": b"" for name in ("\t", " ")})
    assemble(build, staging, tmp_path)
    assert sorted(path.name for path in (staging / build.layout.site).glob("*.pth")) == [
        "\t.pth",
        "  00_venvstacks.pth",
        " .pth",
    ]
