//! Linphone (`linphonec`) as a second real stack: what baresip and Havre agree on by accident, it may not.

use std::process::Command;
use std::time::Duration;

use crate::audio::{self, RATE, Tone};
use crate::{Authority, Host, Line, Process, Scratch, until};

/// Longest wait for the program to start.
const START: Duration = Duration::from_secs(10);

/// SRTP, and nothing else.
const ENCRYPTED: &str = "media_encryption=srtp\nmedia_encryption_mandatory=1\n";

fn believing(authority: &Authority) -> String {
    // Its library knows no addresses in certificates, only names.
    format!("root_ca={}\nverify_server_certs=1\nverify_server_cn=0\n", authority.path().display())
}

/// A Linphone, driven by its console.
pub struct Linphone {
    process: Process,
    files: Scratch,
    host: Host,
}

impl Linphone {
    /// Starts one that plays `hz` into its calls and records what it hears.
    #[must_use]
    pub fn start(hz: f64) -> Self {
        Self::start_with(hz, "")
    }

    /// The same, believing this authority where it speaks TLS.
    #[must_use]
    pub fn start_secure(hz: f64, authority: &Authority) -> Self {
        Self::start_with(hz, &believing(authority))
    }

    /// Both: signals over TLS, and talks in secret or not at all.
    #[must_use]
    pub fn start_private(hz: f64, authority: &Authority) -> Self {
        Self::start_with(hz, &(believing(authority) + ENCRYPTED))
    }

    /// The same, with SRTP (keys in SDP) and nothing else.
    #[must_use]
    pub fn start_encrypted(hz: f64) -> Self {
        Self::start_with(hz, ENCRYPTED)
    }

    fn start_with(hz: f64, sip: &str) -> Self {
        let (host, files) = (Host::claim(), Scratch::new("linphone"));
        // Its call history lives under its home; without the directory it complains.
        std::fs::create_dir_all(files.file(".local/share/linphone")).expect("a directory of our own");
        let ip = host.ip();
        let tls = if sip.is_empty() { 0 } else { -1 };
        audio::write_wav(&files.file("tone.wav"), RATE, &audio::sine(hz, -12.0, RATE, RATE as usize * 60))
            .expect("a file in our own directory");
        files.write(
            "linphonerc",
            format!(
                // 5060 makes it open no port at all when an address is given; any other port does.
                "[sip]\nsip_port=15060\nsip_tcp_port=0\nsip_tls_port={tls}\nbind_address={ip}\nguess_hostname=0\n\
                 contact=sip:linphone@{ip}\nuse_ipv6=0\n{sip}[rtp]\nbind_address={ip}\n[sound]\nechocancellation=0\n",
            ),
        );
        let mut command = Command::new("linphonec");
        command.env("HOME", files.path()).current_dir(files.path()).arg("-c").arg(files.file("linphonerc"));
        let process = Process::spawn("linphonec", &mut command);
        let mut phone = Self { process, files, host };
        // Its prompt ends no line; this is the last line before it.
        phone.says("video is disabled", START);
        phone.types("soundcard use files");
        phone.types(&format!("record {}", phone.files.file("heard.wav").display()));
        phone
    }

    /// Its host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// Dials a number of the line.
    pub fn dial_line(&mut self, line: &Line, number: &str) {
        self.dial(&format!("sip:{number}@{}", line.sip()));
    }

    /// Dials.
    pub fn dial(&mut self, uri: &str) {
        self.types(&format!("call {uri}"));
    }

    /// Waits until it says that it talks, and plays its tone.
    #[track_caller]
    pub fn talks(&mut self, limit: Duration) {
        self.says("connected", limit);
        self.types(&format!("play {}", self.files.file("tone.wav").display()));
    }

    /// Presses a key.
    pub fn press(&mut self, key: char) {
        self.types(&key.to_string());
    }

    /// Hangs up.
    pub fn hang_up(&mut self) {
        self.types("terminate");
    }

    /// Registers with `line` and answers by itself.
    pub fn register(&mut self, line: &Line, account: &str) {
        let password = line.password(account);
        self.types("autoanswer enable");
        self.types(&format!("register sip:{account}@{} sip:{} {password}", line.sip(), line.sip()));
    }

    /// The same over TLS.
    pub fn register_secure(&mut self, line: &Line, account: &str) {
        let (password, at) = (line.password(account), line.sip_tls());
        self.types("autoanswer enable");
        self.types(&format!("register sip:{account}@{at} sip:{at};transport=tls {password}"));
    }

    /// Any command of its console.
    pub fn orders(&mut self, command: &str) {
        self.types(command);
    }

    /// Waits until it printed `text`.
    #[track_caller]
    pub fn says(&self, text: &str, limit: Duration) {
        until(&format!("linphonec to say {text:?}"), limit, || {
            self.process.output().to_lowercase().contains(&text.to_lowercase()).then_some(())
        });
    }

    /// Waits until it hears a clean tone of `hz`.
    #[track_caller]
    pub fn hears_tone(&self, hz: f64, limit: Duration) -> Tone {
        audio::steady(&format!("a clean tone of {hz} Hz at linphonec"), hz, limit, || {
            let (rate, samples) = audio::read_growing_wav(&self.files.file("heard.wav")).ok()?;
            audio::tone(&samples[samples.len().saturating_sub(rate as usize / 2)..], rate)
        })
    }

    fn types(&mut self, line: &str) {
        assert!(self.process.ended().is_none(), "linphonec ended:\n{}", self.process.output());
        self.process.type_line(line);
    }
}
