//! Signs are taken from real answers (`tests/frameworks`); one that other software gives as well is none.

use super::{Answer, Framework, Surroundings, Trouble, is_internal};
use crate::limits;
use http::header::{self, HeaderMap, HeaderName};

/// The module through which webpack's page listens for changes; behind it stands the address that it listens to.
const WEBPACK_CLIENT: &str = "webpack-dev-server/client/index.js?";

/// Laravel's CSRF cookie is encrypted: base64 of a JSON object that begins with `{"iv":`.
const LARAVEL_COOKIE: &str = "XSRF-TOKEN=eyJpdiI6";

/// The dev server that gave this answer, if it shows.
pub fn recognise(answer: &Answer<'_>) -> Option<Framework> {
    by_headers(answer.headers).or_else(|| by_body(answer))
}

fn by_headers(headers: &HeaderMap) -> Option<Framework> {
    let is = |name: HeaderName, value: &str| text(headers, &name).eq_ignore_ascii_case(value);
    let has_cookie = |beginning: &str| {
        let mut cookies = headers.get_all(header::SET_COOKIE).iter();
        cookies.any(|cookie| cookie.as_bytes().trim_ascii_start().starts_with(beginning.as_bytes()))
    };
    let server = text(headers, &header::SERVER);
    if is(HeaderName::from_static("x-powered-by"), "Next.js")
        || text(headers, &header::VARY).contains("next-router-state-tree")
    {
        return Some(Framework::Next);
    }
    if headers.contains_key("x-runtime") && headers.contains_key("x-request-id") {
        return Some(Framework::Rails);
    }
    if has_cookie(LARAVEL_COOKIE) || has_cookie("laravel_session=") || has_cookie("laravel-session=") {
        return Some(Framework::Laravel);
    }
    // A defence of webpack-dev-server's; what hardens Express otherwise (helmet) removes that name.
    if is(HeaderName::from_static("x-powered-by"), "Express")
        && is(HeaderName::from_static("cross-origin-resource-policy"), "same-origin")
    {
        return Some(Framework::Webpack);
    }
    let python = server.starts_with("WSGIServer/") || server == "daphne";
    let django = has_cookie("csrftoken=") || is(header::REFERRER_POLICY, "same-origin");
    (python && django).then_some(Framework::Django)
}

fn by_body(answer: &Answer<'_>) -> Option<Framework> {
    if is_readable(answer, "text/html") && contains(answer.body, "/@vite/client") {
        return Some(Framework::Vite);
    }
    (is_readable(answer, "javascript") && contains(answer.body, WEBPACK_CLIENT)).then_some(Framework::Webpack)
}

/// What this answer shows not to work; `known` is what the service has been recognised as.
pub fn trouble(
    answer: &Answer<'_>,
    known: Option<Framework>,
    surroundings: &Surroundings,
) -> Option<(Framework, Trouble)> {
    match answer.status.as_u16() {
        200..=299 => misled(answer, known, surroundings),
        400 | 403 | 500 => refused(answer),
        _ => None,
    }
}

/// Refusals are small or begin with their styles, and are not compressed.
fn refused(answer: &Answer<'_>) -> Option<(Framework, Trouble)> {
    let says = |words: &str| contains(answer.body, words);
    match answer.status.as_u16() {
        403 if answer.body.starts_with(b"Blocked request. This host (") => Some((Framework::Vite, Trouble::Host)),
        403 if answer.body == b"Invalid Host header" => Some((Framework::Webpack, Trouble::Host)),
        403 if answer.body == b"Unauthorized" && is_internal(answer.target) => {
            Some((Framework::Next, Trouble::LiveReload))
        }
        403 if says("Blocked host") && says("config.hosts") => Some((Framework::Rails, Trouble::Host)),
        403 if says("CSRF verification failed") && says("checking failed - ") => {
            Some((Framework::Django, Trouble::Form))
        }
        400 if says("DisallowedHost") => Some((Framework::Django, Trouble::Host)),
        500 if says("Invalid Server Actions request.") => Some((Framework::Next, Trouble::Form)),
        _ => None,
    }
}

/// Pages that lead visitors past the tunnel.
fn misled(answer: &Answer<'_>, known: Option<Framework>, surroundings: &Surroundings) -> Option<(Framework, Trouble)> {
    if known == Some(Framework::Laravel) && is_readable(answer, "text/html") {
        let origin = surroundings.plain_origin();
        let linked = !surroundings.is_public(&origin) && contains(answer.body, &format!("\"{origin}/"));
        return linked.then_some((Framework::Laravel, Trouble::Links(origin)));
    }
    if known == Some(Framework::Webpack) && is_readable(answer, "javascript") {
        let socket = webpack_socket(answer.body, surroundings)?;
        return Some((Framework::Webpack, Trouble::Socket(socket)));
    }
    None
}

/// The address at which webpack's page listens for changes, where that is not the page's own.
fn webpack_socket(body: &[u8], surroundings: &Surroundings) -> Option<String> {
    let query = find(body, WEBPACK_CLIENT).map(|at| &body[at + WEBPACK_CLIENT.len()..])?;
    let query = &query[..query.len().min(limits::KIB)];
    let field = |name: &str| {
        let fields = query.split(|byte| b"&\"'\\ ".contains(byte));
        let found = fields.filter_map(|field| field.strip_prefix(name.as_bytes())).next();
        found.and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default()
    };
    let (host, port) = (field("hostname="), field("port="));
    let follows_page = matches!(host, "" | "0.0.0.0" | "::" | "[::]" | "%3A%3A" | "%5B%3A%3A%5D");
    let right = match follows_page {
        true => matches!(port, "" | "0") || port == surroundings.public_port().to_string(),
        false => !super::advice::is_local(host),
    };
    (!right).then(|| format!("{}:{port}", if follows_page { "the page's host" } else { host }))
}

/// Whether the body is of this kind and not compressed: unpacking it would cost more than knowing is worth, and most of
/// these servers show by their headers as well.
fn is_readable(answer: &Answer<'_>, kind: &str) -> bool {
    !answer.headers.contains_key(header::CONTENT_ENCODING) && text(answer.headers, &header::CONTENT_TYPE).contains(kind)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn contains(body: &[u8], words: &str) -> bool {
    find(body, words).is_some()
}

fn find(body: &[u8], words: &str) -> Option<usize> {
    body.windows(words.len()).position(|window| window == words.as_bytes())
}

#[cfg(test)]
#[path = "signs_tests.rs"]
mod tests;
