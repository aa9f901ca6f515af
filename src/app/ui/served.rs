//! The package repository: where it listens, then a line per request, for terminals and logs alike.

use super::screen::Screen;
use crate::core::event::RepoEvent;
use crate::core::model::ByteSize;

pub(super) fn show(event: &RepoEvent, screen: &mut Screen) {
    let paint = screen.look.paint;
    match event {
        RepoEvent::Listening { address, files } => {
            screen.line(&format!("serving {files} files at http://{address}/public/pkgs/ until Ctrl-C"));
            screen.line(
                &paint.dim(&format!(
                    "as a mirror for another machine's meshlab: MESHLAB_MIRROR=http://{address}"
                )),
            );
        }
        RepoEvent::Served { method, path, status, bytes, micros } => {
            let status = match status {
                400.. => paint.bad(&status.to_string()),
                _ => paint.good(&status.to_string()),
            };
            let millis = format!("{}.{} ms", micros / 1000, micros % 1000 / 100);
            screen.line(&format!(
                "{status} {method:4} {path} {}",
                paint.dim(&format!("{} in {millis}", ByteSize(*bytes)))
            ));
        }
    }
}
