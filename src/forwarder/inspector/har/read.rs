//! A HAR file of any tool becomes requests that can be sent; what cannot be one is an error that names the entry.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, StatusCode, Uri};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// A request of the file, with the answer that it had.
#[derive(Clone, Debug)]
pub(in super::super) struct Entry {
    pub(in super::super) method: Method,
    pub(in super::super) target: PathAndQuery,
    pub(in super::super) headers: HeaderMap,
    pub(in super::super) body: Vec<u8>,
    pub(in super::super) websocket: bool,
    pub(in super::super) time: Duration,
    pub(in super::super) reply: Option<Reply>,
}

/// An answer, its body without content coding.
#[derive(Clone, Debug)]
pub(in super::super) struct Reply {
    pub(in super::super) status: StatusCode,
    pub(in super::super) headers: HeaderMap,
    pub(in super::super) body: Vec<u8>,
}

#[derive(Deserialize)]
struct File {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Value>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    time: f64,
    request: Request,
    response: Option<Response>,
    #[serde(rename = "_resourceType")]
    resource_type: Option<String>,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Pair>,
    #[serde(rename = "postData")]
    post_data: Option<PostData>,
}

#[derive(Deserialize)]
struct PostData {
    text: Option<String>,
    #[serde(rename = "_encoding", alias = "encoding")]
    encoding: Option<String>,
    #[serde(default)]
    params: Vec<Pair>,
}

#[derive(Deserialize)]
struct Response {
    status: u16,
    #[serde(default)]
    headers: Vec<Pair>,
    content: Option<Content>,
}

#[derive(Deserialize)]
struct Content {
    text: Option<String>,
    encoding: Option<String>,
    #[serde(rename = "_packed")]
    packed: Option<String>,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    #[serde(default)]
    value: String,
}

/// Reads a file.
///
/// # Errors
/// Says what is no HAR, or which entry is no request.
pub(in super::super) fn read(har: Value) -> Result<Vec<Entry>, String> {
    let file: File = serde_json::from_value(har).map_err(|error| format!("this is no HAR file: {error}"))?;
    let entry = |(i, value)| {
        let line = serde_json::from_value::<Line>(value).map_err(|error| error.to_string());
        line.and_then(entry).map_err(|why| format!("entry {} of the HAR file: {why}", i + 1))
    };
    file.log.entries.into_iter().enumerate().map(entry).collect()
}

fn entry(line: Line) -> Result<Entry, String> {
    let request = line.request;
    let uri: Uri =
        request.url.split('#').next().unwrap_or_default().parse().map_err(|_| "its url is none".to_owned())?;
    let target = match uri.path_and_query() {
        Some(target) if target.as_str().starts_with('/') => target.clone(),
        _ => PathAndQuery::from_static("/"),
    };
    let mut headers = headers(&request.headers);
    for name in [header::TRANSFER_ENCODING, header::CONNECTION, header::CONTENT_LENGTH] {
        headers.remove(name);
    }
    Ok(Entry {
        method: Method::from_bytes(request.method.as_bytes()).map_err(|_| "its method is none".to_owned())?,
        target,
        headers,
        body: request.post_data.map_or(Ok(Vec::new()), PostData::bytes)?,
        websocket: line.resource_type.as_deref() == Some("websocket"),
        time: Duration::try_from_secs_f64(line.time / 1000.0).unwrap_or_default(),
        reply: line.response.map(Response::reply).transpose()?.flatten(),
    })
}

/// Browsers write HTTP/2's pseudo-headers down too; they are in method and URL already.
fn headers(pairs: &[Pair]) -> HeaderMap {
    let pairs = pairs.iter().filter_map(|pair| {
        let name = HeaderName::from_bytes(pair.name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_str(&pair.value).ok()?))
    });
    pairs.collect()
}

impl PostData {
    fn bytes(self) -> Result<Vec<u8>, String> {
        match self.text {
            Some(text) => decoded(text, self.encoding.as_deref()),
            None => Ok(encoded(&self.params).into_bytes()),
        }
    }
}

fn decoded(text: String, encoding: Option<&str>) -> Result<Vec<u8>, String> {
    match encoding {
        Some("base64") => STANDARD.decode(text).map_err(|_| "its body is no base64".to_owned()),
        _ => Ok(text.into_bytes()),
    }
}

/// The fields of a form as a body.
fn encoded(params: &[Pair]) -> String {
    let encode = |text: &str| {
        let bytes = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
        bytes.to_string()
    };
    let pairs: Vec<_> = params.iter().map(|pair| format!("{}={}", encode(&pair.name), encode(&pair.value))).collect();
    pairs.join("&")
}

impl Response {
    /// `None`: there was none.
    fn reply(self) -> Result<Option<Reply>, String> {
        let Ok(status) = StatusCode::from_u16(self.status) else { return Ok(None) };
        let mut headers = headers(&self.headers);
        let content = self.content;
        if content.as_ref().is_none_or(|content| content.packed.is_none()) {
            headers.remove(header::CONTENT_ENCODING);
        }
        let text = content.and_then(|content| Some((content.text?, content.encoding)));
        let body = text.map_or(Ok(Vec::new()), |(text, encoding)| decoded(text, encoding.as_deref()))?;
        Ok(Some(Reply { status, headers, body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn one(request: &Value) -> Result<Entry, String> {
        read(json!({ "log": { "entries": [{ "request": request }] } })).map(|mut entries| entries.remove(0))
    }

    #[test]
    fn a_browsers_entry_is_read() {
        let entry = one(&json!({
            "method": "POST", "url": "https://example.com/a%20b?c=d#e",
            "headers": [{ "name": ":method", "value": "POST" }, { "name": "X-A", "value": "1" }, { "name": "x-a", "value": "2" }],
            "postData": { "mimeType": "application/x-www-form-urlencoded", "params": [{ "name": "a b", "value": "&" }] },
        }));
        let entry = entry.expect("it is an entry");
        assert_eq!((entry.method.as_str(), entry.target.as_str()), ("POST", "/a%20b?c=d"));
        assert_eq!(entry.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((entry.headers.len(), &entry.body[..]), (2, &b"a%20b=%26"[..]));
    }

    #[test]
    fn what_is_no_har_says_what_and_where() {
        assert!(read(json!({})).is_err_and(|why| why.contains("log")));
        for request in [
            json!({ "method": "GET" }),
            json!({ "method": "G T", "url": "/" }),
            json!({ "method": "GET", "url": "http://[" }),
            json!({ "method": "GET", "url": "/", "postData": { "text": "!", "_encoding": "base64" } }),
        ] {
            assert!(one(&request).is_err_and(|why| why.starts_with("entry 1 ")), "{request}");
        }
    }
}
