//! The engine that all plugins share.

use std::time::Duration;

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

use crate::settings::MAX_MEMORY_MIB;

/// Calls of all plugins that may be under way at once.
pub const MAX_CALLS: u32 = 256;
/// Instances in the pool: one for each call, and as many that wait for a call or are about to be taken down.
pub const INSTANCES: u32 = MAX_CALLS * 2;
/// The period of the epoch clock, the unit in which a guest's CPU time is counted.
pub const EPOCH: Duration = Duration::from_millis(10);
/// Core instances in the pool for each component instance: bindings make a few, interpreters dozens.
const CORE_INSTANCES: u32 = 24;
/// Bytes of each memory, and of each table, that stay resident for the next call.
const KEPT_RESIDENT: usize = 256 << 10;

/// Why the WebAssembly engine cannot run on this machine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Wasmtime could not make the engine or the linker; the text is its error.
    #[error("the WebAssembly engine could not be made: {0}")]
    Engine(String),
    /// The thread that advances the epoch could not be started.
    #[error("the thread that counts the plugins' CPU time could not be started: {0}")]
    Ticker(std::io::Error),
}

/// Makes the engine. Instances come from a pool, with memory copied on write, so that every call
/// can have a fresh one.
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
        // Pages that a call wrote are reset in place rather than given back to the kernel, so that
        // the next call has no page fault. Kernels before 6.7 cannot tell which pages were written.
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
