#!/bin/sh
# Ask a service of the exchange with curl and openssl alone (RFC 9421, Ed25519).
#
#   ask.sh KEY.pem KID CLIENT EXCHANGE SERVICE PERSON PURPOSE
#   ask.sh key.pem "$KID" XT/GOV/zahanati/records https://exchange.example XT/GOV/rita/identity/person-facts 123456789012 health-care
#
# KEY.pem is an Ed25519 private key:  openssl genpkey -algorithm ed25519 -out key.pem
# KID is its RFC 7638 thumbprint; the answer to the application calls it the fingerprint:
#   X=$(openssl pkey -in key.pem -pubout -outform DER | tail -c 32 | base64 | tr '+/' '-_' | tr -d '=\n')
#   KID=$(printf '{"crv":"Ed25519","kty":"OKP","x":"%s"}' "$X" | openssl dgst -sha256 -binary | base64 | tr '+/' '-_' | tr -d '=\n')
#
# It prints the answer with its header fields. To check the answer's signature, use msingi_client.py beside this file.
set -eu
key=$1 kid=$2 client=$3 exchange=$4 service=$5 person=$6 purpose=$7
host=${exchange#*://}
path="/r1/$service/$person"
id=$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen)
digest="sha-256=:$(printf '' | openssl dgst -sha256 -binary | base64):"
what="(\"@method\" \"@authority\" \"@path\" \"@query\" \"content-digest\" \"x-road-client\" \"x-road-id\" \"msingi-purpose\");created=$(date +%s);keyid=\"$kid\";alg=\"ed25519\";tag=\"msingi-exchange\""
base=$(mktemp) && trap 'rm -f "$base"' EXIT
printf '"@method": GET\n"@authority": %s\n"@path": %s\n"@query": ?\n"content-digest": %s\n"x-road-client": %s\n"x-road-id": %s\n"msingi-purpose": %s\n"@signature-params": %s' \
  "$host" "$path" "$digest" "$client" "$id" "$purpose" "$what" > "$base"
mark=$(openssl pkeyutl -sign -inkey "$key" -rawin -in "$base" | base64 | tr -d '\n')
curl -sS -i "$exchange$path" \
  -H "X-Road-Client: $client" -H "X-Road-Id: $id" -H "Content-Digest: $digest" -H "Msingi-Purpose: $purpose" \
  -H "Signature-Input: msingi=$what" -H "Signature: msingi=:$mark:"
