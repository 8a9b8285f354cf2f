"""ClickHouse's HTTP interface in front of chDB, as far as the collector's exporter, Letta's
reader and writer, Grafana and a person with curl use it. Users and their passwords come from
the same users.d files as the real server's. Not for prod: a user's grants are judged by the
first word of a statement and the functions in it, one query runs at a time, settings in the
address are ignored, and Native is only written as it is at revision 0."""

import base64
import binascii
import glob
import hmac
import json
import os
import re
import signal
import socket
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

import frames
from chdb.session import Session

DATA = "/var/lib/clickhouse"
USERS = "/etc/clickhouse-server/users.d"
# Of a request's body: the collector sends some MB at once.
LARGEST = 256 * 1024 * 1024
# What an error code means in HTTP, as the server itself maps them; the rest is 500.
STATUS = {
    **dict.fromkeys([6, 26, 27, 33, 36, 38, 41, 42, 43, 44, 53, 62, 72, 117, 427, 456, 457], 400),
    **dict.fromkeys([192, 193, 497, 516], 403),
    **dict.fromkeys([46, 47, 50, 56, 60, 63, 73, 81, 115], 404),
    48: 501,
    159: 408,
}
# An INSERT whose data stand behind its FORMAT clause. With SELECT, VALUES or FROM in it, it
# brings its rows itself.
INSERT = re.compile(
    rb"\s*(?P<into>INSERT\s+INTO\s(?:(?!\b(?:SELECT|VALUES|FROM|SETTINGS|FORMAT)\b).)+)"
    rb"(?P<settings>SETTINGS\s(?:(?!\bFORMAT\b).)+)?"
    rb"FORMAT\s+(?P<format>\w+)[ \t]*(?:\r?\n|;|(?=\W)|$)",
    re.IGNORECASE | re.DOTALL,
)
# What newer versions of clickhouse-go (seen in 2.43 and 2.47) ask first; see Engine.hello.
HELLO = re.compile(rb"SELECT displayName\(\), version\(\), revision\(\), timezone\(\)\s*")
FORMAT = re.compile(rb"\bFORMAT\s+(\w+)(?:\s+SETTINGS\s[^;]+)?[\s;]*$", re.IGNORECASE)

# What a statement needs to be granted, by its first word; anything else needs access management.
NEEDS = {
    **dict.fromkeys(["SELECT", "WITH", "EXPLAIN"], "SELECT"),
    **dict.fromkeys(["SHOW", "DESCRIBE", "DESC", "EXISTS"], "SHOW"),
    "INSERT": "INSERT",
    "CREATE": "CREATE",
}
COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
# Table functions that leave the database: files, other servers, programs.
OUTSIDE = re.compile(
    r"\b(file|fileCluster|url|urlCluster|s3\w*|gcs|hdfs\w*|azure\w*|remote|remoteSecure|cluster\w*|"
    r"mysql|postgresql|mongodb|redis|sqlite|jdbc|odbc|executable|python|input|deltaLake\w*|"
    r"iceberg\w*|hudi\w*|arrowFlight|ytsaurus|dictionary)\s*\(|\b(INFILE|OUTFILE)\b",
    re.IGNORECASE,
)


STRING = re.compile(r"'(?:[^'\\]|\\.|'')*'", re.DOTALL)


class Failure(Exception):
    """Found by this server; worded as chDB words its own."""

    def __init__(self, code, text, name):
        super().__init__(f"Code: {code}. DB::Exception: {text} ({name})")


class User:
    """One user of users.d, as far as it is honoured here."""

    def __init__(self, element, environment):
        password = element.find("password")
        name = None if password is None else password.get("from_env")
        self.password = environment.get(name, "") if name else getattr(password, "text", "") or ""
        self.manages = element.findtext("access_management") == "1"
        queries = [query.text or "" for query in element.iterfind("grants/query")]
        self.grants = set(re.findall(r"\b(SELECT|SHOW|INSERT|CREATE)\b", " ".join(queries)))

    def expect_granted(self, statement):
        """@raises Failure where the statement needs more than this user was granted"""
        if self.manages:
            return
        text = COMMENT.sub(" ", statement.decode(errors="replace")).strip()
        word = (re.match(r"\(*\s*(\w+)", text) or [None, ""])[1].upper()
        # Behind an INSERT's FORMAT clause stand data, which may say anything.
        code = INSERT.match(statement)
        searched = code[0].decode() if code else text
        # A name may be quoted; what stands in a string is none, and a `;` there ends nothing.
        plain = re.sub(r"[`\"]", "", STRING.sub("''", searched)).rstrip(" \t\r\n;")
        if NEEDS.get(word) not in self.grants or OUTSIDE.search(plain) or ";" in plain:
            raise Failure(497, f"Not enough privileges for {word or 'nothing'}", "ACCESS_DENIED")


class Engine:
    """chDB's one session. USE is its state, so a lock holds it and the query together."""

    def __init__(self, database):
        self.lock = threading.Lock()
        self.session = Session(DATA)
        self.session.query(f"CREATE DATABASE IF NOT EXISTS {name_of(database)}")

    def run(self, statement, fallback, database, parameters):
        """@returns the answer's format and its bytes"""
        with self.lock:
            self.session.query(f"USE {name_of(database)}")
            insert = INSERT.match(statement)
            if insert:
                # Through a file, where the engine matches columns by name and undoes Native.
                with InMemoryFile(statement[insert.end() :]) as path:
                    settings = insert["settings"] or b""
                    source = b"FROM INFILE '%s' %sFORMAT " % (path.encode(), settings)
                    return self.ask(insert["into"] + source + insert["format"], "Null", parameters)
            asked = FORMAT.search(statement)
            return self.ask(statement, asked[1].decode() if asked else fallback, parameters)

    def hello(self):
        """clickhouse-go reads this answer in Native as it is from protocol version 54454 on, and
        every later one as it is at the revision that it learns here. chDB writes Native without
        a version, so the revision given is 0, at which that is how it is written."""
        with self.lock:
            question = b"SELECT displayName(), version(), timezone()"
            name, version, zone = self.ask(question, "TabSeparated", {})[1].strip().split(b"\t")
        columns = [
            (b"displayName()", b"String", string(name)),
            (b"version()", b"String", string(version)),
            (b"revision()", b"UInt32", bytes(4)),
            (b"timezone()", b"String", string(zone)),
        ]
        # The block's info (not an overflow, no bucket), columns, rows; a 0 for each column's usual
        # serialization.
        start = b"\x01\x00\x02\xff\xff\xff\xff\x00" + bytes([len(columns), 1])
        parts = (string(name) + string(kind) + b"\x00" + data for name, kind, data in columns)
        return "Native", start + b"".join(parts)

    def unpack(self, body, encoding):
        """Content-Encoding undone by the engine, which knows all that its clients may send."""
        if not re.fullmatch("gzip|deflate|br|lz4|zstd|xz", encoding):
            raise Failure(48, f"Content-Encoding {encoding} is not supported", "NOT_IMPLEMENTED")
        with self.lock, InMemoryFile(body) as path:
            blob = f"SELECT * FROM file('{path}', 'RawBLOB', 'body String', '{encoding}')"
            return self.ask(blob.encode(), "RawBLOB", {})[1]

    def ask(self, statement, form, parameters):
        answer = self.session.query(statement.decode(), form, params=parameters)
        return form, bytes(answer.bytes() or b"")

    def close(self):
        with self.lock:
            self.session.close()


class InMemoryFile:
    """A file that the engine can open by its path and that nothing leaves behind."""

    def __init__(self, content):
        self.file = os.fdopen(os.memfd_create("body"), "wb")
        self.file.write(content)
        self.file.flush()

    def __enter__(self):
        return f"/proc/self/fd/{self.file.fileno()}"

    def __exit__(self, *_):
        self.file.close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        body = self.body()  # read also when unused, so that the connection can be reused
        path, query = urlsplit(self.path).path, urlsplit(self.path).query
        if path == "/ping":
            return self.reply(200, b"Ok.\n", {"Content-Type": "text/html; charset=UTF-8"})
        if path not in ("", "/"):
            return self.reply(404, f"There is no handle {path}\n".encode())
        given = dict(parse_qsl(query, keep_blank_values=True))
        pack = bytes
        try:
            user = self.user(given)
            # From here on: the real server, too, tells who may not come in without compressing it.
            if given.get("compress") == "1":
                pack = frames.pack
            form, answer = self.answer(user, given, body)
            self.reply(200, answer, {"X-ClickHouse-Format": form}, pack)
        except Exception as error:
            found = re.match(r"Code: (\d+)", str(error))
            code = int(found[1]) if found else 1001
            headers = {"X-ClickHouse-Exception-Code": str(code)}
            self.reply(STATUS.get(code, 500), f"{error}\n".encode(), headers, pack)

    do_POST = do_GET

    def answer(self, user, given, body):
        engine = self.server.engine
        if body and (encoding := self.headers.get("Content-Encoding")):
            body = engine.unpack(body, encoding)
        if given.get("decompress") == "1":
            try:
                body = frames.unpack(body, lambda data: engine.unpack(data, "zstd"))
            except ValueError as error:
                raise Failure(271, f"Cannot decompress: {error}", "CANNOT_DECOMPRESS") from error
        query = given.get("query", "").encode()
        database = given.get("database") or self.headers.get("X-ClickHouse-Database") or "default"
        fallback = given.get("default_format") or self.headers.get("X-ClickHouse-Format")
        parameters = {key[6:]: value for key, value in given.items() if key.startswith("param_")}
        statement = query + b"\n" + body if query else body
        user.expect_granted(statement)
        if "client_protocol_version" in given and HELLO.fullmatch(statement):
            return engine.hello()
        return engine.run(statement, fallback or "TabSeparated", database, parameters)

    def user(self, given):
        name = self.headers.get("X-ClickHouse-User") or given.get("user", "default")
        password = self.headers.get("X-ClickHouse-Key") or given.get("password", "")
        kind, _, credentials = self.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "basic":
            try:
                name, _, password = base64.b64decode(credentials).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                name = None
        found = self.server.users.get(name)
        expected = found.password if found else ""
        right = hmac.compare_digest(password.encode(), expected.encode())
        if not right or not expected:
            text = "Authentication failed: password is incorrect, or there is no such user."
            raise Failure(516, text, "AUTHENTICATION_FAILED")
        return found

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(within(int(self.headers.get("Content-Length", 0))))
        parts, total = [], 0
        while size := int(self.rfile.readline().split(b";")[0], 16):
            total = within(total + size)
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def reply(self, status, body, headers=None, pack=bytes):
        sent = pack(body)
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("X-ClickHouse-Query-Id", str(uuid.uuid4()))
        self.send_header("X-ClickHouse-Timezone", "UTC")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)
        if status != 200:
            sys.stderr.write(f"{status} {body[:500].decode(errors='replace').strip()}\n")

    def log_request(self, *_):
        """Addresses may carry a password, and health checks would fill the log."""


class Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close() waits for the answers under way
    request_queue_size = 128

    def __init__(self, engine, users):
        self.engine, self.users, self.open = engine, users, set()
        super().__init__(("0.0.0.0", 8123), Handler)

    def process_request_thread(self, request, address):
        self.open.add(request)
        super().process_request_thread(request, address)

    def shutdown_request(self, request):
        self.open.discard(request)
        super().shutdown_request(request)

    def stop(self):
        """Takes no more; idle connections read their end, busy ones still write."""
        self.shutdown()
        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RD)
            except OSError:
                pass  # closed by the client meanwhile


def within(size):
    """@raises Failure where a body is larger than this server takes into its memory"""
    if not 0 <= size <= LARGEST:
        raise Failure(307, f"Limit for bytes exceeded: {size} of {LARGEST}", "TOO_MANY_BYTES")
    return size


def string(content):
    """As Native has it; for less than 128 bytes."""
    return bytes([len(content)]) + content


def name_of(database):
    return "`" + database.replace("\\", "\\\\").replace("`", "\\`") + "`"


def users_of(environment):
    """The users of users.d; without any, the one that CLICKHOUSE_USER and _PASSWORD name."""
    elements = {}
    for path in sorted(glob.glob(f"{USERS}/*.xml")):
        for element in ElementTree.parse(path).getroot().iterfind("users/*"):
            elements[element.tag] = element
    users = {
        name: User(element, environment)
        for name, element in elements.items()
        if "remove" not in element.attrib
    }
    if not users and environment.get("CLICKHOUSE_PASSWORD"):
        only = ElementTree.fromstring(
            '<user><password from_env="CLICKHOUSE_PASSWORD"/>'
            "<access_management>1</access_management></user>"
        )
        users = {environment.get("CLICKHOUSE_USER") or "default": User(only, environment)}
    return users


def main(environment):
    users = users_of(environment)
    if not users or not all(user.password for user in users.values()):
        sys.exit("expected users with passwords in users.d, or CLICKHOUSE_PASSWORD")
    engine = Engine(environment.get("CLICKHOUSE_DB") or "default")
    server = Server(engine, users)
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: threading.Thread(target=server.stop).start())
    print("Ready for connections on port 8123", file=sys.stderr, flush=True)
    server.serve_forever()
    server.server_close()
    engine.close()


def without_secrets(environment):
    """Starts this program again without the passwords in its environment: /proc/self/environ, which
    queries can read as a file, stays as it was at the start. They come through a file in memory."""
    handle = environment.get("SECRETS_FD")
    if handle:
        with os.fdopen(int(handle)) as file:
            return json.load(file)
    handle = os.memfd_create("secrets", 0)
    os.write(handle, json.dumps(dict(environment)).encode())
    os.lseek(handle, 0, os.SEEK_SET)
    kept = {name: value for name, value in environment.items() if "PASSWORD" not in name}
    os.execve(sys.executable, [sys.executable, *sys.argv], {**kept, "SECRETS_FD": str(handle)})


if __name__ == "__main__":
    main(without_secrets(os.environ))
