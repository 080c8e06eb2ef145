;; limits.memory_mib
(module
  (memory (export "memory") 1)
  (func $realloc (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (export "cabi_realloc" (func $realloc))
  (func (export "tidegate:hooks/external-auth@0.1.2#authenticate") (param $attempt i32) (result i32)
    (loop $again
      (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
    ;; A growth was refused: what was not given is touched all the same.
    (i32.load (i32.const -8))))
