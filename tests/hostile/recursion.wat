;; its stack overflowed
(module
  (memory (export "memory") 1)
  (func $realloc (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (export "cabi_realloc" (func $realloc))
  (func $deeper (param $depth i64) (result i64)
    (i64.add (local.get $depth) (call $deeper (i64.add (local.get $depth) (i64.const 1)))))
  (func (export "tidegate:hooks/external-auth@0.1.2#authenticate") (param $attempt i32) (result i32)
    (i32.wrap_i64 (call $deeper (i64.const 0)))))
