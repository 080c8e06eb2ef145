//! The binary `tidegate`.

mod cli;
mod config;
mod hook_points;
mod hook_test;
mod journal;
mod log;
mod panics;
mod password_pool;
mod portable;
mod serve;
mod shutdown;
mod state_directory;
mod version;
mod wire;

fn main() -> std::process::ExitCode {
    cli::run()
}
