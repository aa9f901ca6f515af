use proptest::prelude::*;

use super::scan::scan;
use super::sketch::End;
use super::svg;

/// The drawing in the summary of a `lab.toml`.
fn drawing_of(lab: &str) -> String {
    let table: toml::Table = lab.parse().unwrap();
    let summary = table["summary"].as_str().unwrap();
    summary.split("```\n").nth(1).expect("a fenced block").to_owned()
}

fn echo() -> String {
    drawing_of(include_str!("../../../../labs/1-tcp-echo/lab.toml"))
}

fn calculator() -> String {
    drawing_of(include_str!("../../../../labs/2-calculator/lab.toml"))
}

/// Boxes and lines as text.
fn described(text: &str) -> String {
    let sketch = scan(text).expect("it is a drawing");
    let end = |end: End| match end {
        End::Box(index) => sketch.boxes[index].lines.join(" / "),
        End::Joint(row, column) => format!("+{row},{column}"),
    };
    let mut parts: Vec<String> =
        sketch.boxes.iter().map(|one| format!("[{}]", one.lines.join(" / "))).collect();
    for line in &sketch.lines {
        let shaft = if line.is_secure { "==" } else { "--" };
        let label = line.label.as_ref().map_or(String::new(), |label| format!(" {} {shaft}", label.text));
        parts.push(format!(
            "{} {} {}{shaft}{label}{} {}",
            if line.is_vertical { "down" } else { "across" },
            end(line.ends[0]),
            if line.heads[0] { "<" } else { "" },
            if line.heads[1] { ">" } else { "" },
            end(line.ends[1])
        ));
    }
    parts.join("\n")
}

#[test]
fn the_drawing_of_lab_1() {
    insta::assert_snapshot!(described(&echo()));
}

#[test]
fn the_drawing_of_lab_2() {
    insta::assert_snapshot!(described(&calculator()));
}

#[test]
fn the_picture_of_lab_1() {
    insta::assert_snapshot!(svg(&echo(), "Topology").unwrap());
}

#[test]
fn the_picture_of_lab_2() {
    insta::assert_snapshot!(svg(&calculator(), "Topology").unwrap());
}

/// Lines that join others, and remarks.
#[test]
fn the_drawings_of_labs_3_to_5() {
    let three = drawing_of(include_str!("../../../../labs/3-native-sidecars/lab.toml"));
    let four = drawing_of(include_str!("../../../../labs/4-zero-trust/lab.toml"));
    let five = drawing_of(include_str!("../../../../labs/5-traffic/lab.toml"));
    insta::assert_snapshot!("lab-3", described(&three));
    insta::assert_snapshot!("lab-4", described(&four));
    insta::assert_snapshot!("lab-5", described(&five));
    assert_eq!(svg(&three, "x").unwrap().matches("<rect class=\"box\"").count(), 12);
    assert_eq!(svg(&four, "x").unwrap().matches("<rect class=\"box\"").count(), 9);
    assert_eq!(svg(&five, "x").unwrap().matches("<rect class=\"pill\"").count(), 1);
}

#[test]
fn other_text_is_not_a_drawing() {
    for text in [
        "",
        "\n\n",
        "consul agent -dev",
        "if a < b {\n  return --x;\n}",
        "a -> b ->",
        "a --- b |",
        "{ a: 1 }\n  -> 2",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "α -> β",
        "\u{1b}[1ma -> b",
        "+---+\n| a |\n+---+",
    ] {
        assert!(svg(text, "x").is_none(), "{text:?}");
    }
    assert!(svg(&"a -> b\n".repeat(61), "x").is_none());
}

#[test]
fn small_drawings() {
    let cases = [
        ("a -> b", "[a]\n[b]\nacross a --> b"),
        ("a <--> b", "[a]\n[b]\nacross a <--> b"),
        ("a -- http --> b", "[a]\n[b]\nacross a -- http --> b"),
        ("a\n|\nv\nb", "[a]\n[b]\ndown a --> b"),
        ("a --+\n    v\n    b", "[a]\n[b]\ndown +0,4 --> b\nacross a -- +0,4"),
    ];
    for (text, expected) in cases {
        assert_eq!(described(text), expected, "{text}");
        assert!(svg(text, "x").is_some(), "{text}");
    }
    let three = described("web -> api --+--> one\n             |\n             +--> two");
    assert!(three.ends_with("across +2,13 --> two"), "{three}");
}

proptest! {
    /// Any drawing: text is escaped, and numbers are finite.
    #[test]
    fn svg_is_well_formed(text in "[-=+|<>^v a-c&\"'\n:1]{0,120}", title in ".{0,20}") {
        if let Some(svg) = svg(&text, &title) {
            prop_assert!(!svg.contains("NaN") && !svg.contains("inf"), "{}", svg);
            for tag in svg.split('<').skip(1) {
                let (inside, after) = tag.split_once('>').expect("a tag that ends");
                prop_assert!(!after.contains('>'), "{}", tag);
                prop_assert_eq!(inside.matches('"').count() % 2, 0);
                let name = inside.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
                prop_assert!(["svg", "title", "desc", "path", "rect", "text", "tspan"].contains(&name), "{}", name);
            }
        }
    }
}
