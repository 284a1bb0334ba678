"""Settings for a cluster: what a person gave wins, what only this machine knows stays here."""

from __future__ import annotations

from pathlib import Path

import pytest

from conf import cluster, jars, session, settings


def in_force(master: str, given: dict[str, str] | None = None, **spark: str) -> dict[str, str]:
    """Spark's settings for that master, with what spark-submit was told and what stands under [spark]."""
    return session.spark_settings(settings.load(master=master, spark=spark), Path("/scratch"), given or {})


@pytest.mark.parametrize(
    ("master", "loopback"),
    [
        ("local", True),
        ("local[*]", True),
        ("spark://127.0.0.1:7077", True),
        ("spark://localhost:7077", True),
        ("spark://[::1]:7077", True),
        ("spark://127.0.0.1.example:7077", False),
        ("spark://localhost.example:7077", False),
        ("spark://master:7077", False),
        ("spark://master:7077,127.0.0.1:7077", False),
        ("k8s://https://127.0.0.1:6443", False),
        ("yarn", False),
    ],
)
def test_a_driver_listens_beyond_loopback_only_for_a_master_elsewhere(master, loopback):
    assert cluster.is_loopback(master) is loopback
    assert (in_force(master).get("spark.driver.bindAddress") == "127.0.0.1") is loopback
    assert ("SPARK_LOCAL_IP" in session.environment(settings.load(master=master))) is loopback


def test_executors_are_told_nothing_of_the_drivers_disk():
    told = in_force("spark://master:7077")
    of_the_driver = {"spark.driver.extraJavaOptions", "spark.sql.warehouse.dir", "spark.jars"}
    assert {name for name, value in told.items() if "/" in value} == of_the_driver | {"spark.master"}


def test_executors_are_handed_every_jar_of_ours():
    handed = in_force("spark://master:7077")["spark.jars"].split(",")
    assert [Path(jar).name for jar in handed] == [jar.file for jar in jars.pinned()]
    assert "spark.jars" not in in_force("local[2]")


def test_sizes_wait_for_the_cluster_to_tell_its_cores():
    sizes = cluster.sized_for(8)
    assert sizes["spark.sql.shuffle.partitions"] == "32"
    assert sizes.keys() <= in_force("local[2]").keys()
    assert not sizes.keys() & in_force("spark://master:7077").keys()


def test_what_spark_submit_was_told_wins_over_ours():
    given = {"spark.master": "spark://master:7077", "spark.ui.enabled": "true", "spark.jars": "/a.jar"}
    told = in_force("local[*]", given)
    assert given.items() <= told.items()
    assert "spark.driver.bindAddress" not in told


def test_the_settings_of_a_person_win_over_all():
    told = in_force("local[*]", {"spark.ui.enabled": "true"}, **{"spark.ui.enabled": "false"})
    assert told["spark.ui.enabled"] == "false"


def test_without_spark_submit_nothing_was_told(monkeypatch):
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    assert cluster.submitted() == {}
