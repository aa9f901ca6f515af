//! A drawing of characters, as labs have it, as a picture: boxes for what is named, lines for what connects it.
//!
//! `->` and `|` with `^` or `v` are arrows, `+` is a corner, `====` is a connection under mutual TLS. Text under a name or
//! right behind it belongs to it; text beside or within a line says what the line is.
//!
//! Whatever is not understood whole is no drawing: then its characters are shown as they are.

mod join;
mod layout;
mod measure;
mod paint;
mod scan;
mod sketch;
#[cfg(test)]
mod tests;

/// The drawing as SVG with a description; `None` if it is not one. Colours come from the page's style.
pub(super) fn svg(text: &str, title: &str) -> Option<String> {
    let sketch = scan::scan(text)?;
    let layout = layout::lay_out(&sketch)?;
    Some(paint::paint(&sketch, &layout, title))
}
