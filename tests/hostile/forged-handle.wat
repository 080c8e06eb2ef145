;; failed
(module
  (memory (export "memory") 1)
  (func $realloc (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (export "cabi_realloc" (func $realloc))
  ;; ok(accept(some(draft 77))): a draft that the host never made.
  (data (i32.const 64) "\00\00\00\00\01\00\00\00\01\00\00\00\4d\00\00\00")
  (func (export "tidegate:hooks/external-auth@0.1.2#authenticate") (param $attempt i32) (result i32)
    (i32.const 64)))
