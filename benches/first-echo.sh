#!/bin/sh
# Two services, two sidecars and an echo through both, as one would script it by hand with the same programs.
# Needs meshlab (for its echo server and its nc), consul, envoy and curl on the PATH. Writes into the working folder.
# Prints "echo" once the first echo came back, then stays until it is told to end, and takes everything down.
set -eu

pids=
# Until all are gone: what is told to end before it is really started does not hear it.
take_down() {
    trap '' INT TERM
    tries=0
    while tell_all TERM && [ "$tries" -lt 100 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
    tell_all KILL || true
}

# Fails if there is nobody left. The last one may have been started just before it would have been noted.
tell_all() {
    left=1
    for pid in $pids ${!:-}; do
        if kill -s "$1" "$pid" 2>/dev/null; then left=0; fi
    done
    return "$left"
}
trap take_down EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# Every 50 ms, for a minute at most.
until_it_holds() {
    tries=0
    until "$@" 2>/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -ge 1200 ]; then
            echo "still not: $*" >&2
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
until_it_holds has_leader

sidecar() {
    exec consul connect envoy -sidecar-for "$1" -admin-bind "$2" -grpc-addr http://127.0.0.1:8502 \
        -ignore-envoy-compatibility >"envoy-$1.log" 2>&1
}
sidecar echo 127.0.0.1:19000 &
pids="$pids $!"
sidecar client 127.0.0.1:19001 &
pids="$pids $!"

until_it_holds echoes

# Until whoever started this has seen enough; a minute at most.
sleep 60 &
pids="$pids $!"
echo echo
wait "$!"
