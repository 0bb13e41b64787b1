mod access;
mod edges;
mod facts;
mod forms;
mod hostile;
mod pages;
pub mod portal;
mod routes;
mod samples;
