//! All integration tests, in one binary: they share one Postgres.

mod architecture;
mod house;
mod support;
mod web;
