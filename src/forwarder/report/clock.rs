//! Time of day in UTC, which needs no knowledge of zones and is the same in every log.

use std::time::{SystemTime, UNIX_EPOCH};

/// `12:34:56Z`.
pub(in crate::forwarder) fn time_of_day(at: SystemTime) -> String {
    let second = seconds(at).0 % 86_400;
    format!("{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// `2026-01-31T12:34:56.789Z` (RFC 3339).
pub(in crate::forwarder) fn timestamp(at: SystemTime) -> String {
    let (second, millisecond) = seconds(at);
    let (year, month, day) = date(second / 86_400);
    let time = time_of_day(at);
    format!("{year:04}-{month:02}-{day:02}T{}.{millisecond:03}Z", time.trim_end_matches('Z'))
}

/// A clock that is set before 1970 shows 1970.
fn seconds(at: SystemTime) -> (u64, u32) {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs(), since.subsec_millis())
}

/// Year, month and day of a day counted from 1970-01-01, by the Gregorian calendar's cycle of 400 years (146,097 days).
/// Years are counted from March, so that the leap day is a year's last.
fn date(day: u64) -> (u64, u64, u64) {
    let day = day + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let first = (153 * month + 2) / 5;
    let from_january = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(from_january <= 2), from_january, day - first + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn seconds_become_dates() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_799, "2000-02-29T23:59:59.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (1_735_689_600, "2025-01-01T00:00:00.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ];
        for (second, expected) in cases {
            assert_eq!(timestamp(UNIX_EPOCH + Duration::from_secs(second)), expected);
        }
        assert_eq!(timestamp(UNIX_EPOCH + Duration::from_millis(1_789)), "1970-01-01T00:00:01.789Z");
        assert_eq!(time_of_day(UNIX_EPOCH + Duration::from_secs(45_296)), "12:34:56Z");
        assert_eq!(time_of_day(UNIX_EPOCH - Duration::from_secs(1)), "00:00:00Z");
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut expected = (1970, 1, 1);
        for day in 0..200_000 {
            assert_eq!(date(day), expected);
            let (year, month, day) = expected;
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + u64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            expected = match (month, day == length) {
                (12, true) => (year + 1, 1, 1),
                (_, true) => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
    }
}
