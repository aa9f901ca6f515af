"""sub-svc in Python: GET /api/v1/execute/?l=<int>&r=<int> answers l - r.

It uses the standard library only. It contains no code for the mesh: sub-svc's
Envoy calls it over plain HTTP.
"""

import argparse
import json
import os
import re
import signal
import sys
import threading
import time
import uuid
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

NAME = "sub-svc"
VERSION = os.environ.get("SERVICE_VERSION", "v1")
# The short form of the allocation's id, as Nomad shows it.
INSTANCE = os.environ.get("NOMAD_ALLOC_ID", str(os.getpid()))[:8]

INTEGER = re.compile(r"-?[0-9]+")
REQUEST_ID = re.compile(r"[!-~]{1,128}")
LEAST, MOST = -(2**63), 2**63 - 1


class Refusal(Exception):
    """An error of the caller: the status and the reason."""

    def __init__(self, status, reason):
        self.status, self.reason = status, reason


def subtract(query):
    """Returns the difference as text."""
    operands = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in ("l", "r"):
            continue
        if name in operands:
            raise Refusal(400, f"the parameter {name} is given twice")
        if not INTEGER.fullmatch(value):
            raise Refusal(400, f"the parameter {name} is not an integer: {json.dumps(value[:40])}")
        operands[name] = int(value) if len(value) <= 20 else MOST + 1
        if not LEAST <= operands[name] <= MOST:
            raise Refusal(400, f"the parameter {name} does not fit in 64 bits: {json.dumps(value[:40])}")
    for name in ("l", "r"):
        if name not in operands:
            raise Refusal(400, f"the parameter {name} is missing")
    result = operands["l"] - operands["r"]
    if not LEAST <= result <= MOST:
        raise Refusal(400, f"{operands['l']} - {operands['r']} does not fit in 64 bits")
    return str(result)


class Handler(BaseHTTPRequestHandler):
    # Connections stay open. An answer is sent as a whole and without delay.
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = 120
    requests = 0

    def do_GET(self):
        begun, when = time.perf_counter(), now()
        Handler.requests += 1
        url = urlsplit(self.path)
        try:
            status, kind, body = 200, "text/plain; charset=utf-8", self.answer(url)
            if isinstance(body, dict):
                kind, body = "application/json", compact(body)
        except Refusal as refusal:
            status, kind = refusal.status, "application/json"
            body = compact({"reason": refusal.reason})
        given = self.headers.get_all("x-request-id") or [""]
        known = len(given) == 1 and REQUEST_ID.fullmatch(given[0])
        request_id = given[0] if known else str(uuid.uuid4())
        body = body.encode()
        self.send_response_only(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("cache-control", "no-store")
        self.send_header("x-instance", INSTANCE)
        self.send_header("x-version", VERSION)
        self.send_header("x-request-id", request_id)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()
        log(
            time=when, request_id=request_id, method=self.command, path=self.path[:2048], status=status,
            bytes=len(body), micros=int((time.perf_counter() - begun) * 1e6),
            peer=f"{self.client_address[0]}:{self.client_address[1]}",
        )

    do_HEAD = do_GET

    def answer(self, url):
        if url.path == "/health/state":
            return {"status": "up", "service": NAME, "instance": INSTANCE, "version": VERSION,
                    "requests": Handler.requests}
        if url.path == "/api/v1/execute/":
            return subtract(url.query)
        raise Refusal(404, f"no such path: {url.path[:200]}; available: GET /api/v1/execute/?l=<int>&r=<int> "
                           "and GET /health/state")

    def log_message(self, *_):
        """Replaces the log lines of the library. do_GET writes its own."""


class Server(ThreadingHTTPServer):
    # Envoy opens several connections at once.
    request_queue_size = 128


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def now():
    return datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def log(**fields):
    """Writes one log line as JSON, in the format of all services of the lab."""
    line = {"time": fields.pop("time", None) or now(), "service": NAME, "instance": INSTANCE, **fields}
    sys.stdout.write(compact(line) + "\n")
    sys.stdout.flush()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--listen", required=True, metavar="ADDR")
    host, port = options.parse_args().listen.rsplit(":", 1)
    server = Server((host, int(port)), Handler)

    def stop(*_):
        # In another thread: shutdown() waits for serve_forever(), which runs in this one.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log(event="listening", address=f"{host}:{port}")
    server.serve_forever(poll_interval=0.1)
    log(event="stopped", requests=Handler.requests)


if __name__ == "__main__":
    main()
