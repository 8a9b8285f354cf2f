"""As much of Alembic as this server's revision files and letta-stack use, with Alembic's words
and exit codes: upgrade, downgrade, heads, history over /app/alembic/versions. No branches: an
image has one line of revisions."""

import glob
import importlib.util
import os
import sys
from contextlib import contextmanager

import psycopg2

FOLDER = "/app/alembic/versions"


class Operations:
    """`op` of the revision files."""

    connection = None

    def execute(self, statement):
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def get_context(self):
        return self

    @contextmanager
    def autocommit_block(self):
        """What stands in it is retained whatever comes after, and so is what came before."""
        self.connection.commit()
        self.connection.autocommit = True
        yield
        self.connection.autocommit = False


op = Operations()


class Failed(Exception):
    """Said in one line, exit code 255, as Alembic does."""


def main():
    try:
        run(*sys.argv[1:])
    except Failed as failure:
        sys.stderr.write(f"FAILED: {failure}\n")
        sys.exit(255)


def run(command="", target=None):
    line = line_of(read_revisions(FOLDER))
    if command == "heads":
        print(f"{line[-1].revision} (head)")
    elif command == "history":
        for one in reversed(line):
            head = " (head)" if one is line[-1] else ""
            print(f"{one.down_revision or '<base>'} -> {one.revision}{head}, {title(one)}")
    elif command in ("upgrade", "downgrade") and target is not None:
        op.connection = psycopg2.connect(os.environ["LETTA_PG_URI"], connect_timeout=5)
        migrate(command, target, line)
    else:
        raise Failed("expected upgrade or downgrade with a revision, heads or history")


def migrate(command, target, line):
    names = [one.revision for one in line]
    table = "CREATE TABLE IF NOT EXISTS alembic_version (version_num varchar(32) PRIMARY KEY)"
    op.execute(table)
    op.connection.commit()
    # Where the database is and where it shall go, as the number of revisions applied.
    at = max((place(row[0], names) for row in op.execute("TABLE alembic_version")), default=0)
    goal = len(line) if target == "head" else 0 if target == "base" else place(target, names)
    op.connection.commit()
    if command == "downgrade" and goal > at:
        raise Failed(f"Destination {target} is not a valid downgrade target from current head(s)")
    if command == "upgrade":
        for number in range(at, goal):
            step(line[number], "upgrade", number + 1, line)
    else:
        for number in range(at, goal, -1):
            step(line[number - 1], "downgrade", number - 1, line)


def place(revision, names):
    if revision not in names:
        raise Failed(f"Can't locate revision identified by '{revision}'")
    return names.index(revision) + 1


def step(one, way, applied, line):
    """One revision, in a transaction of its own."""
    before, after = one.down_revision or "", one.revision
    ends = f"{before} -> {after}" if way == "upgrade" else f"{after} -> {before}"
    sys.stderr.write(f"INFO  [alembic.runtime.migration] Running {way} {ends}, {title(one)}\n")
    getattr(one, way)()
    op.execute("DELETE FROM alembic_version")
    if applied > 0:
        op.execute(f"INSERT INTO alembic_version VALUES ('{line[applied - 1].revision}')")
    op.connection.commit()


def title(one):
    return one.__doc__.strip().split("\n")[0]


def read_revisions(folder):
    """The revision files as modules, by revision."""
    found = {}
    for path in sorted(glob.glob(f"{folder}/*.py")):
        spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found[module.revision] = module
    return found


def line_of(revisions):
    """From the first to the head."""
    above = {one.down_revision: one for one in revisions.values()}
    line = []
    while (line[-1].revision if line else None) in above:
        line.append(above[line[-1].revision if line else None])
    return line
