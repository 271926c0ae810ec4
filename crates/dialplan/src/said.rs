//! What people are told, in both languages of the line at once: whoever shows it knows which one to show.

/// One text, twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// In English.
    pub en: String,
    /// In Canadian French.
    pub fr: String,
}

/// A text without anything to fill in: English, Canadian French.
pub(crate) type Both = (&'static str, &'static str);

impl From<(&str, &str)> for Said {
    fn from((en, fr): (&str, &str)) -> Self {
        Self { en: en.to_owned(), fr: fr.to_owned() }
    }
}

/// Formats the same values into both texts.
macro_rules! said {
    ($en:literal, $fr:literal $(, $value:expr)* $(,)?) => {
        $crate::said::Said { en: format!($en $(, $value)*), fr: format!($fr $(, $value)*) }
    };
}
pub(crate) use said;

/// A number with one decimal, as written in French.
pub(crate) fn comma(value: f64) -> String {
    format!("{value:.1}").replace('.', ",")
}

/// What a name that is not known was perhaps meant to be.
pub(crate) fn did_you_mean(near: &str) -> Said {
    said!("did you mean \"{near}\"?", "vouliez-vous dire «\u{a0}{near}\u{a0}»?")
}

/// What there is.
pub(crate) fn known<'n>(names: impl Iterator<Item = &'n str>) -> Said {
    let names = names.collect::<Vec<_>>().join(", ");
    said!("known: {names}", "noms connus\u{a0}: {names}")
}
