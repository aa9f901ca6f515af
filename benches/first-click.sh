#!/bin/sh
# The calculator's environment from nothing to the first right answer, as one would script it by hand with the same
# programs. Usage: first-click.sh ADDRESS JOBS-AND-CONFIGURATION MESH-CONFIGURATION [-detach]
# Needs meshlab (which is the sample services), consul, nomad, envoy, nginx and curl on the PATH; writes into the working
# folder. Prints "9" once that came back, then stays until it is told to end, and takes everything down.
#
# It does what the sample's own scripts do: both agents in their quick development mode, without access control; one
# job after the other; checks every 10 s, sidecars without any. In two things it is quicker than the sample: it polls
# where that slept, and Nomad does not ask the clouds who it is.
set -eu

address=$1
files=$2
mesh=$3
# Without -detach, `nomad job run` waits until Nomad calls the job healthy: ten seconds after its check passed. That is how
# the sample's script starts them, and how one learns that a job does not run. With it, the next job follows at once.
detach=${4:-}

pids=
# The agents last: Nomad ends its tasks, which tell Consul.
take_down() {
    trap '' INT TERM
    tries=0
    while tell_all TERM && [ "$tries" -lt 400 ]; do
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

# Every 50 ms, for two minutes at most.
until_it_holds() {
    tries=0
    until "$@" 2>/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -ge 2400 ]; then
            echo "still not: $*" >&2
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

# The packages lie in a folder of nginx's.
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
until_it_holds consul_has_leader
nomad agent -dev -config nomad.hcl >nomad.log 2>&1 &
pids="$pids $!"
until_it_holds nomad_has_a_client

export NOMAD_ADDR="http://$address:4646"
run() {
    job=$1
    shift
    nomad job run $detach -var "address=$address" "$@" "$files/$job.hcl" >"$job.log" 2>&1
}
programs="-var consul=$(command -v consul) -var envoy=$(command -v envoy)"

# The order of the sample, which started the dashboard first; but nobody waits for a dashboard.
run addsvcJob
run subsvcJob
run frontendJob
run sidecar-job
run apiGatewayJob $programs
# An Envoy whose sidecar Consul does not know yet ends, and Nomad starts it again after 15 s only.
until_it_holds sidecars_are_registered
run envoyJob $programs
run dashboardJob

until_it_holds clicks

# Until whoever started this has seen enough; a minute at most.
sleep 60 &
pids="$pids $!"
echo 9
wait "$!"
