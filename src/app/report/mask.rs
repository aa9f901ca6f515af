//! Masks tokens and this machine's folders in a report, which people pass on.

use camino::Utf8Path;

use crate::core::settings::Dirs;
use crate::machine::state::RunDir;
use crate::mesh::vm::Secrets;

/// Secrets and folders, each with its replacement.
#[derive(Debug, Default)]
pub(super) struct Mask {
    pairs: Vec<(String, &'static str)>,
    has_tokens: bool,
}

impl Mask {
    /// Masks meshlab's folders and the user's home folder.
    pub(super) fn new(dirs: &Dirs, home: Option<&str>) -> Self {
        let mut mask = Self::default();
        for (folder, name) in [(&dirs.cache, "[cache]"), (&dirs.data, "[data]"), (&dirs.state, "[state]")] {
            mask.hide(folder, name);
        }
        if let Some(home) = home {
            mask.hide(Utf8Path::new(home), "~");
        }
        mask
    }

    fn hide(&mut self, folder: &Utf8Path, name: &'static str) {
        // Commands may print the path without symbolic links.
        let real = folder.canonicalize_utf8().ok();
        for path in std::iter::once(folder).chain(real.as_deref()) {
            // `/` would match every path.
            if path.is_absolute() && path.parent().is_some() {
                self.pairs.push((path.to_string(), name));
            }
        }
        // The longest text first: a folder before its parent.
        self.pairs.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    }

    /// Masks the lab's tokens too, once they exist.
    pub(super) fn add_tokens(&mut self, run: &RunDir) {
        if self.has_tokens {
            return;
        }
        if let Some(secrets) = Secrets::read(run) {
            let Secrets { consul_management, consul_services, nomad_management } = secrets;
            for token in [consul_management, consul_services, nomad_management] {
                self.pairs.push((token.expose().to_owned(), "[token]"));
            }
            self.has_tokens = true;
        }
    }

    /// The text without secrets and without ANSI colours.
    pub(super) fn clean(&self, text: &str) -> String {
        let mut clean = console::strip_ansi_codes(text).into_owned();
        for (secret, name) in &self.pairs {
            if clean.contains(secret.as_str()) {
                clean = replaced(&clean, secret, name);
            }
        }
        clean
    }
}

/// Replaces `secret` by `name`, except where a path goes on as a longer file name.
fn replaced(text: &str, secret: &str, name: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(secret) {
        kept.push_str(before);
        let continues = after.starts_with(|next: char| next.is_alphanumeric() || "-_.".contains(next));
        kept.push_str(if continues && secret.starts_with('/') { secret } else { name });
        rest = after;
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use super::*;

    #[test]
    fn folders_are_masked_and_colours_removed() {
        let folder = |name: &str| Utf8PathBuf::from(format!("/home/u/{name}"));
        let dirs = Dirs {
            cache: folder(".cache/meshlab"),
            data: folder("data"),
            state: folder("state"),
            config: folder("config"),
        };
        let mask = Mask::new(&dirs, Some("/home/u"));
        assert_eq!(
            mask.clean(
                "\u{1b}[1m/home/u/.cache/meshlab/sha256\u{1b}[0m /home/u/state/run /home/u/x /home /home/uwe"
            ),
            "[cache]/sha256 [state]/run ~/x /home /home/uwe"
        );
        assert_eq!(Mask::new(&dirs, Some("/")).clean("/etc"), "/etc");
    }
}
