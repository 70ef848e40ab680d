"""An S3 server that looks at every signature: a process that a test starts, on a port of its choice, and ends.

usage: s3_server.py PORT [CERTIFICATE KEY]      with both it speaks HTTPS, and HTTP on another port to itself

It is moto's server with its authentication on; two things are put right, without which boto3 itself would be refused,
or a changed body accepted (see :class:`SignedAsItCame`). It makes the bucket ``renders`` and one user who may use it,
prints ``ready ACCESS_KEY SECRET_KEY`` in one line, and from then on refuses whoever does not sign with that key. All it
keeps is in memory: it ends with its objects.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from typing import Any

# Before moto is loaded: what it makes up is the same in every run, and nobody is asked where this machine is.
os.environ.update(
    AWS_ACCESS_KEY_ID="setup",
    AWS_SECRET_ACCESS_KEY="setup",
    AWS_DEFAULT_REGION="us-east-1",
    AWS_EC2_METADATA_DISABLED="true",
    NO_PROXY="127.0.0.1",
)

import boto3  # noqa: E402
import flask  # noqa: E402
from moto import settings  # noqa: E402
from moto.iam import access_control  # noqa: E402
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402

BUCKET = "renders"
RIGHTS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
}


class SignedAsItCame(access_control.S3IAMRequest):
    """A request to S3 whose signature is checked over what was sent.

    moto decodes the address first, so that no key with a space and no list of a folder has a right signature; and it
    believes the hash of the body that the request states.
    """

    def check_signature(self) -> None:
        self._path = flask.request.environ["RAW_URI"]
        stated = self._headers.get("X-Amz-Content-Sha256")
        if stated != "UNSIGNED-PAYLOAD" and stated != hashlib.sha256(self._body).hexdigest():
            self._raise_signature_does_not_match()
        super().check_signature()


def make_user(endpoint: str) -> tuple[str, str]:
    """The one who may use the bucket. -> his access key and secret."""
    iam = boto3.client("iam", endpoint_url=endpoint)
    iam.create_user(UserName="luna")
    iam.put_user_policy(UserName="luna", PolicyName="s3", PolicyDocument=json.dumps(RIGHTS))
    key = iam.create_access_key(UserName="luna")["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def serve(application: Any, port: int, identity: tuple[str, str] | None = None) -> str:
    """Serves on a port of loopback, in threads. -> the address."""
    server = make_server("127.0.0.1", port, application, threaded=True, ssl_context=identity)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def main() -> None:
    port, *identity = sys.argv[1:]
    application = DomainDispatcherApplication(create_backend_app)
    endpoint = serve(application, 0 if identity else int(port))
    access, secret = make_user(endpoint)
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=BUCKET)
    access_control.S3IAMRequest = SignedAsItCame
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0  # from here on every signature counts
    if identity:
        serve(application, int(port), (identity[0], identity[1]))
    print("ready", access, secret, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
