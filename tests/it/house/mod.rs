//! The house: configuration, command line, Postgres, database roles.

mod cli;
mod config;
mod migrated;
mod migrations;
mod postgres;
mod rights;
mod roles;
mod scripts;
mod service;
