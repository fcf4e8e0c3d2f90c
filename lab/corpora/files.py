"""Reading text files that may be gzipped, with errors that name the file and the line."""

import gzip
import zlib
from pathlib import Path

from lab.errors import UserError


def find(folder: Path, stem: str) -> Path | None:
    """`stem`.txt or, if there is none, `stem`.txt.gz in the folder; None without either."""
    candidates = (folder / f"{stem}.txt", folder / f"{stem}.txt.gz")
    return next((path for path in candidates if path.is_file()), None)


def read_lines(path: Path) -> list[str]:
    """Lines of a UTF-8 file; raises UserError if it is missing, damaged, undecodable or empty."""
    data = _read_bytes(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path} line {line}: not UTF-8; convert the file to UTF-8") from None
    if not text.strip():
        raise UserError(f"{path}: the file is empty; write one entry per line")
    return text.removesuffix("\n").split("\n")


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise UserError(f"{path}: damaged or not gzip; copy it again or unpack it") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from None
