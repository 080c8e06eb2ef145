export * as kv from "tidegate:hooks/kv@0.1.2";
