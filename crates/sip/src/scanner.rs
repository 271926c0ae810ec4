//! Programs that only look for telephones to rob. An answer of any kind tells them that there is one.

/// Products that name themselves in `User-Agent` and are nothing else; tools that an operator may use are not here.
const SCANNERS: [&str; 14] = [
    "friendly-scanner",
    "friendly-request",
    "sipvicious",
    "sip-scan",
    "sipcli",
    "sipcrack",
    "siparmyknife",
    "sipbomber",
    "siprogue",
    "sivus",
    "pplsip",
    "sundayddr",
    "vaxsipuseragent",
    "vaxipuseragent",
];

/// How much of a `User-Agent` is looked at, in bytes: their names stand at its beginning.
const MAX_AGENT: usize = 128;

/// Whether a `User-Agent` has a scanner's name as one of its products (RFC 3261 §20.41: `sipcli/v1.8`).
pub(crate) fn is_scanner(agent: &str) -> bool {
    let start = &agent[..agent.floor_char_boundary(MAX_AGENT)];
    let mut words = start.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.any(|word| SCANNERS.iter().any(|name| name.eq_ignore_ascii_case(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_names_count_in_any_case_and_parts_of_names_do_not() {
        for agent in
            ["friendly-scanner", "sipcli/v1.8", "VaxSIPUserAgent/3.1", "Sundayddr", "x (SIPVicious) 0.3"]
        {
            assert!(is_scanner(agent), "{agent}");
        }
        for agent in ["", "sipclient/2.0", "Asterisk PBX 18", "my-friendly-scanner", "Grandstream", "é"] {
            assert!(!is_scanner(agent), "{agent}");
        }
        assert!(!is_scanner(&format!("{} sipcli", "x".repeat(MAX_AGENT))));
    }
}
