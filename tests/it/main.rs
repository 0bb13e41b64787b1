//! All integration tests, in one binary: they share one Postgres.

mod api;
mod app;
mod architecture;
mod house;
mod http;
mod identities;
mod policy;
mod process;
mod rules;
mod sandbox;
mod scale;
mod sign_in;
mod simulate;
mod simulation;
mod support;
mod tally;
mod web;
mod worker;
