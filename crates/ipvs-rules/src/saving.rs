//! Makes a save of the options of `-S`, and refuses combinations that have no meaning.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::command::{Save, SaveForm};
use crate::error::RuleError;
use crate::line_options::{Options, OtherOptions, SaveOptions};

impl Options<'_> {
    /// The save of `-S`.
    pub(super) fn save(&mut self, argument: Option<&OsStr>) -> Result<Save, RuleError> {
        let OtherOptions { listing, for_save, scopes, .. } = self.take_other();
        let SaveOptions { digest, with_settings, may_be_empty } = for_save;
        let Options { service, is_numeric, .. } = *self;
        let title = "save";
        if !scopes.is_empty() {
            let other = "within";
            if service.is_some() {
                return Err(RuleError::Conflict {
                    option: "service-address",
                    other,
                    command: title,
                });
            }
            if with_settings {
                return Err(RuleError::Conflict { option: "all", other, command: title });
            }
        }
        let file = argument.and_then(file);
        let form = match digest {
            None if listing.is_json => SaveForm::Json,
            None => SaveForm::Lines,
            Some(weights) => {
                // A digest is of services alone, and it goes to standard output.
                let others = [
                    (with_settings, "all"),
                    (may_be_empty, "allow-empty"),
                    (listing.is_json, "json"),
                ];
                if let Some((_, option)) = others.into_iter().find(|&(is_given, _)| is_given) {
                    return Err(RuleError::Conflict { option, other: "digest", command: title });
                }
                if let Some(word) = argument.filter(|_| file.is_some()) {
                    let word = word.to_string_lossy().into_owned();
                    return Err(RuleError::UnexpectedArgument { word, missing: None });
                }
                SaveForm::Digest(weights)
            }
        };
        let is_numeric = is_numeric || form != SaveForm::Lines;
        Ok(Save { is_numeric, service, scopes, with_settings, file, may_be_empty, form })
    }
}

/// The file of `-S` or `-R`. `None` for a standard stream, which is also the meaning of a lone dash.
pub(super) fn file(word: &OsStr) -> Option<PathBuf> {
    (word != "-").then(|| PathBuf::from(word))
}
