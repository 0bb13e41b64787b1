mod edges;
mod facts;
mod pages;
mod samples;
