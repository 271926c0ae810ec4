//! baresip as a caller's or an advocate's phone: a real stack with its own ideas, driven over its control port
//! (`ctrl_tcp`: JSON in netstrings). It sends a tone and records what it hears.

use std::fmt::Write as _;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::audio::{self, RATE, Tone};
use crate::{Authority, Host, Line, Process, Scratch, Signal, until};

/// The port of `ctrl_tcp` on the phone's host.
const CONTROL: u16 = 4_444;
/// Longest wait for the phone to start or to obey.
const LIMIT: Duration = Duration::from_secs(10);
/// Seconds of tone in the file that the phone plays: longer than any test.
const TONE_SECONDS: usize = 240;

/// A phone.
pub struct Baresip {
    process: Process,
    files: Scratch,
    host: Host,
    control: TcpStream,
    events: Arc<Mutex<Vec<(Instant, Value)>>>,
    rate: u32,
}

/// What a phone is to be.
#[derive(Clone)]
pub struct Setup {
    name: String,
    account: String,
    tone: (f64, f64),
    codec: &'static str,
    ca: Option<PathBuf>,
}

impl Setup {
    /// Uses G.722 only, rather than G.711.
    #[must_use]
    pub const fn g722(mut self) -> Self {
        self.codec = "G722/16000/1";
        self
    }

    /// Uses PCMA only.
    #[must_use]
    pub const fn pcma(mut self) -> Self {
        self.codec = "PCMA";
        self
    }

    /// Uses Opus only.
    #[must_use]
    pub const fn opus(mut self) -> Self {
        self.codec = "opus/48000/2";
        self
    }

    /// Encrypts media as `mode` says: `srtp` (where the far side can), `srtp-mand`.
    #[must_use]
    pub fn encrypted(mut self, mode: &str) -> Self {
        let _ = write!(self.account, ";mediaenc={mode}");
        self
    }

    /// Signals over TCP.
    #[must_use]
    pub fn over_tcp(mut self) -> Self {
        // The transport is part of the registrar's URI, inside the angle brackets.
        self.account = self.account.replacen('>', ";transport=tcp>", 1);
        self
    }

    /// Signals over TLS, with a line whose certificate this authority has made.
    #[must_use]
    pub fn over_tls(mut self, line: &Line, authority: &Authority) -> Self {
        let (plain, tls) = (line.sip().to_string(), line.sip_tls());
        self.account = self.account.replace(&plain, &format!("{tls};transport=tls"));
        self.ca = Some(authority.path());
        self
    }

    /// Starts the phone.
    #[must_use]
    pub fn start(self) -> Baresip {
        Baresip::start(&self)
    }
}

impl Baresip {
    /// A caller's phone with no account, that sends `hz` at -12 dB.
    #[must_use]
    pub fn caller(hz: f64) -> Setup {
        Setup {
            name: "caller".into(),
            account: "<sip:caller@HOST>;regint=0".into(),
            tone: (hz, -12.0),
            codec: "PCMU",
            ca: None,
        }
    }

    /// An advocate's phone that registers with `line` and answers by itself.
    #[must_use]
    pub fn advocate(line: &Line, account: &str, hz: f64) -> Setup {
        Self::account(line, account, hz, ";answermode=auto")
    }

    /// An advocate's phone that registers and rings until told to answer.
    #[must_use]
    pub fn ringing_advocate(line: &Line, account: &str, hz: f64) -> Setup {
        Self::account(line, account, hz, "")
    }

    /// A phone that answers any call by itself and registers nowhere.
    #[must_use]
    pub fn answering_machine(hz: f64) -> Setup {
        let account = "<sip:machine@HOST>;regint=0;answermode=auto".into();
        Setup { name: "machine".into(), account, tone: (hz, -12.0), codec: "PCMU", ca: None }
    }

    /// A telephone of this number, at a carrier's: it answers by itself and registers nowhere.
    #[must_use]
    pub fn telephone(number: &str, hz: f64) -> Setup {
        let account = format!("<sip:{number}@HOST>;regint=0;answermode=auto");
        Setup { name: "telephone".into(), account, tone: (hz, -12.0), codec: "PCMU", ca: None }
    }

    fn account(line: &Line, account: &str, hz: f64, more: &str) -> Setup {
        let password = line.password(account);
        let account_line = format!("<sip:{account}@{}>;auth_pass={password};regint=60{more}", line.sip());
        Setup { name: account.into(), account: account_line, tone: (hz, -12.0), codec: "PCMU", ca: None }
    }

    fn start(setup: &Setup) -> Self {
        let host = Host::claim();
        let files = Scratch::new(&setup.name);
        let ip = host.ip().to_string();
        let (rate, channels) = match setup.codec.split('/').nth(1) {
            Some("16000") => (16_000, 1),
            Some("48000") => (48_000, 2),
            _ => (RATE, 1),
        };
        let tone = audio::sine(setup.tone.0, setup.tone.1, rate, rate as usize * TONE_SECONDS);
        audio::write_channels(&files.file("tone.wav"), rate, channels, &tone)
            .expect("a file in our own directory");
        let mut config = configuration(&ip, &files);
        if let Some(ca) = &setup.ca {
            let _ = writeln!(config, "sip_cafile {}", ca.display());
        }
        files.write("config", config);
        let account = format!("{};audio_codecs={}\n", setup.account.replace("HOST", &ip), setup.codec);
        files.write("accounts", account);
        files.write("contacts", "");
        let mut command = Command::new("baresip");
        // -s prints every SIP message: the phone's own view of the wire.
        command.args(["-4", "-s", "-f"]).arg(files.path());
        let mut process = Process::spawn(&format!("baresip {}", setup.name), &mut command);
        let control = until("baresip's control port", LIMIT, || {
            assert!(process.ended().is_none(), "baresip ended at once:\n{}", process.output());
            TcpStream::connect(host.at(CONTROL)).ok()
        });
        let events: Arc<Mutex<Vec<(Instant, Value)>>> = Arc::default();
        let (stream, kept) = (control.try_clone().expect("a socket can be cloned"), Arc::clone(&events));
        thread::spawn(move || read_netstrings(stream, &kept));
        Self { process, files, host, control, events, rate }
    }

    /// Its host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// Dials.
    pub fn dial(&mut self, uri: &str) {
        self.command("dial", uri);
    }

    /// Dials a number of the line.
    pub fn dial_line(&mut self, line: &Line, number: &str) {
        self.dial(&format!("sip:{number}@{}", line.sip()));
    }

    /// Presses keys, as telephone-events.
    pub fn press(&mut self, keys: &str) {
        for key in keys.chars() {
            self.command("sndcode", &key.to_string());
        }
    }

    /// Answers.
    pub fn answer(&mut self) {
        self.command("accept", "");
    }

    /// Hangs up, or declines.
    pub fn hang_up(&mut self) {
        self.command("hangup", "");
    }

    /// Asks the line to hand its caller to somebody else (REFER).
    pub fn transfer(&mut self, uri: &str) {
        self.command("transfer", uri);
    }

    /// The power goes: nothing is said to anybody.
    pub fn lose_power(&mut self) {
        self.process.signal(Signal::Kill);
        self.process.wait(LIMIT);
    }

    /// The phone is frozen: its sockets stay open and nothing answers.
    pub fn freeze(&self) {
        self.process.signal(Signal::Stop);
    }

    /// The phone is switched off properly: calls end, and it unregisters.
    pub fn switch_off(&mut self) {
        self.process.signal(Signal::Term);
        self.process.wait(LIMIT);
    }

    /// Waits for the `nth` (from 1) event of this type, such as `CALL_ESTABLISHED`.
    #[track_caller]
    pub fn sees(&self, kind: &str, nth: usize, limit: Duration) -> (Instant, Value) {
        until(&format!("{kind} no. {nth} at {}", self.files.path().display()), limit, || {
            self.seen(kind).into_iter().nth(nth - 1)
        })
    }

    /// All events of this type so far.
    #[must_use]
    pub fn seen(&self, kind: &str) -> Vec<(Instant, Value)> {
        let events = self.events.lock().expect("the reader does not panic");
        events.iter().filter(|(_, e)| e["type"] == kind).cloned().collect()
    }

    /// Waits until it talks.
    #[track_caller]
    pub fn talks(&self, limit: Duration) -> Instant {
        self.sees("CALL_ESTABLISHED", 1, limit).0
    }

    /// Whether a call of it has ended.
    #[must_use]
    pub fn has_hung_up(&self) -> bool {
        !self.seen("CALL_CLOSED").is_empty()
    }

    /// Keys that it received, by RTP or INFO.
    #[must_use]
    pub fn digits(&self) -> String {
        self.seen("CALL_DTMF_START").iter().filter_map(|(_, e)| e["param"].as_str()).collect()
    }

    /// The last `time` of what it heard in its latest call.
    #[must_use]
    pub fn heard(&self, time: Duration) -> Vec<i16> {
        let Some((rate, samples)) = self.recording().and_then(|path| audio::read_growing_wav(&path).ok())
        else {
            return Vec::new();
        };
        let wanted = (time.as_secs_f64() * f64::from(rate)) as usize;
        samples[samples.len().saturating_sub(wanted)..].to_vec()
    }

    /// The tone of the last `time`, if one is heard.
    #[must_use]
    pub fn tone(&self, time: Duration) -> Option<Tone> {
        audio::tone(&self.heard(time), self.rate)
    }

    /// Waits until it hears a clean tone of `hz`, for half a second, and says how loud it is.
    #[track_caller]
    pub fn hears_tone(&self, hz: f64, limit: Duration) -> Tone {
        let name = self.files.path().display();
        audio::steady(&format!("a clean tone of {hz} Hz at {name}"), hz, limit, || self.tone(audio::WINDOW))
    }

    /// Every SIP message of the phone, as it printed them.
    #[must_use]
    pub fn wire(&self) -> String {
        self.process.output()
    }

    /// The newest file that the `sndfile` module writes for the receiving side.
    fn recording(&self) -> Option<PathBuf> {
        let files = std::fs::read_dir(self.files.path()).ok()?;
        let mut names: Vec<PathBuf> = files
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .collect();
        names.sort();
        names.pop()
    }

    fn command(&mut self, command: &str, parameters: &str) {
        let message = json!({"command": command, "params": parameters, "token": "t"}).to_string();
        let netstring = format!("{}:{message},", message.len());
        self.control.write_all(netstring.as_bytes()).expect("the phone runs");
    }
}

/// Its configuration: no sound card (`aubridge` swallows what is heard, after `sndfile` recorded it), no jitter buffer
/// (it would hide what arrives when), no status line.
fn configuration(ip: &str, files: &Scratch) -> String {
    let directory = files.path().display();
    let mut text = format!(
        "poll_method epoll\nnet_interface {ip}\nsip_listen {ip}:5060\nsip_trans_def udp\ncall_local_timeout 120\n\
         call_max_calls 4\naudio_source aufile,{directory}/tone.wav\naudio_player aubridge,nil\n\
         audio_alert aubridge,nil\naudio_path {directory}\njitter_buffer_type off\nrtp_ports 10000-19999\n\
         statmode_default off\nsnd_path {directory}\nctrl_tcp_listen {ip}:{CONTROL}\n\
         module_path /usr/lib/baresip/modules\n"
    );
    for module in ["g711.so", "g722.so", "opus.so", "aufile.so", "aubridge.so", "sndfile.so", "srtp.so"] {
        let _ = writeln!(text, "module {module}");
    }
    text.push_str("module_tmp uuid.so\n");
    for module in ["account.so", "menu.so", "ctrl_tcp.so"] {
        let _ = writeln!(text, "module_app {module}");
    }
    text
}

fn read_netstrings(stream: TcpStream, events: &Mutex<Vec<(Instant, Value)>>) {
    let mut bytes = BufReader::new(stream).bytes().map_while(Result::ok);
    loop {
        let length: String = bytes.by_ref().map(char::from).take_while(|c| *c != ':').collect();
        let Ok(length) = length.parse::<usize>() else { return };
        let message: Vec<u8> = bytes.by_ref().take(length).collect();
        bytes.next();
        if let Ok(event) = serde_json::from_slice(&message) {
            events.lock().expect("tests do not panic with it held").push((Instant::now(), event));
        }
    }
}
