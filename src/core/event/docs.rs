//! The tables of docs/json.md follow from these types: their doc comments, serde's attributes, and a sample of each
//! event.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;

use super::samples;

const SOURCES: [&str; 9] = [
    include_str!("bench.rs"),
    include_str!("bundle.rs"),
    include_str!("image.rs"),
    include_str!("jobs.rs"),
    include_str!("lab.rs"),
    include_str!("mod.rs"),
    include_str!("note.rs"),
    include_str!("provision.rs"),
    include_str!("runtime.rs"),
];

/// Types of other modules, and what the page calls them.
const ELSEWHERE: [(&str, &str); 2] =
    [("Failure", "members as in [an error](#errors)"), ("CallPath", "[a call path](#meshlab-why)")];

const UPDATE: &str = "MESHLAB_UPDATE_DOCS";

/// Events that `--json` does not print.
const NOT_PRINTED: [&str; 1] = ["output-beyond"];

/// A type of the events.
#[derive(Debug, Default)]
struct Item {
    /// The member that says which variant it is; `None` for a struct, and for an enum whose values are texts.
    tag: Option<String>,
    /// One for a struct.
    variants: Vec<Variant>,
}

#[derive(Debug, Default)]
struct Variant {
    name: String,
    doc: String,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    name: String,
    doc: String,
    kind: String,
    is_flat: bool,
}

fn items() -> BTreeMap<String, Item> {
    let mut items = BTreeMap::new();
    for source in SOURCES {
        read(source, &mut items);
    }
    items
}

/// Reads the types of a file that rustfmt has formatted.
fn read(source: &str, items: &mut BTreeMap<String, Item>) {
    let (mut doc, mut attributes) = (String::new(), String::new());
    let mut current: Option<String> = None;
    for line in source.lines() {
        let text = line.trim();
        let depth = line.len() - line.trim_start().len();
        if let Some(more) = text.strip_prefix("/// ") {
            doc = format!("{doc} {more}").trim().to_owned();
            continue;
        } else if text.starts_with("#[") {
            attributes.push_str(text);
            continue;
        }
        if depth == 0 {
            let head = text.strip_prefix("pub enum ").or_else(|| text.strip_prefix("pub struct "));
            let name = head.and_then(|head| head.strip_suffix(" {")).filter(|name| !name.contains('<'));
            let is_data = attributes.contains("Serialize");
            if name.is_some() || text == "}" {
                current = name.filter(|_| is_data).map(str::to_owned);
            }
            if let (Some(name), Some(_)) = (&current, name) {
                let tag = attribute(&attributes, "tag");
                let is_struct = text.starts_with("pub struct");
                let variants = if is_struct { vec![Variant::default()] } else { Vec::new() };
                items.insert(name.clone(), Item { tag, variants });
            }
        } else if let Some(item) = current.as_ref().and_then(|name| items.get_mut(name)) {
            item.line(text, std::mem::take(&mut doc), &attributes);
        }
        (doc, attributes) = (String::new(), String::new());
    }
}

impl Item {
    fn line(&mut self, text: &str, doc: String, attributes: &str) {
        let is_variant = text.starts_with(|first: char| first.is_ascii_uppercase());
        if is_variant {
            let name = text.split(['(', ' ', ',']).next().unwrap_or_default();
            let mut variant = Variant { name: kebab(name), doc, members: Vec::new() };
            if let Some((_, inner)) = text.split_once('(') {
                let kind = inner.trim_end_matches("),").to_owned();
                variant.members.push(Member { name: kind.clone(), doc: String::new(), kind, is_flat: true });
            }
            self.variants.push(variant);
        } else if let Some((name, kind)) = text.trim_start_matches("pub ").split_once(": ") {
            let name = attribute(attributes, "rename").unwrap_or_else(|| name.to_owned());
            let (kind, is_flat) = (kind.trim_end_matches(',').to_owned(), attributes.contains("flatten"));
            let variant = self.variants.last_mut().unwrap();
            variant.members.push(Member { name, doc, kind, is_flat });
        }
    }

    fn is_text(&self) -> bool {
        self.tag.is_none() && self.variants.iter().any(|variant| !variant.name.is_empty())
    }

    /// Where it is described, or its values.
    fn link(&self, name: &str) -> String {
        if self.is_text() {
            let values: Vec<String> =
                self.variants.iter().map(|variant| format!("`{}`", variant.name)).collect();
            return values.join(", ");
        }
        format!("[`{name}`](#{})", name.to_lowercase())
    }

    /// Rows of a table: variants with their members, or the members of a struct.
    fn table(&self, items: &BTreeMap<String, Item>) -> String {
        let Some(tag) = &self.tag else {
            let rows = self.variants[0].members.iter().map(|member| {
                if member.is_flat {
                    format!("| {} | {} |\n", member.cell(items), plain(member.doc.trim_end_matches('.')))
                } else {
                    format!("| `{}{}` | {} |\n", member.name, member.mark(), plain(&member.content(items)))
                }
            });
            return format!("| member | content |\n|---|---|\n{}", rows.collect::<String>());
        };
        let mut table = format!("| `{tag}` | meaning | members |\n|---|---|---|\n");
        for variant in self.variants.iter().filter(|variant| !NOT_PRINTED.contains(&variant.name.as_str())) {
            let members: Vec<String> = variant.members.iter().map(|member| member.cell(items)).collect();
            let meaning = variant.doc.trim_end_matches('.');
            let members = if members.is_empty() { "-".to_owned() } else { members.join("; ") };
            let _ = writeln!(table, "| `{}` | {meaning} | {members} |", variant.name);
        }
        table
    }
}

impl Member {
    fn mark(&self) -> &'static str {
        if self.kind.starts_with("Option<") { "?" } else { "" }
    }

    /// What it is, and where its type is described.
    fn content(&self, items: &BTreeMap<String, Item>) -> String {
        let doc = self.doc.replace(", in milliseconds", "").replace("In milliseconds.", "");
        let doc = doc.trim_end_matches('.').to_owned();
        let types = ELSEWHERE.iter().map(|(name, words)| (*name, (*words).to_owned()));
        let own = items.iter().map(|(name, item)| (name.as_str(), item.link(name)));
        let kind = types.chain(own).find(|(name, _)| words(&self.kind).any(|word| word == *name));
        let list = if self.kind.starts_with("Vec<") { "list of " } else { "" };
        match kind {
            // The words have the values already.
            Some(_) if doc.contains('`') => doc,
            Some((_, described)) if doc.is_empty() => format!("{list}{described}"),
            Some((_, described)) => format!("{doc} ({list}{described})"),
            None => doc,
        }
    }

    fn cell(&self, items: &BTreeMap<String, Item>) -> String {
        let content = plain(&self.content(items));
        match (self.is_flat, content.is_empty()) {
            (true, _) => format!("members of [`{0}`](#{1})", self.kind, self.kind.to_lowercase()),
            (false, true) => format!("`{}{}`", self.name, self.mark()),
            (false, false) => format!("`{}{}`: {content}", self.name, self.mark()),
        }
    }
}

/// Starts in lower case, unless the first word is a name.
fn plain(content: &str) -> String {
    let first = content.split([' ', ',']).next().unwrap_or_default();
    let is_name = ["Docker", "Docker's", "Envoy", "Envoys", "Go", "Markdown", "Nomad", "Nomad's"];
    if is_name.contains(&first) {
        return content.to_owned();
    }
    let mut letters = content.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

fn words(kind: &str) -> impl Iterator<Item = &str> {
    kind.split(|letter: char| !letter.is_alphanumeric())
}

fn attribute(attributes: &str, name: &str) -> Option<String> {
    let (_, rest) = attributes.split_once(&format!("{name} = \""))?;
    Some(rest.split_once('"')?.0.to_owned())
}

fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.extend(letter.to_lowercase());
    }
    kebab
}

/// The page with its tables as they should be.
fn page(text: &str, items: &BTreeMap<String, Item>, seen: &mut BTreeSet<String>) -> String {
    const START: &str = "<!-- members of ";
    const END: &str = "<!-- end of members -->\n";
    let mut page = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(START) {
        let (name, after) = after.split_once(" -->\n").expect("the end of a marker");
        let (_, after) = after.split_once(END).expect("the end of a table");
        let item = items.get(name).unwrap_or_else(|| panic!("{name} is no type of an event"));
        seen.insert(name.to_owned());
        let _ = write!(page, "{before}{START}{name} -->\n\n{}\n{END}", item.table(items));
        rest = after;
    }
    page + rest
}

#[test]
fn the_page_describes_every_event() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (items, mut seen) = (items(), BTreeSet::new());
    let page = page(&text, &items, &mut seen);
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(path, &page).unwrap();
    } else {
        assert!(page == text, "docs/json.md is not up to date: run this test with {UPDATE}=1");
    }
    let has_table = |name: &&String| !items[*name].is_text() && *name != "Event";
    let missing: Vec<&String> = items.keys().filter(has_table).filter(|name| !seen.contains(*name)).collect();
    assert!(missing.is_empty(), "docs/json.md has no table of {missing:?}");
}

#[test]
fn the_samples_have_the_members_that_are_described() {
    let items = items();
    let mut sampled: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for event in samples::all() {
        let Value::Object(members) = serde_json::to_value(&event).unwrap() else { panic!("{event:?}") };
        let kind = members["event"].as_str().unwrap();
        let (name, item) = if kind == "log" {
            ("LogLine", &items["LogLine"])
        } else {
            let found = items.iter().find(|(_, item)| item.tag.as_deref() == Some(kind)).unwrap();
            (found.0.as_str(), found.1)
        };
        let variant = match members.get(kind).and_then(Value::as_str) {
            Some(which) => item.variants.iter().find(|variant| variant.name == which).unwrap(),
            None => &item.variants[0],
        };
        sampled.entry(name).or_default().insert(variant.name.clone());
        let mut described = BTreeSet::from(["event"]);
        described.extend(item.tag.as_deref());
        for member in &variant.members {
            if member.is_flat {
                let inner = &items[&member.kind];
                let tag = inner.tag.as_deref().unwrap();
                let which = members[tag].as_str().unwrap();
                described.insert(tag);
                let inner = inner.variants.iter().find(|variant| variant.name == which).unwrap();
                let flat = inner.members.iter().filter(|member| member.is_flat);
                let deeper = flat.flat_map(|member| &items[&member.kind].variants[0].members);
                described.extend(
                    inner
                        .members
                        .iter()
                        .filter(|member| !member.is_flat)
                        .chain(deeper)
                        .map(|one| one.name.as_str()),
                );
            } else {
                described.insert(&member.name);
            }
        }
        let found: BTreeSet<&str> = members.keys().map(String::as_str).collect();
        assert_eq!(found, described, "{event:?}");
    }
    for (name, seen) in &sampled {
        let all: BTreeSet<String> =
            items[*name].variants.iter().map(|variant| variant.name.clone()).collect();
        assert_eq!(*seen, all, "samples of {name}");
    }
    let tagged =
        |name: &String| name.ends_with("Event") || ["Note", "Warning", "LogLine"].contains(&name.as_str());
    let without: Vec<&String> = items
        .keys()
        .filter(|name| tagged(name) && *name != "Event" && !sampled.contains_key(name.as_str()))
        .collect();
    assert!(without.is_empty(), "no sample of {without:?}");
}
