"""Object storage: a lakehouse at `s3a://bucket/prefix`, and what each program must be told to read it.

Who may read and write is said where every AWS program looks: AWS_ACCESS_KEY_ID and its like, AWS_PROFILE, a
role. AWS_ENDPOINT_URL names another S3-compatible store than Amazon's.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from conf.errors import LakehouseError, UsageError

if TYPE_CHECKING:
    from upath import UPath

ADDRESS = re.compile(r"s3a?://(?P<bucket>[a-z0-9][a-z0-9.-]+)(?P<prefix>(/[^/]+)*)/?")
TIMES = {"connect_timeout": 10, "retries": {"mode": "standard", "max_attempts": 5}}
SCHEME = "s3a://"
REGION = "us-east-1"
"""What a store elsewhere than Amazon's is asked for; it does not care, its clients do."""


def is_address(home: str) -> bool:
    """Whether a home is meant to lie in object storage."""
    return home.lower().startswith(("s3:", "s3a:"))


def far(path: Path) -> UPath | None:
    """The path as object storage knows it; None for one on a disk of this machine."""
    either: Any = path
    return None if isinstance(either, Path) else cast("UPath", either)


def near(place: UPath) -> Path:
    """The place for those who ask no more of it than what paths can: read, write, exist, have a parent."""
    return cast("Path", place)


def place(address: str) -> Path:
    """The place an address names; raises UsageError when it names none."""
    found = ADDRESS.fullmatch(address)
    if found is None:
        raise UsageError(f"{address!r} is no place in object storage; write it like s3a://bucket/prefix.")
    from upath import UPath

    client = {"endpoint_url": endpoint(), "region_name": _region()}
    path_style = {"s3": {"addressing_style": "path"}} if endpoint() else {}
    # What another program put there since must be seen.
    named = UPath(
        f"s3://{found['bucket']}{found['prefix']}",
        client_kwargs={name: value for name, value in client.items() if value},
        config_kwargs=TIMES | path_style,
        use_listings_cache=False,
    )
    return near(named)


def address(of: Path) -> str:
    """The place as Spark and delta-rs take it: a path, or s3a://bucket/prefix."""
    there = far(of)
    return f"{SCHEME}{there.path}" if there else str(of)


def endpoint() -> str:
    """The store asked, empty for Amazon's own."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")


def _region() -> str:
    named = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", "")
    return named or (REGION if endpoint() else "")


def spark_settings() -> dict[str, str]:
    """Spark's settings for tables in object storage."""
    given = {"endpoint": endpoint(), "endpoint.region": _region()}
    options = {name: value for name, value in given.items() if value}
    if endpoint():
        options["path.style.access"] = "true"
    return {
        # Environment, profile, web identity, container and instance roles, in this order.
        "spark.hadoop.fs.s3a.aws.credentials.provider": (
            "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"
        ),
        **{f"spark.hadoop.fs.s3a.{name}": value for name, value in options.items()},
    }


def reader_options(at: Path) -> dict[str, str]:
    """delta-rs' settings for a table at that place; it knows the AWS variables by itself."""
    if far(at) is None:
        return {}
    is_plain = urlsplit(endpoint()).scheme == "http"
    return {"AWS_REGION": _region()} | ({"AWS_ALLOW_HTTP": "true"} if is_plain else {})


def check(root: Path) -> None:
    """Raise when its bucket cannot be reached with what this process knows of it; a disk is not looked at."""
    there = far(root)
    if there is None:
        return
    from botocore.exceptions import BotoCoreError

    bucket = there.path.partition("/")[0]
    try:
        there.fs.call_s3("head_bucket", Bucket=bucket)
    except FileNotFoundError:
        raise UsageError(
            f"{address(root)}: there is no bucket {bucket} at {endpoint() or 'Amazon S3'}. Nothing was "
            "changed. Make the bucket, or name another home with --home."
        ) from None
    except PermissionError:
        raise UsageError(
            f"{address(root)}: access to bucket {bucket} was refused. Nothing was changed. Correct "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE, or the role), and run again."
        ) from None
    except (OSError, BotoCoreError) as failed:
        raise LakehouseError(
            f"{address(root)}: the object storage cannot be asked ({failed}).\nNothing was changed. Correct "
            "AWS_ENDPOINT_URL or the credentials, or wait until it is back, and run again."
        ) from None


@dataclass(frozen=True)
class Item:
    """A file below a folder: `path` relative to it, size, when it was written (Unix seconds), and in object
    storage its ETag, which changes with its content.
    """

    path: str
    bytes: int
    written: float
    etag: str = ""


def listed(folder: Path) -> Iterator[Item]:
    """Every file below a folder; none when it is not there."""
    there = far(folder)
    if there is None:
        for path in folder.rglob("*"):
            if path.is_file():
                facts = path.stat()
                yield Item(str(path.relative_to(folder)), facts.st_size, facts.st_mtime)
        return
    for path, facts in there.fs.find(there.path, detail=True).items():
        yield _item(path[len(there.path) + 1 :], facts)


def item(place: UPath) -> Item:
    """The file at a place; raises FileNotFoundError when there is none."""
    return _item(place.name, place.fs.info(place.path))


def _item(path: str, facts: dict[str, Any]) -> Item:
    return Item(path, facts["size"], facts["LastModified"].timestamp(), facts["ETag"])


def write_whole(file: Path, text: str) -> None:
    """Put the text there, whole or not at all."""
    if far(file):
        file.write_text(text, "utf-8")
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_suffix(".tmp")
    half.write_text(text, "utf-8")
    half.replace(file)


def move(file: Path, to: Path) -> None:
    """Move a file within its disk or store, making the folders it needs; raises OSError."""
    there, beyond = far(file), far(to)
    if there and beyond:
        there.fs.mv(there.path, beyond.path)
    else:
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, to)


def remove(folder: Path) -> None:
    """Take away everything below a folder; nothing happens when it is not there."""
    there = far(folder)
    if there is None:
        shutil.rmtree(folder, ignore_errors=True)
    elif there.fs.exists(there.path):
        there.fs.rm(there.path, recursive=True)


def send(folder: Path, to: Path, *, last: str = "") -> None:
    """Put every file below `folder` there, in place of those of the same name; `last` after all others.

    Nothing happens when that is the folder itself.
    """
    there = far(to)
    if there is None:
        return
    files = sorted(
        (file for file in folder.rglob("*") if file.is_file()),
        key=lambda file: (str(file.relative_to(folder)) == last, file),
    )
    names = [f"{there.path}/{file.relative_to(folder).as_posix()}" for file in files]
    early = len(files) - (1 if last else 0)
    for part in (slice(None, early), slice(early, None)):
        if names[part]:
            there.fs.put([str(file) for file in files[part]], names[part])


def mirror(folder: Path, to: Path, last: str) -> None:
    """Make `to` hold what `folder` holds and nothing else; readers meet `last` after what it needs."""
    there = far(to)
    if there is None:
        return
    send(folder, to, last=last)
    kept = {file.path for file in listed(folder)}
    if gone := [f"{there.path}/{file.path}" for file in listed(to) if file.path not in kept]:
        there.fs.rm(gone)


@contextmanager
def at_hand(folders: Iterable[tuple[Path, Path]]) -> Iterator[None]:
    """Within it each local folder holds what its place in object storage held; what it holds at the end is
    sent there. Places on this machine are left alone.
    """
    kept = list(folders)
    for place, here in kept:
        if there := far(place):
            for item in listed(place):
                (here / item.path).parent.mkdir(parents=True, exist_ok=True)
                there.fs.get_file(f"{there.path}/{item.path}", str(here / item.path))
    yield
    for place, here in kept:
        send(here, place)
