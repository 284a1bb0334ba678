"""Every table for any JDBC tool: Spark's Thrift server, in this process."""

from __future__ import annotations

import re
import signal
import threading
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from conf import console, failure, objects, session
from conf.errors import DONE, LakehouseError, UsageError
from conf.settings import Settings

THRIFT = "spark.hadoop.hive.server2.thrift"


def address(text: str) -> tuple[str, int]:
    """Host and port of `[HOST:]PORT`; without a host, loopback. Raises UsageError for any other text."""
    host, _, port = text.rpartition(":")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 1 << 16 or re.search(r"\s", host):
        raise UsageError(f"--serve takes [HOST:]PORT, as 10000 or 0.0.0.0:10000 (found: {text!r}).")
    return host or session.LOOPBACK, int(port)


def serve(settings: Settings, listen: tuple[str, int], statements: list[str], scratch: Path) -> int:
    """After these statements answer JDBC until told to end, by Ctrl-C or SIGTERM; returns the exit status.

    A table is read as it stands at each query. Raises LakehouseError when the port is not to be had, or when
    the server ends by itself.
    """
    host, port = listen
    thrift = {
        f"{THRIFT}.bind.host": host,
        f"{THRIFT}.port": str(port),
        # Rows go out as they are read: otherwise a whole answer must fit in memory.
        "spark.sql.thriftServer.incrementalCollect": "true",
    }
    told = threading.Event()
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: told.set())
    wanted = settings.model_copy(update={"spark": thrift | settings.spark})
    spark = session.start(wanted, scratch, scratch / "spark.log")
    try:
        for statement in statements:
            spark.sql(statement)
        server = _started(spark, scratch, f"{host}:{port}")
        served = objects.address(settings.place.root)
        console.say(f"Serving {served} at jdbc:hive2://{host}:{port}. Ctrl-C ends it.")
        while not told.wait(1):
            if server.getServiceState().toString() != "STARTED":
                raise LakehouseError(
                    "The Thrift server ended by itself. No table was changed. Start it again."
                )
    finally:
        spark.stop()
    return DONE


def _started(spark: SparkSession, scratch: Path, where: str) -> Any:
    jvm: Any = spark._jvm  # noqa: SLF001 - the server has no Python name
    # Its own catalog of nothing is a Derby database, which logs into the working directory.
    jvm.java.lang.System.setProperty("derby.stream.error.file", str(scratch / "derby.log"))
    try:
        server = jvm.org.apache.spark.sql.hive.thriftserver.HiveThriftServer2
        return server.startWithSparkSession(spark._jsparkSession, False)  # noqa: SLF001
    except Py4JError as failed:
        raise LakehouseError(
            f"{where}: the Thrift server cannot listen there ({failure.gist(failed)}).\n"
            "No table was changed. Name another address: --serve [HOST:]PORT."
        ) from None
