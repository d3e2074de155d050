"""Writing files so that a full disk or a crash costs at most what was being written."""

import errno
import fcntl
import os
from pathlib import Path

from agent.errors import ConfigError, RecordError


class Log:
    """A file that only grows. A write that fails leaves it as it was before; a second process is kept out."""

    def __init__(self, path: Path, lines: bool = False) -> None:
        self.path = path
        self.lines = lines
        """A file of lines: opening it cuts off a last one that a crash left unfinished."""
        self._fd: int | None = None

    def append(self, data: bytes, sync: bool = False) -> None:
        fd = self.open()
        size = os.fstat(fd).st_size
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(fd, left) :]
            if sync:
                os.fsync(fd)
        except OSError as error:
            os.ftruncate(fd, size)
            raise RecordError(
                f"Cannot write {self.path}: {reason(error)}. The robot must not move without a record. What was written so far is "
                f"intact; free some space or choose another folder with --runs FOLDER, then go on with --resume {self.path.parent.name}."
            ) from error

    def open(self) -> int:
        """Open once, as the only process that may write; returns the file descriptor."""
        if self._fd is not None:
            return self._fd
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self.lines:
                os.ftruncate(self._fd, self.path.read_bytes().rfind(b"\n") + 1)
        except BlockingIOError as error:
            self.close()
            raise RecordError(f"{self.path.parent} is being written by another process. Stop that one first.") from error
        except OSError as error:
            raise RecordError(f"Cannot open {self.path} to write: {reason(error)}.") from error
        return self._fd

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
        self._fd = None


def replace_file(path: Path, data: bytes) -> None:
    """Write the whole file or leave the old one."""
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.write_bytes(data)
        os.replace(fresh, path)
    except OSError as error:
        raise RecordError(f"Cannot write {path}: {reason(error)}.") from error


def out_folder(path: Path) -> Path:
    """`path`, made if it is not there: where a command leaves what it makes. ConfigError, with the option's name, if that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    except OSError as error:
        raise ConfigError(f"--out {path}: nothing can be written there: {reason(error)}. Name another folder.") from error
    return path


def new_folder(parent: Path, name: str) -> Path:
    """Make `name`, or `name-2`, `name-3`, … if others were quicker."""
    for number in range(1, 1000):
        path = parent / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir()
            return path
        except FileExistsError:
            continue
    raise FileExistsError(f"a thousand runs called {name}")


def reason(error: BaseException) -> str:
    """An OS error in words: what is the matter, with the file it happened to."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:] + (f" ({error.filename})" if error.filename else "")
    return str(error).rstrip(".")
