import signal
import threading

import pytest

from ingestion.common.signals import signals_afterwards


def work(done: list[str], *, interrupts: int = 1, fails: bool = False) -> None:
    with signals_afterwards():
        for _ in range(interrupts):
            signal.raise_signal(signal.SIGINT)
        if fails:
            raise ValueError("the work failed")
        done.append("the rest of the work")


def test_ctrl_c_acts_when_the_work_is_done():
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        work(done)
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_acts_at_once():
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        work(done, interrupts=2)
    assert not done


def test_work_that_fails_still_lets_the_signal_act():
    with pytest.raises(KeyboardInterrupt) as caught:
        work([], fails=True)
    assert isinstance(caught.value.__context__, ValueError)


def test_another_thread_leaves_signals_alone():
    seen = []

    def elsewhere() -> None:
        with signals_afterwards():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
