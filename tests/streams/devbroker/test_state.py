"""What a broker knows of topics, offsets and producers, after a restart and after a torn write."""

from __future__ import annotations

import pytest

from schemas.errors import ConfigError, Fatal
from streams.devbroker.broker import Broker
from streams.devbroker.files import OpenFiles
from streams.devbroker.journal import Journal
from streams.devbroker.offsets import Committed
from streams.devbroker.settings import DevBrokerSettings
from tests.streams.devbroker.batches import batch

SETTINGS = DevBrokerSettings()


def crash(broker: Broker) -> None:
    """Leave the files as they are; only the operating system would drop the lock."""
    broker._lock.release()


def test_a_torn_line_is_cut_at_any_byte(tmp_path):
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.replay()
    journal.write("topic", "first")
    whole = path.stat().st_size
    journal.write("topic", "second")
    content = path.read_bytes()
    for length in range(whole, len(content)):
        path.write_bytes(content[:length])
        again = Journal(path)
        assert again.replay() == [["topic", "first"]]
        again.write("topic", "third")
        assert Journal(path).replay() == [["topic", "first"], ["topic", "third"]]


def test_damage_before_the_last_line_is_fatal_and_touches_nothing(tmp_path):
    broker = Broker(tmp_path, SETTINGS)
    for name in ("first", "second", "third"):
        broker.topics.create(name, 1, {}).logs[0].append(batch([b"x"]))
    crash(broker)
    path = tmp_path / "journal"
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"second"', b'"sec0nd"', 1))
    with pytest.raises(Fatal, match="line 4 is damaged"):
        Journal(path).replay()
    path.write_bytes(content)
    broker = Broker(tmp_path, SETTINGS)
    assert [topic.logs[0].end_offset for topic in broker.topics] == [1, 1, 1]


def test_a_full_disk_does_not_tear_the_journal(tmp_path, file_size_limit):
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.replay()
    journal.write("kept")
    with file_size_limit(path.stat().st_size + 5), pytest.raises(OSError):
        journal.write("lost", "x" * 100)
    journal.write("after")
    assert Journal(path).replay() == [["kept"], ["after"]]


def test_everything_is_known_after_a_crash(tmp_path):
    broker = Broker(tmp_path, SETTINGS)
    broker.topics.create("first", 2, {"retention.ms": "1000000"})
    broker.topics.create("second", 1, {})
    broker.topics.grow("second", 3)
    broker.topics.log("second", 2).append(batch([b"x"] * 10))
    broker.topics.delete_records("second", 2, 4)
    broker.topics.create("gone", 1, {})
    broker.offsets.commit("group", [Committed("first", 1, 42, 0, "note"), Committed("gone", 0, 1, 0, "")])
    broker.delete_topic("gone")
    given = [broker.new_producer_id() for _ in range(3)]
    for _ in range(2):
        crash(broker)
        broker = Broker(tmp_path, SETTINGS)
        assert {topic.name: len(topic.logs) for topic in broker.topics} == {"first": 2, "second": 3}
        assert broker.topics.get("first").config.retention_ms == 1_000_000
        log = broker.topics.log("second", 2)
        assert (log.start_offset, log.end_offset) == (4, 10)
        assert broker.offsets.of("group") == {("first", 1): Committed("first", 1, 42, 0, "note")}
    assert broker.new_producer_id() not in given


def test_the_journal_is_shortened_while_the_broker_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("streams.devbroker.journal.REWRITE_SLACK_BYTES", 10_000)
    broker = Broker(tmp_path, SETTINGS)
    broker.topics.create("topic", 1, {})
    for offset in range(500):
        broker.offsets.commit("group", [Committed("topic", 0, offset, 0, "")])
    long = (tmp_path / "journal").stat().st_size
    broker.keep_house()
    assert (tmp_path / "journal").stat().st_size < long / 20
    broker.offsets.commit("group", [Committed("topic", 0, 500, 0, "")])
    crash(broker)
    assert Broker(tmp_path, SETTINGS).offsets.of("group")["topic", 0].offset == 500


def test_a_topic_whose_deletion_was_cut_short_is_gone(tmp_path):
    broker = Broker(tmp_path, SETTINGS)
    topic = broker.topics.create("half", 1, {})
    topic.logs[0].append(batch([b"old"]))
    broker._journal.write("deleted", "half")  # and here it died
    crash(broker)
    broker = Broker(tmp_path, SETTINGS)
    assert not topic.folder.exists()
    assert broker.topics.create("half", 1, {}).logs[0].end_offset == 0


def test_names_that_differ_in_case_only_are_two_topics(tmp_path):
    broker = Broker(tmp_path, SETTINGS)
    folders = {str(broker.topics.create(name, 1, {}).folder).lower() for name in ("Traces", "traces")}
    assert len(folders) == 2  # on file systems that do not tell the case, too


def test_one_broker_a_directory(tmp_path):
    first = Broker(tmp_path, SETTINGS)
    with pytest.raises(ConfigError, match="in use by another dev broker"):
        Broker(tmp_path, SETTINGS)
    first.close()
    Broker(tmp_path, SETTINGS).close()


def test_open_files_are_bounded(tmp_path):
    files = OpenFiles(max_open=3)
    descriptors = {files.descriptor(tmp_path / str(number)) for number in range(50)}
    assert len(descriptors) <= 4
    assert len(files._open) == 3
    files.drop(tmp_path / "49")
    files.close()
    assert not files._open
