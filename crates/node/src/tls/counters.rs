//! What came of handshakes. Written by the thread for TLS, read by whoever shows it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::handshake::Failure;

/// Plain sums since the start.
#[derive(Debug, Default)]
pub struct TlsCounters {
    accepted: AtomicU64,
    full: AtomicU64,
    slow: AtomicU64,
    not_tls: AtomicU64,
    bad_certificate: AtomicU64,
    failed: AtomicU64,
}

impl TlsCounters {
    /// Every counter with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let read = |name, counter: &AtomicU64| (name, counter.load(Ordering::Relaxed));
        [
            read("accepted", &self.accepted),
            // Connections that came while too many were shaking hands.
            read("handshakes_refused", &self.full),
            read("handshakes_too_slow", &self.slow),
            // Plain SIP, or anything else, where TLS is spoken.
            read("not_tls", &self.not_tls),
            // Certificates of peers that nobody we know stands for, that are over, or that are for somebody else.
            read("certificates_refused", &self.bad_certificate),
            read("handshakes_failed", &self.failed),
        ]
        .into_iter()
    }

    pub(super) fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn full(&self) {
        self.full.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count(&self, failure: &Failure) {
        let counter = match failure {
            // Someone looked whether the port is open.
            Failure::Left => return,
            Failure::TooSlow => &self.slow,
            Failure::NotTls => &self.not_tls,
            Failure::Certificate(_) => &self.bad_certificate,
            Failure::Name | Failure::Connect(_) | Failure::Broken(_) => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
