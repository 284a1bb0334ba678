"""`bronze.events` in; `silver.events`, `.quarantine`, `.quality`, `.ledger` and two small tables out.

Records are parsed strictly, validated with the Great Expectations suite `events`, split row by row by
that same definition, and become one row per distinct event. Promised: a record's outcome depends on the
record, its delivery and the suite alone; delivered = accepted + duplicate + quarantined for every source.
"""
