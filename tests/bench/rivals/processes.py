"""Starts a rival as a process of its own, with the libraries that it needs in a cache of the benchmark's own.

The Python libraries go into a virtual environment, the Java ones come from their Maven artifact; both stay in the
user's cache, and nothing of them is in the product's lock.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.apache_kafka import VERSION, _run, _tool

PINS: Final = {
    "faust-streaming": "0.15.3",
    "aiokafka": "0.14.0",
    "cramjam": "2.11.0",
    "quixstreams": "3.28.0",
    "bytewax": "0.21.1",
    "confluent-kafka": "2.12.2",
    "orjson": "3.13.0",
}
_HERE: Final = Path(__file__).parent
_ROOT: Final = _HERE.parents[2]
_CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringback-tests"
_LONGEST_S: Final = 300.0
_POM: Final = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>ringback.tests</groupId><artifactId>rival</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-streams</artifactId><version>{VERSION}</version></dependency>
  </dependencies>
</project>
"""


class Feed(NamedTuple):
    """What a rival is to read, and where its alerts go."""

    servers: str
    topic: str
    alerts: str
    rows: int


def python() -> str:
    """The interpreter that has the Python rivals; made the first time."""
    pins = [f"{name}=={version}" for name, version in PINS.items()]
    folder = _CACHE / f"rivals-{uuid.uuid5(uuid.NAMESPACE_OID, ' '.join([sys.version, *pins])).hex[:8]}"
    interpreter = str(folder / "bin" / "python")
    if not (folder / "whole").exists():
        _run([sys.executable, "-m", "venv", "--without-pip", "--clear", str(folder)])
        _run([str(Path(sys.executable).parent / "uv"), "pip", "install", "--python", interpreter, *pins])
        (folder / "whole").touch()
    return interpreter


def java() -> list[str]:
    """The command that starts the rival in Java, but for the number of threads; compiled the first time."""
    source = _HERE / "SpeedRule.java"
    jars = _CACHE / f"kafka-streams-{VERSION}"
    if not (jars / "whole").exists():
        jars.mkdir(parents=True, exist_ok=True)
        (jars / "pom.xml").write_text(_POM, encoding="utf-8")
        _run([_tool("mvn"), "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={jars}"], cwd=jars)
        (jars / "whole").touch()
    _run([_tool("javac"), "-cp", f"{jars}/*", "-d", str(jars), str(source)])
    return [_tool("java"), "-Xmx1g", "-cp", f"{jars}:{jars}/*", "SpeedRule"]


def commands() -> dict[str, list[str]]:
    """How each rival is started."""
    own, streams = python(), java()
    return {
        "Quix Streams": [own, "-W", "ignore", "-m", "tests.bench.rivals.quix"],
        "Bytewax": [own, "-m", "tests.bench.rivals.dataflow"],
        "Kafka Streams, 1 thread": [*streams, "1"],
        "Kafka Streams, 2 threads": [*streams, "2"],
        "naive Faust": [own, "-W", "ignore", "-m", "tests.bench.rivals.naive_faust", "worker", "-l", "error"],
    }


def run(command: Sequence[str], feed: Feed) -> dict[str, float]:
    """One rival from the first row to the last, then it is ended; answers its own figures.

    Raises:
        RuntimeError: it ended or hung before it was through; the message has its last words.
    """
    with tempfile.TemporaryDirectory(prefix="ringback-rival-") as folder:
        told, words = Path(folder) / "told.json", Path(folder) / "words"
        own = {
            "RIVAL_SERVERS": feed.servers,
            "RIVAL_TOPIC": feed.topic,
            "RIVAL_ALERTS": feed.alerts,
            "RIVAL_ROWS": str(feed.rows),
            "RIVAL_RESULT": str(told),
            "RIVAL_NAME": f"rival-{uuid.uuid4().hex[:8]}",
            "TMPDIR": folder,
            "PYTHONPATH": str(_ROOT),
        }
        with words.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own words
                command, env=os.environ | own, cwd=folder, stdout=log, stderr=subprocess.STDOUT
            )
            try:
                deadline = time.monotonic() + _LONGEST_S
                while not told.exists():
                    if process.poll() is not None or time.monotonic() > deadline:
                        last = words.read_text(encoding="utf-8", errors="replace")[-3000:]
                        raise RuntimeError(f"{command} told nothing:\n{last}")
                    time.sleep(0.05)
            finally:
                process.kill()
                process.wait()
        figures: dict[str, float] = json.loads(told.read_text(encoding="ascii"))
        return figures
