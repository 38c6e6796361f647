#!/bin/sh
# Installs @NAME@ @VERSION@. Written by venvstacks.
#
#   sh install.sh --to DIR [--app NAME]... [--channel C | --release V] [--store STORE] [-- OPTIONS]
#
# It needs sh, tar, gzip, sha256sum or shasum, and curl or wget unless the store is a folder, such as that of this
# script on a USB stick. It fetches the part of the release that installs, checks it against the hashes below, and
# lets it deploy the rest, which is verified by the signatures of the store. OPTIONS are for `venvstacks deploy`.
# It can be run again at any time: after it was stopped, or to update.

set -eu

STORE=@STORE@
CHANNEL=@CHANNEL@
DEPLOYER=@DEPLOYER@

say() {
    printf '%s\n' "$*" >&2
}

fail() {
    say "install.sh: $1"
    if [ $# -gt 1 ]; then
        say "hint: $2"
    fi
    exit 1
}

usage() {
    say 'usage: sh install.sh --to DIR [--app NAME]... [--channel C | --release V] [--store STORE] [-- OPTIONS]'
    exit 2
}

write_root() {
    printf '%s' @ROOT@ >"$1"
}

# For each platform: which layers its part has, each with the hash and the size of its archive.
choose_layers() {
    case $1 in
@LAYERS@
    *)
        return 1
        ;;
    esac
}

find_platform() {
    system=$(uname -s)
    machine=$(uname -m)
    case $machine in
    amd64) machine=x86_64 ;;
    arm64) machine=aarch64 ;;
    esac
    case $system in
    Linux) platform=linux_$machine ;;
    Darwin)
        # a shell that runs translated says x86_64
        if [ "$machine" = x86_64 ] && [ "$(sysctl -n sysctl.proc_translated 2>/dev/null || :)" = 1 ]; then
            machine=aarch64
        fi
        case $machine in
        aarch64) platform=macosx_arm64 ;;
        *) platform=macosx_$machine ;;
        esac
        ;;
    *) fail "there is nothing for $system." 'on Windows, run install.ps1 with PowerShell' ;;
    esac
}

has() {
    command -v "$1" >/dev/null 2>&1
}

check_tools() {
    for tool in tar gzip uname mkdir mv rm cp sleep; do
        has "$tool" || fail "there is no $tool." "install it, and run this script again"
    done
    if has sha256sum; then
        hasher=sha256sum
    elif has shasum; then
        hasher='shasum -a 256'
    else
        fail 'there is neither sha256sum nor shasum.' 'install one of them, and run this script again'
    fi
    case $STORE in
    http://* | https://*)
        if has curl; then
            fetcher=curl
        elif has wget; then
            fetcher=wget
        else
            fail 'there is neither curl nor wget.' \
                'install one of them, or copy the store and name its folder with --store'
        fi
        ;;
    *://*) fail "this script cannot fetch from $STORE." \
        'name an address with https:// that serves the store, or a copy of it in a folder, with --store' ;;
    *)
        fetcher=cp
        [ -d "$STORE/blobs" ] || fail "there is no store in $STORE." 'name its folder or its address with --store'
        ;;
    esac
}

# The store beside this script comes first: that of a USB stick, or a copy.
find_store() {
    own=.
    case $0 in
    */*) own=${0%/*} ;;
    esac
    if [ -f "$0" ] && [ -d "$own/blobs" ] && [ -d "$own/metadata" ]; then
        STORE=$(CDPATH= cd -- "$own" && pwd -P)
    elif [ -z "$STORE" ]; then
        fail 'it is not known where the store is.' 'name its folder or its address with --store'
    fi
}

is_right() { # FILE SHA256
    [ -f "$1" ] || return 1
    set -- "$2" "$($hasher <"$1")"
    [ "${2%% *}" = "$1" ]
}

get() { # ADDRESS FILE: what is in the file already is not fetched again
    case $fetcher in
    curl) curl -fsSL --connect-timeout 30 --speed-limit 1 --speed-time 60 -C - -o "$2" -- "$1" ;;
    wget) wget -q -T 60 -c -O "$2" -- "$1" ;;
    cp) cp -- "$1" "$2" ;;
    esac
}

fetch() { # SHA256 FILE
    rest=${1#??}
    address=$STORE/blobs/sha256/${1%"$rest"}/$1
    for attempt in 1 2 3 4 5; do
        if get "$address" "$2"; then
            if is_right "$2" "$1"; then
                return
            fi
            rm -f -- "$2"
        elif [ "$attempt" = 3 ]; then
            rm -f -- "$2" # the server cannot go on with it
        fi
        if [ "$fetcher" = cp ]; then
            break
        fi
        [ "$attempt" = 5 ] || sleep "$attempt"
    done
    fail "$address cannot be fetched, or is not what was published." \
        'try again; if it stays so, the publisher can find out with `venvstacks store verify`'
}

unpack() { # ARCHIVE FOLDER
    if {
        gzip -dc "$1" || : >"$work/failed"
    } | tar -xof - -C "$2" && ! [ -f "$work/failed" ]; then
        return
    fi
    fail "$1 cannot be unpacked into $2." 'look whether there is enough space on the disk'
}

# What earlier runs have left that did not come to their end.
remove_leftovers() {
    for folder in "$to"/.install-*; do
        if [ -d "$folder" ] && ! kill -0 "${folder##*.install-}" 2>/dev/null; then
            rm -rf -- "$folder"
        fi
    done
}

layer() { # SHA256 BYTES NAME
    if is_right "$to/downloads/$1" "$1"; then
        mv -- "$to/downloads/$1" "$work/archive"
    else
        say "fetching $3 ($(($2 / 1000)) kB)"
        fetch "$1" "$work/archive"
    fi
    unpack "$work/archive" "$work"
    # the deployment is going to need it again, and finds it there
    mv -- "$work/archive" "$to/downloads/$1"
    last=$3
}

main() {
    to=
    apps=
    while [ $# -gt 0 ]; do
        case $1 in
        --to | --app | --channel | --release | --store)
            [ $# -gt 1 ] || usage
            ;;
        esac
        case $1 in
        --to) to=$2 ;;
        --app) apps="$apps --app=$2" ;;
        --channel) CHANNEL="--channel=$2" ;;
        --release) CHANNEL="--release=$2" ;;
        --store) STORE=$2 chosen=yes ;;
        --)
            shift
            break
            ;;
        *) usage ;;
        esac
        shift 2
    done
    [ -n "$to" ] || usage
    case $apps in
    *[!A-Za-z0-9._=@\ -]*) fail 'the name of an application has characters that none has.' ;;
    esac

    if [ -z "${chosen-}" ]; then
        find_store
    fi
    STORE=${STORE#file://}
    STORE=${STORE%/}
    find_platform
    check_tools
    choose_layers "$platform" || fail "this release has nothing for $platform." "it is for@PLATFORMS@"

    umask 022
    mkdir -p -- "$to" || fail "$to cannot be made."
    to=$(CDPATH= cd -- "$to" && pwd -P)
    remove_leftovers
    work=$to/.install-$$
    trap 'rm -rf -- "$work"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    mkdir -p -- "$work" "$to/downloads" || fail "$to cannot be written to." 'choose another folder with --to'
    for described in $layers; do
        layer_sha256=${described%%:*}
        described=${described#*:}
        layer "$layer_sha256" "${described%%:*}" "${described#*:}"
    done
    write_root "$work/root.json"

    if ! "$work/$last/bin/python" -c '' 2>/dev/null; then
        "$work/$last/bin/python" -c '' || :
        fail "the programs of this release do not run on this system ($system, $machine)." \
            'is it older than those that they are made for, or has it another C library?'
    fi
    # the name of the deployer comes along, so that the deployment can be updated by itself
    if [ -n "$apps" ]; then
        apps="$apps --app=$DEPLOYER"
    fi
    set -f
    # shellcheck disable=SC2086 # the names have no spaces
    "$work/$last/bin/python" -P -m venvstacks deploy "$STORE" --to "$to" --root "$work/root.json" \
        $CHANNEL $apps "$@" </dev/null
}

main "$@"
