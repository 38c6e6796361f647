"""Servers for tests: started by them on 127.0.0.1, each with a folder of its own, and stopped by them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fakes.nginx import Nginx, serve_nginx

StartNginx = Callable[..., Nginx]


@pytest.fixture
def start_nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartNginx]:
    """Return a function that serves a folder with nginx; see `fakes.nginx.serve_nginx`."""
    with ExitStack() as stack:

        def start(root: Path, *, settings: str = "", certificate: tuple[Path, Path] | None = None) -> Nginx:
            folder = tmp_path_factory.mktemp("nginx")
            return stack.enter_context(serve_nginx(root, folder, settings=settings, certificate=certificate))

        yield start
