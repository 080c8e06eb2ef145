;; limits.cpu_ms
(module
  (import "tidegate:hooks/log@0.1.2" "log" (func $log (param i32 i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (func $realloc (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (export "cabi_realloc" (func $realloc))
  (data (i32.const 64) "flood")
  (func (export "tidegate:hooks/external-auth@0.1.2#authenticate") (param $attempt i32) (result i32)
    (loop $again
      (call $log (i32.const 2) (i32.const 64) (i32.const 5) (i32.const 0) (i32.const 0))
      (br $again))
    unreachable))
