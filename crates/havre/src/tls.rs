//! Certificates of the running line: watched, put in force when they change, and complained about before they end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use havre_console::CertificateTrouble;
use havre_dialplan::Said;
use havre_model::Unix;
use havre_node::clock::Clock;
use havre_tls::{Files, Material, Stamp, Term, Tls, TlsError, Validity};
use tracing::{error, info, warn};

use crate::config::ConfigError;
use crate::load::Finding;

/// How often files are looked at: whoever renews them waits for no more than this, twice.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How often a certificate that ends soon is complained about.
const COMPLAIN_EVERY: Duration = Duration::from_secs(24 * 3600);

/// Reads the files that `[tls]` names.
///
/// # Errors
/// The first that is of no use.
pub(crate) fn read(files: &Files, config: &str) -> Result<Arc<Material>, Vec<Finding>> {
    files.load().map(Arc::new).map_err(|error| vec![finding(&error, config)])
}

fn finding(error: &TlsError, config: &str) -> Finding {
    Finding::from(ConfigError {
        file: config.to_owned(),
        line: None,
        key: format!("tls.{}", error.file().key()),
        what: error.to_string(),
        remedy: error.remedy(),
    })
}

/// What is in force, and the files that it came from.
pub(crate) struct Certificates {
    pub(crate) tls: Tls,
    source: Mutex<Source>,
    clock: Clock,
}

/// Which files, and how they looked when they were read.
#[derive(Clone)]
struct Source {
    files: Files,
    stamp: Stamp,
}

impl Source {
    fn now(files: Files) -> Self {
        Self { stamp: files.stamp(), files }
    }
}

impl Certificates {
    pub(crate) fn new(material: Arc<Material>, files: Files, clock: Clock) -> Self {
        Self { tls: Tls::new(material), source: Mutex::new(Source::now(files)), clock }
    }

    /// Puts what was just read in force, unless it is over and what is in force is not. Whoever is connected stays so.
    pub(crate) fn replace(&self, material: Arc<Material>, files: Files) {
        self.set_source(Source::now(files));
        let present = self.tls.material();
        if !is_no_worse(&material, &present, self.clock.now().unix) {
            error!("the TLS certificate in the files is not good now; the old one stays: renew it");
            return;
        }
        if material.term() != present.term() {
            info!("the TLS certificate is another one now: new connections get it");
        }
        self.tls.replace(material);
    }

    /// When the certificate ends.
    pub(crate) fn ends(&self) -> Option<Unix> {
        self.tls.material().term().map(|term| term.ends)
    }

    /// What an operator should know of the certificate, if anything.
    pub(crate) fn note(&self) -> Option<Said> {
        note(&self.tls.material(), self.clock.now().unix)
    }

    /// Watches the files for ever.
    pub(crate) async fn watch(&self) {
        let mut last: Option<Stamp> = None;
        let mut complained: Option<tokio::time::Instant> = None;
        loop {
            if complained.is_none_or(|at| at.elapsed() >= COMPLAIN_EVERY)
                && let Some(note) = self.note()
            {
                warn!("{}", note.en);
                complained = Some(tokio::time::Instant::now());
            }
            tokio::time::sleep(LOOK_EVERY).await;
            let known = self.source();
            let files = known.files;
            let Ok(present) = tokio::task::spawn_blocking(move || Source::now(files)).await else { continue };
            // Seen twice alike: whoever writes them has done with all of them.
            let settled = last.as_ref() == Some(&present.stamp);
            last = Some(present.stamp.clone());
            if settled && present.stamp != known.stamp {
                self.reload(present).await;
                complained = None;
            }
        }
    }

    /// Reads changed files. What is in force stays where the new ones are of no use.
    async fn reload(&self, changed: Source) {
        let files = changed.files.clone();
        match tokio::task::spawn_blocking(move || files.load()).await {
            Ok(Ok(material)) => self.replace(Arc::new(material), changed.files),
            Ok(Err(error)) => {
                // Not looked at again before they change again.
                self.set_source(changed);
                let remedy = error.remedy();
                error!(%error, remedy, "the TLS files changed and cannot be used; the old certificate stays");
            }
            Err(fault) => error!(%fault, "reading certificates failed; the old one stays"),
        }
    }

    fn source(&self) -> Source {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_source(&self, source: Source) {
        *self.source.lock().unwrap_or_else(PoisonError::into_inner) = source;
    }
}

/// Nobody is helped by a certificate that is over, where the present one is not.
fn is_no_worse(new: &Material, present: &Material, now: Unix) -> bool {
    let good = |material: &Material| {
        let ended = |term: Term| matches!(term.at(now), Validity::Expired | Validity::NotYet);
        !material.term().is_some_and(ended)
    };
    good(new) || !good(present)
}

/// What the board has to say of the certificate in force, if anything.
pub(crate) fn trouble(tls: &Tls, now: Unix) -> Option<CertificateTrouble> {
    let term = tls.material().term()?;
    match term.at(now) {
        Validity::Good => None,
        Validity::EndsSoon => Some(CertificateTrouble::EndsSoon(term.ends)),
        Validity::EndsNow => Some(CertificateTrouble::EndsNow(term.ends)),
        Validity::Expired => Some(CertificateTrouble::Expired(term.ends)),
        Validity::NotYet => Some(CertificateTrouble::NotYet),
    }
}

/// What there is to say of a certificate.
pub(crate) fn note(material: &Material, now: Unix) -> Option<Said> {
    let term = material.term()?;
    said_of(term.at(now), term.ends, now)
}

fn said_of(validity: Validity, ends: Unix, now: Unix) -> Option<Said> {
    let days = |from: Unix, to: Unix| match to.since(from).as_secs() / 86_400 {
        1 => ("1 day".to_owned(), "1 jour".to_owned()),
        n => (format!("{n} days"), if n == 0 { "0 jour".to_owned() } else { format!("{n} jours") }),
    };
    let (en, fr) = match validity {
        Validity::Good => return None,
        Validity::EndsSoon | Validity::EndsNow => {
            let (en, fr) = days(now, ends);
            (
                format!("the TLS certificate ends in {en}: renew it"),
                format!("le certificat TLS prend fin dans {fr}\u{a0}: renouvelez-le"),
            )
        }
        Validity::Expired => {
            let (en, fr) = days(ends, now);
            (
                format!("the TLS certificate ended {en} ago: browsers and phones refuse it; renew it now"),
                format!(
                    "le certificat TLS a pris fin il y a {fr}\u{a0}: les navigateurs et les téléphones le refusent; \
                     renouvelez-le maintenant"
                ),
            )
        }
        Validity::NotYet => (
            "the TLS certificate is not good yet: look at this machine's clock, then at the certificate".to_owned(),
            "le certificat TLS n’est pas encore valide\u{a0}: vérifiez l’horloge de cette machine, puis le certificat"
                .to_owned(),
        ),
    };
    Some(Said { en, fr })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_ends_is_said_in_both_languages() {
        let day = |n: i64| Unix::from_millis(n * 86_400_000);
        let said = |validity, ends, now| said_of(validity, day(ends), day(now));
        assert_eq!(said(Validity::Good, 90, 1), None);
        let soon = said(Validity::EndsSoon, 15, 1).unwrap();
        assert_eq!(soon.en, "the TLS certificate ends in 14 days: renew it");
        assert_eq!(soon.fr, "le certificat TLS prend fin dans 14 jours\u{a0}: renouvelez-le");
        let over = said(Validity::Expired, 1, 2).unwrap();
        assert!(over.en.contains("ended 1 day ago") && over.fr.contains("il y a 1 jour\u{a0}:"), "{over:?}");
        assert!(said(Validity::NotYet, 9, 1).unwrap().fr.contains("l’horloge"));
    }
}
