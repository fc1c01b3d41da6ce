//! An advice names the setting, its file and its value, so that it can be copied.

use super::{Framework, Trouble};
use crate::forwarder::dial;
use http::Uri;
use http::uri::Authority;
use std::net::IpAddr;

/// What stands around a service.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Host and port where the service is reached.
    pub own: String,
    /// The `Host` that it is told.
    pub told: String,
    /// The tunnel's URL.
    pub public: Uri,
}

impl Surroundings {
    /// What a service that is told nothing of TLS takes for its own origin.
    pub(super) fn plain_origin(&self) -> String {
        format!("http://{}", self.told)
    }

    /// Whether this is the tunnel's own origin.
    pub(super) fn is_public(&self, origin: &str) -> bool {
        let authority = self.public.authority().map(Authority::as_str).unwrap_or_default();
        format!("{}://{authority}", self.public.scheme_str().unwrap_or_default()) == origin
    }

    pub(super) fn public_port(&self) -> u16 {
        let default = if self.public.scheme_str() == Some("https") { 443 } else { 80 };
        self.public.port_u16().unwrap_or(default)
    }

    /// Whether the `Host` that the service is told is one that a dev server may refuse.
    pub(super) fn tells_public_host(&self) -> bool {
        !is_local(without_port(&self.told))
    }

    fn public_host(&self) -> &str {
        self.public.host().unwrap_or_default()
    }

    /// The `Origin` that a form of the tunnel's own pages carries when it arrives.
    fn origin(&self) -> String {
        let authority = self.public.authority().map(Authority::as_str).unwrap_or_default();
        if self.told == authority {
            return format!("{}://{authority}", self.public.scheme_str().unwrap_or("http"));
        }
        self.plain_origin()
    }

    /// How the refusal of a host can be avoided without a setting.
    fn or_rewrite(&self) -> &'static str {
        if self.told == self.own { "" } else { ", or start the forwarder without --host-header" }
    }
}

/// What was found and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What does not work.
    pub finding: String,
    /// The setting that puts it right.
    pub fix: String,
}

/// What to do about a trouble.
pub fn advice(framework: Framework, trouble: &Trouble, around: &Surroundings) -> Advice {
    let (finding, fix) = match trouble {
        Trouble::Host => host(framework, around),
        Trouble::Form => (format!("{framework} refuses forms for where they come from"), form(framework, around)),
        Trouble::LiveReload => (
            format!("{framework} refuses live reload for where it comes from"),
            format!(
                "add allowedDevOrigins: [\"{}\"] to next.config.js{}",
                without_port(&around.told),
                around.or_rewrite()
            ),
        ),
        Trouble::Socket(address) => (
            format!("{framework}'s page looks for live reload at {address}, which is not the tunnel"),
            "add devServer: { client: { webSocketURL: \"auto://0.0.0.0:0/ws\" } } to webpack.config.js".to_owned(),
        ),
        Trouble::Links(origin) => (
            format!("{framework}'s pages link to {origin}, which is not the tunnel"),
            "add $middleware->trustProxies(at: '127.0.0.1') to withMiddleware in bootstrap/app.php".to_owned(),
        ),
    };
    Advice { finding, fix }
}

fn host(framework: Framework, around: &Surroundings) -> (String, String) {
    // Rails looks at X-Forwarded-Host as well, which tells the tunnel's.
    let refused = match framework {
        Framework::Rails if !around.tells_public_host() => around.public_host(),
        _ => without_port(&around.told),
    };
    let setting = match framework {
        Framework::Rails => format!("add config.hosts << \"{refused}\" to config/environments/development.rb"),
        Framework::Django => format!("add \"{refused}\" to ALLOWED_HOSTS in settings.py"),
        Framework::Vite => format!("add server: {{ allowedHosts: [\"{refused}\"] }} to vite.config.js"),
        Framework::Webpack => format!("add devServer: {{ allowedHosts: [\"{refused}\"] }} to webpack.config.js"),
        Framework::Next | Framework::Laravel => format!("let it be called {refused}"),
    };
    let otherwise = if framework == Framework::Rails { "" } else { around.or_rewrite() };
    (format!("{framework} refuses the host {refused}"), setting + otherwise)
}

fn form(framework: Framework, around: &Surroundings) -> String {
    match framework {
        Framework::Next => {
            let authority = around.public.authority().map(Authority::as_str).unwrap_or_default();
            format!("add experimental: {{ serverActions: {{ allowedOrigins: [\"{authority}\"] }} }} to next.config.js")
        }
        _ => format!("add \"{}\" to CSRF_TRUSTED_ORIGINS in settings.py", around.origin()),
    }
}

/// Whether a host is this machine, or an address: hosts that no dev server refuses.
pub(super) fn is_local(host: &str) -> bool {
    dial::is_localhost(host) || dial::bare(host).parse::<IpAddr>().is_ok()
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
#[path = "advice_tests.rs"]
mod tests;
