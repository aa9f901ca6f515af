//! The machine that a benchmark ran on.

use procfs::Current as _;
use serde::Serialize;

/// Processor, memory and operating system of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MachineInfo {
    /// The processor's model name, if known.
    pub processor: Option<String>,
    /// How many cores this process may use.
    pub cores: usize,
    /// Memory in bytes.
    pub memory: u64,
    /// Name and version of the kernel, and the architecture.
    pub system: String,
}

impl MachineInfo {
    /// This machine.
    pub fn here() -> Self {
        let names = rustix::system::uname();
        let name = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        let processor = procfs::CpuInfo::current().ok().and_then(|cpu| Some(cpu.model_name(0)?.to_owned()));
        Self {
            processor: processor.map(|name| name.split_whitespace().collect::<Vec<_>>().join(" ")),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory: procfs::Meminfo::current().map_or(0, |memory| memory.mem_total),
            system: format!("{} {}, {}", name(names.sysname()), name(names.release()), name(names.machine())),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_machine_has_a_core_and_memory() {
        let machine = super::MachineInfo::here();
        assert!(
            machine.cores > 0 && machine.memory > 1_000_000 && machine.system.starts_with("Linux "),
            "{machine:?}"
        );
    }
}
