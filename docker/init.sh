#!/bin/sh
# Creates the namespace with 90 days of retention and our search attributes, and waits until workers can use them. May
# be repeated. Needs TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE, as the temporal command reads them.
set -eu

retention=2160h
attributes="Project Stage Role Attention Waiting"

if temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
  temporal operator namespace update --namespace "$TEMPORAL_NAMESPACE" --retention "$retention"
else
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$retention"
fi

# Other services of the server learn of a new namespace with their next cache refresh.
tries=0
until temporal operator search-attribute list --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ "$tries" -lt 60 ] || { echo "namespace $TEMPORAL_NAMESPACE does not become usable" >&2; exit 1; }
  sleep 1
done
for name in $attributes; do
  temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" --name "$name" --type Keyword
done
# The same cache again: a worker that starts items at once would find no mapping for them.
sleep "${SETTLE_SECONDS:-2}"
