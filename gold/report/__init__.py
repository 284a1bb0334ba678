"""The tables in; out the site people look at, the metrics file, and a message when something broke.

Promised: every number comes from the tables, so the site can be rebuilt for any earlier run; what others
sent (ids, payloads, names of fields and files) is text on a page and nothing else; no page asks the
network for anything; memory and time are bounded, and a page says what it leaves out for that.
"""
