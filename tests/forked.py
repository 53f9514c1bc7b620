"""A program's answer from a copy of this process, without the start of another: some files bring a library down."""

import contextlib
import os
import resource
from collections.abc import Callable

from bittrue.frontends.apart import StoppedError


def forked(answer: Callable[[], bytes], cpu_seconds: int) -> bytes:
    """What `answer` gives. Raises: StoppedError where the copy breaks off, or takes more of the processor."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            spent = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
            resource.setrlimit(resource.RLIMIT_CPU, (int(spent) + cpu_seconds,) * 2)
            with open(writing, "wb") as stream:
                stream.write(answer())
            os._exit(0)
        os._exit(1)
    os.close(writing)
    with open(reading, "rb") as stream:
        found = stream.read()
    if os.waitpid(child, 0)[1]:
        raise StoppedError
    return found
