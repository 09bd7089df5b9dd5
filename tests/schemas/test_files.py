"""Reading files: framings, gzip, broken lines, limits."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from schemas import files
from schemas.errors import InvalidRecord
from schemas.files import FileRecord, read_file
from schemas.otlp import decode, raw_split
from tests.schemas.recorded import EXAMPLES, HASHER, lines

AIRLINE = EXAMPLES / "airline.otlp.jsonl.gz"


@pytest.fixture(scope="module")
def records() -> list[bytes]:
    return list(lines(AIRLINE))[:3]


def _proto(record: bytes) -> bytes:
    return next(iter(raw_split(record).values()))


def _varint(size: int) -> bytes:
    return files._encoded(size)


def _ids(path: Path) -> list[str]:
    found = []
    for record in read_file(path):
        assert isinstance(record, FileRecord), record
        found += [fragment.trace_id for fragment in decode(record.data, HASHER)]
    return found


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("framing", ["lines", "blank-first", "whole", "varint", "fixed"])
def test_every_framing_gives_the_same_traces(tmp_path: Path, records: list[bytes], framing: str, pack) -> None:
    protos = [_proto(record) for record in records]
    data = {
        "lines": b"\n".join(records),
        "blank-first": b"\n\n" + b"\n\n".join(records) + b"\n",
        "whole": b"".join(protos),
        "varint": b"".join(_varint(len(p)) + p for p in protos),
        "fixed": b"".join(len(p).to_bytes(4, "big") + p for p in protos),
    }[framing]
    path = tmp_path / "traces"
    path.write_bytes(pack(data))
    assert _ids(path) == [decode(record, HASHER)[0].trace_id for record in records]


def test_a_broken_line_names_its_place_and_stops_nobody(tmp_path: Path, records: list[bytes]) -> None:
    path = tmp_path / "some.jsonl"
    native = b'{"trace_id":"a","spans":[]}'
    path.write_bytes(b"\n".join([records[0], b'{"resourceSpans": [', b"[1]", b'{"logs": 1}', native]))
    found = list(read_file(path))
    assert [type(item) for item in found] == [FileRecord, InvalidRecord, InvalidRecord, InvalidRecord, FileRecord]
    assert [item.reason for item in found if isinstance(item, InvalidRecord)] == [
        "undecodable",
        "not_a_trace",
        "not_a_trace",
    ]
    assert "some.jsonl:2: " in found[1].detail
    assert (found[0].kind, found[4].kind, found[4].line) == ("otlp", "native", 5)


def test_an_indented_document_and_a_list(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text('{\n  "trace_id": "a",\n  "spans": []\n}\n')
    assert [record.kind for record in read_file(path)] == ["native"]
    path.write_text('[\n{"trace_id": "a", "spans": []},\n{"trace_id": "b", "spans": []}\n]')
    assert len(list(read_file(path))) == 2


def test_too_big_is_skipped(tmp_path: Path, records: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    small = b'{"trace_id":"a","spans":[]}'
    monkeypatch.setattr(files, "MAX_RECORD_BYTES", 1000)
    path = tmp_path / "big.jsonl"
    path.write_bytes(records[0] + b"\n" + small + b"\n")
    big, after = read_file(path)
    assert isinstance(big, InvalidRecord) and big.reason == "too_big"
    assert isinstance(after, FileRecord) and after.line == 2
    path.write_bytes(_varint(5000) + b"x" * 5000 + _varint(4) + b"abcd")
    big, after = read_file(path)
    assert big.reason == "too_big"
    assert after.data == b"abcd"


@pytest.mark.parametrize("cut", [1, 3, 100])
def test_a_file_that_ends_early(tmp_path: Path, records: list[bytes], cut: int) -> None:
    proto = _proto(records[0])
    path = tmp_path / "cut"
    path.write_bytes((len(proto).to_bytes(4, "big") + proto)[:-cut])
    assert [item.reason for item in read_file(path)] == ["undecodable"]
    path.write_bytes(gzip.compress(b"\n".join(records))[:-cut])
    found = list(read_file(path))
    assert isinstance(found[-1], InvalidRecord) and "gzip" in found[-1].detail


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.write_bytes(b"")
    assert list(read_file(path)) == []
    with pytest.raises(FileNotFoundError):
        list(read_file(tmp_path / "absent"))
