//! SIPp as the carrier: one scenario file of `tests/e2e/sipp/`, run against an address, judged by its exit code.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use crate::{Host, Line, Media, Process, Scratch, until};

/// SIPp's own limit for one receive step, so that a forgotten call ends with an error and not with the test's limit.
const STEP: Duration = Duration::from_secs(200);

/// Longest time for a registration.
const LIMIT: Duration = Duration::from_secs(5);

/// A SIPp to be started.
pub struct Sipp {
    scenario: String,
    host: Host,
    called: String,
    tcp: bool,
    port: u16,
    ipv6: bool,
    call_id: String,
    arguments: Vec<String>,
}

/// A message of a SIPp's log.
pub struct Logged {
    /// Time of day (UTC).
    pub at: Duration,
    /// Whether SIPp sent it.
    pub sent: bool,
    /// The message.
    pub text: String,
}

/// A SIPp that runs.
pub struct Run {
    process: Process,
    files: Scratch,
    host: Host,
    ip: IpAddr,
    port: u16,
    call_id: String,
    tcp: bool,
    scenario: String,
    cues: AtomicUsize,
}

impl Sipp {
    /// With the scenario `tests/e2e/sipp/NAME.xml`, on a host of its own, one call.
    #[must_use]
    pub fn new(scenario: &str) -> Self {
        let (host, called) = (Host::claim(), crate::TOLL_FREE.to_owned());
        let (scenario, call_id) = (scenario.into(), "call".into());
        Self { scenario, host, called, tcp: false, port: 5060, ipv6: false, call_id, arguments: Vec::new() }
            .with("-m", "1")
            .key("audio_port", "9")
            .key("formats", "0 101")
            .key("from", "+15145550123")
            .key("display", "Carrier")
            .key("agent", "SIPp")
    }

    /// An advocate made of SIPp: it answers by itself, answers OPTIONS, and sends silence, or nothing once muted.
    #[must_use]
    pub fn advocate(line: &Line, account: &str) -> (Run, Media) {
        Self::phone(line, account, "advocate")
    }

    /// The same, with a scenario of the test's own.
    #[must_use]
    pub fn phone(line: &Line, account: &str, scenario: &str) -> (Run, Media) {
        let host = Self::register(line, account, &line.password(account), Host::claim());
        line.api().wait_for_state(account, "ready");
        let media = Media::open(host.ip(), None);
        (Self::new(scenario).on_host(host, 5060).audio(media.port()).start(line.sip()), media)
    }

    /// A caller who has pressed 5.
    #[must_use]
    pub fn urgent_caller(line: &Line) -> (Run, Media) {
        Self::caller(line, "5")
    }

    /// A caller who has pressed this key in the greeting, and sends a tone of 440 Hz; hangs up at the cue.
    #[must_use]
    pub fn caller(line: &Line, key: &str) -> (Run, Media) {
        let host = Host::claim();
        let media = Media::open(host.ip(), Some((440.0, -12.0)));
        let call = Self::new("caller").on_host(host, 5060).audio(media.port()).start(line.sip());
        until("the greeting", LIMIT, || media.first_packet());
        media.press(key);
        (call, media)
    }

    /// Another device of `account`, which calls in the place of the one whose dialog this is.
    #[must_use]
    pub fn other_device(line: &Line, account: &str, scenario: &str, host: Host, replaces: &str) -> Self {
        Self::new(scenario)
            .on_host(host, 5060)
            .called("line")
            .key("from", account)
            .key("replaces", replaces)
            .with("-au", account)
            .with("-ap", &line.password(account))
    }

    /// Repeats nothing, and takes what is repeated to it for messages of their own.
    #[must_use]
    pub fn seeing_repetitions(mut self) -> Self {
        self.arguments.push("-nr".into());
        self
    }

    /// Registers `account` at `host`, for two minutes. SIPp cannot wait for an INVITE with another Call-ID in the same
    /// run, so the phone is a second run on the same port, after this one: the line may send to the registration's
    /// source, as to a phone behind a NAT.
    #[must_use]
    pub fn register(line: &Line, account: &str, password: &str, host: Host) -> Host {
        let mut run = Self::registration(account, password, host).start(line.sip());
        run.finish(LIMIT);
        run.host
    }

    /// A registration of `account` at `host`.
    #[must_use]
    pub fn registration(account: &str, password: &str, host: Host) -> Self {
        let contact = host.at(5060).to_string();
        let sipp = Self::new("register").on_host(host, 5060).key("from", account).key("contact", &contact);
        sipp.key("expires", "120").with("-au", account).with("-ap", password)
    }

    /// From this port rather than 5060: two on one host.
    #[must_use]
    pub fn on_host(mut self, host: Host, port: u16) -> Self {
        (self.host, self.port) = (host, port);
        self
    }

    /// At this port of `::1`, of which there is only one.
    #[must_use]
    pub const fn at_ipv6(mut self, port: u16) -> Self {
        (self.ipv6, self.port) = (true, port);
        self
    }

    /// To this user rather than the line's number.
    #[must_use]
    pub fn called(mut self, user: &str) -> Self {
        user.clone_into(&mut self.called);
        self
    }

    /// Over TCP.
    #[must_use]
    pub const fn over_tcp(mut self) -> Self {
        self.tcp = true;
        self
    }

    /// With this in its Call-ID.
    #[must_use]
    pub fn call_id(mut self, text: &str) -> Self {
        text.clone_into(&mut self.call_id);
        self
    }

    /// Sets `[NAME]` of the scenario.
    #[must_use]
    pub fn key(mut self, name: &str, value: &str) -> Self {
        // The last one counts for SIPp too, but repeating a key makes its command line hard to read.
        if let Some(at) = self.arguments.windows(2).position(|w| w[0] == "-key" && w[1] == name) {
            value.clone_into(&mut self.arguments[at + 2]);
            return self;
        }
        self.arguments.extend(["-key".into(), name.into(), value.into()]);
        self
    }

    /// The media port that the scenario's SDP names.
    #[must_use]
    pub fn audio(self, port: u16) -> Self {
        self.key("audio_port", &port.to_string())
    }

    /// Offers no telephone-events: keys are tones in the audio.
    #[must_use]
    pub fn without_events(self) -> Self {
        self.key("formats", "0")
    }

    /// Any option of SIPp's with a value.
    #[must_use]
    pub fn with(mut self, option: &str, value: &str) -> Self {
        if let Some(at) = self.arguments.iter().position(|a| a == option && a != "-key") {
            value.clone_into(&mut self.arguments[at + 1]);
        } else {
            self.arguments.extend([option.into(), value.into()]);
        }
        self
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.host.at(self.port)
    }

    /// Starts it against `target`.
    #[must_use]
    pub fn start(self, target: SocketAddr) -> Run {
        let files = Scratch::new(&format!("sipp-{}", self.scenario));
        let scenario = path(&self.scenario);
        let control = self.host.ip().to_string();
        let at: IpAddr = if self.ipv6 { Ipv6Addr::LOCALHOST.into() } else { self.host.ip().into() };
        let ip = at.to_string();
        let mut command = Command::new("sipp");
        command
            .current_dir(files.path())
            .env("TERM", "xterm")
            .env("TZ", "UTC")
            .arg(target.to_string())
            .arg("-sf")
            .arg(scenario)
            .args(["-i", &ip, "-mi", &ip, "-bind_local", "-p", &self.port.to_string()])
            .args(["-s", &self.called, "-t", if self.tcp { "t1" } else { "u1" }])
            .args(["-cid_str", &format!("%u-{}@{ip}", self.call_id), "-ci", &control])
            .args(["-trace_msg", "-message_file", "messages.log", "-message_overwrite", "true"])
            .args(["-trace_err", "-error_file", "errors.log", "-nostdin", "-aa", "-deadcall_wait", "0"])
            .args(["-recv_timeout", &STEP.as_millis().to_string()])
            .args(self.arguments);
        let process = Process::spawn(&format!("sipp {}", self.scenario), &mut command);
        Run {
            process,
            files,
            host: self.host,
            ip: at,
            port: self.port,
            call_id: self.call_id,
            tcp: self.tcp,
            scenario: self.scenario,
            cues: AtomicUsize::new(0),
        }
    }
}

impl Run {
    /// Every message sent and received so far, with times.
    #[must_use]
    pub fn messages(&self) -> String {
        std::fs::read(self.files.file("messages.log"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// A file that SIPp wrote.
    #[must_use]
    pub fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.files.file(name)).unwrap_or_default()
    }

    /// Only the messages that it received.
    #[must_use]
    pub fn received(&self) -> Vec<String> {
        self.log().into_iter().filter(|m| !m.sent).map(|m| m.text).collect()
    }

    /// Every message so far, with its time.
    #[must_use]
    pub fn log(&self) -> Vec<Logged> {
        self.messages().split("-----------------------------------------------").filter_map(logged).collect()
    }

    /// Waits until a received message contains `text`.
    #[track_caller]
    pub fn hears(&self, text: &str, limit: Duration) -> String {
        until(&format!("{text:?} at SIPp's {}", self.scenario), limit, || {
            self.received().into_iter().find(|m| m.contains(text))
        })
    }

    /// The dialog of an answered call to it, as another device has to name it (RFC 3891).
    #[track_caller]
    pub fn dialog(&self) -> String {
        dialog(&self.hears("ACK sip:", Duration::from_secs(8)))
    }

    /// The same of a call that rings.
    #[track_caller]
    pub fn early_dialog(&self) -> String {
        let ringing = until("it to ring", Duration::from_secs(8), || {
            self.log().into_iter().find(|m| m.sent && m.text.starts_with("SIP/2.0 180"))
        });
        dialog(&ringing.text)
    }

    /// Tells the scenario to go on where it waits for a `MESSAGE`, as soon as it does: to hang up, to resume.
    ///
    /// SIPp has no console that survives being run by a program; it does match requests by Call-ID, from anywhere.
    /// One that comes too early ends its call with an error.
    #[track_caller]
    pub fn cue(&self) {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let scenario = std::fs::read_to_string(path(&self.scenario)).expect("the scenario is there");
        let (sent, answered) = before_cue(&scenario, self.cues.fetch_add(1, Ordering::Relaxed));
        let limit = Duration::from_secs(10);
        until(&format!("{} to be at its cue, after {sent:?}", self.scenario), limit, || {
            let log = self.log();
            let mut of_it = log.iter().filter(|m| m.text.lines().any(|line| line == sent));
            let done = |m: &Logged| m.sent != answered && !m.text.starts_with("SIP/2.0 100");
            of_it.any(done).then_some(())
        });
        assert!(!self.tcp, "a cue is a datagram: give a TCP scenario pauses instead");
        let socket = UdpSocket::bind((self.ip, 0)).expect("a UDP port");
        let (ip, port, call_id) = (self.ip, self.port, &self.call_id);
        let cue = format!(
            "MESSAGE sip:cue@havre.invalid SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKcue{}\r\nFrom: <sip:cue@havre.invalid>;tag=cue\r\n\
             To: <sip:cue@havre.invalid>\r\nCall-ID: 1-{call_id}@{ip}\r\nCSeq: {} MESSAGE\r\nContent-Length: 0\r\n\r\n",
            socket.local_addr().expect("bound"),
            NEXT.fetch_add(1, Ordering::Relaxed),
            NEXT.fetch_add(1, Ordering::Relaxed),
        );
        socket.send_to(cue.as_bytes(), (ip, port)).expect("loopback takes a datagram");
    }

    /// Waits for the scenario's end and asserts that SIPp calls it a success.
    #[track_caller]
    pub fn finish(&mut self, limit: Duration) {
        let status = self.process.wait(limit);
        assert!(
            status.success(),
            "SIPp's {} ended with {status}\nerrors:\n{}\nmessages:\n{}",
            self.scenario,
            self.file("errors.log"),
            self.messages()
        );
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.process.ended().is_none()
    }

    /// Its process.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// The dialog of a message that the line began: `to-tag` is the line's, whom the header is sent to.
#[track_caller]
fn dialog(message: &str) -> String {
    let line_of = |name: &str| {
        let line = message.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} in {message}")).trim().to_owned()
    };
    let tag = |name: &str| line_of(name).split_once(";tag=").expect("a tag").1.to_owned();
    format!("{};to-tag={};from-tag={}", line_of("Call-ID: "), tag("From: "), tag("To: "))
}

/// The file of a scenario.
fn path(scenario: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("sipp").join(format!("{scenario}.xml"))
}

/// What a scenario does last before it awaits this cue: the CSeq line of its last request, and whether it awaits an
/// answer to it.
fn before_cue(scenario: &str, cue: usize) -> (String, bool) {
    let (at, _) = scenario
        .match_indices("<recv request=\"MESSAGE\"")
        .nth(cue)
        .expect("a cue more than the scenario has");
    let (_, after) = scenario[..at].rsplit_once("CSeq: ").expect("a request before the cue");
    let (cseq, steps) = after.split_once('\n').expect("a line");
    (format!("CSeq: {}", cseq.trim_end()), steps.contains("<recv response="))
}

/// ` 2026-11-23 22:18:58.877051\nUDP message sent (578 bytes):\n\nINVITE …`
fn logged(block: &str) -> Option<Logged> {
    let (head, text) = block.split_once("\n\n")?;
    let time = head.split_whitespace().nth(1)?;
    let seconds = time.split(':').try_fold(0.0, |sum, part| Some(sum * 60.0 + part.parse::<f64>().ok()?))?;
    Some(Logged {
        at: Duration::from_secs_f64(seconds),
        sent: head.contains("message sent"),
        text: text.trim_end().to_owned(),
    })
}
