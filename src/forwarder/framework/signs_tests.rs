//! The answers are recorded ones: where nothing else is said, from the versions that `tests/setup` installs, in November
//! 2026. Values of cookies are shortened.

use super::*;
use crate::forwarder::framework::Answer;
use http::{HeaderValue, StatusCode};

/// Rails 6.1.7 on Puma 5.6.
const RAILS: &str = "200\nX-Frame-Options: SAMEORIGIN\nX-XSS-Protection: 1; mode=block\nX-Content-Type-Options: nosniff\n\
    Content-Type: text/html; charset=utf-8\nETag: W/\"c3bcc3ff05f02bc07622389b40fd8565\"\n\
    Set-Cookie: _app_session=EB%2BuXBrL5Pq2BaCZ; path=/; HttpOnly; SameSite=Lax\n\
    X-Request-Id: 6de1028f-6eef-48e0-a170-f484b779a3a8\nX-Runtime: 0.031";
/// `php artisan serve`, PHP 7.4, as `curl -I` showed it in a public write-up of 2021.
const LARAVEL_8: &str = "200\nHost: 127.0.0.1:8000\nConnection: close\nX-Powered-By: PHP/7.4.18\n\
    Content-Type: text/html; charset=UTF-8\nCache-Control: no-cache, private\n\
    Set-Cookie: XSRF-TOKEN=eyJpdiI6Im5QaytzNHJqUkMwb1NC; Max-Age=7200; path=/; samesite=lax\n\
    Set-Cookie: laravel_session=eyJpdiI6IjhUbXZ2UXNnNm5U; Max-Age=7200; path=/; httponly; samesite=lax";
/// The same, PHP 8.5, from a public log of 2026: the session is named after the application.
const LARAVEL_12: &str = "200\nHost: 127.0.0.1:8000\nConnection: close\nX-Powered-By: PHP/8.5.1\n\
    Cache-Control: no-cache, private\nContent-Type: text/html; charset=utf-8\nVary: X-Inertia\n\
    Set-Cookie: XSRF-TOKEN=eyJpdiI6InRBMDhidTB0dUdOaTdi; Max-Age=7200; path=/; samesite=lax\n\
    Set-Cookie: shop-session=eyJpdiI6Im9aRTF1WUtFWnVX; Max-Age=7200; path=/; httponly; samesite=lax";
const NEXT: &str = "200\nVary: rsc, next-router-state-tree, next-router-prefetch, Accept-Encoding\n\
    Cache-Control: no-store\nX-Powered-By: Next.js\nContent-Type: text/html; charset=utf-8";
/// Next.js answers a failed server action without its name.
const NEXT_ACTION: &str = "500\nvary: rsc, next-router-state-tree, next-router-prefetch\ncache-control: no-store\n\
    content-type: text/x-component";
const DJANGO: &str = "200\nServer: WSGIServer/0.2 CPython/3.11.7\nContent-Type: text/html; charset=utf-8\n\
    X-Frame-Options: DENY\nX-Content-Type-Options: nosniff\nReferrer-Policy: same-origin\n\
    Cross-Origin-Opener-Policy: same-origin\nSet-Cookie:  csrftoken=0tjWF4wzFlQwbXmivryDC9bT; Path=/; SameSite=Lax";
const DJANGO_404: &str = "404\nServer: WSGIServer/0.2 CPython/3.11.7\nContent-Type: text/html; charset=utf-8\n\
    X-Content-Type-Options: nosniff\nReferrer-Policy: same-origin\nCross-Origin-Opener-Policy: same-origin";
/// Compressed as it is for every browser; the address of live reload stands in the script.
const WEBPACK: &str = "200\nX-Powered-By: Express\nCross-Origin-Resource-Policy: same-origin\nAccept-Ranges: bytes\n\
    Content-Type: text/html; charset=UTF-8\nContent-Encoding: gzip\nVary: Accept-Encoding";
const HTML: &str = "200\nContent-Type: text/html";
const SCRIPT: &str = "200\nContent-Type: text/javascript; charset=utf-8";
const VITE_PAGE: &str =
    "<!doctype html>\n<html lang=\"en\">\n  <head>\n    <script type=\"module\" src=\"/@vite/client\"></script>\n";
const WEBPACK_SCRIPT: &str = "\"../node_modules/webpack-dev-server/client/index.js?protocol=ws%3A&hostname=0.0.0.0&port=8080\
    &pathname=%2Fws&logging=info&overlay=true&reconnect=10&hot=true&live-reload=true\":";

fn head(text: &str) -> (StatusCode, HeaderMap) {
    let mut lines = text.lines();
    let status = lines.next().and_then(|line| line.parse().ok()).expect("a status");
    let fields = lines.map(|line| line.split_once(": ").expect("a field"));
    let named = |(name, value): (&str, &str)| {
        (name.parse::<HeaderName>().expect("a name"), HeaderValue::from_str(value).expect("a value"))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in fields.map(named) {
        headers.append(name, value);
    }
    (status, headers)
}

fn recognised(text: &str, body: &str) -> Option<Framework> {
    let (status, headers) = head(text);
    recognise(&Answer { target: "/", status, headers: &headers, body: body.as_bytes() })
}

fn around(told: &str) -> Surroundings {
    let public = "https://app.tunnel.test".parse().expect("a URL");
    Surroundings { own: "localhost:3000".to_owned(), told: told.to_owned(), public }
}

fn troubled(text: &str, target: &str, body: &str, known: Option<Framework>) -> Option<(Framework, Trouble)> {
    let (status, headers) = head(text);
    let answer = Answer { target, status, headers: &headers, body: body.as_bytes() };
    trouble(&answer, known, &around("localhost:3000"))
}

#[test]
fn each_dev_server_is_known_by_its_answer() {
    for (text, body, expected) in [
        (RAILS, "", Framework::Rails),
        (LARAVEL_8, "", Framework::Laravel),
        (LARAVEL_12, "", Framework::Laravel),
        (NEXT, "", Framework::Next),
        (NEXT_ACTION, "", Framework::Next),
        (DJANGO, "", Framework::Django),
        (DJANGO_404, "", Framework::Django),
        (HTML, VITE_PAGE, Framework::Vite),
        (WEBPACK, "", Framework::Webpack),
        (SCRIPT, WEBPACK_SCRIPT, Framework::Webpack),
    ] {
        assert_eq!(recognised(text, body), Some(expected), "{text}");
    }
}

#[test]
fn what_others_answer_is_not_taken_for_a_dev_servers() {
    for (text, body) in [
        ("200\nServer: WSGIServer/0.2 CPython/3.11.7\nContent-Type: text/html", "<h1>Bottle</h1>"),
        ("200\nServer: Werkzeug/3.1.9 Python/3.11.7\nContent-Type: text/html", "Flask"),
        ("200\nCross-Origin-Resource-Policy: same-origin\nContent-Type: text/html", "Express with helmet"),
        ("200\nX-Powered-By: Express\nX-Request-Id: 1\nContent-Type: text/html", "Express"),
        ("200\nX-Runtime: 0.01", "some other rack"),
        // Spring Security's, which is no encrypted JSON.
        ("200\nSet-Cookie: XSRF-TOKEN=6b2b1ed2-3a5c-4b7e-9f4c-2f9e1d1c7a10; Path=/", ""),
        (SCRIPT, "// see /@vite/client"),
        (HTML, "<p>webpack-dev-server/client/index.js?</p>"),
        ("200\nContent-Type: text/html\nContent-Encoding: gzip", VITE_PAGE),
        ("304", ""),
    ] {
        assert_eq!(recognised(text, body), None, "{text} {body}");
    }
}

#[test]
fn each_refusal_is_known() {
    let blocked = "403\nContent-Type: text/html; charset=UTF-8";
    let rails_8 = "<header>\n  <h1>Blocked hosts: app.tunnel.test</h1>\n</header>\n<main>\n<pre>config.hosts &lt;&lt; \"app.tunnel.test\"</pre>";
    let csrf = "<h1>Forbidden</h1><p>CSRF verification failed. Request aborted.</p>\
                <pre>Origin checking failed - https://app.tunnel.test does not match any trusted origins.</pre>";
    let vite = "Blocked request. This host (\"app.tunnel.test\") is not allowed.\nTo allow this host, add";
    for (text, target, body, expected) in [
        ("403\nContent-Type: text/plain", "/", vite, (Framework::Vite, Trouble::Host)),
        ("403\nX-Powered-By: Express", "/", "Invalid Host header", (Framework::Webpack, Trouble::Host)),
        ("403", "/_next/static/chunks/main.js", "Unauthorized", (Framework::Next, Trouble::LiveReload)),
        (NEXT_ACTION, "/", "1:E{\"message\":\"Invalid Server Actions request.\"}", (Framework::Next, Trouble::Form)),
        (blocked, "/", rails_8, (Framework::Rails, Trouble::Host)),
        ("400", "/", "<title>DisallowedHost\n          at /login/</title>", (Framework::Django, Trouble::Host)),
        ("403", "/login/", csrf, (Framework::Django, Trouble::Form)),
    ] {
        assert_eq!(troubled(text, target, body, None), Some(expected), "{body}");
    }
}

#[test]
fn an_applications_own_refusals_are_not_taken_for_those() {
    for (text, target, body) in [
        ("403", "/admin", "Unauthorized"),
        ("403", "/", "Invalid Host header, or so the page says"),
        ("403", "/", "This article is about \"Blocked request. This host (\""),
        ("200", "/", "CSRF verification failed. Origin checking failed - why?"),
        ("403", "/", "CSRF verification failed. Request aborted."),
        ("401", "/", "DisallowedHost"),
    ] {
        assert_eq!(troubled(text, target, body, None), None, "{body}");
    }
}

#[test]
fn webpacks_page_is_in_trouble_unless_it_looks_where_it_came_from() {
    let script = |query: &str| format!("\"webpack-dev-server/client/index.js?protocol=ws%3A&{query}&pathname=%2Fws\"");
    let trouble_of = |query: &str| match troubled(SCRIPT, "/main.js", &script(query), Some(Framework::Webpack)) {
        Some((_, Trouble::Socket(address))) => Some(address),
        None => None,
        other => panic!("{other:?}"),
    };
    assert_eq!(trouble_of("hostname=0.0.0.0&port=8080").as_deref(), Some("the page's host:8080"));
    assert_eq!(trouble_of("hostname=127.0.0.1&port=8080").as_deref(), Some("127.0.0.1:8080"));
    assert_eq!(trouble_of("hostname=localhost&port=3000").as_deref(), Some("localhost:3000"));
    assert_eq!(trouble_of("hostname=0.0.0.0&port=0"), None);
    assert_eq!(trouble_of("username=&password=&hostname=0.0.0.0&port="), None);
    assert_eq!(trouble_of("hostname=0.0.0.0&port=443"), None, "the tunnel's own port");
    assert_eq!(trouble_of("hostname=app.tunnel.test&port=443"), None);
}

#[test]
fn laravels_page_is_in_trouble_when_it_links_past_the_tunnel() {
    let page = "<link rel=\"stylesheet\" href=\"http://localhost:3000/css/app.css\">";
    let expected = Some((Framework::Laravel, Trouble::Links("http://localhost:3000".to_owned())));
    assert_eq!(troubled(LARAVEL_12, "/", page, Some(Framework::Laravel)), expected);
    let public = page.replace("http://localhost:3000", "https://app.tunnel.test");
    assert_eq!(troubled(LARAVEL_12, "/", &public, Some(Framework::Laravel)), None);
    assert_eq!(troubled(HTML, "/", page, None), None, "another service's page");
}

#[test]
fn no_answer_makes_it_panic() {
    let (_, headers) = head(NEXT);
    for body in [&b""[..], b"Blocked", &[0xff; 64], b"webpack-dev-server/client/index.js?"] {
        for status in [200, 400, 403, 500, 304] {
            let status = StatusCode::from_u16(status).expect("a status");
            let answer = Answer { target: "", status, headers: &headers, body };
            let known = recognise(&answer);
            assert!(trouble(&answer, known, &around("")).is_none_or(|(framework, _)| framework == Framework::Webpack));
        }
    }
}
