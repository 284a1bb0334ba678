"""Good records come in every way a sender may write them."""

import csv
import io

import pytest


@pytest.mark.parametrize(
    "mark",
    [
        pytest.param(b'"timestamp":"1', id="timestamp-as-text"),
        pytest.param(b'"event_type":"0"', id="event-type-as-text"),
        pytest.param(b'{"user_id"', id="other-order"),
        pytest.param(b' { "timestamp" :\t1', id="white-space"),
        pytest.param(b"\r\n", id="carriage-return"),
        pytest.param(b'"sdk":"3.2.1"', id="extra-field"),
        pytest.param(b'"geo":{"country"', id="extra-object"),
        pytest.param(rb"b\u002d0", id="escapes"),
    ],
)
def test_json_lines_of_other_senders(give, home, read, bytes_below, mark):
    give(malformed=0, events=5000)
    lines = b"".join(bytes_below(home.landing).values()).splitlines(keepends=True)
    assert 0 < sum(mark in line for line in lines) < 0.01 * len(lines)
    assert read(home.landing).refused == 0


def test_csv_files_differ(give, home, bytes_below):
    give(format="csv", malformed=0, hours=40)
    files = list(bytes_below(home.landing).values())
    headers = [next(csv.reader(io.StringIO(body.decode(), newline=""))) for body in files]
    assert len(files) == 40
    assert len({tuple(header) for header in headers}) > 30
    assert {"sdk" in header for header in headers} == {True, False}
    assert {body.startswith(b'"') for body in files} == {True, False}
    assert {b"\r\n" in body for body in files} == {True, False}
