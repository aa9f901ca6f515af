//! The path of a call through the mesh: its hops in order, the findings at each, and the hop that stops the call.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

/// Which call to explain: from which service to which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathQuery {
    /// The service that calls.
    pub source: String,
    /// The service that is called.
    pub destination: String,
    /// The HTTP request, if known. Routes and intentions with paths or methods depend on it.
    pub request: Option<RequestLine>,
}

/// The method and path of an HTTP request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLine {
    /// For example `GET`.
    pub method: String,
    /// Without the query string.
    pub path: String,
}

impl fmt::Display for RequestLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method, self.path)
    }
}

/// The path of a call from one service to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallPath {
    /// The service that calls, or the API gateway.
    pub source: String,
    /// The service that is called.
    pub destination: String,
    /// `GET /path`, if the query names a request.
    pub request: Option<String>,
    /// Whether a call reaches the destination.
    pub open: bool,
    /// From the source to the destination.
    pub hops: Vec<Hop>,
}

/// One point that a call passes, with its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// Which point of the path this is.
    #[serde(rename = "hop")]
    pub kind: HopKind,
    /// Whether a call gets past it.
    pub state: HopState,
    /// One finding per instance.
    pub findings: Vec<Finding>,
}

/// The kinds of hops, in the order in which a call passes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HopKind {
    /// The service that calls.
    Source,
    /// The registration of the source's sidecar.
    SourceSidecar,
    /// The configuration entry of the source, if it is an API gateway; replaces `SourceSidecar`.
    SourceGateway,
    /// The source's Envoy.
    SourceEnvoy,
    /// The certificate that the source's Envoy presents.
    SourceCertificate,
    /// The source Envoy's listener for the destination; for an API gateway, its listeners for outside clients.
    Upstream,
    /// The clusters that the listener routes calls to.
    Route,
    /// The instances in those clusters.
    Endpoints,
    /// The intentions that allow or deny the call.
    Intention,
    /// The registration of the destination's sidecar.
    DestinationSidecar,
    /// The destination's Envoy.
    DestinationEnvoy,
    /// The certificate that the destination's Envoy presents.
    DestinationCertificate,
    /// The destination Envoy's listener for calls from the mesh.
    PublicListener,
    /// The destination Envoy's cluster for the service itself.
    LocalApp,
    /// The service that is called.
    Destination,
}

/// Whether a call gets past a hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HopState {
    /// A call gets through.
    Open,
    /// A call gets through, but a finding at this hop is unknown or wrong.
    Doubtful,
    /// Every call fails here.
    Stopped,
    /// No call gets here: an earlier hop stops it.
    Unreached,
}

impl HopState {
    /// The state in one or two words, for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Doubtful => "in doubt",
            Self::Stopped => "stops here",
            Self::Unreached => "not reached",
        }
    }
}

/// One observation at a hop, about one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The id of a service or sidecar, an address, or an intention.
    pub about: String,
    /// Whether this instance lets a call through.
    pub verdict: Verdict,
    /// The observed value.
    pub seen: String,
    /// The value that lets a call through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What to do, usually a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Whether a finding lets a call through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// A call gets through.
    Holds,
    /// A call may get through: something is unknown or wrong.
    Doubtful,
    /// No call gets through.
    Broken,
}

impl Finding {
    pub(crate) fn holds(about: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { about: about.into(), verdict: Verdict::Holds, seen: seen.into(), expected: None, hint: None }
    }

    pub(crate) fn doubtful(
        about: impl Into<String>,
        seen: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Doubtful, hint: Some(hint.into()), ..Self::holds(about, seen) }
    }

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
    /// A hop before [`CallPath::new`] sets its state.
    pub(crate) fn new(kind: HopKind, findings: Vec<Finding>) -> Self {
        Self { kind, state: HopState::Open, findings }
    }

    /// The first finding that stops calls.
    pub fn trouble(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.verdict == Verdict::Broken)
    }
}

impl CallPath {
    /// Sets the state of each hop, in order. An instance that is broken at one hop counts as broken at every later hop,
    /// so the path stops at the hop where no instance is left.
    pub(crate) fn new(query: PathQuery, mut hops: Vec<Hop>) -> Self {
        let mut lost: BTreeSet<String> = BTreeSet::new();
        let mut open = true;
        for hop in &mut hops {
            if !open {
                hop.state = HopState::Unreached;
                continue;
            }
            let broken =
                |finding: &Finding| finding.verdict == Verdict::Broken || lost.contains(&finding.about);
            let all_well = hop.findings.iter().all(|finding| finding.verdict == Verdict::Holds);
            hop.state = match (hop.findings.iter().all(broken), all_well) {
                (true, _) => HopState::Stopped,
                (false, true) => HopState::Open,
                (false, false) => HopState::Doubtful,
            };
            open = hop.state != HopState::Stopped;
            let newly = hop.findings.iter().filter(|finding| finding.verdict == Verdict::Broken);
            lost.extend(newly.map(|finding| finding.about.clone()));
        }
        let request = query.request.map(|request| request.to_string());
        Self { source: query.source, destination: query.destination, request, open, hops }
    }

    /// The hop that stops the call.
    pub fn stop(&self) -> Option<&Hop> {
        self.hops.iter().find(|hop| hop.state == HopState::Stopped)
    }

    fn is_from_gateway(&self) -> bool {
        self.hops.iter().any(|hop| hop.kind == HopKind::SourceGateway)
    }

    /// The name of a hop for people, for example `Envoy of web`.
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

    /// The path as a few lines of text: one per hop, with the finding that stops it.
    pub fn in_short(&self) -> String {
        let Some(stop) = self.stop() else {
            return format!(
                "open from {} to {}: all {} hops",
                self.source,
                self.destination,
                self.hops.len()
            );
        };
        let passed = self.hops.iter().take_while(|hop| hop.state != HopState::Stopped);
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
