"""Many machines at once against one nginx: all succeed, and what is served is what their plans said."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import venvstacks
from fakes.nginx import Nginx
from fakes.patience import PATIENCE
from fakes.pushed_stores import make_store
from servers.conftest import StartNginx
from venvstacks.options import Options

MACHINES = 200
AT_ONCE = 50


def served(nginx: Nginx, since: int, count: int) -> tuple[int, int]:
    """Return requests and bytes of contents that nginx served, once all that are expected are in its log."""
    waiting = threading.Event()
    for _ in range(int(PATIENCE / 0.02)):
        if len(nginx.served()) >= since + count:
            break
        waiting.wait(0.02)
    found = nginx.served()[since:]
    return len(found), sum(one.sent for one in found)


def test_what_is_served_is_what_was_planned(tmp_path: Path, start_nginx: StartNginx) -> None:
    store = make_store(tmp_path / "store")
    store.push("1", "1")
    nginx = start_nginx(store.folder)
    how = Options(jobs=1)

    def plan(number: int) -> tuple[int, int]:
        """Plan a deployment, which reads what is needed for that."""
        found = venvstacks.plan_deployment(
            nginx.url, to=tmp_path / str(number), root=store.root, channel="stable", options=how
        )
        return found.requests, found.bytes

    def deploy(number: int) -> tuple[int, int]:
        done = venvstacks.deploy(
            nginx.url, to=tmp_path / str(number), root=store.root, channel="stable", options=how
        )
        assert done.changed
        return done.requests, done.bytes

    def run(step: str, count: int) -> None:
        """Let all machines plan, and then deploy."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            plans = list(pool.map(plan, range(count)))
            before = len(nginx.served())
            done = list(pool.map(deploy, range(count)))
        assert done == plans, step
        expected = sum(requests for requests, _ in plans), sum(received for _, received in plans)
        assert served(nginx, before, expected[0]) == expected

    run("first deployment", MACHINES)
    store.push("2", {"app-hello": "2"})
    run("update", MACHINES)
    for number in range(MACHINES):
        status = venvstacks.deployment_status(tmp_path / str(number))
        assert [each.release for each in status.products[0].generations] == ["2", "1"]
    assert venvstacks.verify_deployment(tmp_path / "0").is_whole
