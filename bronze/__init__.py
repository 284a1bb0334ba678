"""Deliveries (files, or the records of a Kafka topic) in, `bronze.events` and `bronze.deliveries` out.

Every record is kept exactly as delivered, with where it came from. Promised: each delivery is
taken exactly once, whatever its name, format or modification time; a file that is not what its name
says is set aside whole with the reason, and never stops the others. A Kafka record is taken once as well, and
one that Kafka lost before it was taken is told, never passed over in silence.
"""
