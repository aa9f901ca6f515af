//! Lab 1, once as it should go and once as it should not.

use super::{lines, ms};
use crate::core::event::{
    Event, LabEvent, Ready, ReadyState, Removed, RuntimeEvent, RuntimeReason, StepSummary,
};
use crate::core::model::LabAddress;
use crate::core::settings::RuntimeChoice;

/// A step: its explanation, its commands, its proofs.
struct Step {
    name: &'static str,
    title: &'static str,
    text: &'static str,
    acts: Vec<Act>,
    took: u64,
}

enum Act {
    /// Command, what it wrote.
    Run(&'static str, &'static str),
    /// Service, command, what it wrote, why it is ready, after how long.
    Serve(&'static str, &'static str, &'static str, ReadyState, u64),
    /// Claim, evidence, after how long.
    Holds(&'static str, &'static str, u64),
}

#[allow(clippy::too_many_lines, reason = "it is data")]
fn steps() -> Vec<Step> {
    use Act::{Holds, Run, Serve};
    let at = |port| LabAddress::DEFAULT.port(port);
    vec![
        Step {
            name: "echo-server",
            title: "An echo server",
            text: "A service is a program that listens on a port, and nothing more. This one sends back what it is sent. It knows \
                   **nothing** of a mesh, and it never will: that is the point of a *sidecar*.",
            acts: vec![
                Serve(
                    "echo",
                    "meshlab svc echo --listen 127.0.0.1:9090",
                    "",
                    ReadyState::Listening { address: at(9090) },
                    4,
                ),
                Holds(
                    "what is sent to 127.0.0.1:9090 comes back",
                    "sent 32 random bytes, the same 32 came back",
                    1,
                ),
            ],
            took: 9,
        },
        Step {
            name: "service-definitions",
            title: "Describe both services to Consul",
            text: "Consul learns of services from definition files. `connect` asks for a sidecar:\n\n- `echo` wants one with all defaults\n- \
                   `client` also names an *upstream*: whatever it sends to its own port `9191` goes to `echo`, wherever that is",
            acts: vec![
                Run(
                    "cat > services.hcl <<'EOF'\nservices {\n  name = \"client\"\n  port = 8080\n  connect { sidecar_service { proxy { upstreams {\n    destination_name = \"echo\"\n    local_bind_port  = 9191\n  } } } }\n}\nservices {\n  name = \"echo\"\n  port = 9090\n  connect { sidecar_service {} }\n}\nEOF",
                    "",
                ),
                Run("consul validate services.hcl", "Configuration is valid!"),
                Holds("services.hcl defines client and echo", "", 12),
            ],
            took: 58,
        },
        Step {
            name: "consul-agent",
            title: "Start Consul",
            text: "`-dev` is a server and an agent in one process, in memory. It is also the certificate authority of the mesh.",
            acts: vec![
                Serve(
                    "consul",
                    "consul agent -dev -config-file services.hcl",
                    "==> Starting Consul agent...\n           Version: '1.22.7'\n        Build Date: '2026-02-11 10:21:33 +0000 UTC'\n2026-03-02T10:12:07.482Z [INFO]  agent.server.raft: election won: term=2 tally=1",
                    ReadyState::Leader { leader: "127.0.0.1:8300".into() },
                    842,
                ),
                Holds("both services are registered", "client :8080, echo :9090", 3),
            ],
            took: 861,
        },
        Step {
            name: "sidecar-expansion",
            title: "What became of sidecar_service",
            text: "The two short stanzas have become two whole services of kind `connect-proxy`.",
            acts: vec![
                Run(
                    "meshlab svc get http://127.0.0.1:8500/v1/agent/services --only Kind,Port,Proxy.Upstreams",
                    "{\n  \"client-sidecar-proxy\": { \"Kind\": \"connect-proxy\", \"Port\": 21000 },\n  \"echo-sidecar-proxy\": { \"Kind\": \"connect-proxy\", \"Port\": 21001 }\n}",
                ),
                Holds(
                    "client-sidecar-proxy is a connect-proxy on 21000 with the upstream echo at 9191",
                    "upstreams: echo at 127.0.0.1:9191",
                    2,
                ),
                Holds("echo-sidecar-proxy is a connect-proxy on 21001", "", 2),
            ],
            took: 21,
        },
        Step {
            name: "envoys",
            title: "An Envoy on each side",
            text: "Both ways of starting one. First a bootstrap file, which shows that there is no magic:",
            acts: vec![
                Run(
                    "consul connect envoy -sidecar-for echo -admin-bind 127.0.0.1:19000 -bootstrap > echo.json",
                    "",
                ),
                Serve(
                    "envoy-echo",
                    "envoy --config-path echo.json --log-level warning",
                    "",
                    ReadyState::Live { address: at(21001) },
                    312,
                ),
                Serve(
                    "envoy-client",
                    "consul connect envoy -sidecar-for client -admin-bind 127.0.0.1:19001 -- --log-level warning",
                    "[2026-03-02 10:12:09.127][4211][warning][main] [source/server/server.cc:936] There is no configured limit to the number of allowed active downstream connections.",
                    ReadyState::Live { address: at(9191) },
                    388,
                ),
            ],
            took: 790,
        },
        Step {
            name: "echo-through-mesh",
            title: "An echo through the mesh",
            text: "The client talks to its own machine, in the clear. What is between the two Envoys is mutual TLS.",
            acts: vec![
                Run("echo hello mesh | meshlab svc nc 127.0.0.1 9191", "hello mesh"),
                Holds(
                    "32 random bytes come back through both Envoys",
                    "sent and received 32 bytes in 1 ms",
                    2,
                ),
                Holds(
                    "10 MiB come back through both Envoys",
                    "sent and received 10485760 bytes in 61 ms (344 MB/s both ways)",
                    61,
                ),
            ],
            took: 80,
        },
        Step {
            name: "under-the-hood",
            title: "Under the hood",
            text: "| what | where |\n|---|---|\n| counters | `/stats` of the admin ports |\n| certificates | `/certs` |\n\nAn intention that denies `client -> echo` must cut the traffic, or nothing of this is security.",
            acts: vec![
                Holds(
                    "both Envoys hold a certificate with their own SPIFFE id",
                    "spiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/dc/dc1/svc/client\nspiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/dc/dc1/svc/echo",
                    9,
                ),
                Holds(
                    "the counters grew by what was sent",
                    "upstream_cx_tx_bytes_total 412 -> 10486204\nssl.handshake 1 -> 3",
                    5,
                ),
                Run("consul intention create -deny client echo", "Created: client => echo (deny)"),
                Holds(
                    "a denied intention cuts the traffic",
                    "connection closed by the other side; rbac.denied 0 -> 1",
                    215,
                ),
                Run("consul intention delete client echo", "Intention deleted."),
                Holds("allowing it mends it", "", 203),
            ],
            took: 471,
        },
    ]
}

fn started() -> Event {
    Event::Lab(LabEvent::Started {
        id: "1-tcp-echo".parse().unwrap(),
        title: "TCP echo through the mesh".into(),
        summary: "The smallest mesh there is: two programs that know nothing of each other, Consul to introduce them, and an *Envoy* \
                  beside each. At the end you have **seen** that the bytes crossed under mutual TLS, and that a denied intention stops \
                  them."
            .into(),
        runtime: RuntimeChoice::Host.kind().unwrap(),
        runtime_reason: RuntimeReason::DockerAbsent { observed: "there is no /var/run/docker.sock".into() },
        address: LabAddress::DEFAULT,
        tools: vec![("consul".into(), "1.22.7".into()), ("envoy".into(), "1.36.4".into())],
        steps: 7,
    })
}

fn act(act: &Act) -> Vec<Event> {
    let events = match act {
        Act::Run(command, output) => {
            let mut events = vec![LabEvent::Command { command: (*command).into(), service: None }];
            events.extend(lines(output).into_iter().map(|line| LabEvent::Output { line, error: false }));
            events.push(LabEvent::CommandFinished { took: ms(11), service: None, ready: None });
            events
        }
        Act::Serve(name, command, output, ready, took) => {
            let mut events =
                vec![LabEvent::Command { command: (*command).into(), service: Some((*name).into()) }];
            events.extend(
                lines(output)
                    .into_iter()
                    .map(|line| LabEvent::Output { error: line.contains("warning"), line }),
            );
            events.push(LabEvent::CommandFinished {
                took: ms(*took),
                service: Some((*name).into()),
                ready: Some(Ready { state: ready.clone(), without_token: None }),
            });
            events
        }
        Act::Holds(claim, evidence, took) => {
            let claim = String::from(*claim);
            vec![
                LabEvent::CheckStarted { claim: claim.clone() },
                LabEvent::CheckWaiting { claim: claim.clone(), observed: "connection refused".into() },
                LabEvent::CheckPassed { claim, evidence: lines(evidence), took: ms(*took) },
            ]
        }
    };
    events.into_iter().map(Event::Lab).collect()
}

fn step_started(number: usize, step: &Step) -> Event {
    Event::Lab(LabEvent::StepStarted {
        number,
        of: 7,
        step: step.name.parse().unwrap(),
        title: step.title.into(),
        text: step.text.into(),
    })
}

fn step_finished(number: usize, step: &Step, passed: bool) -> Event {
    Event::Lab(LabEvent::StepFinished {
        number,
        step: step.name.parse().unwrap(),
        passed,
        took: ms(step.took),
    })
}

fn summaries(steps: &[Step], last_passed: bool) -> Vec<StepSummary> {
    let last = steps.len();
    let summary = |(index, step): (usize, &Step)| StepSummary {
        number: index + 1,
        step: step.name.parse().unwrap(),
        title: step.title.into(),
        passed: index + 1 < last || last_passed,
        checks: step.acts.iter().filter(|act| matches!(act, Act::Holds(..))).count(),
        took: ms(step.took),
    };
    steps.iter().enumerate().map(summary).collect()
}

fn taken_down() -> Vec<Event> {
    let process = |name: &str, pids| Removed::Processes { name: name.into(), pids };
    let mut events: Vec<Event> = ["envoy-client", "envoy-echo", "consul", "echo"]
        .iter()
        .map(|name| Event::Runtime(RuntimeEvent::Stopping { component: (*name).into() }))
        .collect();
    events.push(Event::Runtime(RuntimeEvent::TakenDown {
        removed: vec![
            process("echo", vec![4097]),
            process("consul", vec![4102]),
            process("envoy", vec![4188, 4211]),
            process("envoy-probe", vec![4190, 4195, 4203]),
            Removed::Folder { path: "/home/u/.local/state/meshlab/labs/127.0.0.1".into() },
        ],
        took: ms(131),
    }));
    events
}

/// Lab 1 from its title to the end, all well.
pub(crate) fn lab(kept: bool) -> Vec<Event> {
    let steps = steps();
    let mut events = vec![started()];
    for (index, step) in steps.iter().enumerate() {
        events.push(step_started(index + 1, step));
        events.extend(step.acts.iter().flat_map(act));
        events.push(step_finished(index + 1, step, true));
    }
    events.push(Event::Lab(LabEvent::Finished {
        id: "1-tcp-echo".parse().unwrap(),
        steps: summaries(&steps, true),
        of: 7,
        all: 7,
        passed: true,
        learned: vec![
            "A `sidecar_service` stanza is all that a service needs to join the mesh.".into(),
            "The two Envoys prove who they are with **SPIFFE** ids that Consul signs, and talk over mutual TLS; the programs behind them never notice.".into(),
            "Intentions decide who may talk to whom, and take effect at once.".into(),
        ],
        kept,
        took: ms(2301),
    }));
    if !kept {
        events.extend(taken_down());
    }
    events
}

/// One step of lab 1, asked for alone.
pub(crate) fn solved_step() -> Vec<Event> {
    let steps = steps();
    let mut events = vec![started(), step_started(1, &steps[0])];
    events.extend(steps[0].acts.iter().flat_map(act));
    events.push(step_finished(1, &steps[0], true));
    let mut seen = summaries(&steps, true);
    seen.truncate(1);
    events.push(Event::Lab(LabEvent::Finished {
        id: "1-tcp-echo".parse().unwrap(),
        steps: seen,
        of: 1,
        all: 7,
        passed: true,
        learned: Vec::new(),
        kept: true,
        took: ms(120),
    }));
    events
}

/// Lab 1 up to its sixth step, where the echo does not come back.
pub(crate) fn failing_lab() -> Vec<Event> {
    let mut steps = steps();
    steps.truncate(6);
    let (last, before) = steps.split_last().unwrap();
    let mut events = vec![started()];
    for (index, step) in before.iter().enumerate().skip(4) {
        events.push(step_started(index + 1, step));
        events.extend(step.acts.iter().flat_map(act));
        events.push(step_finished(index + 1, step, true));
    }
    events.push(step_started(6, last));
    events.extend(act(&Act::Run("echo hello mesh | meshlab svc nc 127.0.0.1 9191", "")));
    events.push(Event::Lab(LabEvent::OutputCut { lines: 128 }));
    let claim = "32 random bytes come back through both Envoys";
    events.push(Event::Lab(LabEvent::CheckStarted { claim: claim.into() }));
    events.push(Event::Lab(LabEvent::CheckFailed {
        path: Some(Box::new(crate::mesh::why::samples::stopped()[7].clone())),
        claim: claim.into(),
        expected: "the same 32 bytes within 10 s".into(),
        observed: "127.0.0.1:9191 accepted the connection and closed it after 0 bytes; tried 41 times, the last time 9.9 s after the first".into(),
    }));
    events.push(step_finished(6, last, false));
    events.push(Event::Lab(LabEvent::Finished {
        id: "1-tcp-echo".parse().unwrap(),
        steps: summaries(&steps, false),
        of: 7,
        all: 7,
        passed: false,
        learned: vec!["never shown".into()],
        kept: false,
        took: ms(12_444),
    }));
    events.extend(taken_down());
    events
}

/// The end of lab 1, if its last step only took down and the lab is kept.
pub(crate) fn skipped_take_down() -> Vec<Event> {
    let mut steps = steps();
    let last = steps.pop().unwrap();
    vec![
        started(),
        Event::Lab(LabEvent::StepSkipped {
            number: 7,
            of: 7,
            step: last.name.parse().unwrap(),
            title: last.title.into(),
        }),
        Event::Lab(LabEvent::Finished {
            id: "1-tcp-echo".parse().unwrap(),
            steps: summaries(&steps, true),
            of: 6,
            all: 7,
            passed: true,
            learned: Vec::new(),
            kept: true,
            took: ms(2100),
        }),
    ]
}
