//! Reads a `lab.toml` into a valid [`Lab`]. Errors have line and column.

mod placeholders;
mod ready;
mod step;

use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;

use self::placeholders::Placeholders;
use self::step::StepReader;
use super::definition::Lab;
use super::table::{LabTomlError, Table};
use crate::core::failure::{Failure, Result};
use crate::core::model::{ArtifactName, EnvironmentSpec, FileName, LabAddress, LabId, Port};
use crate::machine::ports::NeededPort;
use crate::mesh::vm::{Component, is_own_file};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLab {
    title: String,
    summary: String,
    /// Used by the catalog, which finds the files.
    #[serde(rename = "base")]
    _base: Option<LabId>,
    tools: Vec<ArtifactName>,
    #[serde(default)]
    files: Vec<Spanned<FileName>>,
    environment: Option<Spanned<EnvironmentSpec>>,
    learned: Vec<String>,
    #[serde(default)]
    port: Vec<RawPort>,
    /// Steps are read one by one.
    #[serde(rename = "step")]
    _steps: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPort {
    port: Port,
    purpose: String,
    #[serde(default)]
    udp: bool,
    #[serde(default)]
    published: bool,
}

/// Why a file that a lab names cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// The file does not exist.
    #[error("no file {0} in the lab's folder")]
    Missing(String),
    /// The file cannot be read.
    #[error("file {name} {why}")]
    Unreadable {
        /// The file name.
        name: String,
        /// The reason, as a predicate: `is larger than 1 MiB`.
        why: &'static str,
    },
}

impl From<RawPort> for NeededPort {
    fn from(raw: RawPort) -> Self {
        Self { port: raw.port.get(), purpose: raw.purpose, udp: raw.udp, published: raw.published }
    }
}

impl Lab {
    /// Reads the definition of a lab on an address. `origin` names the file in errors. `file` returns the text of another
    /// file of the lab.
    pub fn parse<'a>(
        id: LabId,
        text: &str,
        origin: &str,
        address: LabAddress,
        file: impl Fn(&str) -> Result<&'a str, FileError>,
    ) -> Result<Self> {
        read(id, text, &Placeholders::of(address), file).map_err(|wrong| {
            let (line, column) = crate::artifacts::lockfile::position(text, wrong.at);
            Failure::usage(format!("{origin}:{line}:{column}: {}", wrong.what))
                .detail("line", text.lines().nth(line - 1).unwrap_or_default().trim_end().to_owned())
        })
    }
}

fn read<'a>(
    id: LabId,
    text: &str,
    placeholders: &Placeholders,
    file: impl Fn(&str) -> Result<&'a str, FileError>,
) -> Result<Lab, LabTomlError> {
    let mut table = Table::parse(text)?;
    table.change_texts(&|text| placeholders.fill(text));
    let steps = table.take_list("step");
    let raw: RawLab = table.read()?;
    let mut files = Vec::new();
    let environment = raw.environment.map(|spec| (spec.span(), spec.into_inner()));
    let of_environment = environment.iter().flat_map(|(at, spec)| {
        let files = spec.consul.iter().chain(&spec.jobs).chain(spec.sources.values());
        files.map(|name| (at.clone(), name.clone()))
    });
    let own = raw.files.into_iter().map(|name| (name.span(), name.into_inner()));
    for (at, name) in own.chain(of_environment) {
        let content = placeholders
            .fill(file(name.as_str()).map_err(|error| LabTomlError::new(&at, error.to_string()))?);
        if environment.is_some() && is_own_file(name.as_str()) {
            let what = format!("file {name} belongs to the environment: use another name");
            return Err(LabTomlError::new(&at, what));
        }
        files.push((name, content));
    }
    if steps.is_empty() {
        return Err(LabTomlError::new(&(0..0), "expected at least one [[step]]"));
    }
    let mut reader = StepReader::new(environment.is_some(), &raw.tools);
    let steps = steps.into_iter().map(|step| reader.step(step)).collect::<Result<_, _>>()?;
    reader.finish()?;
    let of_components = Component::ALL.into_iter().flat_map(Component::ports);
    let of_environment = environment.iter().flat_map(|_| of_components.clone());
    Ok(Lab {
        id,
        title: raw.title,
        summary: raw.summary,
        tools: raw.tools,
        ports: raw.port.into_iter().map(NeededPort::from).chain(of_environment).collect(),
        files,
        environment: environment.map(|(_, spec)| spec),
        steps,
        learned: raw.learned,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labs::Action;

    const GOOD: &str = r#"title = "t"
summary = "s"
tools = ["consul"]
files = ["a.hcl"]
learned = []

[[step]]
id = "one"
title = "t"
text = "at {address}"

[[step.do]]
run = "server {address}"
service = "server"
ready = { kind = "tcp", port = 1 }

[[step.do]]
check = "tcp-echo"
claim = "it echoes"
port = 1
bytes = 1
"#;

    fn parse(text: &str) -> Result<Lab> {
        let file = |name: &str| match name {
            "a.hcl" | "consul.hcl" => Ok("on {address}"),
            _ => Err(FileError::Missing(name.to_owned())),
        };
        let address = "127.0.0.9".parse().unwrap();
        Lab::parse("1-x".parse().unwrap(), text, "labs/1-x/lab.toml", address, file)
    }

    #[test]
    fn placeholders_are_replaced_everywhere() {
        let lab = parse(GOOD).unwrap();
        assert_eq!(lab.files[0].1, "on 127.0.0.9");
        assert_eq!(lab.steps[0].text, "at 127.0.0.9");
        let Action::Run(run) = &lab.steps[0].actions[0] else { panic!("a command") };
        assert_eq!(run.command, "server 127.0.0.9");
    }

    /// Replacements in [`GOOD`] that make it wrong.
    const WRONG: &[(&str, &str)] = &[
        ("title = \"t\"\n", "title = \"t\"\ncolour = 1\n"),
        ("learned = []\n", "learned = []\n[environment]\nsources = { add-svc = \"add.py\" }\n"),
        ("a.hcl", "b.hcl"),
        ("learned = []\n", "learned = []\n[environment]\nconsul = [\"consul.hcl\"]\n"),
        ("id = \"one\"", "id = \"One\""),
        ("text = \"at", "timeout_seconds = 0\ntext = \"at"),
        ("run = \"server", "ran = \"server"),
        ("service = \"server\"\n", ""),
        ("service = \"server\"", "service = \"machine\""),
        ("ready = { kind = \"tcp\", port = 1 }\n", ""),
        ("kind = \"tcp\"", "kind = \"udp\""),
        ("check = \"tcp-echo\"", "check = \"magic\""),
        ("bytes = 1\n", ""),
        ("bytes = 1\n", "bytes = 1\nbits = 8\n"),
        ("[[step.do]]\ncheck", "[[step]]\ncheck"),
        ("[[step.do]]\ncheck", "[[step.reset]]\nstart = \"server\"\n\n[[step.do]]\ncheck"),
        ("text = \"at", "changes = false\nreset = [{ stop = \"server\" }]\ntext = \"at"),
        ("text = \"at", "teardown = true\ntext = \"at"),
        ("text = \"at", "colour = 1\ntext = \"at"),
        ("learned = []\n", "learned = []\nport = [{ port = 0, purpose = \"p\" }]\n"),
        ("run = \"server {address}\"\n", "run = \"server {address}\"\nlines = \"all\"\n"),
        ("run = \"server {address}\"\n", "run = \"server {address}\"\ncolour = 1\n"),
        ("ready = { kind = \"tcp\", port = 1 }", "ready = { port = 1 }"),
        ("ready = { kind = \"tcp\", port = 1 }", "ready = \"tcp\""),
        ("kind = \"tcp\", port = 1", "kind = \"tcp\", port = 0"),
        ("kind = \"tcp\", port = 1", "kind = \"tcp\", port = 1, admin = 1"),
        ("kind = \"tcp\", port = 1", "kind = \"envoy\", admin = 1, listener = \"{address}\""),
        ("port = 1\nbytes", "port = 65536\nbytes"),
        ("bytes = 1\n", "bytes = 67108865\n"),
        ("claim =", "component = \"sevrer\"\nclaim ="),
        ("claim =", "between = [\"a\", \"a\"]\nclaim ="),
        ("claim =", "between = [\"a\", \"b\", \"c\"]\nclaim ="),
        ("claim = \"it echoes\"\n", ""),
        ("bytes = 1\n", "bytes = 1\n[[step.reset]]\nstop = \"sevrer\"\n"),
        ("bytes = 1\n", "bytes = 1\n[[step.reset]]\nrun = \"true\"\ntask = \"do it\"\n"),
        (
            "[[step.do]]\ncheck",
            "[[step.do]]\nrun = \"x\"\ntask = \"t\"\n[[step.do]]\nrun = \"y\"\n[[step.do]]\ncheck",
        ),
        ("bytes = 1\n", "bytes = 1\n[[step.do.counter]]\nwho = \"w\"\nadmin = 0\nname = \"n\"\ngrows = 1\n"),
        (
            "bytes = 1\n",
            "bytes = 1\n[[step.do.counter]]\nwho = \"w\"\nadmin = 1.5\nname = \"n\"\ngrows = 1\n",
        ),
        (
            "bytes = 1\n",
            "bytes = 1\n[[step.do.counter]]\nwho = \"w\"\nadmin = 1\nname = \"n\"\ngrows = \"byte\"\n",
        ),
        (
            "tcp-echo\"\nclaim = \"it echoes\"\nport = 1\nbytes = 1\n",
            "spread\"\nclaim = \"c\"\nport = 1\npath = \"/\"\ncalls = 1\n[[step.do.counter]]\nwho = \"w\"\nadmin = 1\nname = \"n\"\ngrows = { answer = \"v2\" }\n",
        ),
        (
            "bytes = 1\n",
            "bytes = 1\n[[step.do.counter]]\nwho = \"w\"\nadmin = 1\ncolour = 1\nname = \"n\"\ngrows = 1\n",
        ),
        (
            "bytes = 1\n",
            "bytes = 1\n[[step.do.counter]]\nwho = \"w\"\nadmin = 1\nat = \"8.8.8.8\"\nname = \"n\"\ngrows = 1\n",
        ),
        (
            "bytes = 1\n",
            "bytes = 1\n[[step.do.counter]]\nwho = \"w\"\nadmin = 1\nname = \"n\"\ngrows = { answered = \"v2\" }\n",
        ),
        (
            "tcp-echo\"\nclaim = \"it echoes\"\nport = 1\nbytes = 1\n",
            "tcp-denied\"\nclaim = \"c\"\nport = 1\n[[step.do.counter]]\nwho = \"w\"\nadmin = 1\nname = \"n\"\ngrows = \"bytes\"\n",
        ),
        (
            "tcp-echo\"\nclaim = \"it echoes\"\nport = 1\nbytes = 1\n",
            "spread\"\nclaim = \"c\"\nport = 1\npath = \"/\"\ncalls = 1\n[[step.do.counter]]\nwho = \"w\"\nadmin = 1\nname = \"n\"\ngrows = { answered = \"v2\" }\n",
        ),
        (
            "tcp-echo\"\nclaim = \"it echoes\"\nport = 1\nbytes = 1",
            "http\"\nclaim = \"c\"\nport = 1\npath = \"/\"\nstatus = 600",
        ),
        (
            "tcp-echo\"\nclaim = \"it echoes\"\nport = 1\nbytes = 1",
            "http\"\nclaim = \"c\"\nport = 1\npath = \"/\"\nstatus = 200\ntimes = 0",
        ),
        (
            "tcp-echo\"\nclaim = \"it echoes\"\nport = 1\nbytes = 1",
            "spread\"\nclaim = \"c\"\nport = 1\npath = \"/\"\ncalls = 1\nanswers = { 99 = 1 }",
        ),
        (
            "tcp-echo\"\nclaim = \"it echoes\"\nport = 1\nbytes = 1",
            "spread\"\nclaim = \"c\"\nport = 1\npath = \"/\"\ncalls = 1\nheaders = { ok = \"1\", \"a b\" = \"1\" }",
        ),
        (
            "tcp-echo\"\nclaim = \"it echoes\"\nport = 1\nbytes = 1",
            "spread\"\nclaim = \"c\"\nport = 1\npath = \"/\"\ncalls = 1\nby = \"x-version\"",
        ),
        (
            "tcp-echo\"\nclaim = \"it echoes\"\nport = 1\nbytes = 1",
            "spread\"\nclaim = \"c\"\nport = 1\npath = \"/\"\ncalls = 1\nby = \"x-version\"\nshare = { a = 0.5 }",
        ),
    ];

    #[test]
    fn only_the_last_step_takes_down() {
        let step = |id: &str, extra: &str| {
            format!(
                "[[step]]\nid = \"{id}\"\ntitle = \"t\"\ntext = \"t\"\n{extra}\n[[step.do]]\ncheck = \"tcp-echo\"\nclaim = \"c\"\nport = 1\nbytes = 1\n"
            )
        };
        let lab =
            |two: &str, three: &str| parse(&format!("{GOOD}{}{}", step("two", two), step("three", three)));
        let steps = lab("", "teardown = true").unwrap().steps;
        assert_eq!(steps.iter().map(|step| step.teardown).collect::<Vec<_>>(), [false, false, true]);
        let early = lab("teardown = true", "").unwrap_err();
        assert!(early.message().ends_with("expected teardown = true at the last step alone"), "{early}");
        assert!(lab("", "teardown = true\nchanges = false").is_err());
    }

    #[test]
    fn errors_name_line_column_and_expectation() {
        let shown: Vec<String> = WRONG
            .iter()
            .map(|(from, to)| {
                let text = GOOD.replacen(from, to, 1);
                assert_ne!(text, GOOD, "{from}");
                parse(&text).unwrap_err().message().to_owned()
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"));
    }
}
