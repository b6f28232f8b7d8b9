"""Opening the store an address is in."""

from __future__ import annotations

from muster_core.lake.address import Address
from muster_core.lake.object import ObjectStore


def open_store(address: Address) -> ObjectStore:
    """Return the bucket or container of `address`, with the credentials of this process's environment.

    Raises:
        AccessDenied: there are no credentials for it, or none that can be read.
    """
    # Each client takes a sixth of a second to import and is not needed by most: every engine worker of a
    # local lake would wait for both.
    if address.account is None:
        from muster_core.lake.s3 import S3Bucket

        return S3Bucket(address.bucket)
    from muster_core.lake.azure import AzureContainer

    return AzureContainer(address.bucket, address.account)
