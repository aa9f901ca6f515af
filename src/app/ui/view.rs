//! How events are drawn for one kind of reader.

use super::screen::Screen;
use crate::core::event::Event;

/// Draws events for one kind of reader.
pub(super) trait View: Send {
    /// Draws the next event.
    fn show(&mut self, event: &Event, screen: &mut Screen);

    /// Removes live lines: something else needs the terminal.
    fn suspend(&mut self) {}

    /// Draws live lines again.
    fn resume(&mut self, _: &Screen) {}
}
