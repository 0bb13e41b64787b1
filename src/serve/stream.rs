//! A connection's bytes, with an end to every wait for the client.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::line::Seat;

/// The stream of one connection. It fails when the head of a request takes too long, or the client
/// takes nothing of an answer for too long.
#[derive(Debug)]
pub(super) struct Stream {
    inner: TcpStream,
    seat: Arc<Seat>,
    /// The place in the line at which the head's time began.
    place: u64,
    head: Limit,
    answer: Limit,
}

/// A wait that may last only so long.
#[derive(Debug)]
struct Limit {
    longest: Duration,
    until: Option<Pin<Box<Sleep>>>,
}

impl Limit {
    fn start(&mut self) {
        let longest = self.longest;
        self.until.get_or_insert_with(|| Box::pin(sleep(longest)));
    }

    fn stop(&mut self) {
        self.until = None;
    }

    /// Pending until the time is over; for ever when none runs.
    fn over<T>(&mut self, cx: &mut Context<'_>, what: &'static str) -> Poll<io::Result<T>> {
        let Some(until) = &mut self.until else {
            return Poll::Pending;
        };
        ready!(until.as_mut().poll(cx));
        self.until = None;
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, what)))
    }
}

impl Stream {
    /// The time of the first head begins with the connection, that of a later one with its first
    /// byte.
    pub(super) fn new(inner: TcpStream, seat: Arc<Seat>, head: Duration, answer: Duration) -> Self {
        let limit = |longest| Limit {
            longest,
            until: None,
        };
        let mut stream = Self {
            inner,
            place: seat.place(),
            seat,
            head: limit(head),
            answer: limit(answer),
        };
        stream.head.start();
        stream
    }

    /// What came of a write: one that cannot go on may wait only so long.
    fn wrote<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.answer.stop();
            return done;
        }
        self.answer.start();
        self.answer.over(cx, "the client did not take the answer")
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        let place = self.seat.place();
        if place != self.place {
            // That head came to its end: its request is answered, or was already.
            self.place = place;
            self.head.stop();
        }
        if place == Seat::WORKING {
            // The rest is the body, which has a limit of its own.
            return read;
        }
        if buffer.filled().len() > before {
            self.head.start();
        } else if read.is_pending() {
            return self
                .head
                .over(cx, "the head of a request did not come to its end");
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.wrote(cx, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.wrote(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
