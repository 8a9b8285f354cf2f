"""A server in the manner of Letta: its paths, its environment, its bearer, a span for each
request to the collector. What it knows of the schema follows from the revisions in its image;
the faults of 6.0.0 and 7.0.0 are its own."""

import glob
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import psycopg2

from tracer import Tracer

VERSION = os.environ.get("STANDIN_VERSION", "")
REVISIONS = {os.path.basename(path).split("_")[0] for path in glob.glob("/app/alembic/versions/*")}
MOODS = "r2" in REVISIONS
PROVIDERS = "r3" in REVISIONS
TITLES = "r4" in REVISIONS

# Each collection's fields, as clients and as the table call them; the first is demanded.
COLLECTIONS = {
    "agents": {"name": "title" if TITLES else "name", **({"mood": "mood"} if MOODS else {})},
    "blocks": {"label": "label", "value": "value"},
    **({"notes": {"text": "text"}} if MOODS else {}),
}
PREFIXES = {"agents": "agent", "blocks": "block", "notes": "note"}


class Refusal(Exception):
    def __init__(self, status, detail):
        super().__init__(detail)
        self.status = status


def say(level, message, **more):
    line = json.dumps({"time": time.time(), "level": level, "message": message, **more})
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Database:
    """A connection for each request, so that none is left idle where someone migrates. As with
    Letta's own pool only so many are open at once, and the other requests wait for one."""

    def __init__(self, uri):
        self.uri = uri
        self.places = threading.BoundedSemaphore(16)

    def ask(self, statement, values=()):
        with self.places:
            connection = psycopg2.connect(self.uri, connect_timeout=30)
            try:
                with connection, connection.cursor() as cursor:
                    cursor.execute(statement, values)
                    return cursor.fetchall() if cursor.description else []
            finally:
                connection.close()

    def boot(self):
        self.ask("SELECT 1")
        if PROVIDERS:  # this is what older ones trip over
            row = "VALUES ('provider-letta', 'letta', true) ON CONFLICT DO NOTHING"
            self.ask(f"INSERT INTO providers (id, name, base) {row}")

    def refuse_second_provider(self):
        """A version from before `providers` has one of its own, and does not bear another."""
        if PROVIDERS or self.ask("SELECT to_regclass('providers')")[0][0] is None:
            return
        if self.ask("SELECT count(*) FROM providers WHERE base")[0][0] > 0:
            raise Refusal(500, "INVALID_ARGUMENT: Multiple providers with name letta supported")

    def list(self, kind, limit):
        return self.read(kind, "ORDER BY created_at DESC, id LIMIT %s", limit)

    def get(self, kind, identity):
        rows = self.read(kind, "WHERE id = %s", identity)
        if not rows:
            raise Refusal(404, f"{identity} not found")
        return rows[0]

    def read(self, kind, rest, value):
        fields = COLLECTIONS[kind]
        columns = ", ".join(["id", "created_at::text", *fields.values()])
        rows = self.ask(f"SELECT {columns} FROM {kind} {rest}", (value,))
        return [dict(zip(["id", "created_at", *fields], row)) for row in rows]

    def create(self, kind, given):
        fields = COLLECTIONS[kind]
        first = next(iter(fields))
        if not isinstance(given.get(first), str):
            raise Refusal(422, f"expected {first} as a text")
        if kind == "agents":
            self.refuse_second_provider()
        known = [field for field in fields if field in given]
        identity = f"{PREFIXES[kind]}-{os.urandom(8).hex()}"
        columns = ", ".join(["id", *(fields[field] for field in known)])
        places = ", ".join(["%s"] * (len(known) + 1))
        statement = f"INSERT INTO {kind} ({columns}) VALUES ({places})"
        self.ask(statement, (identity, *(given[field] for field in known)))
        return self.get(kind, identity)

    def delete(self, kind, identity):
        if not self.ask(f"DELETE FROM {kind} WHERE id = %s RETURNING id", (identity,)):
            raise Refusal(404, f"{identity} not found")
        return {"message": f"{identity} deleted"}


class Redis:
    """As Letta's: a connection is made at the first request and used by each, and where none is
    there at that first one, the server works without until it ends."""

    def __init__(self, host, port):
        self.address = (host, int(port or 6379)) if host else None
        self.link = None
        self.was_there = False
        self.lock = threading.Lock()

    def use(self):
        with self.lock:
            if self.address is None:
                return
            if not self.ping():  # one that was restarted closed the connection
                self.link = None
                if not self.ping():
                    self.link = None
                    self.address = self.address if self.was_there else None
                    say("warning", "Redis does not answer", given_up=not self.was_there)
            self.was_there = self.was_there or self.link is not None

    def ping(self):
        try:
            self.link = self.link or socket.create_connection(self.address, 2)
            self.link.sendall(b"PING\r\n")
            return self.link.recv(64) == b"+PONG\r\n"
        except OSError:
            return False


class Handler(BaseHTTPRequestHandler):
    timeout = 2  # so that a client which says nothing cannot hold up the end

    def do_GET(self):
        started = time.time_ns()
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        path = urlsplit(self.path).path
        if path == "/v1/stream/":
            self.stream()
            return self.server.tracer.add("GET /v1/stream/", self.headers, started, 200)
        try:
            status, answer = 200, self.answer(path, body)
        except Refusal as refusal:
            status, answer = refusal.status, {"detail": str(refusal)}
        except Exception as error:
            status, answer = 500, {"detail": f"{type(error).__name__}: {error}"}
        self.reply(status, answer)
        if path != "/v1/health/":
            name = f"{self.command} {path}"
            self.server.tracer.add(name, self.headers, started, status)
            ms = (time.time_ns() - started) / 1e6
            why = {"detail": answer["detail"]} if status >= 400 else {}
            say("error" if status >= 500 else "info", name, status=status, ms=ms, **why)

    do_POST = do_DELETE = do_GET

    def answer(self, path, body):
        if path == "/v1/health/":
            if VERSION == "6.0.0":
                raise Refusal(500, "this version never becomes healthy")
            return {"version": VERSION, "status": "ok"}
        password = self.server.password
        if password is not None and self.headers.get("Authorization") != f"Bearer {password}":
            raise Refusal(401, "Unauthorized")
        self.server.redis.use()
        found = re.fullmatch(r"/v1/(\w+)/([\w-]*)/?", path)
        if not found or found[1] not in COLLECTIONS:
            raise Refusal(404, "Not Found")
        kind, identity = found.groups()
        database = self.server.database
        match self.command, bool(identity):
            case "GET", False:
                limit = parse_qs(urlsplit(self.path).query).get("limit", ["50"])[0]
                return database.list(kind, number(limit))
            case "GET", True:
                return database.get(kind, identity)
            case "POST", False:
                return database.create(kind, read_map(body))
            case "DELETE", True:
                return database.delete(kind, identity)
        raise Refusal(405, "Method Not Allowed")

    def stream(self):
        """As many events as were asked for, one a second, each sent at once."""
        count = number(parse_qs(urlsplit(self.path).query).get("seconds", ["5"])[0])
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for event in range(1, count + 1):
            self.wfile.write(f"data: {event} of {count}\n\n".encode())
            self.wfile.flush()
            time.sleep(1)

    def reply(self, status, answer):
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, *_):
        """Its own line is JSON, see do_GET."""


def number(text):
    if not text.isdecimal():
        raise Refusal(422, f"expected a number as limit, got {text}")
    return int(text)


def read_map(body):
    try:
        given = json.loads(body)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise Refusal(422, "expected a JSON object")
    return given


class Server(ThreadingHTTPServer):
    daemon_threads = False  # server_close() waits for the answers under way
    request_queue_size = 256


def main():
    given = dict(zip(sys.argv[2::2], sys.argv[3::2]))
    uri = os.environ.get("LETTA_PG_URI")
    if sys.argv[1:2] != ["server"] or not uri:
        sys.exit("expected `letta server` and LETTA_PG_URI, got less")
    database = Database(uri)
    try:
        database.boot()
    except psycopg2.Error as error:
        say("error", "the database does not serve", detail=str(error).strip())
        sys.exit(1)
    port = int(given.get("--port") or os.environ.get("PORT") or 8283)
    server = Server((given.get("--host") or os.environ.get("HOST") or "0.0.0.0", port), Handler)
    server.database = database
    server.redis = Redis(os.environ.get("LETTA_REDIS_HOST"), os.environ.get("LETTA_REDIS_PORT"))
    server.tracer = Tracer(os.environ.get("LETTA_OTEL_EXPORTER_OTLP_ENDPOINT"))
    secure = os.environ.get("LETTA_SERVER_SECURE") == "true"
    password = os.environ.get("LETTA_SERVER_PASSWORD") or os.urandom(16).hex()
    server.password = password if secure else None
    reported = []

    def end(signum, _):
        reported.append(signum)
        threading.Thread(target=server.shutdown).start()

    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, end)
    if VERSION == "7.0.0":
        say("info", "this version ends after three seconds")
        end = threading.Timer(3, lambda: os._exit(1))
        end.daemon = True
        end.start()
    say("info", f"version {VERSION} listens on {port}")
    server.serve_forever(poll_interval=0.02)
    server.server_close()
    if signal.SIGINT in reported:
        server.tracer.end()
    say("info", "ended")


if __name__ == "__main__":
    main()
