;; failed
(module
  (memory (export "memory") 1)
  (table $hoard 1 funcref)
  (func $realloc (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (export "cabi_realloc" (func $realloc))
  (func (export "tidegate:hooks/external-auth@0.1.2#authenticate") (param $attempt i32) (result i32)
    (loop $again
      (br_if $again (i32.ne (table.grow $hoard (ref.null func) (i32.const 10000)) (i32.const -1))))
    unreachable))
