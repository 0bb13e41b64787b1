//! The house: configuration, command line, Postgres, database roles.

mod cli;
mod config;
mod migrations;
mod postgres;
mod rights;
mod roles;
mod scripts;
mod service;
