export * as secrets from "tidegate:hooks/secrets@0.1.2";
