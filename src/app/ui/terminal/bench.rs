//! A load test: one live line with a time bar.

use std::time::Duration;

use super::{MARGIN, task};
use crate::app::ui::look::Look;
use crate::app::ui::screen::{LiveLine, Progress, Screen};
use crate::app::ui::text;
use crate::core::event::BenchEvent;

const WIDEST_BAR: usize = 32;
const NARROWEST_BAR: usize = 6;

#[derive(Default)]
pub(super) struct Bench {
    pressing: Option<LiveLine>,
}

impl Bench {
    pub(super) fn show(&mut self, event: &BenchEvent, screen: &mut Screen) {
        self.suspend();
        if let BenchEvent::Pressing { target, number, of, lasts, .. } = event {
            let (look, lasts) = (screen.look, *lasts);
            let round = if *of > 1 { format!("round {number} of {of}  ") } else { String::new() };
            let name = format!("{round}{}", text::clean(target));
            self.pressing = Some(screen.live(move |progress| draw(&name, lasts, progress, &look)));
        }
    }

    pub(super) fn suspend(&mut self) {
        self.pressing = None;
    }
}

fn draw(name: &str, lasts: Duration, progress: &Progress, look: &Look) -> String {
    let columns = look.columns().unwrap_or(80).saturating_sub(1);
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let elapsed = progress.elapsed.min(lasts);
    let of_time = Progress { done: millis(elapsed), total: Some(millis(lasts)), ..*progress };
    let spinner = look.paint.code(progress.frame(look.symbols.spinner));
    let start = format!("{MARGIN}{spinner} {}  ", look.paint.strong(name));
    let facts = format!("{} / {}", text::clock(elapsed), text::clock(lasts));
    let room = columns.saturating_sub(text::width(&start) + text::width(&facts) + 2);
    let bar = match room {
        ..NARROWEST_BAR => String::new(),
        _ => format!("{}  ", task::bar(&of_time, room.min(WIDEST_BAR), look)),
    };
    text::clip(&format!("{start}{bar}{}", look.paint.dim(&facts)), columns, look.symbols.ellipsis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::ui::testing::look;

    #[test]
    fn the_bar_follows_the_time() {
        let at = |seconds: u64, look: &Look| {
            let elapsed = Duration::from_secs(seconds);
            let progress =
                Progress { done: 0, total: None, rate: 0.0, left: Duration::ZERO, elapsed, clock: elapsed };
            draw("round 1 of 7  compute", Duration::from_mins(1), &progress, look)
        };
        insta::assert_snapshot!([at(0, &look(80)), at(30, &look(80)), at(99, &look(80)), at(30, &look(40).ascii())].join("\n"), @r"
          ⠋ round 1 of 7  compute  ╸───────────────────────────────  0 s / 1 m 00 s
          ⠋ round 1 of 7  compute  ━━━━━━━━━━━━━━━━╸───────────────  30 s / 1 m 00 s
          ⠋ round 1 of 7  compute  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  1 m 00 s / 1 m 00 s
          | round 1 of 7  compute  30 s / 1 m ~
        ");
        for columns in 20..100 {
            assert!(text::width(&at(30, &look(columns))) < columns);
        }
    }
}
