//! The built server, from outside, with the clients that people use.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod account_limits;
mod administration;
mod algorithms;
mod clients;
mod command_line;
mod commands_of_server;
mod configuration;
mod confinement;
mod crash;
mod database_away;
mod descriptors;
mod documentation;
mod every_kind;
mod external_auth;
mod file_actions;
mod first_administrator;
mod first_party;
mod flow_control;
mod guard;
mod half_open;
mod hook_test;
mod hostile_commands;
mod hostile_components;
mod hostile_packets;
mod hostile_plugin_files;
mod image;
mod key_value_file;
mod links;
mod logins;
mod looking;
mod lost_passwords;
mod made_for_accounts;
mod migration;
mod names_in_bytes;
mod object_credentials;
mod object_failures;
mod object_requests;
mod object_storage;
mod one_tree;
mod only_read_accounts;
mod open_flags;
mod operations;
mod other_languages;
mod packaging;
mod panel;
mod plugin_accounts;
mod plugin_commands;
mod plugin_projects;
mod plugins;
mod printing;
mod proxies;
mod quotas;
mod reload;
mod rest;
mod rest_examples;
mod rest_schemas;
mod rows_of_servers;
mod running_systemd;
mod sessions;
mod sftp;
mod sftp_storage;
mod ssh;
mod stopping;
mod synchronous_uploads;
mod table_of_clients;
mod throttled;
mod traces;
mod usage;
mod user_tools;
mod web;
mod web_lists;
mod wrong_targets;
