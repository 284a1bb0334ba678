"""Deliveries in, `bronze.events` and `bronze.deliveries` out.

Every record is kept exactly as delivered, with where it came from. Promised: each delivery is
taken exactly once, whatever its name, format or modification time; a file that is not what its name
says is set aside whole with the reason, and never stops the others.
"""
