#!/usr/bin/env python3
"""Stands in for luna-node in the tests of ``start_daemon``: listens, says ready, answers hello and ping.

Options beside those of luna-node: ``--fail TEXT`` logs the text and ends with status 3; ``--hang`` never gets ready;
``--no-gateway`` is ready without one; ``--recover`` says first that it recovers. It counts its starts in ``starts`` in
its data folder and ends on SIGTERM.
"""

import argparse
import os
import pathlib
import signal
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gateway", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--models", action="append", default=[])
    parser.add_argument("--extra-model-paths")
    parser.add_argument("--output", action="append", default=[])
    parser.add_argument("--starter-token")
    parser.add_argument("--fail")
    parser.add_argument("--hang", action="store_true")
    parser.add_argument("--recover", action="store_true")
    parser.add_argument("--no-gateway", action="store_true")
    options = parser.parse_args()
    data = pathlib.Path(options.data)
    with open(data / "starts", "a") as file:
        file.write(" ".join(sys.argv[1:]) + "\n")
    print("starting", file=sys.stderr, flush=True)
    if options.fail:
        print(options.fail, file=sys.stderr, flush=True)
        return 3
    if options.recover:
        print("recovering node=local done=1 of=2", flush=True)
    if options.hang:
        signal.pause()
    if options.no_gateway:
        print("ready node=local gateway=-", flush=True)
        signal.pause()
    return serve(options.gateway)


def serve(gateway: str) -> int:
    import fake_server

    host, _, port = gateway.rpartition(":")
    listener = socket.create_server((host, int(port)))
    server = fake_server.FakeServer(
        on_request=lambda request: request.reply({"pong": True}), listener=listener
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"ready node=local gateway={server.address}", flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())
