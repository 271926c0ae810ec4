//! `[sip]`: session timers (RFC 4028).

use std::time::Duration;

use havre_sip::SessionTimers;

use super::Check;

/// RFC 4028 §4.
const SHORTEST: u32 = 90;

impl Check<'_> {
    pub(super) fn session(&mut self, expires: u32, min: u32) -> SessionTimers {
        if min < SHORTEST {
            let remedy = "write 90 or more seconds: RFC 4028 allows no less";
            self.error("sip.session_min", format!("{min} is too short"), remedy);
        }
        if expires != 0 && expires < min {
            let remedy = "write 0 to ask for no session timer, or at least as much as session_min, as 1800";
            self.error("sip.session_expires", format!("{expires} is shorter than session_min"), remedy);
        }
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
        SessionTimers { expires: (expires != 0).then(|| seconds(expires)), min: seconds(min) }
    }
}
