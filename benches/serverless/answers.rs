//! The service and what it can be asked for.

use crate::common::service::next_record;
use crate::common::{TestService, noise};
use crate::options::Options;
use crate::platform::Door;
use std::time::Duration;

const KIB: usize = 1024;

/// Body of every request.
pub(crate) const REQUEST: usize = KIB;

/// One row of the tables.
pub(crate) struct Answer {
    pub(crate) label: &'static str,
    pub(crate) door: Door,
    pub(crate) path: &'static str,
    pub(crate) bytes: usize,
}

pub(crate) const ANSWERS: [Answer; 6] = [
    Answer { label: "1 KB", door: Door::HttpApi, path: "/noise/1024", bytes: KIB },
    Answer { label: "10 KB", door: Door::HttpApi, path: "/noise/10240", bytes: 10 * KIB },
    Answer { label: "10 KB of JSON", door: Door::HttpApi, path: "/json/10240", bytes: 10 * KIB },
    Answer { label: "1 MB", door: Door::HttpApi, path: "/noise/1048576", bytes: KIB * KIB },
    Answer { label: "10 KB, Function URL", door: Door::FunctionUrl, path: "/noise/10240", bytes: 10 * KIB },
    Answer { label: "1 MB, Function URL", door: Door::FunctionUrl, path: "/noise/1048576", bytes: KIB * KIB },
];

impl Answer {
    pub(crate) fn exchanges(&self, options: &Options) -> usize {
        if self.bytes > 100 * KIB { options.large } else { options.small }
    }
}

/// Answers `/noise/N` with N bytes that do not compress, `/json/N` with N bytes of text, `/wait/MS` after so long.
pub(crate) async fn service() -> TestService {
    TestService::scripted(|mut conn| async move {
        while let Some(record) = next_record(&mut conn).await {
            let mut steps = record.head.asked().1.trim_start_matches('/').split('/');
            let (what, number) = (steps.next().unwrap_or_default(), steps.next().and_then(|text| text.parse().ok()));
            let number = number.unwrap_or_default();
            let (kind, body) = match what {
                "wait" => {
                    tokio::time::sleep(Duration::from_millis(number as u64)).await;
                    ("application/octet-stream", noise(1, 10 * KIB))
                }
                "json" => ("application/json", json(number)),
                _ => ("application/octet-stream", noise(1, number)),
            };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
            if conn.try_send([head.into_bytes(), body].concat()).await.is_err() {
                return;
            }
        }
    })
    .await
}

/// What an API lists: records of the same shape with values of their own.
fn json(length: usize) -> Vec<u8> {
    let digits = noise(2, length);
    let mut text = String::from("[");
    for (n, piece) in digits.chunks_exact(8).enumerate() {
        let value = piece.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        text += &format!("{{\"id\":{n},\"key\":\"{value:016x}\",\"amount\":{},\"state\":\"paid\"}},", value % 100_000);
        if text.len() >= length {
            break;
        }
    }
    text.into_bytes()[..length].to_vec()
}
