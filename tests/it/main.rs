//! All integration tests, in one binary: they share one Postgres.

mod app;
mod architecture;
mod house;
mod sandbox;
mod support;
mod web;
