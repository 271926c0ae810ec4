//! What the TOML reader says is wrong with a text, in Canadian French. It speaks English only, and whoever mends a file
//! at night should not have to.

/// What it finds wrong.
const FAULTS: &[(&str, &str)] = &[
    ("`_` may only go between digits", "`_` ne peut figurer qu’entre des chiffres"),
    ("cannot recurse further; max recursion depth met", "trop de listes ou de tables imbriquées"),
    ("recursion limit", "trop de listes ou de tables imbriquées"),
    ("carriage return must be followed by newline", "un retour chariot doit être suivi d’un saut de ligne"),
    ("duplicate key", "clé en double"),
    ("extra `=`", "`=` de trop"),
    ("extra assignment between key-value pairs", "`=` de trop entre deux clés"),
    ("extra comma in array", "virgule de trop dans la liste"),
    ("extra comma in inline table", "virgule de trop dans la table entre accolades"),
    ("integers with a radix cannot be signed", "un nombre entier avec une base n’a pas de signe"),
    ("invalid basic string", "texte entre guillemets doubles incorrect"),
    ("invalid binary number", "nombre binaire incorrect"),
    ("invalid boolean", "valeur true ou false incorrecte"),
    ("invalid comment character", "caractère incorrect dans le commentaire"),
    ("invalid date-time", "date incorrecte"),
    ("invalid exponent", "exposant incorrect"),
    ("invalid float", "nombre décimal incorrect"),
    ("invalid fraction", "partie décimale incorrecte"),
    ("invalid hexadecimal number", "nombre hexadécimal incorrect"),
    ("invalid inline table element", "élément incorrect dans la table entre accolades"),
    ("invalid integer number", "nombre entier incorrect"),
    ("invalid key", "clé incorrecte"),
    ("invalid key-value pair", "ligne sans clé ni valeur"),
    ("invalid literal string", "texte entre apostrophes incorrect"),
    ("invalid mantissa", "nombre décimal incorrect"),
    ("invalid multi-line basic string", "texte entre trois guillemets doubles incorrect"),
    ("invalid multi-line literal string", "texte entre trois apostrophes incorrect"),
    ("invalid octal number", "nombre octal incorrect"),
    ("invalid string", "texte incorrect"),
    ("invalid table", "nom de table incorrect"),
    ("invalid unquoted key", "clé sans guillemets incorrecte"),
    ("invalid value", "valeur incorrecte"),
    ("key with no value", "clé sans valeur"),
    ("keys cannot be multi-line basic strings", "une clé ne peut pas occuper plusieurs lignes"),
    ("keys cannot be multi-line literal strings", "une clé ne peut pas occuper plusieurs lignes"),
    ("missing array opening", "il manque le crochet qui ouvre la liste"),
    ("missing assignment between key-value pairs", "il manque `=` entre la clé et la valeur"),
    ("missing comma between array elements", "il manque une virgule entre deux éléments de la liste"),
    ("missing comma between key-value pairs", "il manque une virgule entre deux clés"),
    ("missing comment start", "il manque `#` devant le commentaire"),
    ("missing escaped value", "il manque le caractère après `\\`"),
    ("missing inline table opening", "il manque l’accolade qui ouvre la table"),
    ("missing key for inline table element", "il manque une clé dans la table entre accolades"),
    ("missing opening quote", "il manque le guillemet ouvrant"),
    ("missing table open", "il manque le crochet qui ouvre le nom de la table"),
    ("missing value for key", "il manque une valeur pour la clé"),
    ("missing value", "il manque une valeur"),
    ("radix must be lowercase", "la base d’un nombre s’écrit en minuscules"),
    ("redundant integer number prefix", "préfixe de nombre en trop"),
    ("redundant numeric sign", "signe de nombre en trop"),
    ("string values must be quoted", "un texte s’écrit entre guillemets"),
    ("too few unicode value digits", "il manque des chiffres au code Unicode"),
    ("unclosed array table", "il manque `]]` après le nom de la table"),
    ("unclosed array", "il manque `]` à la fin de la liste"),
    ("unclosed inline table", "il manque `}` à la fin de la table"),
    ("unclosed table", "il manque `]` après le nom de la table"),
    ("unexpected `=` in array", "`=` inattendu dans la liste"),
    ("unexpected content between comment and newline", "contenu inattendu après le commentaire"),
    ("unexpected content", "contenu inattendu"),
    ("unexpected key or value", "clé ou valeur inattendue"),
    ("unexpected leading zero", "zéro inattendu au début du nombre"),
    ("unexpected sign", "signe inattendu"),
    ("unquoted keys cannot be empty", "une clé sans guillemets ne peut pas être vide"),
];

/// What it would have taken. Signs stand between backquotes in both languages.
const EXPECTED: &[(&str, &str)] = &[
    ("basic string", "un texte entre guillemets doubles"),
    ("characters", "des caractères"),
    ("digits", "des chiffres"),
    ("key", "une clé"),
    ("letters", "des lettres"),
    ("literal string", "un texte entre apostrophes"),
    ("multi-line basic string", "un texte entre trois guillemets doubles"),
    ("newline", "un saut de ligne"),
    ("non-double-quote visible characters", "des caractères visibles autres que le guillemet double"),
    ("non-single-quote characters", "des caractères autres que l’apostrophe"),
    ("non-single-quote visible characters", "des caractères visibles autres que l’apostrophe"),
    ("nothing", "rien"),
    ("numbers", "des chiffres"),
    ("printable characters", "des caractères imprimables"),
    ("unicode hexadecimal value", "un code Unicode hexadécimal"),
    ("value", "une valeur"),
];

/// What the TOML reader said, in French; `None` if the words are not its own, or new.
///
/// ```
/// let said = havre_dialplan::toml_in_french("unclosed array, expected `]`");
/// assert_eq!(said.as_deref(), Some("il manque `]` à la fin de la liste; attendu\u{a0}: `]`"));
/// ```
#[must_use]
pub fn toml_in_french(message: &str) -> Option<String> {
    let (fault, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let fault = word(FAULTS, fault.trim())?;
    if expected.is_empty() {
        return Some(fault.to_owned());
    }
    // A comma may be what is expected: it is one of the signs.
    let signs_apart = expected.replace("`,`", "\0");
    let expected: Option<Vec<&str>> = signs_apart
        .split(", ")
        .map(str::trim)
        .map(|one| match one {
            "\0" => Some("`,`"),
            sign if sign.starts_with(['`', '\'']) => Some(sign),
            what => word(EXPECTED, what),
        })
        .collect();
    Some(format!("{fault}; attendu\u{a0}: {}", expected?.join(", ")))
}

fn word(words: &[(&str, &'static str)], english: &str) -> Option<&'static str> {
    words.iter().find(|(en, _)| *en == english).map(|(_, fr)| *fr)
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;

    /// Ways to get TOML wrong, each found by the reader itself.
    const BROKEN: &[&str] = &[
        "a = ",
        "a",
        "a b",
        "= 1",
        "a == 1",
        "a = 1 2",
        "a = three",
        "a = \"open",
        "a = 'open",
        "a = \"\\q\"",
        "a = \"\\u12\"",
        "a = \"\\",
        "a = [1, 2",
        "a = [1 2]",
        "a = [1,, 2]",
        "a = [x = 1]",
        "a = ]",
        "a = }",
        "a = { b = 1",
        "a = { b }",
        "a = { b = 1 c = 2 }",
        "a = { b = 1,, c = 2 }",
        "a = { = 1 }",
        "a = { b == 1 }",
        "a = { b = }",
        "[a",
        "[[a]",
        "[]",
        "[a]]",
        "[a] b",
        "a]",
        "a = 01",
        "a = 1__2",
        "a = ++1",
        "a = 0X1",
        "a = +0x1",
        "a = 1.",
        "a = 1e",
        "a = truw",
        "a = 1z",
        "a = 1\na = 2",
        "[a]\n[a]",
        "a.b = 1\na = 2",
        "# \u{1}",
        "\"\"\"k\"\"\" = 1",
        "'''k''' = 1",
        "a = 1\r",
        "é = 1",
        "a. = 1",
        ". = 1",
    ];

    #[test]
    fn whatever_is_wrong_is_said_in_french() {
        let mut faults = Vec::new();
        for text in BROKEN {
            let (_, errors) = DeTable::parse_recoverable(text);
            if errors.is_empty() {
                faults.push(format!("{text:?} is TOML after all"));
            }
            let english = errors.iter().map(toml::de::Error::message);
            let unsaid = english.filter(|english| toml_in_french(english).is_none());
            faults.extend(unsaid.map(|english| format!("no French for {english:?} ({text:?})")));
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    #[test]
    fn what_is_expected_is_said_too() {
        assert_eq!(
            toml_in_french("missing comma between array elements, expected `,`").as_deref(),
            Some("il manque une virgule entre deux éléments de la liste; attendu\u{a0}: `,`")
        );
        assert_eq!(
            toml_in_french("invalid unquoted key, expected letters, numbers, `-`, `_`").as_deref(),
            Some("clé sans guillemets incorrecte; attendu\u{a0}: des lettres, des chiffres, `-`, `_`")
        );
        assert_eq!(toml_in_french("something new"), None);
        assert_eq!(toml_in_french("invalid value, expected something new"), None);
    }

    #[test]
    fn french_keeps_its_typography() {
        for (en, fr) in FAULTS.iter().chain(EXPECTED) {
            assert!(!fr.contains('\'') && !fr.contains(" ;") && !fr.contains(" :"), "{en}: {fr}");
        }
    }
}
