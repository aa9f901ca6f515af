//! Nomad jobs starting and stopping.

use super::Stage;
use crate::core::event::JobEvent;

pub(super) fn stage(event: &JobEvent) -> Stage {
    let (what, details, took) = match event {
        JobEvent::Submitted { job } => return Stage::Working(format!("submitted {job}")),
        JobEvent::Waiting { job, group, wait } => return Stage::Working(format!("{job}: {group}: {wait}")),
        JobEvent::WaitingForConsul { failing } => {
            return Stage::Working(format!("Consul: {}", failing.join("; ")));
        }
        JobEvent::Stopping { job } => return Stage::Working(format!("stopping {job}")),
        JobEvent::Started { job, batch, allocations, took } => {
            let what = format!("{job} {}", if *batch { "is done" } else { "is running" });
            let named: Vec<String> = allocations
                .iter()
                .map(|allocation| format!("{} {}", allocation.group, allocation.id))
                .collect();
            (what, vec![named.join(", ")], took)
        }
        JobEvent::HealthyInConsul { services, took } => {
            ("healthy in Consul".to_owned(), vec![services.join(", ")], took)
        }
        JobEvent::Stopped { names, took } => {
            let details = vec!["nothing of it is left in Nomad or Consul".to_owned()];
            (format!("stopped {}", names.join(", ")), details, took)
        }
    };
    Stage::Done { what, details, took: *took }
}
