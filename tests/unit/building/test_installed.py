import base64
import hashlib
import os
from pathlib import Path

import pytest

from fakes.built_layers import make_tree
from venvstacks.building.installed import (
    Row,
    distributions_by_path,
    from_site,
    read_installed,
    read_record,
    row_of,
    to_site,
    update_records,
    write_record,
)

SITE = "lib/python3.12/site-packages"


def test_a_record_survives_reading_and_writing(tmp_path: Path) -> None:
    record, module = tmp_path / "RECORD", tmp_path / "module.py"
    module.write_bytes(b"x")
    rows = (
        Row("bin/tool"),
        row_of(f'{SITE}/a "quoted", name.py', module),
        Row(f"{SITE}/b.py", "", "0"),
        Row(f"{SITE}/x.dist-info/RECORD"),
    )
    write_record(record, reversed(rows), SITE)
    assert read_record(record, SITE) == rows
    assert record.read_bytes().partition(b"\n")[0] == b"../../../bin/tool,,"
    assert (
        record.read_bytes()
        .partition(b"\n")[2]
        .startswith(b'"a ""quoted"", name.py",sha256=LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE,1\n')
    )


def test_a_shared_record_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a,,\n")
    os.link(tmp_path / "cache", tmp_path / "RECORD")
    write_record(tmp_path / "RECORD", (), SITE)
    assert (tmp_path / "cache").read_text() == "a,,\n"


@pytest.mark.parametrize(
    ("written", "in_layer"),
    [("a/b.py", f"{SITE}/a/b.py"), ("../../../bin/tool", "bin/tool"), ("a/../../x", "lib/python3.12/x")],
)
def test_paths_are_read_relative_to_site_packages(written: str, in_layer: str) -> None:
    assert from_site(written, SITE) == in_layer
    assert from_site(to_site(in_layer, SITE), SITE) == in_layer


def test_what_is_installed_is_read_from_its_folders(tmp_path: Path) -> None:
    info = tmp_path / SITE / "Some_Thing-2.0.dist-info"
    info.mkdir(parents=True)
    (info / "RECORD").write_text("some/x.py,sha256=x,1\n../../../bin/tool,,\n")
    (info / "entry_points.txt").write_text("[console_scripts]\ntool = some.x:main\n")
    (tmp_path / SITE / "other-1.dist-info").mkdir()
    (tmp_path / SITE / "file-1.dist-info").touch()
    some, other = read_installed(tmp_path, SITE)
    assert (some.name, some.version, some.info) == ("some-thing", "2.0", info.name)
    assert [(point.name, point.value) for point in some.entry_points] == [("tool", "some.x:main")]
    assert some.rows == (Row(f"{SITE}/some/x.py", "sha256=x", "1"), Row("bin/tool"))
    assert (other.name, other.rows) == ("other", ())
    distribution_of = distributions_by_path((some, other))
    assert [distribution_of(path) for path in ("bin/tool", f"{SITE}/some/__pycache__/x.cpython-312.pyc")] == [
        "some-thing",
        "some-thing",
    ]
    assert distribution_of(f"{SITE}/some/__pycache__/y.cpython-312.pyc") is None


def test_records_name_files_that_were_written_for_others(tmp_path: Path) -> None:
    site = "lib/python3.13/site-packages"
    record = b"../../../share/tool.py,,\nalpha.py,sha256=x,1\nalpha.txt,sha256=y,2\n"
    layer = make_tree(
        tmp_path / "layer",
        {
            f"{site}/alpha-1.dist-info/RECORD": record,
            f"{site}/beta-1.dist-info/RECORD": b"beta/__init__.py,sha256=z,3\n",
            f"{site}/__pycache__/alpha.cpython-313.pyc": b"bytecode",
            f"{site}/__pycache__/of_nobody.cpython-313.pyc": b"bytecode",
        },
    )
    before = (layer / site / "beta-1.dist-info" / "RECORD").stat()
    made = {f"{site}/{name}.py": f"{site}/__pycache__/{name}.cpython-313.pyc" for name in ("alpha", "of_nobody")}
    made[f"{site}/alpha.txt"] = f"{site}/alpha.txt"
    (layer / site / "alpha.txt").write_bytes(b"changed")
    updated = update_records(layer, site, read_installed(layer, site), made)
    assert {each.name: set(each.rows) for each in updated} == {
        each.name: set(each.rows) for each in read_installed(layer, site)
    }
    rows = {row.path: row for row in read_record(layer / site / "alpha-1.dist-info" / "RECORD", site)}
    compiled = f"{site}/__pycache__/alpha.cpython-313.pyc"
    assert list(rows) == ["share/tool.py", compiled, f"{site}/alpha.py", f"{site}/alpha.txt"]
    for path, content in ((compiled, b"bytecode"), (f"{site}/alpha.txt", b"changed")):
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        assert rows[path] == Row(path, f"sha256={digest}", str(len(content)))
    after = (layer / site / "beta-1.dist-info" / "RECORD").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
