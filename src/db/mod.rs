//! SQL and nothing else: plain functions on a connection, checked at compile time.

pub mod accounts;
pub mod asks;
pub mod audit;
pub mod cases;
pub mod catalog;
pub mod decisions;
pub mod delays;
pub mod doctor;
mod documents;
pub mod fetches;
pub mod foreign;
pub mod grants;
pub mod guarding;
pub mod lent;
mod login;
pub mod migrate;
pub mod people;
pub mod pool;
pub mod request_lists;
pub mod requests;
pub mod restored;
pub mod standing;
pub mod targets;
pub mod timeouts;
pub mod tx;
pub mod work;
