"""Where a reader goes on."""

from pathlib import Path

import pytest

from feed.errors import PositionError
from feed.position import PositionFile
from tests.unit.feed.making import at


def test_a_position_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = PositionFile(tmp_path / "position")
    assert file.read() is None
    file.write(at(3))
    file.write(at(4))
    assert file.read() == at(4)
    assert [path.name for path in tmp_path.iterdir()] == ["position"]


@pytest.mark.parametrize("content", [b"", b"yesterday", b"-5", b"\xff", b"1" * 50])
def test_a_file_that_holds_no_position_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "position"
    path.write_bytes(content)
    with pytest.raises(PositionError, match=str(path)):
        PositionFile(path).read()


def test_a_position_that_cannot_be_kept_is_named(tmp_path: Path) -> None:
    with pytest.raises(PositionError, match="cannot be written"):
        PositionFile(tmp_path / "nowhere" / "position").write(at(0))
