//! Applies the lock's unpack rules to member names. The most specific rule wins: a rule for the file, else the one for
//! the deepest folder.

use camino::{Utf8Path, Utf8PathBuf};

use crate::artifacts::lockfile::UnpackRule;
use crate::core::model::{Invalid, RelativePath};

/// The rules, and whether each has matched a member.
pub(super) struct Rules<'a> {
    rules: Vec<(&'a UnpackRule, bool)>,
}

impl<'a> Rules<'a> {
    pub(super) fn new(rules: &'a [UnpackRule]) -> Self {
        Self { rules: rules.iter().map(|rule| (rule, false)).collect() }
    }

    /// The path in the tree of a file or link, if a rule selects it.
    pub(super) fn leaf(&mut self, member: &RelativePath) -> Result<Option<RelativePath>, Invalid> {
        let exact = self.rules.iter_mut().find_map(|(rule, matched)| match rule {
            UnpackRule::File { from, to } if from == member => {
                *matched = true;
                Some(Some(to.clone()))
            }
            UnpackRule::LeftOut { from } if from == member => {
                *matched = true;
                Some(None)
            }
            _ => None,
        });
        match exact {
            Some(place) => Ok(place),
            None => self.below_folder(member.as_path()),
        }
    }

    /// The path in the tree of a folder, if a rule selects it and it is not the root.
    pub(super) fn folder(&mut self, member: &RelativePath) -> Result<Option<RelativePath>, Invalid> {
        self.below_folder(member.as_path())
    }

    /// A description of a rule that matched no member.
    pub(super) fn unmatched_rule(&self) -> Option<String> {
        let (rule, _) = self.rules.iter().find(|(_, matched)| !matched)?;
        Some(match rule {
            UnpackRule::File { from, .. } | UnpackRule::LeftOut { from } => {
                format!("no file is named {from}")
            }
            UnpackRule::Folder { from: Some(from), .. } => format!("the folder {from}/ is empty or missing"),
            UnpackRule::Folder { from: None, .. } => {
                "the archive is empty, or other rules select everything".to_owned()
            }
        })
    }

    fn below_folder(&mut self, member: &Utf8Path) -> Result<Option<RelativePath>, Invalid> {
        let rest_below = |rule: &UnpackRule| match rule {
            UnpackRule::Folder { from: Some(from), .. } => member.strip_prefix(from.as_path()).ok(),
            UnpackRule::Folder { from: None, .. } => Some(member),
            UnpackRule::File { .. } | UnpackRule::LeftOut { .. } => None,
        };
        // The deepest folder leaves the shortest rest.
        let deepest = self
            .rules
            .iter_mut()
            .filter_map(|(rule, matched)| Some((rest_below(rule)?, rule, matched)))
            .min_by_key(|(rest, ..)| rest.as_str().len());
        let Some((rest, UnpackRule::Folder { to, .. }, matched)) = deepest else { return Ok(None) };
        *matched = true;
        let mut place = to.as_ref().map_or_else(Utf8PathBuf::new, |to| to.as_path().to_owned());
        if !rest.as_str().is_empty() {
            place.push(rest);
        }
        if place.as_str().is_empty() {
            return Ok(None);
        }
        place.as_str().parse().map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_rule_wins() {
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
        let mut rules_of_lock = Rules::new(&rules);
        let mut place = |member: &str| {
            rules_of_lock.leaf(&member.parse().unwrap()).unwrap().map(|path| path.as_path().to_string())
        };
        assert_eq!(place("a/b/c").as_deref(), Some("exact"));
        assert_eq!(place("a/b/d").as_deref(), Some("d"));
        assert_eq!(place("a/bc").as_deref(), Some("x/bc"));
        assert_eq!(place("a/left/out"), None);
        assert_eq!(place("z").as_deref(), Some("all/z"));
        assert_eq!(rules_of_lock.folder(&"a/b".parse().unwrap()), Ok(None));
        assert!(rules_of_lock.unmatched_rule().unwrap().contains("never/"));
    }

    #[test]
    fn a_folder_rule_does_not_match_a_file_of_that_name() {
        let rules = [UnpackRule::Folder { from: Some("a".parse().unwrap()), to: None }];
        let mut rules_of_lock = Rules::new(&rules);
        assert_eq!(rules_of_lock.leaf(&"a".parse().unwrap()), Ok(None));
    }
}
