//! A service on a port of its own whose every byte the test decides, and which remembers what it was asked.

use super::conn::{Conn, Head};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// A request as the service received it.
#[derive(Clone, Debug)]
pub struct Record {
    pub head: Head,
    pub body: Vec<u8>,
    /// The body came to its end.
    pub whole: bool,
}

/// What a service was asked so far.
pub type Records = Arc<Mutex<Vec<Record>>>;

pub struct TestService {
    pub address: SocketAddr,
    pub records: Records,
    /// Connections so far.
    pub connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for TestService {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TestService {
    /// Every connection is given to `serve`.
    pub async fn scripted<F, S>(serve: S) -> Self
    where
        S: Fn(Conn) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::scripted_at("127.0.0.1:0", serve).await
    }

    pub async fn scripted_at<F, S>(address: &str, serve: S) -> Self
    where
        S: Fn(Conn) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::start(address, Records::default(), serve).await
    }

    async fn start<F, S>(address: &str, records: Records, serve: S) -> Self
    where
        S: Fn(Conn) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.expect("there is a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = connections.clone();
        let task = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                open.spawn(serve(Conn::new(stream)));
                while open.try_join_next().is_some() {}
            }
        });
        Self { address, records, connections, task }
    }

    /// Every request is read to its end and answered with what `answer` makes of it; connections are kept alive.
    pub async fn answering(answer: impl Fn(&Record) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::answering_at("127.0.0.1:0", answer).await
    }

    pub async fn answering_at(address: &str, answer: impl Fn(&Record) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let (records, answer) = (Records::default(), Arc::new(answer));
        let theirs = records.clone();
        Self::start(address, records, move |mut conn| {
            let (records, answer) = (theirs.clone(), answer.clone());
            async move {
                while let Some(record) = next_record(&mut conn).await {
                    let bytes = answer(&record);
                    records.lock().expect("no test panics with the lock").push(record);
                    if conn.try_send(bytes).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await
    }

    /// Answers every request with these bytes.
    pub async fn saying(answer: &'static str) -> Self {
        Self::answering(move |_| answer.as_bytes().to_vec()).await
    }

    /// Answers every request with its own body.
    pub async fn echo() -> Self {
        Self::answering(|record| ok(&record.body)).await
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What came in last.
    pub fn last(&self) -> Record {
        self.records.lock().expect("no test panics with the lock").last().expect("the service was asked").clone()
    }

    /// How often it was asked.
    pub fn count(&self) -> usize {
        self.records.lock().expect("no test panics with the lock").len()
    }

    /// How many connections it has had.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// The next request with its body.
pub async fn next_record(conn: &mut Conn) -> Option<Record> {
    let head = conn.try_head().await?;
    let (body, whole) = conn.request_body(&head).await;
    Some(Record { head, body, whole })
}

/// A plain answer with `body`.
pub fn ok(body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}
