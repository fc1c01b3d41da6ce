//! API Gateway and the Function URL: what stands between the internet and the function, with the platform's quotas.

pub mod body;
mod door;
pub mod event;
mod frames;
mod http_api;
mod link;
mod management;
mod messages;
mod rest;
mod routes;
mod stream;
mod websocket;

use super::knobs::{Panel, Share};
use super::lambda::{Answer, Failure, Function};
use super::listen::{Owned, Server, bind};
use super::meter::Meter;
use super::policy::Policy;
use super::program::{Program, Result};
use bytes::Bytes;
use link::{Link, Order};
use routes::Routes;
pub use routes::api;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What the program says of the doors.
#[derive(Clone, Debug)]
pub struct Names {
    pub websocket_api: String,
    pub websocket_arn: String,
    pub stage: String,
    pub http_api: String,
    pub http_timeout: Duration,
    pub function_url: String,
}

pub struct Gateway {
    names: Names,
    panel: Panel,
    meter: Meter,
    function: Arc<Function>,
    routes: Routes,
    policy: Policy,
    links: Mutex<BTreeMap<String, Arc<Link>>>,
    tasks: Mutex<JoinSet<()>>,
    failing: Share,
    throttling: Share,
}

/// The sockets of all doors; their addresses go into the function's environment before anything serves.
pub struct Doors {
    websocket: TcpListener,
    management: TcpListener,
    http: TcpListener,
    stream: TcpListener,
    rest: TcpListener,
}

#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    pub websocket: SocketAddr,
    pub management: SocketAddr,
    pub http: SocketAddr,
    pub stream: SocketAddr,
    pub rest: SocketAddr,
}

pub struct Serving {
    pub gateway: Arc<Gateway>,
    pub management: Server,
    _visitors: [Server; 3],
    _websocket: Owned,
}

impl Doors {
    pub async fn open() -> Self {
        let (websocket, management, http) = (bind().await, bind().await, bind().await);
        Self { websocket, management, http, stream: bind().await, rest: bind().await }
    }

    pub fn addresses(&self) -> Addresses {
        let address = |listener: &TcpListener| listener.local_addr().expect("it is bound");
        Addresses {
            websocket: address(&self.websocket),
            management: address(&self.management),
            http: address(&self.http),
            stream: address(&self.stream),
            rest: address(&self.rest),
        }
    }

    pub fn serve(self, program: &Program, function: Arc<Function>, panel: Panel, meter: Meter) -> Result<Serving> {
        let names = routes::names(program)?;
        let gateway = Arc::new(Gateway {
            routes: Routes::read(program)?,
            policy: Policy::read(program)?,
            names,
            panel,
            meter,
            function,
            links: Mutex::default(),
            tasks: Mutex::default(),
            failing: Share::default(),
            throttling: Share::default(),
        });
        let (management, http, rest) = (Arc::clone(&gateway), Arc::clone(&gateway), Arc::clone(&gateway));
        let (stream, authority) = (Arc::clone(&gateway), self.addresses().stream);
        let management =
            Server::on(self.management, move |request, _| management::answer(Arc::clone(&management), request));
        let visitors = [
            Server::on(self.http, move |request, peer| http_api::answer(Arc::clone(&http), request, peer)),
            Server::on(self.rest, move |request, peer| rest::answer(Arc::clone(&rest), request, peer)),
            Server::on(self.stream, move |request, peer| stream::answer(Arc::clone(&stream), request, peer, authority)),
        ];
        let websocket = Owned::spawn(websocket::accept(Arc::clone(&gateway), self.websocket));
        Ok(Serving { gateway, management, _visitors: visitors, _websocket: websocket })
    }
}

impl Gateway {
    /// Runs work that outlives the connection which it began on, but not the gateway.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().expect("no panic");
        while tasks.try_join_next().is_some() {}
        tasks.spawn(work);
    }

    /// Invokes the function without streaming. The function goes on when the gateway no longer waits.
    async fn invoke(&self, kind: &str, event: &Value, timeout: Duration) -> std::result::Result<Bytes, Failure> {
        let timeout = self.panel.read().integration_timeout.unwrap_or(timeout);
        match tokio::time::timeout(timeout, self.function.invoke(kind, event, false)).await {
            Ok(Ok(Answer::Buffered(bytes))) => Ok(bytes),
            Ok(Ok(Answer::Streamed { .. })) => unreachable!("it was not invoked with streaming"),
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(Failure::TimedOut),
        }
    }

    /// Ends everything that was spawned.
    pub fn stop(&self) {
        self.tasks.lock().expect("no panic").abort_all();
    }

    fn link(&self, id: &str) -> Option<Arc<Link>> {
        self.links.lock().expect("no panic").get(id).cloned()
    }

    pub fn stage(&self) -> &str {
        &self.names.stage
    }

    /// Connection ids of the links that are up.
    pub fn connections(&self) -> Vec<String> {
        self.links.lock().expect("no panic").keys().cloned().collect()
    }

    /// Ends one link with a close frame; says whether it was up.
    pub fn close(&self, id: &str, code: u16, reason: &str) -> bool {
        self.link(id).is_some_and(|link| link.order(Order::Close(code, reason.to_owned())))
    }

    /// Drops one link's TCP connection; says whether it was up.
    pub fn cut(&self, id: &str) -> bool {
        self.link(id).is_some_and(|link| link.order(Order::Cut))
    }

    /// Ends every link with a close frame, as at the end of its lifetime.
    pub fn close_all(&self, code: u16, reason: &str) {
        self.order_all(&Order::Close(code, reason.to_owned()));
    }

    /// Drops every link's TCP connection.
    pub fn cut_all(&self) {
        self.order_all(&Order::Cut);
    }

    fn order_all(&self, order: &Order) {
        for link in self.links.lock().expect("no panic").values() {
            link.order(order.clone());
        }
    }

    /// Sends a text of the platform's own to every client.
    pub fn inject(&self, text: &str) {
        for link in self.links.lock().expect("no panic").values() {
            link.push(text.as_bytes().to_vec(), self.panel.read().latency.socket);
        }
    }

    /// Sends every client the frame that follows a failed integration.
    pub fn inject_failure(&self) {
        for link in self.links.lock().expect("no panic").values() {
            let text = link.failure("Internal server error", &super::unique());
            link.push(text.into_bytes(), self.panel.read().latency.socket);
        }
    }
}
