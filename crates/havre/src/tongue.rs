//! The language of whoever reads the terminal, as POSIX has it: `LC_ALL` before `LC_MESSAGES` before `LANG`.

use havre_model::Spoken;

/// French where the environment says so, else English.
pub(crate) fn of_reader() -> Spoken {
    of(|name| std::env::var(name).ok())
}

fn of(variable: impl Fn(&str) -> Option<String>) -> Spoken {
    let set =
        ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
    let french = set.is_some_and(|value| value.split(['_', '.', '@']).next() == Some("fr"));
    if french { Spoken::Fr } else { Spoken::En }
}

/// How many there are: none is singular in French, and plural in English.
pub(crate) fn counted(count: usize, tongue: Spoken, one: &str, many: &str) -> String {
    let is_one = count == 1 || (count == 0 && tongue == Spoken::Fr);
    format!("{count} {}", if is_one { one } else { many })
}

/// The last line under what was found.
pub(crate) fn nothing_was_done(count: usize, tongue: Spoken) -> String {
    match (tongue, count) {
        (Spoken::Fr, 0 | 1) => format!("havre\u{a0}: {count} problème; rien n’a été démarré ni changé"),
        (Spoken::Fr, _) => format!("havre\u{a0}: {count} problèmes; rien n’a été démarré ni changé"),
        (_, 1) => format!("havre: {count} problem; nothing was started or changed"),
        _ => format!("havre: {count} problems; nothing was started or changed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_says_the_language() {
        let of = |set: &[(&str, &str)]| {
            let set: Vec<(String, String)> =
                set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            of(move |name| set.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()))
        };
        for french in ["fr", "fr_CA", "fr_CA.UTF-8", "fr.UTF-8", "fr_FR@euro"] {
            assert_eq!(of(&[("LANG", french)]), Spoken::Fr, "{french}");
        }
        for other in ["", "C", "C.UTF-8", "en_CA.UTF-8", "fry_NL", "de_DE"] {
            assert_eq!(of(&[("LANG", other)]), Spoken::En, "{other}");
        }
        assert_eq!(of(&[("LC_ALL", "en_CA.UTF-8"), ("LANG", "fr_CA.UTF-8")]), Spoken::En);
        assert_eq!(of(&[("LC_ALL", ""), ("LC_MESSAGES", "fr_CA.UTF-8"), ("LANG", "C")]), Spoken::Fr);
        assert_eq!(of(&[]), Spoken::En);
    }
}
