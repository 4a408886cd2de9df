//! Saves and scopes: the forms of a save, and the combinations that are refused.

use super::*;

#[test]
fn digest_is_of_services_alone() {
    let save = |line: &str| match read(line) {
        Ok(Command::Save(save)) => (save.form, save.is_numeric),
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(save("-S"), (SaveForm::Lines, false));
    assert_eq!(save("-S --json"), (SaveForm::Json, true));
    assert_eq!(save("-S --digest"), (SaveForm::Digest(DigestedWeights::Omitted), true));
    assert_eq!(save("-S --digest=all -"), (SaveForm::Digest(DigestedWeights::Included), true));
    all_are_refused([
        ("-S --digest=some", "illegal digest specified (`some' is not one of: all)"),
        (
            "-S --digest --all",
            "The option 'all' conflicts with the 'digest' option in the 'save' command",
        ),
        (
            "-S --allow-empty --digest",
            "The option 'allow-empty' conflicts with the 'digest' option in the 'save' command",
        ),
        (
            "-S --json --digest",
            "The option 'json' conflicts with the 'digest' option in the 'save' command",
        ),
        ("-S --digest rules", "unexpected argument rules"),
        ("-S --digest=all --digest", "multiple 'digest' options specified"),
        ("-L --digest", "Illegal 'digest' option with the 'list' command"),
    ]);
}

#[test]
fn scope_excludes_a_service_and_settings() {
    all_are_refused([
        (
            "-S --within 10.0.0.0/8 -t 10.0.0.1:80",
            "The option 'service-address' conflicts with the 'within' option in the 'save' command",
        ),
        (
            "-S --all --within 10.0.0.0/8",
            "The option 'all' conflicts with the 'within' option in the 'save' command",
        ),
        ("-Z --within 10.0.0.0/8", "Illegal 'within' option with the 'zero' command"),
        (
            "-C --within fwmark:9-7",
            "illegal scope specified (`fwmark:9-7' is neither a network such as 192.0.2.0/24 nor firewall marks such \
             as fwmark:1-99)",
        ),
    ]);
}
