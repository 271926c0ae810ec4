//! What decides where a message ends and where it belongs, as either reader sees it.

use bytes::Bytes;
use ezk_sip_types::header::typed::{CSeq, CallID, ContentLength, FromTo, Via};
use ezk_sip_types::msg::{Line, MessageLine, PullParser};
use ezk_sip_types::parse::Parse;
use ezk_sip_types::print::AppendCtx;
use ezk_sip_types::{Headers, Name};
use havre_sip::wire::{Message, ViaTransport, parse_datagram};

/// The framing fields of issue 5. Texts are compared as they stand, but for the case of hosts, URIs and
/// transports.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) start: Start,
    pub(crate) vias: Vec<Hop>,
    pub(crate) cseq: (u32, String),
    pub(crate) call_id: String,
    pub(crate) from_tag: Option<String>,
    pub(crate) to_tag: Option<String>,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Request { method: String, uri: String },
    Response { status: u16 },
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    pub(crate) transport: String,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) branch: Option<String>,
}

/// Our reading, or why there is none.
pub(crate) fn ours(bytes: &[u8]) -> Result<Frame, String> {
    let message = parse_datagram(bytes).map_err(|error| error.why.to_owned())?;
    let start = match &message {
        Message::Request(request) => {
            Start::Request { method: request.method.to_string(), uri: lower(&request.uri) }
        }
        Message::Response(response) => Start::Response { status: response.status },
    };
    let headers = message.headers();
    let vias = headers.vias().map_err(|error| error.0)?;
    let cseq = headers.cseq().map_err(|error| error.0)?;
    Ok(Frame {
        start,
        vias: vias
            .iter()
            .map(|via| Hop {
                transport: transport(&via.transport).to_uppercase(),
                host: lower(&via.host),
                port: via.port,
                branch: via.params.get("branch").map(str::to_owned),
            })
            .collect(),
        cseq: (cseq.seq, cseq.method.to_string()),
        call_id: headers.call_id().map_err(|error| error.0)?.to_owned(),
        from_tag: headers.from().map_err(|error| error.0)?.tag().map(str::to_owned),
        to_tag: headers.to().map_err(|error| error.0)?.tag().map(str::to_owned),
        body: match message {
            Message::Request(request) => request.body.to_vec(),
            Message::Response(response) => response.body.to_vec(),
        },
    })
}

/// The peer's reading, with its own pull parser, headers and typed values.
pub(crate) fn theirs(bytes: &[u8]) -> Result<Frame, String> {
    let source = Bytes::copy_from_slice(bytes);
    let mut lines = PullParser::new(&source, 0);
    let text =
        |line: &'_ [u8]| std::str::from_utf8(line).map(str::to_owned).map_err(|error| error.to_string());
    let first = lines.next().ok_or("empty")?.map_err(|_| "incomplete")?;
    let first = text(first)?;
    let start = MessageLine::parse_str(&first).map_err(|error| error.to_string())?;
    let mut headers = Headers::new();
    for line in lines.by_ref() {
        let line = text(line.map_err(|_| "incomplete")?)?;
        let copy = Bytes::copy_from_slice(line.as_bytes());
        let line = std::str::from_utf8(&copy).map_err(|error| error.to_string())?;
        let (_, Line { name, value }) = Line::parse(&copy, line).map_err(|error| error.to_string())?;
        headers.insert(name, value);
    }
    let rest = &bytes[lines.head_end().min(bytes.len())..];
    let body = match headers.try_get_named::<ContentLength>() {
        None => rest,
        Some(length) => {
            let length = length.map_err(|error| error.to_string())?.0;
            rest.get(..length).ok_or("Content-Length beyond the datagram")?
        }
    };
    let vias: Vec<Via> = headers.get(Name::VIA).map_err(|error| error.to_string())?;
    let from: FromTo = headers.get(Name::FROM).map_err(|error| error.to_string())?;
    let to: FromTo = headers.get(Name::TO).map_err(|error| error.to_string())?;
    let call_id: CallID = headers.get_named().map_err(|error| error.to_string())?;
    let cseq: CSeq = headers.get_named().map_err(|error| error.to_string())?;
    Ok(Frame {
        start: match start {
            MessageLine::Request(line) => Start::Request {
                method: line.method.to_string(),
                uri: line.uri.default_print_ctx().to_string().to_lowercase(),
            },
            MessageLine::Response(line) => Start::Response { status: line.code.into_u16() },
        },
        vias: vias
            .iter()
            .map(|via| Hop {
                transport: via.transport.to_uppercase(),
                host: via.sent_by.host.to_string().to_lowercase(),
                port: via.sent_by.port,
                branch: via.params.get_val("branch").map(ToString::to_string),
            })
            .collect(),
        cseq: (cseq.cseq, cseq.method.to_string()),
        call_id: call_id.0.to_string(),
        from_tag: from.tag.map(|tag| tag.to_string()),
        to_tag: to.tag.map(|tag| tag.to_string()),
        body: body.to_vec(),
    })
}

fn lower(value: &impl ToString) -> String {
    value.to_string().to_lowercase()
}

fn transport(transport: &ViaTransport) -> String {
    match transport {
        ViaTransport::Udp => "UDP".to_owned(),
        ViaTransport::Tcp => "TCP".to_owned(),
        ViaTransport::Tls => "TLS".to_owned(),
        ViaTransport::Sctp => "SCTP".to_owned(),
        ViaTransport::Ws => "WS".to_owned(),
        ViaTransport::Wss => "WSS".to_owned(),
        ViaTransport::Other(name) => name.to_string(),
    }
}
