import threading

from venvstacks.events import Event, Meter, Progressed, Step, silent

MIB = 1 << 20


def test_a_meter_reports_now_and_then_and_at_the_end() -> None:
    events: list[Event] = []
    meter = Meter(events.append, Step.PUBLISH, "app-a", 10 * MIB, "linux_x86_64")
    for _ in range(10):
        meter.add(MIB)
    assert events == [
        Progressed(Step.PUBLISH, "app-a", done, 10 * MIB, "linux_x86_64") for done in (4 * MIB, 8 * MIB, 10 * MIB)
    ]


def test_a_small_layer_is_reported_once() -> None:
    events: list[Event] = []
    meter = Meter(events.append, Step.UNPACK, "app-a", 2)
    meter.add(1)
    assert events == []
    meter.add(1)
    meter.add(0)
    assert events == [Progressed(Step.UNPACK, "app-a", 2, 2)]


def test_any_thread_may_count() -> None:
    events: list[Event] = []
    meter = Meter(events.append, Step.EXPORT, "app-a", 8000)

    def count() -> None:
        for _ in range(1000):
            meter.add(1)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert events == [Progressed(Step.EXPORT, "app-a", 8000, 8000)]


def test_the_default_observer_is_silent() -> None:
    assert silent(Progressed(Step.LOCK, "a", 0, 0)) is None  # type: ignore[func-returns-value]
