#!/bin/sh
# A hand-written script with the programs of lab 1: two services, two sidecars, and an echo through both.
# Needs meshlab (for its echo server and its nc), consul, envoy and curl on the PATH. Writes into the working directory.
# Prints "echo" after the first echo, then waits for a signal, a minute at most, and stops everything.
set -eu

pids=
# Repeats the signal until all processes are gone: one that is still starting may miss it.
take_down() {
    trap '' INT TERM
    tries=0
    while signal_all TERM && [ "$tries" -lt 100 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
    signal_all KILL || true
}

# Fails if no process is left. `$!` may be a process that is not in `pids` yet.
signal_all() {
    left=1
    for pid in $pids ${!:-}; do
        if kill -s "$1" "$pid" 2>/dev/null; then left=0; fi
    done
    return "$left"
}
trap take_down EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# Repeats a command every 50 ms until it succeeds, for a minute at most.
wait_for() {
    tries=0
    until "$@" 2>/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -ge 1200 ]; then
            echo "timeout: $*" >&2
            exit 1
        fi
        sleep 0.05
    done
}

has_leader() {
    curl -sf http://127.0.0.1:8500/v1/status/leader | grep -q :
}

echoes() {
    [ "$(echo hello | timeout 1 meshlab svc nc 127.0.0.1 9191)" = hello ]
}

cat >services.hcl <<'HCL'
services {
  name = "client"
  port = 8080
  connect {
    sidecar_service {
      proxy {
        upstreams {
          destination_name = "echo"
          local_bind_port  = 9191
        }
      }
    }
  }
}

services {
  name = "echo"
  port = 9090
  connect {
    sidecar_service {}
  }
}
HCL

meshlab svc echo --listen 127.0.0.1:9090 >echo.log 2>&1 &
pids="$pids $!"
consul agent -dev -config-file services.hcl >consul.log 2>&1 &
pids="$pids $!"
wait_for has_leader

sidecar() {
    exec consul connect envoy -sidecar-for "$1" -admin-bind "$2" -grpc-addr http://127.0.0.1:8502 \
        -ignore-envoy-compatibility >"envoy-$1.log" 2>&1
}
sidecar echo 127.0.0.1:19000 &
pids="$pids $!"
sidecar client 127.0.0.1:19001 &
pids="$pids $!"

wait_for echoes

# Waits until the caller ends this script, a minute at most.
sleep 60 &
pids="$pids $!"
echo echo
wait "$!"
