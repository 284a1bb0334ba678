"""What every layer shares and nothing more: settings, where things lie, the Spark session,
the declaration of every table, the expectation suites, and how a commit is made exactly once.

In: `conf/lakehouse.toml` and `LAKEHOUSE_*`. Out: values and small functions.
Promise: a path, a table name or a column of a table is spelled here and nowhere else.
"""
