#!/bin/sh
# Debian's smallest system as a tar stream, for `docker import`: the one layer that the
# other roles stand on where no image registry answers.
# usage: rootfs.sh MIRROR
set -eu
exec mmdebstrap --variant=minbase --quiet \
  --aptopt='Acquire::Languages "none"' \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  trixie - "$1"
