//! SQL and nothing else: plain functions on a connection, checked at compile time.

pub mod asks;
pub mod audit;
pub mod catalog;
pub mod delays;
pub mod foreign;
pub mod grants;
pub mod lent;
mod login;
pub mod migrate;
pub mod people;
pub mod pool;
pub mod requests;
pub mod targets;
pub mod timeouts;
pub mod tx;
pub mod work;
