from venvstacks.file_names import folded


def test_folded() -> None:
    assert folded("Torch-2.1") == folded("torch-2.1") != folded("torch-2_1")
    assert folded("caf\u00e9") == folded("cafe\u0301")
    assert folded("a-b") != folded("a_b")
