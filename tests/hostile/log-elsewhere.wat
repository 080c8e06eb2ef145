;; failed
(module
  (import "tidegate:hooks/log@0.1.2" "log" (func $log (param i32 i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (func $realloc (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (export "cabi_realloc" (func $realloc))
  ;; A message that reaches beyond the end of memory.
  (func (export "tidegate:hooks/external-auth@0.1.2#authenticate") (param $attempt i32) (result i32)
    (call $log (i32.const 2) (i32.const 65000) (i32.const 1000000) (i32.const 0) (i32.const 0))
    unreachable))
