//! Which proxy stands in the way, by the variables that curl reads too, and how it is asked to let us through.

use super::{Place, Stream, Trust, connect, encrypt};
use crate::limits;
use crate::secret::{Lookup, Secret};
use anyhow::Context;
use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use std::future::{Ready, ready};
use std::io;
use std::task::{Context as Waker, Poll};
use tokio::time::timeout;
use tower_service::Service;

/// The proxies that the environment names. Their URLs hold passwords, so they do not print.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    http: Option<Variable>,
    https: Option<Variable>,
    except: String,
}

#[derive(Clone, Debug)]
struct Variable {
    name: &'static str,
    url: Secret,
}

impl Proxies {
    /// Reads `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, or these names in lower case.
    pub fn read(env: Lookup<'_>) -> Self {
        let set = |name: &str| env(name).or_else(|| env(&name.to_lowercase())).filter(|value| !value.is_empty());
        let first = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| set(name).map(|url| Variable { name, url: Secret::new(&url) }))
        };
        Self {
            http: first(["HTTP_PROXY", "ALL_PROXY"]),
            https: first(["HTTPS_PROXY", "ALL_PROXY"]),
            except: set("NO_PROXY").unwrap_or_default(),
        }
    }

    /// What these variables mean for the way to an endpoint.
    ///
    /// # Errors
    /// The variable that applies holds no proxy's URL.
    pub(in crate::forwarder) fn route(&self, endpoint: &Uri) -> anyhow::Result<Route> {
        let secure = endpoint.scheme_str() == Some("wss");
        let place = Place::of(endpoint, if secure { 443 } else { 80 })?;
        let through = self.on_the_way(&place, secure)?.map(|proxy| (proxy.source, proxy.place.to_string()));
        let mut set: Vec<_> = [&self.https, &self.http].into_iter().flatten().map(|variable| variable.name).collect();
        set.dedup();
        let applies = if secure { &self.https } else { &self.http }.is_some() && !place.is_this_machine();
        Ok(Route { set, excepted: applies && through.is_none(), through })
    }

    /// The proxy for this place, if any. None stands between a machine and itself.
    pub(super) fn on_the_way(&self, place: &Place, secure: bool) -> anyhow::Result<Option<Proxy>> {
        let variable = if secure { &self.https } else { &self.http };
        let Some(variable) = variable.as_ref().filter(|_| !place.is_this_machine()) else { return Ok(None) };
        let target = place.uri(Scheme::HTTP)?;
        // Whatever the proxy is: the matcher says only "none", not whether an exception or a malformed URL is the reason.
        let any = Matcher::builder().all("http://any").no(self.except.as_str()).build();
        if any.intercept(&target).is_none() {
            return Ok(None);
        }
        let named = Matcher::builder().all(variable.url.expose()).build().intercept(&target);
        let proxy = named.and_then(|intercept| Proxy::new(intercept, variable.name));
        proxy.map(Some).with_context(|| {
            let (name, host) = (variable.name, &place.host);
            format!(
                "{name} is no proxy's URL; write http://HOST:PORT or socks5://HOST:PORT, or put {host} into NO_PROXY"
            )
        })
    }
}

/// The way to an endpoint, as the environment has it; without passwords.
#[derive(Debug)]
pub(in crate::forwarder) struct Route {
    /// The variables that name a proxy.
    pub(in crate::forwarder) set: Vec<&'static str>,
    /// The one that applies, and the proxy's host and port.
    pub(in crate::forwarder) through: Option<(&'static str, String)>,
    /// One would apply if `NO_PROXY` did not except this endpoint.
    pub(in crate::forwarder) excepted: bool,
}

/// A proxy that is to be asked for a way to somewhere else.
pub(super) struct Proxy {
    intercept: Intercept,
    place: Place,
    /// The variable that named it.
    source: &'static str,
}

impl Proxy {
    fn new(intercept: Intercept, source: &'static str) -> Option<Self> {
        let port = match intercept.uri().scheme_str()? {
            "https" => 443,
            "http" => 80,
            "socks5" | "socks5h" => 1080,
            _ => return None,
        };
        let place = Place::of(intercept.uri(), port).ok().filter(|place| !place.host.is_empty())?;
        Some(Self { intercept, place, source })
    }

    /// Connects to the proxy and lets it connect to `target`.
    pub(super) async fn open(&self, target: &Place, trust: Trust<'_>) -> anyhow::Result<Box<dyn Stream>> {
        let Self { place, source, .. } = self;
        let stream = connect(place).await.with_context(|| format!("cannot reach the proxy {place} ({source})"))?;
        let stream: Box<dyn Stream> = match self.intercept.uri().scheme_str() {
            Some("https") => encrypt(Box::new(stream), place, trust).await?,
            _ => Box::new(stream),
        };
        match timeout(limits::DIAL, self.ask(stream, target.uri(Scheme::HTTP)?)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(why)) => Err(anyhow::anyhow!(
                "the proxy {place} ({source}) gives no way to {target}: {why}; check the proxy's user and password, and \
                 what it lets through"
            )),
            Err(_) => {
                Err(anyhow::anyhow!("the proxy {place} ({source}) gave no answer in {} s", limits::DIAL.as_secs()))
            }
        }
    }

    async fn ask(&self, stream: Box<dyn Stream>, target: Uri) -> Result<Box<dyn Stream>, String> {
        let opened = Opened(Some(TokioIo::new(stream)));
        let to = self.intercept.uri().clone();
        let way = match to.scheme_str() {
            Some("socks5" | "socks5h") => {
                let socks = SocksV5::new(to, opened);
                let login = self.intercept.raw_auth().map(|(user, password)| (user.to_owned(), password.to_owned()));
                let mut socks =
                    login.into_iter().fold(socks, |socks, (user, password)| socks.with_auth(user, password));
                socks.call(target).await.map_err(|error| error.to_string())?
            }
            _ => {
                let tunnel = Tunnel::new(to, opened);
                let login = self.intercept.basic_auth().cloned();
                let mut tunnel = login.into_iter().fold(tunnel, Tunnel::with_auth);
                tunnel.call(target).await.map_err(|error| error.to_string())?
            }
        };
        Ok(way.into_inner())
    }
}

/// The connection to the proxy, already open: a connector that connects once. So that each step has its own error.
struct Opened(Option<TokioIo<Box<dyn Stream>>>);

impl Service<Uri> for Opened {
    type Response = TokioIo<Box<dyn Stream>>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Waker<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}
