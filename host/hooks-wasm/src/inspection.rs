//! A look at a component that is not in service: what it is, what it wants, what it costs.

use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tidegate_core::hook::HookKind;

use crate::component_file::{self, LoadError};
use crate::engine;
use crate::loading::hexadecimal;
use crate::v0_1;

/// What can be said of a component without settings.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// Hexadecimal SHA-256 of the file.
    pub digest: String,
    pub size: usize,
    pub hooks: Vec<HookKind>,
    /// Interfaces, in the order of the file.
    pub imports: Vec<String>,
    /// What the operator has to grant before all of it works.
    pub needs: Vec<&'static str>,
    pub compile_time: Duration,
}

/// `Err`: why a server would not load it. Takes as long as loading does.
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

/// The component's world, as WIT.
pub fn world(bytes: &[u8]) -> Result<String, LoadError> {
    let invalid = |error: &dyn std::fmt::Display| LoadError::Invalid(error.to_string());
    let decoded = wit_component::decode(bytes).map_err(|error| invalid(&error))?;
    let mut printer = wit_component::WitPrinter::default();
    printer.print(decoded.resolve(), decoded.package(), &[]).map_err(|error| invalid(&error))?;
    Ok(printer.output.to_string())
}
