"""The same round of work again and again, until a signal ends it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from conf import console, failure
from conf.errors import LakehouseError, PassingError

FINISH_S = 15.0
"""What is under way when a person or a supervisor ends the work may take so long to finish."""

AT_MOST_S = 25.0
"""After so long the process ends, whatever it waits for: every commit is whole, so that does no harm."""

LOOKING_S = 0.2
FAILURES = 5
BACK_OFF_S = 5.0
LONGEST_BACK_OFF_S = 300.0


@dataclass
class Stop:
    """Whether the work was asked to end, by which signal."""

    signal: int = 0

    def asked(self) -> bool:
        """Whether it was."""
        return self.signal != 0

    def wait(self, seconds: float) -> None:
        """Wait so long, or until asked to end."""
        until = time.monotonic() + seconds
        # A lock that the signal's handler would release could be held by the very code it interrupts.
        while not self.asked() and (left := until - time.monotonic()) > 0:
            time.sleep(min(LOOKING_S, left))


@contextmanager
def ended_by_signal(finish: float = FINISH_S, at_most: float = AT_MOST_S) -> Iterator[Stop]:
    """Within it, SIGTERM or SIGINT asks the work to end, and after `finish` seconds interrupts it
    (KeyboardInterrupt); after `at_most` seconds, or with a second signal, the process ends at once.
    """
    stop = Stop()
    last_resort = threading.Timer(at_most, os._exit, (0,))
    last_resort.daemon = True

    def end(number: int, _frame: FrameType | None) -> None:
        if stop.asked():
            os._exit(128 + number)
        stop.signal = number
        signal.setitimer(signal.ITIMER_REAL, finish)
        last_resort.start()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    handlers = {signal.SIGTERM: end, signal.SIGINT: end, signal.SIGALRM: interrupt}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield stop
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        last_resort.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def repeat(
    work: Callable[[], bool], seconds: float, stop: Stop, is_lost: Callable[[], bool] = lambda: False
) -> None:
    """Call `work` every `seconds`, until asked to end; at once again when it took longer or says there is
    more.

    A failure that may pass is told and tried again, later each time; FAILURES in a row end it, as do a
    person's mistake, and any once `is_lost` says that trying again is no use. What fails once it was asked
    to end is in the log alone: the next start does it again.
    """
    failures = 0
    while not stop.asked():
        started, is_more = time.monotonic(), False
        try:
            is_more, failures = work(), 0
        except KeyboardInterrupt:
            if not stop.asked():
                raise
        except Exception as failed:
            failures += 1
            if stop.asked():
                failure.explain(failed)
                break
            may_pass = isinstance(failed, PassingError) or not isinstance(failed, LakehouseError)
            if not may_pass or failures == FAILURES or is_lost():
                raise
            pause = max(seconds, min(BACK_OFF_S * 2 ** (failures - 1), LONGEST_BACK_OFF_S))
            told = str(failed) if isinstance(failed, LakehouseError) else failure.explain(failed)
            again = f"Trying again in {pause:.0f} s (failure {failures} of {FAILURES} in a row)."
            console.warn(f"{told}\n{again}")
            stop.wait(pause)
            continue
        if not is_more:
            stop.wait(seconds - (time.monotonic() - started))
    # What follows is the end itself: nothing of it is to be interrupted.
    signal.setitimer(signal.ITIMER_REAL, 0)
