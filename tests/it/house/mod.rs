//! The house: configuration, command line, Postgres, database roles.

mod cli;
mod config;
mod postgres;
mod roles;
mod service;
