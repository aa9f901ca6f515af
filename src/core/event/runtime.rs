//! Components starting and stopping, and the end of a lab.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use camino::Utf8PathBuf;
use serde::Serialize;

use super::millis;
use crate::core::model::{LabAddress, RuntimeKind};

/// Components starting and stopping outside of a lab's steps.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "runtime", rename_all = "kebab-case")]
pub enum RuntimeEvent {
    /// Language runtimes are packed for the lab's jobs.
    PackingRuntimes,
    /// A component is about to start.
    Starting {
        /// Its name.
        component: String,
    },
    /// A component runs and is not ready yet.
    WaitingFor {
        /// Its name.
        component: String,
    },
    /// A component is ready.
    Ready {
        /// Its name.
        component: String,
        /// What makes it ready.
        observed: Ready,
        /// Since the components of its group began to start, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
    /// A component or service is about to stop.
    Stopping {
        /// Its name.
        component: String,
    },
    /// A component or service has ended.
    Stopped {
        /// Its name.
        component: String,
        /// In milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
    /// All components of the environment are ready.
    EnvironmentReady {
        /// The lab's address.
        address: LabAddress,
        /// `host` or `docker`.
        kind: RuntimeKind,
        /// Why they run there.
        reason: RuntimeReason,
        /// Whether any of them had to be started.
        changed: bool,
        /// In milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
    /// The take-down is complete.
    TakenDown {
        /// What there was.
        removed: Vec<Removed>,
        /// In milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
}

/// What makes a component ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ready {
    /// What was observed.
    #[serde(flatten)]
    pub state: ReadyState,
    /// What requests without a token may do, where access control is on.
    pub without_token: Option<Access>,
}

/// What was observed of a component that is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum ReadyState {
    /// It accepts connections.
    Listening {
        /// Where.
        address: SocketAddr,
    },
    /// Its servers have a leader that answers.
    Leader {
        /// The leader's address.
        leader: String,
    },
    /// An Envoy has its configuration and accepts connections.
    Live {
        /// Where.
        address: SocketAddr,
    },
}

/// What requests may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Look services and nodes up.
    Read,
    /// Nothing.
    Nothing,
}

impl fmt::Display for ReadyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { address } => write!(f, "{address} accepts connections"),
            Self::Leader { leader } => write!(f, "leader {leader}"),
            Self::Live { address } => write!(f, "LIVE, {address} accepts connections"),
        }
    }
}

/// Why a lab's components run as containers or as processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "because", rename_all = "kebab-case")]
pub enum RuntimeReason {
    /// A setting or a running lab decides.
    Requested {
        /// The daemon's version, for containers.
        docker_version: Option<String>,
    },
    /// Nothing decides, and a Docker daemon answers.
    DockerFound {
        /// The daemon's version.
        docker_version: String,
    },
    /// Nothing decides, and no Docker daemon answers.
    DockerAbsent {
        /// What was seen where it should be.
        observed: String,
    },
}

/// Something of a lab that a take-down ended or removed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Removed {
    /// Processes of one program.
    Processes {
        /// The program.
        name: String,
        /// Their process ids, ascending.
        pids: Vec<i32>,
    },
    /// A container.
    Container {
        /// Its name.
        name: String,
    },
    /// A network of Docker.
    Network {
        /// Its name.
        name: String,
    },
    /// Mounts of Nomad's tasks.
    Mounts {
        /// How many.
        count: usize,
    },
    /// The control group of the lab.
    ControlGroup {
        /// Its path.
        path: Utf8PathBuf,
    },
    /// Control groups of Nomad's tasks.
    TaskControlGroups {
        /// How many.
        count: usize,
    },
    /// The lab's folder.
    Folder {
        /// Its path.
        path: Utf8PathBuf,
    },
}
