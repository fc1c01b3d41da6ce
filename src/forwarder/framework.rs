//! What a service looks like and what it takes amiss, told from its answers alone: nobody is asked, nothing is guessed.
//!
//! [`recognise`] names a dev server, [`trouble`] finds an answer that shows what does not work behind a tunnel, and
//! [`advice`] says which setting puts that right. All three are pure. A [`Watcher`] looks at the answers that pass anyway.

mod advice;
mod signs;
mod watch;

pub use advice::{Advice, Surroundings, advice};
use http::{HeaderMap, StatusCode};
pub use signs::{recognise, trouble};
use std::fmt;
pub use watch::Watcher;

/// A dev server that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framework {
    /// Django's `runserver`.
    Django,
    /// Laravel's `artisan serve`.
    Laravel,
    /// Next.js.
    Next,
    /// Rails.
    Rails,
    /// Vite, also inside a framework built on it.
    Vite,
    /// webpack-dev-server.
    Webpack,
}

impl fmt::Display for Framework {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Django => "Django",
            Self::Laravel => "Laravel",
            Self::Next => "Next.js",
            Self::Rails => "Rails",
            Self::Vite => "Vite",
            Self::Webpack => "webpack-dev-server",
        })
    }
}

impl Framework {
    /// Whether it compares the `Origin` of a form with `X-Forwarded-Host` where that is there, and not with `Host`.
    pub fn believes_forwarded_host(self) -> bool {
        matches!(self, Self::Next | Self::Rails)
    }
}

/// Whether a path is the dev server's own, not the application's: Next.js compares the `Origin` of what is asked there
/// with the host that it listens on.
pub fn is_internal(path: &str) -> bool {
    path.contains("/_next/") || path.contains("/__nextjs")
}

/// An answer, as far as it has come.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Path and query that were asked for.
    pub target: &'a str,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The beginning of its body.
    pub body: &'a [u8],
}

/// What an answer shows not to work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The host that the service is called by is refused.
    Host,
    /// A form is refused for where it comes from.
    Form,
    /// What the page loads while it is developed is refused for where it comes from.
    LiveReload,
    /// The page looks for live reload at this address of its own.
    Socket(String),
    /// Pages link to this origin, which is not the tunnel's.
    Links(String),
}
