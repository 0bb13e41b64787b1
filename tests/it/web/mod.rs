mod pages;
mod samples;
