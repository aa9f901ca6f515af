//! A minimal `curl | jq`, for machines without them.

use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use super::local_url::{address_of, path_of};
use crate::core::failure::{Failure, Result};
use crate::core::http;

const REQUEST_DEADLINE: Duration = Duration::from_secs(10);

/// Gets a URL and returns its text: JSON is indented and reduced to the fields `only`. `matching` selects lines.
pub async fn run(url: &Url, only: &[String], matching: &[String]) -> Result<String> {
    let address = address_of(url)?;
    let body = http::get(address, &path_of(url), REQUEST_DEADLINE).await.map_err(|error| {
        Failure::failed(format!("cannot get {url}"))
            .seen(&error)
            .hint("`meshlab status` lists the lab's components")
    })?;
    let text = match serde_json::from_slice::<Value>(&body) {
        Ok(json) => {
            let shown = if only.is_empty() { json } else { select(&json, only) };
            serde_json::to_string_pretty(&shown).unwrap_or_default()
        }
        Err(_) => String::from_utf8_lossy(&body).into_owned(),
    };
    if matching.is_empty() {
        return Ok(text.trim_end().to_owned());
    }
    let wanted = |line: &&str| matching.iter().any(|part| line.contains(part.as_str()));
    // Without their context, lines need no indentation, and repeated ones are left out.
    let mut kept: Vec<&str> = Vec::new();
    for line in text.lines().filter(wanted).map(|line| line.trim().trim_end_matches(',')) {
        if !kept.contains(&line) {
            kept.push(line);
        }
    }
    Ok(kept.join("\n"))
}

/// Selects the named members of an object, or of every object in an array or directly below an object.
fn select(json: &Value, only: &[String]) -> Value {
    match json {
        Value::Array(items) => Value::Array(items.iter().map(|item| select(item, only)).collect()),
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
                    members.iter().map(|(name, member)| (name.clone(), select(member, only))).collect(),
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
    fn members_are_selected_at_their_level() {
        let services =
            json!({"a": {"Kind": "x", "Port": 1, "Proxy": {"Dest": "e"}}, "b": {"Kind": "y", "Meta": {}}});
        let only = ["Kind".to_owned(), "Proxy.Dest".to_owned()];
        assert_eq!(
            select(&services, &only),
            json!({"a": {"Kind": "x", "Proxy.Dest": "e"}, "b": {"Kind": "y"}})
        );
        assert_eq!(select(&json!([{"Kind": "x", "Port": 2}]), &only), json!([{"Kind": "x"}]));
    }
}
