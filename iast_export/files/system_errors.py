"""What the operating system refuses, in words: where, what, and what to do."""

from __future__ import annotations

import errno

from iast_export.errors import InputError

_SPACE = "free space there, or write elsewhere"
_ALLOW = "allow it for this user, or use another path"
_ANOTHER = "a part of the path is a file: use another path"
REMEDIES = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EFBIG: "raise the limit (`ulimit -f`), or write where larger files are allowed",
    errno.ENAMETOOLONG: "use a shorter name or path",
    errno.EIO: "the disk or the network drive failed: check it, then run it again",
    errno.EACCES: _ALLOW,
    errno.EPERM: _ALLOW,
    errno.EROFS: "use a path that can be written",
    errno.EMFILE: "raise the limit (`ulimit -n`)",
    errno.ENOMEM: "close other programs, or take a machine with more memory",
    errno.ELOOP: "correct the symbolic links in the path",
    errno.EISDIR: "give a file",
    errno.ENOTDIR: _ANOTHER,
    errno.EEXIST: _ANOTHER,
}


def of_system(error: OSError) -> InputError | None:
    """A failure of the disk or of a place in it; None for one without a number of the system."""
    if error.errno is None:
        return None
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    where = f"{' and '.join(names)}: " if names else ""
    remedy = REMEDIES.get(error.errno, "check the path and the disk, then run it again")
    return InputError(f"{where}{error.strerror or error}", remedy)
