//! A request finds its tunnel by its host label or by the first segment of its path, and the rest of it is untouched.
//!
//! Pure: a [`PublicUrl`] is parsed once; [`PublicUrl::candidates`] says in which order tunnels are to be tried, and
//! the rewriting functions put the prefix of path mode back where the visitor's browser needs it.

use crate::fault::{Code, Fault};
use crate::id::TunnelName;
use http::header::{self, HeaderMap, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use std::fmt;

/// Cookie by which a page's root-absolute links find their tunnel in path mode. The service never sees it.
const COOKIE: &str = "http-tunnel";

/// Where tunnels are found: a URL with `{tunnel}` in its host or in its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    scheme: Scheme,
    /// By host: what follows `{tunnel}.`; by path: the whole authority.
    authority: Authority,
    /// `None`: by host. Otherwise what stands before `{tunnel}` in the path, `/` at least.
    path: Option<String>,
}

/// Why a text is not a [`PublicUrl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPublicUrl;

impl fmt::Display for NotPublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a public URL is http(s)://{tunnel}.DOMAIN or http(s)://HOST/{tunnel}")
    }
}

impl std::error::Error for NotPublicUrl {}

/// A tunnel that a request may be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The tunnel.
    pub name: TunnelName,
    /// What the service is to be asked for.
    pub target: PathAndQuery,
    /// Path mode: the prefix that visitors see in front of the service's paths, without a slash at the end.
    pub prefix: Option<String>,
    /// The visitor asked for the prefix itself and needs the slash behind it, or relative links break.
    pub lacks_slash: bool,
}

impl std::str::FromStr for PublicUrl {
    type Err = NotPublicUrl;

    fn from_str(text: &str) -> Result<Self, NotPublicUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(NotPublicUrl)?;
        let scheme = match scheme {
            "http" => Scheme::HTTP,
            "https" => Scheme::HTTPS,
            _ => return Err(NotPublicUrl),
        };
        let (authority, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
        let (authority, path) = match authority.strip_prefix("{tunnel}.") {
            Some(domain) if path == "/" => (domain, None),
            _ => (authority, Some(path.trim_end_matches('/').strip_suffix("{tunnel}").ok_or(NotPublicUrl)?.to_owned())),
        };
        let authority: Authority = authority.parse().map_err(|_| NotPublicUrl)?;
        let plain = !authority.as_str().contains(['@', '{']) && !authority.host().is_empty();
        if !plain || path.as_ref().is_some_and(|path| path.contains(['{', '?', '#'])) {
            return Err(NotPublicUrl);
        }
        Ok(Self { scheme, authority, path })
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            None => write!(f, "{}://{{tunnel}}.{}", self.scheme, self.authority),
            Some(path) => write!(f, "{}://{}{path}{{tunnel}}", self.scheme, self.authority),
        }
    }
}

impl PublicUrl {
    /// The public URL of tunnel `name`, without a slash at the end.
    pub fn of(&self, name: &TunnelName) -> String {
        match &self.path {
            None => format!("{}://{name}.{}", self.scheme, self.authority),
            Some(path) => format!("{}://{}{path}{name}", self.scheme, self.authority),
        }
    }

    /// The tunnels that a request may be for, the likeliest first. `host` is the request's, `sole` the one tunnel of an
    /// embedded relay, which any other host means.
    ///
    /// # Errors
    /// The request can be for no tunnel at all: `tunnel-not-found`.
    pub fn candidates(
        &self,
        host: &str,
        target: &PathAndQuery,
        headers: &HeaderMap,
        sole: Option<TunnelName>,
    ) -> Result<Vec<Candidate>, Fault> {
        let whole = |name| Candidate { name, target: target.clone(), prefix: None, lacks_slash: false };
        let found = match &self.path {
            None => self.label(host).or(sole).map(whole).into_iter().collect(),
            Some(path) => self.by_path(path, target, headers).collect::<Vec<_>>(),
        };
        if found.is_empty() {
            let shape = match &self.path {
                None => format!("NAME.{}", self.authority),
                Some(path) => format!("{}{path}NAME/", self.authority),
            };
            return Err(Fault::new(
                Code::TunnelNotFound,
                format!("No tunnel is meant by this address. Tunnels are at {shape}."),
            ));
        }
        Ok(found)
    }

    /// Whether tunnels are found by path at this very `host`.
    pub fn is_at(&self, host: &str) -> bool {
        self.path.is_some() && without_port(host).eq_ignore_ascii_case(self.authority.host())
    }

    /// Whether `host` has a tunnel's name in front of the domain.
    pub fn names_a_tunnel(&self, host: &str) -> bool {
        self.path.is_none() && self.label(host).is_some()
    }

    fn label(&self, host: &str) -> Option<TunnelName> {
        let (host, domain) = (without_port(host).as_bytes(), self.authority.host().as_bytes());
        let (label, rest) = host.split_at_checked(host.len().checked_sub(domain.len())?)?;
        let label = label.strip_suffix(b".").filter(|_| rest.eq_ignore_ascii_case(domain))?;
        std::str::from_utf8(label).ok()?.to_ascii_lowercase().parse().ok()
    }

    fn by_path<'a>(
        &'a self,
        base: &'a str,
        target: &'a PathAndQuery,
        headers: &'a HeaderMap,
    ) -> impl Iterator<Item = Candidate> + 'a {
        let direct = strip_name(base, target).into_iter();
        let from_page = referring_name(base, headers).into_iter().chain(cookie_name(headers));
        let indirect = from_page.map(move |name| Candidate {
            prefix: Some(format!("{base}{name}")),
            name,
            target: target.clone(),
            lacks_slash: false,
        });
        direct.chain(indirect)
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// `/base/NAME/rest?query` means `/rest?query` of NAME.
fn strip_name(base: &str, target: &PathAndQuery) -> Option<Candidate> {
    let text = target.as_str().strip_prefix(base)?;
    let name_end = text.find(['/', '?']).unwrap_or(text.len());
    let (name, rest) = text.split_at(name_end);
    let name: TunnelName = name.parse().ok()?;
    let prefix = Some(format!("{base}{name}"));
    let lacks_slash = !rest.starts_with('/');
    let target = if lacks_slash { format!("/{rest}") } else { rest.to_owned() };
    Some(Candidate { name, target: target.parse().ok()?, prefix, lacks_slash })
}

fn referring_name(base: &str, headers: &HeaderMap) -> Option<TunnelName> {
    let referrer: Uri = headers.get(header::REFERER)?.to_str().ok()?.parse().ok()?;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if referrer.authority().map(Authority::as_str) != host {
        return None;
    }
    strip_name(base, referrer.path_and_query()?).map(|candidate| candidate.name)
}

fn cookie_name(headers: &HeaderMap) -> Option<TunnelName> {
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(name, value)| if name == COOKIE { value.parse().ok() } else { None })
}

/// Removes the gate's own cookie from what the service will see.
pub fn strip_cookie(headers: &mut HeaderMap) {
    if cookie_name(headers).is_none() {
        return;
    }
    let lines: Vec<HeaderValue> = headers.get_all(header::COOKIE).iter().cloned().collect();
    headers.remove(header::COOKIE);
    for line in lines {
        let Ok(text) = line.to_str() else {
            headers.append(header::COOKIE, line);
            continue;
        };
        let is_ours = |pair: &&str| pair.trim().split_once('=').is_some_and(|(name, _)| name == COOKIE);
        let kept: Vec<&str> = text.split(';').filter(|pair| !is_ours(pair)).map(str::trim).collect();
        if let (false, Ok(value)) = (kept.is_empty(), HeaderValue::from_str(&kept.join("; "))) {
            headers.append(header::COOKIE, value);
        }
    }
}

/// Path mode: puts the prefix into what the service says about its own paths, and marks a page so that its
/// root-absolute links find the tunnel. `hosts` are the names under which the service may speak of itself.
pub fn rewrite_answer(headers: &mut HeaderMap, candidate: &Candidate, hosts: &[&str], is_page_load: bool) {
    let Some(prefix) = &candidate.prefix else { return };
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let moved = headers
            .get(&name)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| move_location(value, prefix, hosts));
        if let Some(value) = moved.and_then(|moved| HeaderValue::from_str(&moved).ok()) {
            headers.insert(name, value);
        }
    }
    let cookies: Vec<HeaderValue> = headers.get_all(header::SET_COOKIE).iter().cloned().collect();
    headers.remove(header::SET_COOKIE);
    for cookie in cookies {
        let moved = cookie.to_str().ok().and_then(|text| HeaderValue::from_str(&move_cookie(text, prefix)).ok());
        headers.append(header::SET_COOKIE, moved.unwrap_or(cookie));
    }
    let is_html = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let mark = format!("{COOKIE}={}; Path=/; SameSite=Lax; HttpOnly", candidate.name);
    if let (true, Ok(value)) = (is_page_load && is_html, HeaderValue::from_str(&mark)) {
        headers.append(header::SET_COOKIE, value);
    }
}

/// A root-absolute location, or an absolute one on the service's own host, gets the prefix; any other stays.
fn move_location(location: &str, prefix: &str, hosts: &[&str]) -> Option<String> {
    let path = if location.starts_with("//") || location.contains("://") {
        let (_, rest) = location.split_once("//")?;
        let (host, path) = rest.find(['/', '?', '#']).map_or((rest, ""), |end| rest.split_at(end));
        hosts.iter().any(|own| own.eq_ignore_ascii_case(host)).then_some(path)?
    } else {
        location.strip_prefix('/').map(|_| location)?
    };
    let already = path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']));
    if already {
        return Some(path.to_owned());
    }
    Some(format!("{prefix}{}{path}", if path.starts_with('/') { "" } else { "/" }))
}

fn move_cookie(cookie: &str, prefix: &str) -> String {
    let mut parts = Vec::new();
    for (i, part) in cookie.split(';').enumerate() {
        let (name, value) = part.trim().split_once('=').unwrap_or((part.trim(), ""));
        if i > 0 && name.eq_ignore_ascii_case("path") && value.starts_with('/') && !value.starts_with(prefix) {
            let value = if value == "/" { "/" } else { value };
            parts.push(format!(" Path={prefix}{value}"));
        } else {
            parts.push(part.to_owned());
        }
    }
    parts.join(";")
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
