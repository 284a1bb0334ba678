"""`silver.events` in, the four statistics tables out: views, clicks and distinct users per placement
and per page, by hour and by day.

Promised: a bucket is recounted whole from silver, never added to, so counting twice is not possible;
only buckets that silver touched are recounted; a run that changes no number commits nothing.
"""
