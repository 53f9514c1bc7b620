"""What a process takes at most in which alone a library meets a user's file, and how it says that it began.

It imports nothing that takes time: those processes start often.
"""

import contextlib

STARTED = b"bittrue reads it here\n"
"""What such a process writes before it opens anything; its answer comes behind it."""


def limit(cpu_seconds: int, addresses: int) -> None:
    """Bound what this process may take, where the system can.

    cpu_seconds: of the processor, so that a busy machine refuses no file. addresses: bytes of memory.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    for which, most in (
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_AS, addresses),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(OSError, ValueError):  # macOS bounds no addresses
            resource.setrlimit(which, (most, most))
