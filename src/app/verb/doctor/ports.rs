//! The ports of the labs.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::FIX;
use crate::app::ui::{Note, Weight};
use crate::core::failure::Result;
use crate::core::settings::Settings;
use crate::labs::Catalog;
use crate::machine::choose::Choice;
use crate::machine::ports::{self, TakenPort};
use crate::machine::state::RunDir;

/// Checks whether the ports of all labs are free where a lab would run now.
pub(super) fn lab_ports(settings: &Settings, choice: &Choice) -> Result<Vec<Note>> {
    let subject = "lab ports";
    if let Some(state) = RunDir::new(&settings.dirs.state, choice.address).load() {
        let seen = format!("in use by lab {} on {}", state.lab, choice.address);
        return Ok(vec![Note::new(Weight::Good, subject, seen)]);
    }
    let placement = choice.backend.placement();
    let catalog = Catalog::find(&settings.work_dir)?;
    let mut notes = Vec::new();
    let mut taken: BTreeMap<SocketAddr, (TakenPort, Vec<String>)> = BTreeMap::new();
    for id in catalog.ids() {
        let lab = match catalog.lab(id.as_str(), settings.address) {
            Ok(lab) => lab,
            Err(failure) => {
                notes.push(Note::new(Weight::Warning, format!("lab {id}"), failure.message()));
                continue;
            }
        };
        for port in ports::taken(placement.published_on, &placement.needed_here(&lab.ports)) {
            taken.entry(port.address).or_insert_with(|| (port, Vec::new())).1.push(id.to_string());
        }
    }
    if taken.is_empty() {
        let seen = format!("free on {}, for every lab", placement.published_on);
        notes.push(Note::new(Weight::Good, subject, seen));
    }
    // Labs share ports: each port is one finding.
    for (address, (port, labs)) in taken {
        let seen = format!("{} is held by {}; needed by {}", port.purpose, port.reason, labs.join(", "));
        notes.push(Note::new(Weight::Bad, format!("port {address}"), seen).advice(
            FIX,
            "stop that process, or use another address: --address 127.0.0.2 (containers: 10.10.20.150)",
        ));
    }
    Ok(notes)
}
