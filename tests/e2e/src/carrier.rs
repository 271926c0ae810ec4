//! A carrier's gateway of a test: it hears what calls come over it, and lets them ring.

use std::collections::HashMap;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use toml::{Table, Value};

use crate::Host;
use crate::message::{header, response};

/// A gateway at port 5060 of its host, over UDP. It says 180 to an INVITE and 200 to everything else.
pub struct Carrier {
    end: Arc<AtomicBool>,
    heard: Arc<Mutex<Vec<String>>>,
    thread: JoinHandle<()>,
}

impl Carrier {
    /// Starts it.
    ///
    /// # Panics
    /// Its port is taken.
    #[must_use]
    pub fn start(host: &Host) -> Self {
        let socket = UdpSocket::bind(host.at(5060)).expect("a host of one's own has a free port 5060");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket takes a timeout");
        let (end, heard) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Vec<String>>>::default());
        let (ended, list) = (Arc::clone(&end), Arc::clone(&heard));
        let thread = thread::spawn(move || {
            let (mut buffer, mut ringing) = ([0; 8_192], HashMap::new());
            while !ended.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                for answer in answers(&text, &mut ringing) {
                    let _ = socket.send_to(answer.as_bytes(), from);
                }
                list.lock().expect("tests do not panic with it held").push(text);
            }
        });
        Self { end, heard, thread }
    }

    /// Every INVITE so far, repetitions left out.
    #[must_use]
    pub fn invites(&self) -> Vec<String> {
        let heard = self.heard.lock().expect("the thread does not panic");
        let mut invites: Vec<String> =
            heard.iter().filter(|text| text.starts_with("INVITE ")).cloned().collect();
        invites.sort_by_key(|text| header(text, "Call-ID").to_owned());
        invites.dedup_by_key(|text| header(text, "Call-ID").to_owned());
        invites
    }

    /// Its port is closed.
    ///
    /// # Panics
    /// Its thread did.
    pub fn stop(self) {
        self.end.store(true, Ordering::Relaxed);
        self.thread.join().expect("the thread ends");
    }
}

/// The `outbound` of a trunk to this host, which is not asked whether it is there, with these keys more.
#[must_use]
pub fn way_out(host: &Host, more: &[(&str, Value)]) -> Table {
    let usual = [("peer", host.at(5060).to_string().into()), ("options_every", 0.into())];
    usual.iter().chain(more).map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

/// `ringing` keeps the INVITEs that wait for their end, by Call-ID.
fn answers(text: &str, ringing: &mut HashMap<String, String>) -> Vec<String> {
    match text.split(' ').next() {
        Some("INVITE") => {
            ringing.insert(header(text, "Call-ID").to_owned(), text.to_owned());
            vec![response(text, "180 Ringing", "")]
        }
        Some("CANCEL") => {
            let invite = ringing.remove(header(text, "Call-ID"));
            let terminated = invite.map(|invite| response(&invite, "487 Request Terminated", ""));
            std::iter::once(response(text, "200 OK", "")).chain(terminated).collect()
        }
        Some("ACK" | "SIP/2.0") | None => Vec::new(),
        Some(_) => vec![response(text, "200 OK", "")],
    }
}
