"""What happens to a store from its first release on, whatever kind of store it is."""

from collections.abc import Callable
from pathlib import Path

from fakes.publications import APPLICATION, FRAMEWORK, PLATFORM, make_publication
from fakes.pushing import Publisher
from venvstacks.releases.release_format import decode_release
from venvstacks.releasing.verification import verify_store
from venvstacks.stores.interface import WritableStore
from venvstacks.trust.client import read_trusted
from venvstacks.work import Work

WINDOWS = "win_amd64"
LATER = 3000  # days: some servers of tests say that all files are of 2027


def live(open_it: Callable[[], WritableStore], folder: Path) -> None:
    """Push, promote, verify and prune, and see that clients get what they should after each step."""
    store = open_it()
    publisher = Publisher(store, folder / "keys")
    one = make_publication(folder / "1")
    two = make_publication(folder / "2", {FRAMEWORK: "2", APPLICATION: "2"})
    windows = make_publication(folder / "windows", platforms=(WINDOWS,))

    def seen(channel: str, platform: str = PLATFORM) -> str:
        """Return the release that a channel leads to, for a client that keeps what it has verified."""
        client = open_it()
        trusted = read_trusted(client, folder / "trust", publisher.root)
        entry = trusted.catalog.find(platform, channel=channel)
        release = decode_release(trusted.read_release_file(entry), entry.version, platform)
        client.close()
        return release.version

    assert publisher.push(one, "1.0", ("stable",)).uploaded > 0
    assert seen("stable") == "1.0"
    assert publisher.push(one, "1.0", ("stable",)).changed is False
    pushed = publisher.push(two, "2.0", partial=True)
    assert (pushed.deltas, pushed.visible) == (2, False)
    assert seen("stable") == "1.0"
    publisher.push(windows, "2.0", ("beta",))
    assert (seen("beta"), seen("beta", WINDOWS)) == ("2.0", "2.0")
    publisher.promote("2.0", "stable")
    assert seen("stable") == "2.0"
    publisher.push(one, "3.0")  # the same as 1.0, which is about to be removed
    report = verify_store(store, publisher.state(), Work(jobs=2))
    assert (report.problems, report.releases) == ((), 4)
    assert publisher.prune(1, later=LATER).versions == ("1.0",)
    publisher.assert_whole()
    old = publisher.release("3.0").layers[2].index.name
    assert publisher.prune(0, later=LATER).versions == ("3.0",)
    assert verify_store(store, publisher.state(), Work(jobs=2)).problems == ()
    publisher.assert_whole()
    assert store.size(old) is None
    assert seen("stable") == seen("beta") == "2.0"
    publisher.push(one, "4.0", ("stable",))  # what was deleted is uploaded again
    publisher.assert_whole()
    assert seen("stable") == "4.0"
    store.close()
