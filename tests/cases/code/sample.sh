#!/usr/bin/env bash
# Back up some folders and keep the last few archives.
set -euo pipefail

KEEP=5
TARGET="${BACKUP_DIR:-$HOME/backups}"
VERBOSE=0

usage() {
    echo "usage: $(basename "$0") [-v] [-k COUNT] FOLDER..." >&2
    exit 2
}

log() {
    if [ "$VERBOSE" -eq 1 ]; then
        printf '%s %s\n' "$(date +%H:%M:%S)" "$*"
    fi
}

while getopts "vk:" option; do
    case "$option" in
        v)
            VERBOSE=1
            ;;
        k)
            KEEP="$OPTARG"
            ;;
        *)
            usage
            ;;
    esac
done
shift $((OPTIND - 1))

if [ $# -eq 0 ]; then
    usage
fi

archive() {
    local folder="$1"
    local name
    name="$(basename "$folder")-$(date +%Y%m%d).tar.gz"
    if [[ ! -d "$folder" ]]; then
        echo "no such folder: $folder" >&2
        return 1
    fi
    log "packing $folder"
    tar -czf "$TARGET/$name" -C "$(dirname "$folder")" "$(basename "$folder")"
}

prune() {
    local prefix="$1"
    local files
    mapfile -t files < <(ls -1t "$TARGET/$prefix"-*.tar.gz 2>/dev/null)
    for ((i = KEEP; i < ${#files[@]}; i++)); do
        log "removing ${files[$i]}"
        rm -f -- "${files[$i]}"
    done
}

mkdir -p "$TARGET"
failed=0
for folder in "$@"; do
    if archive "$folder"; then
        prune "$(basename "$folder")"
    else
        failed=$((failed + 1))
    fi
done

log "done, $failed failed"
exit "$failed"
