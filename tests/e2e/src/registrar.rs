//! A carrier's registrar of a test: it says what it is told to say, and remembers when it was asked.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::Host;
use crate::message::{header, response};

/// What it says to whoever has answered its challenge.
#[derive(Clone, Copy, Debug)]
pub enum Says {
    /// 200 for so many seconds, which stand in the `Contact`: `Expires` says an hour, as for others. Where less than `least` was
    /// asked for, 423.
    Granted {
        /// What it wants to be asked for.
        least: u32,
        /// What it gives.
        seconds: u32,
    },
    /// This status and phrase.
    No(&'static str),
}

/// A registrar at port 5060 of its host, over UDP. Each of its nonces is good for one request, and it never says that one is stale.
pub struct Registrar {
    end: Arc<AtomicBool>,
    says: Arc<Mutex<Says>>,
    heard: Arc<Mutex<Vec<(Instant, String)>>>,
    thread: JoinHandle<()>,
}

impl Registrar {
    /// Starts it.
    ///
    /// # Panics
    /// Its port is taken.
    #[must_use]
    pub fn start(host: &Host, says: Says) -> Self {
        let socket = UdpSocket::bind(host.at(5060)).expect("a host of one's own has a free port 5060");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket takes a timeout");
        let (end, says) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(says)));
        let heard = Arc::<Mutex<Vec<(Instant, String)>>>::default();
        let (ended, word, list) = (Arc::clone(&end), Arc::clone(&says), Arc::clone(&heard));
        let thread = thread::spawn(move || {
            let (mut buffer, mut nonce) = ([0; 8_192], 0);
            let (mut asked, mut answer) = (String::new(), String::new());
            while !ended.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if text != asked {
                    let proven = text.contains(&format!("nonce=\"n{nonce}\""));
                    nonce += 1;
                    answer = if proven {
                        let says = *word.lock().expect("tests do not panic with it held");
                        let now = Instant::now();
                        list.lock().expect("tests do not panic with it held").push((now, text.clone()));
                        says.to(&text)
                    } else {
                        challenge(&text, nonce)
                    };
                    asked = text;
                }
                let _ = socket.send_to(answer.as_bytes(), from);
            }
        });
        Self { end, says, heard, thread }
    }

    /// From now on.
    ///
    /// # Panics
    /// Its thread did.
    pub fn says(&self, says: Says) {
        *self.says.lock().expect("the thread does not panic") = says;
    }

    /// Every REGISTER that answered a challenge, and when it came.
    #[must_use]
    pub fn heard(&self) -> Vec<(Instant, String)> {
        self.heard.lock().expect("the thread does not panic").clone()
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

impl Says {
    fn to(self, register: &str) -> String {
        match self {
            Self::Granted { least, .. }
                if header(register, "Expires").parse().is_ok_and(|asked: u32| asked < least) =>
            {
                response(register, "423 Interval Too Brief", &format!("Min-Expires: {least}\r\n"))
            }
            Self::Granted { seconds, .. } => {
                let contact = header(register, "Contact");
                response(
                    register,
                    "200 OK",
                    &format!("Contact: {contact};expires={seconds}\r\nExpires: 3600\r\n"),
                )
            }
            Self::No(status) => response(register, status, ""),
        }
    }
}

fn challenge(request: &str, nonce: u32) -> String {
    let asks =
        format!("WWW-Authenticate: Digest realm=\"carrier.test\", nonce=\"n{nonce}\", qop=\"auth\"\r\n");
    response(request, "401 Unauthorized", &asks)
}
