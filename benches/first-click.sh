#!/bin/sh
# A hand-written script with the programs of lab 2: the calculator's environment, from nothing to the first correct
# result. Usage: first-click.sh ADDRESS JOBS-AND-CONFIGURATION MESH-CONFIGURATION [-detach]
# Needs meshlab (for the sample services), consul, nomad, envoy, nginx and curl on the PATH. Writes into the working
# directory. Prints "9" after the first correct result, then waits for a signal, a minute at most, and stops everything.
#
# It does what the scripts of the sample do: both agents in development mode, without access control; one job after the
# other; checks every 10 s, and no checks for sidecars. It is faster than the sample in two ways: it polls instead of
# sleeping, and Nomad does not ask cloud providers for metadata.
set -eu

address=$1
files=$2
mesh=$3
# Without -detach, `nomad job run` waits until Nomad reports the job as healthy, ten seconds after its check passes. The
# sample's script does that, and so it shows when a job does not run. With -detach, the next job starts at once.
detach=${4:-}

pids=
# Repeats the signal until all processes are gone. Nomad ends its tasks, too.
take_down() {
    trap '' INT TERM
    tries=0
    while signal_all TERM && [ "$tries" -lt 400 ]; do
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

# Repeats a command every 50 ms until it succeeds, for two minutes at most.
wait_for() {
    tries=0
    until "$@" 2>/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -ge 2400 ]; then
            echo "timeout: $*" >&2
            exit 1
        fi
        sleep 0.05
    done
}

consul_has_leader() {
    curl -sf "http://$address:8500/v1/status/leader" | grep -q :
}

nomad_has_a_client() {
    curl -sf "http://$address:4646/v1/nodes" | grep -q '"Status":"ready"'
}

sidecars_are_registered() {
    curl -sf "http://$address:8500/v1/agent/services" >services.json
    for name in add-svc-proxy sub-svc-proxy add-svc-ref-proxy sub-svc-ref-proxy; do
        grep -q "\"$name\"" services.json || return 1
    done
}

clicks() {
    curl -sf -m 10 "http://$address:8088/api/v1/compute" -H 'Content-Type: application/json' \
        -d '{"expression":"1+1+2+3+4+5+6-1-2-3-4-5-6+9+8-4-5"}' | grep -q '"result": *9}'
}

# nginx serves the packages from this folder.
mkdir -p public/pkgs
for service in add-svc sub-svc frontend dashboard; do
    ln -s "$(command -v meshlab)" "public/pkgs/$service"
done
for name in nomad.hcl nginx.conf; do
    sed "s/ADDRESS/$address/g" "$files/$name" >"$name"
done

consul agent -dev -ui -domain intra -bind "$address" -client "$address" -config-file "$mesh" >consul.log 2>&1 &
pids="$pids $!"
nginx -e stderr -p "$PWD" -c nginx.conf >nginx.log 2>&1 &
pids="$pids $!"
wait_for consul_has_leader
nomad agent -dev -config nomad.hcl >nomad.log 2>&1 &
pids="$pids $!"
wait_for nomad_has_a_client

export NOMAD_ADDR="http://$address:4646"
run() {
    job=$1
    shift
    nomad job run $detach -var "address=$address" "$@" "$files/$job.hcl" >"$job.log" 2>&1
}
programs="-var consul=$(command -v consul) -var envoy=$(command -v envoy)"

# The order of the sample, except for the dashboard: the sample starts it first, but no other job needs it.
run addsvcJob
run subsvcJob
run frontendJob
run sidecar-job
run apiGatewayJob $programs
# An Envoy ends if its sidecar is not in Consul yet, and Nomad restarts it only after 15 s.
wait_for sidecars_are_registered
run envoyJob $programs
run dashboardJob

wait_for clicks

# Waits until the caller ends this script, a minute at most.
sleep 60 &
pids="$pids $!"
echo 9
wait "$!"
