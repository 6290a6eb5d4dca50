#!/bin/bash
# Starts Kafka from KAFKA_* variables as the apache/kafka image does: KAFKA_LOG_DIRS is log.dirs.
set -euo pipefail
config=/tmp/server.properties
env | grep '^KAFKA_' | while IFS='=' read -r name value; do
  key=$(tr 'A-Z_' 'a-z.' <<<"${name#KAFKA_}")
  printf '%s=%s\n' "$key" "$value"
done >"$config"
java=(/opt/java/bin/java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '/opt/kafka/libs/*')
id=${CLUSTER_ID:-4L6g3nShT-eMCtK--X86sw}
"${java[@]}" kafka.tools.StorageTool format --ignore-formatted --cluster-id "$id" --config "$config"
exec "${java[@]}" kafka.Kafka "$config"
