//! The two encodings, written from their definition: messages are JSON values here, whichever way they travel.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Text,
    Binary,
}

pub const BOTH: [Encoding; 2] = [Encoding::Text, Encoding::Binary];

impl Encoding {
    pub fn subprotocol(self) -> &'static str {
        match self {
            Self::Text => "tunnel.v1.json",
            Self::Binary => "tunnel.v1.bin",
        }
    }
}

pub fn id(n: u64) -> String {
    format!("{n:016x}")
}

/// The body bytes of a message.
pub fn body(message: &Value) -> Vec<u8> {
    match (&message["text"], &message["data"]) {
        (Value::String(text), _) => text.clone().into_bytes(),
        (_, Value::String(data)) => STANDARD.decode(data).expect("data is base64"),
        _ => Vec::new(),
    }
}

/// A message's body field for these bytes.
pub fn data(bytes: &[u8]) -> Value {
    json!(STANDARD.encode(bytes))
}

/// The value of a header in a message's head.
pub fn header<'a>(message: &'a Value, name: &str) -> Option<&'a str> {
    let lines = message["headers"].as_array()?;
    lines.iter().find(|line| line[0] == name).and_then(|line| line[1].as_str())
}

pub fn to_binary(message: &Value) -> Vec<u8> {
    let kind = message["kind"].as_str().expect("a message has a kind");
    let number = match kind {
        "ping" => return vec![2],
        "pong" => return vec![3],
        "open" => 4,
        "answer" => 5,
        "part" => 6,
        "abort" => 7,
        "cancel" => 8,
        "credit" => 9,
        "message" => 10,
        "close" => 11,
        _ => return [&[1], message.to_string().as_bytes()].concat(),
    };
    let mut out = vec![number];
    let id = u64::from_str_radix(message["id"].as_str().expect("an id"), 16).expect("an id is hex");
    out.extend(id.to_be_bytes());
    let n = message["n"].as_u64().unwrap_or_default() as u32;
    let end = u8::from(message["end"] == true);
    let reason = message["reason"].as_str().unwrap_or_default().as_bytes();
    match kind {
        "open" | "answer" => {
            let head = if kind == "open" { request_head(message) } else { response_head(message) };
            out.push(end);
            out.extend((head.len() as u32).to_be_bytes());
            out.extend(head);
            out.extend(body(message));
        }
        "part" => {
            out.extend(n.to_be_bytes());
            out.push(end);
            out.extend(body(message));
        }
        "abort" => out.extend(reason),
        "credit" => out.extend((message["credit"].as_u64().expect("credit") as u32).to_be_bytes()),
        "message" => {
            out.extend(n.to_be_bytes());
            out.push(u8::from(message["binary"] == true) | u8::from(message["more"] == true) << 1);
            out.extend(body(message));
        }
        "close" => {
            out.extend(n.to_be_bytes());
            out.extend((message["code"].as_u64().expect("code") as u16).to_be_bytes());
            out.extend(reason);
        }
        _ => {}
    }
    out
}

fn request_head(message: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put_short(&mut out, message["method"].as_str().unwrap_or_default());
    put_long(&mut out, message["target"].as_str().unwrap_or_default());
    put_short(&mut out, message["from"].as_str().unwrap_or_default());
    out.push(u8::from(message["websocket"] == true));
    put_headers(&mut out, message);
    out
}

fn response_head(message: &Value) -> Vec<u8> {
    let mut out = (message["status"].as_u64().expect("status") as u16).to_be_bytes().to_vec();
    put_headers(&mut out, message);
    out
}

fn put_headers(out: &mut Vec<u8>, message: &Value) {
    let none = Vec::new();
    let lines = message["headers"].as_array().unwrap_or(&none);
    out.extend((lines.len() as u16).to_be_bytes());
    for line in lines {
        put_short(out, line[0].as_str().expect("a name"));
        put_long(out, line[1].as_str().expect("a value"));
    }
}

fn put_short(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u16).to_be_bytes());
    out.extend(text.as_bytes());
}

fn put_long(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u32).to_be_bytes());
    out.extend(text.as_bytes());
}

/// Takes fields off the front of a binary message.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, size: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(size);
        self.0 = rest;
        taken
    }

    fn number(&mut self, size: usize) -> u64 {
        self.take(size).iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn short(&mut self) -> String {
        let size = self.number(2) as usize;
        String::from_utf8(self.take(size).to_vec()).expect("text")
    }

    fn long(&mut self) -> String {
        let size = self.number(4) as usize;
        String::from_utf8_lossy(self.take(size)).into_owned()
    }

    fn headers(&mut self) -> Value {
        let count = self.number(2);
        (0..count).map(|_| json!([self.short(), self.long()])).collect()
    }

    fn rest(&mut self) -> Value {
        data(self.take(self.0.len()))
    }

    fn text(&mut self) -> Value {
        json!(std::str::from_utf8(self.take(self.0.len())).expect("text"))
    }
}

pub fn from_binary(bytes: &[u8]) -> Value {
    let mut fields = Fields(bytes);
    let kind = fields.number(1);
    match kind {
        1 => return serde_json::from_slice(fields.0).expect("JSON behind the kind byte"),
        2 => return json!({"kind": "ping"}),
        3 => return json!({"kind": "pong"}),
        _ => {}
    }
    let id = id(fields.number(8));
    match kind {
        4 | 5 => {
            let end = fields.number(1) & 1 == 1;
            let length = fields.number(4) as usize;
            let mut head = Fields(fields.take(length));
            let mut message = json!({"id": id, "end": end});
            if kind == 4 {
                message["kind"] = json!("open");
                message["method"] = json!(head.short());
                message["target"] = json!(head.long());
                message["from"] = json!(head.short());
                message["websocket"] = json!(head.number(1) & 1 == 1);
            } else {
                message["kind"] = json!("answer");
                message["status"] = json!(head.number(2));
            }
            message["headers"] = head.headers();
            message["data"] = fields.rest();
            message
        }
        6 => {
            json!({"kind": "part", "id": id, "n": fields.number(4), "end": fields.number(1) & 1 == 1, "data": fields.rest()})
        }
        7 => json!({"kind": "abort", "id": id, "reason": fields.text()}),
        8 => json!({"kind": "cancel", "id": id}),
        9 => json!({"kind": "credit", "id": id, "credit": fields.number(4)}),
        10 => {
            let n = fields.number(4);
            let flags = fields.number(1);
            json!({"kind": "message", "id": id, "n": n, "binary": flags & 1 == 1, "more": flags & 2 == 2, "data": fields.rest()})
        }
        11 => {
            json!({"kind": "close", "id": id, "n": fields.number(4), "code": fields.number(2), "reason": fields.text()})
        }
        other => panic!("kind {other} is none that is defined"),
    }
}
