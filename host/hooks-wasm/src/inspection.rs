//! Inspects a component without loading it: its hooks, its imports, the grants that it needs, and
//! how long compiling takes.

use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tidegate_core::hook::HookKind;

use crate::component_file::{self, LoadError};
use crate::engine;
use crate::loading::hexadecimal;
use crate::v0_1;

/// The facts about a component that do not depend on a plugin's settings.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// Hexadecimal SHA-256 of the file.
    pub digest: String,
    /// Size of the file, in bytes.
    pub size: usize,
    /// Hooks of this server's contract that the component exports.
    pub hooks: Vec<HookKind>,
    /// Names of the imported interfaces, in the order of the file.
    pub imports: Vec<String>,
    /// Settings without which some imports do nothing, each with a hint for the operator.
    pub needs: Vec<&'static str>,
    /// Time that compiling took on this machine.
    pub compile_time: Duration,
}

/// Compiles and links a component as the server does, without running any of its code.
///
/// # Errors
/// The reason for which the server would not load the component.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, LoadError> {
    let engine = engine::engine().map_err(|error| LoadError::Invalid(error.to_string()))?;
    let started = Instant::now();
    let component = component_file::compile(&engine, bytes)?;
    let compile_time = started.elapsed();
    let hooks = component_file::exported_hooks(&engine, &component)?;
    let linker = v0_1::linker(&engine).map_err(|error| LoadError::Unlinkable(error.to_string()))?;
    linker.instantiate_pre(&component).map_err(|error| LoadError::Unlinkable(format!("{error:#}")))?;
    let imports: Vec<_> = component.component_type().imports(&engine).map(|(name, _)| name.to_owned()).collect();
    let wants = |interface: &str| imports.iter().any(|import| import.starts_with(interface));
    let mut needs = Vec::new();
    if wants("wasi:http/outgoing-handler") {
        needs.push("http = [\"https://…\"]: the places that it may send requests to");
    }
    if wants("wasi:sockets/udp") {
        needs.push("udp = [\"ADDRESS:PORT\"]: where it may send datagrams, if it does");
    }
    if wants("tidegate:hooks/secrets") {
        needs.push("[secrets]: the secrets that it asks for by name");
    }
    Ok(Inspection {
        digest: hexadecimal(&Sha256::digest(bytes)),
        size: bytes.len(),
        hooks,
        imports,
        needs,
        compile_time,
    })
}

/// The component's world, as WIT text.
///
/// # Errors
/// [`LoadError::Invalid`] if the bytes cannot be decoded as a component.
pub fn world(bytes: &[u8]) -> Result<String, LoadError> {
    let invalid = |error: &dyn std::fmt::Display| LoadError::Invalid(error.to_string());
    let decoded = wit_component::decode(bytes).map_err(|error| invalid(&error))?;
    let mut printer = wit_component::WitPrinter::default();
    printer.print(decoded.resolve(), decoded.package(), &[]).map_err(|error| invalid(&error))?;
    Ok(printer.output.to_string())
}
