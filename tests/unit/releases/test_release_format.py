from typing import Any

import msgspec
import pytest

from venvstacks.errors import ReleaseError
from venvstacks.releases.release_format import (
    FORMAT,
    BlobReference,
    Release,
    ReleaseLayer,
    closure_id,
    decode_release,
    encode_release,
)

HASHES = {name: f"sha256:{digit * 64}" for name, digit in (("py", "1"), ("base", "2"), ("app", "3"))}


def layer(name: str, *below: str, **changes: Any) -> ReleaseLayer:
    made = ReleaseLayer(
        layer_name=name,
        install_target=name,
        kind="application" if name == "app" else "framework" if below else "runtime",
        below=below,
        content_hash=HASHES[name],
        closure_id=closure_id(name, HASHES[name], [(each, HASHES[each]) for each in below]),
        archive=BlobReference("a" * 64, 10),
        archive_name=f"{name}.tar.zst",
        index=BlobReference("b" * 64, 10),
    )
    return msgspec.structs.replace(made, **changes)


PY, BASE, APP = layer("py"), layer("base", "py"), layer("app", "base", "py")


def release(*layers: ReleaseLayer, **changes: Any) -> Release:
    made = Release(format=FORMAT, version="1.0", platform="linux_x86_64", layers=layers or (PY, BASE, APP))
    return msgspec.structs.replace(made, **changes)


def test_equal_releases_have_equal_bytes() -> None:
    assert encode_release(release()) == encode_release(
        decode_release(encode_release(release()), "1.0", "linux_x86_64")
    )
    assert b'"deltas"' not in encode_release(release())  # empty keys are left out


def test_closure() -> None:
    assert release().closure(["base"]) == (PY, BASE)
    assert release().closure(["app"]) == (PY, BASE, APP)
    assert APP.id == APP.closure_id[:32]
    assert layer("app", "py").closure_id != APP.closure_id


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (encode_release(release(version="2.0")), "it describes release 2.0 for linux_x86_64"),
        (encode_release(release(platform="win_amd64")), "it describes release 1.0 for win_amd64"),
        (encode_release(release(PY, APP, BASE)), "'base' below app is not there before it"),
        (encode_release(release(PY, APP)), "'base' below app is not there before it"),
        (encode_release(release(PY, PY)), "'py' cannot be the folder of a layer"),
        (
            encode_release(release(layer("py", closure_id="0" * 64))),
            "the closure ID of py is not that of its layers",
        ),
        (encode_release(release(layer("py", content_hash=HASHES["app"]))), "the closure ID of py"),
        *(
            (encode_release(release(layer("py", install_target=name))), "cannot be the folder of a layer")
            for name in ("../x", "a/b", ".layer", "", "a\\b", "a\nb")
        ),
        *(
            (encode_release(release(layer("py", layer_name=name))), "cannot be the name of a layer")
            for name in ("app-../x", "a/b", "", "a\x1b[2J")
        ),
        *(
            (encode_release(release(layer("py", archive_name=name))), "cannot be the name of an archive")
            for name in ("../x", "a/b", "", "a\nb")
        ),
        (encode_release(release(layer("py", archive=BlobReference("x", 1)))), "sha256"),
        (encode_release(release(layer("py", archive=BlobReference("a" * 64, -1)))), "size"),
        (b"{", "is refused"),
        (b"[" * 100_000, "is refused"),
        (b"\xff", "is refused"),
    ],
)
def test_files_that_contradict_themselves(data: bytes, message: str) -> None:
    with pytest.raises(ReleaseError) as info:
        decode_release(data, "1.0", "linux_x86_64")
    assert message in info.value.message
    assert info.value.hint == "the publisher has to push this release again, under another version"


def test_newer_form() -> None:
    with pytest.raises(ReleaseError, match="has format 2, and this venvstacks knows formats up to 1"):
        decode_release(b'{"format": 2, "something": "else"}', "1.0", "linux_x86_64")
