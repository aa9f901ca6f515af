//! The arguments of this process.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Reads a call under the name of a sample service as `meshlab svc NAME`.
pub(crate) fn arguments(given: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = given.into_iter().collect();
    let name = arguments.first().and_then(|program| Path::new(program).file_name()).and_then(OsStr::to_str);
    let service = match name {
        Some("add-svc") => "add",
        Some("sub-svc") => "sub",
        Some("frontend") => "frontend",
        Some("dashboard") => "dashboard",
        Some("consul-register") => "register",
        _ => return arguments,
    };
    arguments.splice(..1, ["meshlab", "svc", service].map(OsString::from));
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_name_chooses_the_service() {
        let read = |given: &[&str]| {
            let read = arguments(given.iter().map(OsString::from));
            read.into_iter().map(|argument| argument.into_string().unwrap()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(read(&["/pkgs/add-svc", "--listen", "x"]), "meshlab svc add --listen x");
        assert_eq!(read(&["sub-svc"]), "meshlab svc sub");
        assert_eq!(read(&["./frontend", "-q"]), "meshlab svc frontend -q");
        assert_eq!(read(&["dashboard"]), "meshlab svc dashboard");
        assert_eq!(read(&["bin/meshlab", "add-svc"]), "bin/meshlab add-svc");
        assert_eq!(read(&["add-svc/meshlab"]), "add-svc/meshlab");
        assert_eq!(read(&[]), "");
    }
}
