"""Tables on a disk of this machine, as delta-rs reads them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from deltalake import DeltaTable
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem


class OnDisk(DeltaTable):
    """A table whose files Arrow reads by itself. Through delta-rs its threads call Python, and one that does
    so while the process ends aborts it, after all was done.
    """

    def to_pyarrow_dataset(  # type: ignore[override] # the other parameters go on by name
        self, partitions: Any = None, filesystem: Any = None, **named: Any
    ) -> Any:
        """As delta-rs gives it."""
        folder = url2pathname(urlsplit(self.table_uri).path)
        ours = filesystem or SubTreeFileSystem(folder, LocalFileSystem())
        return super().to_pyarrow_dataset(partitions=partitions, filesystem=ours, **named)
