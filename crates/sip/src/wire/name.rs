//! Header names: long and compact forms are one name.

use std::fmt;

macro_rules! names {
    ($($variant:ident $long:literal $($compact:literal)?;)*) => {
        /// The name of a header, whatever its case or form on the wire. Printed in its long form.
        #[derive(Clone, Debug)]
        #[expect(missing_docs, reason = "each variant is the header of its name")]
        pub enum Name {
            $($variant,)*
            /// Any other, as written; compares without case.
            Other(Box<str>),
        }

        impl Name {
            /// The long form.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $long,)*
                    Self::Other(name) => name,
                }
            }

            /// From a long or compact form in any case; `text` must be a token.
            pub(crate) fn from_token(text: &str) -> Self {
                $(if text.eq_ignore_ascii_case($long) $(|| text.eq_ignore_ascii_case($compact))? {
                    return Self::$variant;
                })*
                Self::Other(text.into())
            }
        }
    };
}

names! {
    Via "Via" "v";
    From "From" "f";
    To "To" "t";
    CallId "Call-ID" "i";
    CSeq "CSeq";
    Contact "Contact" "m";
    MaxForwards "Max-Forwards";
    ContentLength "Content-Length" "l";
    ContentType "Content-Type" "c";
    Route "Route";
    RecordRoute "Record-Route";
    Accept "Accept";
    AcceptEncoding "Accept-Encoding";
    AcceptLanguage "Accept-Language";
    AlertInfo "Alert-Info";
    Allow "Allow";
    AllowEvents "Allow-Events" "u";
    AuthenticationInfo "Authentication-Info";
    Authorization "Authorization";
    CallInfo "Call-Info";
    ContentDisposition "Content-Disposition";
    ContentEncoding "Content-Encoding" "e";
    ContentLanguage "Content-Language";
    Date "Date";
    Diversion "Diversion";
    ErrorInfo "Error-Info";
    Event "Event" "o";
    Expires "Expires";
    HistoryInfo "History-Info";
    Identity "Identity" "y";
    MimeVersion "MIME-Version";
    MinExpires "Min-Expires";
    MinSe "Min-SE";
    PAssertedIdentity "P-Asserted-Identity";
    PPreferredIdentity "P-Preferred-Identity";
    Path "Path";
    Privacy "Privacy";
    ProxyAuthenticate "Proxy-Authenticate";
    ProxyAuthorization "Proxy-Authorization";
    ProxyRequire "Proxy-Require";
    RAck "RAck";
    Reason "Reason";
    ReferTo "Refer-To" "r";
    ReferredBy "Referred-By" "b";
    RemotePartyId "Remote-Party-ID";
    Replaces "Replaces";
    Require "Require";
    RetryAfter "Retry-After";
    RSeq "RSeq";
    Server "Server";
    ServiceRoute "Service-Route";
    SessionExpires "Session-Expires" "x";
    Subject "Subject" "s";
    SubscriptionState "Subscription-State";
    Supported "Supported" "k";
    Timestamp "Timestamp";
    Unsupported "Unsupported";
    UserAgent "User-Agent";
    Warning "Warning";
    WwwAuthenticate "WWW-Authenticate";
}

impl Name {
    /// Headers whose comma-separated values the lexer splits, so that one entry is one value (RFC 3261 §7.3.1).
    pub(crate) const fn is_split(&self) -> bool {
        self.is_routing()
            || matches!(self, Self::Path | Self::ServiceRoute | Self::PAssertedIdentity | Self::Diversion)
    }

    /// Headers that decide where messages go: a request with an unreadable one is refused.
    pub(crate) const fn is_routing(&self) -> bool {
        matches!(self, Self::Via | Self::Route | Self::RecordRoute | Self::Contact)
    }

    /// Headers that may stand only once (RFC 3261 §7.3.1, §20): two of them are two readings of one request.
    pub(crate) const fn is_single(&self) -> bool {
        matches!(
            self,
            Self::From
                | Self::To
                | Self::CallId
                | Self::CSeq
                | Self::MaxForwards
                | Self::ContentType
                | Self::Expires
                | Self::SessionExpires
                | Self::MinSe
                | Self::RAck
                | Self::RSeq
        )
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Other(a), Self::Other(b)) => a.eq_ignore_ascii_case(b),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Eq for Name {}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_cases_are_one_name() {
        for text in ["Via", "v", "V", "vIA"] {
            assert_eq!(Name::from_token(text), Name::Via);
        }
        assert_eq!(Name::from_token("X-Thing"), Name::Other("x-thing".into()));
        assert_ne!(Name::from_token("X-Thing"), Name::Via);
    }
}
