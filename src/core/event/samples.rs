//! A sample of each event.

use std::time::Duration;

use super::*;
use crate::core::model::call_path::CallPath;
use crate::core::model::{ByteSize, LabAddress, Platform, RuntimeKind, Slug};

const MS: Duration = Duration::from_millis(1200);
const SIZE: ByteSize = ByteSize(43_340_112);

/// A sample of each variant, with all its optional members.
pub(crate) fn all() -> Vec<Event> {
    let mut all: Vec<Event> = notes().into_iter().map(Event::Note).collect();
    all.extend(warnings().into_iter().map(Event::Warning));
    let (target, text) = ("meshlab::core::http".to_owned(), "GET /v1/status/leader status=200".to_owned());
    all.push(Event::Log(LogLine { level: "debug", target, text }));
    all.extend(provisioning().into_iter().map(Event::Provision));
    all.extend(lab().into_iter().map(Event::Lab));
    all.extend(runtime().into_iter().map(Event::Runtime));
    all.extend(jobs().into_iter().map(Event::Jobs));
    all.extend(images().into_iter().map(Event::Image));
    all.extend(others());
    all
}

fn slug(name: &str) -> Slug {
    name.parse().unwrap()
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn failure() -> Failure {
    Failure::failed("cannot fetch consul.zip from url")
        .seen_text("connection refused")
        .hint("check the network")
}

fn notes() -> Vec<Note> {
    let address = LabAddress::DEFAULT;
    let lab = || slug("1-tcp-echo");
    vec![
        Note::LeftoversFound { address },
        Note::NothingRuns { address: None },
        Note::NothingRuns { address: Some(address) },
        Note::RunsElsewhere { address },
        Note::ShellOpened { lab: None, address },
        Note::ShellOpened { lab: Some(lab()), address },
        Note::LabContinues { number: 3, title: text("Start Consul") },
        Note::LabStopped { number: 3, of: 7, done: false },
        Note::LabStopped { number: 3, of: 7, done: true },
        Note::NextStep { lab: lab(), number: 3, title: text("Start Consul") },
        Note::LabDone { lab: lab(), steps: 7 },
        Note::LabReset { lab: lab() },
        Note::StepReset { lab: lab(), number: 3, later_done: false },
        Note::StepReset { lab: lab(), number: 3, later_done: true },
        Note::NoMoreHints,
        Note::ReportWritten { path: "lab.html".into() },
        Note::DockerNotAsked { failure: failure() },
        Note::ImageNotPinned { image: slug("consul") },
        Note::OtherLock { lock: text("deps.lock") },
        Note::StateKept { addresses: vec![address, "127.0.0.2".parse().unwrap()] },
        Note::BuildFolderKept { path: "/home/u/.cache/meshlab/build/go".into() },
        Note::ConnectionsRounded { threads: 4, asked: 50, used: 48 },
    ]
}

fn warnings() -> Vec<Warning> {
    let (platform, lock, version) = (Platform::LinuxArm64, text("deps.lock"), text("1.22.7"));
    let kept = |kind: &str| Warning::SourceKept {
        name: slug("consul"),
        platform,
        kind: text(kind),
        failure: failure(),
    };
    vec![
        Warning::ReportNotWritten { failure: failure() },
        Warning::ContainersNotSearched { failure: failure() },
        Warning::ReplacedImagesKept { failure: failure() },
        Warning::BuildFolderNotCleared { failure: failure() },
        Warning::CachedFileChanged {
            file: "consul.zip".parse().unwrap(),
            kept_at: Some("/home/u/.cache/meshlab/rejected/consul.zip".into()),
        },
        Warning::NotMeasured,
        kept("url"),
        kept("image"),
        Warning::NotInLock {
            artifact: slug("consul"),
            version: version.clone(),
            platform,
            lock: lock.clone(),
        },
        Warning::NotPinned { artifact: slug("consul"), version, platform, lock },
        Warning::OtherPlatform { platforms: vec![platform], here: Platform::LinuxX86_64 },
        Warning::RepositoryOpen { address: "0.0.0.0:8090".parse().unwrap() },
        Warning::FileNotServed { observed: text("add-svc.tar has 21 bytes, not 11") },
        Warning::AccessLogDropped { lines: 128 },
        Warning::WrongAnswers {
            target: text("frontend"),
            requests: 50_000,
            wrong: 12,
            first: Some(WrongAnswer { status: 503, body: text("no healthy upstream") }),
        },
        Warning::DebugBuild,
    ]
}

fn provisioning() -> Vec<ProvisionEvent> {
    let (artifact, from, version) = (slug("consul"), text("url"), text("1.22.7"));
    let file = || "consul.zip".parse().unwrap();
    let build = |build| ProvisionEvent::BuildProgress { artifact: slug("consul"), build };
    let wait = |claim, pid| ProvisionEvent::Waiting { artifact: slug("consul"), claim, pid };
    let row = |outcome| ProvisionRow {
        artifact: slug("consul"),
        version: text("1.22.7"),
        outcome,
        earlier: vec![SourceFailure { from: text("mirror"), failure: failure() }],
    };
    vec![
        ProvisionEvent::Planned { platform: Platform::LinuxX86_64, ready: 1, wanted: vec![artifact.clone()] },
        ProvisionEvent::FetchStarted {
            artifact: artifact.clone(),
            file: file(),
            from: from.clone(),
            size: Some(SIZE),
            resumed: ByteSize(1000),
        },
        ProvisionEvent::FetchProgress { artifact: artifact.clone(), file: file(), done: ByteSize(2_000_000) },
        ProvisionEvent::FetchFinished { artifact: artifact.clone(), file: file(), size: SIZE },
        build(BuildStage::FetchingModules { modules: 12, last: Some(text("golang.org/x/net")) }),
        build(BuildStage::Compiling { packages: 412, of: 1093, last: text("net/http") }),
        build(BuildStage::Linked { packages: 1093 }),
        wait(Claimed::File { file: file() }, Some(4121)),
        wait(Claimed::Artifact, None),
        wait(Claimed::GoBuild, Some(std::process::id())),
        wait(Claimed::PackageLists, None),
        ProvisionEvent::SourceFailed { artifact: artifact.clone(), from: from.clone(), failure: failure() },
        ProvisionEvent::Unpacking { artifact: artifact.clone() },
        ProvisionEvent::Installed {
            artifact: artifact.clone(),
            version: version.clone(),
            from: from.clone(),
            took: MS,
        },
        ProvisionEvent::Stored { artifact: artifact.clone(), version, from: from.clone(), took: MS },
        ProvisionEvent::Failed { artifact, failure: failure() },
        ProvisionEvent::Finished {
            rows: vec![
                row(ProvisionOutcome::Ready),
                row(ProvisionOutcome::Installed { from: from.clone(), fetched: SIZE, took: MS }),
                row(ProvisionOutcome::Stored { from, fetched: SIZE, took: MS }),
                row(ProvisionOutcome::Failed { failure: failure() }),
            ],
            took: MS,
        },
    ]
}

fn lab() -> Vec<LabEvent> {
    let (number, of, took, passed) = (3, 7, MS, true);
    let (id, step, title) = (slug("1-tcp-echo"), slug("consul-agent"), text("Start Consul"));
    let (claim, observed, line) = (text("echo answers"), text("nothing came back"), text("a line"));
    vec![
        LabEvent::Started {
            id: id.clone(),
            title: text("TCP echo"),
            summary: text("The smallest mesh."),
            runtime: RuntimeKind::Docker,
            runtime_reason: RuntimeReason::DockerFound { docker_version: text("29.1.3") },
            address: LabAddress::DEFAULT,
            tools: vec![(text("consul"), text("1.22.7"))],
            steps: of,
        },
        LabEvent::StepStarted { number, of, step: step.clone(), title: title.clone(), text: text("Why.") },
        LabEvent::Preceding { number, of, step: step.clone() },
        LabEvent::Command { command: text("consul agent -dev"), service: Some(text("consul")) },
        LabEvent::Output { line: line.clone(), error: false },
        LabEvent::OutputBeyond { line, error: true },
        LabEvent::OutputCut { lines: 128 },
        LabEvent::CommandFinished { took, service: Some(text("consul")), ready: Some(leader()) },
        LabEvent::Task { task: text("Start Consul."), shell: text("meshlab shell") },
        LabEvent::Hint { number: 1, of: 2, text: text("`-dev` helps.") },
        LabEvent::Trying { number, of, step: step.clone(), trial: Trial::Before },
        LabEvent::Tried {
            number,
            of,
            step: step.clone(),
            title: title.clone(),
            trial: Trial::Run,
            passed,
            observed: observed.clone(),
            took,
        },
        LabEvent::Tested { id: id.clone(), steps: of, of, trials: 28, wrong: 0, passed, took },
        LabEvent::CheckStarted { claim: claim.clone() },
        LabEvent::CheckWaiting { claim: claim.clone(), observed: observed.clone() },
        LabEvent::CheckPassed { claim: claim.clone(), evidence: vec![text("32 bytes came back")], took },
        LabEvent::CheckFailed {
            claim,
            expected: text("the same 32 bytes"),
            observed,
            path: Some(Box::new(CallPath {
                source: text("client"),
                destination: text("echo"),
                request: None,
                open: false,
                hops: Vec::new(),
            })),
        },
        LabEvent::StepFinished { number, step: step.clone(), passed, took },
        LabEvent::StepSkipped { number, of, step: step.clone(), title: title.clone() },
        LabEvent::Finished {
            id,
            steps: vec![StepSummary { number, step, title, passed, checks: 2, took }],
            of,
            all: of,
            passed,
            learned: vec![text("A sidecar is enough.")],
            kept: false,
            took,
        },
    ]
}

fn leader() -> Ready {
    let state = ReadyState::Leader { leader: text("127.0.0.1:8300") };
    Ready { state, without_token: Some(Access::Read) }
}

fn runtime() -> Vec<RuntimeEvent> {
    let component = || text("consul");
    let listening = |address| match address {
        "127.0.0.1:8090" => ReadyState::Listening { address: address.parse().unwrap() },
        address => ReadyState::Live { address: address.parse().unwrap() },
    };
    let ready = |observed| RuntimeEvent::Ready { component: component(), observed, took: MS };
    let environment = |kind, reason, changed| RuntimeEvent::EnvironmentReady {
        address: LabAddress::DEFAULT,
        kind,
        reason,
        changed,
        took: MS,
    };
    vec![
        RuntimeEvent::PackingRuntimes,
        RuntimeEvent::Starting { component: component() },
        RuntimeEvent::WaitingFor { component: component() },
        ready(leader()),
        ready(Ready { state: listening("127.0.0.1:8090"), without_token: Some(Access::Nothing) }),
        ready(Ready { state: listening("127.0.0.1:21001"), without_token: None }),
        RuntimeEvent::Stopping { component: component() },
        RuntimeEvent::Stopped { component: component(), took: MS },
        environment(
            RuntimeKind::Docker,
            RuntimeReason::Requested { docker_version: Some(text("29.1.3")) },
            false,
        ),
        environment(RuntimeKind::Docker, RuntimeReason::DockerFound { docker_version: text("29.1.3") }, true),
        environment(
            RuntimeKind::Host,
            RuntimeReason::DockerAbsent { observed: text("there is no /var/run/docker.sock") },
            true,
        ),
        RuntimeEvent::TakenDown {
            removed: vec![
                Removed::Processes { name: text("consul"), pids: vec![4102] },
                Removed::Processes { name: text("envoy"), pids: vec![4188, 4211] },
                Removed::Processes { name: text("nomad"), pids: vec![4190, 4195, 4203] },
                Removed::Container { name: text("meshlab-consul") },
                Removed::Network { name: text("meshlab") },
                Removed::Mounts { count: 2 },
                Removed::ControlGroup { path: "/sys/fs/cgroup/meshlab".into() },
                Removed::TaskControlGroups { count: 3 },
                Removed::Folder { path: "/home/u/.local/state/meshlab/run/127.0.0.1".into() },
            ],
            took: MS,
        },
    ]
}

fn jobs() -> Vec<JobEvent> {
    let job = || text("sidecar-job");
    let wait = |wait| JobEvent::Waiting { job: job(), group: text("backend"), wait };
    let started = |batch| JobEvent::Started {
        job: job(),
        batch,
        allocations: vec![AllocationName { group: text("backend"), id: text("1f0a9c3e") }],
        took: MS,
    };
    vec![
        JobEvent::Submitted { job: job() },
        wait(JobWait::Scheduler),
        wait(JobWait::Placement {
            unmet: vec![
                Unmet::Client,
                Unmet::Constraint { constraint: text("missing drivers") },
                Unmet::Network { network: text("reserved port collision http=1") },
                Unmet::Resource { resource: text("disk") },
            ],
        }),
        wait(JobWait::Client { status: text("pending") }),
        wait(JobWait::Checks),
        wait(JobWait::Task(TaskTrouble {
            task: text("add-svc"),
            failure: text("Driver Failure"),
            message: text("no such file"),
            restarts: 2,
        })),
        started(false),
        started(true),
        JobEvent::WaitingForConsul { failing: vec![text("add-svc is critical")] },
        JobEvent::HealthyInConsul { services: vec![text("add-svc"), text("sub-svc")], took: MS },
        JobEvent::Stopping { job: job() },
        JobEvent::Stopped { names: vec![job()], took: MS },
    ]
}

fn images() -> Vec<ImageEvent> {
    let images = || vec![slug("consul"), slug("envoy")];
    let bytes = SIZE;
    vec![
        ImageEvent::Loading { images: images(), bytes },
        ImageEvent::Loaded { images: images(), bytes, took: MS },
        ImageEvent::Exporting { images: images(), bytes },
        ImageEvent::Exported { images: images(), bytes, took: MS },
    ]
}

fn others() -> Vec<Event> {
    let (number, of, target) = (1, 7, text("frontend"));
    let (verb, file, size) = (BundleVerb::Export, text("lab.tar"), SIZE);
    vec![
        Event::Repo(RepoEvent::Listening { address: "127.0.0.1:8090".parse().unwrap(), files: 12 }),
        Event::Repo(RepoEvent::Served {
            method: text("GET"),
            path: text("/"),
            status: 200,
            bytes: 512,
            micros: 90,
        }),
        Event::Bench(BenchEvent::Pressing {
            target: target.clone(),
            url: text("http://127.0.0.1:8080/"),
            number,
            of,
            lasts: Duration::from_secs(30),
        }),
        Event::Bench(BenchEvent::Pressed { target, number, of, rate: 20_123.4, errors: 0 }),
        Event::Bundle(BundleEvent::Started {
            verb,
            file: file.clone(),
            artifacts: 4,
            platforms: vec![Platform::LinuxX86_64],
            size,
        }),
        Event::Bundle(BundleEvent::Progress { artifact: text("consul"), done: ByteSize(2_000_000) }),
        Event::Bundle(BundleEvent::Finished { verb: BundleVerb::Import, file, size, took: MS }),
    ]
}
