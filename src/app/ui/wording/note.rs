//! Notes and warnings, a sentence each.

use crate::core::event::{Note, Warning};
use crate::core::model::{LabAddress, Platform};
use crate::core::numbers::words::count;
use crate::labs::bench::probe::answer_line;

pub(in crate::app::ui) fn note(note: &Note) -> String {
    match note {
        Note::LeftoversFound { address } => format!("taking down what an interrupted run left on {address}"),
        Note::NothingRuns { address: Some(address) } => format!("nothing is running on {address}"),
        Note::NothingRuns { address: None } => "nothing is running on any address".to_owned(),
        Note::RunsElsewhere { address } => {
            format!("something runs on {address}: `meshlab down --all` ends it as well")
        }
        Note::ShellOpened { lab: Some(lab), address } => {
            format!("lab {lab} on {address}; `exit` leaves this shell")
        }
        Note::ShellOpened { lab: None, .. } => {
            "no lab is running; the installed tools are on the PATH; `exit` leaves this shell".to_owned()
        }
        Note::LabContinues { number, title } => {
            format!("continuing with step {number}, {title}; `--from 1` starts over")
        }
        Note::LabStopped { number, of, done } => {
            let place = if *done { "after" } else { "at" };
            format!("stopped {place} step {number} of {of}: run the lab again to continue there")
        }
        Note::NextStep { lab, number, title } => format!(
            "next is step {number}, {title}: `meshlab lab solve {lab}` does it, `meshlab lab {lab}` continues from there"
        ),
        Note::LabDone { lab, steps } => format!("all {steps} steps of lab {lab} are done"),
        Note::LabReset { lab } => {
            format!("no step of lab {lab} is done any more: `meshlab lab {lab}` starts over")
        }
        Note::StepReset { lab, number, later_done } => {
            let undone =
                format!("step {number} is undone: do it again, then `meshlab lab check {lab} {number}`");
            if *later_done {
                format!(
                    "{undone}; later steps still count as done, though they may need it: `meshlab lab reset {lab}` resets the whole lab"
                )
            } else {
                undone
            }
        }
        Note::NoMoreHints => "there are no more hints".to_owned(),
        Note::ReportWritten { path } => format!("report written to {path}"),
        Note::DockerNotAsked { failure } => format!("Docker's images are not listed: {failure}"),
        Note::ImageNotPinned { image } => {
            format!("image {image} differs from its pin in the lock: its tools came from another source")
        }
        Note::OtherLock { lock } => {
            format!("the bundle was made with another lock; {lock} has what this machine needs")
        }
        Note::StateKept { addresses } => {
            let addresses: Vec<String> = addresses.iter().map(LabAddress::to_string).collect();
            format!("the state of running labs is kept: {}", addresses.join(", "))
        }
        Note::BuildFolderKept { path } => format!("{path} is kept: another meshlab builds in it"),
        Note::ConnectionsRounded { threads, asked, used } => format!(
            "wrk gives each of its {threads} threads the same number of connections: {used} are used, not {asked}"
        ),
    }
}

pub(in crate::app::ui) fn warning(warning: &Warning) -> String {
    match warning {
        Warning::ReportNotWritten { failure } => failure.to_string(),
        Warning::ContainersNotSearched { failure } => {
            format!("labs that run in containers are not searched for: {failure}")
        }
        Warning::ReplacedImagesKept { failure } => {
            format!("images that were replaced are still in Docker: {failure}")
        }
        Warning::BuildFolderNotCleared { failure } => format!("cannot clear the build folder: {failure}"),
        Warning::CachedFileChanged { file, kept_at } => {
            let kept = kept_at.as_ref().map(|path| format!("; kept at {path}")).unwrap_or_default();
            format!("{file} changed in the cache and is not used{kept}")
        }
        Warning::NotMeasured => "offline: the lock's structure, the wrappers' digests and the images of stored files are compared; no file is measured".to_owned(),
        Warning::SourceKept { name, platform, kind, failure } => {
            if kind == "image" {
                format!("image {name} for {platform} keeps its pin: {failure}")
            } else {
                format!("{name} for {platform} keeps the digests of {kind}: {failure}")
            }
        }
        Warning::NotInLock { artifact, version, platform, lock } => {
            format!("{artifact} {version} for {platform} is in the bundle and not in the lock ({lock}): not stored")
        }
        Warning::NotPinned { artifact, version, platform, lock } => {
            format!("{artifact} {version} for {platform} is not what the lock pins ({lock})")
        }
        Warning::OtherPlatform { platforms, here } => {
            let platforms: Vec<&str> = platforms.iter().copied().map(Platform::name).collect();
            format!(
                "the bundle is for {}, and this machine is {here}: nothing of it can be installed here",
                platforms.join(", ")
            )
        }
        Warning::RepositoryOpen { address } => {
            format!("the package repository on {address} accepts requests from the network")
        }
        Warning::FileNotServed { observed } => format!("a file changed and is not served: {observed}"),
        Warning::AccessLogDropped { lines } => {
            let lines = count(usize::try_from(*lines).unwrap_or(usize::MAX), "line");
            format!("dropped {lines} of the access log: its reader was too slow")
        }
        Warning::WrongAnswers { target, requests, wrong, first } => {
            let first = first
                .as_ref()
                .map(|answer| format!(", the first one: {}", answer_line(answer.status, &answer.body)))
                .unwrap_or_default();
            format!("{wrong} of {requests} answers of {target} were wrong{first}")
        }
        Warning::DebugBuild => {
            "this meshlab was built without optimisation, and its services with it: the figures are not those of a release".to_owned()
        }
    }
}
