//! A fault is a fact with a stable code: the same code on the wire, in `x-tunnel-error` and in the documentation.

use http::StatusCode;
use std::fmt;
use std::str::FromStr;

/// What went wrong with an exchange, as the visitor is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// No tunnel has this name.
    TunnelNotFound,
    /// The name is held, its link is down.
    ForwarderOffline,
    /// Nothing listens on the service's port.
    ServiceUnreachable,
    /// The service closed or broke its answer before the head was complete.
    ServiceFailed,
    /// The service gave no answer in time.
    ServiceTimeout,
    /// The request is over a limit.
    RequestTooLarge,
    /// The answer is over a limit.
    ResponseTooLarge,
    /// The visitor's password is wrong or missing.
    Unauthorized,
    /// The request is not signed as the tunnel asks for.
    SignatureInvalid,
    /// The visitor's address is not admitted.
    Forbidden,
    /// A limit set by the operator, or the bound on open exchanges.
    TooManyRequests,
    /// The request is malformed.
    BadRequest,
    /// Our fault; logged with an id that the visitor is shown.
    Internal,
}

impl Code {
    /// Every code there is.
    pub const ALL: [Self; 13] = [
        Self::TunnelNotFound,
        Self::ForwarderOffline,
        Self::ServiceUnreachable,
        Self::ServiceFailed,
        Self::ServiceTimeout,
        Self::RequestTooLarge,
        Self::ResponseTooLarge,
        Self::Unauthorized,
        Self::SignatureInvalid,
        Self::Forbidden,
        Self::TooManyRequests,
        Self::BadRequest,
        Self::Internal,
    ];

    /// The code's stable text, as in the header `x-tunnel-error`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TunnelNotFound => "tunnel-not-found",
            Self::ForwarderOffline => "forwarder-offline",
            Self::ServiceUnreachable => "service-unreachable",
            Self::ServiceFailed => "service-failed",
            Self::ServiceTimeout => "service-timeout",
            Self::RequestTooLarge => "request-too-large",
            Self::ResponseTooLarge => "response-too-large",
            Self::Unauthorized => "unauthorized",
            Self::SignatureInvalid => "signature-invalid",
            Self::Forbidden => "forbidden",
            Self::TooManyRequests => "too-many-requests",
            Self::BadRequest => "bad-request",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status that goes with the code.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TunnelNotFound => StatusCode::NOT_FOUND,
            Self::ForwarderOffline => StatusCode::SERVICE_UNAVAILABLE,
            Self::ServiceUnreachable | Self::ServiceFailed | Self::ResponseTooLarge => StatusCode::BAD_GATEWAY,
            Self::ServiceTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unauthorized | Self::SignatureInvalid => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        Self::ALL.into_iter().find(|code| code.as_str() == text).ok_or(UnknownCode)
    }
}

/// The text is none of the codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownCode;

/// A code with one sentence of detail: what failed, to what, for the visitor's eyes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind of fault this is.
    pub code: Code,
    /// What exactly failed; holds no secret.
    pub detail: String,
}

impl Fault {
    /// A fault of kind `code`, with its detail.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl std::error::Error for Fault {}
