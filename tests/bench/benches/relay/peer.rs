//! The peer whose trade is relaying: rtpengine, in userspace (Debian's `rtpengine-daemon`, `tests/setup/install bench`),
//! told of its calls by its own control protocol ("ng": a cookie and a bencoded dictionary in a datagram).

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use havre_bench::pin_process;

const PATIENCE: Duration = Duration::from_secs(10);
const PROGRAM: &str = "rtpengine";

/// A running rtpengine with its calls.
pub(crate) struct Rtpengine {
    child: Child,
    control: UdpSocket,
    questions: u32,
    /// Where each leg listens.
    pub(crate) at: Vec<SocketAddr>,
}

impl Rtpengine {
    /// What it calls itself; `None` if it is not installed.
    pub(crate) fn version() -> Option<String> {
        let output = Command::new(PROGRAM).arg("--version").output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let version = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
        Some(version.split('-').next().unwrap_or(version).to_owned())
    }

    /// `legs` legs, each two of them a call; leg `n` sends to `to[n % 2]`.
    pub(crate) fn bridged(ip: IpAddr, legs: usize, to: &[SocketAddr; 2]) -> Self {
        let control = UdpSocket::bind((ip, 0)).expect("a UDP port");
        control.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
        let port = UdpSocket::bind((ip, 0)).and_then(|socket| socket.local_addr()).expect("a free port");
        let child = Command::new(PROGRAM)
            .args(["--config-file=none", "--foreground", "--table=-1", "--num-threads=1", "--log-stderr"])
            .args(["--log-level=3", "--port-min=20000", "--port-max=60000"])
            .args([format!("--interface={ip}"), format!("--listen-ng={port}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("rtpengine starts");
        control.connect(port).expect("loopback");
        let mut this = Self { child, control, questions: 0, at: Vec::with_capacity(legs) };
        let start = Instant::now();
        while this.ask("ping", &[]).is_none() {
            assert!(start.elapsed() < PATIENCE, "rtpengine does not answer");
        }
        pin_process(this.child.id(), 0);
        for call in 0..legs / 2 {
            let id = format!("call-{call}");
            let tags = [("call-id", id.as_str()), ("from-tag", "a")];
            let mut port = |command, to_tag: Option<(&'static str, &'static str)>, sdp: SocketAddr| {
                let description = describe(sdp);
                let rest = to_tag.into_iter().chain([("sdp", description.as_str())]);
                let fields: Vec<_> = tags.into_iter().chain(rest).collect();
                let answer = this.ask(command, &fields).expect("rtpengine takes a call");
                let port =
                    answer.split("m=audio ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
                SocketAddr::new(ip, port.expect("a port in its SDP"))
            };
            // What is offered to one side is where that side sends to.
            let theirs = port("offer", None, to[0]);
            let ours = port("answer", Some(("to-tag", "b")), to[1]);
            this.at.extend([ours, theirs]);
        }
        this
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn ask(&mut self, command: &str, fields: &[(&str, &str)]) -> Option<String> {
        self.questions += 1;
        let mut text = format!("{} d", self.questions);
        for (key, value) in [("command", command)].iter().chain(fields) {
            // Writing into a string does not fail.
            let _ = write!(text, "{}:{key}{}:{value}", key.len(), value.len());
        }
        text.push('e');
        self.control.send(text.as_bytes()).ok()?;
        let mut buffer = [0; 4_096];
        let length = self.control.recv(&mut buffer).ok()?;
        let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let ok = answer.contains("6:result2:ok") || answer.contains("6:result4:pong");
        ok.then_some(answer)
    }
}

impl Drop for Rtpengine {
    fn drop(&mut self) {
        // It is of no more use either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn describe(at: SocketAddr) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP 0 101\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=rtcp-mux\r\n",
        at.port(),
        ip = at.ip(),
    )
}
