"""The command: it gets ready, stops when told to, and says what is wrong."""

from __future__ import annotations

import signal
import subprocess
import sys

from aiokafka import AIOKafkaProducer

from tests.brokers import ROOT, DevBrokerProcess

COMMAND = [sys.executable, "-m", "streams.devbroker"]


async def test_it_stops_cleanly_and_starts_again_with_its_data(tmp_path):
    broker = DevBrokerProcess(tmp_path / "data")
    for expected_offset in range(2):
        broker.start()
        producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers)
        await producer.start()
        sent = await producer.send_and_wait("greetings", b"hello", partition=0)
        await producer.stop()
        assert sent.offset == expected_offset
        process = broker.process
        broker.stop()
        assert process.returncode == 0
    assert "Traceback" not in broker.log_path.read_text()


def test_a_second_broker_on_the_same_directory_is_told_who_has_it(tmp_path):
    first = DevBrokerProcess(tmp_path / "data")
    first.start()
    second = subprocess.run(
        [*COMMAND, "--port", "0", "--data", tmp_path / "data"], cwd=ROOT, capture_output=True, text=True, timeout=20
    )
    assert second.returncode == 2
    assert f"in use by another dev broker (process {first.process.pid})" in second.stderr
    first.kill()
    first.start()  # the lock went with the process
    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(10) == 0


def test_a_port_that_is_taken_is_an_error_that_names_it(dev_broker, tmp_path):
    taken = str(dev_broker.port)
    second = subprocess.run(
        [*COMMAND, "--port", taken, "--data", tmp_path], cwd=ROOT, capture_output=True, text=True, timeout=20
    )
    assert second.returncode == 2
    assert f"cannot listen on 127.0.0.1:{taken}" in second.stderr
