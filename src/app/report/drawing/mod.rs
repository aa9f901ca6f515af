//! Turns an ASCII drawing of a lab into SVG: a box for each name, a line for each connection.
//!
//! `->`, and `|` with `^` or `v`, are arrows. `+` is a corner. `====` is a connection with mutual TLS. Text below a name, or
//! right after it, belongs to the same box. Text next to a line, or inside one, is the label of the line.
//!
//! The steps: [`scan`] finds texts and lines, [`join`] makes boxes and labels of the texts, [`layout`] gives each a position,
//! and [`paint`] writes SVG. Text that is not a complete drawing stays text.

mod join;
mod layout;
mod measure;
mod paint;
mod scan;
mod sketch;
#[cfg(test)]
mod tests;

/// The drawing as SVG with a description, or `None` if the text is not a drawing. Colours come from the page's style.
pub(super) fn svg(text: &str, title: &str) -> Option<String> {
    let sketch = scan::scan(text)?;
    let layout = layout::lay_out(&sketch)?;
    Some(paint::paint(&sketch, &layout, title))
}
