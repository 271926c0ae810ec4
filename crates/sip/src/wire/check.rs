//! From a lexed head to a message, or to the answer for what is wrong with it.

use bytes::Bytes;

use super::error::{Malformed, ParseError};
use super::lexer::{Head, Problem, Start};
use super::reply::copied;
use super::{Headers, Message, Name, Request, Response, Via};
use crate::Method;

/// The message, if it has what RFC 3261 §8.1.1 asks of every one.
pub(crate) fn judge(head: Head, body: Bytes) -> Result<Message, ParseError> {
    let Head { start, headers, problem, .. } = head;
    match (start, problem) {
        (Start::Request { method: Some(method), uri: Some(uri), is_ack }, None) => {
            match check_request(method, &headers) {
                Ok(()) => Ok(Message::Request(Request { method, uri, headers, body })),
                Err(problem) => Err(refusal(problem, is_ack, &headers)),
            }
        }
        (Start::Request { is_ack, .. }, problem) => {
            Err(refusal(problem.unwrap_or(Problem::new(400, "request line")), is_ack, &headers))
        }
        (Start::Response { status, reason }, None) => match check_response(&headers) {
            Ok(()) => Ok(Message::Response(Response { status, reason, headers, body })),
            Err(problem) => Err(dropped(problem)),
        },
        (Start::Response { .. } | Start::Unreadable, problem) => {
            Err(dropped(problem.unwrap_or(Problem::new(400, "start line"))))
        }
    }
}

/// ACK is never answered (§17), nor is what has no `Via` to answer to.
fn refusal(problem: Problem, is_ack: bool, request: &Headers) -> ParseError {
    let mut error = dropped(problem);
    if is_ack {
        return error;
    }
    let mut reply = Response { headers: copied(request), ..Response::new(problem.status) };
    if request.via_top().is_err() {
        let Some(via) = request.first(&Name::Via).and_then(Via::salvage) else { return error };
        reply.headers.set(Name::Via, &via);
    }
    if problem.status == 400 {
        // §21.4.1: "the Reason-Phrase SHOULD identify the syntax problem in more detail".
        reply.reason = format!("Bad Request ({})", problem.why);
    }
    error.reply = Some(Box::new(reply));
    error
}

const fn dropped(problem: Problem) -> ParseError {
    ParseError { why: problem.why, reply: None, fatal: problem.fatal }
}

fn check_request(method: Method, headers: &Headers) -> Result<(), Problem> {
    check_common(headers)?;
    if headers.cseq()?.method != method {
        return Err(Problem::new(400, "CSeq of another method"));
    }
    if headers.has(&Name::MaxForwards) && headers.max_forwards().is_none() {
        return Err(Problem::new(400, "Max-Forwards"));
    }
    headers.routes()?;
    headers.record_routes()?;
    if matches!(
        method,
        Method::Invite | Method::Register | Method::Subscribe | Method::Update | Method::Refer
    ) {
        headers.contacts().map_err(|_| Malformed("Contact"))?;
    }
    Ok(())
}

/// We are no proxy: a response that still has somebody else's `Via` below ours is not for us (§8.1.3.3).
fn check_response(headers: &Headers) -> Result<(), Problem> {
    if headers.all(&Name::Via).nth(1).is_some() {
        return Err(Problem::new(400, "response with several Via"));
    }
    check_common(headers)
}

/// What both requests and responses must have (§8.1.1, §8.2.6).
fn check_common(headers: &Headers) -> Result<(), Problem> {
    headers.via_top()?;
    headers.from().map_err(|_| missing_or(headers, &Name::From, "missing From", "From"))?;
    headers.to().map_err(|_| missing_or(headers, &Name::To, "missing To", "To"))?;
    headers.cseq().map_err(|_| missing_or(headers, &Name::CSeq, "missing CSeq", "CSeq"))?;
    match headers.call_id() {
        Ok(id) if !id.is_empty() && !id.contains([' ', '\t']) => Ok(()),
        _ => Err(missing_or(headers, &Name::CallId, "missing Call-ID", "Call-ID").into()),
    }
}

fn missing_or(headers: &Headers, name: &Name, missing: &'static str, malformed: &'static str) -> Malformed {
    Malformed(if headers.has(name) { malformed } else { missing })
}
