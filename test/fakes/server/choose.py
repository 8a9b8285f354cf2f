"""Lays out /chosen/<version>/ for each version: its head's file and its ancestors'."""

import json
import os
import shutil

import alembic

known = alembic.read_revisions("/revisions")
with open("/versions.json", encoding="utf-8") as file:
    versions = json.load(file)
for version, about in versions.items():
    folder = f"/chosen/{version}"
    os.makedirs(folder)
    revision = about["head"]
    while revision is not None:
        shutil.copy(known[revision].__file__, folder)
        revision = known[revision].down_revision
