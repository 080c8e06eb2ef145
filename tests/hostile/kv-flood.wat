;; unreachable
(module
  (import "tidegate:hooks/kv@0.1.2" "set" (func $set (param i32 i32 i32 i32 i32 i32 i32)))
  (memory (export "memory") 2)
  (func $realloc (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (export "cabi_realloc" (func $realloc))
  (func (export "tidegate:hooks/external-auth@0.1.2#authenticate") (param $attempt i32) (result i32)
    (local $number i32)
    ;; Values of 60,000 bytes under new keys until the store says that it is full.
    (loop $again
      (local.set $number (i32.add (local.get $number) (i32.const 1)))
      (i32.store (i32.const 64)
        (i32.or (i32.const 0x61616161) (i32.and (local.get $number) (i32.const 0x0f0f0f0f))))
      (i32.store (i32.const 68)
        (i32.or (i32.const 0x61616161) (i32.and (i32.shr_u (local.get $number) (i32.const 4)) (i32.const 0x0f0f0f0f))))
      (call $set (i32.const 64) (i32.const 8) (i32.const 65536) (i32.const 60000) (i32.const 0) (i32.const 0) (i32.const 32))
      (br_if $again (i32.eqz (i32.load8_u (i32.const 32)))))
    unreachable))
