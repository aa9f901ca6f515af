//! The settings of this run, each with where its value comes from.

use std::ffi::OsString;

use clap::ArgMatches;
use clap::parser::ValueSource;
use serde_json::{Map, Value, json};

use crate::app::verb::Context;

/// Settings with their origins, the command line, and the variables that begin with `MESHLAB_`.
pub(super) fn origins(context: &Context) -> Value {
    let settings = &context.settings;
    let line =
        std::iter::once(OsString::from("meshlab")).chain(settings.invocation.arguments.iter().cloned());
    let matches = (context.command_line)().try_get_matches_from(line).ok();
    let file = std::fs::read_to_string(settings.dirs.config.join("config.toml")).unwrap_or_default();
    let origin = Origin { context, matches, file: toml::from_str(&file).unwrap_or_default() };
    let mut found = Map::new();
    let mut add = |name: &str, value: Value, origin: String| {
        found.insert(name.to_owned(), json!({"value": value, "from": origin}));
    };
    add("offline", json!(settings.offline), origin.of("offline"));
    add("locked", json!(settings.locked), origin.of("locked"));
    add("jobs", json!(settings.jobs), origin.of("jobs"));
    add("runtime", json!(format!("{:?}", settings.runtime).to_lowercase()), origin.of("runtime"));
    add("address", json!(settings.address), origin.of("address"));
    add("mirror", json!(settings.mirror), origin.of("mirror"));
    add("lock", json!(settings.lock), origin.of("lock"));
    add("color", json!(format!("{:?}", settings.color).to_lowercase()), origin.of("color"));
    add("folder", json!(settings.work_dir), origin.of("directory"));
    let dirs = &settings.dirs;
    for (name, folder) in
        [("cache", &dirs.cache), ("data", &dirs.data), ("state", &dirs.state), ("config", &dirs.config)]
    {
        add(&format!("{name}_dir"), json!(folder), origin.of_folder(name));
    }
    let own = settings.environment.iter().filter(|(name, _)| name.starts_with("MESHLAB_"));
    let variables: Map<String, Value> = own.map(|(name, value)| (name.to_owned(), json!(value))).collect();
    let arguments: Vec<_> =
        settings.invocation.arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    json!({"settings": found, "arguments": arguments, "environment": variables})
}

struct Origin<'a> {
    context: &'a Context,
    matches: Option<ArgMatches>,
    file: toml::Table,
}

impl Origin<'_> {
    fn has(&self, variable: &str) -> bool {
        self.context.settings.environment.var(variable).is_some()
    }

    /// A flag wins over a variable, a variable over the settings file.
    fn of(&self, name: &str) -> String {
        let variable = format!("MESHLAB_{}", name.to_uppercase());
        if self.is_flag(name) {
            format!("--{name}")
        } else if self.has(&variable) {
            variable
        } else if self.file.contains_key(name) {
            "config.toml".to_owned()
        } else {
            "default".to_owned()
        }
    }

    fn is_flag(&self, name: &str) -> bool {
        let is_known = |matches: &ArgMatches| matches.ids().any(|id| id.as_str() == name);
        self.matches.as_ref().is_some_and(|matches| {
            is_known(matches) && matches.value_source(name) == Some(ValueSource::CommandLine)
        })
    }

    fn of_folder(&self, name: &str) -> String {
        let upper = name.to_uppercase();
        let variables = [format!("MESHLAB_{upper}_DIR"), format!("XDG_{upper}_HOME"), "HOME".to_owned()];
        let used = variables.into_iter().find(|variable| self.has(variable));
        used.unwrap_or_else(|| "default".to_owned())
    }
}
