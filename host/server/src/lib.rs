//! The server: command line, configuration, log, and what puts the crates together. The binary is
//! [`run`]; the fuzz targets read configurations.

mod activation;
mod advertisement;
mod cli;
mod clock;
mod config;
mod confine;
mod control;
mod descriptors;
mod disks;
mod dump_request;
mod dump_text;
mod exemptions;
mod file_log;
mod first_administrator;
#[cfg(test)]
mod generated;
mod hook_explanation;
mod hook_inventory;
mod hook_test;
mod http;
mod journal;
mod log;
mod log_file;
mod memory_dump;
mod named_secrets;
mod panics;
mod plugin_installation;
mod portable;
mod serve;
mod session_records;
mod shutdown;
mod spools;
mod state_directory;
mod telemetry;
mod unmarked_usages;
mod version;
mod whole_lines;
mod wire;

pub use cli::run;
pub use config::check_text as check_configuration;
