//! What all HTML pages of meshlab share.

mod escape;
mod file;

pub use escape::escape;
pub use file::{ReportFile, ReportFormat};

/// The style sheet of all pages.
pub const PAGE_STYLE: &str = include_str!("../../../assets/report/page.css");
