//! A load test as a log: a line at the start and at the end of each round.

use super::one_line;
use crate::app::ui::screen::Screen;
use crate::app::ui::text;
use crate::core::event::BenchEvent;
use crate::core::numbers::figure;

pub(super) fn show(event: &BenchEvent, screen: &mut Screen) {
    match event {
        BenchEvent::Pressing { target, url, number, of, lasts } => screen.line(&format!(
            "load {number}/{of}: {} at {} for {}",
            one_line(target),
            one_line(url),
            text::clock(*lasts)
        )),
        BenchEvent::Pressed { target, number, of, rate, errors } => screen.line(&format!(
            "load {number}/{of}: {} answered {} requests/s, {}",
            one_line(target),
            figure::number(*rate),
            match errors {
                0 => "no errors".to_owned(),
                1 => "1 error".to_owned(),
                more => format!("{} errors", figure::count(*more)),
            }
        )),
    }
}
