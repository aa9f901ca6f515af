//! What all pages that meshlab writes share.

mod escape;
mod file;

pub use escape::escape;
pub use file::{Form, ReportFile};

/// The style that all pages share.
pub const PAGE_STYLE: &str = include_str!("../../../assets/report/page.css");
