"""The object stores of the tests themselves: they hold what is put and refuse strangers."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError
from botocore.exceptions import ClientError


def test_the_s3_server_refuses_a_wrong_key(s3_server):
    bucket = s3_server.bucket()
    with s3_server.client() as client:
        client.put_object(Bucket=bucket, Key="a", Body=b"1")
    with s3_server.client("wrong") as stranger, pytest.raises(ClientError, match="Signature"):
        stranger.get_object(Bucket=bucket, Key="a")


def test_the_azure_server_refuses_a_wrong_key(azure_server):
    container = azure_server.container()
    with azure_server.client() as client:
        client.get_container_client(container).upload_blob("a", b"1")
    with azure_server.client("d3Jvbmc=") as stranger, pytest.raises(HttpResponseError) as refused:
        stranger.get_container_client(container).download_blob("a")
    assert refused.value.status_code == 403
