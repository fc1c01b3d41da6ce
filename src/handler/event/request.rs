//! A visitor's request as the platform hands it over becomes the request that the visitor sent, as far as it can be known.

use super::{Context, EventError, Shape, headers};
use crate::head::Visitor;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request};
use http_body_util::Full;
use percent_encoding::{AsciiSet, CONTROLS, percent_encode, utf8_percent_encode};

/// Which way a request came in, which decides how its answer goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// HTTP API, payload 2.0: paths come decoded, answers are buffered.
    HttpApi,
    /// Function URL in `RESPONSE_STREAM` mode: paths come as sent, answers stream.
    FunctionUrl,
    /// REST API, payload 1.0: answers are buffered.
    RestApi,
}

/// A visitor's request.
#[derive(Debug)]
pub struct Call {
    /// Which way it came in.
    pub door: Door,
    /// The host that the platform served it for.
    pub domain: String,
    /// The request.
    pub request: Request<Full<Bytes>>,
    /// Who sent it.
    pub visitor: Visitor,
}

/// Added by the platform to every request; a service that is called directly sees none of them.
const ADDED: [HeaderName; 2] =
    [HeaderName::from_static("x-amzn-trace-id"), HeaderName::from_static("x-forwarded-port")];

/// What a decoded path holds that a path may not (RFC 3986 §3.3). `/` is kept: a `%2F` cannot be told from it any more.
const NOT_IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What a query that was put together from decoded parameters must escape.
const NOT_IN_QUERY: &AsciiSet = &NOT_IN_PATH.add(b'&').add(b'+').add(b'=');

/// What a path that came as it was sent may hold beyond the standard and the `http` crate cannot: escaped, the rest stays.
const NOT_IN_RAW_PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'<').add(b'>').add(b'`').add(b'#');

/// The same for a query.
const NOT_IN_RAW_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'<').add(b'>').add(b'#');

pub(super) fn call(context: &Context, mut shape: Shape) -> Result<Call, EventError> {
    let domain = context.domain_name.clone().unwrap_or_default();
    let (door, method, source) = match (&context.http, shape.version.as_deref(), &shape.http_method) {
        (Some(http), Some("2.0"), _) => {
            // "https://<url-id>.lambda-url.<region>.on.aws" (Lambda guide, "Function URLs").
            let door = if domain.contains(".lambda-url.") { Door::FunctionUrl } else { Door::HttpApi };
            (door, http.method.clone(), http.source_ip.clone())
        }
        (None, _, Some(method)) => {
            let source = context.identity.as_ref().and_then(|identity| identity.source_ip.clone());
            (Door::RestApi, method.clone(), source.unwrap_or_default())
        }
        _ => return Err(EventError::Unknown),
    };
    let target = target(door, &mut shape)?;
    let body = body(shape.body.take(), shape.is_base64_encoded)?;
    let mut fields = headers(&shape)?;
    if let Some(cookies) = shape.cookies.filter(|cookies| !cookies.is_empty()) {
        let line = HeaderValue::from_bytes(cookies.join("; ").as_bytes());
        fields.insert(header::COOKIE, line.map_err(|_| EventError::Field("cookies"))?);
    }
    let secure = fields.get("x-forwarded-proto").is_none_or(|proto| proto.as_bytes() == b"https");
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| EventError::Field("method"))?;
    tidy(&mut fields, &method, &domain, body.is_empty())?;
    let mut request = Request::builder().method(method).uri(target).body(Full::new(body));
    if let Ok(request) = &mut request {
        *request.headers_mut() = fields;
    }
    let visitor = Visitor { address: source.parse().ok(), secure, trusted_proxy: false };
    Ok(Call { door, domain, request: request.map_err(|_| EventError::Field("path"))?, visitor })
}

/// Takes back what the platform has put in; the whole body is here, so `Expect` has had its answer.
fn tidy(fields: &mut HeaderMap, method: &Method, domain: &str, empty: bool) -> Result<(), EventError> {
    for name in ADDED.iter().chain([&header::EXPECT]) {
        fields.remove(name);
    }
    let carries = ![Method::GET, Method::HEAD, Method::OPTIONS, Method::DELETE].contains(method);
    if empty && !carries {
        fields.remove(header::CONTENT_LENGTH);
    }
    if !fields.contains_key(header::HOST) {
        let host = HeaderValue::from_str(domain).map_err(|_| EventError::Field("requestContext.domainName"))?;
        fields.insert(header::HOST, host);
    }
    Ok(())
}

fn target(door: Door, shape: &mut Shape) -> Result<String, EventError> {
    let (path, query) = match door {
        Door::RestApi => (shape.path.take(), shape.multi_value_query_string_parameters.take().map(|all| query(&all))),
        Door::HttpApi | Door::FunctionUrl => (shape.raw_path.take(), shape.raw_query_string.take()),
    };
    let path = path.filter(|path| path.starts_with('/')).ok_or(EventError::Field("path"))?;
    let path = match door {
        // "rawPath is percent-decoded" is what live captures of HTTP APIs show; other doors hand it on as it came.
        Door::HttpApi => utf8_percent_encode(&path, NOT_IN_PATH).to_string(),
        Door::FunctionUrl | Door::RestApi => utf8_percent_encode(&path, NOT_IN_RAW_PATH).to_string(),
    };
    Ok(match query.filter(|query| !query.is_empty()) {
        Some(query) => format!("{path}?{}", utf8_percent_encode(&query, NOT_IN_RAW_QUERY)),
        None => path,
    })
}

/// Payload 1.0 has the parameters decoded and sorted only.
fn query(parameters: &std::collections::BTreeMap<String, Vec<String>>) -> String {
    let escape = |text: &str| percent_encode(text.as_bytes(), NOT_IN_QUERY).to_string();
    let pairs = parameters.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    pairs.map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect::<Vec<_>>().join("&")
}

fn body(body: Option<String>, is_base64: bool) -> Result<Bytes, EventError> {
    match (body, is_base64) {
        (None, _) => Ok(Bytes::new()),
        (Some(text), false) => Ok(text.into()),
        (Some(text), true) => STANDARD.decode(text).map(Bytes::from).map_err(|_| EventError::Base64),
    }
}
