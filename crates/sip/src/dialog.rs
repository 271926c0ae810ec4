//! Dialogs (RFC 3261 §12): who the two ends are, in what order they speak, and which way their requests go.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use crate::Method;
use crate::config::Config;
use crate::endpoint::{Path, Transport};
use crate::leg::DialogId;
use crate::stack::Stack;
use crate::wire::{CSeq, Contacts, Headers, Name, NameAddr, Request, Response, SipUri, Uri};

/// Methods that we act on, for `Allow` (§20.5).
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE, REGISTER";
/// Extensions that we act on, for `Supported` and to tell what a `Require` may ask.
pub(crate) const SUPPORTED: [&str; 2] = ["timer", "100rel"];
/// Without a version: it is nobody's business.
pub(crate) const PRODUCT: &str = "Havre";
/// §8.1.1.6.
const MAX_FORWARDS: u8 = 70;

/// One dialog, early or confirmed.
pub(crate) struct Dialog {
    call_id: Box<str>,
    /// `From` of our requests, with our tag.
    local: Box<str>,
    /// `To` of our requests, with their tag.
    remote: Box<str>,
    remote_tag: Box<str>,
    local_seq: u32,
    remote_seq: Option<u32>,
    /// Their `Contact` (§12.2.1.1).
    target: Uri,
    /// §12.1: first the router nearest to us.
    routes: Vec<NameAddr>,
    path: Path,
    route: Route,
}

/// How the way of our requests is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// §12.2.1.1: the first `Route`, or the remote target.
    ByHeaders,
    /// Where their messages come from: phones, and peers whose headers name an address that is not theirs (NAT).
    BySource,
}

impl Dialog {
    /// Of an INVITE that we answer with `tag` (§12.1.1).
    pub(crate) fn answering(invite: &Request, tag: &str, path: Path, phone: bool) -> Option<Self> {
        let headers = &invite.headers;
        let from = headers.from().ok()?;
        let mut to = Headers::new();
        to.copy_first(headers, &Name::To);
        to.tag_to(tag);
        let target = target(headers)?;
        let routes = headers.record_routes().ok()?;
        let route = if phone || is_behind_nat(headers, &target, &routes, path.remote) {
            Route::BySource
        } else {
            Route::ByHeaders
        };
        Some(Self {
            call_id: headers.call_id().ok()?.into(),
            local: to.first(&Name::To)?.into(),
            remote: headers.first(&Name::From)?.into(),
            remote_tag: from.tag().unwrap_or("").into(),
            local_seq: 0,
            remote_seq: headers.cseq().ok().map(|cseq| cseq.seq),
            target,
            routes,
            path,
            route,
        })
    }

    /// Of a 2xx to our INVITE (§12.1.2). A peer that sends no `Contact` is spoken to as it was called.
    pub(crate) fn answered(invite: &Request, response: &Response, path: Path, phone: bool) -> Option<Self> {
        Self::along(invite, response, response.headers.record_routes().ok()?, path, phone)
    }

    /// The same of one that is only to be ended: what cannot be read of its way is left out. A way with a gap leads there
    /// more often than none.
    pub(crate) fn presumed(invite: &Request, response: &Response, path: Path) -> Option<Self> {
        Self::along(invite, response, response.headers.readable_record_routes(), path, false)
    }

    /// `recorded`: as the response has it.
    fn along(
        invite: &Request,
        response: &Response,
        recorded: Vec<NameAddr>,
        path: Path,
        phone: bool,
    ) -> Option<Self> {
        let target = target(&response.headers).unwrap_or_else(|| invite.uri.clone());
        let mut routes = recorded;
        routes.reverse();
        let route = if phone || is_elsewhere(&target, &routes, path.remote) {
            Route::BySource
        } else {
            Route::ByHeaders
        };
        Some(Self {
            call_id: invite.headers.call_id().ok()?.into(),
            local: invite.headers.first(&Name::From)?.into(),
            remote: response.headers.first(&Name::To)?.into(),
            remote_tag: response.headers.to().ok()?.tag().unwrap_or("").into(),
            local_seq: invite.headers.cseq().ok()?.seq,
            remote_seq: None,
            target,
            routes,
            path,
            route,
        })
    }

    /// Whether a request with our tag in `To` belongs here: `Call-ID` and `From` tag.
    pub(crate) fn matches(&self, headers: &Headers) -> bool {
        let tag = headers.from().ok().and_then(|from| from.tag().map(|tag| *tag == *self.remote_tag));
        headers.call_id().is_ok_and(|id| *id == *self.call_id) && tag.unwrap_or(self.remote_tag.is_empty())
    }

    /// What it is known by.
    pub(crate) fn id(&self) -> DialogId {
        let local_tag = NameAddr::parse(&self.local).ok().and_then(|local| local.tag().map(Into::into));
        DialogId {
            call_id: self.call_id.clone(),
            local_tag: local_tag.unwrap_or_default(),
            remote_tag: self.remote_tag.clone(),
        }
    }

    pub(crate) fn remote_tag(&self) -> &str {
        &self.remote_tag
    }

    pub(crate) fn path(&self) -> Path {
        self.path
    }

    /// §12.2.2: requests come in order. ACK and CANCEL repeat a number and are not asked about.
    pub(crate) fn takes(&mut self, seq: u32) -> bool {
        let fresh = self.remote_seq.is_none_or(|last| seq > last);
        if fresh {
            self.remote_seq = Some(seq);
        }
        fresh
    }

    /// Target refresh (§12.2.1.2, §12.2.2): a re-INVITE or UPDATE, or the 2xx to ours.
    pub(crate) fn refresh_target(&mut self, headers: &Headers) {
        if let Some(target) = target(headers) {
            self.target = target;
        }
    }

    /// Whether it is with whoever answers at this contact.
    pub(crate) fn is_with(&self, contact: &Uri) -> bool {
        self.target.equivalent(contact)
    }

    /// A phone whose address or connection has changed is answered at the new one.
    pub(crate) fn follow(&mut self, path: Path) {
        self.path = path;
    }

    /// The next request of ours.
    pub(crate) fn request(&mut self, method: Method, config: &Config) -> Request {
        self.local_seq = self.local_seq.wrapping_add(1) & 0x7fff_ffff;
        self.build(method, self.local_seq, config)
    }

    /// Requests up to this number have been sent already, in the early dialog.
    pub(crate) fn continue_after(&mut self, seq: u32) {
        self.local_seq = self.local_seq.max(seq);
    }

    /// What was said in it while it was early counts on.
    pub(crate) fn continue_as(&mut self, early: &Self) {
        self.continue_after(early.local_seq);
        self.remote_seq = early.remote_seq;
    }

    /// The number of our last request.
    pub(crate) const fn local_seq(&self) -> u32 {
        self.local_seq
    }

    /// The ACK of the 2xx to our INVITE numbered `seq` (§13.2.2.4).
    pub(crate) fn ack(&self, seq: u32, config: &Config) -> Request {
        self.build(Method::Ack, seq, config)
    }

    fn build(&self, method: Method, seq: u32, config: &Config) -> Request {
        let (uri, routes) = self.uri_and_routes();
        let mut request = Request::new(method, uri);
        let headers = &mut request.headers;
        headers.push(Name::MaxForwards, &MAX_FORWARDS);
        for route in &routes {
            headers.push(Name::Route, route);
        }
        headers.push(Name::From, &*self.local);
        headers.push(Name::To, &*self.remote);
        headers.push(Name::CallId, &*self.call_id);
        headers.push(Name::CSeq, &CSeq { seq, method });
        if matches!(method, Method::Invite | Method::Update) {
            headers.push(Name::Contact, &own_contact(config, self.path, &self.target));
            headers.push(Name::Allow, ALLOW);
            headers.push(Name::Supported, "timer");
        }
        if method != Method::Ack {
            headers.push(Name::UserAgent, PRODUCT);
        }
        request
    }

    /// §12.2.1.1: a strict first router gets its own URI, and the target goes to the end.
    fn uri_and_routes(&self) -> (Uri, Vec<NameAddr>) {
        match self.routes.split_first() {
            Some((first, rest)) if !first.uri.as_sip().is_some_and(SipUri::is_loose) => {
                let mut routes = rest.to_vec();
                routes.push(NameAddr::new(self.target.clone()));
                (first.uri.clone(), routes)
            }
            _ => (self.target.clone(), self.routes.clone()),
        }
    }

    /// Where our next request goes. Names are not resolved here: then it goes where the peer's messages come from.
    pub(crate) fn next_hop(&self, stack: &Stack) -> Path {
        let connected = self.path.flow.is_some_and(|flow| stack.is_open(flow));
        // A browser's target is an `.invalid` name, or one that nobody should be sent to.
        let web = self.path.transport.is_web();
        if connected || web || self.route == Route::BySource && self.path.transport == Transport::Udp {
            return self.path;
        }
        let hop = self.routes.first().map_or(&self.target, |route| &route.uri);
        let Some((sip, address)) = hop.as_sip().and_then(|sip| Some((sip, sip.socket_addr()?))) else {
            return self.path;
        };
        // What began encrypted never goes on in clear, whatever the peer's address says.
        if sip.wants_tls() || self.path.transport == Transport::Tls {
            return Path::tls(self.path.local, address);
        }
        let tcp = sip.params.get("transport").is_some_and(|name| name.eq_ignore_ascii_case("tcp"));
        if tcp { Path::tcp(self.path.local, address) } else { Path::udp(self.path.local, address) }
    }
}

/// What we write in `Contact` of a message about `uri`: `sips:` where that is one (RFC 3261 §8.1.1.8, §12.1.1).
pub(crate) fn own_contact(config: &Config, path: Path, uri: &Uri) -> NameAddr {
    let secure = uri.as_sip().is_some_and(|uri| uri.secure) && path.transport == Transport::Tls;
    let at = config.advertise(path.local);
    let mut uri = Uri::sip(Some("havre"), at);
    let transport = match path.transport {
        Transport::Udp => None,
        Transport::Tcp => Some("tcp"),
        Transport::Tls => Some("tls").filter(|_| !secure),
        // RFC 7118 §5.4: "ws" with TLS as without.
        Transport::Ws | Transport::Wss => Some("ws"),
    };
    if let Uri::Sip(sip) = &mut uri {
        sip.secure = secure;
        if let Some(transport) = transport {
            sip.params.set("transport", transport);
        }
    }
    NameAddr::new(uri)
}

/// Puts SDP into a message.
pub(crate) fn with_sdp(headers: &mut Headers, body: &mut Bytes, sdp: Bytes) {
    headers.set(Name::ContentType, "application/sdp");
    *body = sdp;
}

fn target(headers: &Headers) -> Option<Uri> {
    match headers.contacts().ok()? {
        Contacts::List(list) => list.into_iter().next().map(|contact| contact.uri),
        Contacts::Star => None,
    }
}

/// The `Via` names an address that the packet did not come from, or the next hop is private and the source is not.
fn is_behind_nat(headers: &Headers, target: &Uri, routes: &[NameAddr], source: SocketAddr) -> bool {
    let translated = headers.vias().is_ok_and(|vias| {
        // With several the top one is a proxy's, which is honest about itself.
        vias.len() == 1 && vias[0].host.ip().is_some_and(|ip| ip != source.ip())
    });
    translated || is_elsewhere(target, routes, source)
}

fn is_elsewhere(target: &Uri, routes: &[NameAddr], source: SocketAddr) -> bool {
    let hop = routes.first().map_or(target, |route| &route.uri);
    let hop = hop.as_sip().and_then(|sip| sip.host.ip());
    hop.is_some_and(is_private) && !is_private(source.ip())
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local(),
    }
}
