//! The engine that all plugins share.

use std::time::Duration;

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

use crate::settings::MAX_MEMORY_MIB;

/// Calls of all plugins that there may be at once.
pub const MAX_CALLS: u32 = 256;
/// With the instances that wait for a call or had theirs: they take no place from calls.
pub const INSTANCES: u32 = MAX_CALLS * 2;
/// The unit in which computing is counted.
pub const EPOCH: Duration = Duration::from_millis(10);
/// Core instances in one component: bindings make a few, interpreters dozens.
const CORE_INSTANCES: u32 = 24;
/// Bytes of a memory, and of a table, that stay in place for the next call.
const KEPT_RESIDENT: usize = 256 << 10;

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("the WebAssembly engine could not be made: {0}")]
    Engine(String),
    #[error("the thread that counts the plugins' CPU time could not be started: {0}")]
    Ticker(std::io::Error),
}

/// Instances come from a pool, with memory copied on write: a fresh one for every call.
pub fn engine() -> Result<Engine, EngineError> {
    let mut config = Config::new();
    config.epoch_interruption(true).wasm_backtrace_details(WasmBacktraceDetails::Disable);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES)
        .total_stacks(INSTANCES)
        .total_core_instances(INSTANCES * CORE_INSTANCES)
        .total_memories(INSTANCES * 2)
        .total_tables(INSTANCES * 8)
        .max_memory_size(MAX_MEMORY_MIB << 20)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(1 << 20)
        .table_elements(100_000)
        .max_unused_warm_slots(INSTANCES)
        // Pages that a call wrote are put back as they were rather than given away: the next
        // call finds them without a fault. Kernels before 6.7 cannot say which those are.
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(KEPT_RESIDENT)
        .table_keep_resident(KEPT_RESIDENT);
    config.allocation_strategy(pool);
    let engine = Engine::new(&config).or_else(|error| {
        // The pool reserves address space, which a limit such as `ulimit -v` can forbid.
        tracing::warn!(sender = "plugins", message = format!("plugins run without a pool, more slowly: {error}"));
        config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
        Engine::new(&config)
    });
    let engine = engine.map_err(|error| EngineError::Engine(error.to_string()))?;
    start_ticker(&engine)?;
    Ok(engine)
}

fn start_ticker(engine: &Engine) -> Result<(), EngineError> {
    let engine = engine.weak();
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(EPOCH);
        }
    };
    std::thread::Builder::new().name("plugin-epochs".into()).spawn(tick).map(drop).map_err(EngineError::Ticker)
}
