"""The spans of the fake server's requests on their way to the collector."""

import collections
import http.client
import json
import os
import threading
import time
from urllib.parse import urlsplit


class Tracer:
    """Gathers the spans of requests and sends them to the collector every so often, as Letta's own
    SDK does, over HTTP where that uses gRPC: one that is away costs no request anything. What is
    gathered at the end is sent after SIGINT alone: uvicorn ends itself by SIGTERM without it."""

    def __init__(self, endpoint):
        self.spans = collections.deque()
        self.sending = threading.Lock()
        self.most = int(os.environ.get("OTEL_BSP_MAX_QUEUE_SIZE") or 2048)
        self.delay = int(os.environ.get("OTEL_BSP_SCHEDULE_DELAY") or 5000) / 1000
        self.host = urlsplit(endpoint).hostname if endpoint else None
        if self.host:
            threading.Thread(target=self.work, daemon=True).start()

    def add(self, name, headers, started, status):
        if self.host and len(self.spans) < self.most:
            attributes = {
                "http.user_agent": headers.get("User-Agent", ""),
                "http.status_code": str(status),
                "source": headers.get("X-Letta-Source", ""),
            }
            self.spans.append(
                {
                    "traceId": os.urandom(16).hex(),
                    "spanId": os.urandom(8).hex(),
                    "name": name,
                    "kind": 2,
                    "startTimeUnixNano": str(started),
                    "endTimeUnixNano": str(time.time_ns()),
                    "attributes": [attribute(key, value) for key, value in attributes.items()],
                }
            )

    def work(self):
        while True:
            time.sleep(self.delay)
            self.send()

    def end(self):
        """However long it takes, as the SDK does: who ends the server has a limit of his own."""
        while self.host and not self.send():
            time.sleep(0.2)

    def send(self):
        with self.sending:
            spans = list(self.spans)
            if not spans:
                return True
            resource = {"attributes": [attribute("service.name", "letta-server")]}
            scope = {"scopeSpans": [{"spans": spans}], "resource": resource}
            try:
                collector = http.client.HTTPConnection(self.host, 4318, timeout=3)
                body = json.dumps({"resourceSpans": [scope]})
                collector.request("POST", "/v1/traces", body, {"Content-Type": "application/json"})
                taken = collector.getresponse().status == 200
                collector.close()
            except OSError:
                taken = False
            if taken:
                for _ in spans:
                    self.spans.popleft()
            return taken


def attribute(key, value):
    return {"key": key, "value": {"stringValue": value}}
