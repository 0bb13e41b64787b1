//! Countersign: a just-in-time elevation approval service for AWS IAM.

pub mod api;
pub mod app;
pub mod authn;
pub mod authz;
pub mod aws;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod demo;
pub mod domain;
pub mod error;
pub mod ids;
pub mod policy;
pub mod sandbox;
pub mod serve;
pub mod telemetry;
pub mod web;
pub mod worker;
