//! Data on standard output.

use std::io::Write;

use serde_json::Value;

use super::json;
use crate::core::failure::{Failure, Result};
use crate::core::settings::Settings;

/// Writes a command's result to standard output: `human` as it is, or with `--json` the object with its schema number.
/// A closed pipe (`| head`) is not an error.
pub fn print_data(human: &str, json: &Value, settings: &Settings) -> Result<()> {
    let text = if settings.json { as_json(json) } else { human.to_owned() };
    quiet_if_closed(write(&mut std::io::stdout().lock(), &text))
}

/// Writes data that does not depend on the settings: completions, another program's output.
pub fn print_raw(bytes: &[u8]) -> Result<()> {
    print_while_read(bytes).map(drop)
}

/// Like [`print_raw`], for endless output. Returns `false` once the pipe is closed.
pub fn print_while_read(bytes: &[u8]) -> Result<bool> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    let is_read = written.is_ok();
    quiet_if_closed(written).map(|()| is_read)
}

fn as_json(value: &Value) -> String {
    match value {
        // Most commands set the schema number themselves.
        Value::Object(members) if members.contains_key("schema") => format!("{value}\n"),
        Value::Object(_) => json::document(value),
        // A list has no member for the number.
        other => json::document(&serde_json::json!({ "data": other })),
    }
}

fn write(out: &mut impl Write, text: &str) -> std::io::Result<()> {
    out.write_all(text.as_bytes())?;
    if !text.is_empty() && !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()
}

fn quiet_if_closed(written: std::io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::failed("cannot write to standard output").seen(&error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_number_stands_once() {
        for value in
            [serde_json::json!({"schema": 1, "a": 2}), serde_json::json!({"a": 2}), serde_json::json!([2])]
        {
            let text = as_json(&value);
            assert_eq!(text.matches("\"schema\":1").count(), 1, "{text}");
            assert!(text.ends_with("}\n"), "{text}");
        }
    }

    #[test]
    fn a_closed_pipe_is_no_failure_and_a_full_disk_is() {
        assert!(quiet_if_closed(Err(std::io::ErrorKind::BrokenPipe.into())).is_ok());
        assert!(quiet_if_closed(Err(std::io::ErrorKind::StorageFull.into())).is_err());
    }

    #[test]
    fn objects_carry_the_schema_and_lists_get_a_name() {
        assert_eq!(as_json(&serde_json::json!({"a": 1})), "{\"schema\":1,\"a\":1}\n");
        assert_eq!(as_json(&serde_json::json!([1])), "{\"schema\":1,\"data\":[1]}\n");
    }
}
