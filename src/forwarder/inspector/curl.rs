//! The request as a command that sends the same bytes from any shell.

use super::api::Problem;
use super::record::Record;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;

/// A longer text goes through a pipe: one word of a command line holds 128 KiB on Linux.
const INLINE: usize = 64 * 1024;

/// Headers that curl would add by itself.
const ADDED: [&str; 3] = ["user-agent", "accept", "content-type"];

/// The command for the service at `authority`.
pub(super) fn command(record: &Record, authority: &str) -> Result<String, Problem> {
    let request = &record.request;
    let conflict = |why: String| Err((StatusCode::CONFLICT, why));
    if request.websocket {
        return conflict("a WebSocket is no request that curl could repeat".to_owned());
    }
    if !(request.body.is_kept() && request.body.whole) {
        let (kept, size) = (request.body.bytes.len(), request.body.size);
        return conflict(format!("only {kept} of the body's {size} bytes were kept"));
    }
    let mut words = vec!["curl".to_owned()];
    method(record, &mut words);
    url(&request.target, authority, &mut words);
    headers(record, &mut words);
    let piped = body(&request.body.bytes, &mut words);
    let command = words.join(" \\\n  ").replacen(" \\\n  ", " ", 1);
    Ok(match piped {
        Some(source) => format!("{source} | {command}\n"),
        None => format!("{command}\n"),
    })
}

fn method(record: &Record, words: &mut Vec<String>) {
    let has_body = !record.request.body.bytes.is_empty();
    match record.request.method.as_str() {
        "GET" if !has_body => {}
        "POST" if has_body => {}
        "HEAD" if !has_body => words.push("--head".to_owned()),
        method => words.push(format!("--request {}", quoted(method.as_bytes()))),
    }
}

fn url(target: &str, authority: &str, words: &mut Vec<String>) {
    let (path, asterisk) = if target == "*" { ("/", true) } else { (target, false) };
    words.push(quoted(format!("http://{authority}{path}").as_bytes()));
    if asterisk {
        words.push("--request-target '*'".to_owned());
    }
    if path.contains("/.") {
        words.push("--path-as-is".to_owned());
    }
    if path.contains(['[', ']', '{', '}']) {
        words.push("--globoff".to_owned());
    }
}

fn headers(record: &Record, words: &mut Vec<String>) {
    let request = &record.request;
    for (name, value) in request.headers.iter() {
        match (name, value) {
            // curl writes the length of what it sends, and the host that it asks, as the service is told.
            ("host" | "content-length" | "expect", _) => {}
            (name, b"") => words.push(format!("--header {}", quoted(format!("{name};").as_bytes()))),
            (name, value) => {
                words.push(format!("--header {}", quoted(&[name.as_bytes(), b": ", value].concat())));
            }
        }
    }
    if request.headers.get("accept-encoding").is_some() {
        words.push("--compressed".to_owned());
    }
    let has_body = !request.body.bytes.is_empty();
    for name in ADDED.into_iter().filter(|name| has_body || *name != "content-type") {
        if request.headers.get(name).is_none() {
            words.push(format!("--header '{name}:'"));
        }
    }
}

/// Adds the body; where it is not for a command line, the command that writes it comes back.
fn body(bytes: &[u8], words: &mut Vec<String>) -> Option<String> {
    if bytes.is_empty() {
        return None;
    }
    let plain = |text: &str| text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control());
    if bytes.len() <= INLINE && std::str::from_utf8(bytes).is_ok_and(plain) {
        words.push(format!("--data-raw {}", quoted(bytes)));
        return None;
    }
    words.push("--data-binary @-".to_owned());
    Some(format!("printf %s '{}' | base64 -d", STANDARD.encode(bytes)))
}

/// One word of a shell: in single quotes nothing has a meaning but the quote itself.
fn quoted(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(|c: char| c.is_control() && c != '\n' && c != '\t') => {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
        // Such bytes are in headers only; bash, zsh and ksh read this.
        _ => {
            let escaped = bytes.iter().map(|byte| match byte {
                b'\'' | b'\\' => format!("\\{}", char::from(*byte)),
                0x20..=0x7e => char::from(*byte).to_string(),
                _ => format!("\\x{byte:02x}"),
            });
            format!("$'{}'", escaped.collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_for_every_shell() {
        assert_eq!(quoted(b"a'b $c `d` \\ \"e\" !f"), r#"'a'\''b $c `d` \ "e" !f'"#);
        assert_eq!(quoted(b"\xff'\\"), r"$'\xff\'\\'");
    }
}
