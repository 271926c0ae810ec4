//! Where in a TOML text a key stands, so that an error about its meaning can name the line.

use toml::de::{DeTable, DeValue};

/// The line, from 1, of `path` (`section.key`, or `list.2.key` for the third table of a list), or of the nearest
/// parent that exists. `None` if nothing of it stands in the text.
pub(super) fn line_of(text: &str, path: &str) -> Option<usize> {
    let (root, _) = DeTable::parse_recoverable(text);
    let mut found = None;
    let mut here: Option<&DeValue<'_>> = None;
    for part in path.split('.') {
        let (span, value) = match here {
            None => entry(root.get_ref(), part)?,
            Some(DeValue::Table(table)) => match entry(table, part) {
                Some(hit) => hit,
                None => break,
            },
            Some(DeValue::Array(list)) => match part.parse::<usize>().ok().and_then(|i| list.get(i)) {
                Some(item) => (item.span().start, item.get_ref()),
                None => break,
            },
            Some(_) => break,
        };
        found = Some(span);
        here = Some(value);
    }
    found.map(|at| 1 + text[..at.min(text.len())].matches('\n').count())
}

fn entry<'a>(table: &'a DeTable<'_>, key: &str) -> Option<(usize, &'a DeValue<'a>)> {
    table.iter().find(|(k, _)| k.get_ref() == key).map(|(k, v)| (k.span().start, v.get_ref()))
}

#[cfg(test)]
mod tests {
    use super::line_of;

    const TEXT: &str =
        "[sip]\nlisten = \"x\"\n\n[[agents]]\nid = \"a\"\n\n[[agents]]\nid = \"b\"\nroles = []\n";

    #[test]
    fn keys_are_found_in_tables_and_lists() {
        assert_eq!(line_of(TEXT, "sip.listen"), Some(2));
        assert_eq!(line_of(TEXT, "agents.1.roles"), Some(9));
        assert_eq!(line_of(TEXT, "agents.0.id"), Some(5));
    }

    #[test]
    fn a_missing_key_points_at_its_parent_and_a_missing_section_nowhere() {
        assert_eq!(line_of(TEXT, "agents.1.password"), Some(7));
        assert_eq!(line_of(TEXT, "http.token"), None);
    }
}
