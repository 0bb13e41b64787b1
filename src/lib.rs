//! Countersign: a just-in-time elevation approval service for AWS IAM.

pub mod clock;
pub mod domain;
pub mod ids;
pub mod policy;
pub mod web;
