//! A response made of its request (RFC 3261 §8.2.6).

use std::net::SocketAddr;

use super::{Headers, Name, Request, Response};

impl Request {
    /// The response with what §8.2.6 copies: every `Via`, `From`, `To` (with `to_tag` if it has none yet; `None`
    /// only for 100), `Call-ID`, `CSeq`, and `Timestamp` into a 100.
    #[must_use]
    pub fn respond(&self, status: u16, to_tag: Option<&str>) -> Response {
        let mut response = Response { headers: copied(&self.headers), ..Response::new(status) };
        if let Some(tag) = to_tag.filter(|_| !self.headers.has_to_tag()) {
            response.headers.append_tag(tag);
        }
        if status == 100 {
            response.headers.copy_first(&self.headers, &Name::Timestamp);
        }
        response
    }
}

/// The headers that §8.2.6.2 copies, as far as they are there.
pub(crate) fn copied(request: &Headers) -> Headers {
    let mut headers = Headers::new();
    headers.copy(request, &Name::Via);
    for name in [Name::From, Name::To, Name::CallId, Name::CSeq] {
        headers.copy_first(request, &name);
    }
    headers
}

impl Headers {
    /// Gives `To` a tag unless it has one (§8.2.6.2). The rest of the header stays as it was written.
    pub fn tag_to(&mut self, tag: &str) {
        if !self.has_to_tag() {
            self.append_tag(tag);
        }
    }

    /// Whether it is of a dialog.
    #[must_use]
    pub fn has_to_tag(&self) -> bool {
        self.to().is_ok_and(|to| to.tag().is_some())
    }

    fn append_tag(&mut self, tag: &str) {
        let Some(to) = self.first(&Name::To) else { return };
        let tagged = format!("{to};tag={tag}");
        self.set_first(&Name::To, &tagged);
    }

    /// Notes in the top `Via` where the request came from (§18.2.1, RFC 3581 §4). To be done on arrival, before
    /// anything is copied from it.
    pub fn stamp_via(&mut self, source: SocketAddr) {
        if let Ok(via) = self.via_top() {
            let stamped = via.stamped(source);
            if stamped != *via {
                self.set_top_via(stamped);
            }
        }
    }
}

/// The phrase that RFC 3261 §21 and its extensions give a status.
#[must_use]
pub const fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        199 => "Early Dialog Terminated",
        200 => "OK",
        202 => "Accepted",
        204 => "No Notification",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        430 => "Flow Failed",
        433 => "Anonymity Disallowed",
        439 => "First Hop Lacks Outbound Support",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        580 => "Precondition Failure",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        607 => "Unwanted",
        _ => match status / 100 {
            1 => "Progress",
            2 => "OK",
            3 => "Redirection",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Global Failure",
        },
    }
}
