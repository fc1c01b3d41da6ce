//! The events that the gateway hands to the function, in the shapes of recorded ones.

use crate::serverless::unique;
use serde_json::{Map, Value, json};
use std::time::SystemTime;

/// Who called, where and when.
#[derive(Clone, Debug)]
pub struct Link {
    pub connection_id: String,
    pub connected_at: u64,
    pub api_id: String,
    pub stage: String,
    /// The host that the forwarder used, without a port.
    pub domain: String,
    pub source: String,
    pub agent: Option<String>,
}

pub fn epoch_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    since.as_millis() as u64
}

/// Year, month from 0, day from 1, and the seconds of that day, in UTC.
fn civil(epoch_ms: u64) -> (u64, usize, u64, u64) {
    let seconds = epoch_ms / 1000;
    let mut days = seconds / 86_400;
    let leap = |year: u64| u64::from(year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)));
    let mut year = 1970;
    while days >= 365 + leap(year) {
        days -= 365 + leap(year);
        year += 1;
    }
    let lengths = [31, 28 + leap(year), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month, days + 1, seconds % 86_400)
}

/// `22/Nov/2026:17:16:00 +0000`
pub fn clf_time(epoch_ms: u64) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (year, month, day, time) = civil(epoch_ms);
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{day:02}/{}/{year}:{hour:02}:{minute:02}:{second:02} +0000", MONTHS[month])
}

/// `2026-11-22T17:16:00.250Z`
pub fn iso_time(epoch_ms: u64) -> String {
    let (year, month, day, time) = civil(epoch_ms);
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", month + 1, epoch_ms % 1000)
}

impl Link {
    fn context(&self, route: &str, event_type: &str) -> Map<String, Value> {
        let now = epoch_ms();
        let id = format!("{}=", unique());
        let mut identity = json!({"sourceIp": self.source});
        if let Some(agent) = &self.agent {
            identity["userAgent"] = json!(agent);
        }
        let Value::Object(context) = json!({
            "routeKey": route, "eventType": event_type, "extendedRequestId": id, "requestTime": clf_time(now),
            "messageDirection": "IN", "stage": self.stage, "connectedAt": self.connected_at, "requestTimeEpoch": now,
            "identity": identity, "requestId": id, "domainName": self.domain, "connectionId": self.connection_id,
            "apiId": self.api_id,
        }) else {
            unreachable!("it is an object")
        };
        context
    }

    /// The handshake: its header names as the client wrote them, and its query string.
    pub fn connect(&self, headers: &[(String, String)], query: &str) -> Value {
        let mut all = headers.to_vec();
        all.extend([
            ("X-Amzn-Trace-Id".to_owned(), crate::serverless::trace()),
            ("X-Forwarded-For".to_owned(), self.source.clone()),
            ("X-Forwarded-Port".to_owned(), "443".to_owned()),
            ("X-Forwarded-Proto".to_owned(), "https".to_owned()),
        ]);
        let (single, multi) = both(&all);
        let mut event = json!({
            "headers": single, "multiValueHeaders": multi, "requestContext": self.context("$connect", "CONNECT"),
            "isBase64Encoded": false,
        });
        if !query.is_empty() {
            let (single, multi) = both(&pairs(query));
            event["queryStringParameters"] = single;
            event["multiValueQueryStringParameters"] = multi;
        }
        event
    }

    pub fn message(&self, route: &str, text: &str) -> Value {
        let mut context = self.context(route, "MESSAGE");
        context.insert("messageId".to_owned(), json!(format!("{}=", unique())));
        json!({"requestContext": context, "body": text, "isBase64Encoded": false})
    }

    pub fn disconnect(&self, status: u16, reason: &str) -> Value {
        let headers = ["Host", "x-api-key", "X-Forwarded-For", "x-restapi"].map(|name| {
            let value = if name == "Host" { self.domain.as_str() } else { "" };
            (name.to_owned(), value.to_owned())
        });
        let (single, multi) = both(&headers);
        let mut context = self.context("$disconnect", "DISCONNECT");
        context.insert("disconnectStatusCode".to_owned(), json!(status));
        context.insert("disconnectReason".to_owned(), json!(reason));
        json!({"headers": single, "multiValueHeaders": multi, "requestContext": context, "isBase64Encoded": false})
    }
}

/// Name to last value, and name to all values.
pub fn both(lines: &[(String, String)]) -> (Value, Value) {
    let (mut single, mut multi) = (Map::new(), Map::new());
    for (name, value) in lines {
        single.insert(name.clone(), json!(value));
        match multi.entry(name.clone()).or_insert_with(|| json!([])) {
            Value::Array(values) => values.push(json!(value)),
            _ => unreachable!("only lists are put in"),
        }
    }
    (Value::Object(single), Value::Object(multi))
}

/// A query string's pairs, decoded.
pub fn pairs(query: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| decode(&text.replace('+', " "));
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

pub fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// A visitor's request on its way into an event.
pub struct Visit {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub source: String,
}

/// Which door a request came through.
pub struct Door<'a> {
    pub api_id: &'a str,
    pub stage: &'a str,
    /// HTTP APIs decode the path, Function URLs do not.
    pub decodes_path: bool,
}

impl Visit {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub fn host(&self) -> &str {
        let host = self.header("host").unwrap_or_default();
        host.rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
            .map_or(host, |(host, _)| host)
    }

    /// Payload format 2.0.
    pub fn version_2(&self, door: &Door<'_>) -> Value {
        let now = epoch_ms();
        let path = if door.decodes_path {
            // A decoded `?` cuts the path.
            decode(&self.path).split('?').next().unwrap_or_default().to_owned()
        } else {
            self.path.clone()
        };
        let domain = match door.decodes_path {
            true => self.host().to_owned(),
            // Visitors reach the stand-in by its port; the platform knows the URL by its one name.
            false => format!("{}.lambda-url.{}.on.aws", door.api_id, crate::serverless::program::REGION),
        };
        let mut event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": self.query,
            "headers": self.joined(), "isBase64Encoded": false,
            "requestContext": {
                "accountId": crate::serverless::program::ACCOUNT, "apiId": door.api_id, "domainName": domain,
                "domainPrefix": domain.split('.').next(),
                "http": {"method": self.method, "path": path, "protocol": "HTTP/1.1", "sourceIp": self.source,
                         "userAgent": self.header("user-agent").unwrap_or_default()},
                "requestId": format!("{}=", unique()), "routeKey": "$default", "stage": door.stage,
                "time": clf_time(now), "timeEpoch": now,
            },
        });
        let cookies: Vec<&str> =
            self.headers.iter().filter(|(name, _)| name == "cookie").flat_map(|(_, value)| value.split("; ")).collect();
        if !cookies.is_empty() {
            event["cookies"] = json!(cookies);
        }
        if !self.query.is_empty() {
            event["queryStringParameters"] = joined(pairs(&self.query).into_iter());
        }
        if !self.body.is_empty() {
            let (body, encoded) = super::body::encode(&self.body, self);
            event["body"] = json!(body);
            event["isBase64Encoded"] = json!(encoded);
        }
        event
    }

    /// Payload format 1.0, of a REST API that takes every type for binary.
    pub fn version_1(&self, api_id: &str, stage: &str) -> Value {
        let now = epoch_ms();
        let (headers, multi_headers) = both(&self.headers);
        let mut event = json!({
            "resource": "/{proxy+}", "path": self.path, "httpMethod": self.method,
            "headers": headers, "multiValueHeaders": multi_headers,
            "queryStringParameters": null, "multiValueQueryStringParameters": null,
            "pathParameters": {"proxy": self.path.trim_start_matches('/')}, "stageVariables": null,
            "requestContext": {
                "accountId": crate::serverless::program::ACCOUNT, "apiId": api_id, "domainName": self.host(),
                "domainPrefix": self.host().split('.').next(), "extendedRequestId": unique(), "httpMethod": self.method,
                "identity": {"sourceIp": self.source, "userAgent": self.header("user-agent")},
                "path": format!("/{stage}{}", self.path), "protocol": "HTTP/1.1", "requestId": unique(),
                "requestTime": clf_time(now), "requestTimeEpoch": now, "resourceId": "proxy",
                "resourcePath": "/{proxy+}", "stage": stage,
            },
            "body": null, "isBase64Encoded": false,
        });
        if !self.query.is_empty() {
            let (single, multi) = both(&pairs(&self.query));
            event["queryStringParameters"] = single;
            event["multiValueQueryStringParameters"] = multi;
        }
        if !self.body.is_empty() {
            event["body"] = json!(super::body::base64(&self.body));
            event["isBase64Encoded"] = json!(true);
        }
        event
    }

    fn joined(&self) -> Value {
        joined(self.headers.iter().filter(|(name, _)| name != "cookie").cloned())
    }
}

/// Repeated names become one, their values joined by commas.
fn joined(lines: impl Iterator<Item = (String, String)>) -> Value {
    let mut out = Map::new();
    for (name, value) in lines {
        match out.get_mut(&name) {
            Some(Value::String(earlier)) => *earlier = format!("{earlier},{value}"),
            _ => _ = out.insert(name, json!(value)),
        }
    }
    Value::Object(out)
}
