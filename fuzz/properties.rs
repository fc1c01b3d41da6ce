//! What holds for any bytes whatever; called by the fuzz targets, and by `tests/corpus.rs` with the committed corpus.

#![allow(dead_code, unreachable_pub, reason = "each fuzz target calls one of them")]

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http_tunnel::body::Assembly;
use http_tunnel::gate::route::{self, PublicUrl};
use http_tunnel::head::{self, Visitor, forwarded};
use http_tunnel::limits;
use http_tunnel::wire::{self, Encoded, Encoding, Message, ToForwarder, ToGate, WireError};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr};

/// Messages up to this size fit both encodings, whatever is escaped.
const FITS_BOTH: usize = 16 * limits::KIB;

/// The first byte chooses the encoding, the rest is a message.
pub fn wire_to_gate(data: &[u8]) {
    let Some(message) = decoded::<ToGate>(data) else { return };
    survives(&message, data.len());
    if let ToGate::Answer(id, head, mut body) = message {
        for encoding in Encoding::ALL {
            let room = encoding.beside(&head.headers, 0);
            body.bytes = Bytes::from(vec![0xff; room]);
            fits(&ToGate::Answer(id, head.clone(), body.clone()), room, encoding);
        }
    }
}

/// The first byte chooses the encoding, the rest is a message.
pub fn wire_to_forwarder(data: &[u8]) {
    let Some(message) = decoded::<ToForwarder>(data) else { return };
    survives(&message, data.len());
    if let ToForwarder::Open(id, head, mut body) = message {
        for encoding in Encoding::ALL {
            let room = encoding.beside(&head.headers, head.target.as_str().len() + head.method.as_str().len());
            body.bytes = Bytes::from(vec![0xff; room]);
            fits(&ToForwarder::Open(id, head.clone(), body.clone()), room, encoding);
        }
    }
}

fn decoded<M: Message>(data: &[u8]) -> Option<M> {
    let (&choice, message) = data.split_first()?;
    let message = match choice % 2 {
        0 => M::decode_binary(Bytes::copy_from_slice(message)),
        _ => M::decode_text(std::str::from_utf8(message).ok()?),
    };
    message.ok().flatten()
}

fn again<M: Message>(encoded: &Encoded) -> Result<Option<M>, WireError> {
    match encoded {
        Encoded::Text(text) => M::decode_text(text),
        Encoded::Binary(bytes) => M::decode_binary(bytes.clone()),
    }
}

fn survives<M: Message + PartialEq + Debug>(message: &M, size: usize) {
    if size > FITS_BOTH {
        return;
    }
    for encoding in Encoding::ALL {
        let encoded = message.encode(encoding);
        let decoded = again::<M>(&encoded);
        assert!(
            decoded.as_ref().is_ok_and(|decoded| decoded.as_ref() == Some(message)),
            "{message:?} became {decoded:?}"
        );
        if let Encoded::Text(text) = &encoded {
            let frames: Vec<&str> = wire::frames(text).collect();
            assert!(frames.iter().all(|frame| frame.len() <= limits::TEXT_FRAME));
            assert_eq!(&frames.concat(), text);
        }
    }
}

fn fits<M: Message>(message: &M, room: usize, encoding: Encoding) {
    let size = message.encode(encoding).len();
    assert!(room == 0 || size <= encoding.message(), "{size} bytes in {encoding:?}, {room} of them body");
}

/// Most bytes that may wait in the assemblies here; small, so that the bound is met.
const MOST: usize = 40;

/// Two bytes a step: a number close to the next one with the mark of the end, and a size; or a pop.
pub fn assembly(data: &[u8]) {
    let Some((&first, steps)) = data.split_first() else { return };
    let first = if first == 255 { u32::MAX - 3 } else { u32::from(first) };
    let mut assembly = Assembly::new(first, MOST);
    let mut model = Model { next: first, last: None, waiting: BTreeMap::new() };
    for (step, pair) in steps.chunks_exact(2).enumerate() {
        if pair[0] & 0x80 != 0 {
            assert_eq!(assembly.pop(), model.pop());
        } else {
            let n = model.next.saturating_add(u32::from(pair[0] & 0x0f)).saturating_sub(3);
            let (end, size) = (pair[0] & 0x40 != 0, usize::from(pair[1] & 0x1f));
            let before = format!("{assembly:?}");
            let taken = assembly.push(n, end, size, (step, size)).is_ok();
            assert_eq!(taken, model.push(n, end, size, step), "step {step}: {n} {end} {size} to {before}");
            assert!(taken || format!("{assembly:?}") == before, "what is refused changes nothing");
        }
        assert_eq!(assembly.is_complete(), model.last.is_some_and(|last| model.next > last));
    }
    while let Some(item) = model.pop() {
        assert_eq!(assembly.pop(), Some(item));
    }
    assert_eq!(assembly.pop(), None);
}

/// An assembly that keeps a plain list and asks it every time.
struct Model {
    next: u32,
    last: Option<u32>,
    waiting: BTreeMap<u32, (usize, usize)>,
}

impl Model {
    fn push(&mut self, n: u32, end: bool, size: usize, step: usize) -> bool {
        let is_known = n < self.next || self.waiting.contains_key(&n);
        let contradicts = match self.last {
            Some(last) => n > last || (end && n != last),
            None => end && !is_known && self.waiting.keys().any(|&waiting| waiting > n),
        };
        let bytes: usize = self.waiting.values().map(|(_, size)| size).sum();
        let over = !is_known && n != self.next && bytes + size > MOST;
        if contradicts || over {
            return false;
        }
        if !is_known {
            self.waiting.insert(n, (step, size));
            self.last = self.last.or(end.then_some(n));
        }
        true
    }

    fn pop(&mut self) -> Option<(usize, usize)> {
        let item = self.waiting.remove(&self.next)?;
        self.next = self.next.saturating_add(1);
        Some(item)
    }
}

/// Lines: flags, host, target, then headers of a request; behind an empty line those of an answer.
pub fn head(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let flags = lines.next().and_then(|line| line.first().copied()).unwrap_or_default();
    let host = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let Ok(target) = PathAndQuery::try_from(lines.next().unwrap_or_default()) else { return };
    if target != "*" && !target.as_str().starts_with('/') {
        return; // The gate lets no other target in.
    }
    let mut request = HeaderMap::new();
    let mut answer = HeaderMap::new();
    let mut behind = false;
    for line in lines {
        behind |= line.is_empty();
        let map = if behind { &mut answer } else { &mut request };
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(&line[colon + 1..]));
        if let (Ok(name), Ok(value)) = (name, value) {
            map.append(name, value);
        }
    }
    request_rules(&mut request, &host, flags);
    for url in ["http://{tunnel}.tunnel.test:8080", "https://tunnel.test/{tunnel}", "http://tunnel.test/a/{tunnel}"] {
        route_rules(&url.parse().expect("a public URL"), &host, &target, &request, &answer);
    }
}

fn request_rules(headers: &mut HeaderMap, host: &str, flags: u8) {
    let kept = headers.get_all(header::CONTENT_LENGTH).iter().count();
    head::strip_hop_by_hop(headers);
    for name in [header::CONNECTION, header::TE, header::TRANSFER_ENCODING, header::UPGRADE, header::TRAILER] {
        assert!(!headers.contains_key(&name), "{name} is left");
    }
    assert_eq!(headers.get_all(header::CONTENT_LENGTH).iter().count(), kept, "Content-Length is end to end");
    let once = headers.clone();
    head::strip_hop_by_hop(headers);
    assert_eq!(*headers, once, "stripping twice is stripping once");

    let address = (flags & 1 != 0).then_some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)));
    let visitor = Visitor { address, secure: flags & 2 != 0, trusted_proxy: flags & 4 != 0 };
    let prefix = (flags & 8 != 0).then_some("/name");
    let from = head::set_forwarded(headers, &visitor, host, prefix);
    sound(headers);
    if !visitor.trusted_proxy {
        let only = |name: HeaderName| {
            let values: Vec<_> = headers.get_all(name).iter().collect();
            assert!(values.len() <= 1, "{values:?}");
            values.first().and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        assert_eq!(from, address);
        assert_eq!(only(forwarded::FOR), address.map(|address| address.to_string()));
        assert_eq!(only(forwarded::PROTO).as_deref(), Some(if visitor.secure { "https" } else { "http" }));
        assert_eq!(only(forwarded::PREFIX).as_deref(), prefix);
        assert!(only(forwarded::HOST).is_none_or(|told| told == host));
        assert!(!headers.contains_key(header::FORWARDED));
    }
}

fn route_rules(url: &PublicUrl, host: &str, target: &PathAndQuery, request: &HeaderMap, answer: &HeaderMap) {
    let sole = "sole".parse().ok();
    let Ok(candidates) = url.candidates(host, target, request, sole) else { return };
    for candidate in candidates {
        let asked = candidate.target.as_str();
        assert!(asked == "*" || asked.starts_with('/') || candidate.prefix.is_none(), "{asked}");
        let tail = if candidate.lacks_slash { &asked[1..] } else { asked };
        assert!(target.as_str().ends_with(tail), "{asked} is no end of {target}");
        let mut answer = answer.clone();
        route::rewrite_answer(&mut answer, &candidate, &[host, "localhost"], true);
        sound(&answer);
        let mut cookies = request.clone();
        route::strip_cookie(&mut cookies);
        sound(&cookies);
    }
}

/// No value can end its line.
fn sound(headers: &HeaderMap) {
    for (name, value) in headers {
        assert!(!value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{name}: {value:?}");
    }
}
