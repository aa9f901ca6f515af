//! The folders that meshlab writes to.

use camino::{Utf8Path, Utf8PathBuf};

use super::Environment;
use crate::core::failure::{Failure, Result};

/// The folders that meshlab writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// The cache: downloaded files by digest.
    pub cache: Utf8PathBuf,
    /// Unpacked tools.
    pub data: Utf8PathBuf,
    /// Running labs, logs and progress.
    pub state: Utf8PathBuf,
    /// The folder of the settings file.
    pub config: Utf8PathBuf,
}

impl Dirs {
    /// Derives each folder from its own variable, else from XDG's, else from HOME. Relative paths start at `start`.
    pub fn of(environment: &Environment, start: &Utf8Path) -> Result<Self> {
        let home = environment.var("HOME").map(|home| start.join(home));
        let mut missing = Vec::new();
        let dirs = Self::derive(environment, start, |own| {
            if home.is_none() {
                missing.push(own.to_owned());
            }
            home.clone().unwrap_or_default()
        });
        if missing.is_empty() {
            return Ok(dirs);
        }
        Err(Failure::usage("HOME is not set, so the folders for meshlab's files are unknown")
            .detail("also not set", missing.join(", "))
            .hint("set HOME, or set each of these variables to a folder that you may write to"))
    }

    /// Derives the same folders, with `/` in place of a missing HOME: for verbs that do without.
    pub fn without_home(environment: &Environment, start: &Utf8Path) -> Self {
        let home = environment.var("HOME").map_or_else(|| Utf8PathBuf::from("/"), |home| start.join(home));
        Self::derive(environment, start, |_| home.clone())
    }

    fn derive(
        environment: &Environment,
        start: &Utf8Path,
        mut home: impl FnMut(&str) -> Utf8PathBuf,
    ) -> Self {
        let mut one =
            |own: &str, xdg: &str, below_home: &str| match (environment.var(own), environment.var(xdg)) {
                (Some(own), _) => start.join(own),
                // XDG's specification ignores a relative folder.
                (None, Some(xdg)) if xdg.starts_with('/') => Utf8Path::new(xdg).join("meshlab"),
                (None, _) => home(own).join(below_home).join("meshlab"),
            };
        Self {
            cache: one("MESHLAB_CACHE_DIR", "XDG_CACHE_HOME", ".cache"),
            data: one("MESHLAB_DATA_DIR", "XDG_DATA_HOME", ".local/share"),
            state: one("MESHLAB_STATE_DIR", "XDG_STATE_HOME", ".local/state"),
            config: one("MESHLAB_CONFIG_DIR", "XDG_CONFIG_HOME", ".config"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_follow_own_variable_then_xdg_then_home() {
        let start = Utf8Path::new("/start");
        let environment = Environment::from_pairs([
            ("HOME", "/home/u"),
            ("XDG_DATA_HOME", "/xdg"),
            ("XDG_STATE_HOME", "relative"),
            ("MESHLAB_CACHE_DIR", "c"),
        ]);
        let found = Dirs::of(&environment, start).unwrap();
        assert_eq!(found.cache, "/start/c");
        assert_eq!(found.data, "/xdg/meshlab");
        assert_eq!(found.state, "/home/u/.local/state/meshlab");
        assert_eq!(found.config, "/home/u/.config/meshlab");
    }

    #[test]
    fn without_home_every_missing_variable_is_named() {
        let start = Utf8Path::new("/start");
        let nowhere = Dirs::of(&Environment::default(), start).unwrap_err();
        assert!(nowhere.details()[0].text.contains("MESHLAB_CACHE_DIR"), "{nowhere}");
        let some = Environment::from_pairs([("MESHLAB_CACHE_DIR", "c"), ("XDG_DATA_HOME", "/xdg")]);
        let nowhere = Dirs::of(&some, start).unwrap_err();
        assert_eq!(nowhere.details()[0].text, "MESHLAB_STATE_DIR, MESHLAB_CONFIG_DIR");
        assert_eq!(Dirs::without_home(&some, start).state, "/.local/state/meshlab");
    }
}
