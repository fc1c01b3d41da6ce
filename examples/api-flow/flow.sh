#!/usr/bin/env bash
# Creates, reads, changes and deletes a note through the URL given, with curl alone. The first answer that is not as it
# should be ends it with exit code 1.
set -euo pipefail

url=${1:?usage: flow.sh URL}
url=${url%/}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
    printf 'flow.sh: %s\n' "$*" >&2
    exit 1
}

# call STATUS METHOD PATH [OPTION...]: the answer's head and body are in files afterwards.
call() {
    local wanted=$1 method=$2 path=$3 status
    shift 3
    status=$(curl --silent --show-error --max-time 30 --request "$method" "$@" --dump-header "$folder/head" \
        --output "$folder/body" --write-out '%{http_code}' "$url$path") || fail "$method $path: no answer"
    [ "$status" = "$wanted" ] || fail "$method $path: $status instead of $wanted: $(head -c 500 "$folder/body")"
    printf 'ok  %-6s %-14s %s\n' "$method" "$path" "$status"
}

# header NAME: of the last answer, after redirects.
header() {
    awk -v name="$1:" 'tolower($1) == name { sub(/^[^ ]* /, ""); sub(/\r$/, ""); value = $0 } END { print value }' "$folder/head"
}

# holds TEXT: the last body does.
holds() { grep --quiet --fixed-strings -- "$1" "$folder/body" || fail "no $1 in: $(head -c 500 "$folder/body")"; }

json=(--header 'Content-Type: application/json')

call 201 POST /notes "${json[@]}" --data '{"title": "Shopping", "text": "Brot, Käse"}'
id=$(sed -n 's/.*"id": *\([0-9]*\).*/\1/p' "$folder/body")
note=/notes/$id
[[ $(header location) == */notes/$id ]] || fail "the new note is at $(header location)"

call 200 GET /notes
holds "\"id\": $id"
call 200 GET "$note"
holds '"title": "Shopping"'
tag=$(header etag)
[ -n "$tag" ] || fail "a note without ETag"

call 304 GET "$note" --header "If-None-Match: $tag"
call 200 PATCH "$note" "${json[@]}" --header "If-Match: $tag" --data '{"text": "Brot, Käse, Äpfel"}'
[ "$(header etag)" != "$tag" ] || fail "the note has changed and its ETag has not"
call 412 PATCH "$note" "${json[@]}" --header "If-Match: $tag" --data '{"text": "too late"}'
call 200 GET "$note" --header "If-None-Match: $tag"

head -c 65536 /dev/urandom >"$folder/upload"
call 201 PUT "$note/file" --upload-file "$folder/upload"
call 200 GET "$note/file"
cmp --silent "$folder/upload" "$folder/body" || fail "the file is not the one that was sent"

call 302 GET /notes/latest
call 200 GET /notes/latest --location
holds "\"id\": $id"

call 422 POST /notes "${json[@]}" --data '{"title": 1}'
call 204 DELETE "$note"
call 404 GET "$note"
