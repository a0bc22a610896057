"""S3 on loopback: moto's own server behind the faults of `StandIn`.

    python -m tests.servers.s3 --bucket my-bucket
    # then, in another shell, with the variables that it prints:
    mmvsf dataset sandbox --data-dir s3://my-bucket

Everything is kept in memory and any key is let in. moto's backends are global: two servers of one process hold the
same buckets.
"""

from __future__ import annotations

import argparse
import json
import os
from urllib.parse import quote, urlencode

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.test import Client

from .base import Request, Response, StandIn, main


def client_environment(url: str) -> dict[str, str]:
    """The environment that leads the AWS clients to a server, and to no account."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_REGION": "us-east-1",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class S3(StandIn):
    """Answers what moto answers. `buckets` are made at once."""

    def __init__(self, port: int = 0, buckets: tuple[str, ...] = ("cubes",)) -> None:
        super().__init__(port)
        self._moto = Client(DomainDispatcherApplication(create_backend_app))
        for bucket in buckets:
            self._moto.put(f"/{bucket}", base_url=self.url)

    def publish(self, bucket: str) -> None:
        """Let everybody read a bucket."""
        statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*"}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        self._moto.put(f"/{bucket}?policy", base_url=self.url, data=json.dumps(policy))
        self._moto.put(f"/{bucket}?acl", base_url=self.url, headers={"x-amz-acl": "public-read"})

    def environment(self) -> dict[str, str]:
        """The environment that leads the AWS clients here, and to no account."""
        return client_environment(self.url)

    def answer(self, request: Request) -> Response:
        """See `StandIn`."""
        answer = self._moto.open(
            quote(request.path),
            base_url=self.url,
            method=request.method,
            query_string=urlencode(request.query),
            headers=request.headers,
            data=request.body,
        )
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _OWN}
        if request.method == "HEAD":  # the length of the object, though no body is sent
            kept["Content-Length"] = answer.headers["Content-Length"]
        return Response(answer.status_code, answer.get_data(), answer.content_type or "", kept)


_OWN = {"content-type", "content-length", "connection", "transfer-encoding", "date", "server"}
"""Headers that the base writes itself."""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="S3 on loopback, in memory.")
    parser.add_argument("--bucket", action="append", default=[], help="a bucket to make [default: cubes]")
    main(parser, lambda given: S3(given.port, tuple(given.bucket) or ("cubes",)))
