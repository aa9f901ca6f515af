//! The machine the figures are of.

use std::fmt;

use serde_json::{Value, json};

/// A load per core above which figures say more about the neighbours.
const BUSY: f64 = 0.4;

pub(crate) struct Machine {
    cores: usize,
    kernel: String,
    architecture: &'static str,
    load: Option<f64>,
}

impl Machine {
    /// Looks at it as it is now.
    pub(crate) fn observe() -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            architecture: std::env::consts::ARCH,
            load: load(),
        }
    }

    /// Why the figures are to be taken with care.
    pub(crate) fn warning(&self) -> Option<String> {
        let load = self.load?;
        let cores = u32::try_from(self.cores).unwrap_or(u32::MAX);
        (load > BUSY * f64::from(cores)).then(|| {
            format!("the load is {load}: something else runs on this machine, and the figures show it")
        })
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "cores": self.cores, "kernel": self.kernel, "architecture": self.architecture,
            "load_before": self.load, "load_after": load(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let load = self.load.map_or_else(|| "unknown".to_owned(), |load| load.to_string());
        write!(f, "{} cores, {}, Linux {}, load before {load}", self.cores, self.architecture, self.kernel)
    }
}

/// The load average of the last minute.
fn load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}
