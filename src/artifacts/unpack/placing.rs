//! Which member goes where: the lock's rules applied to names. The rule that says most about a name holds: one that
//! names the file, else the one with the longest folder.

use camino::{Utf8Path, Utf8PathBuf};

use crate::artifacts::lockfile::UnpackRule;
use crate::core::model::RelativePath;

/// The rules, and which of them have found something.
pub(super) struct Placing<'a> {
    rules: Vec<(&'a UnpackRule, bool)>,
}

impl<'a> Placing<'a> {
    pub(super) fn new(rules: &'a [UnpackRule]) -> Self {
        Self { rules: rules.iter().map(|rule| (rule, false)).collect() }
    }

    /// The place of a file or link, if a rule takes it.
    pub(super) fn leaf(&mut self, member: &RelativePath) -> Result<Option<RelativePath>, String> {
        let exact = self.rules.iter_mut().find_map(|(rule, found)| match rule {
            UnpackRule::File { from, to } if from == member => {
                *found = true;
                Some(Some(to.clone()))
            }
            UnpackRule::LeftOut { from } if from == member => {
                *found = true;
                Some(None)
            }
            _ => None,
        });
        match exact {
            Some(place) => Ok(place),
            None => self.below_folder(member.as_path()),
        }
    }

    /// The place of a folder, if a rule takes it and it is not the root of the tree.
    pub(super) fn folder(&mut self, member: &RelativePath) -> Result<Option<RelativePath>, String> {
        self.below_folder(member.as_path())
    }

    /// A rule that found nothing in the whole archive.
    pub(super) fn idle_rule(&self) -> Option<String> {
        let (rule, _) = self.rules.iter().find(|(_, found)| !found)?;
        Some(match rule {
            UnpackRule::File { from, .. } | UnpackRule::LeftOut { from } => {
                format!("no file is called {from}")
            }
            UnpackRule::Folder { from: Some(from), .. } => format!("nothing is below the folder {from}/"),
            UnpackRule::Folder { from: None, .. } => "it is empty, or other rules take all of it".to_owned(),
        })
    }

    fn below_folder(&mut self, member: &Utf8Path) -> Result<Option<RelativePath>, String> {
        let rest_below = |rule: &UnpackRule| match rule {
            UnpackRule::Folder { from: Some(from), .. } => member.strip_prefix(from.as_path()).ok(),
            UnpackRule::Folder { from: None, .. } => Some(member),
            UnpackRule::File { .. } | UnpackRule::LeftOut { .. } => None,
        };
        // The longest folder leaves the shortest rest.
        let nearest = self
            .rules
            .iter_mut()
            .filter_map(|(rule, found)| Some((rest_below(rule)?, rule, found)))
            .min_by_key(|(rest, ..)| rest.as_str().len());
        let Some((rest, UnpackRule::Folder { to, .. }, found)) = nearest else { return Ok(None) };
        *found = true;
        let mut place = to.as_ref().map_or_else(Utf8PathBuf::new, |to| to.as_path().to_owned());
        if !rest.as_str().is_empty() {
            place.push(rest);
        }
        if place.as_str().is_empty() {
            return Ok(None);
        }
        place
            .as_str()
            .parse()
            .map(Some)
            .map_err(|invalid| format!("a place in the tree that is none: {invalid}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_that_says_most_holds() {
        let folder = |from: Option<&str>, to: Option<&str>| UnpackRule::Folder {
            from: from.map(|path| path.parse().unwrap()),
            to: to.map(|path| path.parse().unwrap()),
        };
        let rules = [
            folder(None, Some("all")),
            folder(Some("a/b"), None),
            folder(Some("a"), Some("x")),
            UnpackRule::File { from: "a/b/c".parse().unwrap(), to: "exact".parse().unwrap() },
            UnpackRule::LeftOut { from: "a/left/out".parse().unwrap() },
            folder(Some("never"), None),
        ];
        let mut placing = Placing::new(&rules);
        let mut place = |member: &str| {
            placing.leaf(&member.parse().unwrap()).unwrap().map(|path| path.as_path().to_string())
        };
        assert_eq!(place("a/b/c").as_deref(), Some("exact"));
        assert_eq!(place("a/b/d").as_deref(), Some("d"));
        assert_eq!(place("a/bc").as_deref(), Some("x/bc"));
        assert_eq!(place("a/left/out"), None);
        assert_eq!(place("z").as_deref(), Some("all/z"));
        assert_eq!(placing.folder(&"a/b".parse().unwrap()), Ok(None));
        assert!(placing.idle_rule().unwrap().contains("never/"));
    }

    #[test]
    fn a_folder_rule_does_not_take_a_file_of_its_name() {
        let rules = [UnpackRule::Folder { from: Some("a".parse().unwrap()), to: None }];
        let mut placing = Placing::new(&rules);
        assert_eq!(placing.leaf(&"a".parse().unwrap()), Ok(None));
    }
}
