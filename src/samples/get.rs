//! A GET by hand that prints JSON readably, for machines that lack `curl` and `jq`.

use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use super::local_url::{address_of, path_of};
use crate::core::failure::{Failure, Result};
use crate::core::http;

const DEADLINE: Duration = Duration::from_secs(10);

/// The answer to a GET, as text: JSON indented and cut to `only`, other text cut to the lines that match.
pub async fn run(url: &Url, only: &[String], matching: &[String]) -> Result<String> {
    let address = address_of(url)?;
    let body = http::get(address, &path_of(url), DEADLINE).await.map_err(|error| {
        Failure::failed(format!("cannot get {url}"))
            .seen(&error)
            .hint("does it run? `meshlab status` lists the lab's components")
    })?;
    let text = match serde_json::from_slice::<Value>(&body) {
        Ok(json) => {
            let shown = if only.is_empty() { json } else { keep(&json, only) };
            serde_json::to_string_pretty(&shown).unwrap_or_default()
        }
        Err(_) => String::from_utf8_lossy(&body).into_owned(),
    };
    if matching.is_empty() {
        return Ok(text.trim_end().to_owned());
    }
    let wanted = |line: &&str| matching.iter().any(|part| line.contains(part.as_str()));
    // Out of their place in a document, lines need no indentation, and one of a kind is enough.
    let mut kept: Vec<&str> = Vec::new();
    for line in text.lines().filter(wanted).map(|line| line.trim().trim_end_matches(',')) {
        if !kept.contains(&line) {
            kept.push(line);
        }
    }
    Ok(kept.join("\n"))
}

/// Keeps the named members of an object, or of every object in an array or directly below an object.
fn keep(json: &Value, only: &[String]) -> Value {
    match json {
        Value::Array(items) => Value::Array(items.iter().map(|item| keep(item, only)).collect()),
        Value::Object(members) => {
            let picked: Map<String, Value> = only
                .iter()
                .filter_map(|path| {
                    let found = path.split('.').try_fold(json, |at, name| at.get(name))?;
                    Some((path.clone(), found.clone()))
                })
                .collect();
            if picked.is_empty() && members.values().any(|member| member.is_object() || member.is_array()) {
                Value::Object(
                    members.iter().map(|(name, member)| (name.clone(), keep(member, only))).collect(),
                )
            } else {
                Value::Object(picked)
            }
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keeps_named_members_at_the_level_where_they_are() {
        let services =
            json!({"a": {"Kind": "x", "Port": 1, "Proxy": {"Dest": "e"}}, "b": {"Kind": "y", "Meta": {}}});
        let only = ["Kind".to_owned(), "Proxy.Dest".to_owned()];
        assert_eq!(
            keep(&services, &only),
            json!({"a": {"Kind": "x", "Proxy.Dest": "e"}, "b": {"Kind": "y"}})
        );
        assert_eq!(keep(&json!([{"Kind": "x", "Port": 2}]), &only), json!([{"Kind": "x"}]));
    }
}
