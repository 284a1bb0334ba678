"""Makes deliveries of ad events as real senders do, and the key that says what gold must be.

In: an `Order` (how many events, which hours, which seed and format, which share of them repeated, late or
malformed) and the home to deliver into. Out: hourly files in `landing`, or the same records in a Kafka topic;
the site they tell of in `world`, and in `answers` the exact gold for everything ever generated there, with
what was malformed and why.
Promise: the same order gives the same bytes, a later one adds to what is there, and the key is counted by
Polars from the events themselves, never by the code it checks.
"""

from generator.deliveries import Delivered, generate
from generator.order import Order

__all__ = ["Delivered", "Order", "generate"]
