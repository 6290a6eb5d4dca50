#!/usr/bin/env bash
# Asks the registries whether each pinned image is still what its version is there. Needs Docker with
# buildx and a network that reaches them; tells what to pin instead, changes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

status=0
pins=$(grep -hoE '[a-z0-9][a-z0-9./-]*:[A-Za-z0-9._-]+@sha256:[0-9a-f]{64}' Dockerfile docker-compose.yml)
for pin in $pins; do
  image=${pin%@*}
  there=$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$image" 2>/dev/null) ||
    { echo "$image: its registry does not answer"; status=2; continue; }
  if [ "$there" = "${pin#*@}" ]; then
    echo "$image: as pinned"
  else
    echo "$image: pinned ${pin#*@}, is now $there"
    [ "$status" -ne 0 ] || status=1
  fi
done
exit "$status"
