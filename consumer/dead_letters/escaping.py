"""Bytes that anybody may have written, as text that a terminal can be given."""

from collections.abc import Iterator
from typing import Final

ROW_BYTES: Final = 16
"""Bytes in a row of a hex dump."""


def printable(text: str) -> str:
    r"""Return text with everything escaped that is not a plain, visible character.

    Control characters, changes of writing direction and what has no glyph become `\x1b`, `\u202e`
    and the like, a backslash two, so that what is escaped can't be mistaken for what was there.

    >>> print(printable("a\x1b[2Jb"))
    a\x1b[2Jb
    """
    return "".join(c if c.isprintable() and c != "\\" else _escape(c) for c in text)


def printable_bytes(content: bytes) -> str:
    r"""Return bytes as text the same way; what is no UTF-8 byte by byte.

    >>> print(printable_bytes(b"caf\xc3\xa9 \xff"))
    café \xff
    """
    pieces = []
    while content:
        try:
            pieces.append(printable(content.decode()))
            break
        except UnicodeDecodeError as error:
            pieces.append(printable(content[: error.start].decode()))
            pieces += [f"\\x{byte:02x}" for byte in content[error.start : error.end]]
            content = content[error.end :]
    return "".join(pieces)


def _escape(character: str) -> str:
    if character == "\\":
        return "\\\\"
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def hex_dump(content: bytes) -> Iterator[str]:
    r"""Yield rows: where they begin, their bytes in hex, those that are ASCII as characters.

    >>> list(hex_dump(b"{\x00}"))
    ['00000000  7b 00 7d                                         {.}']
    """
    for at in range(0, len(content), ROW_BYTES):
        row = content[at : at + ROW_BYTES]
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f"{at:08x}  {row.hex(' '):<{3 * ROW_BYTES - 1}}  {shown}"
