//! Messages as the field sends them, in every spelling that RFC 3261 allows; a part of them damaged.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// One message in this many is damaged.
const DAMAGED: u32 = 3;

/// A message, and whether it is one.
pub(crate) struct Generated {
    pub(crate) bytes: Vec<u8>,
    pub(crate) damaged: bool,
}

/// Messages from a seed.
pub(crate) struct Generator(ChaCha20Rng);

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    pub(crate) fn next(&mut self) -> Generated {
        let mut bytes = self.whole();
        let damaged = self.one_in(DAMAGED);
        if damaged {
            for _ in 0..=self.below(3) {
                self.damage(&mut bytes);
            }
        }
        Generated { bytes, damaged }
    }

    fn below(&mut self, end: u32) -> u32 {
        self.0.next_u32() % end
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u32) as usize]
    }

    fn whole(&mut self) -> Vec<u8> {
        let method =
            self.pick(&["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "INFO", "UPDATE", "PRACK"]);
        let response = self.one_in(3);
        let mut head = if response {
            let status = 100 + self.below(600);
            let reason =
                self.pick(&["OK", "", "Moved Temporarily", "C'est occupé", "No: not here; \"really\""]);
            format!("SIP/2.0 {status} {reason}\r\n")
        } else {
            format!("{method} {} SIP/2.0\r\n", self.uri())
        };
        let mut headers = self.must(method, response);
        let body: Vec<u8> = (0..self.below(4) * self.below(60)).map(|_| self.body_byte()).collect();
        let mut extra = Vec::new();
        if !self.one_in(6) {
            headers.push(self.header(&["Content-Length", "l", "CONTENT-LENGTH"], &body.len().to_string()));
            if self.one_in(8) {
                extra = b"what follows is not of this message".to_vec();
            }
        }
        for _ in 0..self.below(4) {
            let other = self.other();
            // Some may stand once only.
            if !headers.contains(&other) {
                headers.push(other);
            }
        }
        // Any order will do (§7.3.1).
        for i in (1..headers.len()).rev() {
            headers.swap(i, self.below(i as u32 + 1) as usize);
        }
        for header in headers {
            head.push_str(&header);
        }
        head.push_str("\r\n");
        [head.into_bytes(), body, extra].concat()
    }

    /// The headers that every message has.
    fn must(&mut self, method: &str, response: bool) -> Vec<String> {
        let mut headers = Vec::new();
        // A user agent's responses have one hop left: its own (§8.1.3.3).
        let hops: Vec<String> = (0..=self.below(if response { 1 } else { 3 })).map(|_| self.via()).collect();
        if self.one_in(3) {
            let comma = self.pick(&[",", ", ", " , "]);
            headers.push(self.header(&["Via", "v", "VIA"], &hops.join(comma)));
        } else {
            for hop in &hops {
                headers.push(self.header(&["Via", "v", "via"], hop));
            }
        }
        let from = self.address();
        headers.push(self.header(&["From", "f"], &from));
        let to = self.address();
        headers.push(self.header(&["To", "t", "TO"], &to));
        let id = format!("{:x}{}", self.0.next_u64(), self.pick(&["", "@host", "@192.0.2.1", "-%+!"]));
        headers.push(self.header(&["Call-ID", "i", "call-id"], &id));
        let number = self.0.next_u32() >> self.below(31).max(1);
        let space = self.pick(&[" ", "  ", "\t"]);
        headers.push(self.header(&["CSeq", "cseq"], &format!("{number}{space}{method}")));
        headers
    }

    /// A line, with the spaces and folds that the grammar allows around and in a value.
    fn header(&mut self, names: &[&str], value: &str) -> String {
        let name = self.pick(names);
        let before = self.pick(&["", "", "", " ", "\t"]);
        let after = self.pick(&[" ", " ", "", "  ", "\t", "\r\n "]);
        let end = self.pick(&["", "", "", " "]);
        format!("{name}{before}:{after}{value}{end}\r\n")
    }

    fn via(&mut self) -> String {
        let transport = self.pick(&["UDP", "TCP", "TLS", "SCTP", "WSS", "udp", "FOO-2"]);
        let slash = self.pick(&["/", "/", "/", " / "]);
        let host = self.host();
        let branch = format!("z9hG4bK{:x}", self.0.next_u32());
        let rest = self.pick(&[
            "",
            ";rport",
            ";received=192.0.2.7",
            ";rport=5070;received=192.0.2.7",
            ";ttl=1",
            ";x=\"a;b,c\"",
        ]);
        let (first, second) =
            if self.one_in(2) { (format!(";branch={branch}"), rest) } else { (rest.to_owned(), "") };
        let last =
            if second.is_empty() && first == rest { format!(";branch={branch}") } else { second.to_owned() };
        let gap = self.pick(&[" ", " ", "  "]);
        format!("SIP{slash}2.0{slash}{transport}{gap}{host}{first}{last}")
    }

    fn host(&mut self) -> String {
        let host =
            self.pick(&["192.0.2.1", "[2001:db8::9:1]", "pc33.example.com", "h", "x.invalid", "[::1]"]);
        let port = if self.one_in(2) { format!(":{}", self.below(65_536)) } else { String::new() };
        format!("{host}{port}")
    }

    fn uri(&mut self) -> String {
        let scheme = self.pick(&["sip:", "sip:", "sips:", "SIP:"]);
        let user =
            self.pick(&["", "line@", "+18335550100@", "a%20b@", "u:secret@", "user;par=u%40example.net@"]);
        let host = self.host();
        let params = self.pick(&["", "", ";transport=tcp", ";lr", ";user=phone;x=y"]);
        format!("{scheme}{user}{host}{params}")
    }

    fn address(&mut self) -> String {
        let uri = self.uri();
        let tag = self.pick(&["", ";tag=1928301774", ";x=1;tag=a48s", ";tag=a-b.c~d", ";Tag=big"]);
        match self.below(4) {
            0 => format!("{}{tag}", uri.split(';').next().unwrap_or("")),
            1 => format!("<{uri}>{tag}"),
            2 => format!("{} <{uri}>{tag}", self.pick(&["Alice", "A B", "Maison d'aide"])),
            _ => {
                let name = self.pick(&[
                    "",
                    "Bob, the ; <other>",
                    "É. Tremblay",
                    "say \\\"hi\\\" : \\\\",
                    "sip:not@this;tag=no",
                ]);
                format!("\"{name}\" <{uri}>{tag}")
            }
        }
    }

    fn other(&mut self) -> String {
        let value = self.pick(&[
            "Max-Forwards: 70",
            "Contact: <sip:a@192.0.2.1>, \"b, c\" <sip:b@[2001:db8::1]:5070>;q=0.5",
            "Subject:",
            "s: Content-Length: 9",
            "Allow: INVITE, ACK",
            "User-Agent: \"x\" (a\\)b)",
            "X-Odd: a\r\n\tb\r\n  c",
            "Date: Sat, 13 Nov 2010 23:29:00 GMT",
            "Record-Route: <sip:p1.example.com;lr>,<sip:p2.example.com;lr>",
        ]);
        format!("{value}\r\n")
    }

    fn body_byte(&mut self) -> u8 {
        let kinds = [b'v', b'=', b'\r', b'\n', 0, 0xFF, b'0', b' '];
        kinds[self.below(kinds.len() as u32) as usize]
    }

    /// One change of a few bytes, most often of those that mean something.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let at = self.below(bytes.len() as u32) as usize;
        let odd: [&[u8]; 22] = [
            b"\r\n",
            b"\n",
            b"\r",
            b"\r\n\r\n",
            b" ",
            b"\t",
            b"\0",
            b":",
            b";",
            b",",
            b"\"",
            b"<",
            b">",
            b"@",
            b"/",
            b"=",
            b"[",
            b"-1",
            b"99999999999",
            b"\xE9",
            b"Content-Length: 3\r\n",
            b"\r\nVia: ",
        ];
        let odd = odd[self.below(odd.len() as u32) as usize];
        match self.below(5) {
            0 => drop(bytes.remove(at)),
            1 => bytes.truncate(at),
            2 => drop(bytes.splice(at..at, odd.iter().copied())),
            3 => drop(bytes.splice(at..=at, odd.iter().copied())),
            _ => {
                // A piece twice: headers twice, among others.
                let end = (at + 1 + self.below(80) as usize).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, piece));
            }
        }
    }
}
