//! The page is a few files inside the program; nothing is fetched from elsewhere.

use super::api::{Answer, full};
use bytes::Bytes;
use http::HeaderValue;
use http::header;
use http::{Response, StatusCode};

const FILES: [(&str, &str, &str); 9] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
    ("/app.js", "text/javascript; charset=utf-8", include_str!("page/app.js")),
    ("/body.js", "text/javascript; charset=utf-8", include_str!("page/body.js")),
    ("/details.js", "text/javascript; charset=utf-8", include_str!("page/details.js")),
    ("/diff.js", "text/javascript; charset=utf-8", include_str!("page/diff.js")),
    ("/dom.js", "text/javascript; charset=utf-8", include_str!("page/dom.js")),
    ("/list.js", "text/javascript; charset=utf-8", include_str!("page/list.js")),
    ("/replay.js", "text/javascript; charset=utf-8", include_str!("page/replay.js")),
];

/// The file at `path`.
pub(super) fn file(path: &str) -> Option<Response<Answer>> {
    let (_, kind, text) = FILES.iter().find(|(name, ..)| *name == path)?;
    let mut answer = full(StatusCode::OK, Bytes::from_static(text.as_bytes()));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    Some(answer)
}
