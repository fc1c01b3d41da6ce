//! Values as people read them; whatever a visitor or the other end wrote cannot command the terminal.

use std::fmt::Write;
use std::time::Duration;

/// Everything that does not print as itself is shown by its number: control characters, and those that turn the
/// direction of text or have no width.
pub(crate) fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        let plain = c == ' ' || c.is_ascii_graphic() || (!c.is_ascii() && c.escape_debug().len() == 1);
        if plain {
            shown.push(c)
        } else {
            shown.extend(c.escape_unicode())
        }
        shown
    })
}

/// At most `most` characters, with a sign where some were left out.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

/// `512 B`, `1.2 KiB`, `3.4 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1024.0, 0);
    // 1023.95 would be rounded to 1024.0.
    while value >= 1023.95 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", units[unit])
}

/// `0.4 ms`, `42 ms`, always in milliseconds, as lines are compared.
pub(crate) fn milliseconds(time: Duration) -> String {
    let value = time.as_secs_f64() * 1000.0;
    if value < 10.0 { format!("{value:.1} ms") } else { format!("{value:.0} ms") }
}

/// `1 h 2 min 3 s`.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let mut text = String::new();
    for (value, unit) in [(seconds / 3600, "h"), (seconds / 60 % 60, "min")] {
        if value > 0 {
            write!(text, "{value} {unit} ").expect("a String takes everything");
        }
    }
    text + &format!("{} s", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_command_a_terminal_is_shown_by_its_number() {
        assert_eq!(printable("/a?b='c' \\ \"d\" ü 漢"), "/a?b='c' \\ \"d\" ü 漢");
        assert_eq!(printable("\x1b[2J\r\n\t\x7f"), "\\u{1b}[2J\\u{d}\\u{a}\\u{9}\\u{7f}");
        assert_eq!(printable("\u{9b}2J\u{202e}\u{200b}\u{feff}"), "\\u{9b}2J\\u{202e}\\u{200b}\\u{feff}");
    }

    #[test]
    fn values_read_as_people_write_them() {
        let sizes = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1024 * 1024 - 1, "1.0 MiB"),
            (1 << 30, "1.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (bytes, expected) in sizes {
            assert_eq!(size(bytes), expected);
        }
        assert_eq!(milliseconds(Duration::from_micros(440)), "0.4 ms");
        assert_eq!(milliseconds(Duration::from_millis(4_200)), "4200 ms");
        for (seconds, expected) in [(0, "0 s"), (61, "1 min 1 s"), (3_600, "1 h 0 s"), (90_061, "25 h 1 min 1 s")] {
            assert_eq!(span(Duration::from_secs(seconds)), expected);
        }
        assert_eq!(shortened("abc", 3), "abc");
        assert_eq!(shortened("äöüß", 3), "äöü…");
    }
}
