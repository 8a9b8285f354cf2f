"""ClickHouse's HTTP interface, as far as the collector's exporter, Letta's reader and a
person with curl use it, in front of chDB. Not for prod: one query at a time, one user."""

import base64
import gzip
import hmac
import os
import re
import signal
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from chdb.session import Session

USER = os.environ.get("CLICKHOUSE_USER", "default")
DATABASE = os.environ.get("CLICKHOUSE_DB", "default")
INSERT = re.compile(rb"^\s*INSERT\s+INTO\s+(.+?)\s+FORMAT\s+(\w+)\s?", re.IGNORECASE | re.DOTALL)
ERROR_CODE = re.compile(r"Code: (\d+)")
ONE_AT_A_TIME = threading.Lock()


def password():
    file = os.environ.get("CLICKHOUSE_PASSWORD_FILE")
    if file:
        with open(file, encoding="utf-8") as lines:
            return lines.read().rstrip("\n")
    return os.environ.get("CLICKHOUSE_PASSWORD", "")


PASSWORD = password()
SESSION = Session("/var/lib/clickhouse")
SESSION.query(f"CREATE DATABASE IF NOT EXISTS `{DATABASE}`")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(b"")

    def do_POST(self):
        self.answer(self.body())

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            raw = b"".join(parts)
        else:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return gzip.decompress(raw) if self.headers.get("Content-Encoding") == "gzip" else raw

    def answer(self, body):
        address = urlsplit(self.path)
        given = {name: values[-1] for name, values in parse_qs(address.query, keep_blank_values=True).items()}
        if address.path == "/ping":
            return self.reply(200, b"Ok.\n")
        if not self.allowed(given):
            return self.fail("Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)", 403)
        query = given.get("query", "").encode()
        statement = query + (b"\n" if query and body else b"") + body
        try:
            with ONE_AT_A_TIME:
                SESSION.query(f"USE `{given.get('database') or DATABASE}`")
                return self.reply(200, self.run(statement, given))
        except Exception as error:  # chDB raises RuntimeError with ClickHouse's own text
            return self.fail(str(error), 500)

    def run(self, statement, given):
        insert = INSERT.match(statement)
        if insert and insert.group(2).upper() != b"VALUES":
            return self.insert(insert, statement[insert.end():])
        wanted = re.search(rb"\bFORMAT\s+(\w+)\s*;?\s*$", statement, re.IGNORECASE)
        fallback = given.get("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated"
        made = SESSION.query(statement.decode(), wanted.group(1).decode() if wanted else fallback)
        return made.bytes() or b""

    def insert(self, found, data):
        with tempfile.NamedTemporaryFile(suffix=".data") as file:
            file.write(data)
            file.flush()
            into, form = found.group(1).decode(), found.group(2).decode()
            SESSION.query(f"INSERT INTO {into} SELECT * FROM file('{file.name}', '{form}')")
        return b""

    def allowed(self, given):
        user, secret = given.get("user"), given.get("password")
        user = self.headers.get("X-ClickHouse-User", user)
        secret = self.headers.get("X-ClickHouse-Key", secret)
        basic = self.headers.get("Authorization", "")
        if basic.startswith("Basic "):
            user, _, secret = base64.b64decode(basic[6:]).decode().partition(":")
        right = hmac.compare_digest((secret or "").encode(), PASSWORD.encode())
        return (user or "default") == USER and right

    def fail(self, text, status):
        code = ERROR_CODE.search(text)
        self.reply(status, f"{text}\n".encode(), {"X-ClickHouse-Exception-Code": code.group(1) if code else "1000"})

    def reply(self, status, body, headers=()):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-ClickHouse-Server-Display-Name", "chdb")
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        if not str(args[1] if len(args) > 1 else "").startswith("2"):
            sys.stderr.write("%s %s\n" % (self.command, args[1] if len(args) > 1 else ""))


server = ThreadingHTTPServer(("0.0.0.0", 8123), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
SESSION.close()
