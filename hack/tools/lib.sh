# Shared by the scripts under hack/: where built tools are kept and how they are built. Source it from bash.
# shellcheck shell=bash

# Some runners start without HOME; go and the cache both need one.
if [ -z "${HOME:-}" ] || [ ! -d "$HOME" ]; then
  HOME=$(getent passwd "$(id -u)" 2>/dev/null | cut -d: -f6) || true
  if [ -z "$HOME" ] || ! mkdir -p "$HOME" 2>/dev/null; then HOME=/var/tmp/beanpod-home-$(id -u); mkdir -p "$HOME"; fi
  export HOME
fi
# A login shell may be missing too, and with it the usual place of the Go tool chain.
command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin

beanpod_cache=${BEANPOD_CACHE:-$HOME/.cache/beanpod}

# tool_dir FAMILY MODULE_DIR FLAGS: the directory for one family's binaries. The name carries a hash of
# everything that decides their content, so a changed pin or flag builds anew and two checkouts can share a cache.
tool_dir() {
  local hash
  hash=$({ cat "$2/go.mod" "$2/go.sum"; echo "$3"; (cd "$2" && go version); } | sha256sum | cut -c1-12)
  echo "$beanpod_cache/bin/$1-$hash"
}

# tool_build DIR NAME MODULE_DIR PACKAGE FLAG...: builds one binary unless it is there. Safe to call from several processes.
tool_build() {
  local dir=$1 name=$2 module=$3 package=$4 began=$SECONDS; shift 4
  [ -x "$dir/$name" ] && return
  mkdir -p "$dir"
  (
    flock 9
    [ -x "$dir/$name" ] && exit
    echo "building $name" >&2
    # What the caller sets for its own project must not leak into pinned tools; tool_cgo says what they need.
    cd "$module" && CGO_ENABLED=${tool_cgo:-0} GOFLAGS='-mod=readonly -buildvcs=false' GOWORK=off go build -o "$dir/.$name" "$@" "$package" >&2
    mv "$dir/.$name" "$dir/$name"
    echo "built $name in $((SECONDS - began)) s" >&2
  ) 9>"$dir/.lock"
}

# npm_dir NAME PACKAGE_DIR: like tool_dir, for a tool made of npm packages.
npm_dir() {
  echo "$beanpod_cache/bin/$1-$(cat "$2/package-lock.json" "$2/serve.mjs" "${BASH_SOURCE[0]}" | sha256sum | cut -c1-12)"
}

# npm_build DIR NAME PACKAGE_DIR: installs what the lock file names and writes the launcher DIR/NAME unless it is there. The
# packages' own scripts do not run. Node is one of the packages where there is one for this machine, else that of PATH.
npm_build() {
  local dir=$1 name=$2 package=$3 began=$SECONDS
  [ -x "$dir/$name" ] && return
  npm_needed || return
  mkdir -p "$dir"
  (
    flock 9
    [ -x "$dir/$name" ] && exit
    echo "building $name" >&2
    cp "$package"/package.json "$package"/package-lock.json "$package"/serve.mjs "$dir/"
    npm --prefix "$dir" ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
    # shellcheck disable=SC2016 # the launcher expands these
    printf '%s\n' '#!/bin/sh' 'cd "$(dirname "$0")" || exit' \
      'for node in node_modules/node-linux-*/bin/node node; do command -v "$node" >/dev/null && exec "$node" serve.mjs "$@"; done' \
      'echo "no Node here" >&2; exit 1' >"$dir/.$name"
    chmod +x "$dir/.$name"
    mv "$dir/.$name" "$dir/$name"
    echo "built $name in $((SECONDS - began)) s" >&2
  ) 9>"$dir/.lock"
}

# npm_needed: npm is there, or is installed where that is allowed, as hack/cluster/cluster does with its packages.
npm_needed() {
  command -v npm >/dev/null && return
  local command="apt-get install -y --no-install-recommends npm"
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && { [ "${CI:-}" = true ] || [ -n "${MAKELEVEL:-}" ]; }; then
    echo 'installing npm' >&2
    DEBIAN_FRONTEND=noninteractive $command >/dev/null 2>&1 </dev/null || { apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive $command >&2 </dev/null; }
  else
    echo "npm is missing; install it with $command" >&2
    return 1
  fi
}
