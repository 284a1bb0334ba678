"""What Spark is set to, where it shows in what is done."""

from __future__ import annotations

METRICS = "org.apache.spark.metrics.source.CodegenMetrics$"
QUERIES = 150
"""Each takes a piece of generated code: more than Spark keeps by itself, fewer than a batch takes."""


def test_code_that_was_made_for_one_batch_is_there_for_the_next(spark):
    made = getattr(getattr(spark._jvm, METRICS), "MODULE$").METRIC_COMPILATION_TIME()
    counts = []
    for _ in range(2):
        before = made.getCount()
        for number in range(QUERIES):
            spark.range(1).selectExpr(f"id + {number}").collect()
        counts.append(made.getCount() - before)
    assert counts[0] >= QUERIES
    assert counts[1] == 0
