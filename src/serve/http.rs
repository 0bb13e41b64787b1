//! The HTTP server: an accept loop of our own, in which no client keeps anything waiting for ever.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tower::ServiceExt as _;

use super::line::{Line, Seat};
use super::stream::Stream;
use crate::error::SlowBody;

/// The largest head of a request, in bytes; hyper answers 431 to a larger one.
const LARGEST_HEAD: usize = 64 * 1024;
/// How long open connections may take to end once the server is told to stop.
const DRAIN: Duration = Duration::from_secs(5);
/// How long nothing is accepted after a failure that is not the client's.
const PAUSE: Duration = Duration::from_millis(100);
/// How often the same trouble is told at most.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// The answer to whom there is no room for.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    retry-after: 2\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// What clients may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many connections they may have at a time.
    pub connections: usize,
    /// How long the head of a request may take.
    pub head: Duration,
    /// How long its body may take after that.
    pub body: Duration,
    /// How long a connection may lie idle between two requests.
    pub idle: Duration,
    /// How long a client may take nothing of an answer.
    pub answer: Duration,
}

impl Limits {
    /// Those of production, for so many connections. Load balancers keep idle connections for a
    /// minute (that of AWS, say) and must not find them closed.
    #[must_use]
    pub const fn of(connections: usize) -> Self {
        Self {
            connections,
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            idle: Duration::from_secs(65),
            answer: Duration::from_secs(30),
        }
    }
}

/// Serves `router` until `stopped`, and then lets open connections come to an end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stopped: impl Future<Output = ()>,
) {
    let (stop, _) = watch::channel(false);
    let mut server = Server {
        service: router,
        limits,
        stop,
        line: Arc::default(),
        connections: JoinSet::new(),
        told_at: None,
    };
    let mut stopped = pin!(stopped);
    loop {
        tokio::select! {
            () = &mut stopped => break,
            // What has ended leaves the set, which is also the count of connections.
            Some(_) = server.connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => server.admit(stream, peer).await,
                Err(error) => server.rest(&error).await,
            },
        }
    }
    // First: who comes now is refused, and does not wait for an answer that never comes.
    drop(listener);
    server.stop.send_replace(true);
    let drained = async { while server.connections.join_next().await.is_some() {} };
    // Whatever has not ended by then is cut: the set ends with this function.
    let _ = timeout(DRAIN, drained).await;
}

struct Server {
    service: Router,
    limits: Limits,
    stop: watch::Sender<bool>,
    line: Arc<Line>,
    connections: JoinSet<()>,
    told_at: Option<Instant>,
}

impl Server {
    async fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        while self.connections.try_join_next().is_some() {}
        if self.connections.len() >= self.limits.connections {
            self.tell("there are as many connections as there may be");
            if !self.line.send_away_first() {
                // Each of them has a request under way. The answer is written only if it can be at
                // once.
                let _ = stream.try_write(NO_ROOM);
                return;
            }
            // Until its place is free: else there would be more than there may be.
            self.connections.join_next().await;
        }
        let connection = Connection {
            peer,
            limits: self.limits,
            seat: self.line.join(),
        };
        let (router, stop) = (self.service.clone(), self.stop.subscribe());
        self.connections.spawn(connection.run(stream, router, stop));
    }

    /// After `accept` has failed. Most of its errors are of a connection that broke before it was
    /// taken; the others (too many open files, no memory) go away, if a client gives way and the
    /// loop does not spin.
    async fn rest(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        if matches!(
            error.kind(),
            ConnectionAborted | ConnectionRefused | ConnectionReset
        ) {
            return;
        }
        self.tell(&format!("no connection can be accepted: {error}"));
        self.line.send_away_first();
        sleep(PAUSE).await;
    }

    /// A line of the log, unless there was one just now.
    fn tell(&mut self, what: &str) {
        if self.told_at.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            self.told_at = Some(Instant::now());
            tracing::warn!(connections = self.connections.len(), "{what}");
        }
    }
}

struct Connection {
    peer: SocketAddr,
    limits: Limits,
    seat: Arc<Seat>,
}

impl Connection {
    async fn run(self, stream: TcpStream, router: Router, mut stop: watch::Receiver<bool>) {
        let Limits {
            head, idle, answer, ..
        } = self.limits;
        let stream = Stream::new(stream, Arc::clone(&self.seat), head, answer);
        let service = service_fn(|request| self.answer(router.clone(), request));
        let mut builder = http1::Builder::new();
        // hyper's one limit counts from the end of the last answer to the end of the next head.
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(idle + head)
            .max_buf_size(LARGEST_HEAD);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut draining = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        self.tell(&error);
                    }
                    return;
                }
                // No request of its own is being answered.
                () = self.seat.told_to_leave() => return,
                // Once: it stays true, and the loop would spin.
                _ = stop.wait_for(|it| *it), if !draining => {
                    draining = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }

    /// A connection that we have cut is a line of the log; of others the client knows.
    fn tell(&self, error: &hyper::Error) {
        let cause = error.source().and_then(|it| it.downcast_ref::<io::Error>());
        match cause.filter(|it| it.kind() == io::ErrorKind::TimedOut) {
            Some(late) => tracing::info!(peer = %self.peer, "a connection was cut: {late}"),
            None => tracing::debug!(peer = %self.peer, %error, "a connection broke"),
        }
    }

    async fn answer(
        &self,
        router: Router,
        request: Request<Incoming>,
    ) -> Result<Response, std::convert::Infallible> {
        let _working = self.seat.work();
        let mut request = request.map(|body| in_time(body, self.limits.body));
        request.extensions_mut().insert(ConnectInfo(self.peer));
        router.oneshot(request).await
    }
}

/// The body, for as long as it may take.
fn in_time(body: Incoming, longest: Duration) -> Body {
    if body.is_end_stream() {
        return Body::empty();
    }
    let end = Instant::now() + longest;
    let chunks = Body::new(body).into_data_stream();
    Body::from_stream(stream::try_unfold(chunks, move |mut chunks| async move {
        match timeout_at(end, chunks.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(chunk)) => chunk.map(|chunk| Some((chunk, chunks))),
            // `WireError::of_body` finds it again in what the handler's input fails with: 408.
            Err(_) => Err(axum::Error::new(SlowBody)),
        }
    }))
}
