mod edges;
mod pages;
mod samples;
