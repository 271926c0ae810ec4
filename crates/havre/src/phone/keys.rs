//! What is typed on the command line: keys with their moments, and lengths of time.

use std::time::Duration;

use havre_model::Digit;

/// When the first key is pressed, counted from the answer, unless it says so itself: the greeting has begun by then.
const FIRST_AT: Duration = Duration::from_secs(2);
/// Pause before each further key.
const PAUSE: Duration = Duration::from_secs(2);
/// As many as anybody wants to test.
const MAX_KEYS: usize = 64;

/// One key to be pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Press {
    /// Which.
    pub(super) key: Digit,
    /// When, counted from the answer.
    pub(super) at: Duration,
}

/// Keys in the order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Presses(pub(super) Vec<Press>);

/// Reads `2,5@3s`.
pub(super) fn parse_keys(text: &str) -> Result<Presses, String> {
    let mut presses: Vec<Press> = Vec::new();
    for word in text.split(',').map(str::trim) {
        let (key, at) = word.split_once('@').map_or((word, None), |(key, at)| (key, Some(at)));
        let mut chars = key.chars();
        let (Some(key), None) = (chars.next().and_then(Digit::from_char), chars.next()) else {
            return Err(format!("{key:?} is no key: write 0-9, * or #, with commas between, as 2,5@3s"));
        };
        let at = match at {
            Some(at) => parse_time(at)?,
            None => presses.last().map_or(FIRST_AT, |last| last.at + PAUSE),
        };
        presses.push(Press { key, at });
    }
    if presses.len() > MAX_KEYS {
        return Err(format!("{} keys are too many; {MAX_KEYS} at most", presses.len()));
    }
    presses.sort_by_key(|press| press.at);
    Ok(Presses(presses))
}

/// Reads `3s`, `1.5s`, `500ms`, `2m` or `3` (seconds).
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text:?} is no length of time: write 3s, 1.5s, 500ms or 2m");
    let (number, unit) = match text {
        _ if text.ends_with("ms") => (&text[..text.len() - 2], 0.001),
        _ if text.ends_with('s') => (&text[..text.len() - 1], 1.0),
        _ if text.ends_with('m') => (&text[..text.len() - 1], 60.0),
        _ => (text, 1.0),
    };
    let number: f64 = number.trim().parse().map_err(|_| bad())?;
    let secs = number * unit;
    // A day: nothing here is meant to run for longer.
    if (0.0..=86_400.0).contains(&secs) { Ok(Duration::from_secs_f64(secs)) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presses(text: &str) -> Vec<(char, u128)> {
        parse_keys(text).unwrap().0.iter().map(|p| (p.key.as_char(), p.at.as_millis())).collect()
    }

    #[test]
    fn keys_have_their_times() {
        assert_eq!(presses("1"), [('1', 2_000)]);
        assert_eq!(presses("2,5@3s"), [('2', 2_000), ('5', 3_000)]);
        assert_eq!(presses("5@500ms, #"), [('5', 500), ('#', 2_500)]);
        assert_eq!(presses("1@9,*@4"), [('*', 4_000), ('1', 9_000)]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for bad in ["", "12", "x", "1,,2", "1@", "1@soon", "1@-3s", "1@inf"] {
            assert!(parse_keys(bad).is_err(), "{bad:?}");
        }
        assert!(parse_keys(&vec!["1"; 65].join(",")).unwrap_err().contains("65"));
        assert_eq!(parse_time("2m"), Ok(Duration::from_secs(120)));
    }
}
