//! Hops in order, what was found at each, and where the way stops.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

/// From whom to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The service that calls.
    pub source: String,
    /// The service that is called.
    pub destination: String,
    /// What is asked for, where that is known: it matters to routes, and to intentions about paths and methods.
    pub request: Option<Request>,
}

/// What a call asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// GET, POST ...
    pub method: String,
    /// The path, without a query.
    pub path: String,
}

impl fmt::Display for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method, self.path)
    }
}

/// The way from one service to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Way {
    /// The service that calls, or the API gateway.
    pub source: String,
    /// The service that is called.
    pub destination: String,
    /// `GET /path`, if the question was about one request.
    pub request: Option<String>,
    /// Whether a call gets through.
    pub open: bool,
    /// From the caller to the called one.
    pub hops: Vec<Hop>,
}

/// A place that a call passes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// Which.
    #[serde(rename = "hop")]
    pub kind: HopKind,
    /// How it is for a call.
    pub state: State,
    /// What was found there, one for each instance.
    pub findings: Vec<Finding>,
}

/// The hops, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HopKind {
    /// The service that calls.
    Source,
    /// Its sidecar's registration.
    SourceSidecar,
    /// In place of it, what Consul is told of it as an API gateway.
    SourceGateway,
    /// Its Envoy.
    SourceEnvoy,
    /// The certificate that its Envoy shows.
    SourceCertificate,
    /// The port of its Envoy behind which the called service is; of a gateway, the ports that are open to the outside.
    Upstream,
    /// The clusters to which calls at that port go.
    Route,
    /// The instances in those clusters.
    Endpoints,
    /// Who may talk to whom.
    Intention,
    /// The called service's sidecar's registration.
    DestinationSidecar,
    /// Its Envoy.
    DestinationEnvoy,
    /// The certificate that its Envoy shows.
    DestinationCertificate,
    /// The port that its Envoy opens for the mesh.
    PublicListener,
    /// The cluster of the service behind that Envoy.
    LocalApp,
    /// The service that is called.
    Destination,
}

/// How a hop is for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// A call gets through.
    Open,
    /// A call gets through, but something is not as it should be.
    Doubtful,
    /// No call gets further.
    Stopped,
    /// No call gets here.
    Unreached,
}

impl State {
    /// In a word or two.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Doubtful => "in doubt",
            Self::Stopped => "stops here",
            Self::Unreached => "not reached",
        }
    }
}

/// What was found, of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Of which: a service's or sidecar's id, an address, or an intention.
    pub about: String,
    /// Whether it lets a call through.
    pub verdict: Verdict,
    /// What was seen.
    pub seen: String,
    /// What should have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Whether something lets a call through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It does.
    Holds,
    /// It does, or may: something is unknown or not as it should be.
    Doubtful,
    /// It does not.
    Broken,
}

impl Finding {
    /// All is well.
    pub(crate) fn holds(about: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { about: about.into(), verdict: Verdict::Holds, seen: seen.into(), expected: None, hint: None }
    }

    /// A call may get through.
    pub(crate) fn doubtful(
        about: impl Into<String>,
        seen: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Doubtful, hint: Some(hint.into()), ..Self::holds(about, seen) }
    }

    /// No call gets through.
    pub(crate) fn broken(
        about: impl Into<String>,
        expected: impl Into<String>,
        seen: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            verdict: Verdict::Broken,
            expected: Some(expected.into()),
            hint: Some(hint.into()),
            ..Self::holds(about, seen)
        }
    }
}

impl Hop {
    /// A hop whose place in the way is not judged yet.
    pub(crate) fn new(kind: HopKind, findings: Vec<Finding>) -> Self {
        Self { kind, state: State::Open, findings }
    }

    /// What broke it, if it did.
    pub fn trouble(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.verdict == Verdict::Broken)
    }
}

impl Way {
    /// Judges the hops in their order. An instance that is broken at one hop is of no use at a later one: the way stops
    /// where the last one is lost.
    pub(crate) fn new(question: Question, mut hops: Vec<Hop>) -> Self {
        let mut lost: BTreeSet<String> = BTreeSet::new();
        let mut open = true;
        for hop in &mut hops {
            if !open {
                hop.state = State::Unreached;
                continue;
            }
            let broken =
                |finding: &Finding| finding.verdict == Verdict::Broken || lost.contains(&finding.about);
            let all_well = hop.findings.iter().all(|finding| finding.verdict == Verdict::Holds);
            hop.state = match (hop.findings.iter().all(broken), all_well) {
                (true, _) => State::Stopped,
                (false, true) => State::Open,
                (false, false) => State::Doubtful,
            };
            open = hop.state != State::Stopped;
            let newly = hop.findings.iter().filter(|finding| finding.verdict == Verdict::Broken);
            lost.extend(newly.map(|finding| finding.about.clone()));
        }
        let request = question.request.map(|request| request.to_string());
        Self { source: question.source, destination: question.destination, request, open, hops }
    }

    /// The hop at which it stops.
    pub fn stop(&self) -> Option<&Hop> {
        self.hops.iter().find(|hop| hop.state == State::Stopped)
    }

    fn is_from_gateway(&self) -> bool {
        self.hops.iter().any(|hop| hop.kind == HopKind::SourceGateway)
    }

    /// A hop in words.
    pub fn name_of(&self, kind: HopKind) -> String {
        let (source, destination) = (&self.source, &self.destination);
        match kind {
            HopKind::Source => source.clone(),
            HopKind::SourceSidecar => format!("sidecar of {source}"),
            HopKind::SourceGateway => format!("gateway {source}"),
            HopKind::SourceEnvoy => format!("Envoy of {source}"),
            HopKind::SourceCertificate => format!("certificate of {source}"),
            HopKind::Upstream if self.is_from_gateway() => format!("listener of {source}"),
            HopKind::Upstream => format!("listener for {destination}"),
            HopKind::Route => format!("route to {destination}"),
            HopKind::Endpoints => format!("endpoints of {destination}"),
            HopKind::Intention => format!("intention {source} -> {destination}"),
            HopKind::DestinationSidecar => format!("sidecar of {destination}"),
            HopKind::DestinationEnvoy => format!("Envoy of {destination}"),
            HopKind::DestinationCertificate => format!("certificate of {destination}"),
            HopKind::PublicListener => format!("mesh listener of {destination}"),
            HopKind::LocalApp => format!("cluster local_app of {destination}"),
            HopKind::Destination => destination.clone(),
        }
    }

    /// The whole way in a few lines, where there is no room for what was found at each hop.
    pub fn in_short(&self) -> String {
        let Some(stop) = self.stop() else {
            return format!(
                "open from {} to {}: all {} hops",
                self.source,
                self.destination,
                self.hops.len()
            );
        };
        let passed = self.hops.iter().take_while(|hop| hop.state != State::Stopped);
        let mut lines: Vec<String> =
            passed.map(|hop| format!("ok       {}", self.name_of(hop.kind))).collect();
        lines.push(format!("STOPPED  {}", self.name_of(stop.kind)));
        if let Some(trouble) = stop.trouble() {
            let expected = trouble.expected.as_deref().unwrap_or_default();
            lines.push(format!("         expected: {expected}"));
            lines.push(format!("         seen: {}: {}", trouble.about, trouble.seen));
            lines.extend(trouble.hint.as_ref().map(|hint| format!("         hint: {hint}")));
        }
        lines.join("\n")
    }
}
