//! A fault of the tunnel reaches the visitor with its code, its hop and what to do, and never looks like the service's.

use crate::fault::{Code, Fault};
use crate::{head, limits};
use bytes::Bytes;
use http::Response;
use http::header::{self, HeaderName, HeaderValue};
use serde_json::json;
use std::time::Duration;

/// What the gate knows beyond the fault.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    /// When it is worth trying again; otherwise [`limits::RETRY_AFTER`].
    pub retry_after: Option<Duration>,
    /// The id under which an `internal` fault was logged.
    pub id: Option<String>,
    /// Where it failed, if not where faults of its code usually do.
    pub hop: Option<Hop>,
}

/// A station on a request's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// Who asked.
    Visitor,
    /// The tunnel's public end.
    Gate,
    /// The program next to the service.
    Forwarder,
    /// The service itself.
    Service,
}

impl Hop {
    const ALL: [Self; 4] = [Self::Visitor, Self::Gate, Self::Forwarder, Self::Service];

    /// The hop's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Gate => "gate",
            Self::Forwarder => "forwarder",
            Self::Service => "service",
        }
    }
}

/// The answer that tells a visitor of `fault`, in the form that `accept` prefers: HTML, or JSON as of RFC 9457.
/// The answer to a HEAD request is this one without its body.
pub fn respond(fault: &Fault, accept: Option<&HeaderValue>, extra: &Extra) -> Response<Bytes> {
    let page = Page { fault, advice: Advice::on(fault.code), extra };
    let html = prefers_html(accept);
    let (kind, body) = if html { ("text/html; charset=utf-8", page.html()) } else { (PROBLEM, page.problem()) };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = fault.code.status();
    let headers = response.headers_mut();
    headers.insert(head::FAULT, HeaderValue::from_static(fault.code.as_str()));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if html {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    }
    if let Some((name, value)) = demand(fault.code, extra) {
        headers.insert(name, value);
    }
    response
}

/// What the visitor's client is to do next: wait, or ask for a password.
fn demand(code: Code, extra: &Extra) -> Option<(HeaderName, HeaderValue)> {
    match code {
        Code::ForwarderOffline | Code::TooManyRequests => {
            let wait = extra.retry_after.unwrap_or(limits::RETRY_AFTER).as_millis().div_ceil(1000).max(1);
            Some((header::RETRY_AFTER, HeaderValue::from(u64::try_from(wait).unwrap_or(u64::MAX))))
        }
        Code::Unauthorized => Some((header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE))),
        Code::SignatureInvalid => Some((header::WWW_AUTHENTICATE, HeaderValue::from_static(SIGNATURE))),
        _ => None,
    }
}

const PROBLEM: &str = "application/problem+json";
const CHALLENGE: &str = r#"Basic realm="tunnel", charset="UTF-8""#;
/// Every 401 names a scheme (RFC 9110 §15.5.2); a browser asks its user for nothing on this one.
const SIGNATURE: &str = r#"Signature realm="tunnel""#;
/// Nothing may load or run but the one style below, which is named by its hash.
const POLICY: &str = "default-src 'none'; style-src 'sha256-I2FLqjErE4wsB/nc2FU0hCmWYDozQnLpo/4nWmWSe2M='; base-uri 'none'; form-action 'none'";
/// System colours follow the visitor's light or dark setting.
const STYLE: &str = ":root{color-scheme:light dark}\
body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:12vh auto;padding:0 1rem}\
h1{font-size:1.4rem}p{overflow-wrap:anywhere}.way,small{color:GrayText}.way b{color:CanvasText}";

struct Page<'a> {
    fault: &'a Fault,
    advice: Advice,
    extra: &'a Extra,
}

impl Page<'_> {
    fn hop(&self) -> Hop {
        self.extra.hop.unwrap_or(self.advice.hop)
    }

    /// The log's id, for faults that are logged with one.
    fn id(&self) -> Option<&str> {
        self.extra.id.as_deref().filter(|_| self.fault.code == Code::Internal)
    }

    fn problem(&self) -> String {
        let code = self.fault.code;
        let mut problem = json!({
            "type": format!("urn:http-tunnel:{}", code.as_str()),
            "title": self.advice.title,
            "status": code.status().as_u16(),
            "detail": self.fault.detail,
            "code": code.as_str(),
            "hop": self.hop().as_str(),
            "hint": self.advice.hint,
        });
        if let Some(id) = self.id() {
            problem["id"] = id.into();
        }
        format!("{problem:#}\n")
    }

    fn html(&self) -> String {
        let (code, Advice { title, hint, .. }) = (self.fault.code, &self.advice);
        let (status, name, detail) = (code.status().as_u16(), code.as_str(), escape(&self.fault.detail));
        let stations = Hop::ALL.map(|hop| match (hop == self.hop(), hop.as_str()) {
            (true, name) => format!("<b>{name}</b>"),
            (false, name) => name.to_owned(),
        });
        let way = stations.join(" &rarr; ");
        let id = self.id().map(|id| format!(" &middot; id {}", escape(id))).unwrap_or_default();
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{status} {title}</title>\n\
             <style>{STYLE}</style>\n<p class=\"way\">{way}</p>\n<h1>{title}</h1>\n<p>{detail}</p>\n<p>{hint}</p>\n\
             <small>{status} {name}{id}</small>\n</html>\n"
        )
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// What a code means to a visitor.
struct Advice {
    title: &'static str,
    hop: Hop,
    hint: &'static str,
}

impl Advice {
    fn on(code: Code) -> Self {
        let (hop, title, hint) = match code {
            Code::TunnelNotFound => (
                Hop::Gate,
                "There is no such tunnel",
                "Check the address. If the tunnel is yours, start its forwarder and use the URL that it prints.",
            ),
            Code::ForwarderOffline => (
                Hop::Forwarder,
                "The tunnel is not connected at the moment",
                "Try again in a few seconds. If the tunnel is yours, see whether its forwarder runs and is online.",
            ),
            Code::ServiceUnreachable => (
                Hop::Service,
                "Nothing answers behind the tunnel",
                "If the tunnel is yours, start the service, or give the forwarder the port that it listens on.",
            ),
            Code::ServiceFailed => (
                Hop::Service,
                "The service broke off its answer",
                "Try again. If the tunnel is yours, the service's own log says more.",
            ),
            Code::ServiceTimeout => (
                Hop::Service,
                "The service did not answer in time",
                "Try again. If the tunnel is yours and the service is slow, raise the forwarder's --timeout.",
            ),
            Code::RequestTooLarge => {
                (Hop::Gate, "The request is too large", "Send less, or ask the tunnel's operator for a higher limit.")
            }
            Code::ResponseTooLarge => (
                Hop::Gate,
                "The answer is too large for this tunnel",
                "Ask for less at once, or use a tunnel that carries answers of this size.",
            ),
            Code::Unauthorized => {
                (Hop::Forwarder, "A password is needed", "Ask the tunnel's owner for the user name and the password.")
            }
            Code::SignatureInvalid => (
                Hop::Forwarder,
                "The request is not signed as it should be",
                "Sign it with the secret that the tunnel's owner knows, and send it within five minutes of signing.",
            ),
            Code::Forbidden => {
                (Hop::Forwarder, "Your address is not admitted", "Ask the tunnel's owner to admit your address.")
            }
            Code::TooManyRequests => {
                (Hop::Gate, "There are too many requests at once", "Wait a little and try again, with fewer at a time.")
            }
            Code::BadRequest => {
                (Hop::Visitor, "The request is malformed", "Correct the request; sent again as it is, it fails again.")
            }
            Code::Internal => (
                Hop::Gate,
                "Something is wrong with the tunnel itself",
                "Try again. If it stays, tell the tunnel's operator, with the id if there is one.",
            ),
        };
        Self { title, hop, hint }
    }
}

/// Whether `accept` wants HTML rather than JSON (RFC 9110 §12.5.1). Only those who say so get HTML: `*/*` is a program.
fn prefers_html(accept: Option<&HeaderValue>) -> bool {
    let Some(accept) = accept.and_then(|value| value.to_str().ok()) else { return false };
    let ranges: Vec<_> = accept.split(',').map(range).collect();
    let quality = |kind: &str, family: &str| {
        let of = |wanted: &str| ranges.iter().filter(|(name, _)| name == wanted).map(|(_, q)| *q).reduce(f32::max);
        of(kind).or_else(|| of(family)).or_else(|| of("*/*")).unwrap_or(0.0)
    };
    let json = quality(PROBLEM, "application/*").max(quality("application/json", "application/*"));
    quality("text/html", "text/*") > json
}

fn range(text: &str) -> (String, f32) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    // A weight that is none makes the range count for nothing, rather than for everything.
    let weight = weight.map_or(1.0, |q| q.trim().parse().ok().filter(|q| (0.0..=1.0).contains(q)).unwrap_or(0.0));
    (name, weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

    fn answer(code: Code, detail: &str, accept: &str, extra: &Extra) -> (Response<()>, String) {
        let accept = HeaderValue::from_str(accept).unwrap();
        let (head, body) = respond(&Fault::new(code, detail), Some(&accept), extra).into_parts();
        (Response::from_parts(head, ()), String::from_utf8(body.to_vec()).unwrap())
    }

    fn header<'a>(response: &'a Response<()>, name: &str) -> Option<&'a str> {
        response.headers().get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn html_is_for_those_who_prefer_it_and_json_for_the_rest() {
        for html in [
            BROWSER,
            "text/html",
            "text/*",
            "TEXT/HTML",
            "application/json;q=0.5, text/html;q=0.6",
            "*/*, text/html, application/*;q=0.1",
        ] {
            assert!(prefers_html(Some(&HeaderValue::from_str(html).unwrap())), "{html}");
        }
        let json = [
            "*/*",
            "application/json",
            "application/json, text/plain, */*",
            "text/html;q=0, */*",
            "text/html;q=x",
            "text/html;q=0.1,application/problem+json",
            "",
            ";;,",
            "text/html;q=0.5,*/*;q=0.5",
        ];
        for json in json {
            assert!(!prefers_html(Some(&HeaderValue::from_str(json).unwrap())), "{json}");
        }
        assert!(!prefers_html(None));
    }

    #[test]
    fn every_code_says_status_code_hop_and_what_to_do_in_both_forms() {
        for code in Code::ALL {
            let (head, body) = answer(code, "It broke.", "*/*", &Extra::default());
            assert_eq!((head.status(), header(&head, "x-tunnel-error")), (code.status(), Some(code.as_str())));
            assert_eq!(header(&head, "content-type"), Some("application/problem+json"));
            assert_eq!(header(&head, "cache-control"), Some("no-store"));
            let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(problem["status"], code.status().as_u16());
            assert_eq!(
                (problem["code"].as_str(), problem["detail"].as_str()),
                (Some(code.as_str()), Some("It broke."))
            );
            assert_eq!(problem["type"], format!("urn:http-tunnel:{}", code.as_str()));
            let (head, page) = answer(code, "It broke.", BROWSER, &Extra::default());
            assert_eq!((head.status(), header(&head, "x-tunnel-error")), (code.status(), Some(code.as_str())));
            assert_eq!(header(&head, "content-type"), Some("text/html; charset=utf-8"));
            for member in ["title", "hint", "code"] {
                assert!(page.contains(problem[member].as_str().unwrap()), "{code:?} {member}");
            }
            assert!(page.contains(&format!("<b>{}</b>", problem["hop"].as_str().unwrap())), "{code:?}");
        }
    }

    #[test]
    fn what_comes_from_outside_is_escaped() {
        let nasty = "</p><script>alert('1')</script> & \"x\" \u{0}\n";
        let (_, page) = answer(Code::BadRequest, nasty, BROWSER, &Extra::default());
        assert!(
            page.contains("&lt;/p&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;x&quot;"),
            "{page}"
        );
        let (_, body) = answer(Code::BadRequest, nasty, "*/*", &Extra::default());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&body).unwrap()["detail"], nasty);
    }

    #[test]
    fn the_page_loads_nothing_and_its_policy_admits_its_style_alone() {
        let (head, page) = answer(Code::Internal, "It broke.", BROWSER, &Extra::default());
        assert!(
            !page.contains("http:") && !page.contains("https:") && !page.contains("src=") && !page.contains("url(")
        );
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, STYLE.as_bytes());
        let source = format!("style-src 'sha256-{}'", STANDARD.encode(hash));
        let policy = header(&head, "content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains(&source), "{policy} lacks {source}");
        assert!(page.len() < 1500, "{}", page.len());
    }

    #[test]
    fn a_visitor_is_told_when_to_try_again() {
        let after = |code, wait: Option<u64>| {
            let extra = Extra { retry_after: wait.map(Duration::from_millis), ..Extra::default() };
            header(&answer(code, "", "*/*", &extra).0, "retry-after").map(str::to_owned)
        };
        assert_eq!(after(Code::ForwarderOffline, None).as_deref(), Some("5"));
        assert_eq!(after(Code::TooManyRequests, Some(1_200)).as_deref(), Some("2"));
        assert_eq!(after(Code::TooManyRequests, Some(0)).as_deref(), Some("1"));
        assert_eq!(after(Code::ServiceFailed, Some(9_000)), None);
    }

    #[test]
    fn a_missing_password_makes_a_browser_ask_for_one() {
        let (head, _) = answer(Code::Unauthorized, "", BROWSER, &Extra::default());
        assert_eq!(header(&head, "www-authenticate"), Some(r#"Basic realm="tunnel", charset="UTF-8""#));
        assert_eq!(header(&answer(Code::Forbidden, "", BROWSER, &Extra::default()).0, "www-authenticate"), None);
    }

    #[test]
    fn an_internal_fault_shows_the_id_under_which_it_was_logged() {
        let extra = Extra { id: Some("0123<b>".into()), hop: Some(Hop::Forwarder), ..Extra::default() };
        let (_, body) = answer(Code::Internal, "", "*/*", &extra);
        let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((problem["id"].as_str(), problem["hop"].as_str()), (Some("0123<b>"), Some("forwarder")));
        let (_, page) = answer(Code::Internal, "", BROWSER, &extra);
        assert!(page.contains("id 0123&lt;b&gt;") && page.contains("<b>forwarder</b>"), "{page}");
        assert!(!answer(Code::BadRequest, "", BROWSER, &extra).1.contains("0123"));
    }
}
