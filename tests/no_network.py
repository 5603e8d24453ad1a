"""`python -m tests.no_network ARGUMENTS`: the command line in a process that dies when it opens a
socket.

The kernel itself ends the process at a socket of the internet families, whichever code asks for it:
Python or a runtime's native code, in any thread, and in every process that it starts.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

_SOCKET = {"x86_64": 41, "aarch64": 198}
_FAMILIES = (2, 10)  # AF_INET, AF_INET6
_ALLOW, _KILL_PROCESS = 0x7FFF0000, 0x80000000
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER_AT, _FIRST_ARGUMENT_AT = 0, 16  # in struct seccomp_data, little endian
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def forbid_sockets() -> None:
    """From here on, a socket of the internet ends this process and its children (signal 31).

    Raises:
        OSError: the kernel takes no filter.
    """
    steps = [
        (_LOAD, 0, 0, _NUMBER_AT),
        (_EQUAL, 0, 4, _SOCKET[platform.machine()]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_EQUAL, 1, 0, _FAMILIES[0]),
        (_EQUAL, 0, 1, _FAMILIES[1]),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in steps))
    program = _Program(len(steps), ctypes.cast(code, ctypes.c_void_p).value)
    libc = ctypes.CDLL(None, use_errno=True)
    for call in (
        (_NO_NEW_PRIVILEGES, 1, 0, 0, 0),
        (_SECCOMP, _FILTER, ctypes.byref(program), 0, 0),
    ):
        if libc.prctl(*call):
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    forbid_sockets()
    from iast_export.cli.main import run

    if os.environ.get(
        "LET_IT_COUNT"
    ):  # what happens without our switch, to show that the test can fail
        del os.environ["ORT_DISABLE_TELEMETRY"]
    sys.exit(run(sys.argv[1:]))
