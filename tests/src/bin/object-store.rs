//! A store that speaks S3 and keeps its objects in memory, with the bucket `bucket`: for tests that need directories, which
//! `s3s-fs` cannot have as other stores do: the one of the adapter's units, which axum serves. It says where it listens, and
//! runs until it is killed.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a store of tests, most of which the adapter's units use"
)]

#[path = "../../../host/storage-s3/src/tests/store.rs"]
mod store;

#[tokio::main]
async fn main() {
    let store = store::Store::start().await;
    println!("{}", store.address);
    std::future::pending::<()>().await;
}
