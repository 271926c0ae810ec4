//! A real Redis on a host of its own, that can be frozen, killed and started again, and watched.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::{Host, Process, Scratch, Signal, until};

/// Redis' own port.
const PORT: u16 = 6379;
/// Longest wait for a start or an answer.
const LIMIT: Duration = Duration::from_secs(10);

/// A Redis server.
pub struct Redis {
    host: Host,
    files: Scratch,
    process: Option<Process>,
}

impl Redis {
    /// Starts one and waits until it answers.
    #[must_use]
    pub fn start() -> Self {
        let mut redis = Self { host: Host::claim(), files: Scratch::new("redis"), process: None };
        redis.start_again();
        redis
    }

    /// What to put into `store.url`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.host.at(PORT))
    }

    /// Starts it after [`Self::kill`]; whatever it held is gone, as with persistence off.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "Redis runs already");
        let mut command = Command::new("redis-server");
        command
            .args(["--bind", &self.host.ip().to_string(), "--port", &PORT.to_string(), "--save", ""])
            // Compressed strings would hide what the privacy test looks for.
            .args(["--appendonly", "no", "--rdbcompression", "no", "--dbfilename", "dump.rdb", "--dir"])
            .arg(self.files.path());
        self.process = Some(Process::spawn("redis", &mut command));
        until("Redis to answer PING", LIMIT, || self.ask("PING").filter(|a| a.contains("PONG")));
    }

    /// Freezes it: connections stay open and nothing is answered.
    pub fn freeze(&self) {
        self.process.as_ref().expect("Redis runs").signal(Signal::Stop);
    }

    /// Goes on after [`Self::freeze`].
    pub fn thaw(&self) {
        self.process.as_ref().expect("Redis runs").signal(Signal::Cont);
    }

    /// Kills it: connections break.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("Redis runs");
        process.signal(Signal::Kill);
        process.wait(LIMIT);
    }

    /// The first line of the answer to an inline command.
    #[must_use]
    pub fn ask(&self, command: &str) -> Option<String> {
        let stream = connect(self.host.at(PORT))?;
        (&stream).write_all(format!("{command}\r\n").as_bytes()).ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    }

    /// How many keys it holds.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.ask("DBSIZE")
            .and_then(|a| a.trim_start_matches(':').parse().ok())
            .expect("DBSIZE answers a number")
    }

    /// All that it holds, as the file that `SAVE` writes.
    #[must_use]
    pub fn dump(&self) -> Vec<u8> {
        let saved = self.ask("SAVE");
        assert_eq!(saved.as_deref(), Some("+OK"), "Redis could not save");
        let file = self.files.file("dump.rdb");
        let dump = std::fs::read(&file).expect("SAVE wrote dump.rdb");
        // A later start must find nothing, as with persistence off.
        std::fs::remove_file(file).expect("our own file");
        dump
    }

    /// Every command that it is given from now on, as text.
    #[must_use]
    pub fn monitor(&self) -> Arc<Mutex<String>> {
        let stream = connect(self.host.at(PORT)).expect("Redis listens");
        (&stream).write_all(b"MONITOR\r\n").expect("Redis reads");
        stream.set_read_timeout(None).expect("a socket option");
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).expect("Redis answers MONITOR");
        assert!(line.starts_with("+OK"), "{line}");
        let seen = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&seen);
        thread::spawn(move || {
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                kept.lock().expect("nobody panics").push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        seen
    }
}

fn connect(to: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, LIMIT).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    Some(stream)
}
