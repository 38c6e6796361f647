from pathlib import Path

from venvstacks.binaries.policy import Owner
from venvstacks.building.installed import read_installed
from venvstacks.building.layer_layout import layer_layout
from venvstacks.building.native_files import owners_by_path
from venvstacks.definition.stack import LayerKind
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.platforms.targets import TARGETS

LAYOUT = layer_layout(LayerKind.FRAMEWORK, TARGETS["linux_x86_64"], PythonVersion("cpython", "3.12.7"))


def install(layer: Path, stem: str, *paths: str) -> None:
    info = layer / LAYOUT.site / f"{stem}.dist-info"
    info.mkdir(parents=True)
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in paths))


def test_files_belong_to_the_wheel_that_records_them(tmp_path: Path) -> None:
    install(tmp_path, "Big_Tool-2.0", "big/x.so", "../../../bin/big")
    install(tmp_path, "small-1.0", "small/cli.exe")
    wheels = ["big_tool-2.0-cp312-cp312-manylinux_2_17_x86_64.whl", "small-1.0-py3-none-any.whl"]
    assert owners_by_path(read_installed(tmp_path, LAYOUT.site), wheels) == {
        f"{LAYOUT.site}/big/x.so": Owner("big-tool 2.0", promises=True),
        "bin/big": Owner("big-tool 2.0", promises=True),
        f"{LAYOUT.site}/small/cli.exe": Owner("small 1.0", promises=False),
    }
