export * as config from "tidegate:hooks/config@0.1.2";
