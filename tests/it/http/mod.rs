//! The HTTP server: what clients may take, and what they cannot keep.

mod descriptors;
mod held;
mod log;
mod peer;
mod proxies;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::ChildStderr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use countersign::serve::http::{self, Limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Far beyond what anything takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// A limit that ends within a test.
const SHORT: Duration = Duration::from_millis(50);
/// None that does.
const NEVER: Duration = Duration::from_hours(1);

/// A server whose limits no test meets, but for those that it makes shorter.
const LIMITS: Limits = Limits {
    connections: 100,
    head: NEVER,
    body: NEVER,
    idle: NEVER,
    answer: NEVER,
};

struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    ended: JoinHandle<()>,
}

impl Server {
    async fn start(router: Router, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, mut stopped) = watch::channel(false);
        let told = async move { drop(stopped.wait_for(|it| *it).await) };
        let ended = tokio::spawn(http::serve(listener, router, limits, told));
        Self {
            address,
            stop,
            ended,
        }
    }

    /// A connection on which this much was sent.
    async fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// The whole of an answer after which the connection is closed.
    async fn ask(&self, path: &str) -> String {
        let text = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        rest(&mut self.send(&text).await).await
    }
}

/// What comes until the connection is closed; fails when it stays open.
async fn rest(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut read)).await;
    // Closed with an error, where something that was sent had not been read: closed all the same.
    let _ = closed.expect("the connection is closed");
    String::from_utf8_lossy(&read).into_owned()
}

/// Reads until the text has come; fails when the connection is closed before.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut read = String::new();
    let mut buffer = [0; 1024];
    while !read.contains(text) {
        let some = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await;
        let count = some.expect("an answer").expect("the connection is open");
        assert!(count > 0, "closed after {read:?}");
        read.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    read
}

/// What a process writes for as long as it runs, line by line.
fn collect(pipe: ChildStderr) -> Arc<Mutex<String>> {
    let log = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&log);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let line = line.unwrap() + "\n";
            into.lock().unwrap().push_str(&line);
        }
    });
    log
}
