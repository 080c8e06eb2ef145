;; failed
(module
  (memory (export "memory") 200)
  (func $realloc (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (export "cabi_realloc" (func $realloc))
  ;; err({message: 12 MiB of zeros, transient: false})
  (data (i32.const 64) "\01\00\00\00\00\10\00\00\00\00\c0\00\00\00\00\00")
  (func (export "tidegate:hooks/external-auth@0.1.2#authenticate") (param $attempt i32) (result i32)
    (i32.const 64)))
